"""The exceptions: one class for each thing that a caller can act on."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._values import Version


class Error(OSError):
    """A call failed. `strerror` says what happened and what to do; the text is as it was.

    Errors of the operating system that have no class of their own, such as EMFILE, are of this class.
    """


class InvalidArgumentError(Error, ValueError):
    """A name, an option, or an environment variable of the library is invalid (EINVAL)."""


class TooLongError(Error, ValueError):
    """The text is longer than the segment's capacity (EMSGSIZE)."""


class InvalidTextError(Error, ValueError):
    """The text contains U+0000 or cannot be encoded as UTF-8 (EILSEQ)."""


class VersionMismatchError(Error):
    """The text has changed since the expected version (ESTALE)."""

    current: Version
    """The version that the text has now."""


class ReadOnlyError(Error):
    """The segment was attached with `read_only=True` (EROFS)."""


class ReplicatedError(Error):
    """The segment is replicated (EREMOTEIO). Set the text through the server that replicates it."""


class BusyError(Error):
    """Text is still borrowed from the segment (EBUSY)."""


class ClosedError(Error, ValueError):
    """The segment was closed in this process (EBADF)."""


class TryAgainError(Error):
    """The segment stayed busy (EAGAIN)."""


class WaitTimeoutError(Error, TimeoutError):
    """The text did not change in time (ETIMEDOUT)."""


class InterruptedWaitError(Error, InterruptedError):
    """The thread handled a signal while it waited (EINTR). The package waits on, so callers do not see it."""


class UnlinkedError(Error):
    """The segment was unlinked, or another file has its name (EIDRM). Attach again."""


class NotFoundError(Error, FileNotFoundError):
    """The segment or its directory does not exist (ENOENT)."""


class ExistsError(Error, FileExistsError):
    """The segment exists with another capacity, mode or group (EEXIST)."""


class PermissionDeniedError(Error, PermissionError):
    """Permissions deny access, or the caller does not trust the owner of the file (EACCES, EPERM)."""


class UnusableError(Error):
    """The file or its directory cannot be used as a segment (ENOTSUP, ENODEV, EREMOTE, EOWNERDEAD)."""


class DamagedError(Error):
    """Another program has written to the segment's file (EUCLEAN)."""


class DescriptorError(Error):
    """The program has closed a descriptor of the library (EBADF). Attach again."""


class NoSpaceError(Error):
    """The tmpfs is full, or the process may not create a file of this size (ENOSPC, EFBIG)."""


class ShutdownError(Error):
    """The process is exiting, and the library is already unloaded (ESHUTDOWN)."""


class InterfaceError(ImportError):
    """libSharedMem.so cannot be loaded."""


CLASSES: dict[int, type[Error]] = {
    errno.EINVAL: InvalidArgumentError,
    errno.EMSGSIZE: TooLongError,
    errno.EILSEQ: InvalidTextError,
    errno.ERANGE: Error,  # only for buffers, which the package sizes itself
    errno.ESTALE: VersionMismatchError,
    errno.EROFS: ReadOnlyError,
    errno.EREMOTEIO: ReplicatedError,
    errno.EBUSY: BusyError,
    errno.EAGAIN: TryAgainError,
    errno.ETIMEDOUT: WaitTimeoutError,
    errno.EINTR: InterruptedWaitError,
    errno.EIDRM: UnlinkedError,
    errno.ENOENT: NotFoundError,
    errno.EEXIST: ExistsError,
    errno.EACCES: PermissionDeniedError,
    errno.EPERM: PermissionDeniedError,
    errno.ENOTSUP: UnusableError,
    errno.ENODEV: UnusableError,
    errno.EREMOTE: UnusableError,
    errno.EOWNERDEAD: UnusableError,
    errno.EUCLEAN: DamagedError,
    errno.EBADF: DescriptorError,
    errno.ENOSPC: NoSpaceError,
    errno.EFBIG: NoSpaceError,
    errno.ESHUTDOWN: ShutdownError,
}


def error(code: int, message: str) -> Error:
    """The exception for an errno of the library."""
    return CLASSES.get(code, Error)(code, message)
