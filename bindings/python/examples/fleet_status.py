"""Asks many machines for their status at once: one line each, in the order in which they answer.

    python3 fleet_status.py unix:/run/one.qmp qemu:///system#two virsh:qemu:///system#three

All monitors share one reactor, and those of one libvirt daemon one connection. Exits with 1 if one did not answer.
"""

from __future__ import annotations

import asyncio
import sys

import libqmp

PATIENCE = 10.0


async def show(target: str) -> bool:
    """Prints a machine's status, or what is wrong. An error's text names its target."""
    try:
        async with libqmp.aio.connect(target, timeout=PATIENCE) as vm:
            status = await vm.run("query-status", timeout=PATIENCE)
    except libqmp.Error as why:
        print(why, file=sys.stderr)
        return False
    print(target, status["status"])
    return True


async def main(targets: list[str]) -> int:
    """All at once."""
    answered = await asyncio.gather(*[show(target) for target in targets])
    return 0 if all(answered) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
