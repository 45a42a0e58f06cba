/* An app that asks app-services for what its arguments say, one after the other, and prints each reply.
 *
 * {"…":{}}         sends this request and prints the reply; a descriptor that comes along is kept as the peer.
 * until:{"…":{}}   the same, again and again until it is not an error.
 * once:{"…":{}}    the same, but only at the app's first start: a file in /data remembers it.
 * always:{"…":{}}  the same four times a second without end; says "lost" when the connection broke and "back" with the first
 *                  reply on a new one.
 * updates:TEXT     asks which updates are coming, again and again with what it saw last, until TEXT is in a reply; prints each.
 * sleep:SECONDS    does nothing for so long.
 * env:NAME         prints an environment variable.
 * say:TEXT         sends TEXT to the peer.
 * hear             prints what the peer said.
 * touch:KIB        writes to so much memory, and gives it back.
 * flood            sends garbage without end and reads no reply, over as many connections as it gets.
 * tamper           tries to remove the socket, and to put something else beside it.
 * absent           says whether there is a socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int services = -1, peer = -1;

static int open_services(int flags)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("HOLDFAST_SERVICES");
	strncpy(address.sun_path, path ? path : "/run/services/socket", sizeof address.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | flags, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Sends a request and receives its reply; false if the connection broke. */
static int ask(const char *request, char *reply, size_t size)
{
	if (services < 0 && (services = open_services(0)) < 0)
		return 0;
	union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec part = { reply, size - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t length = -1;
	if (send(services, request, strlen(request), MSG_NOSIGNAL) >= 0)
		length = recvmsg(services, &message, MSG_CMSG_CLOEXEC);
	if (length <= 0) {
		close(services);
		services = -1;
		return 0;
	}
	reply[length] = 0;
	struct cmsghdr *found = CMSG_FIRSTHDR(&message);
	if (found && found->cmsg_type == SCM_RIGHTS)
		memcpy(&peer, CMSG_DATA(found), sizeof peer);
	return 1;
}

static void say_reply(const char *request)
{
	char reply[16385];
	if (ask(request, reply, sizeof reply))
		printf("%s -> %s\n", request, reply);
	else
		printf("%s -> no reply: %s\n", request, strerror(errno));
}

static void ask_until(const char *request)
{
	char reply[16385];
	while (!ask(request, reply, sizeof reply) || strncmp(reply, "{\"ok\"", 5) != 0)
		usleep(250000);
	printf("%s -> %s\n", request, reply);
}

static _Noreturn void ask_always(const char *request)
{
	char reply[16385];
	for (int was_there = 1;; usleep(250000)) {
		int is_there = ask(request, reply, sizeof reply);
		if (was_there && !is_there)
			puts("lost");
		if (!was_there && is_there)
			printf("back -> %s\n", reply);
		was_there = is_there;
	}
}

static void ask_updates(const char *text)
{
	static unsigned long long seen;
	char request[64], reply[16385] = "";
	do {
		snprintf(request, sizeof request, "{\"updates\":{\"seen\":%llu}}", seen);
		if (!ask(request, reply, sizeof reply)) {
			usleep(250000);
			continue;
		}
		printf("updates -> %s\n", reply);
		const char *serial = strstr(reply, "\"serial\":");
		seen = serial ? strtoull(serial + 9, NULL, 10) : 0;
	} while (!strstr(reply, text));
}

static void ask_once(const char *request)
{
	int mark = open("/data/asked", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (mark < 0) {
		puts("asked before");
		return;
	}
	fsync(mark);
	int folder = open("/data", O_RDONLY | O_DIRECTORY);
	fsync(folder);
	say_reply(request);
}

static _Noreturn void flood(void)
{
	int connections[16];
	for (unsigned i = 0; i < 16; i++)
		connections[i] = open_services(SOCK_NONBLOCK);
	puts("flooding");
	for (unsigned long sent = 1;; sent++) {
		int *one = &connections[sent % 16];
		if (*one < 0 || (send(*one, "garbage", 7, MSG_NOSIGNAL) < 0 && errno != EAGAIN)) {
			close(*one);
			*one = open_services(SOCK_NONBLOCK);
		}
		if (sent % 100000 == 0)
			puts("still flooding");
	}
}

static void touch(size_t kib)
{
	char *piece = mmap(NULL, kib << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(piece, 1, kib << 10);
	munmap(piece, kib << 10);
}

static void hear(void)
{
	char text[256];
	ssize_t length = recv(peer, text, sizeof text - 1, 0);
	text[length < 0 ? 0 : length] = 0;
	printf("peer said: %s\n", text);
}

static void tamper(void)
{
	if (unlink("/run/services/socket") == 0 || rmdir("/run/services") == 0)
		puts("POSSIBLE: removed");
	if (open("/run/services/mine", O_WRONLY | O_CREAT, 0600) >= 0 || mkdir("/run/services/mine", 0700) == 0)
		puts("POSSIBLE: put beside");
	if (rename("/run/services", "/run/mine") == 0 || chmod("/run/services/socket", 0) == 0)
		puts("POSSIBLE: changed");
	puts("tampered");
}

static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < count; i++) {
		const char *step = arguments[i], *rest;
		if ((rest = after(step, "until:")))
			ask_until(rest);
		else if ((rest = after(step, "once:")))
			ask_once(rest);
		else if ((rest = after(step, "always:")))
			ask_always(rest);
		else if ((rest = after(step, "updates:")))
			ask_updates(rest);
		else if ((rest = after(step, "sleep:")))
			sleep(strtoul(rest, NULL, 10));
		else if ((rest = after(step, "env:")))
			printf("%s=%s\n", rest, getenv(rest) ? getenv(rest) : "");
		else if ((rest = after(step, "say:")))
			printf("said %zd bytes\n", send(peer, rest, strlen(rest), MSG_NOSIGNAL));
		else if ((rest = after(step, "touch:")))
			touch(strtoul(rest, NULL, 10));
		else if (strcmp(step, "hear") == 0)
			hear();
		else if (strcmp(step, "flood") == 0)
			flood();
		else if (strcmp(step, "tamper") == 0)
			tamper();
		else if (strcmp(step, "absent") == 0)
			puts(open_services(0) < 0 ? "no socket" : "a socket is there");
		else
			say_reply(step);
	}
	puts("all was asked");
	for (;;)
		pause();
}
