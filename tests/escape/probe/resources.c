/* More than the own share. Each stops at the first refusal, and where its limit says that there is none. */
#include "attack.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define MANY_PROCESSES 64
#define MANY_FILES 4200
#define MANY_TIMERS 600
#define MUCH_TEMPORARY (4 << 20)

static int fork_bomb(void)
{
	int refused = 0;

	for (int count = 0; count < MANY_PROCESSES && !refused; count++) {
		pid_t child = fork();

		if (child == 0) {
			pause();
			_exit(0);
		}
		refused = child < 0 ? errno : 0;
	}
	/* SIGTERM for the own group only; the children are in it. */
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return refused;
}

static int own_group_then_fork_bomb(void)
{
	return setpgid(0, 0) ? errno : fork_bomb();
}

static int many_files(void)
{
	for (int count = 0; count < MANY_FILES; count++)
		if (open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
			return errno;
	return WORKED;
}

static int many_timers(void)
{
	timer_t timer;

	for (int count = 0; count < MANY_TIMERS; count++)
		if (timer_create(CLOCK_MONOTONIC, NULL, &timer))
			return errno;
	return WORKED;
}

static int fill(const char *path)
{
	static const char block[65536] = { 1 };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), refused = 0;

	if (fd < 0)
		return errno;
	for (int length = 0; length < MUCH_TEMPORARY && !refused; length += (int)sizeof(block))
		if (write(fd, block, sizeof(block)) < 0)
			refused = errno;
	unlink(path);
	return refused;
}

static int fill_tmp(void) { return fill("/tmp/fill"); }

static int many_empty_files(void)
{
	char path[64];
	int refused = 0, count;

	for (count = 0; count < 1000 && !refused; count++) {
		snprintf(path, sizeof(path), "/tmp/empty-%d", count);
		refused = opens(path, O_WRONLY | O_CREAT);
	}
	while (count--) {
		snprintf(path, sizeof(path), "/tmp/empty-%d", count);
		unlink(path);
	}
	return refused;
}

/* A crash report needs a core, and launcher says how big it may be: the core lies in the memory of the app. */
static int unbounded_core(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	return outcome(setrlimit(RLIMIT_CORE, &limit));
}

static int more_open_files(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };

	return outcome(setrlimit(RLIMIT_NOFILE, &limit));
}

static int real_time(void)
{
	struct sched_param parameters = { .sched_priority = 1 };

	return outcome(sched_setscheduler(0, SCHED_FIFO, &parameters));
}

static int deadline(void)
{
	struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; }
		attributes = { 48, 6, 0, 0, 0, 1000000, 10000000, 10000000 };

	return outcome(syscall(SYS_sched_setattr, 0, &attributes, 0));
}

static int first_in_line(void) { return outcome(setpriority(PRIO_PROCESS, 0, -10)); }
static int first_at_disk(void) { return outcome(syscall(SYS_ioprio_set, 1, 0, 1 << 13)); }

static int big_pipe(void)
{
	int ends[2];

	return pipe(ends) ? errno : outcome(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20));
}

const struct attack resource_attacks[] = {
	{ "fork-bomb", own_group_then_fork_bomb },
	{ "many-files", many_files },
	{ "many-timers", many_timers },
	{ "fill-tmp", fill_tmp },
	{ "many-empty-files", many_empty_files },
	{ "unbounded-core", unbounded_core },
	{ "more-open-files", more_open_files },
	{ "real-time", real_time },
	{ "deadline", deadline },
	{ "first-in-line", first_in_line },
	{ "first-at-disk", first_at_disk },
	{ "big-pipe", big_pipe },
	{ 0 },
};
