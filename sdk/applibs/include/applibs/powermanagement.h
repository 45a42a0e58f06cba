/* The device's power. Wants `PowerControls` in the manifest.
 *
 * Thread-safe. EACCES: the manifest does not list it. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t PowerManagement_System_PowerProfile;
enum {
	PowerManagement_PowerSaver = 0,
	PowerManagement_Balanced = 1,
	PowerManagement_HighPerformance = 2,
};

/* Restarts the device, in order. It returns; SIGTERM follows. Wants `ForceReboot`.
 * @holdfast implemented */
int PowerManagement_ForceSystemReboot(void);

/* Powers the device down, in order, for so many seconds. It returns; SIGTERM follows. Wants `ForcePowerDown`. EINVAL: 0 seconds.
 * @holdfast differs: the alarm of a real-time clock switches the device on again, so the manifest lists one (`"Holdfast": {
 * "Rtc": … }`); without one it is refused (ENOTSUP), for the device would not come back. Whether the alarm reaches the power
 * supply is the board's */
int PowerManagement_ForceSystemPowerDown(unsigned int maximum_residency_in_seconds);

/* EINVAL: not a profile. ENOTSUP otherwise.
 * @holdfast refused: ENOTSUP, the image's kernel decides on the processor's frequency */
int PowerManagement_SetSystemPowerProfile(PowerManagement_System_PowerProfile desired_profile);

#ifdef __cplusplus
}
#endif
