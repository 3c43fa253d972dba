// SPDX-License-Identifier: MIT
// Functions with the error sites of BoringSSL's ssl_lib.cc, in its order.
#include "ssl.h"

#line 330 "../../vendor/boringssl/ssl/ssl_lib.cc"
int SSL_set_quic_method(SSL *ssl, void *method) {
  if (ssl->method->is_dtls) {
    OPENSSL_PUT_ERROR(66);
    return 0;
  }
  ssl->quic_method = method;
  return 1;
}

#line 520 "../../vendor/boringssl/ssl/ssl_lib.cc"
SSL *SSL_new(void *ctx) {
  SSL *ssl;
  if (ctx == NULL) {
    OPENSSL_PUT_ERROR(185);
    return NULL;
  }
  ssl = OPENSSL_malloc(sizeof(SSL));
  if (ssl == NULL) return NULL;
  ssl->method = &kTLSProtocolMethod;
  ssl->ctx = ctx;
  if (!ssl->method->ssl_new(ssl)) {
    SSL_free(ssl);
    return NULL;
  }
  return ssl;
}

void SSL_free(SSL *ssl) {
  if (ssl == NULL) return;
  if (ssl->method != NULL) ssl->method->ssl_free(ssl);
  OPENSSL_free(ssl);
}

#line 700 "../../vendor/boringssl/ssl/ssl_lib.cc"
int SSL_do_handshake(SSL *ssl) {
  ssl_reset_error_state(ssl);
  if (ssl->do_handshake == NULL) {
    OPENSSL_PUT_ERROR(134);
    return -1;
  }
  if (!ssl->in_handshake) return 1;
  return ssl_do_post_handshake(ssl, NULL);
}

// A call that does not return, with no code after it of its own.
void ssl_check(SSL *ssl, const char *what) {
  ssl->s3->alert = 80;
  if (*what) return;
  OPENSSL_abort();
}

static int check_renegotiate(SSL *ssl) {
  if (ssl->server || ssl->method->is_dtls) {
    OPENSSL_PUT_ERROR(262);
    return 0;
  }
  return ssl->s3->write_shutdown == 0;
}

#line 822 "../../vendor/boringssl/ssl/ssl_lib.cc"
int SSL_renegotiate(SSL *ssl) {
  if (!ssl->s3->renegotiate_pending) {
    OPENSSL_PUT_ERROR(66);
    return 0;
  }
  if (!check_renegotiate(ssl)) return 0;
  ssl->s3->renegotiate_pending = 0;
  ssl->in_handshake = 1;
  return 1;
}

#ifdef INLINED // as link-time optimisation does with a function that is called once
#define EXPORTED static inline __attribute__((always_inline))
EXPORTED int SSL_peek(SSL *ssl, void *buf, int num);
EXPORTED int SSL_read(SSL *ssl, void *buf, int num);
#else
#define EXPORTED
#endif

#line 850 "../../vendor/boringssl/ssl/ssl_lib.cc"
static int ssl_read_impl(SSL *ssl) {
  uint8_t msg[16], alert = 50;
  ssl_reset_error_state(ssl);
  if (ssl->do_handshake == NULL) {
    OPENSSL_PUT_ERROR(226);
    return -1;
  }
  while (ssl->s3->app_data_len == 0) {
    size_t consumed = 0;
    int ret;
    if (ssl->s3->renegotiate_pending) {
      // In the original by way of ssl_do_post_handshake.
      if (!SSL_renegotiate(ssl)) return -1;
      ssl->s3->rwstate = 9;
    }
    while (ssl->in_handshake) {
      ret = SSL_do_handshake(ssl);
      if (ret < 0) return ret;
      if (ret == 0) {
        OPENSSL_PUT_ERROR(215);
        return -1;
      }
    }
    if (ssl->method->get_message(ssl, msg)) {
      if (!ssl_do_post_handshake(ssl, msg)) return -1;
      ssl->method->next_message(ssl);
      continue;
    }
    ret = ssl->method->open_app_data(ssl, &ssl->s3->app_data,
                                     &ssl->s3->app_data_len, &consumed, &alert);
    if (ret < 0) {
      ssl_send_alert(ssl, 2, alert);
      return ret;
    }
    ssl->s3->key_update_count = 0;
  }
  return 1;
}

EXPORTED int SSL_read(SSL *ssl, void *buf, int num) {
  int ret = SSL_peek(ssl, buf, num);
  if (ret <= 0) return ret;
  ssl->s3->app_data += ret;
  ssl->s3->app_data_len -= ret;
  if (ssl->s3->app_data_len == 0 && ssl->s3->buffered == 0) {
    OPENSSL_free(ssl->s3->read_buffer);
    ssl->s3->read_buffer = NULL;
  }
  return ret;
}

#line 930 "../../vendor/boringssl/ssl/ssl_lib.cc"
EXPORTED int SSL_peek(SSL *ssl, void *buf, int num) {
  if (ssl->quic_method != NULL) {
    OPENSSL_PUT_ERROR(66);
    return -1;
  }
  int ret = ssl_read_impl(ssl);
  if (ret <= 0) return ret;
  if (num <= 0) return num;
  size_t todo = ssl->s3->app_data_len;
  if (todo > (size_t)num) todo = num;
  OPENSSL_memcpy(buf, ssl->s3->app_data, todo);
  return (int)todo;
}

int SSL_write(SSL *ssl, const void *buf, int num) {
  ssl_reset_error_state(ssl);
  if (ssl->quic_method != NULL) {
    OPENSSL_PUT_ERROR(66);
    return -1;
  }
  if (ssl->do_handshake == NULL) {
    OPENSSL_PUT_ERROR(226);
    return -1;
  }
  int ret = 0;
  size_t written = 0;
  char needs_handshake = 0;
  do {
    if (ssl->in_handshake) {
      ret = SSL_do_handshake(ssl);
      if (ret < 0) return ret;
      if (ret == 0) {
        OPENSSL_PUT_ERROR(215);
        return -1;
      }
    }
    if (num < 0) {
      OPENSSL_PUT_ERROR(111);
      return -1;
    }
    ret = ssl->method->write_app_data(ssl, &needs_handshake, &written, buf, num);
  } while (needs_handshake);
  return ret <= 0 ? ret : (int)written;
}

int SSL_shutdown(SSL *ssl) {
  ssl_reset_error_state(ssl);
  if (ssl->do_handshake == NULL) {
    OPENSSL_PUT_ERROR(226);
    return -1;
  }
  if (ssl->s3->write_shutdown == 0 && ssl->s3->app_data_len > 0) {
    OPENSSL_PUT_ERROR(291);
    return -1;
  }
  ssl->s3->write_shutdown = 1;
  return ssl_send_alert(ssl, 1, 0);
}

#ifdef INLINED
int program_read(int fd, char *buf, int n) {
  SSL *ssl = *(SSL **)(buf - fd);
  int ret = SSL_read(ssl, buf + 16 * fd, 4096);
  return ret < n ? n : ret;
}
#endif

#ifdef TWICE // another function with the error site of SSL_write
int SSL_write_early_data(SSL *ssl, const void *buf, int num) {
  if (num < 0 || ssl->server) {
    OPENSSL_PUT_ERROR(111);
    return -1;
  }
  return SSL_write(ssl, buf, num);
}
#endif
