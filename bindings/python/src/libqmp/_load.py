"""Finds the shared library, loads it, and makes sure that it is one which this package can work with."""

from __future__ import annotations

import ctypes
import os
import pathlib

from . import _c

SONAME = f"libqmp.so.{_c.SOVERSION}"
# What this package was written for.
WANTED = (_c.LIBQMP_VERSION_MAJOR, _c.LIBQMP_VERSION_MINOR)


def where() -> str:
    """The path or name to load: the one in the wheel, the one that LIBQMP_LIBRARY names, or the system's."""
    bundled = pathlib.Path(__file__).with_name(SONAME)
    if bundled.exists():
        return str(bundled)
    return os.environ.get("LIBQMP_LIBRARY") or SONAME


def load(path: str) -> ctypes.CDLL:
    """The library at this path, declared and checked, or an ImportError that says what is wrong and what helps."""
    try:
        library = ctypes.CDLL(path)
    except OSError as why:
        raise ImportError(
            f"libqmp: the shared library {path} cannot be loaded ({why}). Install a wheel of this package, which brings"
            " it, or libqmp itself (make install, then ldconfig), or name the file in the environment variable"
            " LIBQMP_LIBRARY."
        ) from None
    _check_version(library, path)
    try:
        _c.declare(library)
    except AttributeError as why:
        raise ImportError(f"libqmp: {path} lacks a function that this package needs: {why}") from None
    return library


def _check_version(library: ctypes.CDLL, path: str) -> None:
    try:
        function = library.qmp_version
    except AttributeError:
        raise ImportError(f"libqmp: {path} is not libqmp: it has no qmp_version") from None
    function.restype = ctypes.c_uint32
    version = function()
    found = (version >> 16, version >> 8 & 0xFF)
    if found[0] != WANTED[0] or found < WANTED:
        raise ImportError(
            f"libqmp: {path} is libqmp {found[0]}.{found[1]}.{version & 0xFF}, and this package needs"
            f" {WANTED[0]}.{WANTED[1]} or a later {WANTED[0]}.x"
        )


lib = load(where())
"""The functions of the library, under their own names."""


def version() -> str:
    """The version of the library that runs, "0.1.0"."""
    text: bytes = lib.qmp_version_string()
    return text.decode()
