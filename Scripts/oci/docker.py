"""Does what `docker run` and compose.yaml say, with runc. An option that it does not know is an error."""
import argparse
import functools
import pathlib
import re
import shlex
import sys

import compose_spec
import yaml

from oci.images import ROOT, configuration, expect, files
from oci.runtime import MIB, Options


@functools.cache
class Image:
    """An image that was built, and a directory with its files."""

    def __init__(self, tag):
        self.files = files(tag)
        self.configuration, self.manifest = configuration(tag)


def size(text):
    number, unit = re.fullmatch(r"(\d+)([kmg]?)i?", text.lower()).groups()
    return int(number) << {"": 0, "k": 10, "m": 20, "g": 30}[unit]


def owner(text):
    user, _, group = text.partition(":")
    return int(user), int(group or user)


def commands(document):
    """The command lines of a document that run the image: in code blocks, in the text between backquotes, in comments."""
    text = (ROOT / document).read_text()
    return [command.strip() for command in re.findall(r"(?:^(?:#  *)?|`)(docker run [^`\n]*)", text, re.MULTILINE)]


def run(stage, image, line, directory=None):
    """Starts what a command line says. Paths that begin with ./ are those of `directory`."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--no-healthcheck", action="store_true")
    parser.add_argument("--name")
    parser.add_argument("--shm-size", type=size, default=64 * MIB)
    parser.add_argument("--ipc")
    parser.add_argument("--network")
    parser.add_argument("--user", type=owner)
    parser.add_argument("--memory", type=size)
    parser.add_argument("-e", action="append", default=[])
    parser.add_argument("-p", action="append", default=[])
    parser.add_argument("-v", action="append", default=[])
    words = shlex.split(line)
    expect(words[:2] == ["docker", "run"], f"'{line}' is no docker run")
    at = words.index("sharedmem", 2)
    known = parser.parse_args(words[2:at])
    mounts = []
    for volume in known.v:
        source, destination, *mode = volume.split(":")
        mounts.append((pathlib.Path(directory, source), destination, mode == ["ro"]))
    ipc = None
    if known.ipc and known.ipc.startswith("container:"):
        ipc = stage.named[known.ipc.removeprefix("container:")]
    else:
        expect(known.ipc in (None, "shareable", "private"), f"'{line}': the test has no such IPC namespace")
    container = stage.start(image, Options(
        arguments=words[at + 1:], environment=dict(each.split("=", 1) for each in known.e), mounts=mounts, user=known.user,
        read_only=known.read_only, shm_bytes=known.shm_size, network=known.network or "own", ipc=ipc,
        memory_bytes=known.memory))
    if known.name:
        stage.named[known.name] = container
    for ports in known.p:
        publish(container, ports)
    return container


def publish(container, ports):
    *host, port, inner_port = ports.split(":")
    container.publish(host[0] if host else "0.0.0.0", int(port), int(inner_port))


def compose_file(path):
    """The content of a valid file for docker compose."""
    content = yaml.safe_load((ROOT / path).read_text())
    try:
        # The parser does not know YAML's merge keys, which docker compose does.
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(content))
    except ValueError as error:
        sys.exit(f"{path} is invalid: {error}")
    return content


class Compose:
    """The services and volumes of compose.yaml."""

    def __init__(self, stage, image):
        self.stage, self.image = stage, image
        self.file = compose_file("compose.yaml")
        self.services, self.started = self.file["services"], {}
        expect(set(self.file) == {"services", "volumes"}, f"compose.yaml has {sorted(self.file)}")
        self.volumes = {name: self.volume(**volume) for name, volume in self.file["volumes"].items()}

    def volume(self, driver_opts):
        expect(driver_opts["type"] == driver_opts["device"] == "tmpfs", f"the volume is {driver_opts}")
        return self.stage.tmpfs(driver_opts["o"])

    def start(self, name):
        """Starts a service, after those that it depends on, which must be healthy by then if it says so."""
        for other, condition in self.services[name].get("depends_on", {}).items():
            expect(condition == {"condition": "service_healthy"}, f"{name} depends on {other}: {condition}")
            expect(healthy(self.started[other]), f"{other} is not healthy: {self.started[other].errors}")
        self.started[name] = self.service(**self.services[name])
        return self.started[name]

    def service(self, image, volumes, environment, read_only, cap_drop, security_opt, build=".", command=None, ports=(),
                network_mode="own", depends_on=None, healthcheck=None):
        # Without a server, the image's check would fail.
        expect((healthcheck == {"disable": True}) == (command is not None), f"the health check of {command} is {healthcheck}")
        expect((image, build, cap_drop, security_opt) == ("sharedmem", ".", ["ALL"], ["no-new-privileges:true"]),
               f"the test knows no image {image} of {build} with {cap_drop} and {security_opt}")
        parts = [volume.split(":") for volume in volumes]
        container = self.stage.start(self.image, Options(
            arguments=command, environment=environment, read_only=read_only, network=network_mode, capabilities=[],
            mounts=[(self.volumes[name], place, mode == ["ro"]) for name, place, *mode in parts], no_new_privileges=True))
        for mapping in ports:
            publish(container, mapping)
        return container


def healthy(container):
    """What the image's HEALTHCHECK says."""
    container.listens()
    kind, *command = container.image.configuration["Healthcheck"]["Test"]
    expect(kind == "CMD", "the health check needs a shell, which the image lacks")
    return container.execute(*command).returncode == 0
