/* What an app finds by <applibs/wificonfig.h>. */
#define WIFICONFIG_STRUCTS_VERSION 1
#include "found.h"
#include <applibs/wificonfig.h>

int main(void)
{
	WifiConfig_ConnectedNetwork network;

	found("stored", WifiConfig_GetStoredNetworkCount());
	found("scanned", WifiConfig_TriggerScanAndGetScannedNetworkCount());
	found("current", WifiConfig_GetCurrentNetwork(&network));
	found("added", WifiConfig_AddNetwork());
	found_all();
}
