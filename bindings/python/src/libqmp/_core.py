"""What a monitor is in both APIs: its object in the library, and all calls of it that do not wait."""

from __future__ import annotations

import enum
import json
import warnings
from collections.abc import Callable
from typing import Any, TypedDict

from ._c import ERROR
from ._encode import Option, option, text
from ._errors import Code, ProtocolError, take
from ._handle import Handle, Single
from ._load import lib
from ._requests import sweep
from ._wait import Reactor

Event = dict[str, Any]
"""A QMP event: "event", "timestamp", and "data" if QEMU sent any."""


class Domain(TypedDict):
    """A domain of a hypervisor."""

    name: str
    uuid: str
    id: int
    """-1 while it is shut off."""
    state: str
    """libvirt's: running, blocked, paused, shutdown, shutoff, crashed, pmsuspended, nostate."""


class State(enum.IntEnum):
    """How far a monitor is: QMP_STATE_*."""

    NEW = 0
    CONNECTING = 1
    CONNECTED = 2
    DISCONNECTED = 3


class Core(Single):
    """A monitor without its waiting calls."""

    def __init__(self, reactor: Reactor, target: str, options: dict[str, Option]) -> None:
        self._target = target
        self._reactor = reactor
        with reactor.handle as pointer:
            error = ERROR()
            monitor = lib.qmp_monitor_new(pointer, text(target, "the target"), error)
        if not monitor:
            raise take(error, target)
        self._handle = Handle(monitor, target, _end, _free(reactor))
        try:
            self.set(**options)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the link and all that is open; the monitor is of no use afterwards. Never waits."""
        self._handle.close()

    @property
    def target(self) -> str:
        """The target as it was given."""
        return self._target

    @property
    def state(self) -> State:
        """How far it is; DISCONNECTED when it is closed."""
        if self._handle.closed:
            return State.DISCONNECTED
        with self._handle as monitor:
            return State(lib.qmp_monitor_state(monitor))

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    def set(self, **options: Option) -> None:
        """Sets options: those of the library with _ for -, and default_timeout for its "timeout". Times are seconds."""
        for name, value in options.items():
            words = option(name, value)
            with self._handle as monitor:
                error = ERROR()
                if lib.qmp_monitor_set(monitor, *words, error) != 0:
                    raise take(error, self._target)

    def supports(self, feature: str) -> bool:
        """Can the link that there is do this: "events", "fds", "oob"?"""
        with self._handle as monitor:
            return bool(lib.qmp_monitor_supports(monitor, text(feature, "the feature")) == 1)

    def disconnect(self) -> None:
        """Ends the link without waiting for QEMU; it can be connected again. Open requests end with Disconnected."""
        with self._handle as monitor:
            error = ERROR()
            if lib.qmp_monitor_disconnect(monitor, error) != 0:
                raise take(error, self._target)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} {self._target!r} {self.state.name.lower()}>"

    def __del__(self) -> None:
        handle: Handle | None = getattr(self, "_handle", None)
        if handle is not None and not handle.closed:
            try:
                # Which may be told to raise.
                warnings.warn(f"{self._target} was not closed", ResourceWarning, source=self)
            finally:
                self.close()


def _end(monitor: Any) -> None:
    """Makes the calls that are inside return, and those that are about to enter fail."""
    lib.qmp_monitor_cancel(monitor, 0)
    lib.qmp_monitor_disconnect(monitor, None)


def _free(reactor: Reactor) -> Callable[[Any], None]:
    """Frees a monitor of this reactor. Not a method: the monitor would keep itself alive."""

    def free(monitor: Any) -> None:
        # Runs the callbacks that are left, in this thread.
        lib.qmp_monitor_free(monitor)
        sweep(reactor)

    return free


def data(buffer: Any) -> bytes:
    """The bytes of a buffer, which is freed."""
    try:
        whole: bytes = lib.qmp_buffer_data(buffer)
        return whole
    finally:
        lib.qmp_buffer_free(buffer)


def get(handle: Handle, function: Any, *arguments: Any) -> bytes:
    """What a function of the library's returns that blocks, and that nobody can start."""
    with handle as monitor:
        error = ERROR()
        buffer = function(monitor, *arguments, error)
    if not buffer:
        raise take(error, handle.target)
    return data(buffer)


def value(reply: bytes, target: str) -> Any:
    """The "return" of a reply, as Python has it."""
    whole: Any = json.loads(reply)
    try:
        return whole["return"]
    except KeyError:
        raise ProtocolError(f"{target}: a reply without a return", Code.PROTOCOL, target) from None
