/* Networking_Proxy_*: a device has no proxy, so what is here is the app's own struct. */
#include "say.h"
#include <applibs/networking.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct Networking_ProxyConfig {
	Networking_ProxyOptions options;
	Networking_ProxyAuthType authentication;
	uint16_t port;
	char address[PROXY_ADDRESS_MAX_LENGTH + 1];
	char none_for[PROXY_NO_PROXY_ADDRESSES_MAX_LENGTH + 1];
	char user[PROXY_USERNAME_MAX_LENGTH + 1];
	char password[PROXY_PASSWORD_MAX_LENGTH + 1];
};

/* -1 and EFAULT, unless both are there. */
static int both(const void *one, const void *other)
{
	if (one && other)
		return 0;
	errno = EFAULT;
	return -1;
}

/* Whether a text has its end within so many bytes. */
static int fits(const char *text, size_t most)
{
	if (strnlen(text, most + 1) <= most)
		return 0;
	errno = ERANGE;
	return -1;
}

Networking_ProxyConfig *Networking_Proxy_Create(void)
{
	Networking_ProxyConfig *config = calloc(1, sizeof(*config));

	if (config) {
		config->options = Networking_ProxyOptions_Enabled;
		config->authentication = Networking_ProxyAuthType_Anonymous;
	}
	return config;
}

void Networking_Proxy_Destroy(Networking_ProxyConfig *proxyConfig)
{
	if (proxyConfig)
		explicit_bzero(proxyConfig, sizeof(*proxyConfig));
	free(proxyConfig);
}

int Networking_Proxy_Apply(const Networking_ProxyConfig *proxyConfig)
{
	if (both(proxyConfig, proxyConfig) < 0)
		return -1;
	applibs_say("a device has no proxy: set it in your own transfers");
	errno = EPERM;
	return -1;
}

int Networking_Proxy_Get(Networking_ProxyConfig *proxyConfig)
{
	if (both(proxyConfig, proxyConfig) < 0)
		return -1;
	errno = ENOENT;
	return -1;
}

int Networking_Proxy_SetProxyOptions(Networking_ProxyConfig *proxyConfig, Networking_ProxyOptions proxyOptions)
{
	if (both(proxyConfig, proxyConfig) < 0)
		return -1;
	proxyConfig->options = proxyOptions;
	return 0;
}

int Networking_Proxy_SetProxyAddress(Networking_ProxyConfig *proxyConfig, const char *proxyAddress, uint16_t proxyPort)
{
	if (both(proxyConfig, proxyAddress) < 0 || fits(proxyAddress, PROXY_ADDRESS_MAX_LENGTH) < 0)
		return -1;
	strcpy(proxyConfig->address, proxyAddress);
	proxyConfig->port = proxyPort;
	return 0;
}

int Networking_Proxy_SetAnonymousAuthentication(Networking_ProxyConfig *proxyConfig)
{
	if (both(proxyConfig, proxyConfig) < 0)
		return -1;
	proxyConfig->authentication = Networking_ProxyAuthType_Anonymous;
	explicit_bzero(proxyConfig->user, sizeof(proxyConfig->user));
	explicit_bzero(proxyConfig->password, sizeof(proxyConfig->password));
	return 0;
}

int Networking_Proxy_SetBasicAuthentication(Networking_ProxyConfig *proxyConfig, const char *username, const char *password)
{
	if (both(proxyConfig, username) < 0 || both(password, password) < 0)
		return -1;
	if (fits(username, PROXY_USERNAME_MAX_LENGTH) < 0 || fits(password, PROXY_PASSWORD_MAX_LENGTH) < 0)
		return -1;
	proxyConfig->authentication = Networking_ProxyAuthType_Basic;
	strcpy(proxyConfig->user, username);
	strcpy(proxyConfig->password, password);
	return 0;
}

int Networking_Proxy_SetProxyNoProxyAddresses(Networking_ProxyConfig *proxyConfig, const char *noProxyAddresses)
{
	if (both(proxyConfig, noProxyAddresses) < 0 || fits(noProxyAddresses, PROXY_NO_PROXY_ADDRESSES_MAX_LENGTH) < 0)
		return -1;
	strcpy(proxyConfig->none_for, noProxyAddresses);
	return 0;
}

int Networking_Proxy_GetProxyOptions(const Networking_ProxyConfig *proxyConfig, Networking_ProxyOptions *proxyOptions)
{
	if (both(proxyConfig, proxyOptions) < 0)
		return -1;
	*proxyOptions = proxyConfig->options;
	return 0;
}

const char *Networking_Proxy_GetProxyAddress(const Networking_ProxyConfig *proxyConfig)
{
	return both(proxyConfig, proxyConfig) < 0 ? NULL : proxyConfig->address;
}

int Networking_Proxy_GetProxyPort(const Networking_ProxyConfig *proxyConfig, uint16_t *proxyPort)
{
	if (both(proxyConfig, proxyPort) < 0)
		return -1;
	*proxyPort = proxyConfig->port;
	return 0;
}

Networking_ProxyType Networking_Proxy_GetProxyType(const Networking_ProxyConfig *proxyConfig)
{
	return both(proxyConfig, proxyConfig) < 0 ? Networking_ProxyType_Invalid : Networking_ProxyType_HTTP;
}

const char *Networking_Proxy_GetProxyUsername(const Networking_ProxyConfig *proxyConfig)
{
	return both(proxyConfig, proxyConfig) < 0 ? NULL : proxyConfig->user;
}

const char *Networking_Proxy_GetProxyPassword(const Networking_ProxyConfig *proxyConfig)
{
	return both(proxyConfig, proxyConfig) < 0 ? NULL : proxyConfig->password;
}

Networking_ProxyAuthType Networking_Proxy_GetAuthType(const Networking_ProxyConfig *proxyConfig)
{
	return both(proxyConfig, proxyConfig) < 0 ? Networking_ProxyAuthType_Invalid : proxyConfig->authentication;
}

const char *Networking_Proxy_GetNoProxyAddresses(const Networking_ProxyConfig *proxyConfig)
{
	return both(proxyConfig, proxyConfig) < 0 ? NULL : proxyConfig->none_for;
}

int Networking_Proxy_GetProxyStatus(Networking_ProxyStatus *proxyStatus)
{
	if (both(proxyStatus, proxyStatus) < 0)
		return -1;
	*proxyStatus = 0;
	return 0;
}
