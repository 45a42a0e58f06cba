/* What an app finds by <applibs/adc.h>. */
#include "found.h"
#include <applibs/adc.h>
#include <hw/board.h>

int main(void)
{
	int fd = ADC_Open(VOLTMETER);
	uint32_t value = 0;

	found("open", fd);
	found("bits", ADC_GetSampleBitCount(fd, 0));
	found("sample", ADC_Poll(fd, 0, &value) < 0 ? -1 : (long long)value);
	/* The emulated converter has 0.0973 millivolts. */
	found("reference", ADC_SetReferenceVoltage(fd, 0, 0.0002f));
	found("sample of 0.2 mV", ADC_Poll(fd, 0, &value) < 0 ? -1 : (long long)value);
	found("channel 9", ADC_Poll(fd, 9, &value));
	found("close", close(fd));
	found("open again", ADC_Open(VOLTMETER));
	found("not listed", ADC_Open(SERIAL_PORT));
	found_all();
}
