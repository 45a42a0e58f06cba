/* Devices on I2C buses that the manifest lists under `I2cMaster`.
 *
 * A name is one device, not a bus: its descriptor reaches one address and no other, which the kernel and the app's filter see
 * to. An app that uses several devices of a bus opens one name for each. A descriptor cannot be asked for its address, so
 * the device says it in the variable HOLDFAST_I2C_NAME. A call for any other one fails with ENXIO.
 *
 * Thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define I2C_BUS_SPEED_STANDARD 100000
#define I2C_BUS_SPEED_FAST 400000
#define I2C_BUS_SPEED_FAST_PLUS 1000000
#define I2C_BUS_SPEED_HIGH 3400000

/* A device's name, as a number of `<hw/NAME.h>`. */
typedef int I2C_InterfaceId;
/* 7 bits. */
typedef uint32_t I2C_DeviceAddress;

/* Opens a device: a descriptor that close() closes, or -1. EACCES: the manifest does not list it.
 * @holdfast differs: a name is a device with its address, not a bus */
int I2CMaster_Open(I2C_InterfaceId id);

/* EINVAL: 0.
 * @holdfast differs: the bus has the speed that the device tree gives it, which suits all its devices: succeeds, sets nothing,
 * and says so in the log */
int I2CMaster_SetBusSpeed(int fd, uint32_t speedInHz);

/* EINVAL: 0.
 * @holdfast differs: the bus's driver has its own time-out: succeeds, sets nothing, and says so in the log */
int I2CMaster_SetTimeout(int fd, uint32_t timeoutInMs);

/* Receives so many bytes in one message; how many came, or -1. ENXIO: another device's address, or nobody answered.
 * @holdfast differs: on a bus that knows SMBus alone, one byte; more are refused (EOPNOTSUPP) */
ssize_t I2CMaster_Read(int fd, I2C_DeviceAddress address, uint8_t *buffer, size_t maxLength);

/* Sends bytes in one message; how many, or -1.
 * @holdfast differs: on a bus that knows SMBus alone, up to 33 bytes, as the SMBus write that looks the same on the wire */
ssize_t I2CMaster_Write(int fd, I2C_DeviceAddress address, const uint8_t *data, size_t length);

/* Sends and then receives; the sum of both lengths, or -1.
 * @holdfast differs: without a stop between the two only where SMBus has such a read: one byte is sent, up to 32 are received,
 * and the bus knows it; otherwise they are two messages with a stop between them, during which another app can use the bus */
ssize_t I2CMaster_WriteThenRead(int fd, I2C_DeviceAddress address, const uint8_t *writeData, size_t lenWriteData,
				uint8_t *readData, size_t lenReadData);

/* Says whom read(2) and write(2) are for.
 * @holdfast differs: it can be the name's own address alone, which read(2) and write(2) go to in any case */
int I2CMaster_SetDefaultTargetAddress(int fd, I2C_DeviceAddress address);

#ifdef __cplusplus
}
#endif
