// SPDX-License-Identifier: MIT
// A program that uses the library. It is linked without libc and never run.
#include "ssl.h"

#ifdef V1
const char version[] = "OpenSSL 1.1.1z  1 Apr 2030";
#else
const char version[] = "OpenSSL 3.0.99 1 Apr 2030";
#endif

int main(int argc, char **argv) {
  static SSL s;
  char buf[100];
  size_t n;
  s.method = argc ? &TLS_method : &TLSv1_3_method;
  sink += SSL_read_ex(&s, buf, 100, &n) + SSL_write_ex(&s, buf, n, &n);
  sink += SSL_write(&s, buf, SSL_read(&s, buf, argc)) + version[argc];
  s.method->ssl_free(&s);
  return SSL_write(&s, argv, argc);
}

// Compilers make calls of these.
void *memset(void *d, int c, size_t n) {
  for (volatile char *p = d; n--;) *p++ = (char)c;
  return d;
}
