// SPDX-License-Identifier: MIT
// A program that uses the library, and what the library needs of the rest of
// it. It is linked without libc, so that any target can be linked anywhere,
// and never run.
#include "ssl.h"

volatile long sink;
static char heap[1 << 10];
static SSL *ssl;

void ERR_put_error(int lib, int unused, int reason, const char *file, unsigned line) {
  sink += lib + unused + reason + *file + line;
}
void ssl_reset_error_state(SSL *s) { sink += (long)s; }
int ssl_do_post_handshake(SSL *s, void *msg) { return ++sink && s != msg; }
int ssl_send_alert(SSL *s, int level, int desc) { return (int)(sink += (long)s + level + desc); }
void *OPENSSL_memcpy(void *dst, const void *src, size_t n) {
  for (volatile char *d = dst; n--;) *d++ = *(const volatile char *)src++;
  return dst;
}
void *OPENSSL_malloc(size_t n) { return sink + n < sizeof heap ? heap + sink : NULL; }
void OPENSSL_free(void *p) { sink += (long)p; }
_Noreturn void OPENSSL_abort(void) {
  for (;;) sink++;
}

int SSL_set_quic_method(SSL *s, void *method);
void ssl_check(SSL *s, const char *what);

int SSL_write_early_data(SSL *s, const void *buf, int num);

#ifdef INLINED
int program_read(int fd, char *buf, int n);
#else
int program_read(int fd, char *buf, int n) {
  int ret = SSL_read(ssl, buf + fd, n);
  sink += ret;
  return ret;
}
#endif

int main(int argc, char **argv) {
  char buf[100];
  ssl = SSL_new(argv);
  ssl_check(ssl, argv[0]);
  SSL_set_quic_method(ssl, argv);
  SSL_write(ssl, buf, program_read(argc, buf, 100));
  SSL_write(ssl, argv[1], argc);
#ifdef PEEK
  sink += SSL_peek(ssl, buf, argc);
#endif
#ifdef TWICE
  sink += SSL_write_early_data(ssl, buf, argc);
#endif
  ssl->method = &kDTLSProtocolMethod;
  SSL_renegotiate(ssl);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  return (int)sink;
}
