#include "granted.h"
#include "say.h"
#include "services.h"
#include <applibs/powermanagement.h>
#include <errno.h>
#include <linux/rtc.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>

int PowerManagement_ForceSystemReboot(void)
{
	return applibs_services_do("reboot", NULL);
}

static bool is_clock(int fd)
{
	struct rtc_time now;

	return ioctl(fd, RTC_RD_TIME, &now) >= 0;
}

/* The time so many seconds behind another one. */
static struct rtc_time later(const struct rtc_time *time, unsigned int seconds)
{
	struct tm now = { .tm_sec = time->tm_sec, .tm_min = time->tm_min, .tm_hour = time->tm_hour,
			  .tm_mday = time->tm_mday, .tm_mon = time->tm_mon, .tm_year = time->tm_year };
	time_t then = timegm(&now) + (time_t)seconds;
	struct tm at;

	gmtime_r(&then, &at);
	return (struct rtc_time){ .tm_sec = at.tm_sec, .tm_min = at.tm_min, .tm_hour = at.tm_hour,
				  .tm_mday = at.tm_mday, .tm_mon = at.tm_mon, .tm_year = at.tm_year };
}

/* Has the clock switch the device on again; its descriptor, or -1. */
static int set_alarm(unsigned int seconds)
{
	struct granted clock;
	struct rtc_wkalrm alarm = { .enabled = 1 };
	struct rtc_time now;

	if (applibs_granted_find_that(is_clock, &clock) < 0) {
		applibs_say("the device would not come back: list a clock in the manifest, \"Holdfast\": { \"Rtc\": [\"$NAME\"] }");
		errno = ENOTSUP;
		return -1;
	}
	if (ioctl(clock.fd, RTC_RD_TIME, &now) < 0)
		return -1;
	alarm.time = later(&now, seconds);
	return ioctl(clock.fd, RTC_WKALM_SET, &alarm) < 0 ? -1 : clock.fd;
}

int PowerManagement_ForceSystemPowerDown(unsigned int maximum_residency_in_seconds)
{
	int clock, error;

	if (maximum_residency_in_seconds == 0) {
		errno = EINVAL;
		return -1;
	}
	clock = set_alarm(maximum_residency_in_seconds);
	if (clock < 0)
		return -1;
	if (!applibs_services_do("power-off", NULL))
		return 0;
	error = errno;
	ioctl(clock, RTC_AIE_OFF, 0);
	errno = error;
	return -1;
}

int PowerManagement_SetSystemPowerProfile(PowerManagement_System_PowerProfile desired_profile)
{
	errno = desired_profile > PowerManagement_HighPerformance ? EINVAL : ENOTSUP;
	return -1;
}
