"""Runs containers with runc: namespaces, a read-only root, users, memory limits and Docker's filter of system calls."""
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from oci.images import PATH, expect, output

MIB = 1 << 20
SYSTEM_CALLS = pathlib.Path("/usr/share/containers/seccomp.json")
# What Docker leaves to a container, unless it is told to drop them.
CAPABILITIES = [f"CAP_{name}" for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE").split()]


def is_inside():
    return "CONTAINERS_INSIDE" in os.environ


def enter_namespaces():
    """Runs the script again, as process 1 of its own namespaces: when it ends, its mounts, interfaces and containers do."""
    if is_inside():
        output("ip", "link", "set", "lo", "up")
        return
    os.execvpe("unshare", ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc",
                           sys.executable, "-B", *sys.argv], os.environ | {"CONTAINERS_INSIDE": "1"})


def wait_for(what, look, seconds=60):
    end = time.monotonic() + seconds
    while not (found := look()):
        expect(time.monotonic() < end, f"{seconds} seconds went by without {what}")
        time.sleep(0.02)
    return found


@dataclasses.dataclass
class Options:
    arguments: list = None
    entrypoint: list = None
    environment: dict = dataclasses.field(default_factory=dict)
    mounts: list = dataclasses.field(default_factory=list)  # (source, destination, is read-only)
    user: tuple = None
    groups: list = dataclasses.field(default_factory=list)
    read_only: bool = False
    shm_bytes: int = 64 * MIB
    network: object = "own"  # "own", "none", or the container or sandbox whose network it shares
    ipc: object = None  # the container or sandbox whose IPC namespace and /dev/shm it shares
    memory_bytes: int = None
    cpus: float = None
    capabilities: list = dataclasses.field(default_factory=lambda: CAPABILITIES)
    no_new_privileges: bool = False


def system_calls():
    """Docker's filter, which the containers' configuration describes by capability and architecture, for one without any."""
    profile = json.loads(SYSTEM_CALLS.read_text())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    rules = [rule for rule in profile["syscalls"] if not (rule.get("includes") or {}).get("caps")
             and machine in ((rule.get("includes") or {}).get("arches") or [machine])]
    kept = ("names", "action", "args", "errnoRet")
    architecture = f"SCMP_ARCH_{os.uname().machine.upper()}"
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile["defaultErrnoRet"],
            "architectures": [architecture],
            "syscalls": [{key: rule[key] for key in kept if rule.get(key) is not None} for rule in rules]}


def mount(source, destination, kind="bind", *options):
    return {"destination": destination, "type": kind, "source": str(source), "options": list(options)}


def specification(image, options, shared_memory, network_pid, ipc_pid):
    """The configuration that runc reads."""
    user, group = options.user or map(int, image.configuration["User"].split(":"))
    environment = {"PATH": PATH} | dict(each.split("=", 1) for each in image.configuration["Env"] or []) | options.environment
    arguments = (options.entrypoint or image.configuration["Entrypoint"]) + (options.arguments or (
        [] if options.entrypoint else image.configuration["Cmd"]))
    safe = ("nosuid", "noexec", "nodev")
    mounts = [mount("proc", "/proc", "proc", *safe), mount("tmpfs", "/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
              mount("devpts", "/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
              mount(shared_memory, "/dev/shm", "bind", "rbind", *safe)]
    mounts += [mount(source, destination, "bind", "rbind", *safe, *(["ro"] if is_read_only else []))
               for source, destination, is_read_only in options.mounts]
    resources = {"devices": [{"allow": False, "access": "rwm"}]}
    if options.memory_bytes:
        resources["memory"] = {"limit": options.memory_bytes, "swap": options.memory_bytes}
    if options.cpus:
        resources["cpu"] = {"period": 100_000, "quota": int(options.cpus * 100_000)}
    spaces = [{"type": kind} for kind in ("pid", "mount", "uts")]
    spaces += [{"type": kind, **({"path": f"/proc/{pid}/ns/{name}"} if pid else {})}
               for kind, name, pid in (("network", "net", network_pid), ("ipc", "ipc", ipc_pid))]
    held = options.capabilities if user == 0 else []
    capabilities = {"bounding": options.capabilities, "permitted": held, "effective": held}
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": user, "gid": group, "additionalGids": options.groups}, "args": arguments, "cwd": "/",
                    "env": [f"{name}={value}" for name, value in environment.items()],
                    "noNewPrivileges": options.no_new_privileges, "capabilities": capabilities},
        "root": {"path": str(image.files), "readonly": options.read_only},
        "hostname": "container", "mounts": mounts,
        "linux": {"namespaces": spaces, "resources": resources, "seccomp": system_calls(),
                  "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                  "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}


class Stage:
    """Where containers run: a directory, a network of their own, and volumes."""

    def __init__(self, stack):
        self.stack, self.count, self.networks, self.named = stack, 0, 0, {}
        self.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sharedmem-containers-")))
        self.runc = ["runc", "--root", str(self.directory / "state")]

    def tmpfs(self, options):
        """A directory with a tmpfs, which several containers can mount."""
        self.count += 1
        place = self.directory / f"tmpfs{self.count}"
        place.mkdir()
        output("mount", "-t", "tmpfs", "-o", options, "tmpfs", place)
        self.stack.callback(output, "umount", "--lazy", place)
        return place

    def connect(self, pid):
        """Gives a network namespace an interface, as the bridge of an engine does, and returns its address."""
        self.networks += 1
        outer, network, inside = f"veth{self.networks}", f"10.88.{self.networks}", ["nsenter", "--net", "-t", pid]
        output("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", pid)
        output("ip", "addr", "add", f"{network}.1/24", "dev", outer)
        output("ip", "link", "set", outer, "up")
        output(*inside, "ip", "link", "set", "lo", "up")
        output(*inside, "ip", "addr", "add", f"{network}.2/24", "dev", "eth0")
        output(*inside, "ip", "link", "set", "eth0", "up")
        return f"{network}.2"

    def start(self, image, options):
        return Container(self, image, options)


class Sandbox:
    """The namespaces that the containers of a pod share: network and IPC, with one /dev/shm."""

    def __init__(self, stage):
        holder = subprocess.Popen(["unshare", "--net", "--ipc", "sleep", "infinity"])
        stage.stack.callback(holder.wait)
        stage.stack.callback(holder.kill)
        self.pid = holder.pid
        wait_for("namespaces", lambda: all(os.readlink(f"/proc/{self.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
                                           for kind in ("net", "ipc")))
        self.address, self.shared_memory = stage.connect(self.pid), stage.tmpfs(f"mode=1777,size={64 * MIB}")


class Container:
    """A container that was started. It is removed when the stage ends, at the latest."""

    def __init__(self, stage, image, options):
        stage.count += 1
        self.stage, self.name, self.number = stage, f"sharedmem-{os.getpid()}-{time.monotonic_ns()}", stage.count
        self.bundle = stage.directory / f"container{self.number}"
        self.bundle.mkdir()
        self.image, self.status, self.address = image, None, None
        shared = options.ipc.shared_memory if options.ipc else stage.tmpfs(f"mode=1777,size={options.shm_bytes}")
        self.shared_memory, self.publishers = shared, []
        of = None if options.network in ("own", "none") else options.network
        text = json.dumps(specification(image, options, shared, of and of.pid, options.ipc and options.ipc.pid))
        (self.bundle / "config.json").write_text(text)
        with open(self.bundle / "out", "wb") as out, open(self.bundle / "err", "wb") as errors:
            created = subprocess.run([*stage.runc, "create", "--bundle", self.bundle, "--pid-file", self.bundle / "pid",
                                      self.name], stdin=subprocess.DEVNULL, stdout=out, stderr=errors, timeout=60,
                                     check=False)
        expect(created.returncode == 0, f"runc create: {self.errors}")
        stage.stack.callback(self.remove)
        self.pid = int((self.bundle / "pid").read_text())
        if options.network == "own":
            self.address = stage.connect(self.pid)
        elif of:
            self.address = of.address
        output(*stage.runc, "start", self.name)

    def publish(self, host, port, inner_port):
        """Makes a port of the container one of the host, with a proxy in user space as Docker does."""
        proxy = subprocess.Popen(["socat", f"TCP-LISTEN:{port},bind={host},fork,reuseaddr",
                                  f"TCP:{self.address}:{inner_port}"])
        self.publishers.append(proxy)

    @property
    def printed(self):
        return (self.bundle / "out").read_text()

    @property
    def errors(self):
        return (self.bundle / "err").read_text()

    def listens(self):
        wait_for(f"the server listening: {self.errors}", lambda: "listening on" in self.printed or self.has_ended())
        expect(self.status is None, f"the container ended with status {self.status}: {self.errors}")

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self):
        """The exit status, or the negative number of the signal."""
        wait_for(f"the end of {self.name}: {self.errors}", self.has_ended)
        return self.status

    def execute(self, *command, **options):
        """Runs a command inside, and returns the result, whatever its status."""
        options = {"stdin": subprocess.DEVNULL} if "input" not in options else options
        return subprocess.run([*self.stage.runc, "exec", self.name, *command], text=True, capture_output=True, timeout=60,
                              check=False, **options)

    def kill(self, signal="KILL"):
        output(*self.stage.runc, "kill", self.name, signal)
        return self.wait()

    def remove(self):
        for proxy in self.publishers:
            proxy.kill()
            proxy.wait()
        self.publishers = []
        if not self.has_ended():
            self.kill()
        with contextlib.suppress(SystemExit):
            output(*self.stage.runc, "delete", "--force", self.name)
