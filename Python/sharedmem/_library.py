"""libSharedMem.so, through ctypes. sharedmem.h documents each function."""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
from collections.abc import Callable
from typing import Any

from ._errors import InterfaceError, error

READ_ONLY, PERSISTENT, EXISTING = 1, 2, 4
VERSION_SIZE = 38


class CVersion(ctypes.Structure):
    """sharedmem_version_t"""

    instance: int
    number: int
    _fields_ = [("instance", ctypes.c_uint64), ("number", ctypes.c_uint64)]


class COptions(ctypes.Structure):
    """sharedmem_options_t"""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("directory", ctypes.c_char_p),
        ("capacity", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("trusted_owners", ctypes.POINTER(ctypes.c_uint32)),
        ("trusted_owner_count", ctypes.c_size_t),
        ("row_count", ctypes.c_uint32),
        ("pin_count", ctypes.c_uint32),
        ("group", ctypes.c_char_p),
    ]


class CBorrow(ctypes.Structure):
    """sharedmem_borrow_t"""

    text: int | None
    length: int
    version: CVersion
    publication_time: int
    _fields_ = [
        ("text", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("version", CVersion),
        ("publication_time", ctypes.c_uint64),
        ("opaque", ctypes.c_size_t),
    ]


class CInfo(ctypes.Structure):
    """sharedmem_info_t"""

    _fields_ = [
        ("capacity", ctypes.c_size_t),
        ("length", ctypes.c_size_t),
        ("version", CVersion),
        ("publication_time", ctypes.c_uint64),
        ("creation_time", ctypes.c_uint64),
        ("memory", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("owner", ctypes.c_uint32),
        ("pins", ctypes.c_uint32),
        ("pin_count", ctypes.c_uint32),
        ("rows", ctypes.c_uint32),
        ("row_count", ctypes.c_uint32),
        ("attachments", ctypes.c_uint32),
        ("setter_process", ctypes.c_uint32),
        ("setter_user", ctypes.c_uint32),
        ("setter_program", ctypes.c_char * 17),
    ]


def check(result: Any, _function: Callable[..., Any], _arguments: tuple[Any, ...]) -> Any:
    """Returns the result of a C function, or raises what the library says about the failure."""
    if result is None or result == -1:
        code = ctypes.get_errno()
        raise error(code, library.sharedmem_last_error().decode())
    return result


def encode(text: str | None) -> bytes | None:
    """A string for C, which would end it at a zero."""
    if not isinstance(text, str | None):
        raise TypeError(f"{text!r} must be a str, not {type(text).__name__}.")
    if text is not None and "\0" in text:
        raise error(errno.EINVAL, f"{text!r} contains U+0000: remove it.")
    return None if text is None else os.fsencode(text)


def load() -> ctypes.CDLL:
    """The library beside this file, as wheels carry it, or else the system's."""
    bundled = pathlib.Path(__file__).with_name("libSharedMem.so.0")
    try:
        return ctypes.CDLL(str(bundled) if bundled.exists() else bundled.name, use_errno=True)
    except OSError as failure:
        raise InterfaceError(
            f"cannot load {bundled.name}: {failure}. Install the wheel of this package, or the library (make install)."
        ) from None


def declare() -> None:
    """Tells ctypes the types of the functions, and has it check their results."""
    handle, text, size, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    version, borrow = ctypes.POINTER(CVersion), ctypes.POINTER(CBorrow)
    options, info = ctypes.POINTER(COptions), ctypes.POINTER(CInfo)
    functions: dict[str, tuple[Any, list[Any]]] = {
        "attach": (handle, [text, options]),
        "detach": (number, [handle]),
        "capacity": (ctypes.c_ssize_t, [handle]),
        "set": (number, [handle, text, size, version]),
        "set_if": (number, [handle, text, size, version, version]),
        "version": (number, [handle, version]),
        "wait": (number, [handle, CVersion, number, version]),
        "eventfd": (number, [handle]),
        "borrow": (number, [handle, borrow]),
        "release": (number, [handle, borrow]),
        "info": (number, [text, options, info]),
        "list": (ctypes.c_ssize_t, [text, text, size]),
        "unlink": (number, [text, options]),
        "version_parse": (number, [text, version]),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, f"sharedmem_{name}")
        function.restype, function.argtypes, function.errcheck = result, arguments, check
    library.sharedmem_version_format.restype = None
    library.sharedmem_version_format.argtypes = [CVersion, text]
    library.sharedmem_last_error.restype = text
    library.sharedmem_last_error.argtypes = []


library = load()
declare()
