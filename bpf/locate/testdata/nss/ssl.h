// SPDX-License-Identifier: MIT
#include <stddef.h>

typedef struct fd PRFileDesc;
typedef struct {
  long type;
  int (*recv)(PRFileDesc *, void *, int, int);
  int (*send)(PRFileDesc *, const void *, int, int);
  int (*read)(PRFileDesc *, void *, int);
  int (*write)(PRFileDesc *, const void *, int);
  int (*close)(PRFileDesc *);
} PRIOMethods;
struct fd {
  const PRIOMethods *methods;
  void *secret;
  PRFileDesc *lower;
};

typedef struct socket sslSocket;
typedef struct { // sslimpl.h, sslSocketOpsStr
  int (*connect)(sslSocket *, const void *);
  PRFileDesc *(*accept)(sslSocket *, void *);
  int (*bind)(sslSocket *, const void *);
  int (*listen)(sslSocket *, int);
  int (*shutdown)(sslSocket *, int);
  int (*close)(sslSocket *);
  int (*recv)(sslSocket *, unsigned char *, int, int);
  int (*send)(sslSocket *, const unsigned char *, int, int);
  int (*read)(sslSocket *, unsigned char *, int);
  int (*write)(sslSocket *, const unsigned char *, int);
  int (*getpeername)(sslSocket *, void *);
  int (*getsockname)(sslSocket *, void *);
} sslSocketOps;
struct socket {
  PRFileDesc *fd;
  const sslSocketOps *ops;
  int shutdown, timeout, useSecurity;
  unsigned char *data;
  int have;
};

extern volatile long sink;
