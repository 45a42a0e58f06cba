/* What an app finds by <applibs/application.h>. */
#include "found.h"
#include <applibs/application.h>
#include <sys/socket.h>

int main(int count, char **arguments)
{
	bool ready;
	int end = -1;

	/* Connects with the app that its first argument names, once that runs. */
	while (count > 1 && (end = Application_Connect(arguments[1])) < 0 && (errno == EAGAIN || errno == EBUSY || errno == ENOENT))
		sleep(1);
	found("connect", end);
	if (end >= 0) {
		char text[64];
		ssize_t length;

		found("send", send(end, "good morning", 12, 0));
		length = recv(end, text, sizeof(text), 0);
		found("receive", length);
		if (length > 0)
			Log_Debug("text: %.*s\n", (int)length, text);
	}
	found("connect with a stranger", Application_Connect("00000000-0000-0000-0000-000000000000"));
	found("connect with no id", Application_Connect("doorbell"));
	found("device authentication", Application_IsDeviceAuthReady(&ready));
	found_all();
}
