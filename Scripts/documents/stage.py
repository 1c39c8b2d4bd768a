"""Where the examples of a document run: a directory, a server, a library, and commands of the names in the documents."""
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import threading

from blocks import ROOT

sys.path.insert(0, str(ROOT / "Tests/Service"))
from checks import free_port  # noqa: E402

COMMAND = pathlib.Path(os.environ.get("SHAREDMEM", ROOT / ".build/make/release/sharedmem")).resolve()
LIBRARY = COMMAND.parent / "libSharedMem.so"
INSTANCE = re.compile(r"\b[0-9a-f]{16}(?=-\d)")
# Commands that change the host, which the examples only name.
HARMLESS = ["systemctl", "systemd-sysusers"]


def first_line(process):
    """What a server prints first; nothing if it does not within 30 seconds."""
    ready, _, _ = select.select([process.stdout], [], [], 30)
    return process.stdout.readline() if ready else ""


class Stage:
    def __init__(self, directory):
        self.directory, self.instance = pathlib.Path(directory), None
        self.background = []
        for folder in "bin", "lib/pkgconfig", "segments":
            (self.directory / folder).mkdir(parents=True)
        (self.directory / "bin/sharedmem").symlink_to(COMMAND)
        for name in HARMLESS:
            (self.directory / "bin" / name).symlink_to("/bin/true")
        # curl shows its progress unless it writes to a terminal.
        (self.directory / ".curlrc").write_text("silent\n")
        self.install_library()
        self.environment = {
            **os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "HOME": str(directory),
            "SHAREDMEM_DIRECTORY": f"{directory}/segments", "LD_LIBRARY_PATH": f"{directory}/lib", "REPOSITORY": str(ROOT),
            "PYTHONPATH": str(ROOT / "Python"),
            "PKG_CONFIG_PATH": f"{directory}/lib/pkgconfig", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        self.application_port = free_port()
        self.server = None
        self.serve()

    def install_library(self):
        """Puts links where `make install` would put the library and its pkg-config file."""
        lib = self.directory / "lib"
        for name in "libSharedMem.so", "libSharedMem.so.0":
            (lib / name).symlink_to(LIBRARY)
        values = {"@PREFIX@": str(self.directory), "@LIBDIR@": str(lib), "@VERSION@": "0",
                  "@INCLUDEDIR@": str(ROOT / "Sources/CSharedMem/include")}
        text = (ROOT / "Packaging/sharedmem.pc.in").read_text()
        for name, value in values.items():
            text = text.replace(name, value)
        (lib / "pkgconfig/sharedmem.pc").write_text(text)

    def serve(self, *arguments):
        """Starts the server, or another one."""
        self.end_server()
        self.server = subprocess.Popen([COMMAND, "serve", "--listen", "127.0.0.1:0", *arguments], text=True,
                                       stdout=subprocess.PIPE, env=self.environment, cwd=self.directory)
        listening = re.search(r":(\d+)/", first_line(self.server))
        if not listening:
            self.end_server()
            sys.exit("check-examples: the server does not listen")
        self.port = listening[1]

    def start(self, command, **more):
        """Starts a command as the documents write it: 8080 is the server's port, 8000 that of the reader's program."""
        command = command.replace(":8080", f":{self.port}")
        command = re.sub(r"\b8000\b", str(self.application_port), command)
        environment = {**self.environment, **more}
        return subprocess.Popen(["bash", "-c", command], env=environment, cwd=self.directory, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def finish(self, process, seconds):
        """Waits for a command, ends it if it goes on for ever, and returns what it printed."""
        timer = threading.Timer(seconds, lambda: os.killpg(process.pid, signal.SIGTERM))
        timer.start()
        output = process.communicate()[0].replace("\r", "")
        timer.cancel()
        return output

    def run(self, command, seconds=40):
        """What a command prints, without its carriage returns."""
        if self.instance:
            command = INSTANCE.sub(self.instance, command)
        if "-N" in command.split() or " watch" in command or " mirror" in command:
            seconds = 5
        output = self.finish(self.start(command), seconds)
        if found := INSTANCE.search(output):
            self.instance = found[0]
        return output

    def fails(self, command, **environment):
        """What is wrong with a command that should succeed; nothing if it does."""
        process = self.start(command, **environment)
        output = self.finish(process, 40)
        return None if process.returncode == 0 else f"status {process.returncode}, printed: {output}"

    def keep_running(self, command):
        """Starts a command that serves until the document ends; what is wrong with it if it does not say that it does."""
        process = self.start(f"exec {command}")
        self.background.append(process)
        line = first_line(process)
        return None if line.startswith("listening on ") else f"printed: {line}"

    def end(self):
        self.end_server()
        for process in self.background:
            process.terminate()
            process.communicate(timeout=30)

    def end_server(self):
        if not self.server:
            return
        self.server.terminate()
        self.server.wait(30)
        self.server.stdout.close()
