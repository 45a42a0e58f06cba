/* A descriptor of i2c-dev that has its address already (Documentation/i2c/dev-interface.rst). The app's filter lets I2C_FUNCS and
 * I2C_SMBUS through, and read(2) and write(2), which are one message each. */
#include "granted.h"
#include "say.h"
#include "slots.h"
#include <applibs/i2c.h>
#include <errno.h>
#include <limits.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Most bytes behind the first one that an SMBus transfer without a length of its own carries. */
#define BLOCK I2C_SMBUS_BLOCK_MAX
/* Key of a descriptor's slot: the device's address. */
#define ADDRESS 0

/* The device says it by HOLDFAST_I2C_NAME; -1 and EPROTO where it does not. */
static int address_of(const char *name)
{
	char variable[sizeof("HOLDFAST_I2C_") + GRANTED_NAME_SIZE];
	const char *text;
	char *end;
	unsigned long address;

	snprintf(variable, sizeof(variable), "HOLDFAST_I2C_%s", name);
	text = getenv(variable);
	address = text && *text ? strtoul(text, &end, 0) : ULONG_MAX;
	if (address <= 0x7f && !*end)
		return (int)address;
	applibs_say("I2C: %s is not an address: %s", variable, text ? text : "nothing");
	errno = EPROTO;
	return -1;
}

int I2CMaster_Open(I2C_InterfaceId id)
{
	struct granted granted;
	int fd = applibs_granted_open((uint32_t)id, ""), address;

	if (fd < 0)
		return -1;
	address = applibs_granted_find((uint32_t)id, "", &granted) < 0 ? -1 : address_of(granted.name);
	if (address < 0 || applibs_slots_set(fd, ADDRESS, (uint32_t)address) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Whether a call is for the one device that the descriptor reaches. */
static bool is_its_address(int fd, I2C_DeviceAddress address)
{
	uint32_t own;

	if (!applibs_slots_get(fd, ADDRESS, &own)) {
		errno = EBADF;
		return false;
	}
	if (address > 0x7f) {
		errno = EINVAL;
		return false;
	}
	if (address == own)
		return true;
	applibs_say("I2C: 0x%02x is another device than this name's, 0x%02x: give it a name of its own in the board file, and open that",
	    address, own);
	errno = ENXIO;
	return false;
}

static int accepted(int fd, uint32_t value, const char *what)
{
	uint32_t own;

	if (!applibs_slots_get(fd, ADDRESS, &own)) {
		errno = EBADF;
		return -1;
	}
	if (value == 0) {
		errno = EINVAL;
		return -1;
	}
	applibs_say("I2C: the %s is the board's, it stays as it is", what);
	return 0;
}

int I2CMaster_SetBusSpeed(int fd, uint32_t speedInHz)
{
	return accepted(fd, speedInHz, "bus's speed");
}

int I2CMaster_SetTimeout(int fd, uint32_t timeoutInMs)
{
	return accepted(fd, timeoutInMs, "time-out");
}

int I2CMaster_SetDefaultTargetAddress(int fd, I2C_DeviceAddress address)
{
	return is_its_address(fd, address) ? 0 : -1;
}

static bool bus_knows(int fd, unsigned long function)
{
	unsigned long functions = 0;

	return !ioctl(fd, I2C_FUNCS, &functions) && (functions & function) == function;
}

static int smbus(int fd, uint8_t direction, uint8_t command, uint32_t size, union i2c_smbus_data *data)
{
	struct i2c_smbus_ioctl_data request = { .read_write = direction, .command = command, .size = size, .data = data };

	return ioctl(fd, I2C_SMBUS, &request) < 0 ? -1 : 0;
}

static ssize_t receive(int fd, uint8_t *buffer, size_t length)
{
	union i2c_smbus_data data = { 0 };

	if (length != 1 || bus_knows(fd, I2C_FUNC_I2C))
		return read(fd, buffer, length);
	if (smbus(fd, I2C_SMBUS_READ, 0, I2C_SMBUS_BYTE, &data) < 0)
		return -1;
	*buffer = data.byte;
	return 1;
}

/* For a bus without plain messages: the SMBus write that puts the same bytes on the wire. */
static ssize_t send_by_smbus(int fd, const uint8_t *bytes, size_t length)
{
	union i2c_smbus_data data = { 0 };
	uint32_t size = I2C_SMBUS_I2C_BLOCK_DATA;

	if (length == 1) {
		size = I2C_SMBUS_BYTE;
	} else if (length == 2) {
		size = I2C_SMBUS_BYTE_DATA;
		data.byte = bytes[1];
	} else {
		data.block[0] = (uint8_t)(length - 1);
		memcpy(data.block + 1, bytes + 1, length - 1);
	}
	return smbus(fd, I2C_SMBUS_WRITE, bytes[0], size, &data) < 0 ? -1 : (ssize_t)length;
}

static ssize_t transmit(int fd, const uint8_t *bytes, size_t length)
{
	if (length > BLOCK + 1 || bus_knows(fd, I2C_FUNC_I2C))
		return write(fd, bytes, length);
	return send_by_smbus(fd, bytes, length);
}

static bool is_buffer(const void *bytes, size_t length)
{
	errno = bytes ? EINVAL : EFAULT;
	return bytes && length > 0;
}

ssize_t I2CMaster_Read(int fd, I2C_DeviceAddress address, uint8_t *buffer, size_t maxLength)
{
	return is_buffer(buffer, maxLength) && is_its_address(fd, address) ? receive(fd, buffer, maxLength) : -1;
}

ssize_t I2CMaster_Write(int fd, I2C_DeviceAddress address, const uint8_t *data, size_t length)
{
	return is_buffer(data, length) && is_its_address(fd, address) ? transmit(fd, data, length) : -1;
}

/* A read of a register, without a stop between the register's number and what is in it. */
static int read_register(int fd, uint8_t number, uint8_t *bytes, size_t length)
{
	union i2c_smbus_data data = { 0 };
	uint32_t size = length == 1 ? I2C_SMBUS_BYTE_DATA : I2C_SMBUS_I2C_BLOCK_DATA;

	data.block[0] = (uint8_t)length;
	if (smbus(fd, I2C_SMBUS_READ, number, size, &data) < 0)
		return -1;
	if (length == 1) {
		*bytes = data.byte;
		return 0;
	}
	if (data.block[0] != length) {
		errno = EIO;
		return -1;
	}
	memcpy(bytes, data.block + 1, length);
	return 0;
}

static bool is_register_read(int fd, size_t written, size_t read)
{
	if (written != 1 || read > BLOCK)
		return false;
	return bus_knows(fd, read == 1 ? I2C_FUNC_SMBUS_READ_BYTE_DATA : I2C_FUNC_SMBUS_READ_I2C_BLOCK);
}

ssize_t I2CMaster_WriteThenRead(int fd, I2C_DeviceAddress address, const uint8_t *writeData, size_t lenWriteData,
				uint8_t *readData, size_t lenReadData)
{
	ssize_t sent, received;

	if (!is_buffer(writeData, lenWriteData) || !is_buffer(readData, lenReadData) || !is_its_address(fd, address))
		return -1;
	if (is_register_read(fd, lenWriteData, lenReadData))
		return read_register(fd, writeData[0], readData, lenReadData) < 0 ? -1 : (ssize_t)(1 + lenReadData);
	sent = transmit(fd, writeData, lenWriteData);
	if (sent < 0)
		return -1;
	received = receive(fd, readData, lenReadData);
	return received < 0 ? -1 : sent + received;
}
