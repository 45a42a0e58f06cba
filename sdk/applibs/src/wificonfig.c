/* There is no radio. Every function says so, in the order of the header. */
#include <applibs/wificonfig.h>
#include <errno.h>

static int no_radio(void)
{
	errno = ENODEV;
	return -1;
}

int WifiConfig_StoreOpenNetwork(const uint8_t *ssid, size_t ssidLength)
{
	(void)ssid;
	(void)ssidLength;
	return no_radio();
}

int WifiConfig_StoreWpa2Network(const uint8_t *ssid, size_t ssidLength, const char *psk, size_t pskLength)
{
	(void)ssid;
	(void)ssidLength;
	(void)psk;
	(void)pskLength;
	return no_radio();
}

int WifiConfig_ForgetNetwork(const WifiConfig_StoredNetwork *storedNetwork)
{
	(void)storedNetwork;
	return no_radio();
}

int WifiConfig_ForgetNetworkById(int networkId)
{
	(void)networkId;
	return no_radio();
}

int WifiConfig_ForgetAllNetworks(void)
{
	return no_radio();
}

ssize_t WifiConfig_GetStoredNetworkCount(void)
{
	return no_radio();
}

ssize_t WifiConfig_GetStoredNetworks(WifiConfig_StoredNetwork *storedNetworkArray, size_t storedNetworkArrayCount)
{
	(void)storedNetworkArray;
	(void)storedNetworkArrayCount;
	return no_radio();
}

int WifiConfig_GetCurrentNetwork(WifiConfig_ConnectedNetwork *connectedNetwork)
{
	(void)connectedNetwork;
	return no_radio();
}

int WifiConfig_GetConnectedNetworkId(void)
{
	return no_radio();
}

ssize_t WifiConfig_TriggerScanAndGetScannedNetworkCount(void)
{
	return no_radio();
}

ssize_t WifiConfig_GetScannedNetworks(WifiConfig_ScannedNetwork *scannedNetworkArray, size_t scannedNetworkArrayCount)
{
	(void)scannedNetworkArray;
	(void)scannedNetworkArrayCount;
	return no_radio();
}

int WifiConfig_AddNetwork(void)
{
	return no_radio();
}

int WifiConfig_AddDuplicateNetwork(int networkId, const char *configName)
{
	(void)networkId;
	(void)configName;
	return no_radio();
}

int WifiConfig_SetSSID(int networkId, const uint8_t *ssid, size_t ssidLength)
{
	(void)networkId;
	(void)ssid;
	(void)ssidLength;
	return no_radio();
}

int WifiConfig_SetSecurityType(int networkId, WifiConfig_Security_Type securityType)
{
	(void)networkId;
	(void)securityType;
	return no_radio();
}

int WifiConfig_SetNetworkEnabled(int networkId, bool enabled)
{
	(void)networkId;
	(void)enabled;
	return no_radio();
}

int WifiConfig_PersistConfig(void)
{
	return no_radio();
}

int WifiConfig_ReloadConfig(void)
{
	return no_radio();
}

int WifiConfig_SetPSK(int networkId, const char *psk, size_t pskLength)
{
	(void)networkId;
	(void)psk;
	(void)pskLength;
	return no_radio();
}

int WifiConfig_SetTargetedScanEnabled(int networkId, bool enabled)
{
	(void)networkId;
	(void)enabled;
	return no_radio();
}

int WifiConfig_GetClientIdentity(int networkId, WifiConfig_ClientIdentity *outIdentity)
{
	(void)networkId;
	(void)outIdentity;
	return no_radio();
}

int WifiConfig_SetClientIdentity(int networkId, const char *identity)
{
	(void)networkId;
	(void)identity;
	return no_radio();
}

int WifiConfig_GetClientCertStoreIdentifier(int networkId, CertStore_Identifier *outIdentifier)
{
	(void)networkId;
	(void)outIdentifier;
	return no_radio();
}

int WifiConfig_SetClientCertStoreIdentifier(int networkId, const char *certStoreIdentifier)
{
	(void)networkId;
	(void)certStoreIdentifier;
	return no_radio();
}

int WifiConfig_GetRootCACertStoreIdentifier(int networkId, CertStore_Identifier *outIdentifier)
{
	(void)networkId;
	(void)outIdentifier;
	return no_radio();
}

int WifiConfig_SetRootCACertStoreIdentifier(int networkId, const char *certStoreIdentifier)
{
	(void)networkId;
	(void)certStoreIdentifier;
	return no_radio();
}

int WifiConfig_SetConfigName(int networkId, const char *configName)
{
	(void)networkId;
	(void)configName;
	return no_radio();
}

int WifiConfig_GetNetworkIdByConfigName(const char *configName)
{
	(void)configName;
	return no_radio();
}

int WifiConfig_GetNetworkDiagnostics(int networkId, WifiConfig_NetworkDiagnostics *networkDiagnostics)
{
	(void)networkId;
	(void)networkDiagnostics;
	return no_radio();
}
