#include "attribute.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int applibs_attribute_text(int fd, char text[ATTRIBUTE_SIZE])
{
	ssize_t length = pread(fd, text, ATTRIBUTE_SIZE - 1, 0);

	if (length < 0)
		return -1;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int applibs_attribute_number(int fd, double *number)
{
	char text[ATTRIBUTE_SIZE], *end;

	if (applibs_attribute_text(fd, text) < 0)
		return -1;
	*number = strtod(text, &end);
	if (end != text && !*end)
		return 0;
	errno = EPROTO;
	return -1;
}

int applibs_attribute_set(int fd, const char *text)
{
	return pwrite(fd, text, strlen(text), 0) < 0 ? -1 : 0;
}

int applibs_attribute_set_number(int fd, unsigned int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return applibs_attribute_set(fd, text);
}
