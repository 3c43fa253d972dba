// SPDX-License-Identifier: MIT
// Functions with the error sites of BoringSSL's s3_pkt.cc, and the table of
// its functions in tls_method.cc.
#include "ssl.h"

static int do_tls_write(SSL *ssl, size_t *written, const uint8_t *in, size_t len);

#line 40 "../../vendor/boringssl/ssl/s3_pkt.cc"
static int tls_write_app_data(SSL *ssl, char *needs_handshake, size_t *written,
                              const uint8_t *in, size_t len) {
  if (ssl->s3->write_shutdown != 0) {
    OPENSSL_PUT_ERROR(194);
    return -1;
  }
  if (ssl->s3->wpend_len > len) {
    OPENSSL_PUT_ERROR(111);
    return -1;
  }
  *needs_handshake = 0;
  *written = 0;
  while (*written < len) {
    size_t n = len - *written > 16384 ? 16384 : len - *written, done = 0;
    int ret = do_tls_write(ssl, &done, in + *written, n);
    if (ret <= 0) return ret;
    *written += done;
  }
  return 1;
}

static int do_tls_write(SSL *ssl, size_t *written, const uint8_t *in, size_t len) {
  if (ssl->s3->wpend != NULL && ssl->s3->wpend != in) {
    OPENSSL_PUT_ERROR(118);
    return -1;
  }
  if (ssl->s3->alert && ssl_send_alert(ssl, 2, ssl->s3->alert) <= 0) return -1;
  *written = len;
  return 1;
}

static int tls_open_app_data(SSL *ssl, uint8_t **out, size_t *out_len,
                             size_t *consumed, uint8_t *alert) {
  if (ssl->s3->buffered == 0) {
    ssl->s3->rwstate = 2;
    return -1;
  }
  *out = ssl->s3->read_buffer;
  *out_len = *consumed = ssl->s3->buffered;
  *alert = 0;
  return 1;
}

static int tls_dispatch_alert(SSL *ssl) {
  ssl->s3->alert = 0;
  if (ssl->s3->write_shutdown > 1) {
    OPENSSL_PUT_ERROR(194);
    return -1;
  }
  return ssl_send_alert(ssl, 1, 0);
}

static int tls_new(SSL *ssl) {
  ssl->s3 = OPENSSL_malloc(sizeof(SSL3_STATE));
  return ssl->s3 != NULL;
}

void tls_free(SSL *ssl) {
  if (ssl->s3 == NULL) return;
  OPENSSL_free(ssl->s3->read_buffer);
  OPENSSL_free(ssl->s3);
  ssl->s3 = NULL;
}

static int dtls_new(SSL *ssl) { return tls_new(ssl) && ++ssl->s3->alert; }
static void dtls_free(SSL *ssl) {
  ssl->s3->alert = 1;
  tls_free(ssl);
}
static int get_message(SSL *ssl, void *msg) { return ssl->s3->buffered > 99 && msg; }
static void next_message(SSL *ssl) { ssl->s3->buffered--; }
static int dtls_write_app_data(SSL *ssl, char *needs_handshake, size_t *written,
                               const uint8_t *in, size_t len) {
  *needs_handshake = 0;
  return do_tls_write(ssl, written, in, len);
}

const SSL_PROTOCOL_METHOD kTLSProtocolMethod = {
    0, tls_new, tls_free, get_message, next_message, 0, 0, 0,
    tls_open_app_data, tls_write_app_data, tls_dispatch_alert};
const SSL_PROTOCOL_METHOD kDTLSProtocolMethod = {
    1, dtls_new, dtls_free, get_message, next_message, 0, 0, 0,
    tls_open_app_data, dtls_write_app_data, tls_dispatch_alert};
