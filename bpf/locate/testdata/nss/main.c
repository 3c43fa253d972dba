// SPDX-License-Identifier: MIT
// A program that uses the library. It is linked without libc and never run.
#include "ssl.h"

void ssl_ChooseOps(sslSocket *ss);

static const char *const names[] = {"NSS_SSL_CBC_RANDOM_IV", "Version: NSS 3.99.1", "NSS_SSL_REQUIRE_SAFE_NEGOTIATION"};

int main(int argc, char **argv) {
  static sslSocket s;
  unsigned char buf[100];
  s.useSecurity = argc;
  ssl_ChooseOps(&s);
  sink += names[argc][argc];
  return s.ops->read(&s, buf, 100) + s.ops->write(&s, buf, 100) + s.ops->recv(&s, buf, 9, 2) + s.ops->send(&s, buf, 9, 0) + s.ops->close(&s);
}

// Compilers make calls of these.
void *memset(void *d, int c, size_t n) {
  for (volatile char *p = d; n--;) *p++ = (char)c;
  return d;
}
void *memcpy(void *d, const void *s, size_t n) {
  for (volatile char *p = d; n--;) *p++ = *(const char *)s++;
  return d;
}
