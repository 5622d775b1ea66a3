#!/usr/bin/env python3
"""Compares the library that was built with the ABI that was released, which lies in the folder abi, or renews that.

    scripts/abi.py check|dump LIBRARY DEBUG_LIBRARY [HEADER [FOLDER]]
    scripts/abi.py stub HEADER     prints the source of the library without code

LIBRARY is what is installed, DEBUG_LIBRARY one with Rust's debug information. The folder has the reviewed names of the
functions (symbols), the values of the constants (constants), and for each soname the types, as libabigail dumps them.

Rust's own debug information tells a program's inside: megabytes, other ones with each compiler. So what is dumped is a
library without code, compiled in C from the header; and that the header tells the truth about the real library is checked
by the size of every argument and result there.
"""

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import libqmp_header

ROOT = Path(__file__).resolve().parent.parent


class Different(Exception):
    """The ABI is not what it should be; the text says what is to be done."""


def run(*command, folder=None):
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise Different(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def soname(library):
    found = re.search(r"soname: \[(.+)\]", run("readelf", "-d", library))
    if not found:
        raise Different(f"{library} has no soname")
    return found.group(1)


def exported(library):
    return {line.split()[0] for line in run("nm", "-D", "--defined-only", "--format=posix", library).splitlines()}


def constants(header):
    return {entry.name: entry.value for entry in header.of("constant")}


def stub(header, path):
    """A library in C with the header's functions, which do nothing."""
    lines = [f'#include "{path.resolve()}"']
    for entry in header.of("function"):
        parameters = ", ".join(f"{kind} {name}" for kind, name in entry.parameters) or "void"
        body = "" if entry.value == "void" else f"static {entry.value.removeprefix('const ')} none; return none;"
        lines.append(f"{entry.value} {entry.name}({parameters}) {{ {body} }}")
    return "\n".join(lines) + "\n"


def dump_types(header, path, name, scratch):
    """What libabigail says of that library."""
    source, library, out = scratch / "stub.c", scratch / name, scratch / f"{name}.abi"
    source.write_text(stub(header, path), encoding="utf-8")
    # In its folder, whose name then does not stand in the dump.
    run("cc", "-std=c99", "-g", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", name, "stub.c", folder=scratch)
    hide = ("--no-corpus-path", "--no-show-locs", "--no-comp-dir-path", "--no-elf-needed")
    run("abidw", *hide, "--type-id-style", "hash", "--out-file", str(out), str(library))
    return out


def shapes(dump):
    """Of each function in a dump the sizes in bits of its arguments, and of its result."""
    tree = ElementTree.parse(dump)
    types = {element.get("id"): element for element in tree.iter() if element.get("id")}

    def size(identity):
        element = types[identity]
        if element.get("name") in ("void", "()", "c_void"):
            return 0
        if element.get("size-in-bits"):
            return int(element.get("size-in-bits"))
        return size(element.get("type-id"))

    found = {}
    for function in tree.iter("function-decl"):
        if function.get("elf-symbol-id"):
            sizes = [size(part.get("type-id")) for part in function if part.get("type-id")]
            found[function.get("elf-symbol-id")] = sizes
    return found


def check_names(header, library, folder):
    reviewed = set((folder / "symbols").read_text().split())
    for what, names in (("the library exports", exported(library)), ("the header declares", functions(header))):
        new, gone = sorted(names - reviewed), sorted(reviewed - names)
        if new or gone:
            raise Different(
                f"{what} other functions than abi/symbols has: new {new}, gone {gone}. New ones are added there; one "
                "that goes needs a new soname"
            )


def functions(header):
    return {entry.name for entry in header.of("function")}


def check_constants(header, folder):
    now = constants(header)
    released = dict(line.split() for line in (folder / "constants").read_text().splitlines())
    for name, value in released.items():
        if now.get(name) != value:
            raise Different(f"{name} was {value} and is {now.get(name, 'gone')}: programs are compiled with it")
    if new := sorted(now.keys() - released.keys()):
        raise Different(f"abi/constants does not have {new}: `make abi-dump` writes new ones down")


def check_types(header, path, name, folder, scratch):
    released = folder / f"{name}.abi"
    if not released.exists():
        raise Different(f"{released} does not exist: with a new soname an ABI begins; `make abi-dump` writes it down")
    new = dump_types(header, path, name, scratch)
    # It ends with 0 also where functions were added.
    try:
        run("abidiff", "--no-added-syms", "--no-architecture", str(released), str(new))
    except Different as why:
        raise Different(f"the types are not those of {released}: {why}") from None
    return new


def check_truth(header, debug_library, dump, scratch):
    real = scratch / "real.abi"
    run("abidw", "--no-corpus-path", "--no-show-locs", "--out-file", str(real), debug_library)
    told, true = shapes(dump), shapes(real)
    for name in sorted(functions(header)):
        if told[name] != true.get(name):
            raise Different(
                f"{name}: by the header its arguments and result have {told[name]} bits, in the library {true.get(name)}"
            )


def main(action, library, debug_library, header_path=ROOT / "include/libqmp.h", folder=ROOT / "abi"):
    path, folder = Path(header_path), Path(folder)
    header = libqmp_header.read(path)
    name = soname(library)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        if action == "dump":
            (folder / f"{name}.abi").write_bytes(dump_types(header, path, name, scratch).read_bytes())
            text = "".join(f"{constant} {value}\n" for constant, value in constants(header).items())
            (folder / "constants").write_text(text)
            (folder / "symbols").write_text("".join(f"{symbol}\n" for symbol in sorted(exported(library))))
            print(f"abi-dump: wrote abi/{name}.abi, abi/constants, abi/symbols: look at what changed before you commit it")
            return
        check_names(header, library, folder)
        check_constants(header, folder)
        check_truth(header, debug_library, check_types(header, path, name, folder, scratch), scratch)
        print(f"abi-check: ok ({len(functions(header))} functions, {len(constants(header))} constants, {name})")


if __name__ == "__main__":
    wanted = {"stub": (3,), "check": (4, 5, 6), "dump": (4, 5, 6)}
    if len(sys.argv) not in wanted.get((sys.argv + [""])[1], ()):
        sys.exit(__doc__)
    try:
        if sys.argv[1] == "stub":
            print(stub(libqmp_header.read(sys.argv[2]), Path(sys.argv[2])))
        else:
            main(*sys.argv[1:])
    except (Different, libqmp_header.HeaderError) as why:
        sys.exit(f"abi-{sys.argv[1]}: {why}")
