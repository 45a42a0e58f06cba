/* GPIO lines that the manifest lists under `Gpio`.
 *
 * Thread-safe. A line's direction, and whether a low level counts as active, are the board file's; a line that is `active_low`
 * there has GPIO_Value_High while its level is low. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A line's name, as a number of `<hw/NAME.h>`. */
typedef int GPIO_Id;

typedef uint8_t GPIO_Value_Type;
typedef enum { GPIO_Value_Low = 0, GPIO_Value_High = 1 } GPIO_Value;

typedef uint8_t GPIO_OutputMode_Type;
typedef enum { GPIO_OutputMode_PushPull = 0, GPIO_OutputMode_OpenDrain = 1, GPIO_OutputMode_OpenSource = 2 } GPIO_OutputMode;

/* Opens an input: a descriptor that close() closes, or -1. EACCES: the manifest does not list it.
 * @holdfast differs: the descriptor is also readable at each edge (struct gpio_v2_line_event); a line that is an output opens
 * too, and its own value is read */
int GPIO_OpenAsInput(GPIO_Id gpioId);

/* Opens an output and sets it. EACCES: the manifest does not list it. EPERM: the board file says that it is an input. EINVAL:
 * not a mode or a value. ENOTSUP: a mode other than push-pull.
 * @holdfast differs: push-pull alone: open drain and open source are refused, a wrong driver can damage hardware */
int GPIO_OpenAsOutput(GPIO_Id gpioId, GPIO_OutputMode_Type outputMode, GPIO_Value_Type initialValue);

/* Reads a line.
 * @holdfast implemented */
int GPIO_GetValue(int gpioFd, GPIO_Value_Type *outValue);

/* Sets an output. EPERM: it is an input.
 * @holdfast implemented */
int GPIO_SetValue(int gpioFd, GPIO_Value_Type value);

#ifdef __cplusplus
}
#endif
