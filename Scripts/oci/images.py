"""Builds the container image with buildah, from stand-ins for the public base images: no registry is needed."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STATE = ROOT / ".build/containers"
# Chroot isolation and plain directories work without a container engine, and inside a container too.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILDAH = ["buildah", "--root", str(STATE / "store"), "--runroot", str(STATE / "run"), "--storage-driver", "vfs"]


def expect(condition, what):
    if not condition:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {what}")


def output(*command, **options):
    """What a command prints on standard output. If it fails, the script ends with everything that it printed."""
    options = {"timeout": 1800, "stdin": subprocess.DEVNULL} | options
    result = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False, **options)
    expect(result.returncode == 0, f"{' '.join(map(str, command))}:\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


def base_images():
    """The names of the Dockerfile's base images: Swift's and Debian's."""
    text = (ROOT / "Dockerfile").read_text()
    return [re.search(rf"^ARG {name}_IMAGE=(\S+)", text, re.MULTILINE)[1] for name in ("SWIFT", "RUNTIME")]


def exists(name):
    return subprocess.run([*BUILDAH, "inspect", "--type", "image", name], capture_output=True, check=False).returncode == 0


def provide_debian(name):
    """Makes a minimal Debian of the suite that the name contains."""
    if exists(name):
        return
    archive = STATE / "base.tar"
    STATE.mkdir(parents=True, exist_ok=True)
    output("mmdebstrap", "--quiet", "--variant=minbase", re.search(r"bookworm|trixie", name)[0], archive)
    container = output(*BUILDAH, "from", "scratch").strip()
    output(*BUILDAH, "add", container, archive, "/")
    archive.unlink()
    output(*BUILDAH, "commit", "--rm", container, name)


def provide(name, packages, path="", directory=None):
    """Makes an image of Debian's with further packages, with directories in PATH, and with a directory copied to /."""
    _, debian = base_images()
    provide_debian(debian)
    container = output(*BUILDAH, "from", "--pull-never", debian).strip()
    install = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    output(*BUILDAH, "run", "--isolation", "chroot", container, "--", "sh", "-c", install)
    if directory:
        output(*BUILDAH, "copy", container, directory, "/")
    output(*BUILDAH, "config", f"--env=PATH={path}{PATH}", container)
    output(*BUILDAH, "commit", "--rm", container, name)


def provide_swift(name):
    """Makes a stand-in for Swift's image, in which the toolchain of this machine appears at its own place."""
    toolchain = pathlib.Path(shutil.which("swift")).resolve().parent.parent.parent
    provide(name, ["binutils", "ca-certificates", "git", "libc6-dev", "libcurl4", "libedit2", "libgcc-12-dev", "libncurses6",
                   "libsqlite3-0", "libstdc++-12-dev", "libxml2", "tzdata", "zlib1g-dev"], f"{toolchain}/usr/bin:")
    # Where git is told to fetch from directories instead of the network, the build needs them as well.
    rewrites = subprocess.run(["git", "config", "--get-regexp", r"^url\..*\.insteadof$"], text=True, capture_output=True,
                              check=False).stdout
    mirrors = {match[1] for match in re.finditer(r"^url\.(/\S*?)/?\.insteadof", rewrites, re.MULTILINE)}
    shared = [toolchain, *sorted(mirrors), *(["/etc/gitconfig"] if mirrors else [])]
    return [f"--volume={path}:{path}:ro" for path in shared]


def provide_built(name):
    """Makes a stand-in for Swift's image, in which `swift build` takes the command that `make` has built."""
    command = os.environ.get("SHAREDMEM", str(ROOT / ".build/make/release/sharedmem"))
    if "SHAREDMEM" not in os.environ:
        output("make", "--no-print-directory", "-C", ROOT, command.removeprefix(f"{ROOT}/"))
    with tempfile.TemporaryDirectory(prefix="sharedmem-containers-") as directory:
        built, swift = pathlib.Path(directory, "built"), pathlib.Path(directory, "usr/local/bin/swift")
        built.mkdir()
        swift.parent.mkdir(parents=True)
        shutil.copy(command, built / "sharedmem")
        shutil.copy(ROOT / "Package.resolved", built)
        (built / "version").write_text(output("swift", "--version"))
        swift.write_text("""#!/bin/sh
set -e
case $1 in
    build) mkdir -p .build/release && cp /built/sharedmem .build/release ;;
    package) cp /built/Package.resolved . ;;
    --version) cat /built/version ;;
esac
""")
        swift.chmod(0o755)
        provide(name, ["binutils"], directory=directory)
    return []


def build(tag, whole=False):
    """Builds the image with `make image`; compiles in it if it is to be built as a whole."""
    swift, debian = base_images()
    provide_debian(debian)
    arguments = provide_swift(swift) if whole else provide_built(swift)
    output("make", "--no-print-directory", "-C", ROOT, "image", f"IMAGE_BUILDER={' '.join(BUILDAH)}", f"IMAGE={tag}",
           f"ARGS=--isolation chroot --pull-never {' '.join(arguments)}", timeout=3600)


def configuration(tag):
    """The image's configuration, and its manifest."""
    found = json.loads(output(*BUILDAH, "inspect", "--type", "image", tag))
    return found["Docker"]["config"], json.loads(found["Manifest"])


def digest(tag):
    """The digest that the image has in OCI's format. In Docker's, buildah adds the random name of a container to it."""
    place, file = STATE / "oci", STATE / "digest"
    shutil.rmtree(place, ignore_errors=True)
    output(*BUILDAH, "push", "--format", "oci", "--digestfile", file, tag, f"oci:{place}:{tag}")
    return file.read_text()


def files(tag):
    """A new directory with the image's files, until tidy() removes it."""
    container = output(*BUILDAH, "from", "--pull-never", "--name", f"sharedmem-files-{time.monotonic_ns()}", tag).strip()
    return pathlib.Path(output(*BUILDAH, "mount", container).strip())


def tidy():
    """Removes the directories of images' files, and images that a later build has replaced."""
    names = output(*BUILDAH, "containers", "--format", "{{.ContainerName}}").split()
    if mine := [name for name in names if name.startswith("sharedmem-")]:
        output(*BUILDAH, "rm", *mine)
    output(*BUILDAH, "rmi", "--prune", "--force")
