"""Conditional PUTs through a proxy while the server is restarted again and again."""
import concurrent.futures
import http.client
import threading
import time

from checks import expect
from client import request

CLIENTS = 8
# What proxies answer for a server that is not there; lighttpd answers 500 if its connection was reset.
PROXYS = (500, 502, 503, 504)


def restart(stage, given):
    history = History()
    stage.set("start")

    def client(index):
        connection = None
        while len(history.outcomes) < given.puts:
            connection = connection or stage.address.connect()
            token = f"{index}:{time.monotonic_ns()}"
            try:
                got = request(stage.address, "GET", connection=connection)
                if got.status != 200:
                    history.refused(got.status)
                    time.sleep(0.05)
                    continue
                history.saw(got.tag, got.body.decode())
                history.tries(token)
                put = request(stage.address, "PUT", body=token.encode(), fields={"If-Match": got.tag}, connection=connection)
                history.answered(token, put.status, put.tag)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None

    restarts = 0
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client, index) for index in range(CLIENTS)]
        while not all(each.done() for each in clients):
            time.sleep(0.5)
            stage.restart_server()
            restarts += 1
        for each in clients:
            each.result()
    last = request(stage.own, "GET")
    history.saw(last.tag, last.body.decode())
    return f"{history.check()}; {restarts} restarts"


class History:
    """What clients were told, and what the text was at each version."""

    def __init__(self):
        self.lock = threading.Lock()
        self.texts, self.outcomes, self.versions, self.wrong, self.refusals = {}, {}, {}, [], 0

    def saw(self, tag, text):
        with self.lock:
            if self.texts.setdefault(tag, text) != text:
                self.wrong.append(f"{tag} is {text} and {self.texts[tag]}")

    def refused(self, status):
        with self.lock:
            self.refusals += 1
            if status not in PROXYS:
                self.wrong.append(f"GET: {status}")

    def tries(self, token):
        with self.lock:
            self.outcomes[token] = "unknown"

    def answered(self, token, status, tag):
        with self.lock:
            self.outcomes[token] = {204: "set", 412: "not set"}.get(status, "unknown")
            if status == 204 and tag:
                if self.versions.setdefault(tag, token) != token:
                    self.wrong.append(f"{tag} is acknowledged twice")
                if self.texts.setdefault(tag, token) != token:
                    self.wrong.append(f"{tag} is {self.texts[tag]} and not {token}")
            if status not in (204, 412, *PROXYS):
                self.wrong.append(f"PUT: {status}")

    def check(self):
        seen = list(self.texts.values())
        counts = {kind: sum(each == kind for each in self.outcomes.values()) for kind in ["set", "not set", "unknown"]}
        for token, outcome in self.outcomes.items():
            count = seen.count(token) if outcome == "not set" else 0
            if count:
                self.wrong.append(f"412 for {token}, which became the text")
        if len(set(seen)) != len(seen):
            self.wrong.append("the same text was set twice")
        # Each version was set by a client that was told so, or was told nothing.
        numbers = sorted(int(tag.strip('"').split("-")[1]) for tag in self.texts)
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            self.wrong.append("a version that nobody has seen")
        if len(seen) - 1 < counts["set"]:
            self.wrong.append("an acknowledged PUT is lost")
        expect(not self.wrong, f"{len(self.wrong)} contradictions: {self.wrong[:3]}")
        expect(counts["set"] > 0, "nothing was set")
        return f"{len(self.outcomes)} conditional PUTs: {counts['set']} set, {counts['not set']} not, " \
               f"{counts['unknown']} unknown; {self.refusals} reads refused"
