/* One event at a time is taken from the kernel. A batch would have to be searched for events of what a callback just
 * unregistered, and the kernel, which puts a descriptor that is still ready behind the others, is as fair. */
#include "eventloop_registration.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct EventLoop {
	int epoll;
	/* Wakes the thread that waits, for EventLoop_Stop. */
	int wake;
	atomic_bool stop;
	EventRegistration *first;
};

_Static_assert((int)EventLoop_Input == EPOLLIN && (int)EventLoop_Output == EPOLLOUT && (int)EventLoop_Error == EPOLLERR,
	       "events are the kernel's");

static int watch(EventLoop *el, int operation, int fd, EventLoop_IoEvents events, void *data)
{
	struct epoll_event event = { .events = events, .data = { .ptr = data } };

	return epoll_ctl(el->epoll, operation, fd, &event);
}

static void free_loop(EventLoop *el)
{
	int error = errno;

	if (el->epoll >= 0)
		close(el->epoll);
	if (el->wake >= 0)
		close(el->wake);
	free(el);
	errno = error;
}

EventLoop *EventLoop_Create(void)
{
	EventLoop *el = calloc(1, sizeof(*el));

	if (!el)
		return NULL;
	el->epoll = epoll_create1(EPOLL_CLOEXEC);
	el->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (el->epoll >= 0 && el->wake >= 0 && !watch(el, EPOLL_CTL_ADD, el->wake, EPOLLIN, NULL))
		return el;
	free_loop(el);
	return NULL;
}

void EventLoop_Close(EventLoop *el)
{
	if (!el)
		return;
	while (el->first)
		EventLoop_UnregisterIo(el, el->first);
	free_loop(el);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes what EventLoop_Stop left; whether it did. */
static bool take_stop(EventLoop *el)
{
	eventfd_t count;

	if (!atomic_load(&el->stop))
		return false;
	eventfd_read(el->wake, &count);
	return atomic_exchange(&el->stop, false);
}

enum step { STEP_FAILED, STEP_NOTHING, STEP_STOPPED, STEP_CALLED };

/* Waits for one event and calls its function. */
static enum step step(EventLoop *el, int timeout_ms)
{
	struct epoll_event event;
	EventRegistration *reg;
	EventLoop_IoEvents events;
	eventfd_t wakes;
	int count = epoll_wait(el->epoll, &event, 1, timeout_ms);

	if (count < 0)
		return STEP_FAILED;
	if (take_stop(el))
		return STEP_STOPPED;
	if (count == 0)
		return STEP_NOTHING;
	reg = event.data.ptr;
	if (!reg) {
		/* A wake-up whose stop was taken before it came. */
		eventfd_read(el->wake, &wakes);
		return STEP_NOTHING;
	}
	events = event.events & (EventLoop_Input | EventLoop_Output | EventLoop_Error);
	if (event.events & (EPOLLHUP | EPOLLRDHUP))
		events |= EventLoop_Error | (reg->events & EventLoop_Input);
	/* The registration may be gone when it returns. */
	reg->callback(el, reg->fd, events, reg->context);
	return STEP_CALLED;
}

static int left_ms(int duration, int64_t end)
{
	int64_t left = end - now_ms();

	if (duration <= 0)
		return duration < 0 ? -1 : 0;
	return left > 0 ? (int)left : 0;
}

EventLoop_Run_Result EventLoop_Run(EventLoop *el, int duration_in_milliseconds, bool process_one_event)
{
	int64_t end = now_ms() + duration_in_milliseconds;
	EventLoop_Run_Result result = EventLoop_Run_FinishedEmpty;

	if (!el) {
		errno = EFAULT;
		return EventLoop_Run_Failed;
	}
	for (;;) {
		int timeout = left_ms(duration_in_milliseconds, end);

		switch (step(el, timeout)) {
		case STEP_FAILED:
			return EventLoop_Run_Failed;
		case STEP_STOPPED:
			return result;
		case STEP_NOTHING:
			break;
		case STEP_CALLED:
			result = EventLoop_Run_Finished;
			if (process_one_event || duration_in_milliseconds == 0)
				return result;
			if (take_stop(el))
				return result;
			break;
		}
		/* Asked for again after a callback: one that is always ready must not hold up the end. */
		if (duration_in_milliseconds >= 0 && left_ms(duration_in_milliseconds, end) == 0)
			return result;
	}
}

int EventLoop_GetWaitDescriptor(EventLoop *el)
{
	if (el)
		return el->epoll;
	errno = EFAULT;
	return -1;
}

int EventLoop_Stop(EventLoop *el)
{
	if (!el) {
		errno = EFAULT;
		return -1;
	}
	atomic_store(&el->stop, true);
	return eventfd_write(el->wake, 1);
}

static bool are_events(EventLoop_IoEvents events)
{
	return !(events & ~(EventLoop_IoEvents)(EventLoop_Input | EventLoop_Output | EventLoop_Error));
}

EventRegistration *EventLoop_RegisterIo(EventLoop *el, int fd, EventLoop_IoEvents eventBitmask, EventLoopIoCallback *callback,
					void *context)
{
	EventRegistration *reg;

	if (!el || !callback || !are_events(eventBitmask)) {
		errno = el && callback ? EINVAL : EFAULT;
		return NULL;
	}
	reg = calloc(1, sizeof(*reg));
	if (!reg)
		return NULL;
	*reg = (EventRegistration){ .loop = el, .fd = fd, .events = eventBitmask, .callback = callback, .context = context };
	if (watch(el, EPOLL_CTL_ADD, fd, eventBitmask, reg) < 0) {
		int error = errno;

		free(reg);
		errno = error;
		return NULL;
	}
	reg->next = el->first;
	reg->link = &el->first;
	if (reg->next)
		reg->next->link = &reg->next;
	el->first = reg;
	return reg;
}

int EventLoop_ModifyIoEvents(EventLoop *el, EventRegistration *reg, EventLoop_IoEvents eventBitmask)
{
	if (!el || !reg) {
		errno = EFAULT;
		return -1;
	}
	if (reg->loop != el || !are_events(eventBitmask)) {
		errno = EINVAL;
		return -1;
	}
	if (watch(el, EPOLL_CTL_MOD, reg->fd, eventBitmask, reg) < 0)
		return -1;
	reg->events = eventBitmask;
	return 0;
}

int EventLoop_UnregisterIo(EventLoop *el, EventRegistration *reg)
{
	if (!reg)
		return 0;
	if (!el || reg->loop != el) {
		errno = el ? EINVAL : EFAULT;
		return -1;
	}
	/* A descriptor that the app closed already is not there any more, which is no error. */
	epoll_ctl(el->epoll, EPOLL_CTL_DEL, reg->fd, NULL);
	*reg->link = reg->next;
	if (reg->next)
		reg->next->link = reg->link;
	if (reg->release)
		reg->release(reg);
	free(reg);
	return 0;
}

int applibs_eventloop_replace(EventRegistration *reg, int fd)
{
	if (watch(reg->loop, EPOLL_CTL_ADD, fd, reg->events, reg) < 0)
		return -1;
	epoll_ctl(reg->loop->epoll, EPOLL_CTL_DEL, reg->fd, NULL);
	reg->fd = fd;
	return 0;
}

void applibs_eventloop_detach(EventRegistration *reg)
{
	epoll_ctl(reg->loop->epoll, EPOLL_CTL_DEL, reg->fd, NULL);
	reg->fd = -1;
}
