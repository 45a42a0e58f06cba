/* What an app was passed, by name (sd_listen_fds(3)). Include it behind _GNU_SOURCE. */
#pragma once
#include <stdlib.h>
#include <string.h>

/* The descriptor with this name, or -1. */
static int granted(const char *wanted)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t length = strlen(wanted);

	for (int fd = 3; names; fd++) {
		const char *end = strchrnul(names, ':');

		if ((size_t)(end - names) == length && !strncmp(names, wanted, length))
			return fd;
		names = *end ? end + 1 : NULL;
	}
	return -1;
}
