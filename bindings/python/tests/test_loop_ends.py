"""Event loops that are closed while something waits in them: hand-made ones, which end no task."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from machines import Machine

import libqmp
from libqmp import _requests


class Left:
    """A monitor and a stream, of a loop that was closed while a task each waits for them."""

    def __init__(self, machine: Machine) -> None:
        self.loop = asyncio.new_event_loop()
        self.tasks: list[asyncio.Task[Any]] = []
        self.loop.run_until_complete(self._begin(machine))
        self.loop.close()

    async def _begin(self, machine: Machine) -> None:
        self.vm = await libqmp.aio.connect(machine.target)
        # It never answers.
        machine.freeze()
        self.stream = self.vm.events("NONE")
        self.reactor = self.vm._reactor.handle
        waits = [self.vm.run("query-status", timeout=None), self.stream.next(), self.stream.next(60)]
        self.tasks = [asyncio.get_running_loop().create_task(wait) for wait in waits]
        await asyncio.sleep(0)

    def drop(self) -> None:
        """Drops the tasks, of which asyncio tells its handler that they were pending."""
        self.loop.set_exception_handler(lambda *_: None)
        self.tasks.clear()
        gc.collect()


@pytest.fixture
def left(qemu: Machine) -> Iterator[Left]:
    """One that each test closes, after which nothing is left."""
    before = len(os.listdir("/proc/self/fd"))
    left = Left(qemu)
    yield left
    left.drop()
    assert _requests._open == {} and _requests._ended == set()
    assert left.vm.closed and left.reactor.gone
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_stream_is_closed_first(left: Left) -> None:
    left.stream.close()
    left.vm.close()
    assert left.stream.closed


def test_the_monitor_is_closed_first(left: Left) -> None:
    left.vm.close()
    left.stream.close()


def test_the_tasks_are_dropped_first(left: Left) -> None:
    left.drop()
    left.vm.close()
    left.stream.close()


def test_another_thread_closes(left: Left) -> None:
    def close() -> None:
        left.vm.close()
        left.stream.close()

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
