#!/usr/bin/env python3
"""Measures libqmp beside the raw client, the ideal, and beside other clients, in rounds: each round runs every client
once, so that what disturbs the machine disturbs all of them. Prints tables; writes results.json, monitors.svg and
sizes.svg.

  run.py PROGRAMS                        PROGRAMS is the folder of `make bench-programs`; results go there too
  run.py PROGRAMS --only seq,pipe        these rows alone, and no plots
  run.py PROGRAMS --peers FOLDER         other clients too, from the folder of scripts/bench-peers.sh
  run.py PROGRAMS --document BENCHMARKS.md --plots FOLDER    writes the tables there, and the plots into FOLDER

Nothing may be lost and no reply be wrong: otherwise it says so, and fails in the end.
"""
import argparse
import contextlib
import json
import pathlib
import resource
import sys

import clients
import report
import servers
import workloads
from clients import OURS, complain

# How long one run should take, and at most how many operations a trial has.
SECONDS = 0.25
TRIAL = 200


class Bench:
    """All that was measured, and what went wrong."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.runs = []
        self.failures = []
        self.counts = {}

    def count_for(self, key, command, calls, target, most, options):
        """As many operations as take about SECONDS, by a trial which also warms up."""
        if key not in self.counts:
            trial = clients.run_once(command, calls, target, min(most, TRIAL), options, 20)
            self.counts[key] = max(2, min(most, int(trial["rate"] * SECONDS)))
        return self.counts[key]

    def row(self, table, name, commands, calls, target, most, options=None):
        """Every client in every round, beginning with another one each time."""
        options = options or {}
        out = set()
        for number in range(self.rounds):
            order = list(commands)
            for client in order[number % len(order):] + order[:number % len(order)]:
                if client in out:
                    continue
                try:
                    chosen = options.get(client, "")
                    # `many` is told its size by its name.
                    count = most if calls.startswith("many") else self.count_for(
                        (table, name, client), commands[client], calls, target, most, chosen)
                    result = clients.run_once(commands[client], calls, target, count, chosen)
                except clients.Unsupported:
                    out.add(client)
                    if client == OURS:
                        complain(f"{name}: this libqmp has no such thing; the row is left out")
                except clients.Failed as why:
                    out.add(client)
                    complain(f"{client}, {name}: {why}")
                    # That another client is too slow is what it is measured for: its cell stays empty.
                    if client in (clients.RAW, OURS) or not isinstance(why, clients.TooSlow):
                        self.failures.append(f"{client}, {name}: {why}")
                else:
                    self.runs.append({**result, "table": table, "row": name, "client": client, "round": number})

    def of(self, table):
        return [run for run in self.runs if run["table"] == table]


def measure_workloads(bench, programs, wanted, qemu):
    """The first table."""
    with contextlib.ExitStack() as stack:
        fake = stack.enter_context(servers.FakeServer(programs["folder"]))
        targets = {"fake": fake.compact, "pretty": fake.pretty}
        if qemu:
            targets["qemu"] = stack.enter_context(servers.Qemu()).compact
        else:
            complain("there is no qemu-system-x86_64: the rows of a real QEMU are left out")
        commands = {name: command for name, (command, _, _) in programs["clients"].items()}
        for workload in workloads.WORKLOADS:
            if workload.server in targets and (not wanted or workload.name in wanted):
                bench.row("workloads", workload.name, commands, workload.calls, targets[workload.server], workload.most,
                          {OURS: workload.options})


def measure_libvirt(bench, programs, peers):
    commands = clients.libvirt_programs(programs["folder"], peers)
    with servers.Libvirtd() as daemon:
        for workload in workloads.OVER_LIBVIRT:
            bench.row("libvirt", workload.name, commands, workload.calls, f"{daemon.uri}#{daemon.name}", workload.most)


def measure_series(bench, programs):
    """What the plots show."""
    # A few descriptors are the programs' own.
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 64
    monitors = sorted({min(n, room) for n in workloads.MONITORS})
    with servers.FakeServer(programs["folder"]) as fake:
        for n in monitors:
            commands = {name: command for name, (command, most, _) in programs["clients"].items() if n <= most}
            bench.row("monitors", n, commands, f"many:{n}", fake.compact, max(1, 1000 // n))
        for size in workloads.SIZES:
            commands = {name: command for name, (command, _, most) in programs["clients"].items() if size <= most}
            bench.row("sizes", size, commands, f"large:{size}", fake.compact, 20000,
                      {OURS: workloads.SIZES_OPTIONS})


def count_system_calls(bench, programs):
    """By strace, of the raw client and ours."""
    rows = {}
    with servers.FakeServer(programs["folder"]) as fake:
        for calls, (few, many) in workloads.SYSTEM_CALLS.items():
            rows[calls] = {}
            for name in (clients.RAW, OURS):
                try:
                    rows[calls][name] = clients.system_calls(programs["clients"][name][0], calls, fake.compact, few, many)
                except clients.Failed as why:
                    bench.failures.append(f"{name}, {calls}: {why}")
    return rows


def versions(peers):
    """What is measured, in words."""
    found = {"CPU": clients.cpu_name()}
    if servers.has("qemu-system-x86_64"):
        found["QEMU"] = clients.first_number("qemu-system-x86_64", "--version")
    if peers:
        found["qemu.qmp"] = clients.first_number(str(peers / "venv/bin/pip"), "show", "qemu.qmp")
        found["qapi"] = clients.locked_version("qapi")
        found["libvirt"] = clients.first_number("virsh", "--version")
    return found


def parse():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("programs", type=pathlib.Path)
    arguments.add_argument("-r", "--rounds", type=int, default=5)
    arguments.add_argument("--only", help="names of rows, with commas between them")
    arguments.add_argument("--peers", type=pathlib.Path)
    arguments.add_argument("--no-plots", action="store_true")
    arguments.add_argument("--strace", action="store_true", help="count system calls too, if there is an strace")
    arguments.add_argument("--document", type=pathlib.Path)
    arguments.add_argument("--plots", type=pathlib.Path, help="the folder for the plots")
    return arguments.parse_args()


def main():
    chosen = parse()
    bench = Bench(chosen.rounds)
    programs = {"folder": chosen.programs, "clients": clients.programs(chosen.programs, chosen.peers)}
    wanted = chosen.only.split(",") if chosen.only else []
    measure_workloads(bench, programs, wanted, servers.has("qemu-system-x86_64"))
    calls = {}
    if not wanted:
        if chosen.peers:
            measure_libvirt(bench, programs, chosen.peers)
        if not chosen.no_plots:
            measure_series(bench, programs)
        if chosen.strace and servers.has("strace"):
            calls = count_system_calls(bench, programs)
    results = {"versions": versions(chosen.peers), "rounds": chosen.rounds, "calls": calls, "runs": bench.runs}
    (chosen.programs / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = report.tables(results)
    print(text)
    if bench.of("monitors"):
        report.write_plots(results, chosen.plots or chosen.programs)
    if chosen.document:
        report.rewrite(chosen.document, text)
    if bench.failures:
        sys.exit("bench: not everything was done:\n" + "\n".join(bench.failures))


if __name__ == "__main__":
    main()
