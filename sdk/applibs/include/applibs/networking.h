/* The device's links, addresses, time and proxy.
 *
 * An app sees the state of links with `"Holdfast": { "NetworkStatus": true }` in its manifest; without it the functions that
 * tell of them fail with EACCES. To change links, addresses and servers is the device's owner's business: those functions fail
 * with EPERM and say so in the log.
 *
 * Thread-safe; a struct of the app's is for one thread at a time. */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HARDWARE_ADDRESS_LENGTH 6
#define PROXY_ADDRESS_MAX_LENGTH 255
#define PROXY_NO_PROXY_ADDRESSES_MAX_LENGTH 255
#define PROXY_USERNAME_MAX_LENGTH 63
#define PROXY_PASSWORD_MAX_LENGTH 63

typedef enum { Networking_IpType_DhcpNone = 0, Networking_IpType_DhcpClient = 1 } Networking_IpType;
typedef uint8_t Networking_IpType_Type;

typedef enum {
	Networking_InterfaceMedium_Unspecified = 0,
	Networking_InterfaceMedium_Wifi = 1,
	Networking_InterfaceMedium_Ethernet = 2,
} Networking_InterfaceMedium;
typedef uint8_t Networking_InterfaceMedium_Type;

typedef struct Networking_NetworkInterface {
	bool isEnabled;
	char interfaceName[IF_NAMESIZE];
	Networking_IpType_Type ipConfigurationType;
	Networking_InterfaceMedium_Type interfaceMediumType;
} Networking_NetworkInterface;

typedef struct Networking_Interface_HardwareAddress {
	uint8_t address[HARDWARE_ADDRESS_LENGTH];
} Networking_Interface_HardwareAddress;

typedef uint32_t Networking_InterfaceConnectionStatus;
enum {
	Networking_InterfaceConnectionStatus_InterfaceUp = 1 << 0,
	Networking_InterfaceConnectionStatus_ConnectedToNetwork = 1 << 1,
	Networking_InterfaceConnectionStatus_IpAvailable = 1 << 2,
	Networking_InterfaceConnectionStatus_ConnectedToInternet = 1 << 3,
};

typedef uint32_t Networking_NtpOption;
enum {
	Networking_NtpOption_FallbackServerDisabled = 0,
	Networking_NtpOption_FallbackServerEnabled = 1,
};

/* Nothing in them is for apps. */
typedef struct Networking_IpConfig {
	uint64_t reserved[5];
} Networking_IpConfig;
typedef struct Networking_SntpServerConfig {
	uint64_t reserved[3];
} Networking_SntpServerConfig;
typedef struct Networking_DhcpServerConfig {
	uint64_t reserved[8];
} Networking_DhcpServerConfig;

typedef struct Networking_ProxyConfig Networking_ProxyConfig;

typedef uint32_t Networking_ProxyStatus;
enum {
	Networking_ProxyStatus_Enabled = 1 << 0,
	Networking_ProxyStatus_ResolvingProxyName = 1 << 1,
	Networking_ProxyStatus_Ready = 1 << 2,
};

typedef uint32_t Networking_ProxyOptions;
enum {
	Networking_ProxyOptions_None = 1 << 0,
	Networking_ProxyOptions_Enabled = 1 << 1,
	Networking_ProxyOptions_Auto = 1 << 2,
};

typedef int8_t Networking_ProxyType;
enum { Networking_ProxyType_Invalid = -1, Networking_ProxyType_HTTP = 0 };

typedef int8_t Networking_ProxyAuthType;
enum { Networking_ProxyAuthType_Invalid = -1, Networking_ProxyAuthType_Anonymous = 0, Networking_ProxyAuthType_Basic = 1 };

/* Whether the device has a network. EFAULT.
 * @holdfast differs: true when a link is up, connected, and has an address and a default route; nobody asks a server, or waits
 * for the time to be set */
int Networking_IsNetworkingReady(bool *outIsNetworkingReady);

/* How many links there are beside the loopback, or -1.
 * @holdfast implemented */
ssize_t Networking_GetInterfaceCount(void);

/* The links, as many as fit; how many, or -1. EFAULT. ERANGE: there is room for none.
 * @holdfast differs: ipConfigurationType is always DhcpNone: how a link gets its address is not told; interfaceMediumType goes
 * by the link's name */
ssize_t Networking_GetInterfaces(Networking_NetworkInterface *outNetworkInterfacesArray, size_t networkInterfacesArrayCount);

/* The state of a link. EFAULT. ENOENT: there is no such link.
 * @holdfast differs: ConnectedToInternet says that there is a default route; nobody asks a server */
int Networking_GetInterfaceConnectionStatus(const char *networkInterfaceName, Networking_InterfaceConnectionStatus *outStatus);

/* @holdfast refused: EPERM, links are the device's owner's */
int Networking_SetInterfaceState(const char *networkInterfaceName, bool isEnabled);

/* @holdfast refused: EPERM, hardware addresses are the device's owner's */
int Networking_SetHardwareAddress(const char *networkInterfaceName, const uint8_t *hardwareAddress,
				  size_t hardwareAddressLength);

/* @holdfast refused: EPERM, a hardware address tells a device from all others, and apps are not told it */
int Networking_GetHardwareAddress(const char *networkInterfaceName, Networking_Interface_HardwareAddress *outAddress);

/* @holdfast differs: clears the struct, which cannot be applied */
void Networking_IpConfig_Init(Networking_IpConfig *ipConfig);

/* @holdfast differs: clears the struct, which holds nothing */
void Networking_IpConfig_Destroy(Networking_IpConfig *ipConfig);

/* @holdfast refused: the struct stays as it is, Networking_IpConfig_Apply says why */
void Networking_IpConfig_EnableDynamicIp(Networking_IpConfig *ipConfig);

/* @holdfast refused: the struct stays as it is, Networking_IpConfig_Apply says why */
void Networking_IpConfig_EnableStaticIp(Networking_IpConfig *ipConfig, struct in_addr ipAddress, struct in_addr subnetMask,
					struct in_addr gatewayAddress);

/* @holdfast refused: the struct stays as it is, Networking_IpConfig_Apply says why */
void Networking_IpConfig_EnableAutomaticDns(Networking_IpConfig *ipConfig);

/* @holdfast refused: EPERM, as Networking_IpConfig_Apply */
int Networking_IpConfig_EnableCustomDns(Networking_IpConfig *ipConfig, const struct in_addr *dnsServerAddresses,
					size_t serverCount);

/* @holdfast refused: EPERM, addresses are the device's owner's */
int Networking_IpConfig_Apply(const char *networkInterfaceName, const Networking_IpConfig *ipConfig);

/* @holdfast refused: EPERM, addresses are the device's owner's */
int Networking_IpConfig_RenewIp(const char *networkInterfaceName);

/* @holdfast refused: EPERM, addresses are the device's owner's */
int Networking_IpConfig_ReleaseIp(const char *networkInterfaceName);

/* @holdfast refused: EPERM, where the device has its time from is its owner's business */
int Networking_TimeSync_EnableDefaultNtp(void);

/* @holdfast refused: EPERM, where the device has its time from is its owner's business */
int Networking_TimeSync_EnableAutomaticNtp(Networking_NtpOption option);

/* @holdfast refused: EPERM, where the device has its time from is its owner's business */
int Networking_TimeSync_EnableCustomNtp(const char *primaryNtpServer, const char *secondaryNtpServer,
					Networking_NtpOption option);

/* @holdfast refused: ENOTSUP, apps are not told when the time was set */
int Networking_TimeSync_GetLastNtpSyncInfo(char *outNtpServer, size_t *inOutNtpServerLength, struct tm *outTimeBeforeSync,
					   struct tm *outNtpTime);

/* @holdfast refused: EPERM, where the device has its time from is its owner's business */
int Networking_TimeSync_SetEnabled(bool enabled);

/* @holdfast refused: ENOTSUP, apps are not told where the time comes from */
int Networking_TimeSync_GetEnabled(bool *outIsEnabled);

/* @holdfast differs: clears the struct, which no server takes */
void Networking_SntpServerConfig_Init(Networking_SntpServerConfig *sntpServerConfig);

/* @holdfast differs: clears the struct, which holds nothing */
void Networking_SntpServerConfig_Destroy(Networking_SntpServerConfig *sntpServerConfig);

/* @holdfast refused: EPERM, a device serves no time to others */
int Networking_SntpServer_Start(const char *networkInterfaceName, const Networking_SntpServerConfig *sntpServerConfig);

/* @holdfast differs: clears the struct, which no server takes */
void Networking_DhcpServerConfig_Init(Networking_DhcpServerConfig *dhcpServerConfig);

/* @holdfast differs: clears the struct, which holds nothing */
void Networking_DhcpServerConfig_Destroy(Networking_DhcpServerConfig *dhcpServerConfig);

/* @holdfast refused: EPERM, as Networking_DhcpServer_Start */
int Networking_DhcpServerConfig_SetLease(Networking_DhcpServerConfig *dhcpServerConfig, struct in_addr startIpAddress,
					 uint8_t ipAddressCount, struct in_addr subnetMask, struct in_addr gatewayAddress,
					 uint32_t leaseTimeInHours);

/* @holdfast refused: EPERM, as Networking_DhcpServer_Start */
int Networking_DhcpServerConfig_SetNtpServerAddresses(Networking_DhcpServerConfig *dhcpServerConfig,
						      const struct in_addr *ntpServerAddresses, size_t serverCount);

/* @holdfast refused: EPERM, a device serves no addresses to others */
int Networking_DhcpServer_Start(const char *networkInterfaceName, const Networking_DhcpServerConfig *dhcpServerConfig);

/* A proxy of kind HTTP, enabled, anonymous, without an address; or NULL.
 * @holdfast implemented */
Networking_ProxyConfig *Networking_Proxy_Create(void);

/* Ends it. NULL is none.
 * @holdfast implemented */
void Networking_Proxy_Destroy(Networking_ProxyConfig *proxyConfig);

/* @holdfast refused: EPERM, a device has no proxy; an app that wants one sets it in its own transfers (CURLOPT_PROXY) */
int Networking_Proxy_Apply(const Networking_ProxyConfig *proxyConfig);

/* Reads the device's proxy. EFAULT, or ENOENT: there is none.
 * @holdfast differs: always ENOENT, a device has none */
int Networking_Proxy_Get(Networking_ProxyConfig *proxyConfig);

/* EFAULT: NULL.
 * @holdfast implemented */
int Networking_Proxy_SetProxyOptions(Networking_ProxyConfig *proxyConfig, Networking_ProxyOptions proxyOptions);

/* EFAULT: NULL. ERANGE: too long.
 * @holdfast implemented */
int Networking_Proxy_SetProxyAddress(Networking_ProxyConfig *proxyConfig, const char *proxyAddress, uint16_t proxyPort);

/* Forgets user and password. EFAULT: NULL.
 * @holdfast implemented */
int Networking_Proxy_SetAnonymousAuthentication(Networking_ProxyConfig *proxyConfig);

/* EFAULT: NULL. ERANGE: too long.
 * @holdfast implemented */
int Networking_Proxy_SetBasicAuthentication(Networking_ProxyConfig *proxyConfig, const char *username, const char *password);

/* Names of hosts with commas between. EFAULT: NULL. ERANGE: too long.
 * @holdfast implemented */
int Networking_Proxy_SetProxyNoProxyAddresses(Networking_ProxyConfig *proxyConfig, const char *noProxyAddresses);

/* EFAULT: NULL.
 * @holdfast implemented */
int Networking_Proxy_GetProxyOptions(const Networking_ProxyConfig *proxyConfig, Networking_ProxyOptions *proxyOptions);

/* Valid until the struct is changed or destroyed; NULL and EFAULT for NULL.
 * @holdfast implemented */
const char *Networking_Proxy_GetProxyAddress(const Networking_ProxyConfig *proxyConfig);

/* EFAULT: NULL.
 * @holdfast implemented */
int Networking_Proxy_GetProxyPort(const Networking_ProxyConfig *proxyConfig, uint16_t *proxyPort);

/* Networking_ProxyType_Invalid and EFAULT for NULL.
 * @holdfast implemented */
Networking_ProxyType Networking_Proxy_GetProxyType(const Networking_ProxyConfig *proxyConfig);

/* As Networking_Proxy_GetProxyAddress.
 * @holdfast implemented */
const char *Networking_Proxy_GetProxyUsername(const Networking_ProxyConfig *proxyConfig);

/* As Networking_Proxy_GetProxyAddress.
 * @holdfast implemented */
const char *Networking_Proxy_GetProxyPassword(const Networking_ProxyConfig *proxyConfig);

/* Networking_ProxyAuthType_Invalid and EFAULT for NULL.
 * @holdfast implemented */
Networking_ProxyAuthType Networking_Proxy_GetAuthType(const Networking_ProxyConfig *proxyConfig);

/* As Networking_Proxy_GetProxyAddress.
 * @holdfast implemented */
const char *Networking_Proxy_GetNoProxyAddresses(const Networking_ProxyConfig *proxyConfig);

/* The state of the device's proxy. EFAULT: NULL.
 * @holdfast differs: always 0, a device has none */
int Networking_Proxy_GetProxyStatus(Networking_ProxyStatus *proxyStatus);

#ifdef __cplusplus
}
#endif
