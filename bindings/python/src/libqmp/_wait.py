"""Waiting in a way that Ctrl-C ends.

Python runs the handlers of signals in the main thread, between instructions: a call of C's that blocks there holds them
up until it returns. So the main thread waits in poll(2), which Python interrupts, and turns the reactor itself. Other
threads block in the library, which is faster, and where they hold up nobody.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any, TypeVar, Union

from ._c import ERROR
from ._errors import Code, SystemFailure, take
from ._handle import Handle, Single
from ._load import lib
from ._requests import Request, sweep

T = TypeVar("T")


def in_main_thread() -> bool:
    """Whether signals are handled in this thread."""
    return threading.current_thread() is threading.main_thread()


class Reactor(Single):
    """A reactor of the library's, which its owner turns; freed when it was closed and nobody turns it any more."""

    def __init__(self, target: str) -> None:
        error = ERROR()
        pointer = lib.qmp_reactor_new(error)
        if not pointer:
            raise take(error, target)
        self.target = target
        self.handle = Handle(pointer, target, lambda pointer: None, lib.qmp_reactor_free)
        self.fd: int = lib.qmp_reactor_fd(pointer)
        if self.fd < 0:
            self.handle.close()
            raise SystemFailure(f"{target}: the system gives no more descriptors", Code.SYSTEM, target)

    def turn(self, reactor: Any) -> None:
        """Does what there is to do, without waiting."""
        error = ERROR()
        if lib.qmp_reactor_turn(reactor, 0, error) < 0:
            raise take(error, self.target)

    def outcome(self, request: Request, cancel: Callable[[], object]) -> bytes:
        """Waits for the end of a started request. `cancel` is called when something else ends the wait."""
        with self.handle as reactor:
            try:
                while not request.ended:
                    self.wait(reactor, -1, [])
            except BaseException:
                request.abandon()
                cancel()
                self.turn(reactor)
                raise
            finally:
                sweep(self)
        return request.result()

    def wait(self, reactor: Any, timeout_ms: int, fds: list[int]) -> None:
        """Waits until there is something to turn for, or at one of these descriptors."""
        # A new one each time: a signal's handler may wait as well, while this one is in use.
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        for fd in fds:
            poll.register(fd, select.POLLIN)
        if poll.poll(timeout_ms):
            self.turn(reactor)


Outcome = Union[T, BaseException]


def in_thread(function: Callable[[], T], done: Callable[[Outcome[T]], object]) -> None:
    """Has a thread call a function that blocks, and hand its value or exception to `done`."""

    def work() -> None:
        try:
            outcome: Outcome[T] = function()
        except BaseException as why:
            outcome = why
        done(outcome)

    # A daemon: whoever has given up waiting for it does not wait for it at the exit either.
    threading.Thread(target=work, name="libqmp", daemon=True).start()


def beside(function: Callable[[], T]) -> T:
    """The value of a function that blocks, and which the main thread has another one call."""
    if not in_main_thread():
        return function()
    arrived = threading.Event()
    outcomes: list[Outcome[T]] = []

    def done(outcome: Outcome[T]) -> None:
        outcomes.append(outcome)
        arrived.set()

    in_thread(function, done)
    arrived.wait()
    outcome = outcomes[0]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
