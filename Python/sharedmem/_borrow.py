"""Text that is read in place."""

from __future__ import annotations

import ctypes
import errno
import os
import weakref
from types import TracebackType

from ._errors import BusyError, InvalidArgumentError
from ._handle import Handle, Living
from ._library import CBorrow, library
from ._values import Version


class Hold:
    """The hold on the shared bytes, which ends when no view of them is left."""

    def __init__(self, handle: Handle) -> None:
        borrow = CBorrow()
        weakref.finalize(self, release, handle, borrow).atexit = False  # Until it is borrowed, it is clear.
        library.sharedmem_borrow(handle, ctypes.byref(borrow))
        self.text, self.length = borrow.text or 0, borrow.length
        self.version, self.time_ns = Version._of(borrow.version), borrow.publication_time

    def view(self) -> memoryview:
        """A view of the bytes. It keeps the hold, and so does what is made of it, such as slices and NumPy arrays."""
        buffer = (ctypes.c_ubyte * self.length).from_address(self.text)
        buffer.__dict__["hold"] = self
        return memoryview(buffer).cast("B").toreadonly()


class Borrow:
    """A `with` block with a read-only view of the shared bytes. `Segment.borrow` returns it."""

    def __init__(self, handle: Handle, owner: Living[Hold]) -> None:
        hold = Hold(handle)
        self.version = hold.version
        """The version of the text."""
        self.time_ns = hold.time_ns
        """When the text was set, in nanoseconds since 1970-01-01T00:00:00Z."""
        self._view = hold.view()
        self._hold = weakref.ref(hold)
        owner.add(hold)
        open_borrows.add(self)

    @property
    def is_open(self) -> bool:
        """True as long as there is any view of the bytes."""
        return self._hold() is not None

    def release(self) -> None:
        """Ends the borrow, as the end of the `with` block does. Releasing again does nothing.

        Raises BufferError if another view of the bytes remains.
        """
        self._view.release()
        if self.is_open:
            raise BufferError("another view of the borrowed bytes remains: release it, or copy it with bytes().")

    def __enter__(self) -> memoryview:
        if not self.is_open:
            raise BusyError(errno.EBUSY, "this borrow has ended: borrow again.")
        return self._view

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except BufferError:
            if error is None:  # Otherwise, what happened in the block matters more.
                raise


def release(handle: Handle, borrow: CBorrow) -> None:
    """Gives the bytes back."""
    try:
        library.sharedmem_release(handle, ctypes.byref(borrow))
    except InvalidArgumentError:
        pass  # A forked child: the borrow is its parent's.


open_borrows: Living[Borrow] = Living()


def forget_borrows() -> None:
    """Ends a forked child's views of what its parent has borrowed, because the parent decides when the bytes change."""
    for borrow in open_borrows:
        try:
            borrow.release()
        except BufferError:
            pass


os.register_at_fork(after_in_child=forget_borrows)
