/* What an app finds by <applibs/log.h>. */
#include "found.h"
#include <applibs/log.h>

/* No constant: compilers warn of one. */
static const char *volatile nothing;

static int in_two_steps(const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = Log_DebugVarArgs(format, arguments);
	va_end(arguments);
	return result;
}

int main(void)
{
	errno = 0;
	found("Log_Debug", Log_Debug("a line of %d words\n", 5));
	found("Log_DebugVarArgs", in_two_steps("another %s\n", "line"));
	found("nothing", Log_Debug(nothing));
	found_all();
}
