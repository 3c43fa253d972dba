// SPDX-License-Identifier: MIT
// Functions that raise errors as those of OpenSSL do, by name, and its tables of
// methods: as of 3.2, before with -DOLD, and by number as of 1.1 with -DV1.
#include "ssl.h"

volatile long sink;

__attribute__((noinline)) void ERR_new(void) { sink++; }
__attribute__((noinline)) void ERR_set_debug(const char *file, int line, const char *func) { sink += *file + line + *func; }
__attribute__((noinline)) void ERR_set_error(int lib, int reason, const char *fmt) { sink += lib + reason + (long)fmt; }
#ifdef V1
__attribute__((noinline)) void ERR_put_error(int lib, int func, int reason, const char *file, int line) {
  sink += lib + func + reason + *file + line;
}
enum { SSL_read_ = 223, SSL_write_ = 208, ssl_read_internal_ = 523, ssl_write_internal_ = 524, ssl3_read_bytes_ = 148, ssl3_write_bytes_ = 158 };
#define ERR_raise(func, reason) ERR_put_error(20, func##_, reason, __FILE__, __LINE__)
#else
#define ERR_raise(func, reason) (ERR_new(), ERR_set_debug(__FILE__, __LINE__, __func__), ERR_set_error(20, reason, NULL))
#endif

// Compilers may inline the inner functions or not; there is a test for each.
#ifdef INLINED
#define OUTER static inline __attribute__((always_inline))
#else
#define OUTER __attribute__((noinline))
#endif

OUTER int ssl_read_internal(SSL *s, void *buf, size_t num, size_t *readbytes) {
  if (s->handshake_func == NULL) {
    ERR_raise(ssl_read_internal, 276);
    return -1;
  }
  if (s->shutdown & 2) {
    s->rwstate = 1;
    return 0;
  }
  return s->method->ssl_read(s, buf, num, readbytes);
}

int SSL_read(SSL *s, void *buf, int num) {
  size_t readbytes;
  if (num < 0) {
    ERR_raise(SSL_read, 271);
    return -1;
  }
  int ret = ssl_read_internal(s, buf, (size_t)num, &readbytes);
  return ret > 0 ? (int)readbytes : ret;
}

int SSL_read_ex(SSL *s, void *buf, size_t num, size_t *readbytes) {
  int ret = ssl_read_internal(s, buf, num, readbytes);
  return ret < 0 ? 0 : ret;
}

OUTER int ssl_write_internal(SSL *s, const void *buf, size_t num, size_t *written) {
  if (s->handshake_func == NULL) {
    ERR_raise(ssl_write_internal, 276);
    return -1;
  }
  if (s->shutdown & 1) {
    s->rwstate = 1;
    ERR_raise(ssl_write_internal, 207);
    return -1;
  }
  return s->method->ssl_write(s, buf, num, written);
}

int SSL_write(SSL *s, const void *buf, int num) {
  size_t written;
  if (num < 0) {
    ERR_raise(SSL_write, 271);
    return -1;
  }
  int ret = ssl_write_internal(s, buf, (size_t)num, &written);
  return ret > 0 ? (int)written : ret;
}

int SSL_write_ex(SSL *s, const void *buf, size_t num, size_t *written) {
  int ret = ssl_write_internal(s, buf, num, written);
  return ret < 0 ? 0 : ret;
}

static int ssl3_read_bytes(SSL *s, int type, void *buf, size_t n, size_t *readbytes) {
  if (type != 23 && type != 22) {
    ERR_raise(ssl3_read_bytes, 68);
    return -1;
  }
  *readbytes = n < s->pending ? n : s->pending;
  for (size_t i = 0; i < *readbytes; i++) ((volatile char *)buf)[i] = (char)type;
  return 1;
}

static int ssl3_write_bytes(SSL *s, int type, const void *buf, size_t n, size_t *written) {
  if (n < s->pending) {
    ERR_raise(ssl3_write_bytes, 271);
    return -1;
  }
  sink += *(const char *)buf + type;
  *written = n;
  return 1;
}

static int tls_new(SSL *s) { return s->pending == 0; }
static int tls_clear(SSL *s) { return (int)(s->pending = 0); }
void tls_free(SSL *s) {
  sink += (long)s;
  s->method = NULL;
}
static int tls_io(SSL *s) { return s->rwstate; }
static int tls_read(SSL *s, void *b, size_t n, size_t *r) { return s->method->ssl_read_bytes(s, 23, b, n, r); }
static int tls_peek(SSL *s, void *b, size_t n, size_t *r) { return s->method->ssl_read_bytes(s, 22, b, n, r); }
static int tls_write(SSL *s, const void *b, size_t n, size_t *w) { return s->method->ssl_write_bytes(s, 23, b, n, w); }
static int tls_check(SSL *s, int n) { return s->rwstate + n; }

#ifdef OLD
#define LIFE tls_new, tls_clear, tls_free
#else
#define LIFE tls_new, tls_free, tls_clear, tls_new, tls_clear, tls_free
#endif
#define METHOD(version)                                                          \
  {version, 0, 0, LIFE, tls_io, tls_io, tls_read, tls_peek, tls_write, tls_io,   \
   tls_io, tls_check, ssl3_read_bytes, ssl3_write_bytes}
const SSL_METHOD TLS_method = METHOD(0x10000), TLSv1_3_method = METHOD(0x304);
