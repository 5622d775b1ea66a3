"""The programs that people read first: each Python block of docs/python.md, and the examples, as they stand."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from machines import Machine

import libqmp

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/python.md"


def blocks(page: pathlib.Path) -> list[str]:
    """Its Python blocks."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)


FIRST, *OTHERS = blocks(PAGE)


def test_the_readmes_program_is_that_of_the_page() -> None:
    assert blocks(ROOT / "README.md") in ([], [FIRST])


def test_the_first_program_ends_with_its_machine(
    mortal: Machine, program: Callable[..., subprocess.Popen[str]]
) -> None:
    with libqmp.connect(mortal.other) as other:
        process = program(FIRST, mortal.target)
        assert process.stdout is not None
        assert "'running'" in process.stdout.readline()
        for command in ("stop", "cont"):
            other.run(command)
        # Not by "quit": libvirt 9.0 loses the event of a QEMU that is gone at once.
        other.run("set-action", reboot="shutdown")
        other.run("system_reset")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    names = re.findall(r"STOP|RESUME|SHUTDOWN", out)
    assert names == ["STOP", "RESUME", "SHUTDOWN"], out


# A block that imports is a program of its own, told its target; the others follow on a monitor `vm` that is connected.
SETTING = "import sys\nimport libqmp\nwith libqmp.connect(sys.argv[1]) as vm:\n"


@pytest.mark.parametrize("number", range(len(OTHERS)), ids=lambda number: f"block{number + 2}")
def test_every_other_block_runs(machine: Machine, program: Callable[..., subprocess.Popen[str]], number: int) -> None:
    block = OTHERS[number]
    if not re.search(r"^import ", block, flags=re.MULTILINE):
        block = SETTING + re.sub(r"^", "    ", block, flags=re.MULTILINE)
    process = program(block, machine.target)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, ""), (block, out)
    with libqmp.connect(machine.other) as other:
        assert other.run("query-status")["running"], "a block leaves the machine as it was"


def test_the_example_asks_a_fleet(machine: Machine, qemu: Machine, tmp_path: pathlib.Path) -> None:
    command = [sys.executable, str(ROOT / "bindings/python/examples/fleet_status.py"), machine.target, qemu.target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(f"{m.target} running" for m in (machine, qemu))
    done = subprocess.run([*command[:2], "nonsense"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nonsense" in done.stderr
