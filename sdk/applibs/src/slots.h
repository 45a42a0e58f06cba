/* Numbers that belong to a descriptor of the app's and have no place in the kernel: the speed of an SPI device, the reference
 * voltage of a channel, the address of an I2C device. The interface that this library follows makes them necessary: it sets
 * such things by descriptor. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Most numbers that are kept. An app has 16 peripherals at most. */
#define SLOTS_LIMIT 64

/* Forgets what was kept for a descriptor: its number means another one now. */
void applibs_slots_forget(int fd);

/* Keeps a number; 0, or -1 and ENOBUFS if all places are taken by descriptors that are open. */
int applibs_slots_set(int fd, uint32_t key, uint32_t value);

/* Whether one is kept, and which. */
bool applibs_slots_get(int fd, uint32_t key, uint32_t *value);
