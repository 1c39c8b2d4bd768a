"""Lifetimes: the owner of a `sharedmem_t *`, and sets of objects that are still in use."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

from ._library import library

Item = TypeVar("Item")


class Living(Generic[Item]):
    """The items that something else refers to. Unlike a WeakSet, it can change while a thread iterates it."""

    def __init__(self) -> None:
        self._references: set[weakref.ref[Item]] = set()

    def add(self, item: Item) -> None:
        self._references.add(weakref.ref(item, self._references.discard))

    def __iter__(self) -> Iterator[Item]:
        items = (reference() for reference in tuple(self._references))
        return (item for item in items if item is not None)


class Handle:
    """Detaches when its last user lets go of it.

    Each call and each view of borrowed text holds a reference, so no thread can have the handle detached under
    another one. When the interpreter exits, nothing is detached here: other threads may still use the segment, and
    the C library lets go of it when the process ends.
    """

    def __init__(self, address: int) -> None:
        # What ctypes passes for this object.
        self._as_parameter_ = ctypes.c_void_p(address)
        weakref.finalize(self, library.sharedmem_detach, self._as_parameter_).atexit = False
