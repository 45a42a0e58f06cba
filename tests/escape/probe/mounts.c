/* Mounts: another view of the file system. Each runs in a mount namespace that dies with it, so nothing is undone. */
#include "attack.h"
#include <sys/mount.h>

#define OPEN_TREE_CLONE_FLAG 1
#define MOVE_FROM_EMPTY_PATH 4
#define STATMOUNT_CALL 457
#define LISTMOUNT_CALL 458

static int mounts(const char *type)
{
	return outcome(mount("none", "/tmp", type, 0, NULL));
}

static int mount_tmpfs(void) { return mounts("tmpfs"); }
static int mount_proc(void) { return mounts("proc"); }
static int mount_sysfs(void) { return mounts("sysfs"); }
static int mount_devtmpfs(void) { return mounts("devtmpfs"); }
static int mount_devpts(void) { return mounts("devpts"); }
static int mount_cgroup2(void) { return mounts("cgroup2"); }
static int mount_debugfs(void) { return mounts("debugfs"); }
static int mount_securityfs(void) { return mounts("securityfs"); }
static int mount_configfs(void) { return mounts("configfs"); }
static int mount_bpffs(void) { return mounts("bpf"); }
static int mount_binfmt_misc(void) { return mounts("binfmt_misc"); }

/* Version 1 runs a program of its user's choice as root when a group becomes empty (CVE-2022-0492). */
static int mount_cgroup_with_release_agent(void)
{
	return outcome(mount("none", "/tmp", "cgroup", 0, "none,name=escape"));
}

static int mount_overlay(void)
{
	return outcome(mount("none", "/tmp", "overlay", 0, "lowerdir=/etc:/bin"));
}

static int bind_mount(void)
{
	return outcome(mount("/etc", "/tmp", NULL, MS_BIND, NULL));
}

static int remount_writable(void)
{
	return outcome(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int unmount_proc(void)
{
	return outcome(umount2("/proc", MNT_DETACH));
}

static int fs_open(void)
{
	return outcome(syscall(SYS_fsopen, "tmpfs", 0));
}

static int fs_mount(void)
{
	return outcome(syscall(SYS_fsmount, -1, 0, 0));
}

static int fs_pick(void)
{
	return outcome(syscall(SYS_fspick, AT_FDCWD, "/", 0));
}

static int clone_tree(void)
{
	return outcome(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE_FLAG));
}

static int move_mount_nowhere(void)
{
	return outcome(syscall(SYS_move_mount, -1, "", -1, "", MOVE_FROM_EMPTY_PATH));
}

static int change_mount(void)
{
	struct { uint64_t set, clear, propagation, user_namespace; } attributes = { .clear = 1 };

	return outcome(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof(attributes)));
}

static int pivot(void)
{
	return outcome(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

static int change_root(void)
{
	return outcome(chroot("/tmp"));
}

/* The way out of a plain chroot: a second one below, with the working directory left above it. */
static int break_out_of_chroot(void)
{
	int here = open("/", O_RDONLY | O_DIRECTORY);

	if (chroot("/tmp"))
		return errno;
	if (fchdir(here))
		return errno;
	for (int step = 0; step < 40; step++)
		if (chdir(".."))
			return errno;
	return chroot(".") ? errno : reads_canary_at(AT_FDCWD, CANARY);
}

static int list_mounts(void)
{
	struct { uint32_t size, spare; uint64_t mount, parameter; } request = { .size = 24, .mount = UINT64_MAX };
	uint64_t found[8];

	return outcome(syscall(LISTMOUNT_CALL, &request, found, 8, 0));
}

static int look_at_mount(void)
{
	return outcome(syscall(STATMOUNT_CALL, NULL, NULL, 0, 0));
}

const struct attack mount_attacks[] = {
	{ "mount-tmpfs", mount_tmpfs },
	{ "mount-proc", mount_proc },
	{ "mount-sysfs", mount_sysfs },
	{ "mount-devtmpfs", mount_devtmpfs },
	{ "mount-devpts", mount_devpts },
	{ "mount-cgroup2", mount_cgroup2 },
	{ "mount-debugfs", mount_debugfs },
	{ "mount-securityfs", mount_securityfs },
	{ "mount-configfs", mount_configfs },
	{ "mount-bpffs", mount_bpffs },
	{ "mount-binfmt-misc", mount_binfmt_misc },
	{ "mount-cgroup-with-release-agent", mount_cgroup_with_release_agent },
	{ "mount-overlay", mount_overlay },
	{ "bind-mount", bind_mount },
	{ "remount-writable", remount_writable },
	{ "unmount-proc", unmount_proc },
	{ "fs-open", fs_open },
	{ "fs-mount", fs_mount },
	{ "fs-pick", fs_pick },
	{ "clone-tree", clone_tree },
	{ "move-mount", move_mount_nowhere },
	{ "change-mount", change_mount },
	{ "pivot-root", pivot },
	{ "change-root", change_root },
	{ "break-out-of-chroot", break_out_of_chroot },
	{ "list-mounts", list_mounts },
	{ "look-at-mount", look_at_mount },
	{ 0 },
};
