"""Real machines for the tests: a QEMU with monitor sockets, and a private libvirtd with domains.

Everything lies in one temporary folder and ends with it; neither the machine's own libvirt nor the user's is touched.
Root starts libvirtd as nobody, because one that runs as root uses the system's folders.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

NOBODY = 65534
# The first start of a libvirtd looks at what QEMU can do.
START = 120.0
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def until(what: str, check: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Waits until this is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def make_folder() -> pathlib.Path:
    """A folder that libvirtd's user can enter as well."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="qmp-"))
    folder.chmod(0o755)
    return folder


class Machine:
    """A running QEMU: `target` is how the test talks to it, `other` a second monitor of it."""

    def __init__(self, kind: str, target: str, other: str, pid: Callable[[], int | None]) -> None:
        self.kind = kind
        self.target = target
        self.other = other
        self._pid = pid

    def freeze(self) -> None:
        """QEMU answers nothing any more."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        pid = self._pid()
        assert pid is not None, "the machine has no QEMU"
        os.kill(pid, number)


class Qemu:
    """A QEMU of our own with two monitor sockets."""

    def __init__(self) -> None:
        self.folder = make_folder()
        self.sockets = [self.folder / "one", self.folder / "two"]
        command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "none", "-nodefaults", "-display", "none"]
        for socket in self.sockets:
            command += ["-qmp", f"unix:{socket},server=on,wait=off"]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("QEMU's sockets", lambda: all(socket.exists() for socket in self.sockets))
        one, two = (f"unix:{socket}" for socket in self.sockets)
        self.machine = Machine("socket", one, two, lambda: self.process.pid)

    def end(self) -> None:
        """Kills it, and removes what it had."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


class Libvirtd:
    """A private libvirtd."""

    def __init__(self) -> None:
        self.folder = make_folder()
        for name in ("run", "config/libvirt", "cache", "data"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "config/libvirt/qemu.conf").write_text(
            'stdio_handler = "file"\nsecurity_driver = "none"\nnamespaces = []\n'
        )
        (self.folder / "libvirtd.conf").write_text("")
        environment = {
            "PATH": PATH,
            "LC_ALL": "C",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_DATA_HOME": str(self.folder / "data"),
        }
        command = ["libvirtd", "-f", str(self.folder / "libvirtd.conf")]
        if os.geteuid() == 0:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.uri = f"qemu+unix:///session?socket={self.folder}/run/libvirt/libvirt-sock"
        self._number = 0
        until("libvirtd", lambda: self._virsh("version").returncode == 0, START)

    def start(self, kind: str) -> Domain:
        """A domain that runs, to be talked to over libvirt or through virsh."""
        self._number += 1
        return Domain(self, f"test-{self._number}", kind)

    def virsh(self, *words: str) -> str:
        """What virsh prints."""
        done = self._virsh(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end(self) -> None:
        """Ends it and its QEMUs, which are nobody's children: they are known by the folder in their command line."""
        self.process.kill()
        self.process.wait()
        while self._kill_domains():
            time.sleep(0.02)
        shutil.rmtree(self.folder)

    def _virsh(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["virsh", "-q", "-c", self.uri, *words]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START, check=False
        )

    def _kill_domains(self) -> bool:
        found = False
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                name = (process / "comm").read_text()
                mine = os.fsencode(f"{self.folder}/") in (process / "cmdline").read_bytes()
                if mine and name.startswith(("qemu-", "virsh")):
                    os.kill(int(process.name), signal.SIGKILL)
                    found = True
            except OSError:
                continue
        return found


class Domain:
    """A domain of a private libvirtd, with a monitor socket of QEMU's own besides."""

    def __init__(self, daemon: Libvirtd, name: str, kind: str) -> None:
        self.daemon = daemon
        self.name = name
        target = f"{daemon.uri}#{name}"
        socket = daemon.folder / f"{name}.qmp"
        self.machine = Machine(kind, f"virsh:{target}" if kind == "virsh" else target, f"unix:{socket}", self.pid)
        file = daemon.folder / f"{name}.xml"
        file.write_text(
            f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
              <name>{name}</name><memory unit='MiB'>64</memory>
              <os><type arch='x86_64' machine='q35'>hvm</type></os>
              <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
              <qemu:commandline>
                <qemu:arg value='-qmp'/><qemu:arg value='unix:{socket},server=on,wait=off'/>
              </qemu:commandline>
            </domain>"""
        )
        daemon.virsh("define", str(file))
        daemon.virsh("start", name)

    def pid(self) -> int | None:
        """Its QEMU, while it runs: libvirt removes the file when it has noticed the end, and numbers are used again."""
        try:
            pid = int((self.daemon.folder / f"run/libvirt/qemu/run/{self.name}.pid").read_text())
            mine = os.fsencode(f"{self.daemon.folder}/") in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except FileNotFoundError:
            return None
        return pid if mine else None

    def end(self) -> None:
        """Ends it, if nobody has, and forgets it."""
        with contextlib.suppress(ProcessLookupError):
            pid = self.pid()
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        until("the end of a domain", lambda: self.daemon.virsh("domstate", self.name).strip() == "shut off")
        self.daemon.virsh("undefine", self.name)
