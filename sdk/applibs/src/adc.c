/* A channel is two files of IIO (Documentation/ABI/testing/sysfs-bus-iio): NAME.N.raw times NAME.N.scale is millivolts. */
#include "attribute.h"
#include "granted.h"
#include "slots.h"
#include <applibs/adc.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BITS 12
#define HIGHEST ((1u << BITS) - 1)
/* What the MT3620 had, in microvolts. */
#define REFERENCE 2500000u
/* Volts that are taken as a reference. */
#define REFERENCE_LIMIT 1000.0f
/* Keys of a descriptor's slots: reference voltages in microvolts, by channel. */
#define FIRST_CHANNEL 0x100u

int ADC_Open(ADC_ControllerId id)
{
	int fd = applibs_granted_open(id, ".raw");

	if (fd >= 0)
		applibs_slots_forget(fd);
	return fd;
}

/* A file of a channel of the converter that a descriptor is of. */
static int channel_file(int fd, ADC_ChannelId channel, const char *what, struct granted *file)
{
	struct granted any;
	char part[32];

	if (applibs_granted_find_by_file(fd, ".raw", &any) < 0)
		return -1;
	snprintf(part, sizeof(part), "%u.%s", channel, what);
	return applibs_granted_find(applibs_granted_number(any.name, strlen(any.name)), part, file);
}

static int raw_file(int fd, ADC_ChannelId channel, struct granted *file)
{
	int result = channel_file(fd, channel, "raw", file);

	if (result < 0 && errno == EACCES)
		errno = ENODEV;
	return result;
}

int ADC_GetSampleBitCount(int fd, ADC_ChannelId channel)
{
	struct granted file;

	if (raw_file(fd, channel, &file) < 0)
		return -1;
	if (!channel_file(fd, channel, "scale", &file))
		return BITS;
	errno = ENOTSUP;
	return -1;
}

int ADC_SetReferenceVoltage(int fd, ADC_ChannelId channel, float referenceVoltage)
{
	struct granted file;

	if (raw_file(fd, channel, &file) < 0)
		return -1;
	if (!(referenceVoltage > 0.0f && referenceVoltage <= REFERENCE_LIMIT)) {
		errno = EINVAL;
		return -1;
	}
	return applibs_slots_set(fd, FIRST_CHANNEL + channel, (uint32_t)((double)referenceVoltage * 1e6 + 0.5));
}

static uint32_t sample(int fd, ADC_ChannelId channel, double millivolts)
{
	uint32_t reference;
	double part;

	if (!applibs_slots_get(fd, FIRST_CHANNEL + channel, &reference) || reference == 0)
		reference = REFERENCE;
	part = millivolts * 1000.0 / reference;
	if (!(part > 0.0))
		return 0;
	return part >= 1.0 ? HIGHEST : (uint32_t)(part * HIGHEST + 0.5);
}

/* A number that is not a voltage yet, as the driver has it. */
static uint32_t plain(double raw)
{
	if (!(raw > 0.0))
		return 0;
	return raw >= UINT32_MAX ? UINT32_MAX : (uint32_t)raw;
}

int ADC_Poll(int fd, ADC_ChannelId channel, uint32_t *outSampleValue)
{
	struct granted file;
	double raw, scale;

	if (!outSampleValue) {
		errno = EFAULT;
		return -1;
	}
	if (raw_file(fd, channel, &file) < 0 || applibs_attribute_number(file.fd, &raw) < 0)
		return -1;
	if (channel_file(fd, channel, "scale", &file) < 0) {
		*outSampleValue = plain(raw);
		return 0;
	}
	if (applibs_attribute_number(file.fd, &scale) < 0)
		return -1;
	*outSampleValue = sample(fd, channel, raw * scale);
	return 0;
}
