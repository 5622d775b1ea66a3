#!/usr/bin/env python3
"""Fails when an operation of the library takes more instructions than benches/limits.json allows, or far fewer.

  check-instructions.py PROGRAMS            PROGRAMS is the folder of `make bench-programs`
  check-instructions.py PROGRAMS --write    measures, and writes the figures and limits anew

Times say nothing on a busy machine; valgrind's count of executed instructions hardly changes. The client runs with two
counts of operations, and the difference, divided, is what one operation costs: starting plays no part. Of a few runs the
lowest counts: a server that was held up gives its bytes in more pieces.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

from servers import FakeServer

FIGURES = pathlib.Path(__file__).parent / "limits.json"

# What is measured: the client's workload, the two counts, and what it is to people.
OPERATIONS = {
    "sequential": ("seq", 500, 2500, "one command, the next after its answer"),
    "pipelined": ("pipe", 2000, 10000, "one command, 32 of which are in flight"),
    "event": ("events", 5000, 25000, "one event to a callback"),
    "reply-200k": ("large:200000", 20, 100, "one reply of 200 KB"),
}
RUNS = 3
ALLOWED_MORE = 0.15
ALLOWED_LESS = 0.25


def instructions(programs, workload, socket, count):
    """The instructions that the client executes, its start and its end too."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               str(programs / "bench-client"), workload, socket, str(count)]
    environment = dict(os.environ, BENCH_LATENCIES="off")
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected:
        sys.exit(f"check-instructions: {' '.join(command)} failed:\n{run.stdout}{run.stderr}")
    return int(collected[1])


def measure(programs):
    figures = {}
    with FakeServer(programs) as server:
        for name, (workload, few, many, _) in OPERATIONS.items():
            low, high = (min(instructions(programs, workload, server.compact, count) for _ in range(RUNS))
                         for count in (few, many))
            figures[name] = round((high - low) / (many - few))
    return figures


def compiler():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def write(figures):
    kept = {name: {"reached": figure, "limit": round(figure * (1 + ALLOWED_MORE))} for name, figure in figures.items()}
    kept["compiler"] = compiler()
    FIGURES.write_text(json.dumps(kept, indent=4) + "\n")


def complaint(name, count, kept):
    """What is wrong with this count, or None."""
    reached, limit, what = kept["reached"], kept["limit"], OPERATIONS[name][3]
    more = count - reached
    if count > limit:
        return (f"TOO MANY: {name} ({what}) takes {count} instructions, {more} ({more / reached:.0%}) more than the {reached} "
                f"that were reached; the limit is {limit}.")
    if count < reached * (1 - ALLOWED_LESS):
        return (f"LOWER THE FIGURE: {name} ({what}) takes {count} instructions, {-more} ({-more / reached:.0%}) fewer than the "
                f"{reached} that were reached. Let it not become as slow again unnoticed.")
    return None


def check(figures):
    kept = json.loads(FIGURES.read_text())
    complaints = []
    for name, count in figures.items():
        print(f"{name:12} {count:8} instructions; {kept[name]['reached']} were reached, {kept[name]['limit']} is the limit")
        complaints.append(complaint(name, count, kept[name]))
    complaints = [text for text in complaints if text]
    if complaints:
        print(*complaints, sep="\n", file=sys.stderr)
        print(f"limits.json was made with {kept['compiler']}, this is {compiler()}. If the change is meant, run\n"
              "    make write-bench-limits\n"
              "and commit benches/limits.json with the reason.", file=sys.stderr)
        sys.exit(1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("programs", type=pathlib.Path)
    arguments.add_argument("--write", action="store_true")
    chosen = arguments.parse_args()
    figures = measure(chosen.programs)
    if chosen.write:
        write(figures)
    check(figures)


if __name__ == "__main__":
    main()
