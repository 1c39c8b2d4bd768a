#!/usr/bin/env python3
"""Sets the text to its argument, if it has one, and prints the text and its version. Uses cffi."""

import os
import pathlib
import sys

import cffi

# `make install` puts the header beside sharedmem.h, such as /usr/local/include/sharedmem-ffi.h.
header = pathlib.Path(__file__).parents[2] / "Sources/CSharedMem/sharedmem-ffi.h"
ffi = cffi.FFI()
ffi.cdef(header.read_text())
sharedmem = ffi.dlopen("libSharedMem.so.0")


def check(succeeded):
    if not succeeded:
        sys.exit(ffi.string(sharedmem.sharedmem_last_error()).decode())


segment = sharedmem.sharedmem_attach_simple(ffi.NULL, ffi.NULL, 0, 0)
check(segment)
if len(sys.argv) > 1:
    data = os.fsencode(sys.argv[1])
    check(sharedmem.sharedmem_set(segment, data, len(data), ffi.NULL) == 0)

version = ffi.new("sharedmem_version_t *")
text = sharedmem.sharedmem_get_alloc(segment, ffi.NULL, version)
check(text)
print(ffi.string(text).decode())
print(f"{version.instance:016x}-{version.number}")
sharedmem.sharedmem_free(text)
sharedmem.sharedmem_detach(segment)
