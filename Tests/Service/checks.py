"""What the scripts that use a server need to check it."""
import contextlib
import http.client
import socket
import time


class Wrong(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(what, look, seconds=30):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if (value := look()) is not None:
                return value
        expect(time.monotonic() < end, f"{seconds} s went by without {what}")
        time.sleep(0.02)
