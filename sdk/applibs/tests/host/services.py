"""Stands in for app-services (manifest/src/services.rs) and runs `check services` against itself."""

import array
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

APP = "25025d2c-66da-4448-bae1-ac26fcdd3627"


def refusal(kind, hint=None):
    return {"error": {"class": kind, "message": "no", "hint": hint}}


class Device:
    """What a device would know."""

    def __init__(self):
        self.lock = threading.Condition()
        self.certificates = {}
        # The updates that are coming, as lists, and when the next one follows by itself.
        self.serial = 1
        self.updates = []
        self.scripted = False
        self.broken = False

    def set_updates(self, updates):
        with self.lock:
            self.updates = updates
            self.serial += 1
            self.lock.notify_all()

    def update(self, state, at_most):
        return {"app": APP, "from": 1, "to": 2, "state": state, "seconds": 10, "at_most_seconds": at_most}

    def script(self):
        """An update that comes while the app waits for one."""
        time.sleep(0.1)
        self.set_updates([self.update("started", 86400)])
        time.sleep(0.3)
        self.set_updates([self.update("ready", 86400)])


def memory(device, _):
    return {"ok": {"used_bytes": 1200 * 1024 - 5, "peak_bytes": 2048 * 1024 + 1, "limit_bytes": 1 << 24}}


def set_clock(device, parameters):
    plausible = parameters["unix_ms"] > 1_000_000_000_000
    return {"ok": {}} if plausible else refusal("bad-input", "from 2026 on")


def network(device, _):
    up = {"name": "eth0", "up": True, "carrier": True, "addresses": ["10.0.2.15/24"], "default_route": True}
    down = {"name": "eth1", "up": False, "carrier": False, "addresses": [], "default_route": False}
    return {"ok": {"links": [up, down]}}


def put_certificate(device, parameters):
    assert not parameters["certificate"].endswith("\0")
    device.certificates[parameters["name"]] = parameters.get("private_key")
    return {"ok": {}}


def certificates(device, _):
    def entry(name, key):
        return {"name": name, "has_key": key is not None, "subject": f"CN={name}", "issuer": "CN=" + "x" * 400,
                "not_before": 86400, "not_after": 1800000000, "bytes": 100}

    listed = [entry(*one) for one in sorted(device.certificates.items())]
    return {"ok": {"certificates": listed, "used_bytes": 100 * len(listed), "limit_bytes": 24576}}


def rename_certificate(device, parameters):
    device.certificates[parameters["to"]] = device.certificates.pop(parameters["from"])
    return {"ok": {}}


def remove_certificate(device, parameters):
    if parameters["name"] not in device.certificates:
        return refusal("not-found")
    del device.certificates[parameters["name"]]
    return {"ok": {}}


def put_off_update(device, parameters):
    assert parameters == {"app": APP, "seconds": 300}, parameters
    device.set_updates([device.update("deferred", 86100)])
    return {"ok": {"seconds": 300}}


def allow_update(device, parameters):
    assert parameters == {"app": APP}, parameters
    device.set_updates([device.update("ready", 0)])
    threading.Timer(0.1, device.set_updates, [[]]).start()
    return {"ok": {"seconds": 0}}


def updates(device, parameters):
    with device.lock:
        device.lock.wait_for(lambda: device.serial != parameters["seen"], 20)
        return {"ok": {"serial": device.serial, "updates": device.updates}}


HANDLERS = {
    "memory": memory,
    "reboot": lambda *_: refusal("not-granted", '"Capabilities": { "PowerControls": ["ForceReboot"] }'),
    "power-off": lambda *_: {"ok": {}},
    "set-clock": set_clock,
    "network": network,
    "put-certificate": put_certificate,
    "certificates": certificates,
    "rename-certificate": rename_certificate,
    "remove-certificate": remove_certificate,
    "put-off-update": put_off_update,
    "allow-update": allow_update,
    "updates": updates,
}


def echo(end):
    end.send(end.recv(100)[::-1])


def connect(connection, app):
    """Replies that only `connect` has: with the end of a pair, and those that no app-services sends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
    reply = json.dumps({"ok": {"app": app}}).encode()
    if app == APP:
        threading.Thread(target=echo, args=[ours], daemon=True).start()
        connection.sendmsg([reply], rights)
    elif app.startswith("1"):
        connection.send(reply)
    elif app.startswith("2"):
        connection.sendmsg([b'{"ok":{"app":1,"app":2}}'], rights)
    elif app.startswith("3"):
        connection.close()
    elif app.startswith("4"):
        connection.sendmsg([json.dumps(refusal("internal")).encode()], rights)
    else:
        connection.send(json.dumps(refusal("unavailable")).encode())


def is_first_wait(device, request, parameters):
    """The app waits for updates for the first time: one comes, and between two of its states the connection breaks."""
    if request != "updates" or parameters["seen"] == 0:
        return False
    with device.lock:
        first, device.scripted = not device.scripted, True
    if first:
        threading.Thread(target=device.script, daemon=True).start()
    return first


def breaks(device, request, parameters):
    if request != "updates" or parameters["seen"] != 2 or device.broken:
        return False
    device.broken = True
    return True


def serve(device, connection):
    while True:
        packet = connection.recv(16385)
        if not packet:
            return
        (request, parameters), = json.loads(packet).items()
        if request == "connect":
            connect(connection, parameters["app"])
            if connection.fileno() < 0:
                return
            continue
        is_first_wait(device, request, parameters)
        if breaks(device, request, parameters):
            connection.close()
            return
        try:
            connection.send(json.dumps(HANDLERS[request](device, parameters)).encode())
        except BrokenPipeError:
            return


def listen(device, listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=[device, connection], daemon=True).start()


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen(8)
        threading.Thread(target=listen, args=[Device(), listener], daemon=True).start()
        environment = dict(os.environ, HOLDFAST_SERVICES=path)
        return subprocess.run([sys.argv[1], "services"], env=environment, check=False).returncode


sys.exit(main())
