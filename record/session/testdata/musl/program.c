/* program LIBRARY COMMAND...: loads a library, makes a request with it, and
 * becomes the command. */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
	static const char request[] = "GET /loaded HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char ssl[100], buf[1000];
	void *library = dlopen(argv[1], RTLD_NOW);

	if (!library) {
		puts(dlerror());
		return 1;
	}
	int (*write_it)(void *, const void *, int) = dlsym(library, "SSL_write");
	int (*read_it)(void *, void *, int) = dlsym(library, "SSL_read");
	write_it(ssl, request, sizeof(request) - 1);
	read_it(ssl, buf, sizeof(buf));
	execv(argv[2], argv + 2);
	return 1;
}
