/* Says what its configuration is, at its start and whenever it is told of a change; tries to write it first. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../granted.h"

static void say(const char *what, int config)
{
	char text[256];
	ssize_t length = pread(config, text, sizeof(text) - 1, 0);

	text[length < 0 ? 0 : length] = '\0';
	printf("%s: %s.\n", what, text);
	fflush(stdout);
}

/* Tries to have whoever tells of a change wait: fills what it tells by, and lets writing to that wait. */
static void hold_up(int changed)
{
	static const uint64_t most = UINT64_MAX - 1;

	while (write(changed, &most, sizeof(most)) > 0)
		;
	printf("waits: %s\n", fcntl(changed, F_SETFL, 0) < 0 ? strerrorname_np(errno) : "yes");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int config = granted("config"), changed = granted("config-changed");
	struct pollfd told = { .fd = changed, .events = POLLIN };
	char path[64], changes[64];

	if (config < 0) {
		puts("no configuration");
		return 1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", config);
	printf("writes: %s\n", pwrite(config, "x", 1, 0) < 0 ? strerrorname_np(errno) : "WROTE");
	printf("opens for writing: %s\n", open(path, O_RDWR) < 0 ? strerrorname_np(errno) : "OPENED");
	printf("opens for reading: %s\n", open(path, O_RDONLY) < 0 ? strerrorname_np(errno) : "opened");
	say("begins with", config);
	if (argc > 1 && argv[1])
		hold_up(changed);
	while (poll(&told, changed < 0 ? 0 : 1, -1) >= 0 || errno == EINTR)
		if (changed >= 0 && read(changed, changes, sizeof(changes)) > 0)
			say("goes on with", config);
	return 0;
}
