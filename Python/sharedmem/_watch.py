"""Following the text, in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from ._errors import ClosedError, WaitTimeoutError
from ._library import library
from ._values import Snapshot, Version

if TYPE_CHECKING:
    from ._segment import Segment


class Watch(Iterator[Snapshot], AsyncIterator[Snapshot]):
    """An iterator of the current text and then of each later one. `Segment.watch` returns it."""

    def __init__(self, segment: Segment, after: Version | None) -> None:
        self._segment = segment
        self._after = Version(0, 0) if after is None else after
        self._events: select.epoll | None = None
        self._process = 0
        self._sleep: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        segment._watches.add(self)

    # MARK: In a thread

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Snapshot:
        """Blocks until there is text that this iterator has not returned yet."""
        try:
            self._segment.wait(self._after)
            return self._advance()
        except ClosedError:
            raise StopIteration from None

    # MARK: In an event loop

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Snapshot:
        """Waits for text that this iterator has not returned yet; other tasks run meanwhile."""
        try:
            while True:
                events = self._open_events()
                # The events are taken first, so what happens from here on leads to another one.
                events.poll(0)
                try:
                    self._segment.wait(self._after, timeout=0)
                    return self._advance()
                except WaitTimeoutError:
                    await self._next_event(events)
        except ClosedError:
            raise StopAsyncIteration from None

    def _open_events(self) -> select.epoll:
        """Reports each change, whatever other iterators do with the descriptor of the segment, which they share.

        The descriptor stays readable, as nothing reads it, but every change to it is an edge.
        """
        handle = self._segment._open()
        if self._events is None or self._process != os.getpid():  # A forked child gets a descriptor of its own.
            descriptor, self._process = library.sharedmem_eventfd(handle), os.getpid()
            self._events = select.epoll()
            self._events.register(descriptor, select.EPOLLIN | select.EPOLLET)
        return self._events

    async def _next_event(self, events: select.epoll) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._sleep = loop, future
        loop.add_reader(events.fileno(), end, future)
        try:
            await future
        finally:
            self._sleep = None
            loop.remove_reader(events.fileno())

    def wake(self) -> None:
        """Has a waiting task look again, from any thread: the segment was closed."""
        if sleep := self._sleep:
            loop, future = sleep
            loop.call_soon_threadsafe(end, future)

    # MARK: Both

    def _advance(self) -> Snapshot:
        snapshot = self._segment.snapshot()
        self._after = snapshot.version
        return snapshot


def end(future: asyncio.Future[None]) -> None:
    """Ends a wait, unless it has ended."""
    if not future.done():
        future.set_result(None)
