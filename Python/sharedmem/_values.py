"""Values that do not change: a version, and text with its version."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ._library import VERSION_SIZE, CVersion, encode, library

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Version:
    """A version of a segment's text. Every interface shows the same one; HTTP sends it as ETag."""

    instance: int
    """A random number, drawn when the segment was created. Only numbers of the same instance can be compared."""
    number: int
    """How often the text has been set; 0 for the empty text of a new segment."""

    def __str__(self) -> str:
        """`INSTANCE-NUMBER`: 16 hexadecimal digits and a decimal number."""
        buffer = ctypes.create_string_buffer(VERSION_SIZE)
        library.sharedmem_version_format(self._c, buffer)
        return buffer.value.decode()

    @classmethod
    def parse(cls, text: str) -> Version:
        """Reads a version as `str` writes it.

        Raises InvalidArgumentError if `text` is not one.
        """
        version = CVersion()
        library.sharedmem_version_parse(encode(text), ctypes.byref(version))
        return cls._of(version)

    @classmethod
    def _of(cls, version: CVersion) -> Version:
        """The version in a structure of the C library."""
        return cls(version.instance, version.number)

    @property
    def _c(self) -> CVersion:
        """The version as a structure of the C library."""
        return CVersion(self.instance, self.number)


@dataclass(frozen=True)
class Snapshot:
    """The text at one moment, with its version."""

    text: str
    version: Version
    time_ns: int
    """When the text was set, in nanoseconds since 1970-01-01T00:00:00Z, as `time.time_ns()` counts."""

    @property
    def time(self) -> datetime:
        """When the text was set, in UTC, to the microsecond."""
        return time(self.time_ns)


def time(nanoseconds: int) -> datetime:
    """A time of the C library, in UTC, to the microsecond."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)
