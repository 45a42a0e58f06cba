/*
 * An app that tries what it must not be able to do, and says what came of it, one line per attempt:
 * `attempt NAME: refused (errno)` or `attempt NAME: POSSIBLE`. It refuses to run anywhere but as an app of a device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

static void attempt(const char *name, int possible)
{
	if (possible)
		printf("attempt %s: POSSIBLE\n", name);
	else
		printf("attempt %s: refused (%s)\n", name, strerrorname_np(errno));
}

static int can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int can_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(8443) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), connected;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return 0;
	connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return connected;
}

static int can_reach_abstract(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/ipc/security-monitor.sock" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), connected;

	if (fd < 0)
		return 0;
	connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return connected;
}

/* Whether a set-id program of the image runs as somebody else. */
static int set_id_works(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return 0;
	if (child == 0) {
		execl("/bin/set-id", "/bin/set-id", "who", NULL);
		_exit(111);
	}
	waitpid(child, &status, 0);
	errno = EPERM;
	return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

int main(int argc, char **argv)
{
	const char *storage = getenv("HOLDFAST_STORAGE");
	struct { uint32_t xflags, extsize, nextents, projid, cowextsize; unsigned char pad[8]; } attributes;
	int fd;

	if (argc > 1 && !strcmp(argv[1], "who"))
		return geteuid() == 0 ? 42 : 43;
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* As root on a developer's machine these attempts would succeed, and do harm. */
	if (getuid() < 100000 || !storage || getenv("NOTIFY_SOCKET") == NULL) {
		fputs("hostile runs only as an app of a device\n", stderr);
		return 1;
	}
	printf("hostile runs as uid %u euid %u gid %u pid %d\n", getuid(), geteuid(), getgid(), getpid());

	attempt("device-node-null", can_open("/null", O_RDWR));
	attempt("device-node-disk", can_open("/disk", O_RDONLY));
	attempt("device-node-mem", can_open("/mem", O_RDONLY));
	attempt("set-id-program", set_id_works());
	attempt("become-root", setuid(0) == 0);
	attempt("write-own-image", can_open("/bin/written", O_WRONLY | O_CREAT));
	attempt("mount", mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
	attempt("unshare-user", syscall(SYS_unshare, 0x10000000) == 0);
	attempt("unshare-mount", syscall(SYS_unshare, 0x00020000) == 0);
	attempt("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	attempt("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0);
	attempt("io-uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0);
	attempt("keyring", syscall(SYS_add_key, "user", "k", "v", 1, -3) >= 0);
	attempt("raw-socket", (fd = socket(AF_INET, SOCK_RAW, 1)) >= 0);
	attempt("packet-socket", (fd = socket(AF_PACKET, SOCK_RAW, 0)) >= 0);
	attempt("connect-device-api", can_connect());
	attempt("connect-internal-protocol", can_reach_abstract());
	attempt("see-data-of-others", can_open("/data/apps", O_RDONLY | O_DIRECTORY) || can_open("/data/../storage", O_RDONLY));
	attempt("see-verified-image", can_open("/usr/lib/holdfast/services.json", O_RDONLY));
	attempt("kernel-log", can_open("/dev/kmsg", O_RDONLY));
	attempt("memory-device", can_open("/dev/mem", O_RDONLY));
	attempt("gpio-chip", can_open("/dev/gpiochip0", O_RDWR));
	attempt("sysctl", can_open("/proc/sys/kernel/hostname", O_WRONLY));
	attempt("sysrq", can_open("/proc/sysrq-trigger", O_WRONLY));
	attempt("process-one-of-device", kill(1, 0) == 0 && getpid() != 1);
	attempt("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL) == 0);
	attempt("set-clock", syscall(SYS_clock_settime, 0, &(struct { long s, n; }){ 0, 0 }) == 0);
	attempt("host-name", sethostname("x", 1) == 0);
	attempt("writable-and-executable",
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	if (storage) {
		char path[256];

		snprintf(path, sizeof(path), "%s/own", storage);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
		printf("own storage: %s\n", fd >= 0 ? "writable" : strerrorname_np(errno));
		memset(&attributes, 0, sizeof(attributes));
		attempt("leave-quota", ioctl(fd, 0x401c5820, &attributes) == 0);
		attempt("immutable-file", ioctl(fd, FS_IOC_SETFLAGS, &(long){ FS_IMMUTABLE_FL }) == 0);
		attempt("set-id-in-storage", fchmod(fd, 04755) == 0);
		snprintf(path, sizeof(path), "%s/link", storage);
		attempt("follow-link-in-storage", symlink("/proc/self/status", path) == 0 && can_open(path, O_RDONLY));
		attempt("execute-from-storage", execl(fd >= 0 ? "/data/own" : "", "own", NULL) == 0);
	}
	puts("hostile is done");
	pause();
	return 0;
}
