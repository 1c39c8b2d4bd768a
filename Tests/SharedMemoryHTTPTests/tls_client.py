"""A client of event streams through TLS, for TLSStreamTests.

    tls_client.py CA PORT stalled          does not read before a line comes on standard input; then prints the events
    tls_client.py CA PORT slow BYTES       reads so many bytes at a time, and prints the events
    tls_client.py CA PORT many COUNT       opens streams, and prints how many have seen each text that comes

An event is printed as its number and the digest of its text.
"""
import asyncio, hashlib, socket, ssl, sys

REQUEST = b"GET /shared HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


def context():
    context = ssl.create_default_context(cafile=sys.argv[1])
    # An end without a word, which could be an attacker's, is then an error.
    context.options |= ssl.OP_ALL & ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context


def dechunked(read):
    """The content of a chunked message, in pieces; ends with the message, and fails without its end."""
    buffer = bytearray()

    def fill():
        piece = read()
        if not piece:
            sys.exit("the stream ended in the middle")
        buffer.extend(piece)

    def take(size):
        taken = bytes(buffer[:size])
        del buffer[:size]
        return taken

    def take_line():
        while (end := buffer.find(b"\r\n")) < 0:
            fill()
        return take(end + 2)[:-2]

    status = take_line()
    assert status.startswith(b"HTTP/1.1 200"), status
    while take_line():
        pass
    while True:
        size = int(take_line(), 16)
        while len(buffer) < size + 2:
            fill()
        chunk = take(size)
        assert take(2) == b"\r\n", "a chunk is not as long as it says"
        if size == 0:
            return
        yield chunk


def print_events(read):
    for chunk in dechunked(read):
        if chunk.startswith(b":"):
            continue
        identity, data = chunk.split(b"\n", 1)
        assert identity.startswith(b"id: ") and data.startswith(b"data: ") and data.endswith(b"\n\n"), chunk[:80]
        text = data[6:-2].replace(b"\ndata: ", b"\n").replace(b"\0", b"\r")
        print("event", identity.decode().rsplit("-", 1)[1], hashlib.sha256(text).hexdigest(), flush=True)
    print("end", flush=True)


def connect(buffer_size):
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
    plain.connect(("127.0.0.1", int(sys.argv[2])))
    client = context().wrap_socket(plain, server_hostname="localhost")
    client.sendall(REQUEST)
    return client


async def follow(seen, number, ssl_context, gate):
    async with gate:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(sys.argv[2]), ssl=ssl_context, server_hostname="localhost")
    writer.write(REQUEST)
    while line := await reader.readline():
        if line.startswith(b"data: "):
            text = line[6:-1].decode()
            seen[text] = seen.get(text, 0) + 1
            if seen[text] == number:
                print("seen", text, flush=True)


async def many(number):
    seen, gate = {}, asyncio.Semaphore(32)
    ssl_context = context()
    await asyncio.gather(*[follow(seen, number, ssl_context, gate) for _ in range(number)])
    print("end", flush=True)


if sys.argv[3] == "many":
    asyncio.run(many(int(sys.argv[4])))
elif sys.argv[3] == "slow":
    # A few records: with less, the two systems mostly wait for one another's timers.
    client = connect(32 << 10)
    print_events(lambda: client.recv(int(sys.argv[4])))
else:
    client = connect(1)
    print("connected", flush=True)
    sys.stdin.readline()
    print_events(lambda: client.recv(1 << 16))
