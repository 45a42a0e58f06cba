/* What an app finds by <applibs/eventloop.h>. */
#include "found.h"
#include <applibs/eventloop.h>
#include <signal.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>

static int ticks;

static void on_termination(int number)
{
	(void)number;
	_exit(0);
}

static void on_timer(EventLoop *loop, int fd, EventLoop_IoEvents events, void *context)
{
	uint64_t expirations;

	(void)events;
	(void)context;
	if (read(fd, &expirations, sizeof(expirations)) == sizeof(expirations) && ++ticks == 3)
		EventLoop_Stop(loop);
}

int main(void)
{
	const struct itimerspec period = { .it_value.tv_nsec = 100000000, .it_interval.tv_nsec = 100000000 };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	EventLoop *loop = EventLoop_Create();
	EventRegistration *timer_registration;
	struct sigaction action = { .sa_handler = on_termination };

	sigaction(SIGTERM, &action, NULL);
	timerfd_settime(timer, 0, &period, NULL);
	timer_registration = EventLoop_RegisterIo(loop, timer, EventLoop_Input, on_timer, loop);
	found("registered", timer_registration ? 0 : -1);
	found("without waiting", EventLoop_Run(loop, 0, false));
	found("one event", EventLoop_Run(loop, -1, true));
	found("until it is stopped", EventLoop_Run(loop, -1, false));
	found("ticks", ticks);
	found("modified", EventLoop_ModifyIoEvents(loop, timer_registration, EventLoop_None));
	found("nothing for 300 ms", EventLoop_Run(loop, 300, false));
	found("unregistered", EventLoop_UnregisterIo(loop, timer_registration));
	EventLoop_Close(loop);
	found_all();
}
