"""The SDK of Holdfast for Python, over its library for C.

    import holdfast, select

    button, ends = holdfast.granted("DOORBELL_BUTTON"), holdfast.termination()
    holdfast.ready()
    while True:
        readable, _, _ = select.select([button, ends], [], [], holdfast.ping_interval())
        if ends in readable:
            break
        if button in readable:
            print(holdfast.edges(button), flush=True)
        holdfast.alive()

An app needs none of it: the conventions behind it are public, and samples/doorbell-python follows them with Python's own modules.
The library is found by the loader, or where HOLDFAST_LIBRARY says.
"""

import ctypes
import errno
import json
import os
from typing import List, NamedTuple, Optional, Tuple

__all__ = [
    "Edge",
    "Refused",
    "alive",
    "ask",
    "edges",
    "gpio_set",
    "gpio_value",
    "granted",
    "ping_interval",
    "read",
    "ready",
    "remove",
    "status",
    "stopping",
    "termination",
    "write",
]

# Longest file of an app's storage that is read, in bytes.
READ_LIMIT = 1 << 20
# The kernel keeps as many edges of a line.
EDGES = 16


class Edge(NamedTuple):
    """An edge of a GPIO line."""

    time_ns: int
    """When, on the kernel's monotonic clock."""
    sequence: int
    """Counts this line's edges; a gap tells that some were dropped."""
    rising: bool
    """Whether the line became active."""


class Refused(Exception):
    """app-services will not: the manifest lacks a line, or something is in the way."""

    def __init__(self, body: dict):
        super().__init__(body.get("message", "refused"))
        self.kind: Optional[str] = body.get("class")
        self.hint: Optional[str] = body.get("hint")


class _Edge(ctypes.Structure):
    _fields_ = [("time_ns", ctypes.c_uint64), ("sequence", ctypes.c_uint32), ("rising", ctypes.c_uint32)]


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(os.environ.get("HOLDFAST_LIBRARY", "libholdfast.so"))
    text, number, size = ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    for name, result, arguments in [
        ("ready", None, []),
        ("alive", None, []),
        ("stopping", None, []),
        ("status", number, [text]),
        ("ping_interval_ms", ctypes.c_int64, []),
        ("termination", number, []),
        ("granted", number, [text]),
        ("edges", ctypes.c_ssize_t, [number, ctypes.POINTER(_Edge), size]),
        ("gpio_value", number, [number]),
        ("gpio_set", number, [number, number]),
        ("storage_read", ctypes.c_ssize_t, [text, ctypes.c_char_p, size]),
        ("storage_write", number, [text, ctypes.c_char_p, size]),
        ("storage_remove", number, [text]),
        ("ask", number, [text, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(number)]),
        ("free", None, [ctypes.c_void_p]),
    ]:
        function = getattr(library, f"holdfast_{name}")
        function.restype, function.argtypes = result, arguments
    return library


_LIBRARY = _library()


def _checked(result: int, what: Optional[str] = None) -> int:
    """A result, or the OSError that a negative one stands for."""
    if result < 0:
        raise OSError(-result, os.strerror(-result), what)
    return result


def _text(text: str) -> bytes:
    """As C has it: nothing behind a NUL would get there."""
    if "\0" in text:
        raise ValueError("a text with a NUL character")
    return text.encode()


def ready() -> None:
    """Tells the manager that the app is ready for work. Outside of a device these functions say nothing to nobody.

    >>> status("waiting for the first press")
    >>> ready()
    >>> ping_interval() is None  # no watchdog was asked for here
    True
    """
    _LIBRARY.holdfast_ready()


def alive() -> None:
    """Tells that the app is alive: at least once in ping_interval() seconds."""
    _LIBRARY.holdfast_alive()


def stopping() -> None:
    """Tells that the app is about to end."""
    _LIBRARY.holdfast_stopping()


def status(line: str) -> None:
    """Sets the app's status line."""
    _checked(_LIBRARY.holdfast_status(_text(line)))


def ping_interval() -> Optional[float]:
    """Seconds between two signs of life; None if the manifest asks for none."""
    milliseconds = _LIBRARY.holdfast_ping_interval_ms()
    return None if milliseconds < 0 else milliseconds / 1000


def termination() -> int:
    """A descriptor that is readable once the app shall end. Call it before any thread is there."""
    return _checked(_LIBRARY.holdfast_termination())


def granted(name: str) -> int:
    """Takes the descriptor that the manifest calls by this name, once. PermissionError: the manifest does not list it.

    >>> port = os.fdopen(granted("SERIAL_PORT"), "rb", buffering=0)  # doctest: +SKIP
    """
    return _checked(_LIBRARY.holdfast_granted(_text(name)), name)


def edges(line: int) -> List[Edge]:
    """Edges of an input line; waits for one if there is none.

    >>> button, lamp = granted("BUTTON"), granted("LAMP")  # doctest: +SKIP
    >>> for edge in edges(button):  # doctest: +SKIP
    ...     gpio_set(lamp, edge.rising)
    """
    found = (_Edge * EDGES)()
    count = _checked(_LIBRARY.holdfast_edges(line, found, EDGES))
    return [Edge(edge.time_ns, edge.sequence, bool(edge.rising)) for edge in found[:count]]


def gpio_value(line: int) -> bool:
    """Whether a line is active now."""
    return bool(_checked(_LIBRARY.holdfast_gpio_value(line)))


def gpio_set(line: int, active: bool) -> None:
    """Makes an output line active, or inactive."""
    _checked(_LIBRARY.holdfast_gpio_set(line, active))


def read(name: str, limit: int = READ_LIMIT) -> bytes:
    """A file of the app's storage, whole. FileNotFoundError: there is none."""
    room = ctypes.create_string_buffer(limit)
    length = _checked(_LIBRARY.holdfast_storage_read(_text(name), room, limit), name)
    return room.raw[:length]


def write(name: str, content: bytes) -> None:
    """Replaces a file of the app's storage; it survives a power cut once this returns. OSError with EDQUOT: the quota is used up.

    >>> write("count", b"42")
    >>> read("count")
    b'42'
    """
    _checked(_LIBRARY.holdfast_storage_write(_text(name), content, len(content)), name)


def remove(name: str) -> None:
    """Removes a file of the app's storage; one that is not there is no error."""
    _checked(_LIBRARY.holdfast_storage_remove(_text(name)), name)


def ask(request: dict) -> Tuple[dict, Optional[int]]:
    """Asks app-services: what it answers, and a descriptor that came along. PermissionError: the manifest lists no right to a service.

    >>> ask({"memory": {}})  # doctest: +SKIP
    ({'used_bytes': 692224, 'peak_bytes': 1052672, 'limit_bytes': 8388608}, None)
    """
    reply, descriptor = ctypes.c_void_p(), ctypes.c_int(-1)
    _checked(_LIBRARY.holdfast_ask(json.dumps(request).encode(), ctypes.byref(reply), ctypes.byref(descriptor)))
    try:
        answer = json.loads(ctypes.string_at(reply.value))
    finally:
        _LIBRARY.holdfast_free(reply)
    if "error" in answer:
        raise Refused(answer["error"])
    if "ok" not in answer:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    return answer["ok"], None if descriptor.value < 0 else descriptor.value
