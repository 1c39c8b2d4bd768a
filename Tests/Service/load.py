"""Many clients of a server at once, which count how each of their requests ended."""
import collections
import re
import subprocess
import threading
import time

from checks import expect
from client import request
from exchanges import End, Exchanges

STREAMS, POLLS, KEPT, FRESH, SETTERS, LARGE = 50, 20, 8, 4, 4, 2
POLL_SECONDS = 120
WRK_CONNECTIONS = 32


class Load:
    """Streams and setters on /shared, polls on /shared/quiet, which is never set, and wrk."""

    def __init__(self, address, wrk_seconds):
        self.address, self.is_over = address, threading.Event()
        self.lock = threading.Lock()
        self.ends, self.statuses, self.early = collections.Counter(), collections.Counter(), []
        self.acknowledged, self.unread, self.streams, self.polls = 0, 0, [], []
        self.signaled = None
        self.threads = []
        self.failures = []
        self.quiet_tag = request(address, "GET", "/shared/quiet").tag
        self.watch()
        scheme = "https" if address.context else "http"
        fields = [f"-H{name}: {value}" for name, value in address.fields().items()]
        self.wrk = subprocess.Popen(["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{wrk_seconds}s", *fields,
                                     f"{scheme}://127.0.0.1:{address.port}/shared"], stdout=subprocess.PIPE, text=True)
        for _ in range(KEPT):
            self.start(self.client, "GET", lambda: b"", True)
        for _ in range(FRESH):
            self.start(self.client, "GET", lambda: b"", False)
        for index in range(SETTERS):
            self.start(self.client, "PUT", lambda index=index: f"{index} {time.monotonic_ns()}".encode(), True)
        for index in range(LARGE):
            self.start(self.client, "PUT", lambda index=index: bytes([97 + index]) * (1 << 18), True)

    def start(self, function, *arguments):
        def run():
            try:
                function(*arguments)
            except Exception as error:
                self.failures.append(repr(error))
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)

    def watch(self):
        """Opens the streams and the polls, and returns when the server holds them."""
        opened = threading.Semaphore(0)
        for _ in range(STREAMS):
            self.start(lambda: self.streams.append(Exchanges(self.address).follow("/shared", opened.release)))
        for _ in range(POLLS):
            self.start(self.poll)
        for _ in range(STREAMS):
            expect(opened.acquire(timeout=30), "the streams do not begin")
        end = time.monotonic() + 30
        while f'sharedmem_polls{{segment="quiet"}} {POLLS}\n'.encode() not in request(self.address, "GET", "/metrics").body:
            expect(time.monotonic() < end, "the polls are not held")
            time.sleep(0.02)

    def poll(self):
        exchange = Exchanges(self.address, POLL_SECONDS + 30)
        end = exchange.ask("GET", "/shared/quiet", {"If-None-Match": self.quiet_tag, "Prefer": f"wait={POLL_SECONDS}"})
        self.polls.append((end, exchange.status))
        exchange.close()

    def client(self, method, body, keeps):
        """Sends requests until the load is over, or the server accepts no connection."""
        exchange = Exchanges(self.address)
        while not self.is_over.is_set():
            try:
                end = exchange.ask(method, "/shared", body=body(), keeps=keeps)
            except OSError as error:
                self.note("not connected", error)
                if self.signaled:
                    return
                continue
            self.note(end, exchange.status)
            with self.lock:
                self.statuses[exchange.status] += 1
                self.acknowledged += exchange.status == 204
                self.unread += end is End.CLOSED and bool(exchange.sent and exchange.sent < (self.signaled or 0))
        exchange.close()

    def note(self, end, what):
        with self.lock:
            self.ends[end] += 1
            if end is not End.ANSWERED and not self.signaled:
                self.early.append((end, what))

    def finish(self, seconds=60):
        self.is_over.set()
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        expect(not any(thread.is_alive() for thread in self.threads), "a client still waits")
        expect(not self.failures, f"a client failed: {self.failures[:3]}")
        self.finish_wrk()

    def finish_wrk(self):
        if self.wrk.stdout and not self.wrk.stdout.closed:
            self.report = self.wrk.communicate(timeout=60)[0]

    def kill(self):
        self.is_over.set()
        self.wrk.kill()
        self.wrk.wait()

    @property
    def wrk_errors(self):
        """wrk's counts of socket errors: connect, read, write, timeout."""
        found = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", self.report)
        return tuple(map(int, found.groups())) if found else (0, 0, 0, 0)

    @property
    def wrk_refusals(self):
        found = re.search(r"Non-2xx or 3xx responses: (\d+)", self.report)
        return int(found[1]) if found else 0

    @property
    def wrk_requests(self):
        return int(re.search(r"(\d+) requests in", self.report)[1])
