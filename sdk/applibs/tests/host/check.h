/* What the tests on this machine share. Each test is a child of its own, because descriptors and environment are its input. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                                         \
	do {                                                                                                \
		if (!(what)) {                                                                              \
			fprintf(stderr, "%s:%d: not so: %s (errno %s)\n", __FILE__, __LINE__, #what,        \
				strerrorname_np(errno) ? strerrorname_np(errno) : "0");                     \
			exit(1);                                                                            \
		}                                                                                           \
	} while (0)
#define CHECK_ERROR(what, error)                     \
	do {                                         \
		errno = 0;                           \
		CHECK((what) == -1 && errno == error); \
	} while (0)

/* Passes descriptors as launcher does: from 3 on, under these names. They are taken over. */
void pass(const char *names, const int *fds, size_t count);

/* The number of a name in <hw/NAME.h>. */
int number(const char *name);

/* A file with a text, as sysfs has them. */
int file_with(const char *text);

/* What is in one, up to the line's end; until the next call. */
const char *text_of(int fd);

/* The tests. Those of the second list ask app-services, which services.py stands in for. */
#define TESTS(test) \
	test(names_have_the_numbers_that_the_cli_writes) \
	test(only_what_was_passed_opens_and_again_after_close) \
	test(numbers_of_closed_descriptors_make_room) \
	test(gpio_reads_and_sets_by_the_two_ioctls_that_the_filter_has) \
	test(uart_has_the_settings_that_were_asked_for) \
	test(i2c_reaches_its_own_address_alone) \
	test(i2c_uses_smbus_where_the_bus_has_nothing_else) \
	test(spi_transfers_in_the_board_files_mode) \
	test(adc_samples_are_parts_of_the_reference_voltage) \
	test(pwm_sets_a_channel_in_an_order_that_the_kernel_takes) \
	test(storage_is_one_file_in_the_apps_folder) \
	test(log_lines_survive_a_reader_that_is_gone) \
	test(the_loop_calls_for_what_is_ready_and_no_longer_than_asked) \
	test(a_registration_changes_and_ends_within_its_own_call) \
	test(a_signal_and_a_thread_end_the_wait) \
	test(what_is_refused_says_so) \
	test(without_a_right_to_a_service_errno_says_so)

#define TESTS_WITH_SERVICES(test) \
	test(figures_and_power) \
	test(certificates) \
	test(links_and_peers) \
	test(updates_are_told_in_the_loop)

#define DECLARE(name) void name(void);
TESTS(DECLARE)
TESTS_WITH_SERVICES(DECLARE)
