#include <applibs/gpio.h>
#include <applibs/log.h>
#include <hw/sample_appliance.h>
#include <time.h>

int main(void)
{
	struct timespec now = { .tv_sec = 1800000000 };

	Log_Debug("button: %d\n", GPIO_OpenAsInput(DOORBELL_BUTTON));
	Log_Debug("clock: %d\n", clock_settime(CLOCK_REALTIME, &now));
	return 0;
}
