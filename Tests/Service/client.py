"""A client of the server, directly or through a proxy, with TLS or without."""
import http.client
import socket

from certificates import HOST


class Address:
    """Where to connect: a port of the loopback address, with TLS if there is a context, under the name in certificates."""

    def __init__(self, port, context=None, tokens=None):
        self.port, self.context, self.tokens = port, context, tokens

    def connect(self, timeout=60, source=None):
        return Connection(self, timeout, source)

    def fields(self, fields=None, role="admin"):
        """The fields of a request by a client of that role; None for a client without a token."""
        token = {"Authorization": f"Bearer {self.tokens[role]}"} if self.tokens and role else {}
        return {"Host": HOST, **token, **(fields or {})}

    def with_context(self, context):
        return Address(self.port, context, self.tokens)


class Connection(http.client.HTTPConnection):
    def __init__(self, address, timeout, source):
        super().__init__(HOST, address.port, timeout=timeout)
        self.context, self.source = address.context, source

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout, self.source and (self.source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.context.wrap_socket(plain, server_hostname=HOST) if self.context else plain


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.tag, self.fields = response.headers["ETag"], response.headers


def request(address, method, path="/shared", body=None, fields=None, role="admin", timeout=60, source=None, connection=None):
    own = connection or address.connect(timeout, source)
    try:
        chunked = body is not None and not isinstance(body, bytes)
        own.request(method, path, body, address.fields(fields, role), encode_chunked=chunked)
        response = own.getresponse()
        return Answer(response, response.read())
    finally:
        if not connection:
            own.close()


class EventStream:
    """An open event stream; an iterator of its events, each with its name, id and data."""

    def __init__(self, address, path="/shared", last=None, timeout=40):
        fields = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        self.connection = address.connect(timeout)
        self.connection.request("GET", path, headers=address.fields(fields | ({"Last-Event-ID": last} if last else {})))
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def __iter__(self):
        name, identifier, data = "message", None, []
        while line := self.response.readline():
            line = line.rstrip(b"\n")
            if line.startswith(b"data: "):
                data.append(line[6:])
            elif line.startswith(b"event: "):
                name = line[7:].decode()
            elif line.startswith(b"id: "):
                identifier = line[4:].decode()
            elif not line and data:
                yield name, identifier, b"\n".join(data).decode()
                name, data = "message", []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
