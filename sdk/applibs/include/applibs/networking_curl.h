/* The device's proxy for libcurl.
 *
 * Thread-safe. */
#pragma once

#include <applibs/networking.h>
#if defined(__has_include)
#if __has_include(<curl/curl.h>)
#include <curl/curl.h>
#define APPLIBS_HAS_CURL 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifndef APPLIBS_HAS_CURL
/* As libcurl has it. */
typedef void CURL;
#endif

/* Has a transfer use the device's proxy. EFAULT.
 * @holdfast differs: a device has no proxy, so there is nothing to set: succeeds, as it did on a device without one */
int Networking_Curl_SetDefaultProxy(CURL *curlHandle);

#ifdef __cplusplus
}
#endif
