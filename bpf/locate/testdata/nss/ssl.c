// SPDX-License-Identifier: MIT
// The two tables of functions of a socket of NSS: one hands on to the socket
// below, the other encrypts.
#include "ssl.h"

volatile long sink;
#define NOINLINE __attribute__((noinline))

static int ssl_DefConnect(sslSocket *ss, const void *a) { return (int)(sink += (long)a + ss->timeout); }
static int ssl_DefBind(sslSocket *ss, const void *a) { return (int)(sink += (long)a - ss->timeout); }
static int ssl_DefListen(sslSocket *ss, int n) { return (int)(sink += ss->timeout * n); }
static int ssl_DefShutdown(sslSocket *ss, int how) { return ss->shutdown = how; }
static int ssl_DefClose(sslSocket *ss) {
  PRFileDesc *fd = ss->fd;
  ss->fd = NULL;
  return fd->methods->close(fd);
}
static int ssl_DefRecv(sslSocket *ss, unsigned char *buf, int n, int flags) { return ss->fd->lower->methods->recv(ss->fd->lower, buf, n, flags); }
static int ssl_DefSend(sslSocket *ss, const unsigned char *buf, int n, int flags) {
  int sent = 0;
  do {
    int r = ss->fd->lower->methods->send(ss->fd->lower, buf + sent, n - sent, flags);
    if (r < 0) return r;
    sent += r;
  } while (sent < n);
  return sent;
}
static int ssl_DefRead(sslSocket *ss, unsigned char *buf, int n) { return ss->fd->lower->methods->read(ss->fd->lower, buf, n); }
static int ssl_DefWrite(sslSocket *ss, const unsigned char *buf, int n) { return ss->fd->lower->methods->write(ss->fd->lower, buf, n); }
static int ssl_DefName(sslSocket *ss, void *name) { return (int)(sink += (long)name + ss->have); }
static int ssl_DefPeer(sslSocket *ss, void *name) { return (int)(sink -= (long)name + ss->have); }

NOINLINE static int handshake(sslSocket *ss) { return (int)(sink += ss->timeout); }

static int ssl_SecureConnect(sslSocket *ss, const void *a) { return ssl_DefConnect(ss, a) + handshake(ss); }
static int ssl_SecureShutdown(sslSocket *ss, int how) { return ss->have = how; }
int ssl_SecureClose(sslSocket *ss) {
  if (!(ss->shutdown & 2)) sink += handshake(ss);
  return ssl_DefClose(ss);
}
NOINLINE int ssl_SecureRecv(sslSocket *ss, unsigned char *buf, int n, int flags) {
  if (ss->shutdown & 1) return -1;
  if (handshake(ss) < 0) return -1;
  for (int i = 0; i < n && i < ss->have; i++) ((volatile unsigned char *)buf)[i] = ss->data[i];
  if (!(flags & 2)) ss->have -= n;
  return n;
}
NOINLINE int ssl_SecureSend(sslSocket *ss, const unsigned char *buf, int n, int flags) {
  if (ss->shutdown & 2 || flags) return -1;
  for (int i = 0; i < n; i++) sink += buf[i];
  return handshake(ss) < 0 ? -1 : n;
}
int ssl_SecureRead(sslSocket *ss, unsigned char *buf, int n) { return ssl_SecureRecv(ss, buf, n, 0); }
int ssl_SecureWrite(sslSocket *ss, const unsigned char *buf, int n) { return ssl_SecureSend(ss, buf, n, 0); }

static const sslSocketOps ssl_default_ops = {
    ssl_DefConnect, NULL,        ssl_DefBind, ssl_DefListen, ssl_DefShutdown, ssl_DefClose,
    ssl_DefRecv,    ssl_DefSend, ssl_DefRead, ssl_DefWrite,  ssl_DefPeer,     ssl_DefName,
};
static const sslSocketOps ssl_secure_ops = {
    ssl_SecureConnect, NULL,           ssl_DefBind,    ssl_DefListen,   ssl_SecureShutdown, ssl_SecureClose,
    ssl_SecureRecv,    ssl_SecureSend, ssl_SecureRead, ssl_SecureWrite, ssl_DefPeer,        ssl_DefName,
};

void ssl_ChooseOps(sslSocket *ss) { ss->ops = ss->useSecurity ? &ssl_secure_ops : &ssl_default_ops; }
