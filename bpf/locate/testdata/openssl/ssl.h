// SPDX-License-Identifier: MIT
#include <stddef.h>

typedef struct ssl_st SSL;
typedef struct {
  int version;
  unsigned flags;
  unsigned long mask;
#ifdef OLD
  int (*ssl_new)(SSL *);
  int (*ssl_clear)(SSL *);
  void (*ssl_free)(SSL *);
#else
  int (*ssl_new)(SSL *);
  void (*ssl_free)(SSL *);
  int (*ssl_reset)(SSL *);
  int (*ssl_init)(SSL *);
  int (*ssl_clear)(SSL *);
  void (*ssl_deinit)(SSL *);
#endif
  int (*ssl_accept)(SSL *);
  int (*ssl_connect)(SSL *);
  int (*ssl_read)(SSL *, void *, size_t, size_t *);
  int (*ssl_peek)(SSL *, void *, size_t, size_t *);
  int (*ssl_write)(SSL *, const void *, size_t, size_t *);
  int (*ssl_shutdown)(SSL *);
  int (*ssl_renegotiate)(SSL *);
  int (*ssl_renegotiate_check)(SSL *, int);
  int (*ssl_read_bytes)(SSL *, int, void *, size_t, size_t *);
  int (*ssl_write_bytes)(SSL *, int, const void *, size_t, size_t *);
} SSL_METHOD;

struct ssl_st {
  const SSL_METHOD *method;
  void *handshake_func;
  int shutdown, rwstate;
  size_t pending;
};

extern volatile long sink;
extern const SSL_METHOD TLS_method, TLSv1_3_method;

int SSL_read(SSL *s, void *buf, int num);
int SSL_read_ex(SSL *s, void *buf, size_t num, size_t *readbytes);
int SSL_write(SSL *s, const void *buf, int num);
int SSL_write_ex(SSL *s, const void *buf, size_t num, size_t *written);
