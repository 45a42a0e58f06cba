/* Wireless networks. A device has no radio: every function fails with ENODEV.
 *
 * Thread-safe. */
#pragma once

#include <applibs/certstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WIFICONFIG_SSID_MAX_LENGTH 32
#define WIFICONFIG_WPA2_KEY_MAX_BUFFER_SIZE 64
#define WIFICONFIG_BSSID_BUFFER_SIZE 6
#define WIFICONFIG_CONFIG_NAME_MAX_LENGTH 16
#define WIFICONFIG_EAP_IDENTITY_MAX_LENGTH 254

typedef enum {
	WifiConfig_Security_Unknown = 0,
	WifiConfig_Security_Open = 1,
	WifiConfig_Security_Wpa2_Psk = 2,
	WifiConfig_Security_Wpa2_EAP_TLS = 3,
} WifiConfig_Security;
typedef uint8_t WifiConfig_Security_Type;

typedef struct WifiConfig_StoredNetwork {
	uint8_t ssid[WIFICONFIG_SSID_MAX_LENGTH];
	uint8_t ssidLength;
	bool isEnabled;
	bool isConnected;
	WifiConfig_Security_Type security;
} WifiConfig_StoredNetwork;

typedef struct WifiConfig_ConnectedNetwork {
	uint8_t ssid[WIFICONFIG_SSID_MAX_LENGTH];
	uint8_t bssid[WIFICONFIG_BSSID_BUFFER_SIZE];
	uint8_t ssidLength;
	WifiConfig_Security_Type security;
	uint32_t frequencyMHz;
	int8_t signalRssi;
} WifiConfig_ConnectedNetwork;

typedef struct WifiConfig_ScannedNetwork {
	uint8_t ssid[WIFICONFIG_SSID_MAX_LENGTH];
	uint8_t bssid[WIFICONFIG_BSSID_BUFFER_SIZE];
	uint8_t ssidLength;
	WifiConfig_Security_Type security;
	uint32_t frequencyMHz;
	int8_t signalRssi;
} WifiConfig_ScannedNetwork;

typedef struct WifiConfig_ClientIdentity {
	char identity[WIFICONFIG_EAP_IDENTITY_MAX_LENGTH + 1];
} WifiConfig_ClientIdentity;

typedef struct WifiConfig_NetworkDiagnostics {
	uint8_t isEnabled;
	uint8_t isConnected;
	int32_t error;
	time_t timestamp;
	int32_t certError;
	int32_t certDepth;
	CertStore_SubjectName certSubject;
} WifiConfig_NetworkDiagnostics;

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_StoreOpenNetwork(const uint8_t *ssid, size_t ssidLength);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_StoreWpa2Network(const uint8_t *ssid, size_t ssidLength, const char *psk, size_t pskLength);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_ForgetNetwork(const WifiConfig_StoredNetwork *storedNetwork);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_ForgetNetworkById(int networkId);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_ForgetAllNetworks(void);

/* @holdfast refused: ENODEV, there is no radio */
ssize_t WifiConfig_GetStoredNetworkCount(void);

/* @holdfast refused: ENODEV, there is no radio */
ssize_t WifiConfig_GetStoredNetworks(WifiConfig_StoredNetwork *storedNetworkArray, size_t storedNetworkArrayCount);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetCurrentNetwork(WifiConfig_ConnectedNetwork *connectedNetwork);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetConnectedNetworkId(void);

/* @holdfast refused: ENODEV, there is no radio */
ssize_t WifiConfig_TriggerScanAndGetScannedNetworkCount(void);

/* @holdfast refused: ENODEV, there is no radio */
ssize_t WifiConfig_GetScannedNetworks(WifiConfig_ScannedNetwork *scannedNetworkArray, size_t scannedNetworkArrayCount);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_AddNetwork(void);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_AddDuplicateNetwork(int networkId, const char *configName);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetSSID(int networkId, const uint8_t *ssid, size_t ssidLength);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetSecurityType(int networkId, WifiConfig_Security_Type securityType);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetNetworkEnabled(int networkId, bool enabled);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_PersistConfig(void);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_ReloadConfig(void);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetPSK(int networkId, const char *psk, size_t pskLength);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetTargetedScanEnabled(int networkId, bool enabled);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetClientIdentity(int networkId, WifiConfig_ClientIdentity *outIdentity);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetClientIdentity(int networkId, const char *identity);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetClientCertStoreIdentifier(int networkId, CertStore_Identifier *outIdentifier);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetClientCertStoreIdentifier(int networkId, const char *certStoreIdentifier);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetRootCACertStoreIdentifier(int networkId, CertStore_Identifier *outIdentifier);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetRootCACertStoreIdentifier(int networkId, const char *certStoreIdentifier);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_SetConfigName(int networkId, const char *configName);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetNetworkIdByConfigName(const char *configName);

/* @holdfast refused: ENODEV, there is no radio */
int WifiConfig_GetNetworkDiagnostics(int networkId, WifiConfig_NetworkDiagnostics *networkDiagnostics);

#ifdef __cplusplus
}
#endif
