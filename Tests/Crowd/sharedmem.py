"""The few functions of the C library that the crowd's Python programs use."""
import ctypes
import os
import zlib

library = ctypes.CDLL(os.environ["CROWD_LIBRARY"])
library.sharedmem_attach_simple.restype = ctypes.c_void_p
library.sharedmem_attach_simple.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32]
library.sharedmem_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
library.sharedmem_borrow.argtypes = library.sharedmem_release.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
library.sharedmem_last_error.restype = ctypes.c_char_p


class Version(ctypes.Structure):
    _fields_ = [("instance", ctypes.c_uint64), ("number", ctypes.c_uint64)]


class Borrow(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("length", ctypes.c_size_t), ("version", Version),
                ("publication_time", ctypes.c_uint64), ("opaque", ctypes.c_size_t)]


def error():
    return OSError(library.sharedmem_last_error().decode())


class Segment:
    def __init__(self):
        directory = os.environ["CROWD_DIRECTORY"].encode()
        self.handle = library.sharedmem_attach_simple(b"crowd", directory, 0, 0)
        if not self.handle:
            raise error()

    def set(self, text):
        if library.sharedmem_set(self.handle, text, len(text), None) != 0:
            raise error()

    def get(self):
        """Returns the text, copied from a borrow, and its number."""
        borrow = Borrow()
        if library.sharedmem_borrow(self.handle, ctypes.byref(borrow)) != 0:
            raise error()
        text, number = ctypes.string_at(borrow.text, borrow.length), borrow.version.number
        library.sharedmem_release(self.handle, ctypes.byref(borrow))
        return text, number


def make(number):
    """Text that shows whether it is whole, as in text.h."""
    rest = b"%d " % number + b"%c" % (97 + number % 26) * (number * 7919 % 9000)
    return b"%08x " % zlib.crc32(rest) + rest


def is_whole(text):
    return text[:9] == b"%08x " % zlib.crc32(text[9:])
