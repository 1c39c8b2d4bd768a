"""The samples, and the processes they need. Each sample's `take` returns one reading."""
import base64
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent
PROGRAMS = HERE / ".build/programs"
SWIFT = HERE / ".build/release/swift-peers"
COMMAND = ROOT / ".build/make/release/sharedmem"
MANY = 10_000  # event streams


class Failure(Exception):
    pass


@dataclass(frozen=True)
class Reading:
    value: float
    notes: dict = field(default_factory=dict)


def output(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(str(word) for word in command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Run:
    """One run: the duration of each sample, a directory on a tmpfs, and the servers, started at their first use."""

    def __init__(self, milliseconds, seconds, wakes):
        self.milliseconds, self.seconds, self.wakes = milliseconds, seconds, wakes
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sharedmem-benchmark.", dir="/dev/shm"))
        # For the segment that the library attaches to when it is loaded.
        os.environ["SHAREDMEM_DIRECTORY"] = str(self.directory)
        self.servers, self.processes = {}, []
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.directory)

    def new_directory(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.directory))

    def start(self, command, **options):
        log = open(self.directory / "log", "a")
        process = subprocess.Popen([str(word) for word in command], stderr=log, **{"stdout": log, **options})
        self.processes.append(process)
        return process

    def server(self, server):
        if server not in self.servers:
            self.servers[server] = Running(self, server)
        return self.servers[server]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# Servers


@dataclass(frozen=True)
class Server:
    kind: str  # a key of COMMANDS
    bytes: int = 64
    use: str = ""  # names a server of its own, which serves nothing else


def nginx(server, port, directory):
    text = (HERE / "Peers/nginx.conf").read_text()
    for name, value in {"PORT": port, "DIRECTORY": directory, "TEXT": "x" * server.bytes}.items():
        text = text.replace(f"@{name}@", str(value))
    (directory / "nginx.conf").write_text(text)
    return ["nginx", "-c", directory / "nginx.conf", "-p", directory, "-e", directory / "error.log"]


def etcd(server, port, directory):
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    return ["etcd", "--data-dir", directory / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--logger", "zap", "--log-level", "error",
            "--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000"]


def ours(server, port, directory, streams=1000):
    return [COMMAND, "serve", "--listen", f"127.0.0.1:{port}", "--directory", directory,
            "--capacity", max(server.bytes, 1 << 20), "--connections", 2100 + streams, "--watchers", streams]


COMMANDS = {
    "ours": ours,
    "streams": lambda *arguments: ours(*arguments, streams=MANY),
    "bare": lambda server, port, _: [PROGRAMS / "http-server", port, server.bytes],
    "nginx": nginx,
    "redis": lambda _, port, directory: ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                                         "--appendonly", "no", "--dir", directory],
    "etcd": etcd,
}


def await_port(port, process):
    for _ in range(1000):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    raise Failure(f"{process.args[0]} does not accept connections")


class Running:
    """A running server, whose text is set."""

    def __init__(self, run, server):
        self.server, self.port, self.directory = server, free_port(), run.new_directory()
        (self.directory / "text").write_text("x" * server.bytes)
        self.process = run.start(COMMANDS[server.kind](server, self.port, self.directory))
        await_port(self.port, self.process)
        if server.kind == "redis":
            output(["redis-benchmark", "-p", self.port, "-t", "set", "-n", 1, "-d", server.bytes])
        elif server.kind != "bare":
            method, path, body, headers = self.request("put")
            url = f"http://127.0.0.1:{self.port}{path}"
            urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)).read()
        if server.kind == "streams":
            self.crowd = run.start([PROGRAMS / "crowd", self.directory, self.port, MANY],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if self.crowd.stdout.readline() != "connected\n":
                raise Failure("the streams could not connect")

    def request(self, what):
        """Returns the method, path, body and headers of a request."""
        if self.server.kind == "etcd":
            key = base64.b64encode(b"text").decode()
            if what == "get":
                return "POST", "/v3/kv/range", json.dumps({"key": key, "serializable": True}).encode(), {}
            value = base64.b64encode(b"x" * self.server.bytes).decode()
            return "POST", "/v3/kv/put", json.dumps({"key": key, "value": value}).encode(), {}
        path = "/constant" if what == "constant" else "/shared"
        if what == "put":
            return "PUT", path, b"x" * self.server.bytes, {"Content-Type": "text/plain"}
        if what == "unchanged":
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
                return "GET", path, None, {"If-None-Match": answer.headers["ETag"]}
        return "GET", path, None, {}

    def resident_bytes(self):
        """Resident memory of the server and its child processes."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        status = [pathlib.Path(f"/proc/{one}/status").read_text() for one in [pid, *children]]
        return sum(int(re.search(r"VmRSS:\s*(\d+)", text).group(1)) * 1024 for text in status)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Samples


@dataclass(frozen=True)
class Local:
    """Nanoseconds for one operation of a peer in timing.c, or operations a second."""
    program: pathlib.Path
    peer: str
    operation: str
    bytes: int = 64
    workers: int = 1
    publish: int = 0
    per_second: bool = False

    def command(self, directory):
        return [self.program, self.peer, self.operation, directory, "--bytes", self.bytes]

    def take(self, run):
        directory = run.new_directory()
        milliseconds = max(run.milliseconds, 20 * self.workers)  # long enough for every worker to have a turn
        numbers = [float(word) for word in output([
            *self.command(directory), "--milliseconds", milliseconds, "--workers", self.workers,
            "--publish", self.publish]).split()]
        shutil.rmtree(directory)
        value = 1e9 / numbers[0] if self.per_second else numbers[0]
        return Reading(value, {"sets a second": numbers[1]} if self.publish else {})

    def counted(self, place, count, keep):
        """Instructions of `count` operations, including setup and teardown."""
        command = self.command(tempfile.mkdtemp(dir=place))
        done = subprocess.run([*callgrind(command, keep), "--count", str(count)], capture_output=True, text=True)
        return collected(done.returncode, done.stderr)


@dataclass(frozen=True)
class Load:
    """Requests a second from a load generator."""
    server: Server
    what: str = "get"  # constant, unchanged, put
    connections: int = 32

    def take(self, run):
        running = run.server(self.server)
        if self.server.kind == "redis":
            return self.redis(run, running.port)
        return self.h2load(run, running) if self.what == "unchanged" else self.wrk(run, running)

    def wrk(self, run, running):
        method, path, body, headers = running.request(self.what)
        if body is not None:
            (running.directory / "request").write_bytes(body)
        report = output([
            "wrk", "-t1", f"-c{self.connections}", f"-d{run.seconds}s", "--timeout", "10s",
            "-s", HERE / "Peers/wrk.lua", f"http://127.0.0.1:{running.port}{path}", "--", method,
            "-" if body is None else running.directory / "request", *(f"{name}: {value}" for name, value in headers.items())])
        rate, errors = re.search(r"^measured\s+(\S+)\s+(\S+)", report, re.M).groups()
        return Reading(float(rate), {"errors": int(errors)})

    def h2load(self, run, running):
        """Measures 304 responses. wrk cannot: it waits for the content that their Content-Length announces."""
        _, path, _, headers = running.request(self.what)
        report = output(["h2load", "--h1", "-t1", f"-c{self.connections}", "-D", run.seconds,
                         *(word for name, value in headers.items() for word in ("-H", f"{name}: {value}")),
                         f"http://127.0.0.1:{running.port}{path}"])
        rate = re.search(r", ([\d.]+) req/s", report).group(1)
        errors = re.search(r"(\d+) failed, \d+ errored, \d+ timeout", report).group(1)
        return Reading(float(rate), {"errors": int(errors)})

    def redis(self, run, port):
        """Sends as many requests as fill the time, which a short run finds out first."""
        test = "set" if self.what == "put" else "get"

        def rate(count):
            report = output(["redis-benchmark", "-p", port, "-t", test, "-n", count, "-c", self.connections,
                             "-d", self.server.bytes, "--csv"])
            return float(report.splitlines()[-1].split(",")[1].strip('"'))
        return Reading(rate(int(rate(5000) * run.seconds)))


@dataclass(frozen=True)
class Wake:
    """Nanoseconds from a set in one process until a waiter in another process has the text."""
    notifier: str  # an argument of Peers/wake.c
    server: Server | None = None
    cores: str = "awake"  # or idle

    def take(self, run):
        running = run.server(self.server) if self.server else None
        directory = running.directory if running else run.new_directory()
        words = output([PROGRAMS / "wake", self.notifier, directory, run.wakes, self.cores, *([running.port] if running else [])]).split()
        return Reading(float(words[0]), {"p99": float(words[1])})


@dataclass(frozen=True)
class Resident:
    """Resident bytes of a server after one second of load."""
    server: Server
    connections: int = 32

    def take(self, run):
        Load(self.server, connections=self.connections).take(run)
        return Reading(run.server(self.server).resident_bytes())


@dataclass(frozen=True)
class Backing:
    """Bytes of memory that a segment's file takes after `sets` sets."""
    bytes: int
    sets: int

    def take(self, run):
        directory = run.new_directory()
        output([*Local(SWIFT, "borrow", "write", self.bytes).command(directory), "--count", self.sets])
        size = (directory / "text.sharedmem").stat().st_blocks * 512
        shutil.rmtree(directory)
        return Reading(size)


@dataclass(frozen=True)
class Rest:
    """Milliseconds of CPU time in five seconds without a request."""
    server: Server

    def take(self, run):
        running = run.server(self.server)
        time.sleep(0.5)
        before = running.cpu_seconds()
        time.sleep(5)
        return Reading((running.cpu_seconds() - before) * 1000)


@dataclass(frozen=True)
class FirstAnswer:
    """Nanoseconds from the start of a server to its first response."""

    def take(self, run):
        port, directory = free_port(), run.new_directory()
        start = time.monotonic_ns()
        server = run.start(ours(Server("ours"), port, directory))
        answer = b""
        while not answer:
            try:
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(b"GET /shared HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = client.recv(4096)
            except OSError:
                if server.poll() is not None:
                    raise Failure("the server does not start")
        end = time.monotonic_ns()
        server.terminate()
        server.wait()
        run.processes.remove(server)
        return Reading(end - start)


@dataclass(frozen=True)
class Crowd:
    """Nanoseconds until the last of many event streams has the last of `changes` changes, a millisecond apart."""
    changes: int

    def take(self, run):
        crowd = run.server(Server("streams")).crowd
        print(self.changes, file=crowd.stdin, flush=True)
        return Reading(float(crowd.stdout.readline()))


@dataclass(frozen=True)
class ForEachStream:
    """Resident bytes of the server for each of many event streams."""

    def take(self, run):
        with_streams, without = run.server(Server("streams")), run.server(Server("ours"))
        return Reading((with_streams.resident_bytes() - without.resident_bytes()) / MANY)


# Instructions


@dataclass(frozen=True)
class Request:
    """Instructions of the server for one of many requests over one connection."""
    what: str  # get, unchanged, put

    def counted(self, place, count, keep):
        directory, port = pathlib.Path(tempfile.mkdtemp(dir=place)), free_port()
        server = subprocess.Popen(callgrind(ours(Server("ours"), port, directory), keep), text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        client = http.client.HTTPConnection("127.0.0.1", port)
        await_port(port, server)

        def ask(method, headers={}):
            client.request(method, "/shared", "x" * 64 if method == "PUT" else None, headers)
            with client.getresponse() as answer:
                answer.read()
                return answer
        ask("PUT", {"Content-Type": "text/plain"})
        tag = ask("GET").headers["ETag"]
        requests = {"get": ("GET", {}), "unchanged": ("GET", {"If-None-Match": tag}), "put": ("PUT", {"Content-Type": "text/plain"})}
        for _ in range(count):
            ask(*requests[self.what])
        client.close()
        server.terminate()
        report = server.communicate()[1]
        return collected(server.returncode, report)


STRIPPED = HERE / ".build/stripped"


def strip_programs():
    """Copies the programs without Swift's debug information, on which valgrind fails."""
    STRIPPED.mkdir(exist_ok=True)
    for program in (SWIFT, COMMAND, PROGRAMS / "peers", PROGRAMS / "libSharedMem.so.0"):
        output(["strip", "-g", "-o", STRIPPED / program.name, program.resolve()])


def callgrind(command, keep):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={keep}", STRIPPED / pathlib.Path(command[0]).name,
            *map(str, command[1:])]


def collected(status, report):
    found = re.search(r"Collected : (\d+)", report)
    if status != 0 or not found:
        raise Failure(f"callgrind: {report}")
    return int(found.group(1))


def instructions(sample, count):
    """Instructions of one operation. The difference of two runs cancels setup and teardown."""
    with tempfile.TemporaryDirectory(prefix="sharedmem-benchmark.", dir="/dev/shm") as place:
        few, many = (sample.counted(place, times * count, "/dev/null") for times in (1, 3))
    return (many - few) / (2 * count)
