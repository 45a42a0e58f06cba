/* Other processes: their memory, descriptors, signals, scheduling. The outsider has this program's own user. */
#include "attack.h"
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define IOPRIO_WHO_PROCESS 1

static int signal_outsider(void) { return outcome(kill(outsider, 0)); }
static int signal_outsiders_thread(void) { return outcome(syscall(SYS_tgkill, outsider, outsider, 0)); }
static int signal_group(void) { return outcome(kill(-outsider, 0)); }

static int queue_signal(void)
{
	siginfo_t information = { .si_signo = 0, .si_code = SI_QUEUE };

	return outcome(syscall(SYS_rt_sigqueueinfo, outsider, 0, &information));
}

static int open_outsider(void)
{
	return outcome(syscall(SYS_pidfd_open, outsider, 0));
}

static int signal_by_descriptor(void)
{
	int fd = (int)syscall(SYS_pidfd_open, outsider, 0);

	return fd < 0 ? errno : outcome(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

static int take_descriptor(void) { return outcome(syscall(SYS_pidfd_getfd, -1, 0, 0)); }

/* The kernel would send the outsider a signal whenever this socket has something to read. */
static int aim_signals_at_outsider(void)
{
	int ends[2];

	return pipe(ends) ? errno : outcome(fcntl(ends[0], F_SETOWN, outsider));
}

static int choose_signal(void)
{
	int ends[2];

	return pipe(ends) ? errno : outcome(fcntl(ends[0], F_SETSIG, SIGRTMIN));
}

static int trace_outsider(void) { return outcome(ptrace(PTRACE_SEIZE, outsider, 0, 0)); }
static int be_traced(void) { return outcome(ptrace(PTRACE_TRACEME, 0, 0, 0)); }

static int read_outsiders_memory(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)8, 1 };

	return outcome(process_vm_readv(outsider, &here, 1, &there, 1, 0));
}

static int write_outsiders_memory(void)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { (void *)8, 1 };

	return outcome(process_vm_writev(outsider, &here, 1, &there, 1, 0));
}

static int advise_outsider(void) { return outcome(syscall(SYS_process_madvise, -1, NULL, 0, 0, 0)); }
static int release_outsiders_memory(void) { return outcome(syscall(SYS_process_mrelease, -1, 0)); }

static int compare_with_outsider(void)
{
	return outcome(syscall(SYS_kcmp, getpid(), outsider, KCMP_VM, 0, 0));
}

static int outsiders_robust_list(void)
{
	void *head;
	size_t length;

	return outcome(syscall(SYS_get_robust_list, outsider, &head, &length));
}

static int move_outsiders_pages(void) { return outcome(syscall(SYS_move_pages, outsider, 0, NULL, NULL, NULL, 0)); }
static int migrate_outsider(void) { return outcome(syscall(SYS_migrate_pages, outsider, 0, NULL, NULL)); }

static int pin_outsider(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	return outcome(sched_setaffinity(outsider, sizeof(all), &all));
}

static int outsiders_limits(void)
{
	struct rlimit limit;

	return outcome(prlimit(outsider, RLIMIT_NOFILE, NULL, &limit));
}

static int slow_outsider_down(void) { return outcome(setpriority(PRIO_PROCESS, (id_t)outsider, 19)); }
static int outsiders_io(void) { return outcome(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, outsider, 3 << 13)); }
static int outsiders_session(void) { return outcome(getsid(outsider)); }

/* Parents of traced and killed processes learn nothing of what a sandbox's own init does. */
static int kill_own_init(void) { return outcome(kill(1, 0)); }

static int adopt_orphans(void) { return outcome(prctl(PR_SET_CHILD_SUBREAPER, 1)); }
static int let_others_trace(void) { return outcome(prctl(PR_SET_PTRACER, -1)); }
static int change_memory_map(void) { return outcome(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0)); }
static int speculation(void) { return outcome(prctl(PR_SET_SPECULATION_CTRL, 99, 0, 0, 0)); }

static int count_outsiders_cycles(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attributes), .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1,
	};

	return outcome(syscall(SYS_perf_event_open, &attributes, outsider, -1, -1, 0));
}

/* Whoever holds the listener of a filter says what becomes of the calls that it refuses. */
static int own_listener(void)
{
	char path[40], name[64] = "";

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, name, sizeof(name) - 1) > 0 && strstr(name, "seccomp notify"))
			return WORKED;
	}
	return EBADF;
}

const struct attack process_attacks[] = {
	{ "own-listener", own_listener },
	{ "signal-outsider", signal_outsider },
	{ "signal-outsiders-thread", signal_outsiders_thread },
	{ "signal-outsiders-group", signal_group },
	{ "queue-signal", queue_signal },
	{ "open-outsider", open_outsider },
	{ "signal-by-descriptor", signal_by_descriptor },
	{ "take-descriptor", take_descriptor },
	{ "aim-signals-at-outsider", aim_signals_at_outsider },
	{ "choose-signal", choose_signal },
	{ "trace-outsider", trace_outsider },
	{ "be-traced", be_traced },
	{ "read-outsiders-memory", read_outsiders_memory },
	{ "write-outsiders-memory", write_outsiders_memory },
	{ "advise-outsider", advise_outsider },
	{ "release-outsiders-memory", release_outsiders_memory },
	{ "compare-with-outsider", compare_with_outsider },
	{ "outsiders-robust-list", outsiders_robust_list },
	{ "move-outsiders-pages", move_outsiders_pages },
	{ "migrate-outsider", migrate_outsider },
	{ "pin-outsider", pin_outsider },
	{ "outsiders-limits", outsiders_limits },
	{ "slow-outsider-down", slow_outsider_down },
	{ "outsiders-io", outsiders_io },
	{ "outsiders-session", outsiders_session },
	{ "signal-own-init", kill_own_init },
	{ "adopt-orphans", adopt_orphans },
	{ "let-others-trace", let_others_trace },
	{ "change-memory-map", change_memory_map },
	{ "speculation", speculation },
	{ "count-outsiders-cycles", count_outsiders_cycles },
	{ 0 },
};
