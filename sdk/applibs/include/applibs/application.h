/* Connections with other apps.
 *
 * Thread-safe. */
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Connects with the app that has this component id: a connected socket, or -1. EINVAL: it is no component id. EACCES: the
 * manifest of one of the two does not list the other under `AllowedApplicationConnections`. EBUSY: it does not run, or takes no
 * more. EAGAIN: nobody answers.
 * @holdfast differs: the other end is an app, which accepts by app-services' request `accept`: there are no real-time cores; a
 * message is a packet (SOCK_SEQPACKET) of up to 64 KiB */
int Application_Connect(const char *componentId);

/* Whether the app can authenticate itself by the device's certificate. EFAULT or ENOTSUP.
 * @holdfast refused: ENOTSUP, there is no Azure Sphere service that certifies devices; an app keeps certificates of its own
 * (certstore.h) */
int Application_IsDeviceAuthReady(bool *outIsDeviceAuthReady);

#ifdef __cplusplus
}
#endif
