"""What is measured: the table that BENCHMARKS.md explains."""
from typing import NamedTuple


class Workload(NamedTuple):
    """`calls` is what the clients are called with; `most` bounds the operations of one run."""

    name: str
    calls: str
    server: str
    most: int
    # Of our monitor alone: the raw client goes without.
    options: str = ""


WORKLOADS = [
    Workload("seq", "seq", "fake", 100000),
    Workload("seq, busy-poll=200", "seq", "fake", 100000, "busy-poll=200"),
    Workload("handoff", "handoff", "fake", 50000),
    Workload("pipe", "pipe", "fake", 1000000),
    Workload("events", "events", "fake", 4000000),
    Workload("reply of 200 KB", "large:200000", "fake", 5000),
    Workload("reply of 4 MB", "large:4000000", "fake", 200),
    Workload("pretty", "pretty", "pretty", 50000),
    Workload("1000 monitors", "many:1000", "fake", 1),
    Workload("seq, QEMU", "seq", "qemu", 5000),
    Workload("schema, QEMU", "schema", "qemu", 200),
]

# A domain of libvirt's, where the ideal is libvirt's own library.
OVER_LIBVIRT = [
    Workload("seq", "seq", "libvirt", 5000),
    Workload("pipe", "pipe", "libvirt", 5000),
    Workload("schema", "schema", "libvirt", 200),
]

# Counts of operations for strace: few of them, and more.
SYSTEM_CALLS = {
    "seq": (200, 1200),
    "handoff": (200, 1200),
    "pipe": (2000, 12000),
    "large:200000": (20, 120),
}

MONITORS = [1, 10, 100, 1000, 5000, 20000]
SIZES = [100, 1000, 10000, 100000, 1 << 20, 4 << 20, 16 << 20, 64 << 20]
# A reply of 64 MiB is over the limit as a matter of form: its envelope comes on top.
SIZES_OPTIONS = "max-message=134217728"
