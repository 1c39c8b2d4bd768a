"""The package knows the C library as sharedmem.h declares it."""

import ctypes
import errno
import pathlib
import re
import unittest

from sharedmem import _errors, _library

HEADERS = pathlib.Path(__file__).parents[2] / "Sources/CSharedMem"
DOCUMENTED = (HEADERS / "include/sharedmem.h").read_text()
DECLARED = (HEADERS / "sharedmem-ffi.h").read_text()
TYPES = {"size_t": ctypes.c_size_t, "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64,
         "uintptr_t": ctypes.c_size_t, "sharedmem_version_t": _library.CVersion}


class HeaderTests(unittest.TestCase):
    def test_structures_have_the_same_members(self):
        structures = {"version": _library.CVersion, "options": _library.COptions, "borrow": _library.CBorrow,
                      "info": _library.CInfo}
        for name, structure in structures.items():
            body = re.search(rf"struct sharedmem_{name}_t \{{(.*?)\}}", DECLARED, re.DOTALL)[1]
            declared = [(re.sub(r"[*\d\[\]\s]", "", member), kind, "*" in member or "[" in member)
                        for kind, members in re.findall(r"(?:const )?(\w+) (.*?);", body) for member in members.split(",")]
            self.assertEqual([member for member, _, _ in declared], [member for member, _ in structure._fields_])
            for (member, kind, is_address), (_, type) in zip(declared, structure._fields_):
                self.assertTrue(is_address or type is TYPES[kind], f"{name}.{member}")

    def test_functions_have_as_many_parameters(self):
        for name, parameters in re.findall(r"(sharedmem_\w+)\(([^)]*)\);", DECLARED):
            if name in vars(_library.library):
                count = 0 if parameters == "void" else parameters.count(",") + 1
                self.assertEqual(len(getattr(_library.library, name).argtypes), count, name)

    def test_constants_are_the_same(self):
        constants = dict(re.findall(r"SHAREDMEM_(\w+) = (\d+)", DECLARED))
        for name in ["READ_ONLY", "PERSISTENT", "EXISTING", "VERSION_SIZE"]:
            self.assertEqual(getattr(_library, name), int(constants[name]))

    def test_every_documented_error_has_a_class(self):
        listed = set(re.findall(r"^//     (E[A-Z]+) ", DOCUMENTED, re.MULTILINE))
        self.assertGreater(len(listed), 20)
        self.assertEqual({getattr(errno, name) for name in listed} | {errno.EACCES}, set(_errors.CLASSES))
