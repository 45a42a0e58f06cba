/* The smallest app there can be, without any library: many of it fit on one device. Does what its argument says, then waits
 * for SIGTERM and ends with status 0.
 *
 * ready         says READY=1, and its version as its status.
 * mute          says nothing.
 * crash         ends with status 1 at once.
 * silent        says READY=1, and WATCHDOG=1 once: then it is late. */
#define SYS_write 1
#define SYS_rt_sigprocmask 14
#define SYS_socket 41
#define SYS_sendto 44
#define SYS_rt_sigtimedwait 128
#define SYS_exit_group 231
#define AF_UNIX 1
#define SOCK_DGRAM 2
#define SIG_BLOCK 0
#define SIGTERM 15

static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return number;
}

/* The value of an environment variable whose name is given with its equals sign; empty if there is none. */
static const char *variable(const char *const *environment, const char *name)
{
	for (; *environment; environment++) {
		long at = 0;
		while (name[at] && (*environment)[at] == name[at])
			at++;
		if (!name[at])
			return *environment + at;
	}
	return "";
}

static long append(char *text, long at, const char *more, long limit)
{
	for (; *more && at < limit; more++)
		text[at++] = *more;
	return at;
}

/* Says something to the socket that NOTIFY_SOCKET names. */
static void say(const char *const *environment, const char *text, const char *more)
{
	struct {
		unsigned short family;
		char path[108];
	} address = { .family = AF_UNIX };
	char message[128];
	long size = append(message, append(message, 0, text, sizeof message), more, sizeof message);
	long end = append(address.path, 0, variable(environment, "NOTIFY_SOCKET="), sizeof address.path - 1);
	long socket = call(SYS_socket, AF_UNIX, SOCK_DGRAM, 0, 0, 0, 0);
	call(SYS_sendto, socket, (long)message, size, 0, (long)&address, sizeof address.family + end + 1);
}

static _Noreturn void leave(int status)
{
	for (;;)
		call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

__attribute__((used)) static _Noreturn void run(long *stack)
{
	const char *what = stack[0] > 1 ? (const char *)stack[2] : "ready";
	const char *const *environment = (const char *const *)(stack + stack[0] + 2);
	/* Blocked, the signal waits even for the first process of a namespace. */
	unsigned long mask = 1ul << (SIGTERM - 1);
	call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, sizeof mask, 0, 0);
	call(SYS_write, 1, (long)"small\n", 6, 0, 0, 0);
	if (what[0] == 'c')
		leave(1);
	if (what[0] == 'r' || what[0] == 's')
		say(environment, "READY=1\nWATCHDOG=1\nSTATUS=version ", variable(environment, "VERSION="));
	while (call(SYS_rt_sigtimedwait, (long)&mask, 0, 0, sizeof mask, 0, 0) < 0)
		;
	leave(0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tandq $-16, %rsp\n\tcall run\n");
