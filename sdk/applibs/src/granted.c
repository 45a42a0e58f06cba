#include "granted.h"
#include "say.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START */
#define FIRST 3

uint32_t applibs_granted_number(const char *name, size_t length)
{
	uint32_t hash = 0x811c9dc5;

	for (size_t at = 0; at < length; at++)
		hash = (hash ^ (unsigned char)name[at]) * 0x01000193;
	return hash & 0x7fffffff;
}

static long number_of(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	long number;

	if (!text || !*text)
		return -1;
	number = strtol(text, &end, 10);
	return *end ? -1 : number;
}

/* How many descriptors are this process's own: those of another one mean nothing here. */
static int passed_count(void)
{
	long count = number_of("LISTEN_FDS"), pid = number_of("LISTEN_PID");

	if (count <= 0 || (pid >= 0 && pid != getpid()))
		return 0;
	return count > GRANTED_LIMIT ? GRANTED_LIMIT : (int)count;
}

static bool part_matches(const char *part, size_t length, const char *wanted)
{
	size_t end = strlen(wanted);

	if (wanted[0] == '.')
		return length > end && !memcmp(part + length - end, wanted, end);
	return length == end && !memcmp(part, wanted, end);
}

/* One name of LISTEN_FDNAMES: what stands before its first dot, and behind it. */
struct split {
	size_t name_length;
	const char *part;
	size_t part_length;
};

static struct split split_name(const char *name, size_t length)
{
	const char *dot = memchr(name, '.', length);
	struct split split = { .name_length = dot ? (size_t)(dot - name) : length, .part = "" };

	if (dot) {
		split.part = dot + 1;
		split.part_length = length - split.name_length - 1;
	}
	return split;
}

static bool same_file(int one, int other)
{
	struct stat first, second;

	return !fstat(one, &first) && !fstat(other, &second) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* What is looked for, besides a part: one of the three. */
struct wanted {
	const char *part;
	bool by_number;
	uint32_t number;
	/* A descriptor of the same file. */
	int fd;
	bool (*test)(int fd);
};

static bool is_wanted(const struct wanted *wanted, const char *name, size_t length, int passed)
{
	if (wanted->by_number)
		return applibs_granted_number(name, length) == wanted->number;
	return wanted->test ? wanted->test(passed) : same_file(wanted->fd, passed);
}

/* Walks through all of them, found or not: none may reach a program that the app starts. */
static bool search(const struct wanted *wanted, struct granted *found)
{
	const char *name = getenv("LISTEN_FDNAMES");
	int count = passed_count();
	bool is_found = false;

	for (int index = 0; name && index < count; index++) {
		const char *end = strchrnul(name, ':');
		struct split split = split_name(name, (size_t)(end - name));
		int passed = FIRST + index;

		fcntl(passed, F_SETFD, FD_CLOEXEC);
		if (!is_found && split.name_length < GRANTED_NAME_SIZE && part_matches(split.part, split.part_length, wanted->part) &&
		    is_wanted(wanted, name, split.name_length, passed)) {
			is_found = true;
			*found = (struct granted){ .fd = passed, .index = index };
			memcpy(found->name, name, split.name_length);
		}
		name = *end ? end + 1 : NULL;
	}
	return is_found;
}

int applibs_granted_find(uint32_t number, const char *part, struct granted *found)
{
	if (search(&(struct wanted){ .part = part, .by_number = true, .number = number }, found))
		return 0;
	errno = EACCES;
	return -1;
}

int applibs_granted_find_by_file(int fd, const char *part, struct granted *found)
{
	if (fd >= 0 && search(&(struct wanted){ .part = part, .fd = fd }, found))
		return 0;
	errno = EBADF;
	return -1;
}

int applibs_granted_find_that(bool (*test)(int fd), struct granted *found)
{
	if (search(&(struct wanted){ .part = "", .test = test }, found))
		return 0;
	errno = EACCES;
	return -1;
}

int applibs_granted_copy(const struct granted *granted)
{
	return fcntl(granted->fd, F_DUPFD_CLOEXEC, FIRST);
}

int applibs_granted_open(uint32_t number, const char *part)
{
	struct granted granted;

	if (applibs_granted_find(number, part, &granted) < 0) {
		applibs_say("the peripheral with the number %u was not granted: does `Capabilities` of the app's manifest list it?", number);
		return -1;
	}
	return applibs_granted_copy(&granted);
}
