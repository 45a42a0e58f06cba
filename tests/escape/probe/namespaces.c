/* Namespaces: of one's own, where everybody is root, or somebody else's. */
#include "attack.h"
#include <sched.h>
#include <sys/wait.h>

#define NEW_TIME 0x80

static int leaves(int flags)
{
	return outcome(syscall(SYS_unshare, flags));
}

static int new_user(void) { return leaves(CLONE_NEWUSER); }
static int new_mounts(void) { return leaves(CLONE_NEWNS); }
static int new_network(void) { return leaves(CLONE_NEWNET); }
static int new_pids(void) { return leaves(CLONE_NEWPID); }
static int new_ipc(void) { return leaves(CLONE_NEWIPC); }
static int new_host_name(void) { return leaves(CLONE_NEWUTS); }
static int new_cgroup(void) { return leaves(CLONE_NEWCGROUP); }
static int new_time(void) { return leaves(NEW_TIME); }

static int clones(unsigned long flags)
{
	long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(0);
	return outcome(child);
}

static int clone_new_user(void) { return clones(CLONE_NEWUSER); }
static int clone_new_network(void) { return clones(CLONE_NEWNET); }
static int clone_new_pids(void) { return clones(CLONE_NEWPID); }
static int clone_into_parent(void) { return clones(CLONE_PARENT); }

/* clone3 has its flags in memory, where a filter cannot look. */
static int clone3_at_all(void)
{
	return outcome(syscall(SYS_clone3, NULL, 0));
}

static int own_again(void)
{
	return outcome(setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS));
}

static int outsiders_network(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", outsider);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? errno : outcome(setns(fd, CLONE_NEWNET));
}

static int host_name(void)
{
	return outcome(sethostname("x", 1));
}

static int domain_name(void)
{
	return outcome(setdomainname("x", 1));
}

/* Everybody's name, not the own namespace's. */
static int read_machines_host_name(void)
{
	char name[65] = "";

	gethostname(name, sizeof(name) - 1);
	return worked_if(!strcmp(name, "holdfast-machine"), EPERM);
}

const struct attack namespace_attacks[] = {
	{ "new-user-namespace", new_user },
	{ "new-mount-namespace", new_mounts },
	{ "new-network-namespace", new_network },
	{ "new-pid-namespace", new_pids },
	{ "new-ipc-namespace", new_ipc },
	{ "new-uts-namespace", new_host_name },
	{ "new-cgroup-namespace", new_cgroup },
	{ "new-time-namespace", new_time },
	{ "clone-into-user-namespace", clone_new_user },
	{ "clone-into-network-namespace", clone_new_network },
	{ "clone-into-pid-namespace", clone_new_pids },
	{ "clone-as-sibling", clone_into_parent },
	{ "clone3", clone3_at_all },
	{ "join-own-namespace-again", own_again },
	{ "join-outsiders-network", outsiders_network },
	{ "set-host-name", host_name },
	{ "set-domain-name", domain_name },
	{ "read-machines-host-name", read_machines_host_name },
	{ 0 },
};
