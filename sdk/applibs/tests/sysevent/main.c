/* What an app finds by <applibs/sysevent.h>. */
#include "found.h"
#include <applibs/sysevent.h>
#include <stdbool.h>

static void on_event(SysEvent_Events event, SysEvent_Status status, const SysEvent_Info *info, void *context)
{
	static bool was_put_off;
	SysEvent_Info_UpdateData data = { 0 };

	(void)context;
	SysEvent_Info_GetUpdateData(info, &data);
	Log_Debug("event: %u, status %u, type %u, at most %u minutes\n", event, status, data.update_type,
		  data.max_deferral_time_in_minutes);
	if (event != SysEvent_Events_UpdateReadyForInstall)
		return;
	if (status == SysEvent_Status_Pending && !was_put_off) {
		was_put_off = true;
		found("defer", SysEvent_DeferEvent(event, 1));
	} else if (status == SysEvent_Status_Deferred) {
		found("resume", SysEvent_ResumeEvent(event));
	}
}

int main(void)
{
	EventLoop *loop = EventLoop_Create();
	EventRegistration *updates;

	found("nothing to defer", SysEvent_DeferEvent(SysEvent_Events_UpdateReadyForInstall, 1));
	updates = SysEvent_RegisterForEventNotifications(loop, SysEvent_Events_Mask, on_event, NULL);
	found("registered", updates ? 0 : -1);
	/* Says what it is told, puts the first update off for a minute, and lets it come when that was told. */
	while (EventLoop_Run(loop, -1, true) != EventLoop_Run_Failed || errno == EINTR)
		;
	found("run", -1);
	found_all();
}
