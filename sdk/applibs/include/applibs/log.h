/* Lines of the app's log.
 *
 * Thread-safe; errno stays as it was when they succeed. One call is one write of up to 4096 bytes, so that lines of several
 * threads do not mix; the device cuts a line after 1024 bytes and keeps a bounded log over restarts (`holdfast app logs`). */
#pragma once

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes to standard output as printf does; 0, or -1. EFAULT or EINVAL: the format.
 * @holdfast differs: it is the app's log on every device, not only with a debugger at hand */
int Log_Debug(const char *fmt, ...);

/* The same for a va_list.
 * @holdfast differs: as Log_Debug */
int Log_DebugVarArgs(const char *fmt, va_list args);

#ifdef __cplusplus
}
#endif
