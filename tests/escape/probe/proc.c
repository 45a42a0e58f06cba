/* /proc and /sys: the machine's settings, other processes, and the own process with more rights than it has. */
#include "attack.h"
#include <sys/mman.h>

static int core_pattern(void) { return opens("/proc/sys/kernel/core_pattern", O_WRONLY); }
static int modprobe_path(void) { return opens("/proc/sys/kernel/modprobe", O_WRONLY); }
static int overcommit(void) { return opens("/proc/sys/vm/overcommit_memory", O_WRONLY); }
static int address_randomisation(void) { return opens("/proc/sys/kernel/randomize_va_space", O_WRONLY); }
static int sysrq(void) { return opens("/proc/sysrq-trigger", O_WRONLY); }
/* Containers lay /dev/null over such files: what opens then is not the file. */
static int opens_itself(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISCHR(status.st_mode) ? ENODATA : opens(path, O_RDONLY);
}

static int kernel_memory(void) { return opens_itself("/proc/kcore"); }
static int kernel_symbols(void) { return opens_itself("/proc/kallsyms"); }
static int kernel_keys(void) { return opens_itself("/proc/keys"); }
static int timer_list(void) { return opens_itself("/proc/timer_list"); }
static int command_line(void) { return opens("/proc/cmdline", O_RDONLY); }
static int memory_info(void) { return opens("/proc/meminfo", O_RDONLY); }
static int kernel_version(void) { return opens("/proc/version", O_RDONLY); }
static int interrupts(void) { return opens("/proc/interrupts", O_RDONLY); }
static int sysfs(void) { return opens("/sys/kernel", O_RDONLY | O_DIRECTORY); }
static int cgroup_files(void) { return opens("/sys/fs/cgroup/cgroup.procs", O_WRONLY); }

static int of_outsider(const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", outsider, what);
	return opens(path, flags);
}

static int see_outsider(void) { return of_outsider("", O_RDONLY | O_DIRECTORY); }
static int outsiders_command_line(void) { return of_outsider("cmdline", O_RDONLY); }
static int outsiders_environment(void) { return of_outsider("environ", O_RDONLY); }
static int outsiders_maps(void) { return of_outsider("maps", O_RDONLY); }
static int outsiders_memory(void) { return of_outsider("mem", O_RDONLY); }
static int outsiders_mounts(void) { return of_outsider("mounts", O_RDONLY); }
static int outsiders_descriptors(void) { return of_outsider("fd", O_RDONLY | O_DIRECTORY); }
static int outsiders_program(void) { return of_outsider("exe", O_RDONLY); }
static int outsiders_folder(void) { return of_outsider("cwd", O_RDONLY | O_DIRECTORY); }

static int outsiders_root(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root/run/canary", outsider);
	return reads_canary_at(AT_FDCWD, path);
}

/* The kernel's own hand writes to pages that are read-only to the process: W^X is gone if this works. */
static int write_own_code(void)
{
	unsigned char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno;
	if (pwrite(fd, "x", 1, (off_t)(uintptr_t)page) != 1)
		return errno;
	return worked_if(*page == 'x', EIO);
}

static int spare_me_from_memory_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? errno : outcome(write(fd, "-900", 4));
}

static int own_limits(void) { return opens("/proc/self/setgroups", O_WRONLY); }
static int own_security_label(void) { return opens("/proc/self/attr/current", O_WRONLY); }
static int own_name(void) { return opens("/proc/self/comm", O_WRONLY); }
static int own_page_flags(void) { return opens("/proc/self/clear_refs", O_WRONLY); }

static int control_group_path(void)
{
	char found[256] = "";
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, found, sizeof(found) - 1) < 0)
		return errno;
	return worked_if(strcmp(found, "0::/\n") != 0, EPERM);
}

const struct attack proc_attacks[] = {
	{ "core-pattern", core_pattern },
	{ "modprobe-path", modprobe_path },
	{ "overcommit", overcommit },
	{ "address-randomisation", address_randomisation },
	{ "sysrq", sysrq },
	{ "kernel-memory", kernel_memory },
	{ "kernel-symbols", kernel_symbols },
	{ "kernel-keys", kernel_keys },
	{ "timer-list", timer_list },
	{ "kernel-command-line", command_line },
	{ "memory-info", memory_info },
	{ "kernel-version", kernel_version },
	{ "interrupts", interrupts },
	{ "sysfs", sysfs },
	{ "cgroup-files", cgroup_files },
	{ "see-outsider", see_outsider },
	{ "outsiders-command-line", outsiders_command_line },
	{ "outsiders-environment", outsiders_environment },
	{ "outsiders-maps", outsiders_maps },
	{ "outsiders-memory", outsiders_memory },
	{ "outsiders-mounts", outsiders_mounts },
	{ "outsiders-descriptors", outsiders_descriptors },
	{ "outsiders-program", outsiders_program },
	{ "outsiders-folder", outsiders_folder },
	{ "outsiders-root", outsiders_root },
	{ "write-own-code", write_own_code },
	{ "spare-me-from-memory-killer", spare_me_from_memory_killer },
	{ "own-groups-switch", own_limits },
	{ "own-security-label", own_security_label },
	{ "own-name", own_name },
	{ "own-page-flags", own_page_flags },
	{ "control-group-path", control_group_path },
	{ 0 },
};
