"""The wheel: built, installed into an empty virtual environment, and used from there without any other libqmp."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

from machines import Machine

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = """
import sys, libqmp, libqmp.aio
from libqmp import _load

assert libqmp.__file__.startswith(sys.prefix), libqmp.__file__
assert _load.lib._name.startswith(sys.prefix), _load.lib._name
with libqmp.connect(sys.argv[1]) as vm:
    print(vm.run("query-status")["status"])
"""


def test_the_wheel_works_by_itself(qemu: Machine, tmp_path: pathlib.Path) -> None:
    library = os.environ["LIBQMP_LIBRARY"]
    # Nothing of this process' surroundings is for those that follow.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LIBQMP"))}
    environment["PYTHON"] = sys.executable
    build = [str(ROOT / "scripts/make-wheel.sh"), library, str(tmp_path / "wheels")]
    made = subprocess.run(build, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wheel = pathlib.Path(made.stdout.strip())
    assert re.fullmatch(r"libqmp-[\d.]+-py3-none-(many)?linux_\w+\.whl", wheel.name)
    assert os.listdir(tmp_path / "wheels") == [wheel.name]

    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], env=environment, check=True)
    install = [f"{venv}/bin/pip", "install", "-q", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, env=environment, check=True)
    program = [f"{venv}/bin/python", "-W", "error", "-c", SOURCE, qemu.target]
    ran = subprocess.run(program, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert ran.stdout == "running\n"
