/* What an app finds by <applibs/networking.h>. */
#define NETWORKING_STRUCTS_VERSION 1
#include "found.h"
#include <applibs/networking.h>

int main(void)
{
	Networking_NetworkInterface links[8] = { 0 };
	Networking_ProxyConfig *proxy = Networking_Proxy_Create();
	Networking_IpConfig address;
	ssize_t count;
	bool is_ready = false;

	found("ready", Networking_IsNetworkingReady(&is_ready) < 0 ? -1 : is_ready);
	found("links", Networking_GetInterfaceCount());
	count = Networking_GetInterfaces(links, 8);
	found("told of", count);
	for (ssize_t at = 0; at < count; at++) {
		Networking_InterfaceConnectionStatus status = 0;

		Log_Debug("link: %s\n", links[at].interfaceName);
		found("status", Networking_GetInterfaceConnectionStatus(links[at].interfaceName, &status) < 0 ? -1 : (long long)status);
	}
	found("link down", Networking_SetInterfaceState("eth0", false));
	Networking_IpConfig_Init(&address);
	Networking_IpConfig_EnableDynamicIp(&address);
	found("address", Networking_IpConfig_Apply("eth0", &address));
	Networking_IpConfig_Destroy(&address);
	found("time server", Networking_TimeSync_EnableDefaultNtp());
	found("proxy", Networking_Proxy_Get(proxy));
	found("set a proxy", Networking_Proxy_Apply(proxy));
	Networking_Proxy_Destroy(proxy);
	found_all();
}
