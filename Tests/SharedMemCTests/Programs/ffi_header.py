"""Parses a header with cffi, finds each function in the library, and prints what C must agree with."""

import re
import sys

import cffi

header = open(sys.argv[1], encoding="utf-8").read()
ffi = cffi.FFI()
ffi.cdef(header)
library = ffi.dlopen(sys.argv[2])
for name in dir(library):
    value = getattr(library, name)
    if isinstance(value, int):
        print(f'_Static_assert({name} == {value}, "cffi");')
for structure in re.findall(r"^} (\w+);", header, re.MULTILINE):
    print(f'_Static_assert(sizeof({structure}) == {ffi.sizeof(structure)}, "cffi");')
    for name, field in ffi.typeof(structure).fields:
        print(f'_Static_assert(offsetof({structure}, {name}) == {field.offset}, "cffi");')
