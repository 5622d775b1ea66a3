#!/bin/bash
# Tests the Python package on real machines, with the library that is given: types first, then pytest.
#
#   scripts/test-python.sh LIBRARY SCRATCH_FOLDER [PYTEST_ARGUMENT...]
#
# PYTHON names another python3 to test with, one that has pytest, setuptools and wheel; mypy is then left to the default one.
set -euo pipefail
cd "$(dirname "$0")/.."
library=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
shift 2
python=$(scripts/find-python.sh pytest setuptools wheel ensurepip)

# Daemons and machines outlive a pytest that is killed: what still runs in this folder is ended with it.
folder=$(mktemp -d /tmp/qmp-python-XXXXXX)
chmod 755 "$folder"
finish() {
    status=$?
    for file in $(printf '%s/' "$folder" | grep -lsaF -f - /proc/[0-9]*/cmdline); do
        process=${file%/cmdline}
        case $(cat "$process/comm" 2>/dev/null) in
        libvirtd | virsh | qemu-*) kill -9 "${process#/proc/}" 2>/dev/null || true ;;
        esac
    done
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT

checker=$(PYTHON="" scripts/find-python.sh mypy)
(
    cd bindings/python
    # pytest has types of its own where the checker can see them.
    "$checker" -m mypy --cache-dir "$scratch/mypy" src/libqmp examples
    MYPYPATH=src "$checker" -m mypy --cache-dir "$scratch/mypy" tests
)

export TMPDIR=$folder LIBQMP_LIBRARY=$library PYTHONPATH=bindings/python/src PYTHONDONTWRITEBYTECODE=1
# Far more than they take: a call that hangs is a failure.
timeout --kill-after=10 900 "$python" -m pytest -c bindings/python/pyproject.toml --rootdir bindings/python "${@:-bindings/python/tests}"
