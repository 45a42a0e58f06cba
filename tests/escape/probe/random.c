/* Calls by every number with arguments that come as they come: what no list of attacks has thought of. */
#include "attack.h"
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define NUMBERS 480
#define CALLS_PER_CHILD 2000
/* A child that waits for something is ended after this many tenths of a second. */
#define TENTHS_PER_CHILD 10

static uint64_t state;

/* xorshift64*: small, and the same everywhere for the same seed. */
static uint64_t next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

/* Left out: what ends the child, starts others that nobody would end, or signals this program itself. */
static int left_out(long number)
{
	static const long numbers[] = {
		SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_kill, SYS_tkill, SYS_tgkill,
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (number == numbers[i])
			return 1;
	return 0;
}

static long value(void)
{
	static char memory[4096];
	static char paths[][32] = { "/", "/data", "/data/own", "/tmp/x", "/proc/self/mem", "/dev/null", "../..", CANARY };

	switch (next() % 8) {
	case 0: return 0;
	case 1: return -1;
	case 2: return (long)(next() % 16);
	case 3: return (long)next();
	case 4: return (long)(memory + next() % sizeof(memory));
	case 5: return (long)paths[next() % (sizeof(paths) / sizeof(paths[0]))];
	case 6: return 1L << next() % 64;
	default: return (long)(next() % 4096);
	}
}

static void call_on(void)
{
	for (int count = 0; count < CALLS_PER_CHILD; count++) {
		long number = (long)(next() % NUMBERS);

		if (!left_out(number))
			syscall(number, value(), value(), value(), value(), value(), value());
	}
	_exit(0);
}

/* Waits for the child, or ends it. */
static void wait_for(pid_t child)
{
	struct timespec tenth = { .tv_nsec = 100000000 };

	for (int tenths = 0; tenths < TENTHS_PER_CHILD; tenths++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return;
		nanosleep(&tenth, NULL);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int random_calls(uint64_t seed, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long children = 0;

	while (time(NULL) < end) {
		pid_t child;

		/* Each child begins where its number says, so that one of them can be repeated alone. */
		state = seed + ++children * 0x9e3779b97f4a7c15ULL;
		child = fork();
		if (child == 0)
			call_on();
		if (child < 0) {
			printf("random %s no child: %s\n", token, strerrorname_np(errno));
			return 1;
		}
		wait_for(child);
		if (reads_canary_at(AT_FDCWD, CANARY) == WORKED || geteuid() == 0) {
			printf("random %s ESCAPED after child %lu of seed %lu\n", token, children, seed);
			return 1;
		}
	}
	printf("random calls are done %s: %lu children of seed %lu\n", token, children, seed);
	return 0;
}
