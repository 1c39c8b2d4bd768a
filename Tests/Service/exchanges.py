"""Requests of which it is known exactly how they ended."""
import enum
import time


class End(enum.Enum):
    ANSWERED = "answered"
    REFUSED = "refused with 503"
    CLOSED = "closed before any answer"
    CUT = "cut off within the answer"
    LATE = "without an answer in time"


class Exchanges:
    """A connection for one request after another, which is made again when it has ended."""

    def __init__(self, address, timeout=30):
        self.address, self.timeout, self.plain, self.socket = address, timeout, None, None

    def connect(self):
        """- Raises: OSError if the server accepts no connection, or ends it during the handshake."""
        connection = self.address.connect(self.timeout)
        connection.connect()
        self.socket, self.buffer = connection.sock, b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def send(self, method, path, fields=None, body=b""):
        length = {"Content-Length": str(len(body))} if method == "PUT" else {}
        lines = [f"{name}: {value}" for name, value in self.address.fields({**(fields or {}), **length}).items()]
        self.socket.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body)
        self.sent = time.monotonic()

    def ask(self, method, path, fields=None, body=b"", keeps=True):
        """Sends a request; returns how it ended. ``status`` is that of the answer, and ``sent`` when all of it was sent."""
        if not self.socket:
            self.connect()
        self.status = self.sent = None
        try:
            try:
                self.send(method, path, fields, body)
            except TimeoutError:
                raise
            except OSError:
                pass  # the server may have answered before all of the body was there
            self.head()
            self.body(method)
        except TimeoutError:
            self.close()
            return End.LATE
        except (OSError, EOFError):
            ended = End.CUT if self.buffer or self.status else End.CLOSED
            self.close()
            return ended
        if not keeps or self.field("connection") == "close":
            self.close()
        return End.REFUSED if self.status == 503 else End.ANSWERED

    def more(self):
        # A TLS connection that ends without a word is only closed: the message's length says whether it is whole.
        received = self.socket.recv(1 << 16)
        if not received:
            raise EOFError
        self.buffer += received

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}

    def field(self, name):
        return self.fields.get(name)

    def body(self, method):
        if method == "HEAD" or self.status in (204, 304):
            return
        length = int(self.fields["content-length"])
        while len(self.buffer) < length:
            self.more()
        self.buffer = self.buffer[length:]

    def follow(self, path, on_open):
        """Reads an event stream to its end; returns whether the chunked message is whole, and how long it was."""
        self.connect()
        self.send("GET", path, {"Accept": "text/event-stream"})
        self.head()
        on_open()
        self.socket.settimeout(60)
        last, count = self.buffer, len(self.buffer)
        self.buffer = b""
        try:
            while not last.endswith(b"\r\n0\r\n\r\n"):
                self.more()
                last, count = (last + self.buffer)[-8:], count + len(self.buffer)
                self.buffer = b""
            return True, count
        except (OSError, EOFError):
            return False, count
        finally:
            self.close()
