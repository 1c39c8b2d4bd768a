"""Describing, listing and removing segments without attaching to them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ._attaching import Path, make_options
from ._library import PERSISTENT, CInfo, encode, library
from ._values import Version, time


@dataclass(frozen=True)
class SegmentInfo:
    """A segment as `sharedmem.info` describes it. Sizes are in bytes."""

    capacity: int
    length: int
    version: Version
    changed: datetime
    created: datetime
    memory: int
    """The memory behind the segment's file."""
    persistent: bool
    mode: int
    owner: int
    pins: int
    """How many borrows and readers of living processes read in place; at most `pin_count` can."""
    pin_count: int
    rows: int
    """How many processes have read in place or set the text; at most `row_count` can keep a place for that."""
    row_count: int
    attachments: int
    """How many attachments there are, one for each process and kind of access; 0 if /proc/locks does not say."""
    setter_process: int
    """The id of the process that set the text, in its own PID namespace; 0 for the empty text of a new segment."""
    setter_user: int
    setter_program: str


def info(name: str, *, directory: Path | None = None, trusted_owners: Iterable[int] = ()) -> SegmentInfo:
    """Describes a segment without attaching to it.

    Raises NotFoundError, PermissionDeniedError, UnusableError or InvalidArgumentError.
    """
    result = CInfo()
    library.sharedmem_info(encode(name), ctypes.byref(make_options(directory, trusted_owners)), ctypes.byref(result))
    return SegmentInfo(
        capacity=result.capacity,
        length=result.length,
        version=Version._of(result.version),
        changed=time(result.publication_time),
        created=time(result.creation_time),
        memory=result.memory,
        persistent=bool(result.flags & PERSISTENT),
        mode=result.mode,
        owner=result.owner,
        pins=result.pins,
        pin_count=result.pin_count,
        rows=result.rows,
        row_count=result.row_count,
        attachments=result.attachments,
        setter_process=result.setter_process,
        setter_user=result.setter_user,
        setter_program=result.setter_program.decode(errors="replace"),
    )


def names(directory: Path | None = None) -> list[str]:
    """Returns the names of the segments in a directory, by default the one that `attach` uses.

    Raises NotFoundError or PermissionDeniedError.
    """
    path = make_options(directory, ()).directory
    size = 4096
    while True:
        buffer = ctypes.create_string_buffer(size)
        length = library.sharedmem_list(path, buffer, size)
        if length < size:
            return buffer.raw[:length].decode().splitlines()
        size = length + 1  # Segments may be created meanwhile, so try again.


def unlink(name: str, *, directory: Path | None = None, trusted_owners: Iterable[int] = ()) -> None:
    """Removes a segment's name. Attached processes keep the segment, and learn that it is unlinked.

    Raises NotFoundError, PermissionDeniedError, UnusableError, TryAgainError or InvalidArgumentError.
    """
    library.sharedmem_unlink(encode(name), ctypes.byref(make_options(directory, trusted_owners)))
