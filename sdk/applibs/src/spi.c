/* A descriptor of spidev (Documentation/spi/spidev.rst). The app's filter lets messages of up to 15 transfers through, and
 * asking for mode and speed; a speed of the app's goes into each transfer. */
#include "granted.h"
#include "say.h"
#include "slots.h"
#include <applibs/spi.h>
#include <errno.h>
#include <linux/spi/spidev.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What the filter lets through. */
#define TRANSFERS 15
/* Key of a descriptor's slot: speed of transfers, 0 for the board file's. */
#define SPEED 1

int SPIMaster_InitConfig(SPIMaster_Config *config)
{
	if (!config) {
		errno = EFAULT;
		return -1;
	}
	config->csPolarity = SPI_ChipSelectPolarity_ActiveLow;
	return 0;
}

/* Whether a bit of the mode is as wanted: nothing but asking is possible. */
static int mode_has(int fd, uint8_t mask, uint8_t wanted, const char *what)
{
	uint8_t mode;

	if (ioctl(fd, SPI_IOC_RD_MODE, &mode) < 0)
		return -1;
	if ((mode & mask) == wanted)
		return 0;
	applibs_say("SPI: the board file has another %s for this device", what);
	errno = ENOTSUP;
	return -1;
}

static int set_up(int fd, const SPIMaster_Config *config)
{
	uint8_t wanted = config->csPolarity == SPI_ChipSelectPolarity_ActiveHigh ? SPI_CS_HIGH : 0;

	return mode_has(fd, SPI_CS_HIGH, wanted, "polarity of the chip select") < 0 ? -1 : applibs_slots_set(fd, SPEED, 0);
}

static int open_device(SPI_InterfaceId interface, SPI_ChipSelectId chip_select)
{
	struct granted granted;

	if (!applibs_granted_find((uint32_t)chip_select, "", &granted))
		return applibs_granted_copy(&granted);
	return applibs_granted_open((uint32_t)interface, "");
}

int SPIMaster_Open(SPI_InterfaceId interfaceId, SPI_ChipSelectId chipSelectId, const SPIMaster_Config *config)
{
	int fd;

	if (!config) {
		errno = EFAULT;
		return -1;
	}
	if (config->csPolarity != SPI_ChipSelectPolarity_ActiveLow && config->csPolarity != SPI_ChipSelectPolarity_ActiveHigh) {
		errno = EINVAL;
		return -1;
	}
	fd = open_device(interfaceId, chipSelectId);
	if (fd < 0)
		return -1;
	applibs_slots_forget(fd);
	if (set_up(fd, config) < 0) {
		int error = errno == ENOBUFS ? EMFILE : errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int SPIMaster_SetBusSpeed(int fd, uint32_t speedInHz)
{
	uint32_t most, now;

	if (speedInHz == 0) {
		errno = EINVAL;
		return -1;
	}
	if (!applibs_slots_get(fd, SPEED, &now)) {
		errno = EBADF;
		return -1;
	}
	if (ioctl(fd, SPI_IOC_RD_MAX_SPEED_HZ, &most) < 0)
		return -1;
	return applibs_slots_set(fd, SPEED, speedInHz < most ? speedInHz : most);
}

int SPIMaster_SetMode(int fd, SPI_Mode mode)
{
	static const uint8_t modes[] = { 0, SPI_MODE_0, SPI_MODE_1, SPI_MODE_2, SPI_MODE_3 };

	if (mode < SPI_Mode_0 || mode > SPI_Mode_3) {
		errno = EINVAL;
		return -1;
	}
	return mode_has(fd, SPI_CPOL | SPI_CPHA, modes[mode], "mode");
}

int SPIMaster_SetBitOrder(int fd, SPI_BitOrder order)
{
	if (order != SPI_BitOrder_LsbFirst && order != SPI_BitOrder_MsbFirst) {
		errno = EINVAL;
		return -1;
	}
	return mode_has(fd, SPI_LSB_FIRST, order == SPI_BitOrder_LsbFirst ? SPI_LSB_FIRST : 0, "order of bits");
}

int SPIMaster_InitTransfers(SPIMaster_Transfer *transfers, size_t transferCount)
{
	if (!transfers) {
		errno = EFAULT;
		return -1;
	}
	for (size_t at = 0; at < transferCount; at++)
		transfers[at] = (SPIMaster_Transfer){ .flags = SPI_TransferFlags_None };
	return 0;
}

static bool is_valid(const SPIMaster_Transfer *transfer)
{
	bool reads = transfer->flags & SPI_TransferFlags_Read, writes = transfer->flags & SPI_TransferFlags_Write;

	if ((reads && !transfer->readData) || (writes && !transfer->writeData)) {
		errno = EFAULT;
		return false;
	}
	errno = EINVAL;
	return (reads || writes) && transfer->length > 0 && transfer->length <= UINT32_MAX;
}

static struct spi_ioc_transfer kernels(const SPIMaster_Transfer *transfer, uint32_t speed)
{
	struct spi_ioc_transfer kernels = { .len = (uint32_t)transfer->length, .speed_hz = speed };

	if (transfer->flags & SPI_TransferFlags_Write)
		kernels.tx_buf = (uintptr_t)transfer->writeData;
	if (transfer->flags & SPI_TransferFlags_Read)
		kernels.rx_buf = (uintptr_t)transfer->readData;
	return kernels;
}

/* SPI_IOC_MESSAGE(n) without a constant n. */
static unsigned long message_request(size_t count)
{
	return _IOC(_IOC_WRITE, SPI_IOC_MAGIC, 0, count * sizeof(struct spi_ioc_transfer));
}

ssize_t SPIMaster_TransferSequential(int fd, const SPIMaster_Transfer *transfers, size_t transferCount)
{
	struct spi_ioc_transfer message[TRANSFERS];
	uint32_t speed = 0;
	ssize_t total = 0;

	if (!transfers) {
		errno = EFAULT;
		return -1;
	}
	if (transferCount == 0 || transferCount > TRANSFERS) {
		errno = EINVAL;
		return -1;
	}
	applibs_slots_get(fd, SPEED, &speed);
	for (size_t at = 0; at < transferCount; at++) {
		if (!is_valid(&transfers[at]))
			return -1;
		message[at] = kernels(&transfers[at], speed);
		total += (ssize_t)transfers[at].length;
	}
	return ioctl(fd, message_request(transferCount), message) < 0 ? -1 : total;
}

ssize_t SPIMaster_WriteThenRead(int fd, const uint8_t *writeData, size_t lenWriteData, uint8_t *readData, size_t lenReadData)
{
	const SPIMaster_Transfer transfers[] = {
		{ .flags = SPI_TransferFlags_Write, .writeData = writeData, .length = lenWriteData },
		{ .flags = SPI_TransferFlags_Read, .readData = readData, .length = lenReadData },
	};

	return SPIMaster_TransferSequential(fd, transfers, 2);
}
