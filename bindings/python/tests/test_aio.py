"""The table of the asyncio API: every kind of target, and what an event loop asks of it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from machines import Machine

import libqmp
from libqmp import _requests


async def eventually(what: str, check: Callable[[], bool]) -> None:
    """Lets the loop go on until this is so."""
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)


def test_commands_and_errors(machine: Machine) -> None:
    async def main() -> None:
        async with libqmp.aio.connect(machine.target) as vm:
            assert (await vm.run("query-status"))["running"] is True
            with pytest.raises(libqmp.CommandError) as caught:
                await vm.run("no-such-command", x=1)
            assert caught.value.error_class == "CommandNotFound"
            assert caught.value.target == machine.target
            with pytest.raises(libqmp.InvalidArgument):
                await vm.run_raw(b"[]")
            assert json.loads(await vm.run_raw('{"execute": "query-name", "id": 3}'))["id"] == 3
            assert (await vm.greeting())["QMP"]["version"]["qemu"]["major"] >= 5
            if machine.kind == "socket":
                with pytest.raises(libqmp.Unsupported):
                    await vm.list_domains()
            else:
                assert "running" in [domain["state"] for domain in await vm.list_domains(timeout=20)]
            assert vm.state.name == "CONNECTED"
        assert vm.closed
        with pytest.raises(libqmp.WrongState):
            await vm.run("query-status")
        vm = await libqmp.aio.connect(machine.target, timeout=20)
        vm.close()
        assert _requests._open == {}

    asyncio.run(main())


def test_events(machine: Machine) -> None:
    async def main() -> None:
        async with libqmp.aio.Monitor(machine.target) as vm:
            stream = vm.events()
            names: list[str] = []

            async def watch() -> None:
                async for event in stream:
                    names.append(event["event"])

            watching = asyncio.create_task(watch())
            await vm.connect(timeout=20)
            with pytest.raises(libqmp.WrongState):
                await vm.connect()
            async with vm.events("RESUME") as resumes:
                await vm.run("stop")
                await vm.run("cont")
                assert (await resumes.next(10))["event"] == "RESUME"
                begin = time.monotonic()
                with pytest.raises(libqmp.TimeoutError):
                    await resumes.next(0.1)
                assert time.monotonic() - begin >= 0.09
            await eventually("the events", lambda: "RESUME" in names)
            stream.close()
            await asyncio.wait_for(watching, 10)
            assert names == ["LIBQMP_CONNECTED", "STOP", "RESUME"]
            last = vm.events()
            vm.disconnect()
            assert (await last.next(10))["event"] == "LIBQMP_DISCONNECTED"
            with pytest.raises(libqmp.Disconnected):
                async for event in last:
                    assert event is None, event

    asyncio.run(main())


def test_a_hundred_at_once_keep_their_answers(machine: Machine) -> None:
    count = 10 if machine.kind == "virsh" else 100

    async def main() -> None:
        async with libqmp.aio.connect(machine.target) as vm:
            requests = [json.dumps({"execute": "query-name", "id": number}) for number in range(count)]
            replies = await asyncio.gather(*[vm.run_raw(request) for request in requests])
            assert [json.loads(reply)["id"] for reply in replies] == list(range(count))

    asyncio.run(main())


def test_cancelling_a_task_cancels_its_request(machine: Machine) -> None:
    async def main() -> None:
        async with libqmp.aio.connect(machine.target) as vm:
            machine.freeze()
            try:
                task = asyncio.create_task(vm.run("query-status", timeout=None))
                await eventually("the request", lambda: len(_requests._open) == 1)
                (request,) = _requests._open.values()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                # The machine still sleeps: it is the library that has ended it.
                await eventually("its end", lambda: _requests._open == {})
                assert request.ended
            finally:
                machine.thaw()
            assert (await vm.run("query-status"))["running"]

    asyncio.run(main())


def test_timeouts_of_asyncio_and_of_the_library(machine: Machine) -> None:
    async def main() -> None:
        async with libqmp.aio.connect(machine.target) as vm:
            machine.freeze()
            try:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(vm.run("query-status"), 0.2)
                if sys.version_info >= (3, 11):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await vm.run("query-status")
                with pytest.raises(libqmp.TimeoutError):
                    await vm.run("query-status", timeout=0.2)
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(vm.events("STOP").next(), 0.1)
            finally:
                machine.thaw()
            assert (await vm.run("query-status"))["running"]
        assert _requests._open == {}

    asyncio.run(main())


def test_closing_ends_what_waits(machine: Machine) -> None:
    async def main() -> None:
        vm = await libqmp.aio.connect(machine.target)
        stream = vm.events()

        async def watch() -> list[Any]:
            return [event async for event in stream]

        machine.freeze()
        try:
            tasks = [asyncio.create_task(vm.run("query-status", timeout=None)) for _ in range(3)]
            watching = asyncio.create_task(watch())
            await eventually("the requests", lambda: len(_requests._open) == 3)
            vm.close()
            outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            assert all(isinstance(why, (libqmp.Canceled, libqmp.Disconnected)) for why in outcomes)
            told = await asyncio.wait_for(watching, 10)
            assert {event["event"] for event in told} <= {"LIBQMP_DISCONNECTED"}
        finally:
            machine.thaw()

    asyncio.run(main())


def test_a_closed_stream_gives_what_is_queued_then_canceled(qemu: Machine) -> None:
    async def main() -> None:
        async with libqmp.aio.connect(qemu.target) as vm:
            stream = vm.events("STOP")
            waits = [asyncio.create_task(stream.next()) for _ in range(2)]
            stopping = asyncio.create_task(vm.run("stop"))
            await asyncio.sleep(0)
            # It comes while the loop is held up: nobody is woken before the stream is closed.
            events, reactor = stream._handle, vm._reactor
            with events as pointer, reactor.handle:
                poll = select.poll()
                poll.register(stream._fd(pointer), select.POLLIN)
                while not poll.poll(10):
                    reactor._readable()
            stream.close()
            # In any order.
            outcomes = await asyncio.gather(*waits, return_exceptions=True)
            assert [found["event"] for found in outcomes if isinstance(found, dict)] == ["STOP"]
            assert [why.target for why in outcomes if isinstance(why, libqmp.Canceled)] == [qemu.target]
            assert events.gone
            with pytest.raises(libqmp.WrongState):
                await stream.next()
            await stopping

    asyncio.run(main())


def test_connecting_can_be_cancelled(qemu: Machine, tmp_path: object) -> None:
    async def main() -> None:
        with pytest.raises(libqmp.ConnectFailed):
            async with libqmp.aio.connect(f"unix:{tmp_path}/none", timeout=0.1):
                raise AssertionError("connected to nothing")
        # QEMU serves one client a socket.
        async with libqmp.aio.connect(qemu.target), libqmp.aio.Monitor(qemu.target) as second:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(second.connect(timeout=None), 0.2)
            assert second.state.name == "DISCONNECTED"

    asyncio.run(main())


def test_descriptors(qemu: Machine) -> None:
    async def main() -> None:
        async with libqmp.aio.connect(qemu.target) as vm:
            with open(os.devnull, "rb") as file:
                await vm.run("getfd", fdname="null", fds=[file])
            await vm.run("closefd", fdname="null")

    asyncio.run(main())


def test_monitors_of_a_loop_share_one_reactor_which_ends_with_them(qemu: Machine) -> None:
    async def main() -> None:
        one = await libqmp.aio.connect(qemu.target)
        two = await libqmp.aio.connect(qemu.other)
        reactor = one._reactor
        assert two._reactor is reactor
        one.close()
        assert (await two.run("query-status"))["running"]
        two.close()
        assert reactor.handle.gone
        async with libqmp.aio.connect(qemu.target) as again:
            assert again._reactor is not reactor
            assert (await again.run("query-status"))["running"]

    asyncio.run(main())


def test_a_monitor_that_is_not_closed_is_told(qemu: Machine) -> None:
    async def main() -> None:
        vm = await libqmp.aio.connect(qemu.target)
        handle = vm._handle
        with pytest.warns(ResourceWarning, match=f"{qemu.target} was not closed"):
            del vm
            gc.collect()
        assert handle.gone

    asyncio.run(main())


def test_loops_in_several_threads(qemu: Machine) -> None:
    """Each has its own reactor, and none takes what belongs to another."""

    async def ask(target: str) -> int:
        async with libqmp.aio.connect(target) as vm:
            return sum([(await vm.run("query-status"))["running"] for _ in range(200)])

    async def main() -> None:
        other = asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(ask(qemu.other)))
        assert await ask(qemu.target) == 200
        assert await other == 200

    asyncio.run(main())
    assert _requests._open == {} and _requests._ended == set()
