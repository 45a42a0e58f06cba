/* Serial ports that the manifest lists under `Uart`.
 *
 * Thread-safe. Read and write the descriptor; it does not block. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A port's name, as a number of `<hw/NAME.h>`. */
typedef int UART_Id;

typedef uint32_t UART_BaudRate_Type;
typedef uint8_t UART_BlockingMode_Type;
typedef uint8_t UART_DataBits_Type;
typedef uint8_t UART_Parity_Type;
typedef uint8_t UART_StopBits_Type;
typedef uint8_t UART_FlowControl_Type;

typedef enum { UART_BlockingMode_NonBlocking = 0 } UART_BlockingMode;
typedef enum { UART_DataBits_Five = 5, UART_DataBits_Six = 6, UART_DataBits_Seven = 7, UART_DataBits_Eight = 8 } UART_DataBits;
typedef enum { UART_Parity_None = 0, UART_Parity_Even = 1, UART_Parity_Odd = 2 } UART_Parity;
typedef enum { UART_StopBits_One = 1, UART_StopBits_Two = 2 } UART_StopBits;
typedef enum { UART_FlowControl_None = 0, UART_FlowControl_RTSCTS = 1, UART_FlowControl_XONXOFF = 2 } UART_FlowControl;

typedef struct UART_Config {
	/* Bits a second. */
	UART_BaudRate_Type baudRate;
	UART_BlockingMode_Type blockingMode;
	UART_DataBits_Type dataBits;
	UART_Parity_Type parity;
	UART_StopBits_Type stopBits;
	UART_FlowControl_Type flowControl;
} UART_Config;

/* 115200 bits a second, 8 data bits, no parity, one stop bit, no flow control, without blocking.
 * @holdfast implemented */
void UART_InitConfig(UART_Config *uartConfig);

/* Opens a port and sets it up: a descriptor that close() closes, or -1. EACCES: the manifest does not list it. EFAULT: NULL.
 * EINVAL: not a configuration, or one that the port cannot do.
 * @holdfast differs: a port that is open already opens a second time, for the same bytes; any speed that the driver can do */
int UART_Open(UART_Id uartId, const UART_Config *uartConfig);

#ifdef __cplusplus
}
#endif
