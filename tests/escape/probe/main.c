/* The attacks as a program: see attack.h. */
#include "attack.h"
#include <sys/utsname.h>
#include <sys/wait.h>

const char *token;
pid_t outsider;

static const struct attack *const groups[] = {
	file_attacks, mount_attacks, proc_attacks, device_attacks, namespace_attacks, identity_attacks, process_attacks,
	memory_attacks, exec_attacks, network_attacks, kernel_attacks, shared_attacks, resource_attacks, compat_attacks,
	terminal_attacks,
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))
/* Exit status of a child that ran something it should not have been able to run. */
#define RAN 142
/* Longest attack in seconds. */
#define LIMIT 20

int reads_canary_at(int folder, const char *path)
{
	char found[128] = "";
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length;

	if (fd < 0)
		return errno;
	length = read(fd, found, sizeof(found) - 1);
	if (length < 0)
		return errno;
	found[strcspn(found, "\n")] = '\0';
	return worked_if(!strcmp(found, token), ENODATA);
}

int data_file(const char *path, const void *content, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, content, length) != (ssize_t)length)
		return -1;
	fchmod(fd, mode);
	close(fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Runs one attack in a child and prints `outcome TOKEN NAME WORD`. */
static void run(const struct attack *attack)
{
	const char *word;
	int status, result;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(LIMIT);
		_exit(attack->act());
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		printf("outcome %s %s no-child-%s\n", token, attack->name, strerrorname_np(errno));
		return;
	}
	if (WIFSIGNALED(status)) {
		printf("outcome %s %s SIG%s\n", token, attack->name, sigabbrev_np(WTERMSIG(status)));
		return;
	}
	result = WEXITSTATUS(status);
	word = result == WORKED ? "worked" : strerrorname_np(result);
	printf("outcome %s %s %s\n", token, attack->name, word ? word : "unknown");
}

/* Runs every attack, or those whose names follow. */
static int run_named(char **names)
{
	int known = 0;

	for (size_t group = 0; group < GROUPS; group++)
		for (const struct attack *attack = groups[group]; attack->name; attack++) {
			int wanted = !*names;

			for (char **name = names; *name; name++)
				wanted |= !strcmp(*name, attack->name);
			if (wanted)
				run(attack);
			known |= wanted;
		}
	printf("attacks are done %s\n", token);
	fflush(stdout);
	return known ? 0 : 2;
}

/* Whether this is a device of the tests: on anybody's own machine these attacks would succeed, and do harm. */
static int in_a_test_machine(void)
{
	struct utsname name;

	return uname(&name) == 0 && (strstr(name.release, "-holdfast") || strstr(name.release, "-attack"));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "list")) {
		for (size_t group = 0; group < GROUPS; group++)
			for (const struct attack *attack = groups[group]; attack->name; attack++)
				puts(attack->name);
		return 0;
	}
	if (!in_a_test_machine()) {
		fputs("the attacks run only on the kernels of a test machine\n", stderr);
		return 1;
	}
	/* What exec attacks start: that it runs at all is the finding, and who it is then. */
	if (!strcmp(mode, "ran"))
		return RAN;
	if (!strcmp(mode, "who"))
		return geteuid() == 0 ? RAN : 0;
	if (!strcmp(mode, "plant") && argc == 3)
		return plant((uid_t)atol(argv[2]));
	if (!strcmp(mode, "random") && argc == 5) {
		token = argv[2];
		return random_calls(strtoull(argv[3], NULL, 10), atoi(argv[4]));
	}
	/* `attack TOKEN PID [NAME…]` */
	if (strcmp(mode, "attack") || argc < 4) {
		fputs("usage: probe list | plant UID | random TOKEN SEED SECONDS | attack TOKEN PID [NAME...]\n", stderr);
		return 1;
	}
	token = argv[2];
	outsider = (pid_t)atol(argv[3]);
	return run_named(argv + 4);
}
