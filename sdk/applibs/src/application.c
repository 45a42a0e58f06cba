#include "component_id.h"
#include "say.h"
#include "services.h"
#include <applibs/application.h>
#include <errno.h>

int Application_Connect(const char *componentId)
{
	json_t *ok;
	int end;

	if (!componentId || !applibs_is_component_id(componentId)) {
		errno = EINVAL;
		return -1;
	}
	ok = applibs_services_ask("connect", json_pack("{s:s}", "app", componentId), &end);
	if (!ok)
		return -1;
	json_decref(ok);
	if (end < 0)
		errno = EPROTO;
	return end;
}

int Application_IsDeviceAuthReady(bool *outIsDeviceAuthReady)
{
	if (!outIsDeviceAuthReady) {
		errno = EFAULT;
		return -1;
	}
	applibs_say("no service certifies this device: an app keeps certificates of its own (certstore.h)");
	errno = ENOTSUP;
	return -1;
}
