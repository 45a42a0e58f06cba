/* {{name}}: an app of Holdfast. It follows public conventions only: sd_notify(3) to be ready, SIGTERM to end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Tells the manager; without NOTIFY_SOCKET nobody listens, which is no error. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof(address));
	close(fd);
}

int main(void)
{
	sigset_t ends;
	int got;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	printf("{{name}} started\n");
	notify("READY=1");
	sigwait(&ends, &got);
	notify("STOPPING=1");
	return 0;
}
