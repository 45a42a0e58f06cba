/* Fake peripherals: ioctls come here instead of to the kernel (-Wl,--wrap=ioctl) while `on` is set. What the app's filter refuses
 * (sandbox/src/seccomp/profiles/app.rs) is EPERM here too. */
#pragma once

#include <linux/rtc.h>
#include <linux/spi/spidev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake {
	bool on;
	/* GPIO */
	bool is_input, level;
	/* I2C: an EEPROM */
	unsigned long functions;
	uint8_t registers[256], at;
	unsigned int smbus_calls;
	/* SPI */
	uint8_t mode;
	struct spi_ioc_transfer transfers[15];
	size_t transfer_count;
	/* RTC */
	bool has_clock, is_alarm_on;
	struct rtc_time alarm;
};

extern struct fake fake;

/* The kernel's, whatever `on` says. */
int __real_ioctl(int fd, unsigned long request, void *argument);
