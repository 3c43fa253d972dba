// pair CERT KEY STEP...: a client and a server in one process, joined by
// memory BIOs. A step is new, free, clear, shutdown, kill, eof (the client is
// gone without close_notify), wN (the client writes N bytes in one call), xN
// (likewise by SSL_write_ex), uN (wN, and the N <= 16384 bytes are unmapped
// before the call returns), dN (the process ends within a write of N bytes), fork (a child goes on, the parent waits for it), r (the server reads all there is), rx (by
// SSL_read_ex) or pN (the server peeks).
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static SSL_CTX *client_ctx, *server_ctx;
static SSL *client, *server;

static void check(int ok, const char *what) {
	if (!ok) {
		fprintf(stderr, "%s failed\n", what);
		exit(1);
	}
}

static void handshake(void) {
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	check(SSL_is_init_finished(client) && SSL_is_init_finished(server), "handshake");
}

static void join(void) {
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(up, -1);
	BIO_set_mem_eof_return(down, -1);
	BIO_up_ref(up);
	BIO_up_ref(down);
	SSL_set_bio(client, down, up);
	SSL_set_bio(server, up, down);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	handshake();
}

static char *bytes(long n) {
	char *b = malloc(n + 1);
	unsigned x = 2463534242u;
	for (long i = 0; i < n; i++) {
		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		b[i] = x;
	}
	return b;
}

static char *unmap;
static long unmapped;
static int ends;

// The bytes have been encrypted when the library writes.
static long written(BIO *b, int op, const char *p, size_t len, int i, long l, int ret, size_t *n) {
	if (op == BIO_CB_WRITE && unmap) {
		munmap(unmap, unmapped);
		unmap = NULL;
	}
	if (op == BIO_CB_WRITE && ends)
		_exit(0);
	return ret;
}

static void write_unmapped(long n) {
	char *b = unmap = mmap(NULL, unmapped = n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(b != MAP_FAILED, "mmap");
	memset(b, 'u', n);
	BIO_set_callback_ex(SSL_get_wbio(client), written);
	check(SSL_write(client, b, n) == n, "SSL_write");
}

static void step(const char *s) {
	static char buf[1 << 20];
	long n = atol(s + 1);
	size_t done;
	if (!strcmp(s, "new")) {
		client = SSL_new(client_ctx), server = SSL_new(server_ctx);
		join();
	} else if (!strcmp(s, "free")) {
		SSL_free(client), SSL_free(server);
	} else if (!strcmp(s, "clear")) {
		check(SSL_clear(client) && SSL_clear(server), "SSL_clear");
		join();
	} else if (!strcmp(s, "shutdown")) {
		SSL_shutdown(client);
		check(SSL_read(server, buf, sizeof buf) == 0, "read of close_notify");
	} else if (!strcmp(s, "eof")) {
		BIO_set_mem_eof_return(SSL_get_rbio(server), 0);
		n = SSL_read(server, buf, sizeof buf);
		fprintf(stderr, "eof: %ld\n", n);
		check(n <= 0 && SSL_get_error(server, n) != SSL_ERROR_ZERO_RETURN, "read of nothing");
	} else if (!strcmp(s, "kill")) {
		raise(SIGKILL);
	} else if (*s == 'w') {
		check(SSL_write(client, bytes(n), n) == n, s);
	} else if (!strcmp(s, "fork")) {
		if (fork()) {
			wait(NULL);
			exit(0);
		}
	} else if (*s == 'd') {
		ends = 1;
		BIO_set_callback_ex(SSL_get_wbio(client), written);
		SSL_write(client, bytes(n), n);
	} else if (*s == 'u') {
		write_unmapped(n);
	} else if (*s == 'x') {
		check(SSL_write_ex(client, bytes(n), n, &done) == 1 && done == n, s);
	} else if (!strcmp(s, "r")) {
		while (SSL_read(server, buf, sizeof buf) > 0)
			;
	} else if (!strcmp(s, "rx")) {
		while (SSL_read_ex(server, buf, sizeof buf, &done) == 1)
			;
	} else if (*s == 'p') {
		check(SSL_peek(server, buf, n) == n, s);
	} else {
		check(0, s);
	}
}

int main(int argc, char **argv) {
	client_ctx = SSL_CTX_new(TLS_client_method());
	server_ctx = SSL_CTX_new(TLS_server_method());
	check(argc > 3 && SSL_CTX_use_certificate_file(server_ctx, argv[1], SSL_FILETYPE_PEM) == 1, "certificate");
	check(SSL_CTX_use_PrivateKey_file(server_ctx, argv[2], SSL_FILETYPE_PEM) == 1, "key");
	for (int i = 3; i < argc; i++)
		step(argv[i]);
	return 0;
}
