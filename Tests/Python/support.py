"""What the tests of the Python package share. Scripts/check-wheel runs them with the installed wheel."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import sharedmem

LIMIT = 60
"""The seconds after which a test gives up waiting."""


class SegmentCase(unittest.TestCase):
    """A test with a directory of its own for segments, which must be empty again at the end."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="sharedmem-test-", dir="/dev/shm")
        os.environ["SHAREDMEM_DIRECTORY"] = self.directory
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self.check_empty)

    def check_empty(self):
        self.assertEqual(os.listdir(self.directory), [], "a segment was left behind")

    def attach(self, name="text", **options):
        segment = sharedmem.attach(name, **options)
        self.addCleanup(segment.close)
        return segment

    def start(self, program, *arguments):
        """Starts another process, which runs the program with the package."""
        process = subprocess.Popen([sys.executable, "-c", "import os, sys, sharedmem\n" + program, *arguments], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(end, process)
        return process

    def finish(self, process):
        """What a process prints, once it has ended well."""
        output, errors = process.communicate(timeout=LIMIT)
        self.assertEqual((process.returncode, errors), (0, ""))
        return output


def end(process):
    if process.poll() is None:
        process.kill()
    process.communicate()
