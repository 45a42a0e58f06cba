/* What an app finds by <applibs/i2c.h>. */
#include "found.h"
#include <applibs/i2c.h>
#include <hw/board.h>

int main(void)
{
	const uint8_t place[] = { 0x10 }, write[] = { 0x10, 0x5a };
	uint8_t byte = 0, block[4] = { 0 };
	int fd = I2CMaster_Open(EEPROM);

	found("open", fd);
	found("speed", I2CMaster_SetBusSpeed(fd, I2C_BUS_SPEED_STANDARD));
	found("time-out", I2CMaster_SetTimeout(fd, 100));
	found("default address", I2CMaster_SetDefaultTargetAddress(fd, 0x50));
	found("write", I2CMaster_Write(fd, 0x50, write, sizeof(write)));
	usleep(10000);
	found("write then read", I2CMaster_WriteThenRead(fd, 0x50, place, 1, &byte, 1));
	found("byte", byte);
	found("write then read 4", I2CMaster_WriteThenRead(fd, 0x50, place, 1, block, sizeof(block)));
	found("first of 4", block[0]);
	found("write 1", I2CMaster_Write(fd, 0x50, place, 1));
	found("read 1", I2CMaster_Read(fd, 0x50, &byte, 1));
	found("byte again", byte);
	found("another address", I2CMaster_Read(fd, 0x51, &byte, 1));
	found("not listed", I2CMaster_Open(SERIAL_PORT));
	found_all();
}
