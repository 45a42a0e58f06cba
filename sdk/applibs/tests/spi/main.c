/* What an app finds by <applibs/spi.h>. */
#define SPI_STRUCTS_VERSION 1
#include "found.h"
#include <applibs/spi.h>
#include <hw/board.h>

int main(void)
{
	SPIMaster_Config config;
	SPIMaster_Transfer transfers[2];

	/* QEMU's board has no SPI bus. */
	found("configuration", SPIMaster_InitConfig(&config));
	found("not listed", SPIMaster_Open(SERIAL_PORT, 0, &config));
	found("transfers", SPIMaster_InitTransfers(transfers, 2));
	found("not open", SPIMaster_TransferSequential(-1, transfers, 2));
	found_all();
}
