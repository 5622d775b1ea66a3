"""Exceptions: one class for each code of the library's, with all that the library knows of a failure."""

from __future__ import annotations

import builtins
import enum
from typing import Any

from ._load import lib


class Code(enum.IntEnum):
    """What kind of failure it was: QMP_CODE_*."""

    INVALID_ARGUMENT = 1
    CONNECT = 2
    AUTH = 3
    NOT_FOUND = 4
    NOT_RUNNING = 5
    STATE = 6
    TIMEOUT = 7
    DISCONNECTED = 8
    CANCELED = 9
    PROTOCOL = 10
    LIMIT = 11
    COMMAND = 12
    UNSUPPORTED = 13
    SYSTEM = 14
    INTERNAL = 15


class Delivery(enum.IntEnum):
    """How far a request got before it failed: QMP_DELIVERY_*."""

    NOT_SENT = 0
    """Nothing of it was written."""
    UNKNOWN = 1
    """Some or all of it was written; whether QEMU carried it out, or will, is not known."""
    ANSWERED = 2
    """QEMU answered."""


class Error(Exception):
    """Whatever this package raises of its own. Its text names the target and the command."""

    code: int
    """One of Code, or a number that a later library has added."""
    delivery: int
    """One of Delivery."""
    errno: Any
    """The operating system's error number, or None. Its type: checkers disagree about that of OSError.errno."""
    target: str
    """What was talked to, as it was given."""
    message: str
    reply: bytes | None
    """QEMU's whole error reply, if it answered."""
    libvirt: int
    """libvirt's error number (virErrorNumber), or 0."""

    def __init__(
        self,
        message: str,
        code: int = Code.INTERNAL,
        target: str = "",
        *,
        delivery: int = Delivery.NOT_SENT,
        errno: int | None = None,
        desc: str | None = None,
        error_class: str | None = None,
        reply: bytes | None = None,
        libvirt: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = _known(Code, code)
        self.target = target
        self.delivery = _known(Delivery, delivery)
        self.errno = errno
        self._desc = desc
        self._error_class = error_class
        self.reply = reply
        self.libvirt = libvirt

    @property
    def desc(self) -> str | None:
        """QEMU's or the daemon's own text alone. Made for people: do not parse it."""
        return self._desc

    @property
    def error_class(self) -> str | None:
        """QEMU's error class ("CommandNotFound"), if QEMU answered."""
        return self._error_class

    def __str__(self) -> str:
        # OSError, which some classes are too, would write its own.
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # What crosses to another process (multiprocessing, concurrent.futures) keeps everything.
        return _again, (type(self), self.message, self.code, self.target), self.__dict__ | {"errno": self.errno}


class InvalidArgument(Error, ValueError):
    """An argument cannot be right; the message says what was expected."""


class ConnectFailed(Error, ConnectionError):
    """No link came about."""


class AuthFailed(Error, PermissionError):
    """The other side did not let us in, or is not who it should be."""


class NotFound(Error, LookupError):
    """There is no such domain."""


class NotRunning(Error):
    """The domain is shut off."""


class WrongState(Error):
    """The right call at the wrong moment: connecting twice, using what is closed."""


class TimeoutError(Error, builtins.TimeoutError):
    """The deadline passed. QEMU may still carry the request out: see `delivery`."""


class Disconnected(Error, ConnectionError):
    """There is no link, or it was lost."""


class Canceled(Error):
    """The request was cancelled, the stream closed, or the monitor closed."""


class ProtocolError(Error):
    """The other side broke the protocol; the link is closed."""


class LimitExceeded(Error):
    """A message is over its size limit."""


class CommandError(Error):
    """QEMU answered with an error: see `error_class`, `desc` and `reply`."""

    @property
    def desc(self) -> str:
        """QEMU's own text alone. Made for people: do not parse it."""
        return self._desc or ""

    @property
    def error_class(self) -> str:
        """QEMU's error class ("CommandNotFound")."""
        return self._error_class or ""


class Unsupported(Error):
    """This driver, or this other side, cannot do it."""


class SystemFailure(Error, OSError):
    """The operating system refused: see `errno`."""


class InternalError(Error):
    """A bug in the library."""


CLASSES: dict[int, type[Error]] = {
    Code.INVALID_ARGUMENT: InvalidArgument,
    Code.CONNECT: ConnectFailed,
    Code.AUTH: AuthFailed,
    Code.NOT_FOUND: NotFound,
    Code.NOT_RUNNING: NotRunning,
    Code.STATE: WrongState,
    Code.TIMEOUT: TimeoutError,
    Code.DISCONNECTED: Disconnected,
    Code.CANCELED: Canceled,
    Code.PROTOCOL: ProtocolError,
    Code.LIMIT: LimitExceeded,
    Code.COMMAND: CommandError,
    Code.UNSUPPORTED: Unsupported,
    Code.SYSTEM: SystemFailure,
    Code.INTERNAL: InternalError,
}


def take(pointer: Any, target: str) -> Error:
    """The exception for an error of the library's, which is freed."""
    try:
        code = lib.qmp_error_code(pointer)
        return CLASSES.get(code, Error)(
            _text(lib.qmp_error_message(pointer)) or "",
            code,
            target,
            delivery=lib.qmp_error_delivery(pointer),
            errno=lib.qmp_error_errno(pointer) or None,
            desc=_text(lib.qmp_error_desc(pointer)),
            error_class=_text(lib.qmp_error_class(pointer)),
            reply=lib.qmp_error_reply(pointer),
            libvirt=lib.qmp_error_libvirt(pointer),
        )
    finally:
        lib.qmp_error_free(pointer)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def _known(kind: type[enum.IntEnum], number: int) -> int:
    """The member of this number; the number itself where a later library has a new one."""
    try:
        return kind(number)
    except ValueError:
        return number


def _again(kind: type[Error], message: str, code: int, target: str) -> Error:
    return kind(message, code, target)
