/* Uses its peripherals as its arguments say, one after the other, and says what came of it. What an app must not be able to do
 * with a descriptor is tried too: the word POSSIBLE in the log is a hole. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <linux/rtc.h>
#include <linux/watchdog.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../granted.h"

static int part(const char *name, const char *suffix)
{
	char full[128];

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	return granted(full);
}

static const char *why(int result)
{
	return result < 0 ? strerrorname_np(errno) : "done";
}

/* Something that must be refused, and with EPERM: by the filter, not because it makes no sense. */
static void forbidden(const char *what, int result)
{
	printf("%s: %s\n", what, result >= 0 ? "POSSIBLE" : errno == EPERM ? "refused" : strerrorname_np(errno));
}

static int wait_for(int fd, int milliseconds)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, milliseconds);
}

static void write_text(int fd, const char *text)
{
	if (pwrite(fd, text, strlen(text), 0) < 0)
		printf("writing %s: %s\n", text, strerrorname_np(errno));
}

static const char *read_text(int fd)
{
	static char text[8][64];
	static unsigned int turn;
	char *into = text[turn++ % 8];
	ssize_t length = pread(fd, into, sizeof(text[0]) - 1, 0);

	into[length < 0 ? 0 : length] = '\0';
	into[strcspn(into, "\n")] = '\0';
	return into;
}

/* Answers each line with the same line, until one says "enough". */
static void uart(const char *name)
{
	int port = granted(name), discipline = 2;
	struct termios settings;
	char line[128] = "";
	size_t length = 0;

	printf("%s begins at %s\n", name, !tcgetattr(port, &settings) && cfgetospeed(&settings) == B115200 ? "115200" : "?");
	forbidden("TIOCSTI", ioctl(port, TIOCSTI, "x"));
	forbidden("TIOCSETD", ioctl(port, TIOCSETD, &discipline));
	cfsetspeed(&settings, B9600);
	printf("%s at 9600: %s\n", name, why(tcsetattr(port, TCSANOW, &settings)));
	printf("%s is ready\n", name);
	fflush(stdout);
	while (length < sizeof(line) - 1 && wait_for(port, 60000) > 0) {
		ssize_t got = read(port, line + length, 1);

		if (got <= 0 || line[length++] != '\n')
			continue;
		dprintf(port, "echo %.*s", (int)length, line);
		printf("%s heard %.*s", name, (int)length, line);
		fflush(stdout);
		if (!strncmp(line, "enough", 6))
			return;
		length = 0;
	}
}

/* <asm/termios.h>, which cannot stand beside <termios.h>. */
#define LOOPBACK 0x8000

/* Leaves a byte that cannot be sent in the port: the loopback has nobody ready to receive, as RTS is not set. */
static int stopped(const char *name)
{
	int port = granted(name), loopback = LOOPBACK, unsent = 0;
	struct termios settings;

	ioctl(port, TIOCMSET, &loopback);
	tcgetattr(port, &settings);
	settings.c_cflag |= CRTSCTS;
	tcsetattr(port, TCSANOW, &settings);
	if (write(port, "x", 1) < 0 || ioctl(port, TIOCOUTQ, &unsent) < 0)
		printf("%s: %s\n", name, strerrorname_np(errno));
	printf("%s has %d unsent\n", name, unsent);
	fflush(stdout);
	return port;
}

static void uart_close(const char *name)
{
	struct timespec begun, done;
	int port = stopped(name);

	clock_gettime(CLOCK_MONOTONIC, &begun);
	close(port);
	clock_gettime(CLOCK_MONOTONIC, &done);
	printf("%s closed %s\n", name, done.tv_sec - begun.tv_sec < 2 ? "at once" : "late");
}

/* Leaves the last close to whoever reads its notifications. Words before it keep the reader busy until it is closed here. */
static void uart_leave(const char *name)
{
	union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control = { .header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct iovec part = { "STATUS=left", 11 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int notify = socket(AF_UNIX, SOCK_DGRAM, 0), port = stopped(name);

	strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof(address.sun_path) - 1);
	connect(notify, (struct sockaddr *)&address, sizeof(address));
	for (int turn = 0; turn < 32; turn++)
		sendmsg(notify, &message, 0);
	memcpy(CMSG_DATA(&control.header), &port, sizeof(port));
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	if (sendmsg(notify, &message, 0) < 0)
		printf("%s is not left: %s\n", name, strerrorname_np(errno));
	close(port);
	printf("%s is left\n", name);
}

static int smbus(int bus, char direction, uint8_t command, uint8_t *byte)
{
	union i2c_smbus_data data = { .byte = *byte };
	struct i2c_smbus_ioctl_data request = {
		.read_write = direction, .command = command, .size = I2C_SMBUS_BYTE_DATA, .data = &data };
	int result = ioctl(bus, I2C_SMBUS, &request);

	*byte = data.byte;
	return result;
}

static void i2c(const char *name)
{
	int bus = granted(name);
	uint8_t byte = 0x5a, message_byte = 0;
	struct i2c_msg message = { .addr = 0x52, .len = 1, .buf = &message_byte };
	struct i2c_rdwr_ioctl_data messages = { .msgs = &message, .nmsgs = 1 };
	unsigned long functions = 0;

	printf("%s functions: %s\n", name, why(ioctl(bus, I2C_FUNCS, &functions)));
	printf("%s write: %s\n", name, why(smbus(bus, I2C_SMBUS_WRITE, 0x10, &byte)));
	byte = 0;
	printf("%s read: %s", name, why(smbus(bus, I2C_SMBUS_READ, 0x10, &byte)));
	printf(" %02x\n", byte);
	forbidden("I2C_SLAVE", ioctl(bus, I2C_SLAVE, 0x52));
	forbidden("I2C_SLAVE_FORCE", ioctl(bus, I2C_SLAVE_FORCE, 0x51));
	forbidden("I2C_TENBIT", ioctl(bus, I2C_TENBIT, 1));
	forbidden("I2C_RDWR", ioctl(bus, I2C_RDWR, &messages));
}

static void pwm(const char *name)
{
	int period = part(name, ".0.period"), width = part(name, ".0.duty_cycle"), enable = part(name, ".0.enable");

	write_text(period, "4915200");
	write_text(width, "2457600");
	write_text(enable, "1");
	printf("%s: %s of %s, %s\n", name, read_text(width), read_text(period), read_text(enable));
}

static void adc(const char *name)
{
	int raw = part(name, ".0.raw");

	printf("%s: %s times %s\n", name, read_text(raw), read_text(part(name, ".0.scale")));
	printf("%s writes: %s\n", name, write(raw, "1", 1) < 0 ? strerrorname_np(errno) : "POSSIBLE");
}

static void led(const char *name)
{
	int brightness = granted(name);

	write_text(brightness, "77");
	printf("%s: %s of %s\n", name, read_text(brightness), read_text(part(name, ".max")));
}

static void rtc(const char *name)
{
	int clock = granted(name);
	struct rtc_time now;
	struct rtc_wkalrm alarm = { .enabled = 1 };
	unsigned long interrupts;

	printf("%s time: %s", name, why(ioctl(clock, RTC_RD_TIME, &now)));
	printf(", %d\n", now.tm_year + 1900);
	forbidden("RTC_SET_TIME", ioctl(clock, RTC_SET_TIME, &now));
	alarm.time = now;
	alarm.time.tm_sec = (now.tm_sec + 3) % 60;
	if (alarm.time.tm_sec < 3)
		alarm.time.tm_min = (now.tm_min + 1) % 60;
	if (alarm.time.tm_sec < 3 && !alarm.time.tm_min)
		alarm.time.tm_hour = (now.tm_hour + 1) % 24;
	printf("%s alarm: %s\n", name, why(ioctl(clock, RTC_WKALM_SET, &alarm)));
	fflush(stdout);
	printf("%s rang: %s\n", name,
	       wait_for(clock, 60000) > 0 && read(clock, &interrupts, sizeof(interrupts)) > 0 ? "yes" : "no");
}

/* Feeds it for a while, then no more, once its turn is over. */
static void watchdog(const char *name)
{
	int dog = granted(name), seconds = 5, off = WDIOS_DISABLECARD;

	printf("%s timeout: %s\n", name, why(ioctl(dog, WDIOC_SETTIMEOUT, &seconds)));
	forbidden("WDIOC_SETOPTIONS", ioctl(dog, WDIOC_SETOPTIONS, &off));
	for (int turn = 0; turn < 8; turn++) {
		ioctl(dog, WDIOC_KEEPALIVE, 0);
		sleep(1);
	}
	printf("%s was fed\n", name);
}

static void nothing_else(void)
{
	static const char *const paths[] = { "/dev/ttyS0", "/dev/ttyS1", "/dev/i2c-0", "/dev/rtc0", "/dev/watchdog0",
		"/dev/watchdog1", "/dev/uleds", "/sys/class/leds", "/sys/class/pwm", "/sys/bus/iio" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (open(paths[i], O_RDONLY | O_NONBLOCK) >= 0)
			printf("opening %s: POSSIBLE\n", paths[i]);
}

int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		void (*run)(const char *);
	} uses[] = { { "uart", uart }, { "uart-close", uart_close }, { "uart-leave", uart_leave },
		     { "i2c", i2c },   { "pwm", pwm }, { "adc", adc },
		     { "led", led },   { "rtc", rtc }, { "watchdog", watchdog } };

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("granted: %s\n", getenv("LISTEN_FDNAMES") ? getenv("LISTEN_FDNAMES") : "nothing");
	nothing_else();
	for (int at = 1; at + 1 < count; at += 2)
		for (size_t use = 0; use < sizeof(uses) / sizeof(*uses); use++)
			if (!strcmp(uses[use].name, arguments[at]))
				uses[use].run(arguments[at + 1]);
	puts("all was used");
	for (;;)
		pause();
}
