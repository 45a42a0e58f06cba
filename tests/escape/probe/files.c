/* Files and paths: out of the own root, and more than the own files allow. */
#include "attack.h"
#include <linux/fs.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define UP "../../../../../../../../../../../../../../../../../../../../"
/* In the image, writable for everybody as far as modes go. */
#define TARGET "/etc/target"

static int dotdot_above_root(void)
{
	return reads_canary_at(AT_FDCWD, UP UP UP "run/canary");
}

static int absolute_path(void)
{
	return reads_canary_at(AT_FDCWD, CANARY);
}

static int link_in_data(void)
{
	unlink("/data/link");
	return symlink(CANARY, "/data/link") ? errno : reads_canary_at(AT_FDCWD, "/data/link");
}

static int link_in_tmp(void)
{
	unlink("/tmp/link");
	return symlink(CANARY, "/tmp/link") ? errno : reads_canary_at(AT_FDCWD, "/tmp/link");
}

static int hard_link_of_foreign_file(void)
{
	return outcome(link(CANARY, CANARY "-linked"));
}

static int proc_self_root(void)
{
	return reads_canary_at(AT_FDCWD, "/proc/self/root/../run/canary");
}

static int proc_self_cwd(void)
{
	return reads_canary_at(AT_FDCWD, "/proc/self/cwd/" UP "run/canary");
}

static int long_way_up(void)
{
	char path[4000] = "/data/";

	while (strlen(path) < 3900)
		strcat(path, "../");
	strcat(path, "run/canary");
	return reads_canary_at(AT_FDCWD, path);
}

static int openat2_by_magic_link(void)
{
	struct { uint64_t flags, mode, resolve; } how = { .flags = O_RDONLY };

	return outcome(syscall(SYS_openat2, AT_FDCWD, "/proc/self/root/run/canary", &how, sizeof(how)));
}

static int leaked_folder(void)
{
	return reads_canary_at(LEAKED_FOLDER, "canary");
}

static int write_own_image(void)
{
	return opens(TARGET, O_WRONLY);
}

static int create_in_own_image(void)
{
	return opens("/etc/new", O_WRONLY | O_CREAT);
}

static int truncate_own_image(void)
{
	return outcome(truncate(TARGET, 0));
}

static int reopen_for_writing(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", open(TARGET, O_RDONLY | O_CLOEXEC));
	return opens(path, O_WRONLY);
}

static int chmod_own_image(void)
{
	return outcome(chmod(TARGET, 0777));
}

static int touch_own_image(void)
{
	return outcome(utimensat(AT_FDCWD, TARGET, NULL, 0));
}

static int enter_folder_outside(void)
{
	return outcome(chdir("/sys/kernel"));
}

static int look_at_file_outside(void)
{
	struct stat status;

	return outcome(stat(CANARY, &status));
}

static int connects_to(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	return outcome(connect(socket(AF_UNIX, type, 0), (struct sockaddr *)&address, sizeof(address)));
}

static int connect_to_socket_outside(void) { return connects_to(CANARY_SOCKET, SOCK_STREAM); }
static int connect_to_launcher(void) { return connects_to(LAUNCHER_SOCKET, SOCK_SEQPACKET); }

static int open_fifo_outside(void)
{
	return opens(CANARY_FIFO, O_RDWR);
}

static int watch_outside(void)
{
	return outcome(inotify_add_watch(inotify_init1(IN_CLOEXEC), CANARY, IN_ALL_EVENTS));
}

static int fanotify(void)
{
	return outcome(fanotify_init(FAN_CLASS_CONTENT, O_RDONLY));
}

static int name_to_handle(void)
{
	struct { struct file_handle head; char rest[MAX_HANDLE_SZ]; } handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	return outcome(name_to_handle_at(AT_FDCWD, "/", &handle.head, &mount, 0));
}

/* "Shocker": a handle names a file without any path. This one is made up; that it is looked up is the finding. */
static int open_by_handle(void)
{
	struct { struct file_handle head; char rest[8]; } handle = { .head = { .handle_bytes = 8, .handle_type = 1 } };

	return outcome(open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY));
}

static int device_node(void)
{
	unlink("/data/node");
	if (mknod("/data/node", S_IFCHR | 0666, makedev(1, 8)))
		return errno;
	return opens("/data/node", O_RDONLY);
}

static int device_node_of_image(void)
{
	return opens("/etc/node", O_RDONLY);
}

static int own_file_with(int (*act)(int))
{
	return act(open("/data/own", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int set_flags(int fd)
{
	int flags = FS_NODUMP_FL;

	return outcome(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

static int set_immutable(int fd)
{
	int flags = FS_IMMUTABLE_FL, none = 0, result = outcome(ioctl(fd, FS_IOC_SETFLAGS, &flags));

	ioctl(fd, FS_IOC_SETFLAGS, &none);
	return result;
}

static int set_project(int fd)
{
	struct fsxattr attributes = { .fsx_projid = 7 };

	return outcome(ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
}

static int set_id_mode(int fd)
{
	return outcome(fchmod(fd, 04755));
}

static int file_capability(int fd)
{
	uint32_t capability[5] = { 0x02000001, 1 << 21 };

	return outcome(fsetxattr(fd, "security.capability", capability, sizeof(capability), 0));
}

static int trusted_attribute(int fd)
{
	return outcome(fsetxattr(fd, "trusted.x", "x", 1, 0));
}

static int clone_range(int fd)
{
	(void)fd;
	return outcome(ioctl(open(TARGET, O_RDONLY), FICLONE, -1));
}

static int freeze_file_system(int fd)
{
	int result = outcome(ioctl(fd, FIFREEZE, 0));

	if (result == WORKED)
		ioctl(fd, FITHAW, 0);
	return result;
}

static int encryption_key(int fd)
{
	return outcome(ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, NULL));
}

static int file_flags(void) { return own_file_with(set_flags); }
static int immutable_file(void) { return own_file_with(set_immutable); }
static int leave_quota(void) { return own_file_with(set_project); }
static int set_id_file(void) { return own_file_with(set_id_mode); }
static int file_capabilities(void) { return own_file_with(file_capability); }
static int trusted_attributes(void) { return own_file_with(trusted_attribute); }
static int clone_file_range(void) { return own_file_with(clone_range); }
static int freeze(void) { return own_file_with(freeze_file_system); }
static int add_encryption_key(void) { return own_file_with(encryption_key); }

static int give_file_away(void)
{
	close(open("/data/own", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	return outcome(syscall(SYS_fchownat, AT_FDCWD, "/data/own", 0, 0, 0));
}

static int quota_of_all(void)
{
	return outcome(syscall(SYS_quotactl_fd, -1, 0, 0, NULL));
}

static int swap_on(void)
{
	return outcome(syscall(SYS_swapon, NULL, 0));
}

static int accounting(void)
{
	return outcome(syscall(SYS_acct, (char *)8));
}

static int sync_everything(void)
{
	return outcome(syscall(SYS_sync));
}

const struct attack file_attacks[] = {
	{ "dotdot-above-root", dotdot_above_root },
	{ "absolute-path", absolute_path },
	{ "link-in-data", link_in_data },
	{ "link-in-tmp", link_in_tmp },
	{ "hard-link-of-foreign-file", hard_link_of_foreign_file },
	{ "proc-self-root", proc_self_root },
	{ "proc-self-cwd", proc_self_cwd },
	{ "long-way-up", long_way_up },
	{ "openat2-by-magic-link", openat2_by_magic_link },
	{ "leaked-folder", leaked_folder },
	{ "write-own-image", write_own_image },
	{ "create-in-own-image", create_in_own_image },
	{ "truncate-own-image", truncate_own_image },
	{ "reopen-for-writing", reopen_for_writing },
	{ "chmod-own-image", chmod_own_image },
	{ "touch-own-image", touch_own_image },
	{ "enter-folder-outside", enter_folder_outside },
	{ "look-at-file-outside", look_at_file_outside },
	{ "connect-to-socket-outside", connect_to_socket_outside },
	{ "connect-to-launcher", connect_to_launcher },
	{ "open-fifo-outside", open_fifo_outside },
	{ "watch-outside", watch_outside },
	{ "fanotify", fanotify },
	{ "name-to-handle", name_to_handle },
	{ "open-by-handle", open_by_handle },
	{ "device-node", device_node },
	{ "device-node-of-image", device_node_of_image },
	{ "file-flags", file_flags },
	{ "immutable-file", immutable_file },
	{ "leave-quota", leave_quota },
	{ "set-id-file", set_id_file },
	{ "file-capabilities", file_capabilities },
	{ "trusted-attributes", trusted_attributes },
	{ "clone-file-range", clone_file_range },
	{ "freeze-file-system", freeze },
	{ "add-encryption-key", add_encryption_key },
	{ "give-file-away", give_file_away },
	{ "quota-of-all", quota_of_all },
	{ "swap-on", swap_on },
	{ "accounting", accounting },
	{ "sync-everything", sync_everything },
	{ 0 },
};
