/* Crashes in the way that its argument names, after it said READY=1 and put words on its heap and its stack. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where it crashes: read by the test as the line that a report must name. */
static volatile int *nowhere;

__attribute__((noinline)) static void fall_over(int depth)
{
	volatile char words[64];

	strcpy((char *)words, "these words are on the stack");
	if (depth > 0) {
		fall_over(depth - 1);
		words[0]++;
		return;
	}
	*nowhere = 1; /* HERE */
	words[0]++;
}

static void *in_a_thread(void *unused)
{
	fall_over(2);
	return unused;
}

static void say(const char *words)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(to.sun_path, getenv("NOTIFY_SOCKET"), sizeof(to.sun_path) - 1);
	sendto(fd, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

/* Takes all that it may have, and more. */
static void eat(void)
{
	for (;;)
		memset(malloc(1 << 20), 1, 1 << 20);
}

/* Puts a file of its own in the place of what the kernel dumps of it, from a process that outlives the crash for a moment. */
static void forge(void)
{
	FILE *file = fopen("/run/forged", "w");

	fputs("\177ELF and then nothing that makes sense", file);
	fclose(file);
	if (fork() == 0) {
		while (access("/run/core/2/core", F_OK))
			;
		rename("/run/forged", "/run/core/2/core");
		for (;;)
			pause();
	}
	usleep(200000);
	fall_over(0);
}

int main(int count, char **arguments)
{
	const char *how = count > 1 ? arguments[1] : "segv";
	char *heap = malloc(3 << 20);
	pthread_t thread;

	for (size_t at = 0; at + 64 < 3 << 20; at += 64)
		strcpy(heap + at, "these words are on the heap");
	say("READY=1");
	if (!strcmp(how, "thread")) {
		pthread_create(&thread, NULL, in_a_thread, NULL);
		pthread_join(thread, NULL);
	} else if (!strcmp(how, "abort")) {
		abort();
	} else if (!strcmp(how, "kill")) {
		kill(getpid(), SIGKILL);
	} else if (!strcmp(how, "eat")) {
		eat();
	} else if (!strcmp(how, "forge")) {
		forge();
	} else if (!strcmp(how, "wait")) {
		for (;;)
			pause();
	}
	fall_over(3);
	return heap[0];
}
