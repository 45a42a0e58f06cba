#include "services.h"
#include <applibs/applications.h>
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>

/* A figure of memory in KiB, or 0. */
static size_t figure(const char *name)
{
	json_t *memory = applibs_services_ask("memory", NULL, NULL);
	json_int_t bytes;
	int result;

	if (!memory)
		return 0;
	result = applibs_services_number(memory, name, &bytes);
	json_decref(memory);
	if (result < 0)
		return 0;
	if (bytes < 0) {
		errno = EPROTO;
		return 0;
	}
	return ((size_t)bytes + 1023) / 1024;
}

size_t Applications_GetTotalMemoryUsageInKB(void)
{
	return figure("used_bytes");
}

size_t Applications_GetUserModeMemoryUsageInKB(void)
{
	return figure("used_bytes");
}

size_t Applications_GetPeakUserModeMemoryUsageInKB(void)
{
	return figure("peak_bytes");
}

int Applications_GetOsVersion(Applications_OsVersion *outVersion)
{
	struct utsname names;

	if (!outVersion) {
		errno = EFAULT;
		return -1;
	}
	if (uname(&names) < 0)
		return -1;
	snprintf(outVersion->version, sizeof(outVersion->version), "%.*s", (int)sizeof(outVersion->version) - 1, names.release);
	return 0;
}
