"""What the clients are measured against: the fake server, a real QEMU, and a domain of a private libvirtd.

Each is a context manager that starts it in a folder of its own, and leaves nothing behind.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

# Daemons lie where an ordinary user's PATH does not look.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
NOBODY = 65534

DOMAIN = """<domain type='qemu'>
  <name>bench</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
</domain>
"""


def has(program):
    return shutil.which(program, path=PATH) is not None


def until(done, what, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come up in {seconds} s")
        time.sleep(0.05)


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server(contextlib.ExitStack):
    """A folder that goes away in the end, after the processes that use it."""

    def __init__(self):
        super().__init__()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="libqmp-bench-")))
        # libvirtd runs as another user when root starts it.
        self.folder.chmod(0o755)

    def __enter__(self):
        super().__enter__()
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def run(self, command, **more):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
        self.callback(end, process)
        return process


class FakeServer(Server):
    """fake-server.c: `compact` and `pretty` are its sockets."""

    def __init__(self, programs):
        super().__init__()
        self.programs = programs
        self.compact, self.pretty = str(self.folder / "compact"), str(self.folder / "pretty")

    def start(self):
        process = self.run([self.programs / "fake-server", self.compact, self.pretty], stdout=subprocess.PIPE)
        self.callback(process.stdout.close)
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the fake server did not start")


class Qemu(Server):
    """A machine without anything: `compact` is its monitor."""

    def start(self):
        self.compact = str(self.folder / "monitor")
        self.run(["qemu-system-x86_64", "-accel", "tcg", "-machine", "none", "-nodefaults", "-display", "none", "-S",
                  "-qmp", f"unix:{self.compact},server=on,wait=off"], stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(self.compact), "QEMU")


class Libvirtd(Server):
    """A private libvirtd with a running domain: `uri` leads to the first, `name` is the second's."""

    name = "bench"

    def start(self):
        for below in ("run", "config/libvirt", "cache", "data"):
            (self.folder / below).mkdir(parents=True)
        (self.folder / "config/libvirt/qemu.conf").write_text(
            'stdio_handler = "file"\nsecurity_driver = "none"\nnamespaces = []\n')
        (self.folder / "libvirtd.conf").touch()
        (self.folder / "domain.xml").write_text(DOMAIN)
        self.uri = f"qemu+unix:///session?socket={self.folder}/run/libvirt/libvirt-sock"
        self.environment = {
            "PATH": PATH, "LC_ALL": "C", "HOME": str(self.folder), "TMPDIR": str(self.folder),
            "XDG_RUNTIME_DIR": f"{self.folder}/run", "XDG_CONFIG_HOME": f"{self.folder}/config",
            "XDG_CACHE_HOME": f"{self.folder}/cache", "XDG_DATA_HOME": f"{self.folder}/data",
        }
        self.callback(self.end_domains)
        with open(self.folder / "log", "wb") as log:
            self.run(self.as_other_user() + [shutil.which("libvirtd", path=PATH), "-f", f"{self.folder}/libvirtd.conf"],
                     env=self.environment, stdout=log, stderr=log)
        until(lambda: self.virsh("version").returncode == 0, "libvirtd")
        self.virsh("define", f"{self.folder}/domain.xml").check_returncode()
        self.virsh("start", self.name).check_returncode()

    def as_other_user(self):
        """A libvirtd that runs as root would be the machine's."""
        if os.getuid() != 0:
            return []
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def virsh(self, *words):
        command = ["virsh", "-q", "-c", self.uri, *words]
        return subprocess.run(command, env=self.environment, capture_output=True, timeout=60)

    def end_domains(self):
        """libvirtd's QEMUs are nobody's children: they are known by the folder in their command line."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if b"qemu-system" in command.split(b"\0")[0] and f"{self.folder}/".encode() in command:
                    os.kill(int(entry.name), signal.SIGKILL)
