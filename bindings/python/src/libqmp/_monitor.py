"""The API that blocks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, cast

from . import _encode
from ._c import ERROR
from ._core import Core, Domain, data, get, value
from ._encode import DEFAULT, Descriptor, Option, Timeout, milliseconds
from ._errors import take
from ._events import EventStream
from ._load import lib
from ._requests import Request
from ._wait import Reactor, beside, in_main_thread


class Monitor(Core):
    """One QEMU monitor. Any thread may call any method, several at once too.

    `with Monitor(target) as vm` closes it at the end, and does not connect; libqmp.connect makes one that is connected.
    """

    def __init__(self, target: str, **options: Option) -> None:
        """Makes it without any I/O: streams that are made before it connects miss nothing."""
        super().__init__(Reactor(target), target, options)

    def connect(self, timeout: Timeout = DEFAULT) -> None:
        """Connects, and negotiates capabilities. While the socket does not exist yet or refuses, it is tried again."""
        with self._handle as monitor:
            if in_main_thread():
                request = Request(self._reactor, self._target)
                request.connect(monitor, milliseconds(timeout))
                self._reactor.outcome(request, self.disconnect)
                return
            error = ERROR()
            if lib.qmp_monitor_connect(monitor, milliseconds(timeout), error) != 0:
                raise take(error, self._target)

    def run(
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
        return value(self._run(request, timeout, fds), self._target)

    def run_raw(self, request: bytes | str, *, timeout: Timeout = DEFAULT, fds: Iterable[Descriptor] = ()) -> bytes:
        """Sends a whole QMP command, {"execute": ...}, and returns the whole reply, byte for byte."""
        return self._run(_encode.text(request, "the request"), timeout, fds)

    def events(self, name: str | None = None) -> EventStream:
        """A stream of what comes from now on: all events, or those of this name, and the library's own (LIBQMP_*)."""
        return EventStream(self._handle, self._reactor, name)

    def list_domains(self, timeout: Timeout = DEFAULT) -> list[Domain]:
        """The domains of the hypervisor, running or not, sorted by name."""
        limit = milliseconds(timeout)
        return cast("list[Domain]", json.loads(beside(lambda: get(self._handle, lib.qmp_monitor_domains, limit))))

    def greeting(self) -> dict[str, Any]:
        """QEMU's greeting; over libvirt put together from query-version."""
        return cast("dict[str, Any]", json.loads(beside(lambda: get(self._handle, lib.qmp_monitor_greeting))))

    def close(self) -> None:
        """Ends the link and all that is open; the monitor is of no use afterwards. Never waits."""
        super().close()
        self._reactor.handle.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, request: bytes, timeout: Timeout, fds: Iterable[Descriptor]) -> bytes:
        limit = milliseconds(timeout)
        passed = _encode.descriptors(fds)
        with self._handle as monitor:
            if in_main_thread():
                started = Request(self._reactor, self._target)
                started.run(monitor, request, passed, limit)
                return self._reactor.outcome(started, lambda: lib.qmp_monitor_cancel(monitor, started.id))
            error = ERROR()
            buffer = lib.qmp_monitor_run_with_fds(monitor, request, passed, len(passed), limit, error)
        if not buffer:
            raise take(error, self._target)
        return data(buffer)


def connect(target: str, *, timeout: Timeout = DEFAULT, **options: Option) -> Monitor:
    """A monitor that is connected. `options` are those of Monitor.set."""
    monitor = Monitor(target, **options)
    try:
        monitor.connect(timeout)
    except BaseException:
        monitor.close()
        raise
    return monitor
