/*
 * The doorbell in C: the same conventions without the SDK and without any library but the C library.
 *
 * Flow: find the button among the passed descriptors (sd_listen_fds(3)), read the count, say READY=1 (sd_notify(3)),
 * then count rising edges until SIGTERM. The count is on storage before a line is printed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/gpio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUTTON "DOORBELL_BUTTON"
#define BOUNCE_NS 5000000ull

/* Ends the app with a line that says what failed and why. */
static void fail(const char *what)
{
	fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The descriptor that was passed under this name, or -1. */
static int passed(const char *wanted)
{
	const char *names = getenv("LISTEN_FDNAMES");
	const char *count = getenv("LISTEN_FDS");
	size_t length = strlen(wanted);

	if (!names || !count)
		return -1;
	for (int fd = 3; fd < 3 + atoi(count); fd++) {
		const char *end = strchrnul(names, ':');

		if ((size_t)(end - names) == length && !strncmp(names, wanted, length))
			return fd;
		if (!*end)
			break;
		names = end + 1;
	}
	return -1;
}

/* One datagram to the manager. Without NOTIFY_SOCKET nobody listens, which is no error. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int socket_fd;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (socket_fd < 0)
		return;
	sendto(socket_fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof(address));
	close(socket_fd);
}

/* The count as it was kept; 0 at the first start. */
static uint64_t load(int folder)
{
	uint64_t count = 0;
	int fd = openat(folder, "presses", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (file) {
		if (fscanf(file, "%" SCNu64, &count) != 1)
			count = 0;
		fclose(file);
	}
	return count;
}

/* Keeps the count: temporary file, flush, rename, flush of the folder. */
static void keep(int folder, uint64_t count)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", count);
	int fd = openat(folder, ".presses.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, (size_t)length) != length || fsync(fd) || close(fd) ||
	    renameat(folder, ".presses.new", folder, "presses") || fsync(folder))
		fail("keep the count");
}

int main(void)
{
	const char *storage = getenv("HOLDFAST_STORAGE");
	int button = passed(BUTTON);
	uint64_t count, last_ns = 0;
	sigset_t termination;
	struct pollfd waited[2];
	int folder;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (button < 0 || !storage) {
		fputs("error: " BUTTON " or storage was not granted: see app_manifest.json\n", stderr);
		return 1;
	}
	folder = open(storage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		fail("open the storage folder");
	/* PID 1 of a namespace gets no signal that it neither handles nor blocks (pid_namespaces(7)). */
	sigemptyset(&termination);
	sigaddset(&termination, SIGTERM);
	sigprocmask(SIG_BLOCK, &termination, NULL);
	waited[0] = (struct pollfd){ .fd = button, .events = POLLIN };
	waited[1] = (struct pollfd){ .fd = signalfd(-1, &termination, SFD_CLOEXEC), .events = POLLIN };
	if (waited[1].fd < 0)
		fail("watch SIGTERM");
	count = load(folder);
	printf("doorbell in C counts from %" PRIu64 "\n", count);
	notify("READY=1\nSTATUS=waiting");

	while (poll(waited, 2, -1) > 0 || errno == EINTR) {
		struct gpio_v2_line_event edge;
		char status[64];

		if (waited[1].revents)
			return 0;
		if (!(waited[0].revents & POLLIN))
			continue;
		if (read(button, &edge, sizeof(edge)) != sizeof(edge))
			fail("read the button");
		if (edge.id == GPIO_V2_LINE_EVENT_RISING_EDGE && edge.timestamp_ns - last_ns >= BOUNCE_NS) {
			keep(folder, ++count);
			printf("ALERT doorbell rang: press %" PRIu64 "\n", count);
			snprintf(status, sizeof(status), "STATUS=%" PRIu64 " presses", count);
			notify(status);
		}
		last_ns = edge.timestamp_ns;
	}
	fail("wait");
}
