#!/usr/bin/env python3
"""Reads or sets the text from Python, using only the C library.

    reader.py         prints the text
    reader.py TEXT    sets it

The text exists as long as a process is attached. Run this while another one is, such as `sharedmem serve`.
"""

import ctypes
import os
import sys


class Version(ctypes.Structure):
    _fields_ = [("instance", ctypes.c_uint64), ("number", ctypes.c_uint64)]


library = ctypes.CDLL("libSharedMem.so", use_errno=True)
library.sharedmem_last_error.restype = ctypes.c_char_p
library.sharedmem_attach.restype = ctypes.c_void_p
library.sharedmem_attach.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
library.sharedmem_detach.argtypes = [ctypes.c_void_p]
library.sharedmem_get.restype = ctypes.c_ssize_t
library.sharedmem_get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(Version)]
library.sharedmem_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(Version)]


def check(result):
    """Returns `result`, or raises the library's error."""
    if result is None or result < 0:
        raise OSError(ctypes.get_errno(), library.sharedmem_last_error().decode())
    return result


class Segment:
    """A segment of shared memory; a `with` block detaches it at its end."""

    def __init__(self, name=None):
        self.handle = check(library.sharedmem_attach(name and name.encode(), None))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        check(library.sharedmem_detach(self.handle))

    def get(self):
        size = 4096
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = check(library.sharedmem_get(self.handle, buffer, size, None))
            if length < size:
                return buffer.raw[:length].decode()
            size = length + 1  # Another process may set longer text meanwhile, so try again.

    def set(self, text):
        data = text.encode()
        check(library.sharedmem_set(self.handle, data, len(data), None))


def main(arguments):
    with Segment() as segment:
        if arguments:
            segment.set(" ".join(arguments))
        else:
            print("Python process read from shared memory:", segment.get())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error.strerror}")
