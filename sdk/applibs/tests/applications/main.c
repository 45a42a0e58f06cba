/* What an app finds by <applibs/applications.h>. */
#include "found.h"
#include <applibs/applications.h>

/* 0 is an error. */
static long long figure(size_t kib)
{
	return kib > 0 ? (long long)kib : -1;
}

int main(void)
{
	Applications_OsVersion version = { 0 };

	found("total KiB", figure(Applications_GetTotalMemoryUsageInKB()));
	found("user KiB", figure(Applications_GetUserModeMemoryUsageInKB()));
	found("peak KiB", figure(Applications_GetPeakUserModeMemoryUsageInKB()));
	found("version", Applications_GetOsVersion(&version));
	Log_Debug("system: %s\n", version.version);
	found_all();
}
