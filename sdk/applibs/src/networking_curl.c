#include <applibs/networking_curl.h>
#include <errno.h>

int Networking_Curl_SetDefaultProxy(CURL *curlHandle)
{
	if (curlHandle)
		return 0;
	errno = EFAULT;
	return -1;
}
