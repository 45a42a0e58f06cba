/* What the apps for the headers have in common: they say what they found in lines `name: value`, and stay. */
#pragma once

#include <applibs/log.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A result of a call: what it is, or why it failed. */
static inline void found(const char *name, long long value)
{
	if (value >= 0)
		Log_Debug("%s: %lld\n", name, value);
	else
		Log_Debug("%s: %s\n", name, strerrorname_np(errno));
}

/* Must be called last. */
static inline _Noreturn void found_all(void)
{
	Log_Debug("all was found\n");
	for (;;)
		pause();
}
