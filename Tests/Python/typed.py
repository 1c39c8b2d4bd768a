"""What a type checker sees of the installed package. Scripts/check-wheel runs mypy --strict on it."""

import asyncio
import datetime
import pathlib
from typing import assert_type

import sharedmem

with sharedmem.attach("text", directory=pathlib.Path("/dev/shm"), capacity=4096, trusted_owners={0}) as segment:
    assert_type(segment, sharedmem.Segment)
    assert_type(segment.get(), str)
    assert_type(segment.set("x"), sharedmem.Version)
    assert_type(segment.set("x", if_version=segment.version), sharedmem.Version)
    assert_type(segment.update(str.upper), sharedmem.Version)
    assert_type(segment.wait(segment.version, timeout=0.5), sharedmem.Version)
    assert_type(segment.snapshot().time, datetime.datetime)
    with segment.borrow() as view:
        assert_type(view, memoryview)
    for snapshot in segment.watch():
        assert_type(snapshot, sharedmem.Snapshot)
    try:
        segment.set("y", sharedmem.Version.parse("0000000000000001-1"))
    except sharedmem.VersionMismatchError as error:
        assert_type(error.current, sharedmem.Version)


async def follow(segment: sharedmem.Segment) -> None:
    async for snapshot in segment.watch():
        assert_type(snapshot.text, str)


asyncio.run(follow(segment))
assert_type(sharedmem.info("text").created, datetime.datetime)
assert_type(sharedmem.names(), list[str])
segment.set(b"bytes")  # type: ignore[arg-type]
segment.set("x", if_version="1")  # type: ignore[arg-type]
sharedmem.attach("text", 4096)  # type: ignore[call-arg, arg-type]
