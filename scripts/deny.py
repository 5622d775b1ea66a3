#!/usr/bin/env python3
"""What the library may be made of: known licences, crates.io alone, nothing twice in what is shipped, nothing yanked.

  scripts/deny.py SCRATCH_FOLDER

First faults are planted: each must be refused. Python and cargo are enough for it; cargo-deny does the same and takes longer
to compile than all else here.
"""

import copy
import json
import os
import re
import subprocess
import sys

# Ends up in libqmp.so and libqmp.a.
SHIPPED = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Unicode-3.0",
           "Zlib", "Unlicense"}
# Builds or tests it, and stays at home: cbindgen writes the header, libFuzzer finds faults.
TOOLS = SHIPPED | {"MPL-2.0", "NCSA"}
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def words(expression):
    """The words of an SPDX expression. Older packages write "/" for OR."""
    text = re.sub(r"(\S+)\s+WITH\s+(\S+?)(?=[\s)]|$)", r"\1_WITH_\2", expression.replace("/", " OR "))
    return [word.replace("_WITH_", " WITH ") for word in re.findall(r"[()]|[^\s()]+", text)]


def allows(expression, allowed):
    """Can one choose among what the expression offers so that all of it is allowed? AND binds tighter than OR."""
    left = words(expression)

    def term():
        word = left.pop(0)
        if word != "(":
            return word in allowed
        inner = either()
        if left.pop(0) != ")":
            raise ValueError(expression)
        return inner

    def both():
        result = term()
        while left and left[0] == "AND":
            left.pop(0)
            result = term() and result
        return result

    def either():
        result = both()
        while left and left[0] == "OR":
            left.pop(0)
            result = both() or result
        return result

    result = either()
    if left:
        raise ValueError(expression)
    return result


def shipped(metadata):
    """The ids of what is linked into the library: the dependencies that are neither for its build nor for its tests."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    macros = {package["id"] for package in metadata["packages"]
              if any("proc-macro" in target["kind"] for target in package["targets"])}
    found, ahead = set(), [metadata["resolve"]["root"]]
    while ahead:
        at = ahead.pop()
        if at in found or at in macros:
            continue
        found.add(at)
        ahead += [dep["pkg"] for dep in nodes[at]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return found


def faults(metadata, part):
    """What is wrong, a line each. `part`: the ids that are shipped."""
    names = {}
    for package in metadata["packages"]:
        name = f"{package['name']} {package['version']}"
        here = package["id"] in part
        licence = package["license"]
        try:
            known = licence and allows(licence, SHIPPED if here else TOOLS)
        except (ValueError, IndexError):
            known = False
        if not known:
            yield f"{name}: the licence is {licence}"
        if package["source"] not in (None, CRATES_IO):
            yield f"{name} comes from {package['source']}"
        if package["source"] is None and "libqmp" not in package["name"]:
            yield f"{name} comes from a folder"
        if here and names.setdefault(package["name"], name) != name:
            yield f"{name} is shipped beside {names[package['name']]}"


def planted(metadata, part):
    """Is each fault seen, and alone?"""
    victim = next(i for i, p in enumerate(metadata["packages"]) if p["id"] in part and p["source"])
    changes = [{"license": "GPL-3.0-only"}, {"license": "MIT AND (GPL-2.0-only OR SSPL-1.0)"}, {"license": None},
               {"license": "MPL-2.0"}, {"license": "MIT OR"}, {"source": "git+https://example.org/x"}, {"source": None}]
    for change in changes:
        changed = copy.deepcopy(metadata)
        changed["packages"][victim].update(change)
        assert len(list(faults(changed, part))) == 1, f"not refused: {change}"
    twice = copy.deepcopy(metadata)
    twice["packages"].append(dict(metadata["packages"][victim], version="0.0.0"))
    assert len(list(faults(twice, part))) == 1, "not refused: one package twice"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def describe(manifest):
    host = re.search(r"^host: (.*)", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE)[1]
    return json.loads(cargo("metadata", "--locked", "--format-version=1", f"--filter-platform={host}",
                            f"--manifest-path={manifest}"))


def yanked(folder):
    """Packing the library, cargo asks the registry for each version of Cargo.lock whether it is yanked."""
    command = ["cargo", "package", "--locked", "--no-verify", "--allow-dirty", f"--target-dir={folder}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"deny: cargo package failed:\n{done.stderr}")
    return [line for line in done.stderr.splitlines() if "yanked" in line]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = os.path.abspath(sys.argv[1])
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    library, fuzz = describe("Cargo.toml"), describe("fuzz/Cargo.toml")
    part = shipped(library)
    wrong = [*faults(library, part), *faults(fuzz, set())]
    if not wrong:
        planted(library, part)
    wrong += yanked(folder)
    for line in wrong:
        print(f"deny: {line}", file=sys.stderr)
    print(f"deny: {len(library['packages'])} packages, {len(part)} of them shipped: licences, sources, duplicates, yanked")
    print("deny: NOT CHECKED: advisories. Their database is in no package registry; where it can be had, use cargo-deny.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
