/* What an app finds by <applibs/rtc.h>. */
#include "found.h"
#include <applibs/rtc.h>
#include <time.h>

int main(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	found("clock_systohc", clock_systohc());
	now.tv_sec += 3600;
	found("clock_settime", clock_settime(CLOCK_REALTIME, &now));
	now.tv_sec = 1;
	found("1970", clock_settime(CLOCK_REALTIME, &now));
	clock_gettime(CLOCK_REALTIME, &now);
	found("time", now.tv_sec);
	found_all();
}
