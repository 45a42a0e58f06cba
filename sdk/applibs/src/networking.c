#include "say.h"
#include "services.h"
#include <applibs/networking.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The links, with the reply that they are in; or NULL. */
static json_t *ask_links(const json_t **links)
{
	json_t *network = applibs_services_ask("network", NULL, NULL);

	*links = json_object_get(network, "links");
	if (network && !json_is_array(*links)) {
		json_decref(network);
		errno = EPROTO;
		return NULL;
	}
	return network;
}

static bool has(const json_t *link, const char *what)
{
	return json_is_true(json_object_get(link, what));
}

static const char *name_of(const json_t *link)
{
	const char *name = json_string_value(json_object_get(link, "name"));

	return name ? name : "";
}

static Networking_InterfaceConnectionStatus status_of(const json_t *link)
{
	Networking_InterfaceConnectionStatus status = 0;
	bool has_address = json_array_size(json_object_get(link, "addresses")) > 0;

	if (has(link, "up"))
		status |= Networking_InterfaceConnectionStatus_InterfaceUp;
	if (has(link, "carrier"))
		status |= Networking_InterfaceConnectionStatus_ConnectedToNetwork;
	if (has_address)
		status |= Networking_InterfaceConnectionStatus_IpAvailable;
	if (has(link, "up") && has(link, "carrier") && has_address && has(link, "default_route"))
		status |= Networking_InterfaceConnectionStatus_ConnectedToInternet;
	return status;
}

int Networking_IsNetworkingReady(bool *outIsNetworkingReady)
{
	const json_t *links;
	json_t *network;

	if (!outIsNetworkingReady) {
		errno = EFAULT;
		return -1;
	}
	network = ask_links(&links);
	if (!network)
		return -1;
	*outIsNetworkingReady = false;
	for (size_t at = 0; at < json_array_size(links); at++)
		if (status_of(json_array_get(links, at)) & Networking_InterfaceConnectionStatus_ConnectedToInternet)
			*outIsNetworkingReady = true;
	json_decref(network);
	return 0;
}

ssize_t Networking_GetInterfaceCount(void)
{
	const json_t *links;
	json_t *network = ask_links(&links);
	ssize_t count = network ? (ssize_t)json_array_size(links) : -1;

	json_decref(network);
	return count;
}

/* By the kernel's and udev's names: eth0, enp1s0, wlan0, wlp2s0. */
static Networking_InterfaceMedium medium_of(const char *name)
{
	if (name[0] == 'w' && name[1] == 'l')
		return Networking_InterfaceMedium_Wifi;
	return name[0] == 'e' ? Networking_InterfaceMedium_Ethernet : Networking_InterfaceMedium_Unspecified;
}

static Networking_NetworkInterface interface_of(const json_t *link)
{
	Networking_NetworkInterface interface = {
		.isEnabled = has(link, "up"),
		.ipConfigurationType = Networking_IpType_DhcpNone,
		.interfaceMediumType = medium_of(name_of(link)),
	};

	snprintf(interface.interfaceName, sizeof(interface.interfaceName), "%s", name_of(link));
	return interface;
}

ssize_t Networking_GetInterfaces(Networking_NetworkInterface *outNetworkInterfacesArray, size_t networkInterfacesArrayCount)
{
	const json_t *links;
	json_t *network;
	size_t count;

	if (!outNetworkInterfacesArray || networkInterfacesArrayCount == 0) {
		errno = outNetworkInterfacesArray ? ERANGE : EFAULT;
		return -1;
	}
	network = ask_links(&links);
	if (!network)
		return -1;
	count = json_array_size(links);
	if (count > networkInterfacesArrayCount)
		count = networkInterfacesArrayCount;
	for (size_t at = 0; at < count; at++)
		outNetworkInterfacesArray[at] = interface_of(json_array_get(links, at));
	json_decref(network);
	return (ssize_t)count;
}

int Networking_GetInterfaceConnectionStatus(const char *networkInterfaceName, Networking_InterfaceConnectionStatus *outStatus)
{
	const json_t *links;
	json_t *network;
	int result = -1;

	if (!networkInterfaceName || !outStatus) {
		errno = EFAULT;
		return -1;
	}
	network = ask_links(&links);
	if (!network)
		return -1;
	errno = ENOENT;
	for (size_t at = 0; result < 0 && at < json_array_size(links); at++) {
		const json_t *link = json_array_get(links, at);

		if (!strcmp(name_of(link), networkInterfaceName)) {
			*outStatus = status_of(link);
			result = 0;
		}
	}
	json_decref(network);
	return result;
}

/* What only the device's owner changes. */
static int owners(const char *what)
{
	applibs_say("%s: an app does not change that, the device's owner does", what);
	errno = EPERM;
	return -1;
}

int Networking_SetInterfaceState(const char *networkInterfaceName, bool isEnabled)
{
	(void)networkInterfaceName;
	(void)isEnabled;
	return owners("the state of a link");
}

int Networking_SetHardwareAddress(const char *networkInterfaceName, const uint8_t *hardwareAddress,
				  size_t hardwareAddressLength)
{
	(void)networkInterfaceName;
	(void)hardwareAddress;
	(void)hardwareAddressLength;
	return owners("a hardware address");
}

int Networking_GetHardwareAddress(const char *networkInterfaceName, Networking_Interface_HardwareAddress *outAddress)
{
	(void)networkInterfaceName;
	(void)outAddress;
	applibs_say("apps are not told hardware addresses");
	errno = EPERM;
	return -1;
}

void Networking_IpConfig_Init(Networking_IpConfig *ipConfig)
{
	if (ipConfig)
		*ipConfig = (Networking_IpConfig){ 0 };
}

void Networking_IpConfig_Destroy(Networking_IpConfig *ipConfig)
{
	Networking_IpConfig_Init(ipConfig);
}

void Networking_IpConfig_EnableDynamicIp(Networking_IpConfig *ipConfig)
{
	(void)ipConfig;
}

void Networking_IpConfig_EnableStaticIp(Networking_IpConfig *ipConfig, struct in_addr ipAddress, struct in_addr subnetMask,
					struct in_addr gatewayAddress)
{
	(void)ipConfig;
	(void)ipAddress;
	(void)subnetMask;
	(void)gatewayAddress;
}

void Networking_IpConfig_EnableAutomaticDns(Networking_IpConfig *ipConfig)
{
	(void)ipConfig;
}

int Networking_IpConfig_EnableCustomDns(Networking_IpConfig *ipConfig, const struct in_addr *dnsServerAddresses,
					size_t serverCount)
{
	(void)ipConfig;
	(void)dnsServerAddresses;
	(void)serverCount;
	return owners("the servers of names");
}

int Networking_IpConfig_Apply(const char *networkInterfaceName, const Networking_IpConfig *ipConfig)
{
	(void)networkInterfaceName;
	(void)ipConfig;
	return owners("the address of a link");
}

int Networking_IpConfig_RenewIp(const char *networkInterfaceName)
{
	(void)networkInterfaceName;
	return owners("the address of a link");
}

int Networking_IpConfig_ReleaseIp(const char *networkInterfaceName)
{
	(void)networkInterfaceName;
	return owners("the address of a link");
}

int Networking_TimeSync_EnableDefaultNtp(void)
{
	return owners("where the time comes from");
}

int Networking_TimeSync_EnableAutomaticNtp(Networking_NtpOption option)
{
	(void)option;
	return owners("where the time comes from");
}

int Networking_TimeSync_EnableCustomNtp(const char *primaryNtpServer, const char *secondaryNtpServer, Networking_NtpOption option)
{
	(void)primaryNtpServer;
	(void)secondaryNtpServer;
	(void)option;
	return owners("where the time comes from");
}

int Networking_TimeSync_GetLastNtpSyncInfo(char *outNtpServer, size_t *inOutNtpServerLength, struct tm *outTimeBeforeSync,
					   struct tm *outNtpTime)
{
	(void)outNtpServer;
	(void)inOutNtpServerLength;
	(void)outTimeBeforeSync;
	(void)outNtpTime;
	errno = ENOTSUP;
	return -1;
}

int Networking_TimeSync_SetEnabled(bool enabled)
{
	(void)enabled;
	return owners("where the time comes from");
}

int Networking_TimeSync_GetEnabled(bool *outIsEnabled)
{
	(void)outIsEnabled;
	errno = ENOTSUP;
	return -1;
}

void Networking_SntpServerConfig_Init(Networking_SntpServerConfig *sntpServerConfig)
{
	if (sntpServerConfig)
		*sntpServerConfig = (Networking_SntpServerConfig){ 0 };
}

void Networking_SntpServerConfig_Destroy(Networking_SntpServerConfig *sntpServerConfig)
{
	Networking_SntpServerConfig_Init(sntpServerConfig);
}

int Networking_SntpServer_Start(const char *networkInterfaceName, const Networking_SntpServerConfig *sntpServerConfig)
{
	(void)networkInterfaceName;
	(void)sntpServerConfig;
	return owners("whom a device serves the time");
}

void Networking_DhcpServerConfig_Init(Networking_DhcpServerConfig *dhcpServerConfig)
{
	if (dhcpServerConfig)
		*dhcpServerConfig = (Networking_DhcpServerConfig){ 0 };
}

void Networking_DhcpServerConfig_Destroy(Networking_DhcpServerConfig *dhcpServerConfig)
{
	Networking_DhcpServerConfig_Init(dhcpServerConfig);
}

int Networking_DhcpServerConfig_SetLease(Networking_DhcpServerConfig *dhcpServerConfig, struct in_addr startIpAddress,
					 uint8_t ipAddressCount, struct in_addr subnetMask, struct in_addr gatewayAddress,
					 uint32_t leaseTimeInHours)
{
	(void)dhcpServerConfig;
	(void)startIpAddress;
	(void)ipAddressCount;
	(void)subnetMask;
	(void)gatewayAddress;
	(void)leaseTimeInHours;
	return owners("whom a device serves addresses");
}

int Networking_DhcpServerConfig_SetNtpServerAddresses(Networking_DhcpServerConfig *dhcpServerConfig,
						      const struct in_addr *ntpServerAddresses, size_t serverCount)
{
	(void)dhcpServerConfig;
	(void)ntpServerAddresses;
	(void)serverCount;
	return owners("whom a device serves addresses");
}

int Networking_DhcpServer_Start(const char *networkInterfaceName, const Networking_DhcpServerConfig *dhcpServerConfig)
{
	(void)networkInterfaceName;
	(void)dhcpServerConfig;
	return owners("whom a device serves addresses");
}
