"""_c.py against include/libqmp.h: every function with its types, every callback, every constant, and the version."""

from __future__ import annotations

import ctypes
import enum
import pathlib
import re
from typing import Any

import pytest

import libqmp
from libqmp import _c, _errors

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADER = (ROOT / "include/libqmp.h").read_text()
# Without comments: some of them hold code.
CODE = re.sub(r"/\*.*?\*/|//[^\n]*", "", HEADER, flags=re.DOTALL)

TYPES: dict[str, Any] = {
    "void": None,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "char *": ctypes.c_char_p,
    "void *": ctypes.c_void_p,
    "int32_t *": _c.FDS,
    "qmp_error **": _c.ERR,
    "qmp_buffer *": _c.BUFFER,
    "qmp_credentials *": _c.CREDENTIALS,
    "qmp_error *": _c.ERROR,
    "qmp_events *": _c.EVENTS,
    "qmp_monitor *": _c.MONITOR,
    "qmp_reactor *": _c.REACTOR,
    **_c.CALLBACKS,
}


def of(words: str) -> Any:
    """ctypes' type for a declaration, "const char *target"."""
    found = re.fullmatch(r"(?:const )?(\w+)\s*(\**)\s*\w*", words.strip())
    assert found, words
    return TYPES[f"{found[1]} {found[2]}".strip()]


def arguments(words: str) -> list[Any]:
    """Those between the brackets."""
    return [] if words.strip() == "void" else [of(word) for word in words.split(",")]


FUNCTIONS = {
    name: (of(result), arguments(taken))
    for result, name, taken in re.findall(r"^((?:const )?\w+ \**)(qmp_\w+)\(([^)]*)\);", CODE, flags=re.MULTILINE)
}
CALLBACKS = {
    name: (of(result), arguments(taken))
    for result, name, taken in re.findall(r"^typedef (\w+) \(\*(\w+)\)\(([^)]*)\);", CODE, flags=re.MULTILINE)
}


def test_the_header_is_read_whole() -> None:
    assert len(FUNCTIONS) == len(re.findall(r"^[^#\s][^\n]*\bqmp_\w+\(", CODE, flags=re.MULTILINE)) > 40
    assert len(CALLBACKS) == CODE.count("(*qmp_") == 5


def test_every_function_has_the_types_of_the_header() -> None:
    assert list(_c.FUNCTIONS) == list(FUNCTIONS)
    for name, declared in FUNCTIONS.items():
        assert _c.FUNCTIONS[name] == declared, name


def test_every_callback_has_the_types_of_the_header() -> None:
    assert _c.CALLBACKS.keys() == CALLBACKS.keys()
    for name, (result, taken) in CALLBACKS.items():
        assert _c.CALLBACKS[name]._restype_ is result, name
        assert list(_c.CALLBACKS[name]._argtypes_) == taken, name


def test_every_object_of_the_header_is_there() -> None:
    for name in re.findall(r"^typedef struct (\w+) \1;", CODE, flags=re.MULTILINE):
        assert issubclass(getattr(_c, name), ctypes.Structure), name


def test_every_constant_has_the_value_of_the_header() -> None:
    found = re.findall(r"^#define (QMP_\w+) \(?(-?\d+)\)?$", CODE, flags=re.MULTILINE)
    assert {name: int(number) for name, number in found} == _c.CONSTANTS
    assert len(found) == CODE.count("#define QMP_")


@pytest.mark.parametrize(
    ("kind", "prefix"), [(libqmp.Code, "QMP_CODE_"), (libqmp.Delivery, "QMP_DELIVERY_"), (libqmp.State, "QMP_STATE_")]
)
def test_enumerations_have_the_values_of_the_header(kind: type[enum.IntEnum], prefix: str) -> None:
    of_header = {name[len(prefix) :]: number for name, number in _c.CONSTANTS.items() if name.startswith(prefix)}
    # No error has the code of success.
    of_header.pop("OK", None)
    assert {member.name: member.value for member in kind} == of_header


def test_every_code_has_a_class_of_its_own() -> None:
    assert set(_errors.CLASSES) == set(libqmp.Code)
    assert len(set(_errors.CLASSES.values())) == len(libqmp.Code)


def test_versions_agree() -> None:
    version = ".".join(
        re.findall(rf"^#define LIBQMP_VERSION_{part} (\d+)$", CODE, flags=re.MULTILINE)[0]
        for part in ("MAJOR", "MINOR", "PATCH")
    )
    project = (ROOT / "bindings/python/pyproject.toml").read_text()
    assert libqmp.version() == libqmp.__version__ == version
    assert f'\nversion = "{version}"\n' in project
    assert (_c.LIBQMP_VERSION_MAJOR, _c.LIBQMP_VERSION_MINOR, _c.LIBQMP_VERSION_PATCH) == tuple(
        int(part) for part in version.split(".")
    )
    library = (ROOT / "Cargo.toml").read_text().split("[package.metadata.capi.library]")[1]
    assert f'\nversion = "{_c.SOVERSION}.' in library.split("\n[")[0]
