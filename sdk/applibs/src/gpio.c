/* The lines were requested by app-manager (Documentation/userspace-api/gpio); what an app can do is read and set their values. */
#include "granted.h"
#include "say.h"
#include <applibs/gpio.h>
#include <errno.h>
#include <linux/gpio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int GPIO_OpenAsInput(GPIO_Id gpioId)
{
	return applibs_granted_open((uint32_t)gpioId, "");
}

static int mode_is_possible(GPIO_OutputMode_Type mode)
{
	if (mode == GPIO_OutputMode_PushPull)
		return 1;
	if (mode == GPIO_OutputMode_OpenDrain || mode == GPIO_OutputMode_OpenSource) {
		applibs_say("GPIO: open drain and open source are not there, a board's outputs are push-pull");
		errno = ENOTSUP;
	} else {
		errno = EINVAL;
	}
	return 0;
}

int GPIO_OpenAsOutput(GPIO_Id gpioId, GPIO_OutputMode_Type outputMode, GPIO_Value_Type initialValue)
{
	int fd;

	if (!mode_is_possible(outputMode))
		return -1;
	fd = applibs_granted_open((uint32_t)gpioId, "");
	if (fd >= 0 && GPIO_SetValue(fd, initialValue) < 0) {
		int error = errno;

		if (error == EPERM)
			applibs_say("GPIO: the board file says that this line is an input");
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int GPIO_GetValue(int gpioFd, GPIO_Value_Type *outValue)
{
	struct gpio_v2_line_values values = { .mask = 1 };

	if (!outValue) {
		errno = EFAULT;
		return -1;
	}
	if (ioctl(gpioFd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0)
		return -1;
	*outValue = values.bits & 1 ? GPIO_Value_High : GPIO_Value_Low;
	return 0;
}

int GPIO_SetValue(int gpioFd, GPIO_Value_Type value)
{
	struct gpio_v2_line_values values = { .mask = 1, .bits = value };

	if (value != GPIO_Value_Low && value != GPIO_Value_High) {
		errno = EINVAL;
		return -1;
	}
	return ioctl(gpioFd, GPIO_V2_LINE_SET_VALUES_IOCTL, &values) < 0 ? -1 : 0;
}
