"""Named text in shared memory, which every process on the host can read and set.

    import sharedmem

    with sharedmem.attach("shared") as segment:
        version = segment.set("feature.x = on")
        print(segment.get())

The package calls libSharedMem.so, so text that other languages, the command `sharedmem` or its HTTP server set is
seen here at once, under the same version. Any thread may use a `Segment`, and a forked child may go on using its
parent's. Text is in memory: by default, a segment exists as long as a process is attached to it.
"""

from ._attaching import attach
from ._errors import (
    BusyError,
    ClosedError,
    DamagedError,
    DescriptorError,
    Error,
    ExistsError,
    InterfaceError,
    InvalidArgumentError,
    InvalidTextError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
    ReplicatedError,
    ShutdownError,
    TooLongError,
    TryAgainError,
    UnlinkedError,
    UnusableError,
    VersionMismatchError,
    WaitTimeoutError,
)
from ._inspecting import SegmentInfo, info, names, unlink
from ._segment import Segment
from ._values import Snapshot, Version
from ._watch import Watch

__all__ = [
    "BusyError",
    "ClosedError",
    "DamagedError",
    "DescriptorError",
    "Error",
    "ExistsError",
    "InterfaceError",
    "InvalidArgumentError",
    "InvalidTextError",
    "NoSpaceError",
    "NotFoundError",
    "PermissionDeniedError",
    "ReadOnlyError",
    "ReplicatedError",
    "Segment",
    "SegmentInfo",
    "ShutdownError",
    "Snapshot",
    "TooLongError",
    "TryAgainError",
    "UnlinkedError",
    "UnusableError",
    "Version",
    "VersionMismatchError",
    "WaitTimeoutError",
    "Watch",
    "attach",
    "info",
    "names",
    "unlink",
]
