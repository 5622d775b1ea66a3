"""How the shared library is found, and what is said of one that will not do."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from libqmp import _c, _load

PACKAGE = pathlib.Path(_load.__file__).parent.parent


def load(library: str, path: pathlib.Path = PACKAGE) -> subprocess.CompletedProcess[str]:
    """Imports the package with this for LIBQMP_LIBRARY."""
    environment = {**os.environ, "LIBQMP_LIBRARY": library, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, "-c", "import libqmp; print(libqmp.version())"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The exception."""
    assert done.returncode == 1 and done.stdout == "", done
    return done.stderr.splitlines()[-1]


def make_library(folder: pathlib.Path, source: str) -> str:
    """A shared library of ours."""
    (folder / "fake.c").write_text(source)
    library = folder / "fake.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "fake.c"], check=True)
    return str(library)


def test_the_variable_names_it() -> None:
    done = load(os.environ["LIBQMP_LIBRARY"])
    assert (done.stdout, done.stderr) == (f"{_load.version()}\n", "")


def test_without_it_the_systems_is_loaded() -> None:
    folder = os.path.dirname(os.environ["LIBQMP_LIBRARY"])
    line = last_line(load(""))
    assert line.startswith(f"ImportError: libqmp: the shared library {_load.SONAME} cannot be loaded"), (line, folder)


def test_a_missing_library_is_an_error_that_helps(tmp_path: pathlib.Path) -> None:
    line = last_line(load(str(tmp_path / "none.so")))
    assert line.startswith(f"ImportError: libqmp: the shared library {tmp_path}/none.so cannot be loaded")
    assert "LIBQMP_LIBRARY" in line and "make install" in line


def test_another_library_is_told_apart() -> None:
    assert last_line(load("libc.so.6")) == "ImportError: libqmp: libc.so.6 is not libqmp: it has no qmp_version"


@pytest.mark.parametrize("version", [(_c.LIBQMP_VERSION_MAJOR, _c.LIBQMP_VERSION_MINOR - 1, 9), (1, 0, 0)])
def test_another_version_is_refused(tmp_path: pathlib.Path, version: tuple[int, int, int]) -> None:
    number = version[0] << 16 | version[1] << 8 | version[2]
    library = make_library(tmp_path, f"unsigned qmp_version(void) {{ return {number}; }}")
    words = ".".join(map(str, version))
    assert f"{library} is libqmp {words}, and this package needs 0.1 or a later 0.x" in last_line(load(library))


def test_a_library_that_lacks_a_function_is_refused(tmp_path: pathlib.Path) -> None:
    library = make_library(tmp_path, "unsigned qmp_version(void) { return 0x00ff00; }")
    line = last_line(load(library))
    assert line.startswith(f"ImportError: libqmp: {library} lacks a function") and "qmp_version_string" in line
