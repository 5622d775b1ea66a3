"""The programs that are measured, and how one of them is run once.

Each is called WORKLOAD TARGET COUNT [OPTIONS], and prints one line of JSON: bench.h says which.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

RAW, OURS = "raw", "libqmp"


class Failed(Exception):
    """A client did not do its work; the text is its own."""


class Unsupported(Failed):
    """It never can."""


class TooSlow(Failed):
    """It was stopped."""


def programs(folder, peers):
    """What there is to run, by the names of the tables: (command, longest series of monitors, largest reply)."""
    found = {
        RAW: ([folder / "raw-client"], 20000, 1 << 26),
        OURS: ([folder / "bench-client"], 20000, 1 << 26),
    }
    if peers:
        # qemu.qmp refuses a reply of more than 10 MiB; both take long for many monitors.
        found["qemu.qmp"] = ([peers / "venv/bin/python", HERE / "peers/qemu_qmp.py"], 1000, 4 << 20)
        found["qapi"] = ([peers / "qapi/release/qapi-client"], 1000, 4 << 20)
    return found


def libvirt_programs(folder, peers):
    return {"libvirt": [peers / "libvirt-client"], OURS: [folder / "bench-client"]}


def run_once(command, workload, target, count, options="", seconds=120):
    """One run: its figures, with `cpu_us` for one operation. Raises Failed, also if anything was lost."""
    words = [str(word) for word in (*command, workload, target, count)] + ([options] if options else [])
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise TooSlow(f"not done in {seconds} s") from None
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"exit {run.returncode}: {run.stderr.strip()[-300:]}")
    result = json.loads(lines[-1])
    if not result["ok"]:
        never = "unsupported workload" in result["err"] or "there is no option" in result["err"]
        raise (Unsupported if never else Failed)(result["err"])
    if result.get("lost") or result.get("received", result["n"]) != result["n"]:
        raise Failed(f"{result.get('received')} of {result['n']} events were received")
    result["cpu_us"] = (result["utime"] + result["stime"]) * 1e6 / result["n"]
    result["us"] = result["secs"] * 1e6 / result["n"]
    return result


def system_calls(command, workload, target, few, many):
    """System calls for one operation, by name, from two runs under strace that differ in their counts."""
    counted = []
    for count in (few, many):
        words = [str(word) for word in ("strace", "-f", "-c", *command, workload, target, count)]
        run = subprocess.run(words, capture_output=True, text=True, timeout=120)
        if run.returncode:
            raise Failed(f"strace: {run.stdout}{run.stderr[-300:]}")
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", run.stderr, re.MULTILINE)
        counted.append({name: int(calls) for calls, name in rows if name != "total"})
    names = sorted(counted[1], key=counted[1].get, reverse=True)
    each = {name: (counted[1][name] - counted[0].get(name, 0)) / (many - few) for name in names}
    return {name: calls for name, calls in each.items() if calls >= 0.005}


def cpu_name():
    with open("/proc/cpuinfo") as file:
        names = re.findall(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return f"{names[0] if names else os.uname().machine}, {os.cpu_count()} cores"


def first_number(*command):
    """The version that a program tells."""
    run = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", run.stdout)
    return found[0] if found else "?"


def locked_version(crate):
    """The version of the crate that the peer was built with."""
    lock = (HERE / "peers/qapi/Cargo.lock").read_text()
    return re.search(rf'name = "{crate}"\nversion = "(.*)"', lock)[1]


def complain(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
