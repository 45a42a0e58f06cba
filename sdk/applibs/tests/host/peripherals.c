/* GPIO, serial ports, I2C, SPI, converters and pulses. */
#include "check.h"
#include "fake.h"
#include <applibs/adc.h>
#include <applibs/gpio.h>
#include <applibs/i2c.h>
#include <applibs/pwm.h>
#include <applibs/spi.h>
#include <applibs/uart.h>
#include <fcntl.h>
#include <linux/i2c.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

void gpio_reads_and_sets_by_the_two_ioctls_that_the_filter_has(void)
{
	GPIO_Value_Type value = 9;
	int fd;

	fake.on = true;
	pass("BUTTON", (int[]){ file_with("") }, 1);
	fd = GPIO_OpenAsInput(number("BUTTON"));
	fake.level = true;
	CHECK(fd >= 0 && !GPIO_GetValue(fd, &value) && value == GPIO_Value_High);
	CHECK_ERROR(GPIO_GetValue(fd, NULL), EFAULT);
	CHECK_ERROR(GPIO_SetValue(fd, 2), EINVAL);
	fd = GPIO_OpenAsOutput(number("BUTTON"), GPIO_OutputMode_PushPull, GPIO_Value_Low);
	CHECK(fd >= 0 && !fake.level && !GPIO_SetValue(fd, GPIO_Value_High) && fake.level);
	CHECK_ERROR(GPIO_OpenAsOutput(number("BUTTON"), GPIO_OutputMode_OpenDrain, GPIO_Value_Low), ENOTSUP);
	CHECK_ERROR(GPIO_OpenAsOutput(number("BUTTON"), 3, GPIO_Value_Low), EINVAL);
	fake.is_input = true;
	CHECK_ERROR(GPIO_OpenAsOutput(number("BUTTON"), GPIO_OutputMode_PushPull, GPIO_Value_Low), EPERM);
	CHECK_ERROR(GPIO_OpenAsInput(number("LED")), EACCES);
}

/* struct termios2, which <termios.h> has not: its last word is the speed of output. */
static uint32_t speed_of(int fd)
{
	uint32_t settings[11] = { 0 };

	return __real_ioctl(fd, 0x802c542a, settings) < 0 ? 0 : settings[10];
}

void uart_has_the_settings_that_were_asked_for(void)
{
	UART_Config config;
	struct termios settings;
	char byte;
	int other, port, fd;

	CHECK(!openpty(&other, &port, NULL, NULL, NULL));
	CHECK(!tcgetattr(port, &settings));
	cfmakeraw(&settings);
	CHECK(!tcsetattr(port, TCSANOW, &settings) && !fcntl(port, F_SETFL, O_NONBLOCK));
	other = fcntl(other, F_DUPFD, 50);
	pass("SERIAL_PORT", &port, 1);
	UART_InitConfig(&config);
	CHECK(config.baudRate == 115200 && config.dataBits == 8 && config.stopBits == 1);
	config.baudRate = 9600;
	config.parity = UART_Parity_Odd;
	config.dataBits = UART_DataBits_Seven;
	config.stopBits = UART_StopBits_Two;
	config.flowControl = UART_FlowControl_RTSCTS;
	fd = UART_Open(number("SERIAL_PORT"), &config);
	CHECK(fd >= 0 && !tcgetattr(fd, &settings) && speed_of(fd) == 9600);
	/* A pseudo terminal keeps 8 bits without parity, whatever is set. */
	CHECK((settings.c_cflag & (CSTOPB | CRTSCTS)) == (CSTOPB | CRTSCTS));
	UART_InitConfig(&config);
	config.flowControl = UART_FlowControl_XONXOFF;
	close(fd);
	fd = UART_Open(number("SERIAL_PORT"), &config);
	CHECK(fd >= 0 && !tcgetattr(fd, &settings) && speed_of(fd) == 115200);
	CHECK((settings.c_iflag & (IXON | IXOFF)) == (IXON | IXOFF) && !(settings.c_cflag & (CSTOPB | CRTSCTS)));
	CHECK_ERROR(read(fd, &byte, 1), EAGAIN);
	CHECK(write(other, "\r", 1) == 1 && read(fd, &byte, 1) == 1 && byte == '\r');
	CHECK(write(fd, "\n", 1) == 1 && read(other, &byte, 1) == 1 && byte == '\n');
	config.baudRate = 250000;
	CHECK(UART_Open(number("SERIAL_PORT"), &config) >= 0 && speed_of(fd) == 250000);
	CHECK_ERROR(UART_Open(number("SERIAL_PORT"), NULL), EFAULT);
	config.dataBits = 9;
	CHECK_ERROR(UART_Open(number("SERIAL_PORT"), &config), EINVAL);
	UART_InitConfig(&config);
	config.blockingMode = 1;
	CHECK_ERROR(UART_Open(number("SERIAL_PORT"), &config), EINVAL);
}

void i2c_reaches_its_own_address_alone(void)
{
	uint8_t byte = 0;
	int fd;

	fake.on = true;
	fake.functions = I2C_FUNC_SMBUS_BYTE | I2C_FUNC_SMBUS_BYTE_DATA | I2C_FUNC_SMBUS_READ_I2C_BLOCK;
	setenv("HOLDFAST_I2C_EEPROM", "0x50", 1);
	pass("EEPROM:SENSOR", (int[]){ file_with(""), file_with("") }, 2);
	fd = I2CMaster_Open(number("EEPROM"));
	CHECK(fd >= 0 && !I2CMaster_SetBusSpeed(fd, I2C_BUS_SPEED_STANDARD) && !I2CMaster_SetTimeout(fd, 100));
	CHECK_ERROR(I2CMaster_SetBusSpeed(fd, 0), EINVAL);
	CHECK_ERROR(I2CMaster_Read(fd, 0x80, &byte, 1), EINVAL);
	CHECK_ERROR(I2CMaster_SetTimeout(2, 100), EBADF);
	CHECK_ERROR(I2CMaster_Read(fd, 0x50, NULL, 1), EFAULT);
	CHECK_ERROR(I2CMaster_Read(fd, 0x50, &byte, 0), EINVAL);
	/* The device's own address and no other, whichever descriptor. */
	CHECK(I2CMaster_Read(fd, 0x50, &byte, 1) == 1);
	CHECK_ERROR(I2CMaster_Read(fd, 0x51, &byte, 1), ENXIO);
	CHECK_ERROR(I2CMaster_SetDefaultTargetAddress(fd, 0x51), ENXIO);
	close(fd);
	fd = I2CMaster_Open(number("EEPROM"));
	CHECK_ERROR(I2CMaster_Write(fd, 0x51, &byte, 1), ENXIO);
	CHECK(!I2CMaster_SetDefaultTargetAddress(fd, 0x50));
	CHECK_ERROR(I2CMaster_Open(number("SENSOR")), EPROTO);
	setenv("HOLDFAST_I2C_SENSOR", "0x6a", 1);
	fd = I2CMaster_Open(number("SENSOR"));
	CHECK_ERROR(I2CMaster_WriteThenRead(fd, 0x50, &byte, 1, &byte, 1), ENXIO);
	CHECK(I2CMaster_WriteThenRead(fd, 0x6a, &byte, 1, &byte, 1) == 2);
}

void i2c_uses_smbus_where_the_bus_has_nothing_else(void)
{
	uint8_t bytes[40] = { 0x10, 0x01, 0x02, 0x03 }, got[40] = { 0 };
	int fd;

	fake.on = true;
	fake.functions = I2C_FUNC_SMBUS_BYTE | I2C_FUNC_SMBUS_BYTE_DATA | I2C_FUNC_SMBUS_READ_I2C_BLOCK;
	setenv("HOLDFAST_I2C_EEPROM", "0x50", 1);
	pass("EEPROM", (int[]){ file_with("plain") }, 1);
	fd = I2CMaster_Open(number("EEPROM"));
	CHECK(I2CMaster_Write(fd, 0x50, bytes, 4) == 4 && !memcmp(fake.registers + 0x10, bytes + 1, 3));
	CHECK(I2CMaster_Write(fd, 0x50, (uint8_t[]){ 0x20, 0x77 }, 2) == 2 && fake.registers[0x20] == 0x77);
	CHECK(I2CMaster_WriteThenRead(fd, 0x50, bytes, 1, got, 1) == 2 && got[0] == 1);
	CHECK(I2CMaster_WriteThenRead(fd, 0x50, bytes, 1, got, 3) == 4 && !memcmp(got, bytes + 1, 3) && fake.smbus_calls == 4);
	CHECK(I2CMaster_Write(fd, 0x50, (uint8_t[]){ 0x20 }, 1) == 1 && I2CMaster_Read(fd, 0x50, got, 1) == 1 && got[0] == 0x77);
	/* Plain messages where there are: the file stands in for the bus. */
	fake.functions = I2C_FUNC_I2C;
	fake.smbus_calls = 0;
	lseek(fd, 0, SEEK_SET);
	CHECK(I2CMaster_Read(fd, 0x50, got, 5) == 5 && !memcmp(got, "plain", 5));
	CHECK(I2CMaster_Write(fd, 0x50, bytes, 40) == 40 && fake.smbus_calls == 0);
	lseek(fd, 0, SEEK_SET);
	CHECK(I2CMaster_WriteThenRead(fd, 0x50, (const uint8_t *)"pl", 2, got, 3) == 5 && !memcmp(got, "ain", 3));
}

void spi_transfers_in_the_board_files_mode(void)
{
	const uint8_t command[] = { 1, 2, 3 };
	uint8_t answer[4] = { 0 };
	SPIMaster_Config config;
	SPIMaster_Transfer transfers[16];
	int fd, other;

	fake.on = true;
	fake.mode = SPI_MODE_3;
	pass("SENSOR:DISPLAY", (int[]){ file_with(""), file_with("") }, 2);
	CHECK(!SPIMaster_InitConfig(&config) && config.csPolarity == SPI_ChipSelectPolarity_ActiveLow);
	fd = SPIMaster_Open(number("SENSOR"), 0, &config);
	other = SPIMaster_Open(number("SENSOR"), number("DISPLAY"), &config);
	CHECK(fd >= 0 && other >= 0 && !SPIMaster_SetBusSpeed(fd, 400000) && !SPIMaster_SetBusSpeed(other, 5000000));
	CHECK(!SPIMaster_SetMode(fd, SPI_Mode_3) && !SPIMaster_SetBitOrder(fd, SPI_BitOrder_MsbFirst));
	CHECK_ERROR(SPIMaster_SetMode(fd, SPI_Mode_0), ENOTSUP);
	CHECK_ERROR(SPIMaster_SetMode(fd, SPI_Mode_Invalid), EINVAL);
	CHECK_ERROR(SPIMaster_SetBitOrder(fd, SPI_BitOrder_LsbFirst), ENOTSUP);
	CHECK_ERROR(SPIMaster_SetBusSpeed(fd, 0), EINVAL);
	CHECK_ERROR(SPIMaster_SetBusSpeed(2, 1), EBADF);
	CHECK(SPIMaster_WriteThenRead(fd, command, 3, answer, 4) == 7 && answer[3] == 0x5a && fake.transfer_count == 2);
	CHECK(fake.transfers[0].len == 3 && !fake.transfers[0].rx_buf && fake.transfers[1].speed_hz == 400000);
	CHECK(SPIMaster_WriteThenRead(other, command, 1, answer, 1) == 2 && fake.transfers[0].speed_hz == 1000000);
	CHECK_ERROR(SPIMaster_WriteThenRead(fd, NULL, 3, answer, 4), EFAULT);
	CHECK_ERROR(SPIMaster_WriteThenRead(fd, command, 0, answer, 4), EINVAL);
	CHECK(!SPIMaster_InitTransfers(transfers, 16));
	CHECK_ERROR(SPIMaster_TransferSequential(fd, transfers, 1), EINVAL);
	for (size_t at = 0; at < 16; at++)
		transfers[at] = (SPIMaster_Transfer){ .flags = SPI_TransferFlags_Write, .writeData = command, .length = 2 };
	CHECK(SPIMaster_TransferSequential(fd, transfers, 15) == 30 && fake.transfer_count == 15);
	CHECK_ERROR(SPIMaster_TransferSequential(fd, transfers, 16), EINVAL);
	config.csPolarity = SPI_ChipSelectPolarity_ActiveHigh;
	CHECK_ERROR(SPIMaster_Open(number("SENSOR"), 0, &config), ENOTSUP);
	CHECK_ERROR(SPIMaster_Open(number("SENSOR"), 0, NULL), EFAULT);
}

void adc_samples_are_parts_of_the_reference_voltage(void)
{
	uint32_t value = 0;
	int fd;

	pass("METER.0.raw:METER.0.scale:METER.2.raw:OTHER.0.raw",
	     (int[]){ file_with("500\n"), file_with("2.5\n"), file_with("77\n"), file_with("x\n") }, 4);
	fd = ADC_Open((uint32_t)number("METER"));
	CHECK(fd >= 0 && ADC_GetSampleBitCount(fd, 0) == 12);
	/* 1.25 V of 2.5 V. */
	CHECK(!ADC_Poll(fd, 0, &value) && value == 2048);
	CHECK(!ADC_SetReferenceVoltage(fd, 0, 5.0f) && !ADC_Poll(fd, 0, &value) && value == 1024);
	CHECK(!ADC_SetReferenceVoltage(fd, 0, 1.0f) && !ADC_Poll(fd, 0, &value) && value == 4095);
	CHECK(!ADC_Poll(fd, 2, &value) && value == 77);
	CHECK_ERROR(ADC_GetSampleBitCount(fd, 2), ENOTSUP);
	CHECK_ERROR(ADC_GetSampleBitCount(fd, 1), ENODEV);
	CHECK_ERROR(ADC_Poll(fd, 1, &value), ENODEV);
	CHECK_ERROR(ADC_Poll(fd, 0, NULL), EFAULT);
	CHECK_ERROR(ADC_Poll(1000, 0, &value), EBADF);
	CHECK_ERROR(ADC_SetReferenceVoltage(fd, 0, -1.0f), EINVAL);
	close(fd);
	/* The same number, another converter: nothing of the first one is left. */
	fd = ADC_Open((uint32_t)number("OTHER"));
	CHECK_ERROR(ADC_Poll(fd, 0, &value), EPROTO);
	close(fd);
	fd = ADC_Open((uint32_t)number("METER"));
	CHECK(!ADC_Poll(fd, 0, &value) && value == 2048);
}

void pwm_sets_a_channel_in_an_order_that_the_kernel_takes(void)
{
	PwmState state = { .period_nsec = 20000, .dutyCycle_nsec = 5000, .polarity = PWM_Polarity_Inversed, .enabled = true };
	int fd;

	pass("DIMMER.1.period:DIMMER.1.duty_cycle:DIMMER.1.polarity:DIMMER.1.enable",
	     (int[]){ file_with("0\n"), file_with("0\n"), file_with("normal\n"), file_with("0\n") }, 4);
	fd = PWM_Open((unsigned int)number("DIMMER"));
	CHECK(fd >= 0 && !PWM_Apply(fd, 1, &state));
	CHECK(!strcmp(text_of(3), "20000") && !strcmp(text_of(4), "5000") && !strcmp(text_of(5), "inversed") && !strcmp(text_of(6), "1"));
	CHECK_ERROR(PWM_Apply(fd, 0, &state), ENODEV);
	CHECK_ERROR(PWM_Apply(6, 1, &state), EBADF);
	CHECK_ERROR(PWM_Apply(fd, 1, NULL), EINVAL);
	state.enabled = false;
	CHECK(!PWM_Apply(fd, 1, &state) && !strcmp(text_of(6), "0"));
	state.dutyCycle_nsec = 20001;
	CHECK_ERROR(PWM_Apply(fd, 1, &state), EINVAL);
	state = (PwmState){ .period_nsec = 0 };
	CHECK_ERROR(PWM_Apply(fd, 1, &state), EINVAL);
}
