#include "say.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

/* The signal of a broken pipe goes to the thread that wrote: blocked there, it can be taken away again. */
static int write_without_signal(int fd, const char *bytes, size_t length)
{
	sigset_t broken, before, waiting;
	int result, error;

	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	sigpending(&waiting);
	pthread_sigmask(SIG_BLOCK, &broken, &before);
	result = write_all(fd, bytes, length);
	error = errno;
	if (result < 0 && error == EPIPE && !sigismember(&waiting, SIGPIPE))
		sigtimedwait(&broken, NULL, &(struct timespec){ 0 });
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return result;
}

int applibs_say_to(int fd, const char *format, va_list arguments)
{
	char text[SAY_LIMIT + 1];
	int length = vsnprintf(text, sizeof(text), format, arguments);

	if (length < 0)
		return -1;
	return write_without_signal(fd, text, length > SAY_LIMIT ? SAY_LIMIT : (size_t)length);
}

void applibs_say(const char *format, ...)
{
	char line[512];
	int error = errno;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	if (length >= 0) {
		char text[sizeof("applibs: \n") + sizeof(line)];
		int whole = snprintf(text, sizeof(text), "applibs: %s\n", line);

		write_without_signal(STDERR_FILENO, text, (size_t)whole);
	}
	errno = error;
}
