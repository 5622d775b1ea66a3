"""Reads include/libqmp.h, as cbindgen writes it: its manual, constants, types, callbacks and functions, each with its
comment.

Used by the scripts that make something of the header: man pages, the symbols of the Debian package, and the ABI's dump.
"""

import re
from dataclasses import dataclass, field


class HeaderError(Exception):
    """Something that stands in the header cannot be understood, or lacks its comment."""


@dataclass
class Entry:
    """What is declared: `kind` is constant, type, callback or function."""

    kind: str
    name: str
    comment: str
    # A constant's value, or the result type of a callback or function.
    value: str = ""
    # Pairs of a type ("const char *") and a name.
    parameters: list = field(default_factory=list)

    @property
    def since(self):
        found = re.search(r"\bSince (\d+\.\d+)\.", self.comment)
        return found.group(1) if found else None


@dataclass
class Header:
    version: str
    # The comment on top, line by line, without its stars.
    manual: list
    entries: list

    def of(self, kind):
        return [entry for entry in self.entries if entry.kind == kind]


CONSTANT = re.compile(r"#define (QMP_\w+) \(?(-?\w+)\)?$")
# Opaque, or with its members.
TYPE = re.compile(r"typedef (?:struct|union|enum)(?: \w+)?(?: \{.*\})? (\w+);$")
CALLBACK = re.compile(r"typedef (.+?)\(\*(\w+)\)\((.*)\);$")
FUNCTION = re.compile(r"([\w ]+?[ *]+)(qmp_\w+)\((.*)\);$")
VERSION = re.compile(r'#define LIBQMP_VERSION_STRING "(.+)"$', re.MULTILINE)
# Lines that declare nothing of the library's.
SCAFFOLD = re.compile(r'#(if|ifdef|ifndef|endif|include|define LIBQMP_)|extern "C" \{|\}')


def read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    manual, _, code = text.partition("*/")
    version = VERSION.search(code)
    if not version:
        raise HeaderError(f"{path}: no LIBQMP_VERSION_STRING")
    lines = [line.removeprefix(" *").removeprefix(" ") for line in manual.splitlines()[1:]]
    return Header(version.group(1), lines[:-1], list(_entries(code)))


def _entries(code):
    # Comments of the other form are about the file, and a line may go on behind a backslash.
    code = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL).replace("\\\n", " ")
    comment, declaration = [], []
    for line in code.splitlines():
        if line.startswith("// ") and not declaration:
            comment.append(line[3:])
        elif not declaration and (not line.strip() or SCAFFOLD.match(line)):
            comment = []
        else:
            # Members have comments of their own.
            declaration.append(line.partition("//")[0].strip())
            text = " ".join(declaration)
            if text.startswith("#define") or (text.endswith(";") and text.count("{") == text.count("}")):
                yield _entry(text, " ".join(comment))
                comment, declaration = [], []
    if declaration:
        raise HeaderError(f"a declaration without an end: {' '.join(declaration)}")


def _entry(declaration, comment):
    if found := CONSTANT.match(declaration):
        entry = Entry("constant", found.group(1), comment, found.group(2))
    elif found := TYPE.match(declaration):
        entry = Entry("type", found.group(1), comment)
    elif found := CALLBACK.match(declaration):
        entry = Entry("callback", found.group(2), comment, found.group(1).strip(), _parameters(found.group(3)))
    elif found := FUNCTION.match(declaration):
        entry = Entry("function", found.group(2), comment, found.group(1).strip(), _parameters(found.group(3)))
    else:
        raise HeaderError(f"not understood: {declaration}")
    if not comment:
        raise HeaderError(f"{entry.name} has no comment")
    return entry


def _parameters(text):
    if text.strip() == "void":
        return []
    pairs = []
    for parameter in text.split(","):
        found = re.match(r"\s*(.*?[ *]+)(\w+)$", parameter)
        if not found:
            raise HeaderError(f"a parameter without a name: {parameter.strip()}")
        pairs.append((found.group(1).strip(), found.group(2)))
    return pairs
