/* The doorbell as an app for Azure Sphere: counts presses of a button, and keeps their number in its mutable file. */
#include <applibs/eventloop.h>
#include <applibs/gpio.h>
#include <applibs/log.h>
#include <applibs/storage.h>
#include <errno.h>
#include <hw/board.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* How often the button is looked at, and how often it must look the same before it counts. */
#define LOOK_NS 5000000
#define STILL 2

/* The board pulls the line up when the button is pressed. */
#define PRESSED GPIO_Value_High

static volatile sig_atomic_t is_over;

struct doorbell {
	int button, file;
	uint32_t presses;
	GPIO_Value_Type seen, settled;
	int looks;
};

static void on_termination(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

/* A press is on storage before anybody is told of it. */
static void ring(struct doorbell *bell)
{
	bell->presses++;
	if (pwrite(bell->file, &bell->presses, sizeof(bell->presses), 0) != sizeof(bell->presses) || fsync(bell->file) < 0)
		Log_Debug("this press will be forgotten at the next start: %s\n", strerror(errno));
	Log_Debug("doorbell rang: press %u\n", bell->presses);
}

static void look(EventLoop *loop, int timer, EventLoop_IoEvents events, void *context)
{
	struct doorbell *bell = context;
	GPIO_Value_Type now;
	uint64_t expirations;

	(void)loop;
	(void)events;
	if (read(timer, &expirations, sizeof(expirations)) != sizeof(expirations) || GPIO_GetValue(bell->button, &now) < 0)
		return;
	bell->looks = now == bell->seen ? bell->looks + 1 : 0;
	bell->seen = now;
	if (bell->looks < STILL || now == bell->settled)
		return;
	bell->settled = now;
	if (now == PRESSED)
		ring(bell);
}

static bool open_all(struct doorbell *bell)
{
	bell->button = GPIO_OpenAsInput(DOORBELL_BUTTON);
	bell->file = Storage_OpenMutableFile();
	if (bell->button < 0 || bell->file < 0 || GPIO_GetValue(bell->button, &bell->settled) < 0)
		return false;
	bell->seen = bell->settled;
	if (pread(bell->file, &bell->presses, sizeof(bell->presses), 0) != sizeof(bell->presses))
		bell->presses = 0;
	return true;
}

int main(void)
{
	const struct itimerspec period = { .it_interval.tv_nsec = LOOK_NS, .it_value.tv_nsec = LOOK_NS };
	const struct sigaction action = { .sa_handler = on_termination };
	struct doorbell bell = { 0 };
	EventLoop *loop = EventLoop_Create();
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	sigaction(SIGTERM, &action, NULL);
	if (!open_all(&bell)) {
		Log_Debug("no doorbell: %s\n", strerror(errno));
		return 1;
	}
	if (!loop || timer < 0 || timerfd_settime(timer, 0, &period, NULL) < 0 ||
	    !EventLoop_RegisterIo(loop, timer, EventLoop_Input, look, &bell))
		return 1;
	Log_Debug("doorbell counts from %u\n", bell.presses);
	while (!is_over)
		if (EventLoop_Run(loop, -1, true) == EventLoop_Run_Failed && errno != EINTR)
			return 1;
	Log_Debug("doorbell stops at %u\n", bell.presses);
	return 0;
}
