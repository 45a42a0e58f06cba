"""Uses the SDK as sdk/c/tests/header.rs expects it."""

import errno
import os

import holdfast


def failing(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "nothing"


print(f"ping {int(holdfast.ping_interval() * 1000)}")
with os.fdopen(holdfast.granted("$GREETING")) as greeting:
    print("greeting", greeting.read().rstrip())
print("again", failing(holdfast.granted, "GREETING"))
holdfast.ready()
holdfast.status("2 presses")
holdfast.termination()
holdfast.alive()
print("none", failing(holdfast.read, "count"))
holdfast.write("count", b"42")
print("stored", holdfast.read("count").decode())
print("short", failing(holdfast.read, "count", 1))
print("bad", failing(holdfast.write, "../count", b"42"))
holdfast.remove("count")
print("ask", failing(holdfast.ask, {"memory": {}}))
holdfast.stopping()
