"""The doorbell in Python: counts presses of a button, and never forgets one. Python's own modules alone."""

import os
import select
import signal
import socket

# struct gpio_v2_line_event (Documentation/userspace-api/gpio): u64 time in nanoseconds, u32 id, and more.
RECORD = 48
RISING = 1
# A contact bounces for a few milliseconds after it closed.
STILL_NS = 5_000_000


def granted(name):
    """A descriptor by its name (sd_listen_fds(3))."""
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    if name not in names:
        raise SystemExit(f"{name} was not granted: does the app's manifest list it?")
    return 3 + names.index(name)


def tell_manager(words):
    """sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(words.encode(), path)


class Count:
    """The number of presses, whole after a power cut: written beside, flushed, renamed, and the name flushed too."""

    def __init__(self, folder):
        self.folder, self.path = folder, os.path.join(folder, "presses")
        try:
            with open(self.path) as file:
                self.presses = int(file.read())
        except FileNotFoundError:
            self.presses = 0

    def increase(self):
        self.presses += 1
        with open(self.path + ".new", "w") as file:
            file.write(str(self.presses))
            file.flush()
            os.fsync(file.fileno())
        os.rename(self.path + ".new", self.path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)


def main():
    # As PID 1 of its namespace it gets SIGTERM only if it asks for it.
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())

    button, count, last = granted("DOORBELL_BUTTON"), Count(os.environ["HOLDFAST_STORAGE"]), -STILL_NS
    print(f"doorbell counts from {count.presses}", flush=True)
    tell_manager(f"READY=1\nSTATUS={count.presses} presses")
    while True:
        readable, _, _ = select.select([wake, button], [], [])
        if wake in readable:
            print(f"doorbell stops at {count.presses}", flush=True)
            return
        events = os.read(button, 16 * RECORD)
        for at in range(0, len(events) - RECORD + 1, RECORD):
            time = int.from_bytes(events[at : at + 8], "little")
            kind = int.from_bytes(events[at + 8 : at + 12], "little")
            if kind == RISING and time - last >= STILL_NS:
                count.increase()
                print(f"doorbell rang: press {count.presses}", flush=True)
                tell_manager(f"STATUS={count.presses} presses")
            last = time


main()
