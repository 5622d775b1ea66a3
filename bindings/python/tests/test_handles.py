"""What owns the library's objects: who has them, and what is said of those that are gone. Without any machine."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import warnings
from collections.abc import Callable

import pytest

import libqmp
from libqmp import _handle

COPIES: list[Callable[[object], object]] = [copy.copy, copy.deepcopy, pickle.dumps]


def refuse_copies(owner: object) -> None:
    """Each would close what it has in common with its original."""
    for make in COPIES:
        with pytest.raises(TypeError, match=f"{type(owner).__name__} objects cannot be copied or pickled"):
            make(owner)


def test_what_is_there_once_is_not_copied() -> None:
    with libqmp.Monitor("unix:/x") as vm, vm.events() as stream:
        for owner in (vm, stream, vm._reactor, vm._handle):
            refuse_copies(owner)
        assert not vm.closed and not stream.closed


def test_nor_is_that_of_a_loop() -> None:
    async def main() -> None:
        async with libqmp.aio.Monitor("unix:/x") as vm, vm.events() as stream:
            for owner in (vm, stream, vm._reactor):
                refuse_copies(owner)
            assert not vm.closed and not stream.closed

    asyncio.run(main())


def test_a_half_made_handle_is_dropped_quietly() -> None:
    """A signal's handler may end its making anywhere. What is raised while it is dropped pytest finds."""
    handle = _handle.Handle.__new__(_handle.Handle)
    del handle


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_nobody_closed_is_closed_even_where_warnings_are_errors() -> None:
    vm = libqmp.Monitor("unix:/x")
    handle, reactor = vm._handle, vm._reactor.handle
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del vm
        gc.collect()
    assert handle.gone and reactor.gone


def test_the_target_of_what_is_closed_is_as_it_was_given() -> None:
    with libqmp.Monitor("unix:/x") as vm:
        stream = vm.events()
        stream.close()
        with pytest.raises(libqmp.WrongState, match="^unix:/x: the stream is closed$") as caught:
            stream.next(0)
        assert caught.value.target == "unix:/x"
    with pytest.raises(libqmp.WrongState, match="^unix:/x is closed$") as caught:
        vm.disconnect()
    assert caught.value.target == "unix:/x"
