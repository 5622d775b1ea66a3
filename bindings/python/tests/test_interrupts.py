"""Ctrl-C, other exceptions of signals' handlers, the interpreter's exit, and fork."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from machines import Libvirtd, Machine

import libqmp
from libqmp import _requests

Program = Callable[..., "subprocess.Popen[str]"]

CALLS = {
    "run": "vm.run('query-status', timeout=None)",
    "run with a deadline": "vm.run('query-status', timeout=60)",
    "next": "vm.events('NONE').next()",
    "iterating": "list(vm.events('NONE'))",
    "connect": "libqmp.Monitor(sys.argv[1]).connect(timeout=None)",
    "list_domains": "vm.list_domains()",
    "aio": "asyncio.run(ask())",
}
FROZEN = """
import asyncio, sys, libqmp

async def ask():
    async with libqmp.aio.connect(sys.argv[2]) as vm:
        print("ready")
        await vm.run("query-status", timeout=None)

if {aio}:
    {call}
with libqmp.connect(sys.argv[1]) as vm:
    print("ready")
    try:
        {call}
    except KeyboardInterrupt:
        print("interrupted", vm.state.name)
        raise
"""


def interrupt(process: subprocess.Popen[str], freeze: Callable[[], None] = lambda: None) -> str:
    """Presses Ctrl-C while it waits, and returns what it had to say. It ends as Python ends then."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    freeze()
    time.sleep(0.3)
    assert process.poll() is None, "it did not wait"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - begin < 3
    assert process.returncode == -signal.SIGINT, err
    assert err.rstrip().endswith("KeyboardInterrupt"), err
    assert "ignored" not in err, err
    return out


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("aio", "list_domains")])
def test_ctrl_c_ends_a_wait(qemu: Machine, program: Program, name: str) -> None:
    source = FROZEN.format(aio=False, call=CALLS[name])
    if name.startswith("run"):
        # It is frozen when the program is connected, and before it asks: the answer never comes.
        source = source.replace('print("ready")', 'print("ready"); __import__("time").sleep(0.2)')
        assert "interrupted" in interrupt(program(source, qemu.target, qemu.other), qemu.freeze)
    else:
        assert "interrupted CONNECTED" in interrupt(program(source, qemu.target, qemu.other))


def test_ctrl_c_ends_a_listing(daemon: Libvirtd, program: Program) -> None:
    source = FROZEN.format(aio=False, call=CALLS["list_domains"])
    source = source.replace('print("ready")', 'print("ready"); __import__("time").sleep(0.2)')
    try:
        assert "interrupted" in interrupt(
            program(source, daemon.uri), lambda: daemon.process.send_signal(signal.SIGSTOP)
        )
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def test_ctrl_c_ends_a_loop(qemu: Machine, program: Program) -> None:
    source = FROZEN.format(aio=True, call=CALLS["aio"])
    source = source.replace('print("ready")', 'print("ready"); await asyncio.sleep(0.2)', 1)
    interrupt(program(source, qemu.target, qemu.other), qemu.freeze)


def test_a_monitor_goes_on_after_an_interrupted_run(qemu: Machine) -> None:
    class Alarm(Exception):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    old = signal.signal(signal.SIGALRM, ring)
    try:
        with libqmp.connect(qemu.target) as vm:
            qemu.freeze()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Alarm):
                vm.run("query-status", timeout=None)
            assert _requests._open == {} and _requests._ended == set()
            qemu.thaw()
            assert vm.run("query-status")["running"]
    finally:
        signal.signal(signal.SIGALRM, old)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_monitor_survives_exceptions_at_any_moment(qemu: Machine) -> None:
    """Wherever in the package they are raised: nothing stays locked, nothing waits for ever."""

    class Alarm(Exception):
        pass

    armed = False
    struck = 0

    def ring(*_: object) -> None:
        if armed:
            raise Alarm

    old = signal.signal(signal.SIGALRM, ring)
    try:
        with libqmp.connect(qemu.target) as vm:
            for round_ in range(1500):
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + round_ % 300 * 1e-6)
                try:
                    armed = True
                    for _ in range(20):
                        vm.run("query-status", timeout=10)
                    armed = False
                # What is raised in a callback comes out as KeyboardInterrupt.
                except (Alarm, KeyboardInterrupt):
                    armed = False
                    struck += 1
            assert struck > 1000
            assert vm.run("query-status", timeout=10)["running"]
    finally:
        signal.signal(signal.SIGALRM, old)
        # Of what was interrupted while it was counted something may be left, here and in the library.
        _requests._open.clear()
        _requests._ended.clear()


def test_a_handler_may_make_calls_while_its_thread_waits(qemu: Machine) -> None:
    answers: list[Any] = []
    with libqmp.connect(qemu.target) as vm:
        old = signal.signal(signal.SIGALRM, lambda *_: answers.append(vm.run("query-status")["running"]))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(libqmp.TimeoutError):
                vm.events("NONE").next(0.4)
        finally:
            signal.signal(signal.SIGALRM, old)
    assert answers == [True]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("way", ["blocking", "aio"])
def test_an_exception_in_a_callback_is_not_lost(qemu: Machine, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """What a signal's handler raises while Python is in a callback, where it cannot get out."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    async def ask() -> None:
        async with libqmp.aio.connect(qemu.target) as vm:
            monkeypatch.setattr(_requests.Request, "keep", interrupted)
            await vm.run("query-status", timeout=None)

    with pytest.raises(KeyboardInterrupt):
        if way == "aio":
            import asyncio

            asyncio.run(ask())
        with libqmp.connect(qemu.target) as vm:
            monkeypatch.setattr(_requests.Request, "keep", interrupted)
            vm.run("query-status", timeout=None)
    monkeypatch.undo()
    with libqmp.connect(qemu.target) as vm:
        assert vm.run("query-status")["running"]


EXIT = """
import asyncio, sys, threading, time, libqmp
vm = libqmp.connect(sys.argv[1])
stream = vm.events()
kept = [vm, stream]

def pull():
    for event in stream:
        pass

def run():
    while True:
        vm.run("query-status", timeout=None)

async def loop():
    async with libqmp.aio.connect(sys.argv[2]) as other:
        while True:
            await other.run("query-status")

threading.excepthook = lambda args: None
for work in (pull, run, run, lambda: asyncio.run(loop())):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print("ready")
{last}
"""


@pytest.mark.parametrize("last", ["", "sys.exit(0)", "cycle = [vm]; cycle.append(cycle); del vm"])
def test_the_interpreter_exits_with_all_open(qemu: Machine, program: Program, last: str) -> None:
    for _ in range(3):
        process = program(EXIT.format(last=last), qemu.target, qemu.other)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "ready\n"), err
        assert "Fatal" not in err and "panicked" not in err, err


WAITING = """
import atexit, time
atexit.register(lambda: print(time.monotonic() - begin < 0.9))
# What is registered last is called first.
import asyncio, sys, libqmp

async def wait():
    global task
    vm = await libqmp.aio.connect(sys.argv[1])
    task = asyncio.get_running_loop().create_task(vm.events("NONE").next())
    await asyncio.sleep(0)

loop = asyncio.new_event_loop()
loop.run_until_complete(wait())
begin = time.monotonic()
"""


def test_the_exit_waits_for_no_task_that_nobody_runs(qemu: Machine, program: Program) -> None:
    process = program(WAITING, qemu.target)
    assert process.communicate(timeout=20)[0] == "True\n"


FORK = """
import os, sys, libqmp, gc
with libqmp.connect(sys.argv[1]) as vm:
    stream = vm.events()
    child = os.fork()
    if child == 0:
        try:
            vm.run("query-status")
        except libqmp.WrongState as why:
            print(why)
            assert why.target == sys.argv[1]
        try:
            stream.next(0)
        except libqmp.WrongState as why:
            print(why)
            assert why.target == sys.argv[1]
        # Nothing of this may disturb the parent's link.
        vm.close()
        del vm, stream
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(vm.run("query-status")["running"])
    assert os.spawnlp(os.P_WAIT, "true", "true") == 0
    print(vm.run("query-status")["running"])
"""


def test_a_forked_child_leaves_its_parents_monitors_alone(qemu: Machine, program: Program) -> None:
    out, err = program(FORK, qemu.target).communicate(timeout=20)
    assert err == ""
    mine = f"{qemu.target} (of the process that was forked) is closed"
    assert out.splitlines() == [
        mine,
        f"{qemu.target}: the stream (of the process that was forked) is closed",
        "True",
        "True",
    ]
