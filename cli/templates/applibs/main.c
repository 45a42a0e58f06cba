/* {{name}}: an app in the form of Azure Sphere's SDK. What it may use stands in app_manifest.json; the names of peripherals are
 * those of the board file. */
#include <applibs/eventloop.h>
#include <applibs/log.h>
#include <hw/board.h>
#include <signal.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void on_termination(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

static void on_timer(EventLoop *loop, int timer, EventLoop_IoEvents events, void *context)
{
	uint64_t expirations;

	(void)loop;
	(void)events;
	(void)context;
	if (read(timer, &expirations, sizeof(expirations)) == sizeof(expirations))
		Log_Debug("{{name}} is alive\n");
}

int main(void)
{
	const struct itimerspec every_minute = { .it_interval.tv_sec = 60, .it_value.tv_nsec = 1 };
	const struct sigaction action = { .sa_handler = on_termination };
	EventLoop *loop = EventLoop_Create();
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	sigaction(SIGTERM, &action, NULL);
	if (!loop || timer < 0 || timerfd_settime(timer, 0, &every_minute, NULL) < 0 ||
	    !EventLoop_RegisterIo(loop, timer, EventLoop_Input, on_timer, NULL))
		return 1;
	while (EventLoop_Run(loop, -1, true) != EventLoop_Run_Failed)
		;
	return 1;
}
