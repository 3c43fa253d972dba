// SPDX-License-Identifier: MIT
// What ssl_lib.c and s3_pkt.c share: the shape of BoringSSL's connection, and
// its way to raise errors. The bodies do something, so that compilers have to
// keep and arrange it as they do in the original.
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_st SSL;

typedef struct {
  char is_dtls;
  int (*ssl_new)(SSL *);
  void (*ssl_free)(SSL *);
  int (*get_message)(SSL *, void *);
  void (*next_message)(SSL *);
  int (*has_unprocessed_handshake_data)(const SSL *);
  int (*open_handshake)(SSL *, size_t *, uint8_t *, uint8_t *, size_t);
  int (*open_change_cipher_spec)(SSL *, size_t *, uint8_t *, uint8_t *, size_t);
  int (*open_app_data)(SSL *, uint8_t **, size_t *, size_t *, uint8_t *);
  int (*write_app_data)(SSL *, char *needs_handshake, size_t *written,
                        const uint8_t *in, size_t len);
  int (*dispatch_alert)(SSL *);
} SSL_PROTOCOL_METHOD;

typedef struct {
  int rwstate, write_shutdown, renegotiate_pending, key_update_count, alert;
  uint8_t *app_data;
  size_t app_data_len, buffered;
  uint8_t *read_buffer;
  uint8_t *wpend;
  size_t wpend_len;
} SSL3_STATE;

struct ssl_st {
  const SSL_PROTOCOL_METHOD *method;
  void *do_handshake;
  SSL3_STATE *s3;
  void *quic_method, *ctx;
  unsigned char in_handshake, server;
};

void ERR_put_error(int lib, int unused, int reason, const char *file,
                   unsigned line);
#define OPENSSL_PUT_ERROR(reason) ERR_put_error(16, 0, reason, __FILE__, __LINE__)

#ifndef INLINED
int SSL_read(SSL *ssl, void *buf, int num);
int SSL_peek(SSL *ssl, void *buf, int num);
#endif
int SSL_write(SSL *ssl, const void *buf, int num);
int SSL_do_handshake(SSL *ssl);
int SSL_shutdown(SSL *ssl);
int SSL_renegotiate(SSL *ssl);
SSL *SSL_new(void *ctx);
void SSL_free(SSL *ssl);
extern const SSL_PROTOCOL_METHOD kTLSProtocolMethod, kDTLSProtocolMethod;

// Of the rest of the library and of the program, in main.c.
void ssl_reset_error_state(SSL *ssl);
int ssl_do_post_handshake(SSL *ssl, void *msg);
int ssl_send_alert(SSL *ssl, int level, int desc);
void *OPENSSL_memcpy(void *dst, const void *src, size_t n);
void *OPENSSL_malloc(size_t n);
void OPENSSL_free(void *p);
_Noreturn void OPENSSL_abort(void);
