/* A channel is four files (Documentation/driver-api/pwm.rst): NAME.N.period, .duty_cycle, .polarity and .enable. */
#include "attribute.h"
#include "granted.h"
#include <applibs/pwm.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int PWM_Open(PWM_ControllerId pwm)
{
	return applibs_granted_open(pwm, ".period");
}

struct channel {
	int period, duty_cycle, polarity, enable;
};

static int channel_file(uint32_t number, PWM_ChannelId channel, const char *what)
{
	struct granted file;
	char part[32];

	snprintf(part, sizeof(part), "%u.%s", channel, what);
	return applibs_granted_find(number, part, &file) < 0 ? -1 : file.fd;
}

static int find_channel(int fd, PWM_ChannelId number, struct channel *channel)
{
	struct granted any;
	uint32_t chip;

	if (applibs_granted_find_by_file(fd, ".period", &any) < 0)
		return -1;
	chip = applibs_granted_number(any.name, strlen(any.name));
	*channel = (struct channel){
		.period = channel_file(chip, number, "period"),
		.duty_cycle = channel_file(chip, number, "duty_cycle"),
		.polarity = channel_file(chip, number, "polarity"),
		.enable = channel_file(chip, number, "enable"),
	};
	if (channel->period >= 0 && channel->duty_cycle >= 0 && channel->polarity >= 0 && channel->enable >= 0)
		return 0;
	errno = ENODEV;
	return -1;
}

static const char *const polarities[] = { "normal", "inversed" };

/* Whether a file of a channel has this text; -1 if it cannot be read. */
static int has(int fd, const char *text)
{
	char now[ATTRIBUTE_SIZE];

	return applibs_attribute_text(fd, now) < 0 ? -1 : !strcmp(now, text);
}

/* Before the first period is set, the kernel refuses even to stop what does not run. */
static int stop(const struct channel *channel)
{
	int stopped = has(channel->enable, "0");

	return stopped == 0 ? applibs_attribute_set(channel->enable, "0") : stopped < 0 ? -1 : 0;
}

/* The kernel refuses a period shorter than the pulse that is set. */
static int set_times(const struct channel *channel, const PwmState *state)
{
	double width;

	if (applibs_attribute_number(channel->duty_cycle, &width) < 0)
		return -1;
	if (width > state->period_nsec && applibs_attribute_set_number(channel->duty_cycle, 0) < 0)
		return -1;
	if (applibs_attribute_set_number(channel->period, state->period_nsec) < 0)
		return -1;
	return applibs_attribute_set_number(channel->duty_cycle, state->dutyCycle_nsec);
}

static int apply(const struct channel *channel, const PwmState *state)
{
	const char *polarity = polarities[state->polarity];
	int same = has(channel->polarity, polarity);

	/* Pulses that shall end, end before they change; and drivers refuse another polarity while pulses come. */
	if (same < 0 || ((!state->enabled || !same) && stop(channel) < 0))
		return -1;
	if (set_times(channel, state) < 0 || (!same && applibs_attribute_set(channel->polarity, polarity) < 0))
		return -1;
	return state->enabled ? applibs_attribute_set(channel->enable, "1") : 0;
}

int PWM_Apply(int pwmFd, PWM_ChannelId pwmChannel, const PwmState *newState)
{
	struct channel channel;

	if (!newState || newState->period_nsec == 0 || newState->dutyCycle_nsec > newState->period_nsec ||
	    newState->polarity > PWM_Polarity_Inversed) {
		errno = EINVAL;
		return -1;
	}
	return find_channel(pwmFd, pwmChannel, &channel) < 0 ? -1 : apply(&channel, newState);
}
