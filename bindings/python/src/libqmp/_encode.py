"""Python values into what the library takes: requests, options, timeouts, descriptors. No call of the library here."""

from __future__ import annotations

import ctypes
import enum
import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, Union

from . import _c


class Default(enum.Enum):
    """The type of DEFAULT."""

    DEFAULT = "default"

    def __repr__(self) -> str:
        return "libqmp.DEFAULT"


DEFAULT: Final = Default.DEFAULT
"""For `timeout=`: what the monitor's option default_timeout says, 30 seconds if nothing else was set."""


class HasFileno(Protocol):
    """A socket, a file: what has a descriptor."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


# Seconds; None waits as long as it takes.
Timeout = Union[float, None, Default]
Descriptor = Union[int, HasFileno]
Option = Union[str, int, float, bool, None, "os.PathLike[str]", HasFileno]

_LARGEST = 2**31 - 1
# The options that are seconds here: milliseconds in the library, microseconds for busy-poll.
_TIMES = {"default_timeout": b"timeout", "keepalive_interval": b"keepalive-interval", "busy_poll": b"busy-poll"}


def milliseconds(timeout: Timeout) -> int:
    """What the library takes for it: rounded up, so that a short wait is none that does not wait."""
    if timeout is DEFAULT:
        return _c.CONSTANTS["QMP_TIMEOUT_DEFAULT"]
    if timeout is None or timeout == math.inf:
        return _c.CONSTANTS["QMP_TIMEOUT_FOREVER"]
    if not timeout >= 0:
        raise ValueError(f"a timeout is a number of seconds that is not negative, or None: {timeout!r}")
    return math.ceil(min(timeout * 1000, _LARGEST))


def text(value: str | bytes, what: str) -> bytes:
    """UTF-8 for C, where a NUL would end it early."""
    if not isinstance(value, (str, bytes, bytearray, memoryview)):
        # bytes(10) is ten NULs.
        raise TypeError(f"{what} is a str or bytes: {value!r}")
    data = value.encode() if isinstance(value, str) else bytes(value)
    if b"\0" in data:
        raise ValueError(f"{what} holds a NUL")
    return data


def request(command: str, arguments: Mapping[str, Any], oob: bool) -> bytes:
    """The QMP command of this name."""
    whole: dict[str, Any] = {"exec-oob" if oob else "execute": command}
    if arguments:
        whole["arguments"] = arguments
    return json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()


def merge(arguments: Mapping[str, Any] | None, more: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a command from a mapping and from keywords."""
    if not arguments:
        return more
    both = arguments.keys() & more.keys()
    if both:
        raise TypeError(f"given twice: {', '.join(sorted(both))}")
    return {**arguments, **more}


def descriptors(fds: Iterable[Descriptor]) -> ctypes.Array[ctypes.c_int32]:
    """An array of C's, which takes any number, and cuts off what is too much of it."""
    if isinstance(fds, int) or hasattr(fds, "fileno"):
        # A file is iterable, too: its lines.
        raise TypeError(f"fds is a list of descriptors: {fds!r}")
    numbers = [_fileno(fd) for fd in fds]
    return (ctypes.c_int32 * len(numbers))(*numbers)


def option(name: str, value: Option) -> tuple[bytes, bytes]:
    """An option's name and value in the library's words."""
    # Under the library's own names times would silently be the library's too.
    mine = "default_timeout" if name == "timeout" else name.replace("-", "_")
    if name != mine:
        raise TypeError(f"the option {name!r} is called {mine} here")
    if name in _TIMES:
        return _seconds(name, value)
    if value is None:
        raise TypeError(f"{name} has no value")
    if isinstance(value, bool):
        words = "on" if value else "off"
    elif isinstance(value, (str, os.PathLike)):
        words = os.fspath(value)
    elif isinstance(value, (int, float)):
        words = str(value)
    else:
        words = str(_fileno(value))
    return text(name.replace("_", "-"), "an option's name"), text(words, name)


def _seconds(name: str, value: Option) -> tuple[bytes, bytes]:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError(f"{name} is a number of seconds: {value!r}")
    if name != "busy_poll":
        return _TIMES[name], str(milliseconds(value)).encode()
    if value is None:
        raise TypeError("busy_poll has no value")
    return _TIMES[name], str(round(value * 1_000_000)).encode()


def _fileno(fd: Descriptor) -> int:
    if not isinstance(fd, int) and not hasattr(fd, "fileno"):
        raise TypeError(f"not a descriptor, and without one: {fd!r}")
    number = fd if isinstance(fd, int) else fd.fileno()
    if abs(number) > _LARGEST:
        raise ValueError(f"no descriptor has this number: {number}")
    return number
