"""The reactor of an event loop: the loop watches its descriptor, and turns it when there is something to do.

All monitors of a loop share it, and so those of one libvirt daemon share a connection. The deadlines of requests are
inside the reactor: the loop needs no timer for them.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .._requests import Request, sweep
from .._wait import Reactor

_lock = threading.Lock()
_reactors: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopReactor] = weakref.WeakKeyDictionary()


class LoopReactor(Reactor):
    """A reactor that an event loop turns, as long as somebody has a share of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: str) -> None:
        super().__init__(target)
        self._loop = weakref.ref(loop)
        self._thread = threading.get_ident()
        self._shares = 0
        loop.add_reader(self.fd, self._readable)

    @staticmethod
    def share(target: str) -> LoopReactor:
        """The running loop's. `target` is for whom, should there be none to have."""
        loop = asyncio.get_running_loop()
        with _lock:
            reactor = _reactors.get(loop)
            if reactor is None:
                reactor = _reactors[loop] = LoopReactor(loop, target)
            reactor._shares += 1
            return reactor

    def give_up(self) -> None:
        """Gives up a share."""
        with _lock:
            self._shares -= 1
            if self._shares > 0:
                return
            loop = self._loop()
            if loop is not None:
                _reactors.pop(loop, None)
        self.in_loop(self._leave)

    def in_loop(self, function: Callable[[], object]) -> None:
        """Calls this in the loop's thread: now, if that is this one, or if there is no loop any more."""
        loop = self._loop()
        if loop is not None and threading.get_ident() != self._thread:
            try:
                loop.call_soon_threadsafe(function)
                return
            except RuntimeError:
                # It is closed.
                pass
        function()

    async def outcome(self, request: Request, cancel: Callable[[], object]) -> bytes:  # type: ignore[override]
        """Waits for the end of a started request. `cancel` is called when something else ends the wait."""
        future = asyncio.get_running_loop().create_future()
        request.on_end = lambda: self.in_loop(lambda: settle(future))
        # It may have ended before there was anybody to tell.
        if request.ended:
            return request.result()
        try:
            await future
        except BaseException:
            request.abandon()
            cancel()
            raise
        return request.result()

    def _readable(self) -> None:
        with self.handle as reactor:
            self.turn(reactor)
        sweep(self)

    def _leave(self) -> None:
        loop = self._loop()
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self.fd)
        self.handle.close()


def waits(future: asyncio.Future[Any]) -> bool:
    """Whether anybody still awaits it: a loop that is closed wakes nobody, and takes it ill to be asked to."""
    return not future.done() and not future.get_loop().is_closed()


def settle(future: asyncio.Future[None]) -> None:
    """Wakes whoever awaits it, if anybody still does."""
    if waits(future):
        future.set_result(None)
