/*
 * What Holdfast's boot is measured against: the least that starts the same app on the same kernel.
 *
 * As PID 1 it mounts what the app needs, makes the simulated button, starts /bin/app and says when it was READY; nothing
 * is verified, confined, supervised or kept. Called as `start-app` it does the last part alone, for a shell script that
 * did the others. The machine is switched off at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void say(const char *format, const char *text, long number)
{
	char line[256];
	int console = open("/dev/console", O_WRONLY | O_CLOEXEC);
	int length = snprintf(line, sizeof(line), format, text, number);

	if (write(console, line, (size_t)length) < 0)
		_exit(1);
	close(console);
}

static void fail(const char *what)
{
	say("bench: %s failed, errno %ld\n", what, errno);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static void prepare(void)
{
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL))
		fail("mount proc and sysfs");
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		fail("mount devtmpfs");
	if (mount("tmpfs", "/run", "tmpfs", 0, NULL) || mount("tmpfs", "/data", "tmpfs", 0, NULL))
		fail("mount tmpfs");
	if (mount("configfs", "/sys/kernel/config", "configfs", 0, NULL))
		fail("mount configfs");
	if (mkdir("/sys/kernel/config/gpio-sim/chip", 0755) || mkdir("/sys/kernel/config/gpio-sim/chip/bank", 0755) ||
	    mkdir("/sys/kernel/config/gpio-sim/chip/bank/line3", 0755))
		fail("make the chip");
	put("/sys/kernel/config/gpio-sim/chip/bank/num_lines", "8");
	put("/sys/kernel/config/gpio-sim/chip/live", "1");
}

static int line(void)
{
	struct gpio_v2_line_request request = { .num_lines = 1, .offsets = { 3 } };
	int chip = open("/dev/gpiochip0", O_RDWR | O_CLOEXEC);

	request.config.flags = GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING;
	if (chip < 0 || ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request) < 0)
		fail("take the line");
	close(chip);
	return request.fd;
}

static void start(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/notify" };
	int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), button = line();
	struct timespec now;
	char message[4096];
	pid_t app;

	if (bind(notify, (struct sockaddr *)&address, sizeof(address)))
		fail("bind the notify socket");
	app = fork();
	if (app == 0) {
		char *arguments[] = { "app", NULL };
		char *environment[] = { "NOTIFY_SOCKET=/run/notify", "HOLDFAST_STORAGE=/data", "LISTEN_FDS=1",
					"LISTEN_FDNAMES=DOORBELL_BUTTON", NULL };

		if (button != 3)
			dup2(button, 3);
		else
			fcntl(3, F_SETFD, 0);
		execve("/bin/app", arguments, environment);
		_exit(127);
	}
	for (;;) {
		ssize_t length = recv(notify, message, sizeof(message) - 1, 0);

		message[length > 0 ? length : 0] = 0;
		if (strstr(message, "READY=1"))
			break;
	}
	clock_gettime(CLOCK_BOOTTIME, &now);
	say("bench: %s at %ld ms\n", "READY", now.tv_sec * 1000 + now.tv_nsec / 1000000);
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (!strstr(argv[0], "start-app"))
		prepare();
	start();
	return 0;
}
