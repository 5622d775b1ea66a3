"""Tables and plots of what run.py has measured."""
import statistics

import svg
from clients import OURS, RAW

BEGIN, END = "<!-- begin of what benches/run.py writes -->", "<!-- end of what benches/run.py writes -->"


def number(value):
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def middle(values):
    """The median, with the lowest and the highest in parentheses."""
    if not values:
        return "–"
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def select(results, table, row, client):
    return [run for run in results["runs"] if (run["table"], run["row"], run["client"]) == (table, row, client)]


def names(results, table, key):
    return list(dict.fromkeys(run[key] for run in results["runs"] if run["table"] == table))


def in_order(found):
    """The ideal first, then ours, then the others."""
    return sorted(found, key=lambda name: {RAW: 0, "libvirt": 0, OURS: 1}.get(name, 2))


def ratios(results, table, row, client, ideal, key):
    """Against the ideal in the same round."""
    other = {run["round"]: run[key] for run in select(results, table, row, ideal)}
    return [run[key] / other[run["round"]] for run in select(results, table, row, client) if other.get(run["round"])]


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def compared(results, table, ideal):
    """One row a workload: what the ideal takes, then speed and CPU time of the others against it."""
    others = [name for name in in_order(names(results, table, "client")) if name != ideal]
    rows = {"rate": [], "cpu_us": []}
    for row in names(results, table, "row"):
        if not select(results, table, row, OURS):
            continue
        for key, shown in (("rate", "us"), ("cpu_us", "cpu_us")):
            took = [run[shown] for run in select(results, table, row, ideal)]
            rows[key].append([row, middle(took), *(middle(ratios(results, table, row, name, ideal, key)) for name in others)])
    return "\n".join([
        f"Speed: operations a second, as a part of what {ideal} reaches. More is better.\n",
        markdown(["workload", f"{ideal}: us an operation", *others], rows["rate"]),
        f"CPU time of one operation, in the client, as a multiple of what {ideal} uses. Less is better.\n",
        markdown(["workload", f"{ideal}: us of CPU", *others], rows["cpu_us"]),
    ])


def memory(results):
    """KB for each monitor, connected and asked once, over the process before."""
    found = in_order(names(results, "monitors", "client"))
    rows = []
    for n in names(results, "monitors", "row"):
        if n >= 100:
            each = ([run["pss_per_mon"] for run in select(results, "monitors", n, name)] for name in found)
            rows.append([f"{n:,}", *map(middle, each)])
    return "Memory: KB for each of so many monitors (PSS), the library's own once included.\n\n" + markdown(
        ["monitors", *found], rows)


def wakeups(results):
    """How often the client went to sleep for one operation, and woke up again."""
    found = in_order(names(results, "workloads", "client"))
    rows = []
    for row in ("seq", "seq, busy-poll=200", "handoff", "pipe"):
        if select(results, "workloads", row, OURS):
            each = ([run["csw"] / run["n"] for run in select(results, "workloads", row, name)] for name in found)
            rows.append([row, *map(middle, each)])
    return "Wake-ups: how often a thread of the client slept for one operation.\n\n" + markdown(["workload", *found], rows)


def system_calls(calls):
    rows = [[row, *(", ".join(f"{name} {count:.2f}" for name, count in by_client.get(client, {}).items())
                    for client in (RAW, OURS))] for row, by_client in calls.items()]
    return "System calls for one operation (strace, which slows everything down).\n\n" + markdown(
        ["workload", RAW, OURS], rows)


def tables(results):
    told = ", ".join(f"{name} {version}" if name != "CPU" else version for name, version in results["versions"].items())
    parts = [f"Measured on {told}; {results['rounds']} rounds. A figure is the median, in parentheses are the lowest and "
             "the highest.\n"]
    parts.append(compared(results, "workloads", RAW))
    parts.append(wakeups(results))
    if results["calls"]:
        parts.append(system_calls(results["calls"]))
    if names(results, "monitors", "row"):
        parts.append(memory(results))
    if names(results, "libvirt", "row"):
        parts.append("### A domain of a libvirtd\n")
        parts.append(compared(results, "libvirt", "libvirt"))
    return "\n".join(parts)


def points(results, table, client, value):
    """One line of a panel."""
    line = []
    for row in names(results, table, "row"):
        values = [value(run) for run in select(results, table, row, client)]
        values = [found for found in values if found > 0]
        if values:
            line.append((row, statistics.median(values), min(values), max(values)))
    return line


def panel(results, table, title, x_label, y_label, value):
    lines = {name: points(results, table, name, value) for name in in_order(names(results, table, "client"))}
    return svg.Panel(title, x_label, y_label, {name: line for name, line in lines.items() if line}, table == "sizes")


def write_plots(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    monitors = [
        panel(results, "monitors", "Connecting", "monitors", "us of CPU each", lambda run: run["connect_cpu_us"]),
        panel(results, "monitors", "A command to each", "monitors", "us of CPU each", lambda run: run["query_cpu_us"]),
        panel(results, "monitors", "Memory of all", "monitors", "KB (PSS)", lambda run: run["pss_per_mon"] * run["n"]),
    ]
    sizes = [
        panel(results, "sizes", "Time of one command", "bytes of its reply", "us", lambda run: run["p50_us"]),
        panel(results, "sizes", "CPU time of the client", "bytes of its reply", "us", lambda run: run["cpu_us"]),
        panel(results, "sizes", "Memory of the client", "bytes of its reply", "KB at most", lambda run: run["peak_kb"]),
    ]
    (folder / "monitors.svg").write_text(svg.plot(monitors))
    (folder / "sizes.svg").write_text(svg.plot(sizes))


def rewrite(document, text):
    """Puts the tables between the two marks."""
    whole = document.read_text()
    before, rest = whole.split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}")
