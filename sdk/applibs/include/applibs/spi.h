/* Devices on SPI buses that the manifest lists under `SpiMaster`.
 *
 * A name is one device: bus and chip select. Its mode, bit order and chip select's polarity are the board file's; functions that
 * set them succeed when they ask for what is there, and fail with ENOTSUP otherwise.
 *
 * Thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPI_MASTER_MAX_TRANSFERS 256

/* A device's name, as a number of `<hw/NAME.h>`. */
typedef int SPI_InterfaceId;
typedef int SPI_ChipSelectId;

typedef enum SPI_Mode {
	SPI_Mode_Invalid = 0x0,
	SPI_Mode_0 = 0x1,
	SPI_Mode_1 = 0x2,
	SPI_Mode_2 = 0x3,
	SPI_Mode_3 = 0x4,
} SPI_Mode;

typedef enum SPI_BitOrder {
	SPI_BitOrder_Invalid = 0x0,
	SPI_BitOrder_LsbFirst = 0x1,
	SPI_BitOrder_MsbFirst = 0x2,
} SPI_BitOrder;

typedef enum SPI_ChipSelectPolarity {
	SPI_ChipSelectPolarity_Invalid = 0x0,
	SPI_ChipSelectPolarity_ActiveLow = 0x1,
	SPI_ChipSelectPolarity_ActiveHigh = 0x2,
} SPI_ChipSelectPolarity;

typedef enum SPI_TransferFlags {
	SPI_TransferFlags_None = 0x0,
	SPI_TransferFlags_Read = 0x1,
	SPI_TransferFlags_Write = 0x2,
} SPI_TransferFlags;

typedef struct SPIMaster_Config {
	SPI_ChipSelectPolarity csPolarity;
} SPIMaster_Config;

typedef struct SPIMaster_Transfer {
	SPI_TransferFlags flags;
	const uint8_t *writeData;
	uint8_t *readData;
	size_t length;
} SPIMaster_Transfer;

/* Chip select active low. EFAULT.
 * @holdfast implemented */
int SPIMaster_InitConfig(SPIMaster_Config *config);

/* Opens a device: a descriptor that close() closes, or -1. EACCES: the manifest does not list it. EFAULT, EINVAL: config.
 * ENOTSUP: another polarity than the board file's. EMFILE: 64 are open.
 * @holdfast differs: the name stands for bus and chip select; a chipSelectId that is a granted name's number too is the device
 * instead, for an app with two of them on one bus; any other chipSelectId is not looked at */
int SPIMaster_Open(SPI_InterfaceId interfaceId, SPI_ChipSelectId chipSelectId, const SPIMaster_Config *config);

/* Sets the speed of transfers. EINVAL: 0. EBADF: not of SPIMaster_Open.
 * @holdfast differs: at most the board file's */
int SPIMaster_SetBusSpeed(int fd, uint32_t speedInHz);

/* EINVAL: not a mode. ENOTSUP: not the board file's.
 * @holdfast differs: it can only be the board file's */
int SPIMaster_SetMode(int fd, SPI_Mode mode);

/* EINVAL: not an order. ENOTSUP: not the board file's.
 * @holdfast differs: it can only be the board file's */
int SPIMaster_SetBitOrder(int fd, SPI_BitOrder order);

/* Sends and then receives with the chip select held; the sum of both lengths, or -1. EFAULT, EINVAL: NULL, 0. EMSGSIZE: more than
 * spidev takes, 4096 bytes unless the image says otherwise.
 * @holdfast implemented */
ssize_t SPIMaster_WriteThenRead(int fd, const uint8_t *writeData, size_t lenWriteData, uint8_t *readData, size_t lenReadData);

/* Makes transfers that transfer nothing.
 * @holdfast implemented */
int SPIMaster_InitTransfers(SPIMaster_Transfer *transfers, size_t transferCount);

/* Does one transfer after the other with the chip select held; the sum of lengths, or -1.
 * @holdfast differs: at most 15 transfers, more are refused (EINVAL): the app's filter counts them; one that is Read and Write
 * sends and receives at once */
ssize_t SPIMaster_TransferSequential(int fd, const SPIMaster_Transfer *transfers, size_t transferCount);

#ifdef __cplusplus
}
#endif
