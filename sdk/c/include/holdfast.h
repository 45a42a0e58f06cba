/* The SDK of Holdfast for C. Made from sdk/c/src by cbindgen; a test compares.
 *
 * Functions that return int or ssize_t return a negative errno value when they fail: -EACCES where the manifest does not list it,
 * -EINVAL for a NULL or for text that is not UTF-8. Nothing here starts a thread. Thread-safe, but for two calls with one
 * descriptor. */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 An edge of an input line.
 */
struct HoldfastEdge {
  /*
   When, in nanoseconds on the kernel's monotonic clock.
   */
  uint64_t time_ns;
  /*
   Counts this line's edges; a gap tells that some were dropped.
   */
  uint32_t sequence;
  /*
   1: it became active, 0: inactive.
   */
  uint32_t rising;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Takes the descriptor that the manifest calls by this name, with `$` or without; parts of a peripheral have a dot, such as
 "DIMMER.0.period". It is the caller's to close, and can be taken once. -EACCES: the manifest does not list it, or it was
 taken.

 ```c
 int port = holdfast_granted("SERIAL_PORT");

 if (port < 0 || write(port, "read\r\n", 6) != 6)
         return 1;
 ```

 # Safety

 `name` is NULL or a text that ends with NUL.
 */
int holdfast_granted(const char *name);

/*
 Reads edges of an input line that holdfast_granted gave, at most `count`; how many there were, 0 if a signal came. Waits for one if
 there is none: poll(2) tells.

 ```c
 int button = holdfast_granted("BUTTON"), lamp = holdfast_granted("LAMP");
 struct HoldfastEdge edges[16];
 ptrdiff_t count = holdfast_edges(button, edges, 16);

 for (ptrdiff_t i = 0; i < count; i++)
         holdfast_gpio_set(lamp, edges[i].rising);
 ```

 # Safety

 `edges` is NULL or room for `count` of them.
 */
ptrdiff_t holdfast_edges(int line,
                         struct HoldfastEdge *edges,
                         size_t count);

/*
 Whether a line is active now: 1 or 0.
 */
int holdfast_gpio_value(int line);

/*
 Makes an output line active (not 0) or inactive (0).
 */
int holdfast_gpio_set(int line, int active);

/*
 Tells the manager that the app is ready for work. Outside of a device these functions say nothing to nobody.

 ```c
 struct pollfd ends = { .fd = holdfast_termination(), .events = POLLIN };

 holdfast_status("waiting for the first press");
 holdfast_ready();
 while (poll(&ends, 1, (int)holdfast_ping_interval_ms()) == 0)
         holdfast_alive();
 holdfast_stopping();
 ```
 */
void holdfast_ready(void);

/*
 Tells that the app is alive: at least once in holdfast_ping_interval_ms, where the manifest has a Watchdog.
 */
void holdfast_alive(void);

/*
 Tells that the app is about to end.
 */
void holdfast_stopping(void);

/*
 Sets the app's status line.

 # Safety

 `line` is NULL or a text that ends with NUL.
 */
int holdfast_status(const char *line);

/*
 Milliseconds between two signs of life; -1 if the manifest asks for none.
 */
int64_t holdfast_ping_interval_ms(void);

/*
 A descriptor that is readable once the app shall end (SIGTERM); the caller's to close. Blocks SIGTERM and SIGINT for this
 thread and those that it starts: call it before any other thread is there.
 */
int holdfast_termination(void);

/*
 Asks app-services, such as `{"memory":{}}`. Returns 0 with the reply, `{"ok":…}` or `{"error":…}`, in `*reply`, to be freed by
 holdfast_free; a descriptor that came along is in `*descriptor`, or -1. `descriptor` may be NULL: then one is closed. Waits for
 the reply, which for `accept` and `updates` comes when something happens. -EACCES: the manifest lists no right to a service.
 -EBADMSG: it is no request. -EPIPE: the connection broke; it may have been carried out. -EPROTO: what came is no reply.

 ```c
 char *reply;

 if (holdfast_ask("{\"memory\":{}}", &reply, NULL) == 0) {
         puts(reply);
         holdfast_free(reply);
 }
 ```

 # Safety

 `request` is NULL or a text that ends with NUL; `reply` is NULL or room for a pointer; `descriptor` is NULL or room for an int.
 */
int holdfast_ask(const char *request,
                 char **reply,
                 int *descriptor);

/*
 Frees a reply of holdfast_ask; NULL is none.

 # Safety

 `reply` is NULL or came from holdfast_ask and was not freed yet.
 */
void holdfast_free(char *reply);

/*
 Reads a file whole; its length. -ENOENT: there is none. -ERANGE: it has more than `size` bytes, and nothing was read.

 # Safety

 `name` is NULL or a text that ends with NUL; `into` is NULL or room for `size` bytes.
 */
ptrdiff_t holdfast_storage_read(const char *name, uint8_t *into, size_t size);

/*
 Replaces a file: when this returns 0, the new content survives a power cut; before, the old or the new one is there, whole.
 -EDQUOT: the quota is used up.

 ```c
 uint8_t count = 0;

 if (holdfast_storage_read("count", &count, 1) < 0)
         puts("none yet");
 count++;
 if (holdfast_storage_write("count", &count, 1) != 0)
         return 1;
 ```

 # Safety

 `name` is NULL or a text that ends with NUL; `content` is NULL or `length` bytes.
 */
int holdfast_storage_write(const char *name,
                           const uint8_t *content,
                           size_t length);

/*
 Removes a file; one that is not there is no failure.

 # Safety

 `name` is NULL or a text that ends with NUL.
 */
int holdfast_storage_remove(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
