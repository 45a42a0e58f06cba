/*
 * One hostile program with many attacks. An attack is a function that tries one forbidden act and tells what came of it:
 * WORKED, or the errno it was refused with. ../attacks.toml says which layers stand against each, and what is expected.
 *
 * An attack does no harm where it can be helped: bad pointers and descriptors show that a door is open without anything
 * going through it. It owes its own process nothing; each runs in a child.
 */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define WORKED 0

struct attack {
	const char *name;
	int (*act)(void);
};

/* Each group's list ends with a nameless one. */
extern const struct attack file_attacks[], mount_attacks[], proc_attacks[], device_attacks[], namespace_attacks[],
	identity_attacks[], process_attacks[], memory_attacks[], exec_attacks[], network_attacks[], kernel_attacks[],
	shared_attacks[], resource_attacks[], compat_attacks[], terminal_attacks[];

/* What the planter (plant.c) leaves outside the sandbox, open to everybody, so that modes are never what refuses. */
#define CANARY "/run/canary"
#define CANARY_FIFO "/run/canary-fifo"
#define CANARY_SOCKET "/run/canary-socket"
#define LAUNCHER_SOCKET "/run/ipc/launcher.sock"
#define CANARY_ABSTRACT "holdfast-canary"
#define CANARY_QUEUE "/holdfast-canary"
#define CANARY_KEYRING_ENTRY "holdfast-canary"
#define CANARY_SYSV_KEY 0x484f4c44
#define CANARY_PORT 4711
/* Left open at this number by whoever starts the sandbox: the folder that CANARY lies in. */
#define LEAKED_FOLDER 200

/* Content of CANARY, another in every run; and a process outside that has the app's own user. */
extern const char *token;
extern pid_t outsider;

int plant(uid_t user);
/* Children that call at random, for so many seconds. */
int random_calls(uint64_t seed, int seconds);

/* errno, or WORKED if the call did not fail. */
static inline int outcome(long result)
{
	return result < 0 ? errno : WORKED;
}

/* The same for acts whose success is told by something else than a return value. */
static inline int worked_if(int condition, int else_errno)
{
	return condition ? WORKED : else_errno;
}

/* Opens and closes. */
static inline int opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

	if (fd >= 0)
		close(fd);
	return outcome(fd);
}

/* Whether what lies there is the canary of this run. */
int reads_canary_at(int folder, const char *path);
/* Makes a file with this content in /data; its descriptor, open for reading alone, or -1. */
int data_file(const char *path, const void *content, size_t length, mode_t mode);

#endif
