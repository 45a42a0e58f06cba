#include "services.h"
#include "say.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* SERVICE_PACKET_LIMIT of the protocol. */
#define PACKET_LIMIT 16384

static void close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

int applibs_services_connect(void)
{
	const char *path = getenv("HOLDFAST_SERVICES");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path)) {
		applibs_say("there is no socket of app-services: the app's manifest lists no right to a service");
		errno = EACCES;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (errno == ENOENT)
		errno = EACCES;
	else if (errno == ECONNREFUSED)
		errno = EAGAIN;
	close_keeping_errno(fd);
	return -1;
}

/* The request as text, from malloc(); parameters are taken over. */
static char *request_text(const char *request, json_t *parameters)
{
	json_t *object = json_pack("{s:o}", request, parameters ? parameters : json_object());
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text)
		errno = ENOMEM;
	return text;
}

int applibs_services_send(int socket, const char *request, json_t *parameters)
{
	char *text = request_text(request, parameters);
	size_t length = text ? strlen(text) : 0;
	int result = -1;

	if (!text)
		return -1;
	if (length > PACKET_LIMIT)
		errno = EMSGSIZE;
	else if (send(socket, text, length, MSG_NOSIGNAL) >= 0)
		result = 0;
	else if (errno == EPIPE || errno == ECONNRESET)
		errno = EAGAIN;
	free(text);
	return result;
}

static int passed_descriptor(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* One packet; its length, or -1. There is room for one descriptor, the kernel closes any further. */
static ssize_t receive_packet(int socket, char *bytes, size_t size, int *passed)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { .iov_base = bytes, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t length;

	if (passed) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	do
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (passed)
		*passed = length < 0 ? -1 : passed_descriptor(&message);
	if (length == 0 || (length < 0 && errno == ECONNRESET)) {
		errno = EAGAIN;
		return -1;
	}
	if (length > 0 && message.msg_flags & MSG_TRUNC) {
		errno = EPROTO;
		return -1;
	}
	return length;
}

static int errno_of(const char *class)
{
	static const struct {
		const char *class;
		int error;
	} table[] = {
		{ "usage", EINVAL },	    { "bad-input", EINVAL }, { "not-granted", EACCES },	 { "forbidden", EACCES },
		{ "not-found", ENOENT },    { "conflict", EBUSY },   { "unavailable", EAGAIN },	 { "no-space", ENOSPC },
	};

	for (size_t at = 0; class && at < sizeof(table) / sizeof(*table); at++)
		if (!strcmp(table[at].class, class))
			return table[at].error;
	return EIO;
}

/* Says a refusal and makes errno of it. */
static void refuse(const char *request, const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *hint = json_string_value(json_object_get(error, "hint"));

	applibs_say("%s: %s%s%s", request, message ? message : "refused", hint ? ": " : "", hint ? hint : "");
	errno = errno_of(json_string_value(json_object_get(error, "class")));
}

static json_t *read_reply(const char *request, const char *bytes, size_t length)
{
	json_t *reply = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
	json_t *ok = json_object_get(reply, "ok"), *error = json_object_get(reply, "error");

	if (json_is_object(ok)) {
		json_incref(ok);
	} else {
		ok = NULL;
		if (json_is_object(error))
			refuse(request, error);
		else
			errno = EPROTO;
	}
	json_decref(reply);
	return ok;
}

json_t *applibs_services_receive(int socket, const char *request, int *passed)
{
	char *bytes = malloc(PACKET_LIMIT);
	json_t *ok = NULL;
	ssize_t length;

	if (passed)
		*passed = -1;
	if (!bytes)
		return NULL;
	length = receive_packet(socket, bytes, PACKET_LIMIT, passed);
	if (length >= 0)
		ok = read_reply(request, bytes, (size_t)length);
	if (!ok && passed && *passed >= 0) {
		close_keeping_errno(*passed);
		*passed = -1;
	}
	free(bytes);
	return ok;
}

json_t *applibs_services_ask(const char *request, json_t *parameters, int *passed)
{
	int socket = applibs_services_connect();
	json_t *ok = NULL;

	if (socket < 0) {
		json_decref(parameters);
		return NULL;
	}
	if (!applibs_services_send(socket, request, parameters))
		ok = applibs_services_receive(socket, request, passed);
	close_keeping_errno(socket);
	return ok;
}

int applibs_services_do(const char *request, json_t *parameters)
{
	json_t *ok = applibs_services_ask(request, parameters, NULL);

	json_decref(ok);
	return ok ? 0 : -1;
}

int applibs_services_number(const json_t *object, const char *name, json_int_t *number)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_integer(member)) {
		errno = EPROTO;
		return -1;
	}
	*number = json_integer_value(member);
	return 0;
}
