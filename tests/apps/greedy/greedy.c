/* An app that takes what it can get of one thing, as its argument says: tests look at what the others still have.
 *
 * memory        touches memory until it is killed.
 * files         makes folders until it is refused, and says why it was.
 * network       asks for a socket of the Internet, and says what came of it.
 * calls         makes calls that are refused, from four processes, without end; says so for each hundredth.
 * idle          says a line that looks like another one, and waits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static _Noreturn void take_memory(void)
{
	for (;;) {
		char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (piece == MAP_FAILED)
			fail("mmap");
		memset(piece, 1, 1 << 20);
	}
}

static void take_files(void)
{
	for (unsigned made = 0;; made++) {
		char path[32];
		snprintf(path, sizeof path, "/data/%u", made);
		if (mkdir(path, 0700) != 0) {
			printf("refused after %u folders: %s\n", made, strerror(errno));
			return;
		}
	}
}

static void take_network(void)
{
	if (socket(AF_INET, SOCK_STREAM, 0) < 0)
		printf("no socket: %s\n", strerror(errno));
}

static _Noreturn void take_calls(void)
{
	if (fork() < 0 || fork() < 0)
		fail("fork");
	for (unsigned made = 1;; made++) {
		if (chroot("/") == 0 || errno != EPERM)
			printf("odd: %s\n", strerror(errno));
		if (made % 100 == 0)
			printf("refused %u times\n", made);
	}
}

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	const char *what = count > 1 ? arguments[1] : "idle";
	if (strcmp(what, "memory") == 0)
		take_memory();
	if (strcmp(what, "files") == 0)
		take_files();
	if (strcmp(what, "network") == 0)
		take_network();
	if (strcmp(what, "calls") == 0)
		take_calls();
	/* RIGHT-TO-LEFT OVERRIDE and ZERO WIDTH SPACE. */
	puts("user \xe2\x80\xae" "nimda and\xe2\x80\x8b nobody else");
	for (;;)
		pause();
}
