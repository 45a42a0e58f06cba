#include "say.h"
#include <applibs/log.h>
#include <errno.h>
#include <unistd.h>

int Log_DebugVarArgs(const char *fmt, va_list args)
{
	int before = errno;

	if (!fmt) {
		errno = EFAULT;
		return -1;
	}
	if (applibs_say_to(STDOUT_FILENO, fmt, args) < 0)
		return -1;
	errno = before;
	return 0;
}

int Log_Debug(const char *fmt, ...)
{
	va_list args;
	int result;

	va_start(args, fmt);
	result = Log_DebugVarArgs(fmt, args);
	va_end(args);
	return result;
}
