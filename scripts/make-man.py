#!/usr/bin/env python3
"""Makes the man pages of section 3 from the comments of include/libqmp.h: libqmp(3), and a page for each function and
callback.

    scripts/make-man.py HEADER FOLDER

A function or type without a comment is an error. The date is that of SOURCE_DATE_EPOCH, else the header's.
"""

import datetime
import os
import re
import sys
from pathlib import Path

import libqmp_header

# The widest line of a synopsis, on a terminal of 80 columns with man's indent.
WIDTH = 72
# The longest text behind the dash of NAME.
SHORT = 72
NOUNS = [
    ("Reactors", "qmp_reactor_"),
    ("Monitors", "qmp_monitor_"),
    ("Credentials", "qmp_credentials_"),
    ("Streams of events", "qmp_events_"),
    ("Buffers", "qmp_buffer_"),
    ("Errors", "qmp_error_"),
    ("The library", "qmp_version"),
]
CONSTANTS = [
    ("Error codes", "QMP_CODE_"),
    ("Delivery", "QMP_DELIVERY_"),
    ("States of a monitor", "QMP_STATE_"),
    ("Timeouts", "QMP_TIMEOUT_"),
]


class Roff:
    """Writes comments as roff, with fonts for the names that the header declares."""

    def __init__(self, header):
        self.pages = {entry.name for entry in header.entries if entry.kind in ("function", "callback")}
        self.words = {entry.name for entry in header.entries} - self.pages

    def line(self, text):
        """A line of literal text."""
        text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
        text = text.replace("`", "\\(ga")
        return "\\&" + text if text[:1] in (".", "'") else text

    def prose(self, text, own=""):
        """Sentences, one a line."""
        return "\n".join(self._sentence(sentence, own) for sentence in sentences(text))

    def _sentence(self, text, own):
        # Names in backquotes are parameters; the others are known, or words.
        parts = re.split(r"`(\w+)`|\b(QMP_\w+\*?|qmp_\w+)", text)
        out = []
        for literal, parameter, name in zip(parts[0::3], parts[1::3] + [None], parts[2::3] + [None]):
            # With its arguments behind it a function is no reference to a page.
            if out and literal.startswith("(") and out[-1].endswith("(3)"):
                out[-1] = out[-1].removesuffix("(3)")
            out.append(self._plain(literal))
            if parameter:
                out.append(f"\\fI{parameter}\\fP")
            elif name:
                out.append(self._name(name, own))
        line = "".join(out)
        return "\\&" + line if line[:1] in (".", "'") else line

    def _plain(self, text):
        # A hyphen inside a word is one; all others are signs that people copy.
        text = self.line(" " + text)[1:]
        quoted = re.split(r'("[^"]*")', text)
        quoted[0::2] = [re.sub(r"(?<=[a-z])\\-(?=[a-z])", "-", part) for part in quoted[0::2]]
        return "".join(quoted)

    def _name(self, name, own):
        if name == own:
            return f"\\fB{name}\\fP"
        if name in self.pages:
            return f"\\fB{name}\\fP(3)"
        if name in self.words and name.startswith("qmp_"):
            return f"\\fI{name}\\fP"
        return f"\\fB{self.line(name)}\\fP"


def sentences(text):
    return re.split(r'(?<=[.?!])\s+(?=[A-Z0-9"`({\[]|qmp_|libvirt)', text.strip())


def short(comment):
    """What NAME says: the beginning of the first sentence."""
    text = sentences(comment)[0].rstrip(".?!").replace("`", "")
    text = re.sub(r"^Inside [^:]*: ", "", text)
    text = re.split(r",? \{|[:;] | \(", text)[0]
    while len(text) > SHORT and ", " in text:
        text = text.rpartition(", ")[0]
    # A name or an abbreviation keeps its capitals.
    return text[0].lower() + text[1:] if len(text) < 2 or not text[1].isupper() else text


def prototype(entry):
    """The declaration, broken between parameters where it is too wide."""
    is_type = entry.kind == "callback"
    head = ("typedef " if is_type else "") + join(entry.value) + (f"(*{entry.name})" if is_type else entry.name) + "("
    pieces = [(join(kind), name) for kind, name in entry.parameters] or [("void", "")]
    lines, width = [f"\\fB{head}"], len(head)
    for n, (kind, name) in enumerate(pieces):
        last = n + 1 == len(pieces)
        size = len(kind) + len(name) + (2 if last else 1)
        if n and width + 1 + size > WIDTH:
            lines.append("    ")
            width = 4
        elif n:
            lines[-1] += " "
            width += 1
        lines[-1] += f"{kind}\\fP\\fI{name}\\fP\\fB" + (");\\fP" if last else ",")
        width += size
    return "\n".join(line.replace("-", "\\-") for line in lines)


def join(kind):
    """A type, ready for the name behind it."""
    return kind if kind.endswith("*") else f"{kind} "


def page(header, roff, entry, date):
    told = [s for s in sentences(entry.comment) if not re.match(r"Since \d", s)]
    returned = [s for s in told if re.match(r"Returns\b", s)]
    described = [s for s in told if s not in returned]
    lines = [heading(entry.name, header, date), ".SH NAME", f"{entry.name} \\- {roff.line(short(entry.comment))}"]
    lines += [".SH LIBRARY", "libqmp (\\-lqmp)"]
    lines += [".SH SYNOPSIS", ".nf", ".B #include <libqmp.h>", ".PP", prototype(entry), ".fi"]
    lines += [".SH DESCRIPTION", roff.prose(" ".join(described or returned), entry.name)]
    if returned and described:
        lines += [".SH RETURN VALUE", roff.prose(" ".join(returned), entry.name)]
    codes = [c for c in header.of("constant") if re.search(rf"\b{c.name.removeprefix('QMP_CODE_')}\b", entry.comment)]
    codes = [c for c in codes if c.name.startswith("QMP_CODE_")]
    if codes and ("qmp_error **", "err") in entry.parameters:
        lines += [".SH ERRORS", "Among the codes of an error are:"]
        for code in codes:
            lines += [".TP", f".B {code.name}", roff.prose(code.comment)]
    if entry.since:
        lines += [".SH HISTORY", f"Since libqmp {entry.since}."]
    named = set(re.findall(r"\bqmp_\w+", entry.comment)) | {kind for kind, _ in entry.parameters}
    named = sorted((named & roff.pages) - {entry.name})
    lines += [".SH SEE ALSO", *references(["libqmp", *named])]
    return "\n".join(lines) + "\n"


def heading(name, header, date):
    # Names are neither broken nor spread.
    return f'.TH {name} 3 {date} "libqmp {header.version}" "libqmp"\n.nh\n.ad l'


def overview(header, roff, date):
    title, paragraphs, code, compile_line = manual(header)
    lines = [heading("libqmp", header, date), ".SH NAME", f"libqmp \\- {roff.line(title)}"]
    lines += [".SH LIBRARY", "libqmp (\\-lqmp)", ".SH SYNOPSIS", ".nf", ".B #include <libqmp.h>", ".PP"]
    lines += [roff.line(compile_line), ".fi", ".SH DESCRIPTION"]
    for n, paragraph in enumerate(paragraphs):
        topic = re.match(r"([A-Z][a-z]+(?: [a-z]+)?)\. ", paragraph)
        lines += [".PP"] if n else []
        lines += [f".B {topic.group(1)}."] if topic else []
        lines.append(roff.prose(paragraph[topic.end() if topic else 0 :]))
    lines += grouped(".SH FUNCTIONS", NOUNS, header.of("function"), roff, lambda e: f".BR {e.name} (3)", short)
    lines.append(".SH TYPES")
    for entry in header.of("type"):
        lines += [".TP", f".I {entry.name}", roff.prose(entry.comment)]
    for entry in header.of("callback"):
        lines += [".TP", f".BR {entry.name} (3)", roff.line(short(entry.comment)) + "."]
    lines += grouped(
        ".SH CONSTANTS",
        CONSTANTS,
        header.of("constant"),
        roff,
        lambda e: f".BR {e.name} \" ({e.value})\"".replace("-", "\\-"),
        lambda e: e.comment,
    )
    lines += [".SH EXAMPLES", ".nf", *(roff.line(line) for line in code), ".fi"]
    lines += [".SH SEE ALSO", *references(sorted(roff.pages))]
    return "\n".join(lines) + "\n"


def references(names):
    return [f".BR {name} (3){' ,' if name != names[-1] else ''}" for name in names]


def grouped(section, groups, entries, roff, tag, text):
    lines, left = [section], list(entries)
    for title, prefix in groups:
        lines.append(f".SS {title}")
        for entry in [e for e in left if e.name.startswith(prefix)]:
            left.remove(entry)
            about = text(entry) if text is not short else short(entry.comment) + "."
            lines += [".TP", tag(entry), roff.prose(about)]
    if left:
        raise libqmp_header.HeaderError(f"{left[0].name} belongs to no group of libqmp(3): see {sys.argv[0]}")
    return lines


def manual(header):
    """The parts of the comment on top: what the library is, the paragraphs, the program, and how it is compiled."""
    paragraphs, code, current = [], [], []
    for line in [*header.manual, ""]:
        if line.startswith("  "):
            code.append(line.removeprefix("  "))
        elif line:
            current.append(line)
        elif current:
            paragraphs.append(" ".join(current))
            current = []
        elif code:
            code.append("")
    while code and not code[-1]:
        code.pop()
    title = paragraphs[0].removeprefix("libqmp: ").rstrip(".")
    return title, paragraphs[1:], code[:-1], code[-1]


def main():
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    header = libqmp_header.read(path)
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or path.stat().st_mtime
    date = datetime.datetime.fromtimestamp(float(seconds), datetime.timezone.utc).date().isoformat()
    roff = Roff(header)
    pages = {"libqmp": overview(header, roff, date)}
    for entry in header.of("function") + header.of("callback"):
        pages[entry.name] = page(header, roff, entry, date)
    folder.mkdir(parents=True, exist_ok=True)
    # A page of a function that is no more.
    for old in folder.glob("*.3"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / f"{name}.3").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main()
    except libqmp_header.HeaderError as why:
        sys.exit(f"make-man: {why}")
