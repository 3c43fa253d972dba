// SPDX-License-Identifier: MIT
// A program that makes the linker take in OpenSSL. It is never run.
#include <stddef.h>

void *TLS_method(void), *SSL_CTX_new(void *), *SSL_new(void *);
void SSL_free(void *);
int SSL_read(void *, void *, int), SSL_write(void *, const void *, int), SSL_peek(void *, void *, int);
int SSL_read_ex(void *, void *, size_t, size_t *), SSL_write_ex(void *, const void *, size_t, size_t *);
const char *OpenSSL_version(int);

int main(void) {
  char buf[9];
  size_t n;
  void *s = SSL_new(SSL_CTX_new(TLS_method()));
  SSL_free(s);
  return SSL_read(s, buf, 9) + SSL_write(s, buf, 9) + SSL_read_ex(s, buf, 9, &n) + SSL_write_ex(s, buf, 9, &n) + SSL_peek(s, buf, 9) + *OpenSSL_version(0);
}
