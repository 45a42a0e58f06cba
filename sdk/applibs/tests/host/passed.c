/* What is passed, and what belongs to a descriptor. */
#include "check.h"
#include "granted.h"
#include "slots.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void names_have_the_numbers_that_the_cli_writes(void)
{
	FILE *vectors = fopen("tests/numbers.txt", "r");
	char line[128], name[GRANTED_NAME_SIZE];
	unsigned int expected, count = 0;

	CHECK(vectors);
	while (fgets(line, sizeof(line), vectors))
		if (line[0] != '#') {
			CHECK(sscanf(line, "%64s %x", name, &expected) == 2);
			CHECK(applibs_granted_number(name, strlen(name)) == expected);
			count++;
		}
	CHECK(count > 10);
	fclose(vectors);
}

void only_what_was_passed_opens_and_again_after_close(void)
{
	struct granted granted;
	int fd, again;

	pass("LED:METER.0.raw:METER.1.raw", (int[]){ file_with("1"), file_with("2"), file_with("3") }, 3);
	fd = applibs_granted_open((uint32_t)number("LED"), "");
	CHECK(fd > 5 && fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(4, F_GETFD) == FD_CLOEXEC);
	close(fd);
	again = applibs_granted_open((uint32_t)number("LED"), "");
	CHECK(again == fd);
	CHECK_ERROR(applibs_granted_open((uint32_t)number("BUTTON"), ""), EACCES);
	CHECK_ERROR(applibs_granted_open((uint32_t)number("METER"), ""), EACCES);
	CHECK(!applibs_granted_find((uint32_t)number("METER"), "1.raw", &granted) && granted.fd == 5 && granted.index == 2);
	CHECK(!applibs_granted_find((uint32_t)number("METER"), ".raw", &granted) && granted.fd == 4);
	CHECK(!strcmp(granted.name, "METER"));
	CHECK(!applibs_granted_find_by_file(5, ".raw", &granted) && granted.fd == 5);
	CHECK_ERROR(applibs_granted_find_by_file(fd, ".raw", &granted), EBADF);
	setenv("LISTEN_PID", "1", 1);
	CHECK_ERROR(applibs_granted_open((uint32_t)number("LED"), ""), EACCES);
	unsetenv("LISTEN_PID");
	setenv("LISTEN_FDS", "x", 1);
	CHECK_ERROR(applibs_granted_open((uint32_t)number("LED"), ""), EACCES);
	unsetenv("LISTEN_FDNAMES");
	setenv("LISTEN_FDS", "3", 1);
	CHECK_ERROR(applibs_granted_open((uint32_t)number("LED"), ""), EACCES);
}

void numbers_of_closed_descriptors_make_room(void)
{
	uint32_t value;
	int fd = memfd_create("one", 0);

	for (uint32_t key = 0; key < SLOTS_LIMIT; key++)
		CHECK(!applibs_slots_set(fd, key, key));
	CHECK_ERROR(applibs_slots_set(0, 0, 1), ENOBUFS);
	CHECK(applibs_slots_get(fd, 7, &value) && value == 7 && !applibs_slots_get(0, 0, &value));
	close(fd);
	CHECK(!applibs_slots_set(0, 0, 1) && applibs_slots_get(0, 0, &value) && value == 1);
	applibs_slots_forget(0);
	CHECK(!applibs_slots_get(0, 0, &value));
}
