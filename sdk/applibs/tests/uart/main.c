/* What an app finds by <applibs/uart.h>. */
#define UART_STRUCTS_VERSION 1
#include "found.h"
#include <applibs/uart.h>
#include <hw/board.h>
#include <poll.h>

int main(void)
{
	UART_Config config;
	char text[64];
	size_t length = 0;
	int fd;

	UART_InitConfig(&config);
	config.baudRate = 9600;
	config.flowControl = UART_FlowControl_None;
	fd = UART_Open(SERIAL_PORT, &config);
	found("open", fd);
	config.dataBits = 3;
	found("3 bits", UART_Open(SERIAL_PORT, &config));
	found("not listed", UART_Open(DOORBELL_BUTTON, &config) < 0 ? -1 : 0);
	found("write", write(fd, "ready\n", 6));
	/* One line from the other end. */
	while (length < sizeof(text) - 1 && (length == 0 || text[length - 1] != '\n')) {
		struct pollfd one = { .fd = fd, .events = POLLIN };

		if (poll(&one, 1, 60000) <= 0)
			break;
		if (read(fd, text + length, 1) == 1)
			length++;
	}
	Log_Debug("heard: %.*s", (int)length, text);
	found("answered", write(fd, text, length));
	found_all();
}
