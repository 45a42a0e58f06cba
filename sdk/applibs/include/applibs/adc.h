/* Converters from voltage to numbers that the manifest lists under `Adc`.
 *
 * Thread-safe. A descriptor stands for the whole converter; channels are those of the board file. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A converter's name, as a number of `<hw/NAME.h>`. */
typedef uint32_t ADC_ControllerId;
/* A channel of it, from 0. */
typedef uint32_t ADC_ChannelId;

/* Opens a converter: a descriptor that close() closes, or -1. EACCES: the manifest does not list it.
 * @holdfast implemented */
int ADC_Open(ADC_ControllerId id);

/* How many bits a sample has, or -1. ENODEV: there is no such channel. ENOTSUP: the driver does not know what its numbers mean.
 * @holdfast differs: always 12, as on the MT3620: samples are worked out from the voltage, see ADC_Poll */
int ADC_GetSampleBitCount(int fd, ADC_ChannelId channel);

/* Says which voltage, in volts, is the highest sample. EINVAL: it is not above 0 and at most 1000. ENOBUFS: 64 channels have one.
 * @holdfast differs: it sets what samples are relative to, nothing of the hardware; 2.5 V until then */
int ADC_SetReferenceVoltage(int fd, ADC_ChannelId channel, float referenceVoltage);

/* Takes a sample.
 * @holdfast differs: the driver's voltage as a part of the reference voltage, 0 to 4095, whatever bits the converter has; the
 * driver's own number where it does not know what that means */
int ADC_Poll(int fd, ADC_ChannelId channel, uint32_t *outSampleValue);

#ifdef __cplusplus
}
#endif
