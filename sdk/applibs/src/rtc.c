#include "services.h"
#include <applibs/rtc.h>
#include <errno.h>
#include <time.h>

static int set_clock(const struct timespec *time)
{
	json_int_t unix_ms = (json_int_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;

	return applibs_services_do("set-clock", json_pack("{s:I}", "unix_ms", unix_ms));
}

int clock_systohc(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_REALTIME, &now) < 0 ? -1 : set_clock(&now);
}

/* What clock_settime() is in a program that is linked with -Wl,--wrap=clock_settime: an app has no capability to set a clock,
 * but it may have the right to ask for it. */
int __wrap_clock_settime(clockid_t clock, const struct timespec *time);

int __wrap_clock_settime(clockid_t clock, const struct timespec *time)
{
	if (clock != CLOCK_REALTIME) {
		errno = EPERM;
		return -1;
	}
	if (!time || time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec > 999999999) {
		errno = time ? EINVAL : EFAULT;
		return -1;
	}
	return set_clock(time);
}
