/* An app that takes what it can get of one thing, as its argument says: tests look at what the others still have.
 *
 * memory        touches memory until it is killed.
 * files         makes folders until it is refused, and says why it was.
 * network       asks for a socket of the Internet, and says what came of it.
 * calls         makes calls that are refused, from four processes, without end; says so for each hundredth.
 * disk          writes four megabytes to /data, and says in how many milliseconds they were on the disk.
 * lines         writes a hundred lines at once.
 * processor     computes in four processes, without end.
 * processes     forks without end, in each process.
 * fill          fills /data until it is refused, flushes it, and begins anew, without end.
 * keep          fills /data until it is refused, says why it was, and waits.
 * flood         writes lines without end.
 * descriptors   opens pipes until it is refused, and begins anew, without end.
 * idle          says a line that looks like another one, and waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
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

static long long milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void take_disk(void)
{
	static char piece[1 << 16];
	memset(piece, 'x', sizeof piece);
	long long start = milliseconds();
	int file = open("/data/file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		fail("open");
	for (int i = 0; i < (4 << 20) / (int)sizeof piece; i++)
		if (write(file, piece, sizeof piece) != (ssize_t)sizeof piece)
			fail("write");
	if (fsync(file) != 0)
		fail("fsync");
	printf("written in %lld ms\n", milliseconds() - start);
}

static void take_lines(void)
{
	for (int i = 0; i < 100; i++)
		printf("line %d\n", i);
}

static _Noreturn void take_processor(void)
{
	if (fork() < 0 || fork() < 0)
		fail("fork");
	for (volatile unsigned turns = 0;; turns++)
		;
}

static _Noreturn void take_processes(void)
{
	pid_t first = getpid();
	for (int told = 0;;)
		if (fork() < 0 && getpid() == first && !told++)
			printf("no process more: %s\n", strerror(errno));
}

static _Noreturn void fill_disk(void)
{
	static char piece[1 << 16];
	memset(piece, 'x', sizeof piece);
	for (unsigned times = 1;; times++) {
		int file = open("/data/file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (file < 0)
			fail("open");
		while (write(file, piece, sizeof piece) > 0)
			;
		fsync(file);
		close(file);
		printf("filled %u times\n", times);
	}
}

static _Noreturn void fill_and_keep(void)
{
	static char piece[1 << 16];
	int file = open("/data/kept", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		fail("open");
	memset(piece, 'x', sizeof piece);
	for (size_t size = sizeof piece; size > 0; size /= 2)
		while (write(file, piece, size) > 0)
			;
	printf("full: %s\n", strerror(errno));
	fsync(file);
	for (;;)
		pause();
}

static _Noreturn void flood_log(void)
{
	for (unsigned long line = 0;; line++)
		printf("line %lu of a flood\n", line);
}

static _Noreturn void take_descriptors(void)
{
	for (unsigned times = 1;; times++) {
		int ends[2], last = 2;
		while (pipe2(ends, O_CLOEXEC) == 0)
			last = ends[1];
		if (times % 1000 == 1)
			printf("refused after descriptor %d: %s\n", last, strerror(errno));
		close_range(3, ~0u, 0);
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
	if (strcmp(what, "disk") == 0)
		take_disk();
	if (strcmp(what, "lines") == 0)
		take_lines();
	if (strcmp(what, "processor") == 0)
		take_processor();
	if (strcmp(what, "processes") == 0)
		take_processes();
	if (strcmp(what, "keep") == 0)
		fill_and_keep();
	if (strcmp(what, "fill") == 0)
		fill_disk();
	if (strcmp(what, "flood") == 0)
		flood_log();
	if (strcmp(what, "descriptors") == 0)
		take_descriptors();
	if (strcmp(what, "network") == 0)
		take_network();
	if (strcmp(what, "calls") == 0)
		take_calls();
	/* RIGHT-TO-LEFT OVERRIDE and ZERO WIDTH SPACE. */
	puts("user \xe2\x80\xae" "nimda and\xe2\x80\x8b nobody else");
	for (;;)
		pause();
}
