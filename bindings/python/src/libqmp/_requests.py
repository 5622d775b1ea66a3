"""Requests that were started and whose answers come in a turn: the one place where C calls Python.

The library hands an answer to a callback, and lends it only until the callback returns; there is no way to ask for it
later. So there are two callbacks here, which keep what they are given and do nothing else; nobody else's code runs in
them. An exception cannot cross C, but a signal's handler, which Python runs between any two instructions of the main
thread, may raise one in a callback (Ctrl-C does): ctypes prints it and drops it. Therefore the end of a request is told
by a function that is not written in Python (`set.add`), in which no handler runs: a request that has ended without a
whole outcome was interrupted, and whoever waits for it gets the KeyboardInterrupt that got lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from . import _c
from ._errors import take
from ._load import lib

_keys = itertools.count(1)
# Everything that is open, by the number that the library hands back as user_data.
_open: dict[int, Request] = {}
# The numbers of which the library has let go.
_ended: set[int] = set()


class Request:
    """One started call. It has ended when the library has let go of it, and then has an outcome."""

    def __init__(self, owner: object, target: str, on_end: Callable[[], None] | None = None) -> None:
        """`owner` is who turns the reactor and sweeps, which calls `on_end`, perhaps more than once."""
        self.owner = owner
        self.on_end = on_end
        self.id = 0
        self._target = target
        self._key = next(_keys)
        self._error: Any = None
        self._reply: bytes | None = None
        self._whole = False
        self._swept = False

    @property
    def ended(self) -> bool:
        """Whether there is an outcome."""
        return self._swept or self._key in _ended

    def run(self, monitor: Any, request: bytes, fds: Any, timeout_ms: int) -> None:
        """Starts a command. Raises if it cannot be started."""
        self._start(lib.qmp_monitor_start_with_fds, monitor, request, fds, len(fds), timeout_ms, _on_reply)

    def connect(self, monitor: Any, timeout_ms: int) -> None:
        """Starts to connect. Raises if it cannot be started."""
        self._start(lib.qmp_monitor_connect_start, monitor, timeout_ms, _on_done)

    def result(self) -> bytes:
        """The reply; empty for a connect. Raises what it ended with. To be called once, when it has ended."""
        self.forget()
        if not self._whole:
            raise KeyboardInterrupt
        if self._error is not None:
            error, self._error = self._error, None
            raise take(error, self._target)
        return self._reply or b""

    def forget(self) -> None:
        """Gives up the place of one that has ended."""
        self._swept = True
        _open.pop(self._key, None)
        _ended.discard(self._key)

    def abandon(self) -> None:
        """Nobody waits for it any more: whoever sweeps may forget what it ended with."""
        self.on_end = self._drop
        if self.ended:
            self._drop()

    def keep(self, error: Any, reply: bytes | None) -> None:
        """What the callbacks do: `error` is only lent."""
        if error:
            self._error = lib.qmp_error_copy(error)
        self._reply = reply
        self._whole = True

    def _drop(self) -> None:
        error, self._error = self._error, None
        # NULL, as None becomes, is allowed.
        lib.qmp_error_free(error)

    def _start(self, function: Callable[..., int], *arguments: Any) -> None:
        _open[self._key] = self
        error = _c.ERROR()
        started = function(*arguments, self._key, _on_free, error)
        # An id, or 0 and an error; for connecting 0, or -1 and an error.
        if error:
            self.forget()
            raise take(error, self._target)
        self.id = started


def sweep(owner: object) -> None:
    """Tells those of this owner that have ended so, in the order in which they were started."""
    if not _ended:
        return
    # Each step may be the last, if a signal's handler raises: then the next sweep makes up for it.
    for key in sorted(tuple(_ended)):
        request = _open.get(key)
        if request is None:
            _ended.discard(key)
        elif request.owner is owner:
            if request.on_end is not None:
                request.on_end()
            request.forget()


def _keep_reply(key: int, _monitor: Any, error: Any, reply: bytes | None, _length: int) -> None:
    _open[key].keep(error, reply)


def _keep_done(key: int, _monitor: Any, error: Any) -> None:
    _open[key].keep(error, None)


# Never freed: the library may call them as long as there is a monitor.
_on_reply = _c.REPLY_CB(_keep_reply)
_on_done = _c.DONE_CB(_keep_done)
_on_free = _c.FREE_CB(_ended.add)
