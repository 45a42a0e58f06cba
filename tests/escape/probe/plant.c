/* What stands outside the sandbox to be found: made by root, open to everybody, looked after by the app's own user. */
#include "attack.h"
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int must(const char *what, long result)
{
	if (result < 0) {
		printf("cannot plant %s: %s\n", what, strerrorname_np(errno));
		exit(1);
	}
	return (int)result;
}

static void listen_at(const char *what, const struct sockaddr *address, socklen_t length, int type)
{
	int fd = must(what, socket(address->sa_family, type, 0));

	must(what, bind(fd, address, length));
	if (type != SOCK_DGRAM)
		must(what, listen(fd, 4096));
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	must("loopback", ioctl(must("loopback", socket(AF_INET, SOCK_DGRAM, 0)), SIOCSIFFLAGS, &request));
}

int plant(uid_t user)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = CANARY_SOCKET };
	struct sockaddr_un launcher = { .sun_family = AF_UNIX, .sun_path = LAUNCHER_SOCKET };
	struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0" CANARY_ABSTRACT };
	struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(CANARY_PORT) };
	socklen_t length = offsetof(struct sockaddr_un, sun_path) + sizeof(CANARY_ABSTRACT);

	umask(0);
	must("group of processes", setpgid(0, 0));
	loopback_up();
	must("fifo", mkfifo(CANARY_FIFO, 0666));
	listen_at("socket", (struct sockaddr *)&path, sizeof(path), SOCK_STREAM);
	must("folder of internal sockets", mkdir("/run/ipc", 0777));
	listen_at("internal socket", (struct sockaddr *)&launcher, sizeof(launcher), SOCK_SEQPACKET);
	listen_at("abstract socket", (struct sockaddr *)&abstract, length, SOCK_STREAM);
	port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_at("TCP port", (struct sockaddr *)&port, sizeof(port), SOCK_STREAM);
	listen_at("UDP port", (struct sockaddr *)&port, sizeof(port), SOCK_DGRAM);
	must("shared memory", shmget(CANARY_SYSV_KEY, 4096, IPC_CREAT | 0666));
	must("semaphore", semget(CANARY_SYSV_KEY, 1, IPC_CREAT | 0666));
	must("message queue", msgget(CANARY_SYSV_KEY, IPC_CREAT | 0666));
	must("POSIX queue", mq_open(CANARY_QUEUE, O_RDWR | O_CREAT, 0666, NULL));
	must("group", setgid(user));
	must("user", setuid(user));
	/* After a change of user a process cannot be looked into, not even by its own; an ordinary one can. */
	must("dumpable", prctl(PR_SET_DUMPABLE, 1));
	printf("planted\n");
	fflush(stdout);
	for (;;)
		pause();
}
