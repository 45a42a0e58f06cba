/* The library against what can be faked without a device: files, a pseudo terminal, and ioctls of peripherals (fake.h).
 *
 *   check            the tests that need nothing else
 *   check services   those that ask app-services: services.py runs them */
#include "check.h"
#include "granted.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void pass(const char *names, const int *fds, size_t count)
{
	int high[16];
	char number[16];

	for (size_t at = 0; at < count; at++) {
		high[at] = fcntl(fds[at], F_DUPFD, 100);
		close(fds[at]);
	}
	for (size_t at = 0; at < count; at++) {
		CHECK(dup2(high[at], 3 + (int)at) >= 0);
		close(high[at]);
	}
	snprintf(number, sizeof(number), "%zu", count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

int number(const char *name)
{
	return (int)applibs_granted_number(name, strlen(name));
}

int file_with(const char *text)
{
	int fd = memfd_create("attribute", 0);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

const char *text_of(int fd)
{
	static char text[64];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	text[length < 0 ? 0 : length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text;
}

struct test {
	const char *name;
	void (*run)(void);
};

#define ROW(name) { #name, name },
static const struct test alone[] = { TESTS(ROW) };
static const struct test with_services[] = { TESTS_WITH_SERVICES(ROW) };

/* What the library says in the log is shown for tests that fail alone. */
static int run(const struct test *test)
{
	int log = memfd_create("log", MFD_CLOEXEC), status;
	char text[8192];
	ssize_t length;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		dup2(log, 2);
		alarm(30);
		test->run();
		exit(0);
	}
	waitpid(child, &status, 0);
	printf("%s %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "ok" : "FAILED", test->name);
	if (status != 0) {
		length = pread(log, text, sizeof(text), 0);
		printf("%.*s(status %#x)\n", length < 0 ? 0 : (int)length, text, (unsigned int)status);
	}
	close(log);
	return status != 0;
}

int main(int count, char **arguments)
{
	bool services = count > 1 && !strcmp(arguments[1], "services");
	const struct test *tests = services ? with_services : alone;
	size_t tests_count = services ? sizeof(with_services) / sizeof(*with_services) : sizeof(alone) / sizeof(*alone);
	int failed = 0;

	for (size_t at = 0; at < tests_count; at++)
		failed += run(&tests[at]);
	printf("%zu tests, %d failed\n", tests_count, failed);
	return failed != 0;
}
