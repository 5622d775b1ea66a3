"""Python's qemu.qmp as a client of the benchmark.

qemu_qmp.py WORKLOAD SOCKET COUNT: prints one line of JSON as ../bench.h does. Workloads: seq, schema, pipe, events,
large:BYTES, many:N.
"""
import asyncio
import json
import os
import resource
import sys
import time

from qemu.qmp import QMPClient

IN_FLIGHT = 32
# As many connect at once: more would overflow what the socket lets wait.
CONNECTING = 64


def proc(file, key):
    """A number of /proc/self."""
    with open(f"/proc/self/{file}") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


class Meter:
    """What is measured from its making on."""

    def __init__(self):
        self.latencies = []
        self.used = resource.getrusage(resource.RUSAGE_SELF)
        self.begin = time.perf_counter()

    def cpu(self):
        now = resource.getrusage(resource.RUSAGE_SELF)
        return now.ru_utime - self.used.ru_utime, now.ru_stime - self.used.ru_stime

    def result(self, n, **more):
        seconds = time.perf_counter() - self.begin
        user, system = self.cpu()
        slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - self.used.ru_nvcsw
        result = {"ok": True, "n": n, "secs": seconds, "rate": n / seconds, "utime": user, "stime": system,
                  "csw": slept, "rss_kb": proc("status", "VmRSS"), "peak_kb": proc("status", "VmHWM"), **more}
        if self.latencies:
            result["p50_us"] = sorted(self.latencies)[len(self.latencies) // 2] * 1e6
        return result


async def connect(path):
    client = QMPClient()
    await client.connect(path)
    return client


async def sequential(path, count, command, arguments=None):
    client = await connect(path)
    meter = Meter()
    for _ in range(count):
        begin = time.perf_counter()
        await client.execute(command, arguments)
        meter.latencies.append(time.perf_counter() - begin)
    result = meter.result(count)
    await client.disconnect()
    return result


async def pipelined(path, count):
    client = await connect(path)
    left = iter(range(count))

    async def ask():
        for _ in left:
            await client.execute("query-status")

    meter = Meter()
    await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
    result = meter.result(count)
    await client.disconnect()
    return result


async def events(path, count):
    client = await connect(path)
    received = 0
    with client.listener() as listener:
        meter = Meter()
        await client.execute("x-bench-events", {"count": count})
        async for event in listener:
            if event["event"] == "SHUTDOWN":
                break
            received += 1
        result = meter.result(count, received=received, lost=count - received)
    await client.disconnect()
    return result


async def many(path, n, times):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before = proc("smaps_rollup", "Pss")
    room = asyncio.Semaphore(CONNECTING)

    async def connect_in_turn():
        async with room:
            return await connect(path)

    meter = Meter()
    clients = await asyncio.gather(*(connect_in_turn() for _ in range(n)))
    connected, cpu = time.perf_counter() - meter.begin, sum(meter.cpu())
    for _ in range(times):
        await asyncio.gather(*(client.execute("query-status") for client in clients))
    return meter.result(
        n, connect_s=connected, query_s=time.perf_counter() - meter.begin - connected, connect_cpu_us=cpu * 1e6 / n,
        query_cpu_us=(sum(meter.cpu()) - cpu) * 1e6 / n / times, pss_per_mon=(proc("smaps_rollup", "Pss") - before) / n)


def measure(workload, path, count):
    kind, _, number = workload.partition(":")
    if kind == "seq":
        return sequential(path, count, "query-status")
    if kind == "schema":
        return sequential(path, count, "query-qmp-schema")
    if kind == "large":
        return sequential(path, count, "x-bench-blob", {"size": int(number)})
    if kind == "pipe":
        return pipelined(path, count)
    if kind == "events":
        return events(path, count)
    if kind == "many":
        return many(path, int(number), count)
    raise ValueError("unsupported workload")


def main():
    workload, path, count = sys.argv[1:4]
    try:
        result = asyncio.run(asyncio.wait_for(measure(workload, path, int(count)), 100))
    except Exception as why:
        # What the client itself says is what is wanted.
        result = {"ok": False, "err": f"{type(why).__name__}: {why}"}
    print(json.dumps(result), flush=True)
    # Without closing a thousand connections one by one.
    os._exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
