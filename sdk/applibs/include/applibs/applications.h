/* How much memory the app uses, and what it runs on.
 *
 * Thread-safe. The figures of memory want `HeapMemStats` in the manifest; without it, they are 0 with EACCES. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A version for people. */
typedef struct Applications_OsVersion {
	char version[64];
} Applications_OsVersion;

/* KiB in use now, or 0 and errno.
 * @holdfast differs: of this app alone, with its share of the kernel's buffers; wants `HeapMemStats` */
size_t Applications_GetTotalMemoryUsageInKB(void);

/* KiB in use now, or 0 and errno.
 * @holdfast differs: the same as Applications_GetTotalMemoryUsageInKB: a control group has one figure */
size_t Applications_GetUserModeMemoryUsageInKB(void);

/* Most KiB in use since the start, or 0 and errno.
 * @holdfast differs: of this app alone, with its share of the kernel's buffers; wants `HeapMemStats` */
size_t Applications_GetPeakUserModeMemoryUsageInKB(void);

/* The version of the system. EFAULT.
 * @holdfast differs: the kernel's release, such as 6.12.8: it is what an app can learn of its device */
int Applications_GetOsVersion(Applications_OsVersion *outVersion);

#ifdef __cplusplus
}
#endif
