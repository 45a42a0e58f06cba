/* Lines of the app's log, the library's own and the app's. */
#pragma once

#include <stdarg.h>

/* Most bytes of one write that do not mix with those of others (pipe(7), PIPE_BUF). */
#define SAY_LIMIT 4096

/* Writes to a descriptor, all in one piece; 0, or -1 and errno. Never ends the process by SIGPIPE: a log without a reader loses
 * lines, nothing else. */
int applibs_say_to(int fd, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

/* A line of the library on standard error, where the app's owner reads why a call failed. errno stays as it was. */
void applibs_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
