"""A headless browser of Chromium's kind, which the DevTools protocol controls."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys


def find():
    return os.environ.get("BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")


class Interrupted(Exception):
    """The page in which a script ran has given way to another."""


class DevTools:
    def __init__(self, command, profile):
        # The browser reads the protocol from descriptor 3, and writes it to descriptor 4.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1', "sh", command, "--remote-debugging-pipe",
             "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
             f"--user-data-dir={profile}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.received = b""
        self.count = 0
        self.answers = {}
        self.methods = set()  # what the browser has reported
        self.session = {}

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def attach(self, *domains):
        """Makes a new tab the one that all later calls are for."""
        self.session = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in domains:
            self.call(f"{domain}.enable")
        return target

    def send(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters, **self.session}
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        return self.count

    def call(self, method, **parameters):
        number = self.send(method, **parameters)
        self.eventually(f"an answer to {method}", lambda: number in self.answers)
        answer = self.answers.pop(number)
        if re.search("navigated|context", answer.get("error", {}).get("message", "")):
            raise Interrupted(f"{answer['error']} after {method} {parameters}")
        result = answer.get("result")
        if result is None or "exceptionDetails" in result:
            failure = (result or {}).get("exceptionDetails", {}).get("exception", {}).get("description", answer)
            sys.exit(f"browser: {failure} after {method} {parameters}")
        return result

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)["result"]
        return result.get("value")

    def receive(self):
        while b"\0" not in self.received:
            received = os.read(self.process.stdout.fileno(), 1 << 20)
            if not received:
                sys.exit("browser: the browser has ended")
            self.received += received
        message, _, self.received = self.received.partition(b"\0")
        message = json.loads(message)
        if "id" in message:
            self.answers[message["id"]] = message
        else:
            self.methods.add(message["method"])
            self.reported(message["method"], message["params"])

    def reported(self, method, parameters):
        """Called for each event of the protocol."""

    def seen(self):
        """What a failure shows."""
        return ""

    def eventually(self, what, look):
        def fail(*_):
            sys.exit(f"browser: a minute went by without {what}; seen so far: {self.seen()}")
        signal.signal(signal.SIGALRM, fail)
        signal.alarm(60)
        while not look():
            self.receive()
        signal.alarm(0)
