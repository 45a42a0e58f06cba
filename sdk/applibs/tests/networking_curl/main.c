/* What an app finds by <applibs/networking_curl.h>. */
#include "found.h"
#include <applibs/networking_curl.h>

int main(void)
{
	int handle;

	/* Nothing of a transfer is looked at: there is no proxy to set. */
	found("default proxy", Networking_Curl_SetDefaultProxy((CURL *)&handle));
	found("no transfer", Networking_Curl_SetDefaultProxy(NULL));
	found_all();
}
