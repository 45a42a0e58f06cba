/* Chips that make pulses of a given width, which the manifest lists under `Pwm`.
 *
 * Thread-safe for different channels; one channel is for one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A chip's name, as a number of `<hw/NAME.h>`. */
typedef unsigned int PWM_ControllerId;
/* A channel of it, as the board file counts them. */
typedef uint32_t PWM_ChannelId;

typedef uint32_t PwmPolarity;
enum {
	/* High during a pulse. */
	PWM_Polarity_Normal,
	/* Low during a pulse. */
	PWM_Polarity_Inversed,
};

typedef struct PwmState {
	/* From pulse to pulse. */
	unsigned int period_nsec;
	/* Of a pulse. */
	unsigned int dutyCycle_nsec;
	PwmPolarity polarity;
	bool enabled;
} PwmState;

/* Opens a chip: a descriptor that close() closes, or -1. EACCES: the manifest does not list it.
 * @holdfast implemented */
int PWM_Open(PWM_ControllerId pwm);

/* Sets all of a channel. EBADF: no descriptor of a chip. ENODEV: no such channel. EINVAL: NULL, or a pulse longer than its
 * period.
 * @holdfast differs: one value after the other, in an order in which no pulse is longer than its period; a change of polarity
 * stops the pulses for a moment */
int PWM_Apply(int pwmFd, PWM_ChannelId pwmChannel, const PwmState *newState);

#ifdef __cplusplus
}
#endif
