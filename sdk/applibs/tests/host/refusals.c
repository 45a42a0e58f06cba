/* What fails, and how it says so. */
#include "check.h"
#include <applibs/application.h>
#include <applibs/applications.h>
#include <applibs/certstore.h>
#include <applibs/networking_curl.h>
#include <applibs/powermanagement.h>
#include <applibs/rtc.h>
#include <applibs/wificonfig.h>
#include <time.h>

void what_is_refused_says_so(void)
{
	Networking_IpConfig address;
	Networking_ProxyConfig *proxy = Networking_Proxy_Create();
	Networking_ProxyStatus status = 9;
	uint16_t port;
	char text[300];
	bool ready;

	CHECK_ERROR(WifiConfig_AddNetwork(), ENODEV);
	CHECK_ERROR(WifiConfig_GetStoredNetworkCount(), ENODEV);
	Networking_IpConfig_Init(&address);
	CHECK_ERROR(Networking_IpConfig_Apply("eth0", &address), EPERM);
	CHECK_ERROR(Networking_SetInterfaceState("eth0", true), EPERM);
	CHECK_ERROR(Networking_TimeSync_EnableDefaultNtp(), EPERM);
	CHECK_ERROR(Application_IsDeviceAuthReady(&ready), ENOTSUP);
	CHECK_ERROR(PowerManagement_SetSystemPowerProfile(PowerManagement_Balanced), ENOTSUP);
	CHECK_ERROR(PowerManagement_SetSystemPowerProfile(3), EINVAL);
	CHECK_ERROR(Networking_Proxy_Get(proxy), ENOENT);
	CHECK_ERROR(Networking_Proxy_Apply(proxy), EPERM);
	CHECK(!Networking_Proxy_GetProxyStatus(&status) && status == 0);
	CHECK(!Networking_Proxy_SetProxyAddress(proxy, "10.0.0.1", 8080));
	CHECK(!strcmp(Networking_Proxy_GetProxyAddress(proxy), "10.0.0.1"));
	CHECK(!Networking_Proxy_GetProxyPort(proxy, &port) && port == 8080);
	CHECK(!Networking_Proxy_SetBasicAuthentication(proxy, "user", "word"));
	CHECK(Networking_Proxy_GetAuthType(proxy) == Networking_ProxyAuthType_Basic);
	CHECK(!strcmp(Networking_Proxy_GetProxyPassword(proxy), "word"));
	CHECK(!Networking_Proxy_SetAnonymousAuthentication(proxy) && !*Networking_Proxy_GetProxyUsername(proxy));
	memset(text, 'a', sizeof(text));
	CHECK_ERROR(Networking_Proxy_SetProxyAddress(proxy, text, 1), ERANGE);
	CHECK_ERROR(Networking_Proxy_SetProxyNoProxyAddresses(NULL, "a"), EFAULT);
	Networking_Proxy_Destroy(proxy);
	CHECK(!Networking_Curl_SetDefaultProxy((CURL *)text));
	CHECK_ERROR(Networking_Curl_SetDefaultProxy(NULL), EFAULT);
}

void without_a_right_to_a_service_errno_says_so(void)
{
	struct timespec time = { .tv_sec = 1 };

	unsetenv("HOLDFAST_SERVICES");
	CHECK(Applications_GetTotalMemoryUsageInKB() == 0 && errno == EACCES);
	CHECK_ERROR(CertStore_GetCertificateCount(), EACCES);
	CHECK_ERROR(CertStore_GetAvailableSpace(), EACCES);
	CHECK_ERROR(PowerManagement_ForceSystemReboot(), EACCES);
	CHECK_ERROR(clock_settime(CLOCK_REALTIME, &time), EACCES);
	CHECK_ERROR(clock_settime(CLOCK_MONOTONIC, &time), EPERM);
	CHECK_ERROR(Application_Connect("25025d2c-66da-4448-bae1-ac26fcdd3627"), EACCES);
	CHECK_ERROR(Application_Connect("25025d2c"), EINVAL);
	setenv("HOLDFAST_SERVICES", "/no/such/socket", 1);
	CHECK_ERROR(clock_systohc(), EACCES);
}
