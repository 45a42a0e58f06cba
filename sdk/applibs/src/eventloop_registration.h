/* What the loop knows of a descriptor, for the sources of events that bring their own. */
#pragma once

#include <applibs/eventloop.h>

struct EventRegistration {
	EventLoop *loop;
	int fd;
	EventLoop_IoEvents events;
	EventLoopIoCallback *callback;
	void *context;
	/* Ends what belongs to the registration, if anything does: its owner unregistered it, or the loop is closed. */
	void (*release)(EventRegistration *);
	EventRegistration *next;
	/* Where the one before points here. */
	EventRegistration **link;
};

/* Goes on with another descriptor in place of the one that it has; 0, or -1. Neither is closed. */
int applibs_eventloop_replace(EventRegistration *registration, int fd);

/* Is not called any more, and waits to be unregistered. The descriptor is not closed. */
void applibs_eventloop_detach(EventRegistration *registration);
