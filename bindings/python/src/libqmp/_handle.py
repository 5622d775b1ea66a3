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
from typing import Any, NoReturn, SupportsIndex

from ._errors import Code, WrongState

# How long the exit waits for daemon threads that are inside the library, in seconds.
_PATIENCE = 1.0


class Single:
    """What is there once: a copy would close what it has in common with its original."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # The one way of copy and pickle.
        raise TypeError(f"{type(self).__name__} objects cannot be copied or pickled")


class Handle(Single):
    """A pointer, used as a context: `with handle as pointer`.

    There is no lock in it, which an exception of a signal's handler might leave locked: what threads share are lists,
    whose `append` and `pop` are one step each. Such an exception may leave a use uncounted back: then closing still
    ends the link, and the object itself stays until the process ends.
    """

    def __init__(
        self,
        pointer: Any,
        target: str,
        end: Callable[[Any], object],
        free: Callable[[Any], object],
        part: str = "",
    ) -> None:
        """`end` makes the calls that are inside return, `free` frees: each is called once. `part` is of the target."""
        self.target = target
        self._part = part
        self._end = end
        self._free = free
        # An item each: the object, if it was not freed; the right to close it; the calls that are inside.
        self._pointer = [pointer]
        self._open = [True]
        self._uses: list[None] = []
        _all.add(self)

    def __enter__(self) -> Any:
        self._uses.append(None)
        # Whoever closes it first takes the right, then looks at the uses: one of the two sees the other.
        if self.closed:
            self.__exit__()
            raise WrongState(f"{self.target}{self._part} is closed", Code.STATE, self.target)
        return self._pointer[0]

    def __exit__(self, *_: object) -> None:
        self._uses.pop()
        if self.closed and not self._uses:
            self._let_go()

    def __del__(self) -> None:
        # What comes last in the making is missing where a signal's handler has ended that.
        if hasattr(self, "_uses"):
            self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not self._open

    @property
    def gone(self) -> bool:
        """Whether it was freed, too."""
        return not self._pointer

    def close(self) -> None:
        """Ends the calls that are inside, and frees the object now, or when the last of them has returned."""
        # Keeps it until `end` has returned.
        self._uses.append(None)
        try:
            self._open.pop()
        except IndexError:
            # Somebody else has closed it.
            pass
        else:
            self._end(self._pointer[0])
        finally:
            self.__exit__()

    def forget(self) -> None:
        """In a forked child: as if closed, and never touched."""
        self._pointer.clear()
        self._open.clear()
        self._part += " (of the process that was forked)"

    def _let_go(self) -> None:
        try:
            pointer = self._pointer.pop()
        except IndexError:
            # Somebody else has freed it.
            return
        self._free(pointer)


_all: weakref.WeakSet[Handle] = weakref.WeakSet()


def _close_all() -> None:
    handles = list(_all)
    for handle in handles:
        handle.close()
    deadline = time.monotonic() + _PATIENCE
    # A task that waits counts as inside: in this thread nobody runs it any more.
    while threading.active_count() > 1 and not all(h.gone for h in handles) and time.monotonic() < deadline:
        time.sleep(0.005)


def _forget_all() -> None:
    for handle in list(_all):
        handle.forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
