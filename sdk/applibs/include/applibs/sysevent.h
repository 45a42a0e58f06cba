/* Updates that are coming. Wants `SystemEventNotifications` in the manifest, and `SoftwareUpdateDeferral` to put one off.
 *
 * A registration belongs to its loop's thread; the functions without one are thread-safe. Told of are updates of every app of
 * the device. Who is told that one is ready has ten seconds to put it off. */
#pragma once

#include <applibs/eventloop.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t SysEvent_Events;
enum {
	SysEvent_Events_None = 0x00,
	/* An update is on the disk and is installed soon. */
	SysEvent_Events_UpdateReadyForInstall = 0x01,
	/* Its older name. */
	SysEvent_Events_Update = SysEvent_Events_UpdateReadyForInstall,
	/* An update is being written to the disk. */
	SysEvent_Events_UpdateStarted = 0x02,
	SysEvent_Events_NoUpdateAvailable = 0x04,
	SysEvent_Events_Mask =
		SysEvent_Events_UpdateStarted | SysEvent_Events_UpdateReadyForInstall | SysEvent_Events_NoUpdateAvailable,
};

typedef uint32_t SysEvent_Status;
enum {
	SysEvent_Status_Invalid = 0,
	/* It can be put off. */
	SysEvent_Status_Pending = 1,
	/* It cannot be put off any more. */
	SysEvent_Status_Final = 2,
	/* It was put off. */
	SysEvent_Status_Deferred = 3,
	/* Its older name. */
	SysEvent_Status_Rejected = SysEvent_Status_Deferred,
	/* It is over, or nothing is left to say of it. */
	SysEvent_Status_Complete = 4,
};

typedef uint32_t SysEvent_UpdateType;
enum {
	SysEvent_UpdateType_Invalid = 0,
	SysEvent_UpdateType_App = 1,
	SysEvent_UpdateType_System = 2,
};

typedef struct SysEvent_Info_UpdateData {
	/* For so long it can still be put off. */
	unsigned int max_deferral_time_in_minutes;
	SysEvent_UpdateType update_type;
} SysEvent_Info_UpdateData;

typedef struct SysEvent_Info SysEvent_Info;

/* What is known of the update. EFAULT: NULL; EINVAL: it is not about an update.
 * @holdfast differs: update_type is always SysEvent_UpdateType_App: of the device's own updates nobody is told yet */
int SysEvent_Info_GetUpdateData(const SysEvent_Info *info, SysEvent_Info_UpdateData *update_info);

/* info lives until the function returns. */
typedef void SysEvent_EventsCallback(SysEvent_Events event, SysEvent_Status state, const SysEvent_Info *info, void *context);

/* Has a function called for these events, or NULL. EACCES: the manifest does not list it. EINVAL: not events.
 * @holdfast differs: called once per update and change: UpdateStarted, Complete; ReadyForInstall with Pending, Final, Deferred,
 * and Complete when it is installed or gone; NoUpdateAvailable, Complete, when the list of updates is empty */
EventRegistration *SysEvent_RegisterForEventNotifications(EventLoop *el, SysEvent_Events eventBitmask,
							  SysEvent_EventsCallback *callback, void *context);

/* Has it called no more, from within it too. EINVAL: not such a registration.
 * @holdfast implemented */
int SysEvent_UnregisterForEventNotifications(EventRegistration *reg);

/* Puts updates off for so many minutes, at most as long as the image lets. EINVAL: another event than UpdateReadyForInstall, or 0
 * minutes. ENOENT: no update is coming.
 * @holdfast differs: it counts for every update that is coming at the time of the call */
int SysEvent_DeferEvent(SysEvent_Events event, uint32_t requested_defer_time_in_minutes);

/* Lets updates come, as far as this app is concerned. EINVAL, ENOENT: as SysEvent_DeferEvent.
 * @holdfast differs: it counts for every update that is coming at the time of the call; other apps may still put one off */
int SysEvent_ResumeEvent(SysEvent_Events event);

#ifdef __cplusplus
}
#endif
