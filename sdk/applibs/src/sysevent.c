/* app-services tells a list of the updates that are coming, and answers the next request once it is another one
 * (docs/decisions/0011). The events of this interface are what lies between two lists.
 *
 * A registration has a connection of its own, on which one request waits at a time. When app-services is started again, the
 * connection breaks and a new one is made, with the serial number of the last list. */
#include "component_id.h"
#include "eventloop_registration.h"
#include "say.h"
#include "services.h"
#include <applibs/sysevent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* UPDATES_LIMIT of the protocol. */
#define UPDATES_LIMIT 32

struct SysEvent_Info {
	SysEvent_Info_UpdateData data;
};

enum state { STATE_STARTED, STATE_READY, STATE_DEFERRED };

struct update {
	char app[COMPONENT_ID_SIZE];
	json_int_t to;
	enum state state;
	/* For so long it can still be put off. */
	unsigned int minutes;
};

struct list {
	json_int_t serial;
	size_t count;
	struct update updates[UPDATES_LIMIT];
};

/* What a registration has besides its descriptor. */
struct watch {
	EventRegistration *registration;
	SysEvent_Events events;
	SysEvent_EventsCallback *callback;
	void *context;
	struct list known;
	/* Whether the app was told that there is no update. */
	bool told_none;
	/* Whether the connection has brought a list. */
	bool answered;
	/* Calls of the app's function that have not returned. */
	unsigned int depth;
	/* Unregistered within one of them; freed behind the last. */
	bool is_dead;
};

static int read_state(const char *text, enum state *state)
{
	static const char *const names[] = { "started", "ready", "deferred" };

	for (size_t at = 0; text && at < sizeof(names) / sizeof(*names); at++)
		if (!strcmp(names[at], text)) {
			*state = (enum state)at;
			return 0;
		}
	return -1;
}

static int read_update(const json_t *object, struct update *update)
{
	const char *app = json_string_value(json_object_get(object, "app"));
	json_int_t seconds;

	if (!app || !applibs_is_component_id(app) || applibs_services_number(object, "at_most_seconds", &seconds) < 0 ||
	    applibs_services_number(object, "to", &update->to) < 0 ||
	    read_state(json_string_value(json_object_get(object, "state")), &update->state) < 0) {
		errno = EPROTO;
		return -1;
	}
	memcpy(update->app, app, COMPONENT_ID_SIZE);
	update->minutes = seconds <= 0 ? 0 : (unsigned int)(seconds >= 60 * 60 * 24 * 365 ? 60 * 24 * 365 : (seconds + 59) / 60);
	return 0;
}

/* Reads a reply, which is let go of; 0, or -1 and errno. */
static int read_list(json_t *reply, struct list *list)
{
	const json_t *updates = json_object_get(reply, "updates");
	size_t count = json_array_size(updates);
	int result = -1;

	if (!reply)
		return -1;
	*list = (struct list){ 0 };
	errno = EPROTO;
	if (json_is_array(updates) && count <= UPDATES_LIMIT)
		result = applibs_services_number(reply, "serial", &list->serial);
	while (!result && list->count < count) {
		result = read_update(json_array_get(updates, list->count), &list->updates[list->count]);
		list->count++;
	}
	json_decref(reply);
	return result;
}

static const struct update *find(const struct list *list, const struct update *like)
{
	for (size_t at = 0; at < list->count; at++)
		if (list->updates[at].to == like->to && !strcmp(list->updates[at].app, like->app))
			return &list->updates[at];
	return NULL;
}

/* Calls the app's function, unless it is for other events or unregistered itself. */
static void tell(struct watch *watch, SysEvent_Events event, SysEvent_Status status, const struct update *update)
{
	SysEvent_Info info = { .data = { .update_type = SysEvent_UpdateType_Invalid } };

	if (watch->is_dead || !(watch->events & event))
		return;
	if (update)
		info.data = (SysEvent_Info_UpdateData){ .max_deferral_time_in_minutes = update->minutes,
							.update_type = SysEvent_UpdateType_App };
	watch->callback(event, status, &info, watch->context);
}

static void tell_state(struct watch *watch, const struct update *update)
{
	switch (update->state) {
	case STATE_STARTED:
		tell(watch, SysEvent_Events_UpdateStarted, SysEvent_Status_Complete, update);
		break;
	case STATE_READY:
		tell(watch, SysEvent_Events_UpdateReadyForInstall,
		     update->minutes > 0 ? SysEvent_Status_Pending : SysEvent_Status_Final, update);
		break;
	case STATE_DEFERRED:
		tell(watch, SysEvent_Events_UpdateReadyForInstall, SysEvent_Status_Deferred, update);
		break;
	}
}

static bool is_told_already(const struct update *update, const struct update *known)
{
	return known && known->state == update->state && (update->minutes == 0) == (known->minutes == 0);
}

/* Tells what lies between two lists. */
static void tell_changes(struct watch *watch, const struct list *before, const struct list *now)
{
	bool told_none = watch->told_none;

	watch->told_none = now->count == 0;
	for (size_t at = 0; at < before->count; at++)
		if (before->updates[at].state != STATE_STARTED && !find(now, &before->updates[at]))
			tell(watch, SysEvent_Events_UpdateReadyForInstall, SysEvent_Status_Complete, &before->updates[at]);
	for (size_t at = 0; at < now->count; at++)
		if (!is_told_already(&now->updates[at], find(before, &now->updates[at])))
			tell_state(watch, &now->updates[at]);
	if (now->count == 0 && !told_none)
		tell(watch, SysEvent_Events_NoUpdateAvailable, SysEvent_Status_Complete, NULL);
}

/* Connects and asks for a list that is another one than that with the serial number seen; or -1. */
static int ask_for(json_int_t seen)
{
	int socket = applibs_services_connect();

	if (socket >= 0 && applibs_services_send(socket, "updates", json_pack("{s:I}", "seen", seen)) < 0) {
		int error = errno;

		close(socket);
		errno = error;
		return -1;
	}
	return socket;
}

static void give_up(struct watch *watch)
{
	int fd = watch->registration->fd;

	applibs_say("updates are not told any more: %s", strerror(errno));
	applibs_eventloop_detach(watch->registration);
	close(fd);
}

/* After the connection broke. One that breaks before it brought anything is not made again: that would go on without end. */
static void connect_again(struct watch *watch)
{
	int old = watch->registration->fd, socket = watch->answered ? ask_for(watch->known.serial) : -1;

	watch->answered = false;
	if (socket >= 0 && !applibs_eventloop_replace(watch->registration, socket)) {
		close(old);
		return;
	}
	if (socket >= 0)
		close(socket);
	give_up(watch);
}

/* The app's function may unregister, close the loop, or run it: what belongs to the registration is not touched behind it, and
 * the rest not before all calls are over. */
static void tell_and_leave(struct watch *watch, const struct list *before)
{
	const struct list now = watch->known;

	watch->depth++;
	tell_changes(watch, before, &now);
	watch->depth--;
	if (watch->is_dead && watch->depth == 0)
		free(watch);
}

static void on_reply(EventLoop *el, int fd, EventLoop_IoEvents events, void *context)
{
	struct watch *watch = context;
	const struct list before = watch->known;
	json_t *reply = applibs_services_receive(fd, "updates", NULL);
	struct list now;

	(void)el;
	(void)events;
	if (!reply && errno == EAGAIN) {
		connect_again(watch);
		return;
	}
	if (read_list(reply, &now) < 0) {
		give_up(watch);
		return;
	}
	watch->known = now;
	watch->answered = true;
	if (applibs_services_send(fd, "updates", json_pack("{s:I}", "seen", now.serial)) < 0)
		connect_again(watch);
	tell_and_leave(watch, &before);
}

static void release(EventRegistration *reg)
{
	struct watch *watch = reg->context;

	if (reg->fd >= 0)
		close(reg->fd);
	watch->is_dead = true;
	if (watch->depth == 0)
		free(watch);
}

/* Whether the app may ask at all: told at once, not by a function that is never called. */
static int may_ask(void)
{
	struct list list;

	return read_list(applibs_services_ask("updates", json_pack("{s:i}", "seen", 0), NULL), &list);
}

EventRegistration *SysEvent_RegisterForEventNotifications(EventLoop *el, SysEvent_Events eventBitmask,
							  SysEvent_EventsCallback *callback, void *context)
{
	struct watch *watch;
	int socket;

	if (!el || !callback || eventBitmask == SysEvent_Events_None || eventBitmask & ~(SysEvent_Events)SysEvent_Events_Mask) {
		errno = el && callback ? EINVAL : EFAULT;
		return NULL;
	}
	if (may_ask() < 0)
		return NULL;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	*watch = (struct watch){ .events = eventBitmask, .callback = callback, .context = context };
	socket = ask_for(0);
	if (socket >= 0)
		watch->registration = EventLoop_RegisterIo(el, socket, EventLoop_Input, on_reply, watch);
	if (!watch->registration) {
		int error = errno;

		if (socket >= 0)
			close(socket);
		free(watch);
		errno = error;
		return NULL;
	}
	watch->registration->release = release;
	return watch->registration;
}

int SysEvent_UnregisterForEventNotifications(EventRegistration *reg)
{
	if (!reg) {
		errno = EFAULT;
		return -1;
	}
	if (reg->release != release) {
		errno = EINVAL;
		return -1;
	}
	return EventLoop_UnregisterIo(reg->loop, reg);
}

int SysEvent_Info_GetUpdateData(const SysEvent_Info *info, SysEvent_Info_UpdateData *update_info)
{
	if (!info || !update_info) {
		errno = EFAULT;
		return -1;
	}
	if (info->data.update_type == SysEvent_UpdateType_Invalid) {
		errno = EINVAL;
		return -1;
	}
	*update_info = info->data;
	return 0;
}

/* Asks the same for every update that is on the disk. */
static int ask_for_each(const char *request, json_int_t seconds)
{
	struct list list;
	size_t asked = 0;

	if (read_list(applibs_services_ask("updates", json_pack("{s:i}", "seen", 0), NULL), &list) < 0)
		return -1;
	for (size_t at = 0; at < list.count; at++) {
		json_t *parameters;

		if (list.updates[at].state == STATE_STARTED)
			continue;
		parameters = json_pack("{s:s}", "app", list.updates[at].app);
		if (seconds > 0)
			json_object_set_new(parameters, "seconds", json_integer(seconds));
		/* One that came or went since the list was made is none that is coming. */
		if (!applibs_services_do(request, parameters))
			asked++;
		else if (errno != ENOENT)
			return -1;
	}
	if (asked > 0)
		return 0;
	errno = ENOENT;
	return -1;
}

int SysEvent_DeferEvent(SysEvent_Events event, uint32_t requested_defer_time_in_minutes)
{
	json_int_t seconds = (json_int_t)requested_defer_time_in_minutes * 60;

	if (event != SysEvent_Events_UpdateReadyForInstall || seconds == 0) {
		errno = EINVAL;
		return -1;
	}
	return ask_for_each("put-off-update", seconds > UINT32_MAX ? UINT32_MAX : seconds);
}

int SysEvent_ResumeEvent(SysEvent_Events event)
{
	if (event != SysEvent_Events_UpdateReadyForInstall) {
		errno = EINVAL;
		return -1;
	}
	return ask_for_each("allow-update", 0);
}
