/* app-services on the app's own socket: one JSON object a packet, one reply a request (manifest/src/services.rs).
 *
 * A call makes a connection of its own, so there is nothing to keep, to lock or to mend. Refusals are told in the log with the
 * manifest's line that would change them, and become errno: EACCES not granted, ENOENT no such thing, EINVAL bad input, EBUSY
 * the device's state, EAGAIN nobody answers, ENOSPC full, EPROTO not understood, EIO anything else. */
#pragma once

#include <jansson.h>

/* Asks, waits, and returns what stands under `ok`, for json_decref(); or NULL and errno. parameters are taken over; NULL is
 * none. A descriptor that comes along is in *passed, -1 if there is none; with NULL none is taken. */
json_t *applibs_services_ask(const char *request, json_t *parameters, int *passed);

/* The same for requests whose reply says nothing more; 0, or -1. */
int applibs_services_do(const char *request, json_t *parameters);

/* The parts of applibs_services_ask, for a reply that comes later. */
int applibs_services_connect(void);
int applibs_services_send(int socket, const char *request, json_t *parameters);
json_t *applibs_services_receive(int socket, const char *request, int *passed);

/* A member of a reply: 0, or -1 and EPROTO. */
int applibs_services_number(const json_t *object, const char *name, json_int_t *number);
