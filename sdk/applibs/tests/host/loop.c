/* The event loop. */
#include "check.h"
#include <applibs/eventloop.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* What callbacks of the tests of the loop do. */
static struct {
	int calls;
	EventLoop_IoEvents events;
	EventRegistration *unregister;
	bool stop;
} loop_test;

static void on_event(EventLoop *el, int fd, EventLoop_IoEvents events, void *context)
{
	char byte;

	loop_test.calls++;
	loop_test.events = events;
	if (context)
		CHECK(read(fd, &byte, 1) >= 0);
	if (loop_test.unregister)
		CHECK(!EventLoop_UnregisterIo(el, loop_test.unregister));
	loop_test.unregister = NULL;
	if (loop_test.stop)
		CHECK(!EventLoop_Stop(el));
}

void the_loop_calls_for_what_is_ready_and_no_longer_than_asked(void)
{
	EventLoop *el = EventLoop_Create(), *outer = EventLoop_Create();
	EventRegistration *reg;
	int ends[2], others[2];

	CHECK(el && outer && !pipe2(ends, O_CLOEXEC) && !pipe2(others, O_CLOEXEC));
	reg = EventLoop_RegisterIo(el, ends[0], EventLoop_Input, on_event, &loop_test);
	CHECK(reg && !EventLoop_RegisterIo(el, ends[0], EventLoop_Input, on_event, NULL) && errno == EEXIST);
	CHECK(!EventLoop_RegisterIo(el, others[0], 0x100, on_event, NULL) && errno == EINVAL);
	CHECK(!EventLoop_RegisterIo(el, others[0], EventLoop_Input, NULL, NULL) && errno == EFAULT);
	CHECK(EventLoop_Run(el, 0, false) == EventLoop_Run_FinishedEmpty && EventLoop_Run(el, 10, true) == EventLoop_Run_FinishedEmpty);
	CHECK(write(ends[1], "abc", 3) == 3);
	CHECK(EventLoop_Run(el, -1, true) == EventLoop_Run_Finished && loop_test.calls == 1 && loop_test.events == EventLoop_Input);
	CHECK(EventLoop_Run(el, 0, false) == EventLoop_Run_Finished && loop_test.calls == 2);
	/* The loop in a loop. */
	CHECK(EventLoop_RegisterIo(outer, EventLoop_GetWaitDescriptor(el), EventLoop_Input, on_event, NULL));
	CHECK(EventLoop_Run(outer, 0, true) == EventLoop_Run_Finished && loop_test.calls == 3);
	CHECK(EventLoop_Run(el, 20, false) == EventLoop_Run_Finished && loop_test.calls == 4);
	/* A function that never takes what is there does not hold up the end. */
	CHECK(write(others[1], "x", 1) == 1 && EventLoop_RegisterIo(el, others[0], EventLoop_Input, on_event, NULL));
	CHECK(EventLoop_Run(el, 20, false) == EventLoop_Run_Finished && loop_test.calls > 5);
	loop_test.calls = 0;
	loop_test.stop = true;
	CHECK(EventLoop_Run(el, -1, false) == EventLoop_Run_Finished && loop_test.calls == 1);
	loop_test.stop = false;
	CHECK(!EventLoop_Stop(el) && EventLoop_Run(el, -1, false) == EventLoop_Run_FinishedEmpty);
	EventLoop_Close(el);
	EventLoop_Close(outer);
	EventLoop_Close(NULL);
	CHECK(EventLoop_Run(NULL, 0, true) == EventLoop_Run_Failed && errno == EFAULT);
}

void a_registration_changes_and_ends_within_its_own_call(void)
{
	EventLoop *el = EventLoop_Create();
	EventRegistration *reg, *other;
	int ends[2], others[2];

	CHECK(!pipe(ends) && !pipe(others) && write(ends[1], "x", 1) == 1 && write(others[1], "x", 1) == 1);
	reg = EventLoop_RegisterIo(el, ends[0], EventLoop_Input, on_event, NULL);
	CHECK(!EventLoop_ModifyIoEvents(el, reg, EventLoop_None) && EventLoop_Run(el, 10, false) == EventLoop_Run_FinishedEmpty);
	CHECK(!EventLoop_ModifyIoEvents(el, reg, EventLoop_Input));
	loop_test.unregister = reg;
	CHECK(EventLoop_Run(el, 10, false) == EventLoop_Run_Finished && loop_test.calls == 1);
	/* Both are ready, and the first one ends the second. */
	reg = EventLoop_RegisterIo(el, ends[0], EventLoop_Input, on_event, &loop_test);
	other = EventLoop_RegisterIo(el, others[0], EventLoop_Input, on_event, &loop_test);
	loop_test.calls = 0;
	loop_test.unregister = other;
	CHECK(EventLoop_Run(el, 10, true) == EventLoop_Run_Finished && loop_test.calls == 1);
	/* Whoever hung up is told of. */
	close(ends[1]);
	CHECK(EventLoop_Run(el, 100, true) == EventLoop_Run_Finished && loop_test.events & EventLoop_Error);
	CHECK(!EventLoop_UnregisterIo(el, reg) && !EventLoop_UnregisterIo(el, NULL));
	EventLoop_Close(el);
}

static void on_signal(int number)
{
	(void)number;
}

static void *stop_soon(void *el)
{
	usleep(20000);
	CHECK(!EventLoop_Stop(el));
	return NULL;
}

void a_signal_and_a_thread_end_the_wait(void)
{
	EventLoop *el = EventLoop_Create();
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerspec soon = { .it_value.tv_nsec = 20000000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM };
	pthread_t thread;
	timer_t timer;

	sigaction(SIGTERM, &action, NULL);
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer) && !timer_settime(timer, 0, &soon, NULL));
	CHECK(EventLoop_Run(el, -1, true) == EventLoop_Run_Failed && errno == EINTR);
	CHECK(!pthread_create(&thread, NULL, stop_soon, el));
	CHECK(EventLoop_Run(el, -1, false) == EventLoop_Run_FinishedEmpty && !pthread_join(thread, NULL));
	EventLoop_Close(el);
}
