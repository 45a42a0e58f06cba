/* app-manager has opened the port raw; here speed, parity and the like are set, by ioctls instead of termios(3), which has only
 * some speeds (ioctl_tty(2), TCSETS2). */
#include "granted.h"
#include <applibs/uart.h>
#include <asm/termbits.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Bits of speeds of input, behind those of output. */
#define INPUT_SPEEDS ((tcflag_t)CBAUD << IBSHIFT)

void UART_InitConfig(UART_Config *uartConfig)
{
	if (uartConfig)
		*uartConfig = (UART_Config){
			.baudRate = 115200,
			.blockingMode = UART_BlockingMode_NonBlocking,
			.dataBits = UART_DataBits_Eight,
			.parity = UART_Parity_None,
			.stopBits = UART_StopBits_One,
			.flowControl = UART_FlowControl_None,
		};
}

static bool is_valid(const UART_Config *config)
{
	return config->baudRate > 0 && config->blockingMode == UART_BlockingMode_NonBlocking &&
	       config->dataBits >= UART_DataBits_Five && config->dataBits <= UART_DataBits_Eight &&
	       config->parity <= UART_Parity_Odd && (config->stopBits == UART_StopBits_One || config->stopBits == UART_StopBits_Two) &&
	       config->flowControl <= UART_FlowControl_XONXOFF;
}

static tcflag_t control_bits(const UART_Config *config)
{
	static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
	tcflag_t bits = BOTHER | ((tcflag_t)BOTHER << IBSHIFT) | CREAD | CLOCAL | sizes[config->dataBits - UART_DataBits_Five];

	if (config->parity != UART_Parity_None)
		bits |= PARENB;
	if (config->parity == UART_Parity_Odd)
		bits |= PARODD;
	if (config->stopBits == UART_StopBits_Two)
		bits |= CSTOPB;
	if (config->flowControl == UART_FlowControl_RTSCTS)
		bits |= CRTSCTS;
	return bits;
}

static int set_up(int fd, const UART_Config *config)
{
	const tcflag_t chosen = CBAUD | INPUT_SPEEDS | CSIZE | PARENB | PARODD | CMSPAR | CSTOPB | CRTSCTS;
	struct termios2 settings;

	if (ioctl(fd, TCGETS2, &settings) < 0)
		return -1;
	settings.c_cflag = (settings.c_cflag & ~chosen) | control_bits(config);
	settings.c_ispeed = settings.c_ospeed = config->baudRate;
	/* Without parity checks in the input: MT3620's driver passed every byte on, too. */
	settings.c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY | INPCK);
	if (config->flowControl == UART_FlowControl_XONXOFF)
		settings.c_iflag |= IXON | IXOFF;
	return ioctl(fd, TCSETS2, &settings) < 0 ? -1 : 0;
}

int UART_Open(UART_Id uartId, const UART_Config *uartConfig)
{
	int fd;

	if (!uartConfig) {
		errno = EFAULT;
		return -1;
	}
	if (!is_valid(uartConfig)) {
		errno = EINVAL;
		return -1;
	}
	fd = applibs_granted_open((uint32_t)uartId, "");
	if (fd >= 0 && set_up(fd, uartConfig) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
