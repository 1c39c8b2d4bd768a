"""Text, conditions, polls and event streams through a proxy."""
import contextlib
import http.client
import json
import threading
import time

from checks import eventually, expect
from client import EventStream, request
from proxy_stage import CAPACITY


def text(stage, given):
    body = bytes(97 + i % 26 for i in range(CAPACITY))
    for form in [body, iter([body[:1000], body[1000:]])]:
        fields = {} if isinstance(form, bytes) else {"Transfer-Encoding": "chunked"}
        put = request(stage.address, "PUT", body=form, fields=fields)
        expect(put.status == 204, f"PUT of the capacity: {put.status} {put.body}")
        got = request(stage.address, "GET", fields={"Accept-Encoding": "gzip, br"})
        expect(got.status == 200 and got.body == body, f"GET: {got.status}, {len(got.body)} bytes")
        own = request(stage.own, "HEAD")
        expect(got.tag == put.tag == own.tag, f"tags: {got.tag}, {put.tag}, {own.tag}")
    refused = request(stage.address, "PUT", body=b"\xff")
    expect(refused.status == 400 and json.loads(refused.body)["offset"] == 0, f"not UTF-8: {refused.status}")
    expect(request(stage.address, "HEAD").fields["Content-Length"] == str(CAPACITY), "HEAD")


def conditions(stage, given):
    tag = request(stage.address, "PUT", body=b"one").tag
    expect(request(stage.address, "GET", fields={"If-None-Match": tag}).status == 304, "304")
    won = request(stage.address, "PUT", body=b"two", fields={"If-Match": tag})
    expect(won.status == 204, f"compare-and-set: {won.status} {won.body}")
    lost = request(stage.address, "PUT", body=b"three", fields={"If-Match": tag})
    expect(lost.status == 412 and lost.tag == won.tag, f"412: {lost.status} {lost.body}")
    expect(request(stage.address, "GET").body == b"two", "the text after a 412")


def poll(stage, given):
    tag = request(stage.address, "PUT", body=b"before").tag
    fields = {"If-None-Match": tag, "Prefer": f"wait={given.poll}"}
    start = time.monotonic()
    same = request(stage.address, "GET", fields=fields)
    expect(same.status == 304, f"a poll without a change: {same.status} after {time.monotonic() - start:.1f} s")
    expect(time.monotonic() - start > given.poll - 1, "the poll was not held")
    threading.Timer(0.5, stage.set, ["after"]).start()
    changed = request(stage.address, "GET", fields=fields)
    expect(changed.status == 200 and changed.body == b"after", f"a poll with a change: {changed.status} {changed.body}")


class Follower:
    """What EventSource does: connects again and again, with the last id, and keeps what it is sent."""

    def __init__(self, address):
        self.address, self.last, self.texts, self.connections, self.is_over = address, None, {}, 0, False
        self.failures = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over:
            try:
                self.follow()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            time.sleep(0.1)

    def follow(self):
        with EventStream(self.address, last=self.last) as stream:
            if stream.status != 200:
                # EventSource gives up here; docs/http.md says to make a new one.
                self.failures.append(stream.status)
                return
            self.connections += 1
            for _, identifier, data in stream:
                expect(self.last is None or int(identifier.split("-")[1]) > int(self.last.split("-")[1]),
                       "a version went back")
                self.last = identifier
                self.texts[data] = time.monotonic()
                if self.is_over:
                    return



@contextlib.contextmanager
def follower(stage):
    stage.set("beginning")
    events = Follower(stage.address)
    try:
        eventually("the first event", lambda: events.texts.get("beginning"))
        yield events
    finally:
        events.is_over = True
        stage.set("over")
        events.thread.join(60)


def delay(stage, events, text):
    """Sets the text; returns after how many milliseconds it was on the stream."""
    start = time.monotonic()
    stage.set(text)
    arrived = eventually(f"{text} on the stream; {events.failures[-3:]}", lambda: events.texts.get(text))
    return (arrived - start) * 1000


def event(stage, given):
    """A stream for a moment."""
    with follower(stage) as events:
        delays = sorted(delay(stage, events, f"text {number}") for number in range(3))
    return f"3 changes, an event after {delays[1]:.0f} ms (median, with the time of the command that sets it)"


def stream(stage, given):
    delays, number, restarted = [], 0, False
    with follower(stage) as events:
        end = time.monotonic() + given.stream
        while time.monotonic() < end:
            if not restarted and time.monotonic() > end - given.stream / 2:
                stage.restart_server()
                restarted = True
            number += 1
            took = delay(stage, events, f"text {number}")
            if not restarted:
                delays.append(took)
            time.sleep(1 if number % 5 else 17 if not given.quick else 1)  # longer than the server's heartbeat
    expect(restarted and events.connections >= 2, "the stream was not restarted")
    delays.sort()
    return f"{number} changes, {events.connections} connections; an event after {delays[len(delays) // 2]:.0f} ms " \
           f"(median, with the time of the command that sets it), {len(events.failures)} failed attempts"
