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

int main(void)
{
	int config = granted("config"), changed = granted("config-changed");
	struct pollfd told = { .fd = changed, .events = POLLIN };
	char path[64];
	uint64_t times;

	if (config < 0) {
		puts("no configuration");
		return 1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", config);
	printf("writes: %s\n", pwrite(config, "x", 1, 0) < 0 ? strerrorname_np(errno) : "WROTE");
	printf("opens for writing: %s\n", open(path, O_RDWR) < 0 ? strerrorname_np(errno) : "OPENED");
	printf("opens for reading: %s\n", open(path, O_RDONLY) < 0 ? strerrorname_np(errno) : "opened");
	say("begins with", config);
	while (poll(&told, changed < 0 ? 0 : 1, -1) >= 0 || errno == EINTR)
		if (changed >= 0 && read(changed, &times, sizeof(times)) == sizeof(times))
			say("goes on with", config);
	return 0;
}
