"""Runs the pods of Kubernetes manifests with runc. A field that it does not know is an error."""
import http.client
import os

from oci.images import expect
from oci.runtime import MIB, Options, Sandbox, wait_for

UNITS = {"Ki": 1 << 10, "Mi": MIB, "Gi": 1 << 30}


def quantity(text):
    return int(text[:-2]) * UNITS[text[-2:]]


class Node:
    """A stage as a node: its directories that pods can mount, the images that it has, Secrets and ConfigMaps."""

    def __init__(self, stage, images, secrets, configmaps):
        self.stage, self.images, self.secrets, self.configmaps = stage, images, secrets, configmaps
        self.directories = {"/dev/shm": stage.tmpfs("mode=1777,size=256m")}


class ConfigMap:
    """A ConfigMap as kubelet mounts it: files are links into ..data, which is itself a link, replaced in one step."""

    def __init__(self, stage, data):
        self.place, self.count = stage.tmpfs("mode=755"), 0
        self.replace(data)
        for name in data:
            (self.place / name).symlink_to(f"..data/{name}")

    def replace(self, data):
        self.count += 1
        version = self.place / f"..version{self.count}"
        version.mkdir()
        for name, text in data.items():
            (version / name).write_text(text)
        (self.place / "..data_tmp").symlink_to(version.name)
        (self.place / "..data_tmp").rename(self.place / "..data")


class Pod:
    """A pod, whose sidecars and containers were started in order."""

    def __init__(self, node, template):
        self.node, self.stage, self.containers = node, node.stage, {}
        self.sandbox = Sandbox(self.stage)
        self.specify(**template["spec"])

    def specify(self, securityContext, containers, volumes, automountServiceAccountToken, initContainers=()):
        expect(automountServiceAccountToken is False, "the pod mounts a token of the API server")
        self.secure(**securityContext)
        self.volumes = {each.pop("name"): self.volume(**each) for each in map(dict, volumes)}
        self.specifications = {each["name"]: each for each in [*initContainers, *containers]}
        for each in initContainers:
            expect(each["restartPolicy"] == "Always", f"{each['name']} is no sidecar")
        for name in self.specifications:
            self.start(name)

    def secure(self, runAsNonRoot, runAsUser, runAsGroup, seccompProfile, fsGroup=None):
        expect(runAsNonRoot and runAsUser != 0 and seccompProfile == {"type": "RuntimeDefault"}, "the pod is not restricted")
        self.user, self.group = (runAsUser, runAsGroup), fsGroup

    def volume(self, emptyDir=None, hostPath=None, secret=None, configMap=None):
        if emptyDir:
            expect(emptyDir["medium"] == "Memory", "the volume is on a disk")
            # As kubelet makes it: for all users, and for the group of the pod.
            return self.stage.tmpfs(f"mode=2777,gid={self.group},size={quantity(emptyDir['sizeLimit'])}")
        if hostPath:
            expect(hostPath["type"] == "Directory", f"the test has no {hostPath}")
            return self.node.directories[hostPath["path"]]
        if configMap:
            return self.node.configmaps[configMap["name"]].place
        place = self.stage.tmpfs("mode=755")
        for name, text in self.node.secrets[secret["secretName"]].items():
            (place / name).write_text(text)
            (place / name).chmod(secret["defaultMode"])
            os.chown(place / name, 0, self.group)
        return place

    def start(self, name):
        self.containers[name] = self.container(**self.specifications[name])
        return self.containers[name]

    def container(self, name, image, securityContext, resources, volumeMounts, command=None, args=None, env=(), ports=(),
                  startupProbe=None, readinessProbe=None, livenessProbe=None, restartPolicy=None):
        expect(securityContext == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                   "capabilities": {"drop": ["ALL"]}}, f"{name} has {securityContext}")
        mounts = [(self.volumes[each["name"]], each["mountPath"], each.get("readOnly", False)) for each in volumeMounts]
        started = self.stage.start(self.node.images[image], Options(
            arguments=args, entrypoint=command, environment={each["name"]: each["value"] for each in env}, mounts=mounts,
            user=self.user, groups=[self.group] if self.group else [], read_only=True, network=self.sandbox,
            ipc=self.sandbox, memory_bytes=quantity(resources["limits"]["memory"]), capabilities=[],
            no_new_privileges=True))
        numbers = {each["name"]: each["containerPort"] for each in ports}
        for probe in filter(None, (startupProbe, readinessProbe, livenessProbe)):
            get = probe["httpGet"]
            wait_for(f"{name} answering {get}: {started.errors}", lambda: self.answers(numbers[get["port"]], get["path"]))
        return started

    def answers(self, port, path):
        """What a probe of kubelet sees, which comes to the pod's address."""
        try:
            connection = http.client.HTTPConnection(self.sandbox.address, port, timeout=5)
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
