// rustls STEP...: functions that are named, called and answered as those of
// rustls are by compilers of Rust, of which there is not every version at hand:
// with OLD as of before Rust 1.79 (a result is stored where the first argument
// points to), else in two registers. Nothing is encrypted.
//
// The first two arguments mean nothing. A step is new, free, move (the
// connection is copied to another place), wN (write N bytes), vNxM (write M
// slices of N bytes at once, but the first byte and the last), rN (read N
// bytes), cN (show N bytes, consume all but one of them, and then that), again
// (there is nothing to be read), end or End (the peer has closed, found out
// by reading or by showing) or two (go on with another connection, and the next
// time with this one again).
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
	uint64_t limit[2], chunks[4], used;
};
struct state {
	char records[80];
	struct buffer received;
	char rest[824 - 80 - sizeof(struct buffer)];
};
struct connection {
	char data[BEFORE];
	struct state state;
	char more[200];
};
struct reader {
	struct buffer *from;
	uint8_t closed, eof;
};
struct slice {
	const char *ptr;
	size_t len;
};
struct slices { // enum OutboundChunks
	const struct slice *ptr;
	size_t len, start, end;
};
struct result {
	uint64_t tag, value;
};

#define RUST(name) __asm__("_ZN" name "17h0123456789abcdefE") __attribute__((noipa))

size_t write_some(struct state *s, const char *p, size_t n) RUST("6rustls4conn11CommonState19send_some_plaintext");
size_t write_slices(struct state *s, struct slices *c, void *sendable) RUST("6rustls12common_state11CommonState16buffer_plaintext");
void free_connection(struct connection *c)
	RUST("4core3ptr108drop_in_place$LT$rustls..conn..ConnectionCommon$LT$rustls..client..client_conn..ClientConnectionData$GT$$GT$");
void consume(struct reader *r, size_t n) RUST("69_$LT$rustls..conn..connection..Reader$u20$as$u20$std..io..BufRead$GT$7consume");
struct slice *show(struct slice *out, struct reader *r) RUST("6rustls4conn10connection6Reader16into_first_chunk");
#define READ RUST("66_$LT$rustls..conn..connection..Reader$u20$as$u20$std..io..Read$GT$4read")

static char bytes[1 << 16], read_into[1 << 16];
static volatile size_t passed; // for the compiler
static size_t shown; // bytes that can be read, of bytes; 0: none

static struct result do_read(struct reader *r, char *buf, size_t n) {
	if (r->closed)
		return (struct result){0, 0};
	if (!shown)
		return (struct result){1, 0xd00000003}; // WouldBlock
	memcpy(buf, bytes, n);
	return (struct result){0, n};
}

#ifdef OLD
size_t write_some(struct state *s, const char *p, size_t n) { return n; }
struct result *read_old(struct result *out, struct reader *r, char *buf, size_t n) READ;
struct result *read_old(struct result *out, struct reader *r, char *buf, size_t n) {
	*out = do_read(r, buf, n);
	return out;
}
static void reading(struct reader *r, char *buf, size_t n) {
	struct result out = {7, 7};
	read_old(&out, r, buf, n);
}
static void writing(struct state *s, const struct slice *v, size_t n) {
	for (size_t i = 0; i < n; i++)
		passed += write_some(s, v[i].ptr, v[i].len);
}
#else
struct result reading(struct reader *r, char *buf, size_t n) READ;
struct result reading(struct reader *r, char *buf, size_t n) { return do_read(r, buf, n); }
size_t write_slices(struct state *s, struct slices *c, void *sendable) { return c->ptr ? c->end - c->start : c->start; }
static void writing(struct state *s, const struct slice *v, size_t n) {
	struct slices several = {v, n, 1, 1 + n * v->len - 2}; // without the first byte and the last
	struct slices one = {NULL, (uintptr_t)v->ptr, v->len};
	passed += write_slices(s, n == 1 ? &one : &several, NULL);
}
#endif
void free_connection(struct connection *c) { memset(c, 0xff, sizeof *c); }
void consume(struct reader *r, size_t n) { shown -= n; }
struct slice *show(struct slice *out, struct reader *r) {
	*out = r->closed ? (struct slice){"", 0} : shown ? (struct slice){bytes, shown} : (struct slice){NULL, 3};
	return out;
}

static struct connection *current, *other;

static void step(const char *s) {
	struct reader r = {&current->state.received};
	struct slice v[100], out;
	size_t n = atol(s + 1), several = strchr(s, 'x') ? atol(strchr(s, 'x') + 1) : 1;

	if (!strcmp(s, "new")) {
		current = malloc(sizeof *current);
	} else if (!strcmp(s, "free")) {
		free_connection(current); // the place is that of the next one
	} else if (!strcmp(s, "move")) {
		struct connection *to = malloc(sizeof *to);
		memcpy(to, current, sizeof *to);
		current = to;
	} else if (!strcmp(s, "two")) {
		struct connection *c = current;
		current = other ? other : malloc(sizeof *current);
		other = c;
	} else if (*s == 'w' || *s == 'v') {
		for (size_t i = 0; i < several; i++)
			v[i] = (struct slice){bytes, n};
		writing(&current->state, v, several);
	} else if (*s == 'r') {
		shown = n;
		reading(&r, read_into, n);
		shown = 0;
	} else if (*s == 'c') {
		shown = n;
		show(&out, &r);
		if (n > 1)
			consume(&r, n - 1);
		consume(&r, 1);
	} else if (!strcmp(s, "again")) {
		reading(&r, read_into, sizeof read_into);
		show(&out, &r);
	} else if (!strcmp(s, "end")) {
		r.closed = 1;
		reading(&r, read_into, sizeof read_into);
	} else if (!strcmp(s, "End")) {
		r.closed = 1;
		show(&out, &r);
	} else {
		fprintf(stderr, "unknown step %s\n", s);
		exit(1);
	}
}

int main(int argc, char **argv) {
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = i * 7 + i / 256;
	for (int i = 3; i < argc; i++)
		step(argv[i]);
	return 0;
}
