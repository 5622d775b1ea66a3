"""libqmp for asyncio: the same names, and what waits is awaited.

    async with libqmp.aio.connect("unix:/run/vm.qmp") as vm:
        print(await vm.run("query-status"))

A task that is cancelled gives up its request. Monitors belong to the event loop in which they were made.
"""

from ._events import EventStream
from ._monitor import Connecting, Monitor, connect

__all__ = ["Connecting", "EventStream", "Monitor", "connect"]
