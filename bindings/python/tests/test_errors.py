"""Exceptions and arguments, without any machine."""

from __future__ import annotations

import asyncio
import builtins
import copy
import math
import os
import pathlib
import pickle
from typing import Any

import pytest

import libqmp
from libqmp import _encode, _errors, _events


@pytest.mark.parametrize("code", list(libqmp.Code))
def test_every_error_survives_pickling_and_copying(code: libqmp.Code) -> None:
    why = _errors.CLASSES[code](
        "what", code, "unix:/x", delivery=1, errno=2, desc="d", error_class="c", reply=b"{}", libvirt=38
    )
    for other in (pickle.loads(pickle.dumps(why)), copy.copy(why)):
        assert type(other) is type(why)
        assert str(other) == "what"
        for name in ("code", "target", "delivery", "errno", "desc", "error_class", "reply", "libvirt"):
            assert getattr(other, name) == getattr(why, name), name


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (libqmp.InvalidArgument, ValueError),
        (libqmp.ConnectFailed, ConnectionError),
        (libqmp.AuthFailed, PermissionError),
        (libqmp.NotFound, LookupError),
        (libqmp.TimeoutError, builtins.TimeoutError),
        (libqmp.Disconnected, ConnectionError),
        (libqmp.SystemFailure, OSError),
    ],
)
def test_errors_are_pythons_own_too(kind: type[libqmp.Error], base: type[Exception]) -> None:
    why = kind("text", 1, "t", errno=5)
    assert isinstance(why, libqmp.Error) and isinstance(why, base)
    assert str(why) == "text" and why.errno == 5


def test_a_code_of_a_later_library_is_kept_as_its_number() -> None:
    why = libqmp.Error("x", 99, delivery=9)
    assert (why.code, why.delivery) == (99, 9)


@pytest.mark.parametrize(
    ("timeout", "milliseconds"),
    [
        (None, -1),
        (math.inf, -1),
        (libqmp.DEFAULT, -2),
        (0, 0),
        (0.0001, 1),
        (1.5, 1500),
        (1e9, 2**31 - 1),
        (1e306, 2**31 - 1),
    ],
)
def test_timeouts_are_seconds(timeout: libqmp.Timeout, milliseconds: int) -> None:
    assert _encode.milliseconds(timeout) == milliseconds


@pytest.mark.parametrize("timeout", [-1, -2, -0.001, math.nan, -math.inf])
def test_other_timeouts_are_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        _encode.milliseconds(timeout)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("default_timeout", 1.5, (b"timeout", b"1500")),
        ("default_timeout", None, (b"timeout", b"-1")),
        ("keepalive_interval", 0, (b"keepalive-interval", b"0")),
        ("busy_poll", 0.00005, (b"busy-poll", b"50")),
        ("max_events", 10, (b"max-events", b"10")),
        ("virsh_session", False, (b"virsh-session", b"off")),
        ("allow_programs", True, (b"allow-programs", b"on")),
        ("virsh_path", pathlib.Path("/bin/virsh"), (b"virsh-path", b"/bin/virsh")),
        ("username", "Fr\xe9d", (b"username", b"Fr\xc3\xa9d")),
    ],
)
def test_options_are_put_in_the_librarys_words(name: str, value: Any, words: tuple[bytes, bytes]) -> None:
    assert _encode.option(name, value) == words


def test_a_socket_is_an_option_by_its_descriptor() -> None:
    with open(os.devnull, "rb") as file:
        assert _encode.option("socket_fd", file) == (b"socket-fd", str(file.fileno()).encode())


@pytest.mark.parametrize(
    ("name", "value"), [("default_timeout", True), ("default_timeout", "5"), ("username", None), ("busy_poll", None)]
)
def test_options_without_sense_are_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        _encode.option(name, value)


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("timeout", "default_timeout"),
        ("keepalive-interval", "keepalive_interval"),
        ("busy-poll", "busy_poll"),
        ("default-timeout", "default_timeout"),
        ("max-events", "max_events"),
    ],
)
def test_the_librarys_own_names_of_options_are_refused(name: str, mine: str) -> None:
    """Their values would be the library's too: not seconds."""
    with pytest.raises(TypeError, match=rf"\b{mine}\b"):
        _encode.option(name, 10)
    with pytest.raises(TypeError, match=rf"\b{mine}\b"):
        libqmp.Monitor("unix:/x", **{name: 10})


def test_a_monitor_that_cannot_be_made_leaves_nothing_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    wrong: list[tuple[str, dict[str, Any]]] = [("nonsense", {}), ("unix:\0", {}), ("unix:/x", {"nonsense": 1})]
    for target, options in wrong:
        with pytest.raises(ValueError):
            libqmp.Monitor(target, **options)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("number", [2**32 + 1, 2**31, -(2**31) - 1])
def test_a_descriptor_does_not_wrap(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        _encode.descriptors([number])


@pytest.mark.parametrize("wrong", ["5", None, [1]])
def test_what_has_no_descriptor_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="descriptor"):
        _encode.descriptors([wrong])


def test_one_descriptor_is_no_list_of_them() -> None:
    with open(os.devnull, "rb") as file:
        lone: list[Any] = [file, file.fileno()]
        for wrong in lone:
            with pytest.raises(TypeError, match="a list"):
                _encode.descriptors(wrong)


@pytest.mark.parametrize("wrong", [10, None, [1], {"execute": "x"}])
def test_what_is_neither_text_nor_bytes_is_refused(wrong: Any) -> None:
    with libqmp.Monitor("unix:/x") as vm, pytest.raises(TypeError, match="the request is a str or bytes"):
        vm.run_raw(wrong)


def test_a_stream_has_no_default_timeout() -> None:
    none: Any = libqmp.DEFAULT

    async def main() -> None:
        async with libqmp.aio.Monitor("unix:/x") as vm, vm.events() as stream:
            with pytest.raises(TypeError, match="DEFAULT"):
                await stream.next(none)

    asyncio.run(main())
    with libqmp.Monitor("unix:/x") as vm, vm.events() as stream, pytest.raises(TypeError, match="DEFAULT"):
        stream.next(none)


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_waiting_without_end_ends_at_no_moment(timeout: float | None) -> None:
    assert _events.moment(timeout) == math.inf
