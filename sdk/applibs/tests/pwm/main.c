/* What an app finds by <applibs/pwm.h>. */
#include "found.h"
#include <applibs/pwm.h>
#include <hw/board.h>

int main(void)
{
	PwmState state = { .period_nsec = 4915200, .dutyCycle_nsec = 2457600, .polarity = PWM_Polarity_Normal, .enabled = true };
	int fd = PWM_Open(DIMMER);

	found("open", fd);
	found("apply", PWM_Apply(fd, 0, &state));
	state.dutyCycle_nsec = 0;
	found("dark", PWM_Apply(fd, 0, &state));
	state.enabled = false;
	found("off", PWM_Apply(fd, 0, &state));
	found("channel 9", PWM_Apply(fd, 9, &state));
	state.dutyCycle_nsec = state.period_nsec + 1;
	found("too wide", PWM_Apply(fd, 0, &state));
	found("not listed", PWM_Open(SERIAL_PORT));
	found_all();
}
