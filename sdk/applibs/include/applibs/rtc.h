/* The clock that goes on while the device is off.
 *
 * Thread-safe. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Has the device take the system's time over; 0 or -1. EACCES: the manifest does not list `SystemTime`. EINVAL: the image cannot
 * run at that time.
 * @holdfast differs: it asks the device to set its clock to the time that it has (`set-clock`); this release writes no hardware
 * clock, so the time is gone with the power. What sets the time is clock_settime(): an app has no capability for it, but a
 * program that is linked with -Wl,--wrap=clock_settime, as the CMake functions do, has it of CLOCK_REALTIME asked of the device
 * too */
int clock_systohc(void);

#ifdef __cplusplus
}
#endif
