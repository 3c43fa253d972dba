// SPDX-License-Identifier: MIT
// client PORT PATH...: gets each path from localhost, each on a connection of
// its own, by the TLS library that it is compiled for. Certificates are not
// looked at. It exits with 1 where something does not come.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void need(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
  }
}

#ifdef USE_MBEDTLS
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static mbedtls_ssl_config config;
static mbedtls_ssl_context ssl;
static int out(void *fd, const unsigned char *p, size_t n) { return write(*(int *)fd, p, n); }
static int in(void *fd, unsigned char *p, size_t n) { return read(*(int *)fd, p, n); }
static void begin(void) {
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&drbg);
  mbedtls_ssl_config_init(&config);
  need(!mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
  need(!mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), "config");
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &drbg);
}
static void open_tls(int *fd) {
  mbedtls_ssl_init(&ssl);
  need(!mbedtls_ssl_setup(&ssl, &config), "setup");
  mbedtls_ssl_set_hostname(&ssl, "localhost");
  mbedtls_ssl_set_bio(&ssl, fd, out, in, NULL);
}
static int read_tls(char *p, int n) {
  int r;
  while ((r = mbedtls_ssl_read(&ssl, (unsigned char *)p, n)) == MBEDTLS_ERR_SSL_WANT_READ) {}
  return r;
}
static int write_tls(const char *p, int n) { return mbedtls_ssl_write(&ssl, (const unsigned char *)p, n); }
static void close_tls(void) {
  mbedtls_ssl_close_notify(&ssl);
  mbedtls_ssl_free(&ssl);
}
#elif defined(USE_WOLFSSL)
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
static WOLFSSL_CTX *config;
static WOLFSSL *ssl;
static void begin(void) {
  wolfSSL_Init();
  config = wolfSSL_CTX_new(wolfTLS_client_method());
  wolfSSL_CTX_set_verify(config, WOLFSSL_VERIFY_NONE, NULL);
}
static void open_tls(int *fd) {
  ssl = wolfSSL_new(config);
  wolfSSL_set_fd(ssl, *fd);
}
static int read_tls(char *p, int n) { return wolfSSL_read(ssl, p, n); }
static int write_tls(const char *p, int n) { return wolfSSL_write(ssl, p, n); }
static void close_tls(void) {
  wolfSSL_shutdown(ssl);
  wolfSSL_free(ssl);
}
#else
#include <openssl/ssl.h>
static SSL_CTX *config;
static SSL *ssl;
static int turn; // each second connection is by the _ex functions
static void begin(void) { config = SSL_CTX_new(TLS_client_method()); }
static void open_tls(int *fd) {
  ssl = SSL_new(config);
  SSL_set_fd(ssl, *fd);
  SSL_set_connect_state(ssl);
  turn++;
}
static int read_tls(char *p, int n) {
  size_t got;
  return turn & 1 ? SSL_read(ssl, p, n) : SSL_read_ex(ssl, p, n, &got) ? (int)got : 0;
}
static int write_tls(const char *p, int n) {
  size_t sent;
  return turn & 1 ? SSL_write(ssl, p, n) : SSL_write_ex(ssl, p, n, &sent) ? (int)sent : 0;
}
static void close_tls(void) {
  SSL_shutdown(ssl);
  SSL_free(ssl);
}
#endif

int main(int argc, char **argv) {
  static char buf[20000];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  begin();
  for (int i = 2; i < argc; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), r, got = 0;
    need(!connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
    open_tls(&fd);
    int n = snprintf(buf, sizeof buf, "GET %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n", argv[i], argv[1]);
    need(write_tls(buf, n) == n, "write");
    while ((r = read_tls(buf, sizeof buf)) > 0) got += r;
    need(got > 0, "read");
    close_tls();
    close(fd);
  }
  return 0;
}
