"""The API for asyncio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, cast

from .. import _encode
from .._core import Core, Domain, get, value
from .._encode import DEFAULT, Descriptor, Option, Timeout, milliseconds
from .._load import lib
from .._requests import Request
from .._wait import Outcome, in_thread
from ._events import EventStream
from ._loop import LoopReactor, waits


class Monitor(Core):
    """One QEMU monitor in the running event loop. Any number of tasks may use it at once.

    `async with Monitor(target) as vm` closes it at the end, and does not connect; connect makes one that is connected.
    """

    _reactor: LoopReactor

    def __init__(self, target: str, **options: Option) -> None:
        """Makes it without any I/O: streams that are made before it connects miss nothing."""
        self._left = False
        reactor = LoopReactor.share(target)
        try:
            super().__init__(reactor, target, options)
        except BaseException:
            self._leave(reactor)
            raise

    async def connect(self, timeout: Timeout = DEFAULT) -> None:
        """Connects, and negotiates capabilities. While the socket does not exist yet or refuses, it is tried again."""
        request = Request(self._reactor, self._target)
        with self._handle as monitor:
            request.connect(monitor, milliseconds(timeout))
        await self._reactor.outcome(request, self._give_up_link)

    async def run(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Iterable[Descriptor] = (),
        oob: bool = False,
        **more: Any,
    ) -> Any:
        """Runs a command, and returns the value of its "return".

        Arguments are keywords, or, where their names are none (`node-name`, `timeout`), a mapping. CommandError if QEMU
        answers with an error. `fds` are descriptors to pass with it, `oob` has it executed out of band.
        """
        request = _encode.request(command, _encode.merge(arguments, more), oob)
        return value(await self._run(request, timeout, fds), self._target)

    async def run_raw(
        self, request: bytes | str, *, timeout: Timeout = DEFAULT, fds: Iterable[Descriptor] = ()
    ) -> bytes:
        """Sends a whole QMP command, {"execute": ...}, and returns the whole reply, byte for byte."""
        return await self._run(_encode.text(request, "the request"), timeout, fds)

    def events(self, name: str | None = None) -> EventStream:
        """A stream of what comes from now on: all events, or those of this name, and the library's own (LIBQMP_*)."""
        return EventStream(self._handle, self._reactor, name)

    async def list_domains(self, timeout: Timeout = DEFAULT) -> list[Domain]:
        """The domains of the hypervisor, running or not, sorted by name. Cancelling leaves it to its deadline."""
        found = await self._get(lib.qmp_monitor_domains, milliseconds(timeout))
        return cast("list[Domain]", json.loads(found))

    async def greeting(self) -> dict[str, Any]:
        """QEMU's greeting; over libvirt put together from query-version."""
        return cast("dict[str, Any]", json.loads(await self._get(lib.qmp_monitor_greeting)))

    def close(self) -> None:
        """Ends the link and all that is open; the monitor is of no use afterwards. Never waits."""
        super().close()
        self._leave(self._reactor)

    async def __aenter__(self) -> Monitor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _run(self, request: bytes, timeout: Timeout, fds: Iterable[Descriptor]) -> bytes:
        started = Request(self._reactor, self._target)
        with self._handle as monitor:
            started.run(monitor, request, _encode.descriptors(fds), milliseconds(timeout))
        return await self._reactor.outcome(started, lambda: self._cancel(started))

    async def _get(self, function: Any, *arguments: Any) -> bytes:
        """What a call returns that cannot be started: a thread makes it."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome[bytes]) -> None:
            if not waits(future):
                return
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        in_thread(
            lambda: get(self._handle, function, *arguments),
            lambda outcome: self._reactor.in_loop(lambda: settle(outcome)),
        )
        return await future

    def _cancel(self, request: Request) -> None:
        if not self.closed:
            with self._handle as monitor:
                lib.qmp_monitor_cancel(monitor, request.id)

    def _give_up_link(self) -> None:
        if not self.closed:
            self.disconnect()

    def _leave(self, reactor: LoopReactor) -> None:
        if not self._left:
            self._left = True
            reactor.give_up()


class Connecting:
    """What connect returns: to be awaited, or entered by `async with`, which closes the monitor at the end."""

    def __init__(self, target: str, timeout: Timeout, options: dict[str, Option]) -> None:
        self._target = target
        self._timeout = timeout
        self._options = options
        self._monitor: Monitor | None = None

    def __await__(self) -> Generator[Any, None, Monitor]:
        return self._connect().__await__()

    async def __aenter__(self) -> Monitor:
        self._monitor = await self._connect()
        return self._monitor

    async def __aexit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._monitor is not None:
            self._monitor.close()

    async def _connect(self) -> Monitor:
        monitor = Monitor(self._target, **self._options)
        try:
            await monitor.connect(self._timeout)
        except BaseException:
            monitor.close()
            raise
        return monitor


def connect(target: str, *, timeout: Timeout = DEFAULT, **options: Option) -> Connecting:
    """A monitor that is connected. `options` are those of Monitor.set."""
    return Connecting(target, timeout, options)
