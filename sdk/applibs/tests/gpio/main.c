/* What an app finds by <applibs/gpio.h>. */
#include "found.h"
#include <applibs/gpio.h>
#include <hw/board.h>

int main(void)
{
	GPIO_Value_Type value, last = 2;
	int fd = GPIO_OpenAsInput(DOORBELL_BUTTON);

	found("open", fd);
	found("close", close(fd));
	fd = GPIO_OpenAsInput(DOORBELL_BUTTON);
	found("open again", fd);
	found("as an output", GPIO_OpenAsOutput(DOORBELL_BUTTON, GPIO_OutputMode_PushPull, GPIO_Value_Low));
	found("set", GPIO_SetValue(fd, GPIO_Value_High));
	found("open drain", GPIO_OpenAsOutput(DOORBELL_BUTTON, GPIO_OutputMode_OpenDrain, GPIO_Value_Low));
	found("not listed", GPIO_OpenAsInput(SERIAL_PORT));
	/* Until it was pressed and let go. */
	for (int changes = 0; changes < 3 && GPIO_GetValue(fd, &value) == 0; usleep(10000)) {
		if (value != last) {
			found("level", value);
			changes++;
		}
		last = value;
	}
	found_all();
}
