"""Streams of events to pull from: what both APIs share, and the one that blocks."""

from __future__ import annotations

import json
import math
import time
from types import TracebackType
from typing import Any, cast

from ._c import ERROR
from ._core import Event, data
from ._encode import DEFAULT, Timeout, milliseconds, text
from ._errors import Code, Error, TimeoutError, take
from ._handle import Handle, Single
from ._load import lib
from ._wait import Reactor, in_main_thread


def moment(timeout: Timeout) -> float:
    """When a wait of so many seconds that begins now is over, by the monotonic clock."""
    if timeout is DEFAULT:
        raise TypeError(f"a stream waits for a number of seconds, or with None as long as it takes: {timeout!r}")
    limit = milliseconds(timeout)
    return math.inf if limit < 0 else time.monotonic() + limit / 1000


class Stream(Single):
    """A stream without its waiting calls."""

    def __init__(self, monitor: Handle, reactor: Reactor, name: str | None) -> None:
        self._target = monitor.target
        self._monitor = monitor
        self._reactor = reactor
        words = None if name is None else text(name, "the event's name")
        error = ERROR()
        with monitor as pointer:
            events = lib.qmp_monitor_events(pointer, words, error)
        if not events:
            raise take(error, self._target)
        self._handle = Handle(events, self._target, lib.qmp_events_close, lib.qmp_events_free, ": the stream")

    def close(self) -> None:
        """Ends the stream: whoever waits in it gets what is queued, then Canceled."""
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    def _take(self, events: Any, timeout_ms: int) -> bytes | None:
        """The next event, or None if there is none within this time."""
        error = ERROR()
        buffer = lib.qmp_events_next(events, timeout_ms, error)
        if buffer:
            return data(buffer)
        if lib.qmp_error_code(error) == Code.TIMEOUT:
            lib.qmp_error_free(error)
            return None
        raise take(error, self._target)

    def _fd(self, events: Any) -> int:
        error = ERROR()
        fd: int = lib.qmp_events_fd(events, error)
        if fd < 0:
            raise take(error, self._target)
        return fd

    def _late(self, timeout: float | None) -> Error:
        return TimeoutError(f"{self._target}: no event within {timeout} s", Code.TIMEOUT, self._target)

    def _over(self, why: Error) -> bool:
        """Whether this ends an iteration: the stream or its monitor was closed."""
        return self.closed or self._monitor.closed or why.code == Code.CANCELED


class EventStream(Stream):
    """The events of a monitor from the moment on when it was made: `for event in stream`, or `stream.next(timeout)`.

    Iterating ends when the stream or the monitor is closed, and raises Disconnected when there is no link any more and
    nothing is left.
    """

    def next(self, timeout: float | None = None) -> Event:
        """The next event. TimeoutError after so many seconds; with 0 it only looks."""
        return cast(Event, json.loads(self.next_raw(timeout)))

    def next_raw(self, timeout: float | None = None) -> bytes:
        """The same as it came."""
        end = moment(timeout)
        with self._handle as events:
            if in_main_thread():
                found = self._wait(events, timeout, end)
            else:
                found = self._take(events, milliseconds(timeout))
        if found is None:
            raise self._late(timeout)
        return found

    def _wait(self, events: Any, timeout: float | None, end: float) -> bytes | None:
        found = self._take(events, 0)
        if found is not None or timeout == 0:
            return found
        fds = [self._fd(events)]
        with self._reactor.handle as reactor:
            while found is None:
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._reactor.wait(reactor, milliseconds(left), fds)
                found = self._take(events, 0)
        return found

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        try:
            return self.next()
        except Error as why:
            if self._over(why):
                raise StopIteration from None
            raise

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
