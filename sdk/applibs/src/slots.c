#include "slots.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>

struct slot {
	bool used;
	int fd;
	uint32_t key;
	uint32_t value;
};

static struct slot slots[SLOTS_LIMIT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct slot *find(int fd, uint32_t key)
{
	for (size_t at = 0; at < SLOTS_LIMIT; at++)
		if (slots[at].used && slots[at].fd == fd && slots[at].key == key)
			return &slots[at];
	return NULL;
}

/* Apps close descriptors without telling the library, so the places of closed ones are free. */
static struct slot *find_free(void)
{
	for (size_t at = 0; at < SLOTS_LIMIT; at++)
		if (!slots[at].used || fcntl(slots[at].fd, F_GETFD) < 0)
			return &slots[at];
	return NULL;
}

void applibs_slots_forget(int fd)
{
	pthread_mutex_lock(&lock);
	for (size_t at = 0; at < SLOTS_LIMIT; at++)
		if (slots[at].fd == fd)
			slots[at].used = false;
	pthread_mutex_unlock(&lock);
}

int applibs_slots_set(int fd, uint32_t key, uint32_t value)
{
	struct slot *slot;

	pthread_mutex_lock(&lock);
	slot = find(fd, key);
	if (!slot)
		slot = find_free();
	if (slot)
		*slot = (struct slot){ .used = true, .fd = fd, .key = key, .value = value };
	pthread_mutex_unlock(&lock);
	if (slot)
		return 0;
	errno = ENOBUFS;
	return -1;
}

bool applibs_slots_get(int fd, uint32_t key, uint32_t *value)
{
	struct slot *slot;

	pthread_mutex_lock(&lock);
	slot = find(fd, key);
	if (slot)
		*value = slot->value;
	pthread_mutex_unlock(&lock);
	return slot != NULL;
}
