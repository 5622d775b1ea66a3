"""The machines that tests ask for by name."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Callable

import pytest
from machines import Domain, Libvirtd, Machine, Qemu

import libqmp

KINDS = ("socket", "libvirt", "virsh")
Start = Callable[[str], "contextlib.AbstractContextManager[Machine]"]


@pytest.fixture(scope="session")
def daemon() -> Iterator[Libvirtd]:
    """A private libvirtd, for all tests."""
    daemon = Libvirtd()
    yield daemon
    daemon.end()


@pytest.fixture(scope="session")
def start(daemon: Libvirtd) -> Start:
    """Starts a machine of this kind, which ends with its context."""

    @contextlib.contextmanager
    def start(kind: str) -> Iterator[Machine]:
        owner: Qemu | Domain = Qemu() if kind == "socket" else daemon.start(kind)
        try:
            yield owner.machine
        finally:
            owner.end()

    return start


@pytest.fixture(scope="session", params=KINDS)
def machine(request: pytest.FixtureRequest, start: Start) -> Iterator[Machine]:
    """A machine of each kind, which all tests share, one after the other: leave it running."""
    with start(request.param) as machine:
        yield machine


@pytest.fixture(params=KINDS)
def mortal(request: pytest.FixtureRequest, start: Start) -> Iterator[Machine]:
    """A machine of each kind, which this test may end."""
    with start(request.param) as machine:
        yield machine


@pytest.fixture
def qemu() -> Iterator[Machine]:
    """A QEMU of this test's own, by its socket."""
    owner = Qemu()
    yield owner.machine
    owner.end()


@pytest.fixture
def vm(machine: Machine) -> Iterator[libqmp.Monitor]:
    """A monitor of each kind of machine."""
    with libqmp.connect(machine.target) as vm:
        yield vm


@pytest.fixture
def program() -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python program in a process of its own, with its output to read."""

    def program(source: str, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-X", "faulthandler", "-c", source, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return program
