"""Streams of events to await."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from types import TracebackType
from typing import cast

from .._core import Event
from .._errors import Error
from .._events import Stream, moment
from .._handle import Handle
from .._wait import Reactor
from ._loop import settle


class EventStream(Stream):
    """The events of a monitor from the moment on when it was made: `async for event in it`, or `await it.next()`.

    Iterating ends when the stream or the monitor is closed, and raises Disconnected when there is no link any more and
    nothing is left.
    """

    def __init__(self, monitor: Handle, reactor: Reactor, name: str | None) -> None:
        super().__init__(monitor, reactor, name)
        self._loop = asyncio.get_running_loop()
        # Who waits, each with what it uses.
        self._waiting: dict[asyncio.Future[None], contextlib.ExitStack] = {}
        with self._handle as events:
            self._readable = self._fd(events)

    async def next(self, timeout: float | None = None) -> Event:
        """The next event. TimeoutError after so many seconds; with 0 it only looks."""
        return cast(Event, json.loads(await self.next_raw(timeout)))

    async def next_raw(self, timeout: float | None = None) -> bytes:
        """The same as it came."""
        end = moment(timeout)
        # Kept for as long as it waits: a stream that is closed meanwhile still gives what it has.
        uses = contextlib.ExitStack()
        events = uses.enter_context(self._handle)
        try:
            while True:
                found = self._take(events, 0)
                if found is not None:
                    return found
                left = end - time.monotonic()
                if left <= 0:
                    raise self._late(timeout)
                await self._wait(left, uses)
        finally:
            uses.close()

    def close(self) -> None:
        """Ends the stream: who waits in it gets what is queued, then Canceled; iterations end."""
        if self._waiting:
            self._unwatch()
        for future, uses in self._waiting.items():
            settle(future)
            if self._loop.is_closed():
                # This one never goes on, and gives back nothing.
                uses.close()
        super().close()

    async def _wait(self, seconds: float, uses: contextlib.ExitStack) -> None:
        """Until there is something to take, the stream is closed, or the time is over."""
        future: asyncio.Future[None] = self._loop.create_future()
        timer = None if seconds == math.inf else self._loop.call_later(seconds, settle, future)
        if not self._waiting:
            self._loop.add_reader(self._readable, self._wake)
        self._waiting[future] = uses
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
            del self._waiting[future]
            if not self._waiting and not self.closed:
                self._unwatch()

    def _unwatch(self) -> None:
        # A loop that was closed watches nothing.
        if not self._loop.is_closed():
            self._loop.remove_reader(self._readable)

    def _wake(self) -> None:
        for future in self._waiting:
            settle(future)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.next()
        except Error as why:
            if self._over(why):
                raise StopAsyncIteration from None
            raise

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
