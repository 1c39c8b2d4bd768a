"""Builds the wheel. It needs only Python, binutils, and the library that `make` builds.

    python3 backend.py DIRECTORY    writes the wheel into DIRECTORY, and prints its path

pip finds it through pyproject.toml (PEP 517): `pip install ./Python`. SHAREDMEM_LIBRARY names another library.
"""

import base64
import hashlib
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
LIBRARY = pathlib.Path(os.environ.get("SHAREDMEM_LIBRARY", ROOT / ".build/make/release/libSharedMem.so"))
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
MODULE = HERE / "sharedmem"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes the wheel, with the same bytes for the same sources, and returns its name (PEP 517)."""
    if not LIBRARY.exists():
        sys.exit(f"{LIBRARY} is missing: run 'make' first.")
    version, tag = release_version(), f"py3-none-{platform_tag(LIBRARY)}"
    name = f"{PROJECT['name'].replace('-', '_')}-{version}"
    files = {f"sharedmem/{path.name}": path.read_bytes() for path in sorted(MODULE.iterdir()) if path.is_file()}
    files["sharedmem/libSharedMem.so.0"] = stripped(LIBRARY)
    files[f"{name}.dist-info/METADATA"] = metadata(version).encode()
    files[f"{name}.dist-info/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: sharedmem\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())
    files[f"{name}.dist-info/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = f"{name}.dist-info/RECORD"
    files[record] = "".join(f"{path},sha256={digest(data)},{len(data)}\n" for path, data in files.items()).encode()
    files[record] += f"{record},,\n".encode()
    wheel = f"{name}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(entry, data)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    """A source distribution would need the whole repository (PEP 517)."""
    sys.exit("sharedmem has no source distribution for Python: build the wheel in a clone, with 'make wheel'.")


def release_version():
    return re.search(r'version = "(.*)"', (ROOT / "Sources/SharedMemory/Release.swift").read_text())[1]


def platform_tag(library):
    """manylinux_X_Y, for the oldest glibc that has every symbol that the library needs (PEP 600)."""
    needs = subprocess.run(["readelf", "--version-info", "--wide", library], stdout=subprocess.PIPE, text=True, check=True)
    versions = [tuple(map(int, each.split("."))) for each in re.findall(r"\bGLIBC_([\d.]+)", needs.stdout)]
    return "manylinux_{}_{}_{}".format(*max(versions)[:2], platform.machine())


def stripped(library):
    """The library without the symbols that only a debugger needs."""
    with tempfile.TemporaryDirectory() as directory:
        result = pathlib.Path(directory, library.name)
        subprocess.run(["strip", "--strip-unneeded", "-o", result, library], check=True)
        return result.read_bytes()


def metadata(version):
    fields = [
        ("Metadata-Version", "2.4"), ("Name", PROJECT["name"]), ("Version", version), ("Summary", PROJECT["description"]),
        ("License-Expression", PROJECT["license"]), ("License-File", "LICENSE"),
        *(("Classifier", each) for each in PROJECT["classifiers"]),
        ("Requires-Python", PROJECT["requires-python"]), ("Description-Content-Type", "text/markdown"),
    ]
    return "".join(f"{key}: {value}\n" for key, value in fields) + "\n" + (HERE / PROJECT["readme"]).read_text()


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: backend.py DIRECTORY")
    pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    print(pathlib.Path(sys.argv[1], build_wheel(sys.argv[1])))
