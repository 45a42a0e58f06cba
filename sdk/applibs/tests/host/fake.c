#include "fake.h"
#include "check.h"
#include <linux/gpio.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stdarg.h>

struct fake fake;

static int fake_gpio(unsigned long request, struct gpio_v2_line_values *values)
{
	CHECK(values->mask == 1);
	if (request == GPIO_V2_LINE_GET_VALUES_IOCTL) {
		values->bits = fake.level;
	} else if (fake.is_input) {
		errno = EPERM;
		return -1;
	} else {
		fake.level = values->bits & 1;
	}
	return 0;
}

static int fake_smbus(const struct i2c_smbus_ioctl_data *request)
{
	uint8_t *registers = fake.registers + request->command;

	fake.smbus_calls++;
	if (request->read_write == I2C_SMBUS_READ) {
		if (request->size == I2C_SMBUS_BYTE)
			request->data->byte = fake.registers[fake.at++];
		else if (request->size == I2C_SMBUS_BYTE_DATA)
			request->data->byte = *registers;
		else
			memcpy(request->data->block + 1, registers, request->data->block[0]);
	} else {
		if (request->size == I2C_SMBUS_BYTE)
			fake.at = request->command;
		else if (request->size == I2C_SMBUS_BYTE_DATA)
			*registers = request->data->byte;
		else
			memcpy(registers, request->data->block + 1, request->data->block[0]);
	}
	return 0;
}

static int fake_spi(unsigned long request, void *argument)
{
	if (request == SPI_IOC_RD_MODE) {
		*(uint8_t *)argument = fake.mode;
	} else if (request == SPI_IOC_RD_MAX_SPEED_HZ) {
		*(uint32_t *)argument = 1000000;
	} else {
		const struct spi_ioc_transfer *transfers = argument;

		fake.transfer_count = _IOC_SIZE(request) / sizeof(*transfers);
		for (size_t at = 0; at < fake.transfer_count; at++) {
			fake.transfers[at] = transfers[at];
			if (transfers[at].rx_buf)
				memset((void *)(uintptr_t)transfers[at].rx_buf, 0x5a, transfers[at].len);
		}
	}
	return 0;
}

static int fake_rtc(unsigned long request, void *argument)
{
	struct rtc_wkalrm *alarm = argument;

	if (!fake.has_clock) {
		errno = ENOTTY;
		return -1;
	}
	if (request == RTC_RD_TIME)
		*(struct rtc_time *)argument =
			(struct rtc_time){ .tm_year = 126, .tm_mon = 11, .tm_mday = 31, .tm_hour = 23, .tm_min = 59, .tm_sec = 30 };
	if (request == RTC_WKALM_SET) {
		fake.alarm = alarm->time;
		fake.is_alarm_on = alarm->enabled;
	}
	if (request == RTC_AIE_OFF)
		fake.is_alarm_on = false;
	return 0;
}

static int fake_ioctl(unsigned long request, void *argument)
{
	bool is_message = (request & ~0x01e00000UL) == 0x40006b00UL;

	switch (request) {
	case 0xc010b40e:
	case 0xc010b40f:
		return fake_gpio(request, argument);
	case 0x0705:
		*(unsigned long *)argument = fake.functions;
		return 0;
	case 0x0720:
		return fake_smbus(argument);
	case 0x80016b01:
	case 0x80046b04:
		return fake_spi(request, argument);
	case 0x80247009:
	case 0x4028700f:
	case 0x7002:
		return fake_rtc(request, argument);
	}
	if (is_message)
		return fake_spi(request, argument);
	errno = EPERM;
	return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return fake.on ? fake_ioctl(request, argument) : __real_ioctl(fd, request, argument);
}
