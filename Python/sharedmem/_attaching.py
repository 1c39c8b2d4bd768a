"""Attaching to a segment."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from ._handle import Handle
from ._library import EXISTING, PERSISTENT, READ_ONLY, COptions, encode, library
from ._segment import Segment

Path = str | os.PathLike[str]


def attach(
    name: str | None = None,
    *,
    directory: Path | None = None,
    capacity: int = 0,
    read_only: bool = False,
    persistent: bool = False,
    create: bool = True,
    mode: int = 0,
    group: str | int | None = None,
    trusted_owners: Iterable[int] = (),
    row_count: int = 0,
    pin_count: int = 0,
) -> Segment:
    """Attaches to a segment, and creates it if it does not exist.

    - `name` is 1 to 200 of `A-Z a-z 0-9 . _ -` and does not begin with a dot. None stands for the environment
      variable SHAREDMEM_NAME, or `shared`.
    - `directory` is on a tmpfs: by default, the environment variable SHAREDMEM_DIRECTORY, or /dev/shm.
    - `capacity` is the most bytes of UTF-8 that the text of a new segment can have, up to 1 GiB: by default, the
      environment variable SHAREDMEM_CAPACITY, or 1 MiB. An existing segment must have the same, unless it is 0.
    - `read_only` attaches for reading alone, and needs no permission to write.
    - `persistent` keeps a new segment until it is unlinked or the host reboots. By default, it is gone when the last
      process has ended or detached.
    - `create=False` does not create the segment.
    - `mode` is the permissions of its file: by default, 0o600 for a new segment. `group` is the group of its file.
    - `trusted_owners` are numbers of users whose segments the caller trusts, besides its own and root's.
    - `row_count` and `pin_count` are the sizes of a new segment's tables; sharedmem.h describes them.

    Raises NotFoundError, ExistsError, PermissionDeniedError, UnusableError, NoSpaceError, TryAgainError or
    InvalidArgumentError.
    """
    flags = READ_ONLY * read_only | PERSISTENT * persistent | EXISTING * (not create)
    options = make_options(directory, trusted_owners)
    options.capacity, options.flags, options.mode = capacity, flags, mode
    options.row_count, options.pin_count = row_count, pin_count
    options.group = encode(None if group is None else str(group))
    return Segment(Handle(library.sharedmem_attach(encode(name), ctypes.byref(options))), name)


def make_options(directory: Path | None, trusted_owners: Iterable[int]) -> COptions:
    """The options that all functions with options use."""
    owners = list(trusted_owners)
    return COptions(
        size=ctypes.sizeof(COptions),
        directory=encode(None if directory is None else os.fspath(directory)),
        trusted_owners=(ctypes.c_uint32 * len(owners))(*owners) if owners else None,
        trusted_owner_count=len(owners),
    )
