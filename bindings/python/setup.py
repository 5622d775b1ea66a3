"""What pyproject.toml cannot say: that a wheel with the shared library inside is for one platform, and any Python 3."""

import pathlib
import re
import sys
import sysconfig

from setuptools import Distribution, __version__, setup

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    # Before setuptools 70.1.
    from wheel.bdist_wheel import bdist_wheel

# An older one does not read pyproject.toml, and makes a wheel without a name.
if int(__version__.partition(".")[0]) < 61:
    sys.exit(f"setuptools is {__version__}, and has to be 61 or later")

LIBRARY = pathlib.Path(__file__).parent / "src" / "libqmp" / "libqmp.so.0"


def platform() -> str:
    """manylinux_2_N for the newest glibc that the library asks for, by the names of symbol versions in it."""
    found = re.findall(rb"GLIBC_(\d+)\.(\d+)", LIBRARY.read_bytes())
    machine = sysconfig.get_platform().rpartition("-")[2]
    if not found:
        return f"linux_{machine}"
    major, minor = max((int(major), int(minor)) for major, minor in found)
    return f"manylinux_{major}_{minor}_{machine}"


class PlatformWheel(bdist_wheel):
    """A wheel that says so in its name."""

    def get_tag(self):
        return ("py3", "none", platform()) if LIBRARY.exists() else super().get_tag()


class PlatformDistribution(Distribution):
    """Not pure, if the library is inside."""

    def has_ext_modules(self):
        return LIBRARY.exists()


setup(cmdclass={"bdist_wheel": PlatformWheel}, distclass=PlatformDistribution)
