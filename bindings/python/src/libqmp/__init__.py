"""libqmp: talk to running QEMU virtual machines over the QEMU Machine Protocol (QMP).

    with libqmp.connect("unix:/run/vm.qmp") as vm:
        print(vm.run("query-status"))

The same over libvirt ("qemu:///system#web-1") and through virsh ("virsh:qemu:///system#web-1"). libqmp.aio has the same
for asyncio. Times are seconds. docs/python.md of libqmp is the guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import Domain, Event, State
from ._encode import DEFAULT, Default, Descriptor, HasFileno, Option, Timeout
from ._errors import (
    AuthFailed,
    Canceled,
    Code,
    CommandError,
    ConnectFailed,
    Delivery,
    Disconnected,
    Error,
    InternalError,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    NotRunning,
    ProtocolError,
    SystemFailure,
    TimeoutError,
    Unsupported,
    WrongState,
)
from ._events import EventStream
from ._load import version
from ._monitor import Monitor, connect

if TYPE_CHECKING:
    from . import aio

__version__ = "0.1.0"

__all__ = [
    "DEFAULT",
    "AuthFailed",
    "Canceled",
    "Code",
    "CommandError",
    "ConnectFailed",
    "Default",
    "Delivery",
    "Descriptor",
    "Disconnected",
    "Domain",
    "Error",
    "Event",
    "EventStream",
    "HasFileno",
    "InternalError",
    "InvalidArgument",
    "LimitExceeded",
    "Monitor",
    "NotFound",
    "NotRunning",
    "Option",
    "ProtocolError",
    "State",
    "SystemFailure",
    "Timeout",
    "TimeoutError",
    "Unsupported",
    "WrongState",
    "aio",
    "connect",
    "version",
]


def __getattr__(name: str) -> Any:
    # Programs that only block need not load asyncio.
    if name == "aio":
        import importlib

        return importlib.import_module(".aio", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
