/* Calls a function when a descriptor is ready (epoll(7)).
 *
 * A loop and its registrations belong to one thread; only EventLoop_Stop may be called from another one, or from a signal
 * handler. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct EventLoop EventLoop;
/* One descriptor and its function. The loop owns it. */
typedef struct EventRegistration EventRegistration;

/* Makes a loop, or NULL.
 * @holdfast implemented */
EventLoop *EventLoop_Create(void);

/* Ends a loop and the registrations that it still has. NULL is none.
 * @holdfast implemented */
void EventLoop_Close(EventLoop *el);

typedef int EventLoop_Run_Result;
enum {
	/* With errno; EINTR after a signal. */
	EventLoop_Run_Failed = -1,
	/* No function was called. */
	EventLoop_Run_FinishedEmpty = 0,
	EventLoop_Run_Finished = 1,
};

/* Waits and calls functions for so many milliseconds; without end if negative; with 0, it calls one function if something is
 * ready already. With process_one_event it ends after the first one in any case.
 * @holdfast implemented */
EventLoop_Run_Result EventLoop_Run(EventLoop *el, int duration_in_milliseconds, bool process_one_event);

/* A descriptor that is readable when EventLoop_Run would call a function: for another loop around this one. It stays the loop's.
 * @holdfast implemented */
int EventLoop_GetWaitDescriptor(EventLoop *el);

/* Lets EventLoop_Run return, or the next one if none runs.
 * @holdfast implemented */
int EventLoop_Stop(EventLoop *el);

typedef uint32_t EventLoop_IoEvents;
enum {
	EventLoop_None = 0x00,
	EventLoop_Input = 0x01,
	EventLoop_Output = 0x04,
	/* Told in any case, asked for or not; also when the other end hung up. */
	EventLoop_Error = 0x08,
};

typedef void EventLoopIoCallback(EventLoop *el, int fd, EventLoop_IoEvents events, void *context);

/* Has a function called for a descriptor, or NULL. EEXIST: it is registered already. EPERM: a file of a disk, which is always
 * ready.
 * @holdfast implemented */
EventRegistration *EventLoop_RegisterIo(EventLoop *el, int fd, EventLoop_IoEvents eventBitmask,
					EventLoopIoCallback *callback, void *context);

/* Has it called for other events from now on.
 * @holdfast implemented */
int EventLoop_ModifyIoEvents(EventLoop *el, EventRegistration *reg, EventLoop_IoEvents eventBitmask);

/* Has it called no more, from within it too. The descriptor stays open: close it behind this. NULL is none.
 * @holdfast implemented */
int EventLoop_UnregisterIo(EventLoop *el, EventRegistration *reg);

#ifdef __cplusplus
}
#endif
