/* Names that processes share: System V IPC, POSIX queues. */
#include "attack.h"
#include <mqueue.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static int shared_memory(void) { return outcome(shmget(CANARY_SYSV_KEY, 0, 0)); }
static int semaphore(void) { return outcome(semget(CANARY_SYSV_KEY, 0, 0)); }
static int message_queue(void) { return outcome(msgget(CANARY_SYSV_KEY, 0)); }
static int posix_queue(void) { return outcome(mq_open(CANARY_QUEUE, O_RDWR)); }

const struct attack shared_attacks[] = {
	{ "shared-memory", shared_memory },
	{ "semaphore", semaphore },
	{ "message-queue", message_queue },
	{ "posix-queue", posix_queue },
	{ 0 },
};
