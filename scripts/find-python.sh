#!/bin/sh
# Prints the first python3 that has these modules: $PYTHON, the one on PATH, or the system's own, for which setup.sh
# installs them.
#
#   scripts/find-python.sh MODULE...
set -eu

modules=$(printf 'import %s\n' "$@")
for python in ${PYTHON:-python3 /usr/bin/python3}; do
    if "$python" -c "$modules" 2>/dev/null; then
        command -v "$python"
        exit 0
    fi
done
echo "find-python: no python3 has all of: $*; run scripts/setup.sh test, or name one in PYTHON" >&2
exit 1
