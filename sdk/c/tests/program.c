/* Uses the SDK as tests/header.rs expects it. */
#include <errno.h>
#include <holdfast.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *word(long result)
{
	switch (-result) {
	case EACCES: return "EACCES";
	case ENOENT: return "ENOENT";
	case ERANGE: return "ERANGE";
	case EINVAL: return "EINVAL";
	default: return "?";
	}
}

int main(void)
{
	char text[64] = "";
	char *reply = NULL;
	int greeting;

	printf("ping %lld\n", (long long)holdfast_ping_interval_ms());
	greeting = holdfast_granted("$GREETING");
	if (greeting < 0 || read(greeting, text, sizeof(text) - 1) < 0)
		return 1;
	printf("greeting %s", text);
	printf("again %s\n", word(holdfast_granted("GREETING")));
	holdfast_ready();
	if (holdfast_status("2 presses") != 0 || holdfast_termination() < 0)
		return 1;
	holdfast_alive();
	printf("none %s\n", word(holdfast_storage_read("count", (uint8_t *)text, sizeof(text))));
	if (holdfast_storage_write("count", (const uint8_t *)"42", 2) != 0)
		return 1;
	memset(text, 0, sizeof(text));
	if (holdfast_storage_read("count", (uint8_t *)text, sizeof(text)) != 2)
		return 1;
	printf("stored %s\n", text);
	printf("short %s\n", word(holdfast_storage_read("count", (uint8_t *)text, 1)));
	printf("bad %s\n", word(holdfast_storage_write("../count", (const uint8_t *)"42", 2)));
	if (holdfast_storage_remove("count") != 0)
		return 1;
	printf("ask %s\n", word(holdfast_ask("{\"memory\":{}}", &reply, NULL)));
	holdfast_free(reply);
	holdfast_stopping();
	return 0;
}
