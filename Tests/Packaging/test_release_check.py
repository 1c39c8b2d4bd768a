"""Scripts/release-check notices each inconsistency, made alone in a copy that could be released as 7.1.0."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = "7.1.0"
RELEASE, SYMBOLS = "Sources/SharedMemory/Release.swift", "Packaging/debian/libsharedmem0.symbols"
FFI = "Sources/CSharedMem/sharedmem-ffi.h"
BUILT = ".build/make/release/libSharedMem.so"


class Copy:
    """A copy of the repository, with a previous release, v7.0.0."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        for name in filter(None, files.split("\0")):
            if (ROOT / name).exists():
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.path / name)
        self.write("7.0.0")
        functions = self.functions()
        self.set_symbols({name: "7.0.0" for name in functions[:-1]})
        self.git("init", "--quiet")
        self.commit()
        self.git("tag", "v7.0.0")
        self.write(VERSION)
        self.set_symbols({name: "7.0.0" for name in functions[:-1]} | {functions[-1]: VERSION})
        self.commit()
        self.git("tag", "ready")

    def reset(self):
        """Takes back what a test has changed."""
        self.git("reset", "--quiet", "--hard", "ready")
        self.git("tag", "--force", "v7.1.0")
        self.git("tag", "--delete", "v7.1.0")
        shutil.rmtree(self.path / ".build", ignore_errors=True)
        self.build(self.functions())

    def write(self, version):
        self.replace(RELEASE, r' version = ".*"', f' version = "{version}"')
        self.replace("openapi.yaml", r"(?m)^  version: .*$", f"  version: {version}")
        self.replace("SECURITY.md", r"the latest release, [\d.]+ \|", f"the latest release, {version[:-2]} |")
        (self.path / "CHANGELOG.md").write_text(
            f"# Changelog\n\n## [Unreleased]\n\n## [{version}] - 2030-01-02\n\n### Added\n\n- Something.\n")

    def build(self, functions, soname="libSharedMem.so.0"):
        """Stands in for `make`, `make wheel` and `make deb`: a library with these functions, and names of files."""
        (self.path / BUILT).parent.mkdir(parents=True, exist_ok=True)
        code = "".join(f"void {name}(void) {{}}\n" for name in functions)
        subprocess.run(["cc", "-shared", "-x", "c", "-", f"-Wl,-soname={soname}", "-nostdlib", "-o", self.path / BUILT],
                       input=code, text=True, check=True)
        command = self.path / ".build/make/release/sharedmem"
        command.write_text(f"#!/bin/sh\necho {VERSION}\n")
        command.chmod(0o755)
        for name in [f"wheel/sharedmem_text-{VERSION}-py3-none-any.whl",
                     *(f"deb/{each}_{VERSION}_amd64.deb" for each in ["sharedmem", "libsharedmem0", "libsharedmem-dev"])]:
            file = self.path / ".build" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    def functions(self):
        names = re.findall(r"\b(sharedmem_\w+|[GS]etSharedMem)\(", (self.path / FFI).read_text())
        return sorted(set(names))

    def set_symbols(self, versions):
        lines = [f" {name}@Base {version}\n" for name, version in sorted(versions.items())]
        (self.path / SYMBOLS).write_text("libSharedMem.so.0 libsharedmem0 #MINVER#\n" + "".join(lines))

    def replace(self, path, pattern, replacement):
        text = (self.path / path).read_text()
        assert re.search(pattern, text), (path, pattern)
        (self.path / path).write_text(re.sub(pattern, replacement, text, count=1))

    def git(self, *arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=self.path, check=True, stdout=subprocess.DEVNULL)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=change")

    def check(self):
        result = subprocess.run([self.path / "Scripts/release-check"], stdout=subprocess.PIPE, text=True)
        return result.returncode, result.stdout


CASES = {
    "a version that is none": (lambda c: c.write("7.1"), None, "'7.1' is not a version"),
    "the contract": (lambda c: c.replace("openapi.yaml", r"version: 7.1.0", "version: 7.0.0"), 1, "openapi.yaml: the version is 7.0.0"),
    "supported versions": (lambda c: c.replace("SECURITY.md", r"release, 7.1 ", "release, 7.0 "), 1, "SECURITY.md"),
    "unreleased entries": (lambda c: c.replace("CHANGELOG.md", r"\[Unreleased\]\n", "[Unreleased]\n\n- Pending.\n"), 1, "1 entries are still under"),
    "another newest release": (lambda c: c.replace("CHANGELOG.md", r"\[7.1.0\]", "[7.0.5]"), 1, "newest release is 7.0.5"),
    "no date": (lambda c: c.replace("CHANGELOG.md", r" - 2030-01-02", ""), 1, "7.1.0 has no date"),
    "no entries": (lambda c: c.replace("CHANGELOG.md", r"- Something.\n", ""), 1, "7.1.0 has no entries"),
    "soname without a package": (lambda c: c.replace("Package.swift", r"soname=libSharedMem\.so\.0", "soname=libSharedMem.so.1"), None, "no package libsharedmem1"),
    "soname in the header": (lambda c: c.replace(FFI, r"libSharedMem\.so\.0", "libSharedMem.so.1"), 1, "sharedmem-ffi.h: libSharedMem.so.1 is not"),
    "soname in Python": (lambda c: c.replace("Python/sharedmem/_library.py", r"libSharedMem\.so\.0", "libSharedMem.so.1"), 1, "_library.py: libSharedMem.so.1"),
    "soname of the build": (lambda c: c.build(c.functions(), "libSharedMem.so.1"), 1, "the built library has the soname"),
    "function that is not exported": (lambda c: c.build(c.functions()[1:]), 2, "is not exported"),
    "function that is not declared": (lambda c: c.build([*c.functions(), "sharedmem_secret"]), 2, "sharedmem_secret is exported but not declared"),
    "symbol that is not listed": (lambda c: c.replace(SYMBOLS, r" sharedmem_wait_after.*\n", ""), None, "add sharedmem_wait_after@Base 7.1.0"),
    "symbol that is gone": (lambda c: (c.replace(FFI, r"ssize_t sharedmem_get\(", "ssize_t sharedmem_fetch("), c.build(c.functions()),
                                        c.replace(SYMBOLS, r" sharedmem_get@Base 7.0.0", " sharedmem_fetch@Base 7.1.0")), 1, "sharedmem_get of v7.0.0 is gone"),
    "symbol with an older version": (lambda c: c.replace(SYMBOLS, "7.1.0", "7.0.0"), 1, "is new, so it came with 7.1.0, not 7.0.0"),
    "symbol with a newer version": (lambda c: c.replace(SYMBOLS, "sharedmem_get@Base 7.0.0", "sharedmem_get@Base 7.1.0"), 1, "came with 7.0.0, not 7.1.0"),
    "label of the image": (lambda c: c.replace("Dockerfile", r'image.version="\$\{VERSION\}"', 'image.version="7.0.0"'), 1, "Dockerfile"),
    "argument of the image": (lambda c: c.replace("Makefile", r"--build-arg VERSION=\$\(VERSION\)", "--build-arg VERSION=7.0.0"), 1, "'make image' does not pass"),
    "missing wheel": (lambda c: shutil.rmtree(c.path / ".build/wheel"), 1, ".build/wheel: there must be one wheel"),
    "older package": (lambda c: next((c.path / ".build/deb").glob("libsharedmem0*")).rename(c.path / ".build/deb/libsharedmem0_7.0.0_amd64.deb"), 1, ".build/deb: there must be"),
    "older command": (lambda c: (c.path / ".build/make/release/sharedmem").write_text("#!/bin/sh\necho 7.0.0\n"), 1, "the command is version 7.0.0"),
    "existing tag": (lambda c: c.git("tag", "v7.1.0"), 1, "the tag v7.1.0 exists already"),
}


class ReleaseCheckTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="sharedmem-release-")
        cls.addClassCleanup(directory.cleanup)
        cls.copy = Copy(f"{directory.name}/sharedmem")

    def setUp(self):
        self.copy.reset()

    def test_consistent_release(self):
        self.assertEqual(self.copy.check(), (0, "7.1.0 can be released\n"))

    def test_uncommitted_change(self):
        (self.copy.path / "README.md").write_text("changed")
        status, problems = self.copy.check()
        self.assertEqual((status, problems), (1, "git: the working tree has changes:\n M README.md\n"))


def make_test(change, count, expected):
    def test(self):
        change(self.copy)
        self.copy.commit()
        status, problems = self.copy.check()
        self.assertEqual(status, 1, problems)
        self.assertIn(expected, problems)
        if count:
            self.assertEqual(len(problems.splitlines()), count, problems)
    return test


for name, case in CASES.items():
    setattr(ReleaseCheckTests, f"test_{name.replace(' ', '_')}", make_test(*case))
