/* Wide parts of the kernel with a history, the machine itself, and its clock. */
#include "attack.h"
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>

static int io_uring_setup(void) { return outcome(syscall(SYS_io_uring_setup, 1, NULL)); }
static int io_uring_enter(void) { return outcome(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0)); }
static int io_uring_register(void) { return outcome(syscall(SYS_io_uring_register, -1, 0, NULL, 0)); }
static int userfaultfd(void) { return outcome(syscall(SYS_userfaultfd, 0)); }
static int perf(void) { return outcome(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)); }
static int old_async_io(void) { return outcome(syscall(SYS_io_setup, 0, NULL)); }
static int load_module(void) { return outcome(syscall(SYS_init_module, NULL, 0, NULL)); }
static int load_module_file(void) { return outcome(syscall(SYS_finit_module, -1, "", 0)); }
static int remove_module(void) { return outcome(syscall(SYS_delete_module, NULL, 0)); }
static int load_kernel(void) { return outcome(syscall(SYS_kexec_load, 0, 0, NULL, 0xffff)); }
static int load_kernel_file(void) { return outcome(syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0xffff)); }
static int reboot(void) { return outcome(syscall(SYS_reboot, 0, 0, 0, NULL)); }
static int io_privilege(void) { return outcome(syscall(SYS_iopl, 3)); }
static int io_permission(void) { return outcome(syscall(SYS_ioperm, 0x80, 1, 1)); }
static int descriptor_table(void) { char entry[16]; return outcome(syscall(SYS_modify_ldt, 0, entry, sizeof(entry))); }
static int old_call_sysfs(void) { return outcome(syscall(SYS_sysfs, 3)); }
static int old_call_ustat(void) { return outcome(syscall(SYS_ustat, 0, NULL)); }

static int bpf(void)
{
	struct { uint32_t type, key_size, value_size, entries; } array = { 2, 4, 4, 1 };

	return outcome(syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, &array, sizeof(array)));
}

static int kernel_log(void)
{
	char text[64];

	return outcome(syscall(SYS_syslog, 3, text, sizeof(text)));
}

static int set_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return outcome(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
}

static int set_time_of_day(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return outcome(syscall(SYS_settimeofday, &(struct { long s, us; }){ now.tv_sec, now.tv_nsec / 1000 }, NULL));
}

static int adjust_clock(void)
{
	struct timex change = { .modes = ADJ_TICK, .tick = 10000 };

	return outcome(syscall(SYS_adjtimex, &change));
}

static int adjust_clock_by_name(void)
{
	struct timex change = { .modes = ADJ_TICK, .tick = 10000 };

	return outcome(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &change));
}

static int alarm_that_wakes(void)
{
	timer_t timer;

	return outcome(syscall(SYS_timer_create, CLOCK_BOOTTIME_ALARM, NULL, &timer));
}

static int add_key(void) { return outcome(syscall(SYS_add_key, "user", "x", "x", 1, KEY_SPEC_PROCESS_KEYRING)); }
static int request_key(void) { return outcome(syscall(SYS_request_key, "user", "holdfast-nobody", NULL, 0)); }
static int session_keyring(void) { return outcome(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1)); }
static int own_filter(void) { return outcome(syscall(SYS_seccomp, 1, 8 /* NEW_LISTENER */, NULL)); }
static int strict_mode(void) { return outcome(prctl(PR_SET_SECCOMP, 2, NULL)); }
static int cpuid_fault(void) { return outcome(syscall(SYS_arch_prctl, 0x1012, 1)); }
static int shadow_stack(void) { return outcome(syscall(SYS_arch_prctl, 0x5003, 1)); }
static int segment_base(void) { return outcome(syscall(SYS_arch_prctl, 0x1001, 0)); }
static int time_stamp_counter(void) { return outcome(prctl(PR_SET_TSC, PR_TSC_ENABLE)); }

const struct attack kernel_attacks[] = {
	{ "bpf", bpf },
	{ "io-uring-setup", io_uring_setup },
	{ "io-uring-enter", io_uring_enter },
	{ "io-uring-register", io_uring_register },
	{ "userfaultfd", userfaultfd },
	{ "perf", perf },
	{ "old-asynchronous-io", old_async_io },
	{ "load-module", load_module },
	{ "load-module-file", load_module_file },
	{ "remove-module", remove_module },
	{ "load-kernel", load_kernel },
	{ "load-kernel-file", load_kernel_file },
	{ "reboot", reboot },
	{ "io-privilege", io_privilege },
	{ "io-permission", io_permission },
	{ "descriptor-table", descriptor_table },
	{ "old-call-sysfs", old_call_sysfs },
	{ "old-call-ustat", old_call_ustat },
	{ "kernel-log", kernel_log },
	{ "set-clock", set_clock },
	{ "set-time-of-day", set_time_of_day },
	{ "adjust-clock", adjust_clock },
	{ "adjust-clock-by-name", adjust_clock_by_name },
	{ "alarm-that-wakes", alarm_that_wakes },
	{ "add-key", add_key },
	{ "request-key", request_key },
	{ "users-keyring", session_keyring },
	{ "own-filter-with-listener", own_filter },
	{ "own-filter-by-prctl", strict_mode },
	{ "cpuid-fault", cpuid_fault },
	{ "shadow-stack-switch", shadow_stack },
	{ "segment-base", segment_base },
	{ "time-stamp-counter", time_stamp_counter },
	{ 0 },
};
