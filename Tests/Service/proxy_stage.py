"""A server, a proxy in front of it, and a directory for both."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess

from certificates import Certificates
from checks import eventually, expect, free_port
from client import Address, request
from proxy_commands import PROXIES
from proxy_document import ENCRYPTED, PASSED, PLAIN, configuration

CAPACITY = 1 << 20
TOKENS = {role: f"token-of-the-{role}" for role in ["admin", "writer", "reader", "limited"]}
TOKEN_FILE = f"""{TOKENS['admin']} role=admin
{TOKENS['writer']} role=write
{TOKENS['reader']} role=read
{TOKENS['limited']} role=write segments=limited
"""
CLIENT_ROLES = "reader role=read\nwriter role=write\nadmin role=admin\n"


class Stage:
    def __init__(self, command, proxy, form, directory):
        self.command, self.form, self.segments = command, form, f"{directory}/segments"
        self.server = self.proxy = None
        self.work = work = f"{directory}/proxy"
        for path in [self.segments, work]:
            os.mkdir(path)
        self.files = {"tokens": f"{directory}/tokens", "roles": f"{directory}/roles"}
        for name, text in [("tokens", TOKEN_FILE), ("roles", CLIENT_ROLES)]:
            descriptor = os.open(self.files[name], os.O_CREAT | os.O_WRONLY, 0o600)
            with open(descriptor, "w") as file:
                file.write(text)
        self.output, self.log = open(f"{work}/output", "w"), open(f"{directory}/server-log", "w")
        self.certify(f"{directory}/certificates")

        server_port, port = free_port(), free_port()
        self.address = Address(port, None if form == PLAIN else self.certificates.context("sharedmem-ca"), TOKENS)
        own = self.certificates.context("sharedmem-ca") if self.server_has_tls else None
        self.own = Address(server_port, own, TOKENS)
        text = configuration(proxy, form)
        expect("8000" in text and "8080" in text, f"the configuration of {proxy}, {form}, has not both ports")
        text = text.replace("8080", str(server_port)).replace("8000", str(port))
        text = text.replace("/etc/ssl", str(self.certificates.directory))
        self.proxy_command = PROXIES[proxy][0](text, work, form)
        for path in [directory, work]:
            os.chmod(path, 0o777)  # some proxies give up root's rights

    def start(self):
        self.start_server()
        environment = {**os.environ, "HOME": self.work, "XDG_DATA_HOME": self.work, "XDG_CONFIG_HOME": self.work}
        self.proxy = subprocess.Popen(self.proxy_command, stdin=subprocess.DEVNULL, stdout=self.output,
                                      stderr=self.output, env=environment, start_new_session=True)
        eventually("an answer through the proxy", self.is_ready)

    @property
    def server_has_tls(self):
        return self.form in (ENCRYPTED, PASSED)

    def certify(self, directory):
        self.certificates = Certificates(directory)
        if self.form == PLAIN:
            return
        for authority in ["sharedmem-ca", "other-ca"]:
            self.certificates.authority(authority)
        self.certificates.server("proxy", "sharedmem-ca")
        self.certificates.server("server", "sharedmem-ca")
        self.certificates.server("other-name", "sharedmem-ca", host="other.example")
        self.certificates.server("other-authority", "other-ca")
        for client in ["reader", "writer", "stranger"] if self.form == PASSED else []:
            self.certificates.client(client, "sharedmem-ca")
        if self.form == PASSED:
            self.certificates.client("foreigner", "other-ca")

    def start_server(self, *options, certificate="server"):
        command = [self.command, "serve", "--directory", self.segments, "--capacity", str(CAPACITY), "--dynamic",
                   "--allow-host", "localhost", "--token-file", self.files["tokens"], *options]
        if self.server_has_tls:
            command += ["--listen", f"https://127.0.0.1:{self.own.port}", "--tls-key", self.certificates.key(certificate),
                        "--tls-cert", self.certificates.path(certificate)]
        else:
            command += ["--listen", f"127.0.0.1:{self.own.port}"]
        # A proxy that passes TLS through cannot say whom it stands for, and passes on what clients claim.
        if self.form != PASSED:
            command += ["--trusted-proxy", "127.0.0.1"]
        self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        expect(self.server.stdout.readline().startswith(b"listening"), "the server does not start")

    def restart_server(self, *options, **changes):
        self.server.terminate()
        expect(self.server.wait(30) == 0, "the server did not shut down in order")
        self.server.stdout.close()
        self.start_server(*options, **changes)

    def set(self, text):
        """Sets the text as a local process does."""
        subprocess.run([self.command, "set", "--directory", self.segments], input=text.encode(), check=True)

    def is_ready(self):
        expect(self.proxy.poll() is None, f"the proxy has ended: {self.words()}")
        return True if request(self.address, "GET", "/livez").status == 200 else None

    def logged(self, version):
        """The server's log entry about the text that was set with that tag."""
        def look():
            for line in pathlib.Path(self.log.name).read_text().splitlines():
                if version.strip('"') in line and (entry := json.loads(line))["message"] == "text set":
                    return entry
        return eventually("a line about the new text in the log", look)

    def words(self):
        """What the proxy and the server have said."""
        self.output.flush()
        files = [pathlib.Path(self.work, "output"), pathlib.Path(self.work, "log"), pathlib.Path(self.log.name)]
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in files if path.exists())

    def end(self):
        processes = [process for process in [self.proxy, self.server] if process]
        for process in processes:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
        # What the proxy has started is in its process group.
        if self.proxy:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.proxy.pid, signal.SIGKILL)
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        for file in [self.output, self.log]:
            file.close()
