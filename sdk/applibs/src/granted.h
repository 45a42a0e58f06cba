/* What the manifest granted: descriptors that the app was started with, by name (sd_listen_fds(3)).
 *
 * The environment is read at each call, so there is nothing to set up and nothing to lock. A peripheral with one file has its
 * name; one with several has NAME.PART for each, such as NAME.0.raw. The app gets copies: it may close them and open the
 * peripheral again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most descriptors that are looked at; launcher never passes more. */
#define GRANTED_LIMIT 128
/* Longest name (docs/boards.md), with its end. */
#define GRANTED_NAME_SIZE 65

struct granted {
	/* As passed. It stays open: close a copy. */
	int fd;
	/* Position among what was passed. */
	int index;
	/* The name, up to its first dot. */
	char name[GRANTED_NAME_SIZE];
};

/* The number of a name in <hw/NAME.h>: 32-bit FNV-1a without its highest bit, as in cli/src/board/number.rs. */
uint32_t applibs_granted_number(const char *name, size_t length);

/* Finds what has this number and this part: "" is a peripheral with one file; ".raw" any part with this end; "0.raw" this part.
 * 0, or -1 and EACCES. */
int applibs_granted_find(uint32_t number, const char *part, struct granted *found);

/* The same for a descriptor that was given to the app: whose file it is, by a part of the peripheral with this end. 0, or -1 and
 * EBADF. */
int applibs_granted_find_by_file(int fd, const char *part, struct granted *found);

/* The first peripheral with one file that passes a test. 0, or -1 and EACCES. */
int applibs_granted_find_that(bool (*test)(int fd), struct granted *found);

/* A copy for the app, which programs that it starts do not get; or -1. */
int applibs_granted_copy(const struct granted *granted);

/* applibs_granted_find and applibs_granted_copy in one. */
int applibs_granted_open(uint32_t number, const char *part);
