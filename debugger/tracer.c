/*
 * What gdbserver needs to debug an app inside the app's own sandbox, preloaded into it.
 *
 * - It writes breakpoints through /proc/PID/mem, which is read-only in a sandbox, and by which this kernel lets nobody
 *   write what is mapped read-only (CONFIG_PROC_MEM_NO_FORCE). ptrace(2), which it holds the app by, may.
 * - An app takes the descriptors that it was passed only if LISTEN_PID is its own process id (sd_listen_fds(3)), which
 *   nobody knows before gdbserver has made the process.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <unistd.h>

extern char **environ;

#define LISTEN_PID "LISTEN_PID="
/* More than gdbserver ever has open; one beyond it is written as before, and fails. */
#define DESCRIPTORS 1024

/* The process whose memory a descriptor reads, 0 for any other. */
static pid_t traced[DESCRIPTORS];

int open(const char *path, int flags, ...)
{
	static int (*next)(const char *, int, ...);
	va_list rest;
	mode_t mode = 0;
	pid_t pid;
	int end = 0, fd;

	if (!next)
		next = dlsym(RTLD_NEXT, "open");
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	if (sscanf(path, "/proc/%d/mem%n", &pid, &end) != 1 || end == 0 || path[end] != '\0')
		return next(path, flags, mode);
	fd = next(path, (flags & ~O_ACCMODE) | O_RDONLY, mode);
	if (fd >= 0 && fd < DESCRIPTORS)
		traced[fd] = pid;
	return fd;
}

int close(int fd)
{
	static int (*next)(int);

	if (!next)
		next = dlsym(RTLD_NEXT, "close");
	if (fd >= 0 && fd < DESCRIPTORS)
		traced[fd] = 0;
	return next(fd);
}

/* Word by word: what of a word is not written keeps its value. */
static ssize_t poke(pid_t pid, const char *from, size_t size, off64_t at)
{
	size_t done = 0;

	while (done < size) {
		size_t within = (at + done) % sizeof(long), part = sizeof(long) - within;
		char *word = (char *)(at + done - within);
		long value;

		if (part > size - done)
			part = size - done;
		errno = 0;
		value = ptrace(PTRACE_PEEKDATA, pid, word, NULL);
		if (errno)
			return done ? (ssize_t)done : -1;
		memcpy((char *)&value + within, from + done, part);
		if (ptrace(PTRACE_POKEDATA, pid, word, value) < 0)
			return done ? (ssize_t)done : -1;
		done += part;
	}
	return done;
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);

	if (fd >= 0 && fd < DESCRIPTORS && traced[fd])
		return poke(traced[fd], from, size, at);
	if (!next)
		next = dlsym(RTLD_NEXT, "pwrite64");
	return next(fd, from, size, at);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at)
{
	return pwrite64(fd, from, size, at);
}

/* In the process that becomes the app. Nothing is allocated: it may share its memory with gdbserver (vfork(2)). */
int execvp(const char *path, char *const arguments[])
{
	char own[sizeof(LISTEN_PID) + 3 * sizeof(pid_t)];
	char **environment;
	size_t count = 0;

	while (environ[count])
		count++;
	environment = alloca((count + 1) * sizeof(*environment));
	memcpy(environment, environ, (count + 1) * sizeof(*environment));
	snprintf(own, sizeof(own), LISTEN_PID "%d", getpid());
	for (size_t i = 0; i < count; i++)
		if (!strncmp(environment[i], LISTEN_PID, strlen(LISTEN_PID)))
			environment[i] = own;
	return execve(path, arguments, environment);
}
