"""Pointers to the library's objects, which many threads use and one of them closes.

An object is freed when it was closed and the last call that uses it has returned: no call ever meets a freed one. At
the interpreter's exit everything is closed, so that nothing of the library runs while Python is taken apart. In a
forked child the objects are forgotten: the library allows nothing there but exec and _exit, and they are the parent's.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from ._errors import Code, WrongState

# How long the exit waits for daemon threads that are inside the library, in seconds.
_PATIENCE = 1.0


class Handle:
    """A pointer, used as a context: `with handle as pointer`."""

    def __init__(self, pointer: Any, what: str, end: Callable[[Any], None], free: Callable[[Any], None]) -> None:
        """`end` makes the calls that are inside return, `free` frees: each is called once."""
        self.what = what
        self._pointer = pointer
        self._end = end
        self._free = free
        self._users = 0
        self._closed = False
        self._lock = threading.Lock()
        _all.add(self)

    def __enter__(self) -> Any:
        with self._lock:
            if self._closed:
                raise WrongState(f"{self.what} is closed", Code.STATE, self.what)
            self._users += 1
        return self._pointer

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._let_go()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def gone(self) -> bool:
        """Whether it was freed, too."""
        return self._pointer is None

    def close(self) -> None:
        """Ends the calls that are inside, and frees the object now, or when the last of them has returned."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # Keeps it until `end` has returned.
            self._users += 1
        try:
            self._end(self._pointer)
        finally:
            self.__exit__()

    def __del__(self) -> None:
        self.close()

    def forget(self) -> None:
        """In a forked child: as if closed, and never touched. The lock may be held by a thread that is not here."""
        self._lock = threading.Lock()
        self._closed = True
        self._users = 1
        self.what += " (of the process that was forked)"

    def _let_go(self) -> None:
        pointer, self._pointer = self._pointer, None
        self._free(pointer)


_all: weakref.WeakSet[Handle] = weakref.WeakSet()


def _close_all() -> None:
    handles = list(_all)
    for handle in handles:
        handle.close()
    deadline = time.monotonic() + _PATIENCE
    while not all(handle.gone for handle in handles) and time.monotonic() < deadline:
        time.sleep(0.005)


def _forget_all() -> None:
    for handle in list(_all):
        handle.forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
