#!/bin/sh
# Builds the Python wheel with the shared library inside, from a copy: nothing is left among the sources.
#
#   scripts/make-wheel.sh LIBRARY FOLDER     leaves libqmp-VERSION-py3-none-PLATFORM.whl in FOLDER, and prints its path
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
library=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
python=$("$root/scripts/find-python.sh" setuptools wheel)
work=$folder/work.$$
trap 'rm -rf "$work"' EXIT

mkdir "$work"
for part in pyproject.toml setup.py README.md src; do
    cp -R "$root/bindings/python/$part" "$work"
done
cp "$root"/LICENSE-* "$work"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
# Debugging information is most of it.
strip --strip-unneeded -o "$work/src/libqmp/libqmp.so.0" "$library"
cd "$work"
"$python" setup.py -q bdist_wheel --dist-dir "$work/dist" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
for wheel in "$work"/dist/*.whl; do
    mv "$wheel" "$folder"
    echo "$folder/$(basename "$wheel")"
done
