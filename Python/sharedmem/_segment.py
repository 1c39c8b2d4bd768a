"""A segment: reading, setting and borrowing its text."""

from __future__ import annotations

import ctypes
import errno
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

from ._borrow import Borrow, Hold
from ._errors import BusyError, ClosedError, InterruptedWaitError, InvalidTextError, VersionMismatchError, WaitTimeoutError
from ._handle import Handle, Living
from ._library import CBorrow, CVersion, library
from ._values import Snapshot, Version
from ._watch import Watch

LONGEST_WAIT = 1.0
"""The seconds for which a wait stays in C at a time: other threads may close the segment meanwhile."""


class Segment:
    """Named text in shared memory. `sharedmem.attach` returns it; a `with` block closes it.

    Any thread may use it, and close it while others use it: their next call raises ClosedError. In a forked child,
    the first call attaches the child. A segment that is not closed is detached when nothing refers to it.
    """

    def __init__(self, handle: Handle, name: str | None) -> None:
        self._handle: Handle | None = handle
        self._borrowed: Living[Hold] = Living()
        self._watches: Living[Watch] = Living()
        self.name = name
        """The name that it was attached by; None for the default one."""

    # MARK: Reading

    def get(self) -> str:
        """Returns the text.

        Raises TryAgainError or DamagedError.
        """
        return self.snapshot().text

    def snapshot(self) -> Snapshot:
        """Returns the text with its version and the time when it was set.

        Raises TryAgainError or DamagedError.
        """
        handle, borrow = self._open(), CBorrow()
        try:
            library.sharedmem_borrow(handle, ctypes.byref(borrow))
            data = ctypes.string_at(borrow.text, borrow.length) if borrow.text else b""
            version, time_ns = Version._of(borrow.version), borrow.publication_time
        finally:
            library.sharedmem_release(handle, ctypes.byref(borrow))  # Nothing happens if it is clear.
        return Snapshot(data.decode(), version, time_ns)

    def borrow(self) -> Borrow:
        """Lends the shared bytes themselves, without a copy, to a `with` block.

            with segment.borrow() as view:
                header = bytes(view[:16])

        `view` is a read-only memoryview of UTF-8, which does not change until the block ends. Writers can set other
        text meanwhile. End the block soon, because a borrow holds memory of the segment. If another view of the bytes,
        such as a slice, outlives the block, the block ends with a BufferError, and the bytes stay borrowed until that
        view is released.

        Raises TryAgainError or DamagedError.
        """
        return Borrow(self._open(), self._borrowed)

    @property
    def version(self) -> Version:
        """The current version."""
        version = CVersion()
        library.sharedmem_version(self._open(), ctypes.byref(version))
        return Version._of(version)

    @property
    def capacity(self) -> int:
        """The maximum length of the text, in bytes of UTF-8."""
        return int(library.sharedmem_capacity(self._open()))

    # MARK: Setting

    def set(self, text: str, if_version: Version | None = None) -> Version:
        """Sets the text, and returns its version.

        With `if_version`, the text is set only if that is still its version, in one atomic step: otherwise,
        VersionMismatchError gives the current version.

        Raises TooLongError, InvalidTextError, ReadOnlyError, ReplicatedError, NoSpaceError, TryAgainError or DamagedError.
        """
        if not isinstance(text, str):
            raise TypeError(f"the text must be a str, not {type(text).__name__}: decode bytes first.")
        if not isinstance(if_version, Version | None):
            raise TypeError("if_version must be a Version: make one of a string with Version.parse.")
        try:
            data = text.encode()
        except UnicodeEncodeError as failure:
            message = f"character {failure.start} of the text is a surrogate, which UTF-8 does not have: remove it."
            raise InvalidTextError(errno.EILSEQ, message) from None
        handle, version = self._open(), CVersion()
        if if_version is None:
            library.sharedmem_set(handle, data, len(data), ctypes.byref(version))
        else:
            try:
                expected = ctypes.byref(if_version._c)
                library.sharedmem_set_if(handle, data, len(data), expected, ctypes.byref(version))
            except VersionMismatchError as mismatch:
                mismatch.current = Version._of(version)
                raise
        return Version._of(version)

    def update(self, change: Callable[[str], str]) -> Version:
        """Replaces the text with the result of `change`, retrying if another writer gets in first.

        `change` gets the current text, perhaps several times. Raises what `change` and `set` raise.
        """
        while True:
            old = self.snapshot()
            try:
                return self.set(change(old.text), if_version=old.version)
            except VersionMismatchError:
                continue

    # MARK: Waiting

    def wait(self, after: Version, timeout: float | None = None) -> Version:
        """Blocks the thread until the current version differs from `after`, and returns it.

        `timeout` is in seconds; None stands for no limit. Raises WaitTimeoutError or UnlinkedError.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        version = CVersion()
        while True:
            handle, remaining = self._open(), max(0.0, deadline - time.monotonic())
            try:
                milliseconds = math.ceil(min(remaining, LONGEST_WAIT) * 1000)
                library.sharedmem_wait(handle, after._c, milliseconds, ctypes.byref(version))
                return Version._of(version)
            except InterruptedWaitError:
                pass  # Python runs the signal's handler before the next round.
            except WaitTimeoutError:
                if remaining <= LONGEST_WAIT:
                    raise

    def watch(self, after: Version | None = None) -> Watch:
        """Follows the text: an iterator of snapshots, for `for` and for `async for`.

            for snapshot in segment.watch():
                print(snapshot.version, snapshot.text)

        The first snapshot is the current text, unless its version is `after`. Then each later version comes as it is
        set; if several are set before the next step, the newest one comes. The iterator ends when the segment is
        closed. If it is unlinked, UnlinkedError is raised.
        """
        return Watch(self, after)

    # MARK: Closing

    def close(self) -> None:
        """Detaches from the segment, as the end of a `with` block does. Closing again does nothing.

        Calls of other threads end first. Raises BusyError if text is still borrowed; the segment then stays open.
        """
        if any(True for _ in self._borrowed):
            raise BusyError(errno.EBUSY, "text is still borrowed: end the `with` block of each borrow, then close again.")
        self._handle = None
        for watch in self._watches:
            watch.wake()

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._handle is None

    def _open(self) -> Handle:
        """The handle, which stays valid while the caller refers to it."""
        handle = self._handle
        if handle is None:
            raise ClosedError(errno.EBADF, "the segment is closed: attach again.")
        return handle

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a segment belongs to its process: attach in the other process instead")

    def __repr__(self) -> str:
        name = "default" if self.name is None else repr(self.name)
        return f"<sharedmem.Segment {name}{' (closed)' if self.is_closed else ''}>"
