#!/usr/bin/env python3
"""Prints the symbols file of the Debian package: each function of the header, with the version since which it exists.

    scripts/debian-symbols.py PACKAGE SONAME
"""

import sys
from pathlib import Path

import libqmp_header

header = libqmp_header.read(Path(__file__).resolve().parent.parent / "include/libqmp.h")
package, soname = sys.argv[1:]
print(f"{soname} {package} #MINVER#")
for function in sorted(header.of("function"), key=lambda entry: entry.name):
    if not function.since:
        sys.exit(f"debian-symbols: the header does not say since when there is {function.name}")
    print(f" {function.name}@Base {function.since}")
