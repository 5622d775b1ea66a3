#!/bin/bash
# Installs into an empty folder, compiles the first programs of README.md and docs/cpp.md against that by pkg-config, as
# they stand on the page, and runs them on a real QEMU; then uninstalls, and looks for leftovers.
#
#   scripts/check-install.sh SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$1
rm -rf "$scratch"
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
prefix=$scratch/prefix vm=

finish() {
    status=$?
    [ -z "$vm" ] || { kill "$vm" && wait "$vm"; } 2>/dev/null || true
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT

# Root, who installs as a rule, need not have cargo.
make -s
make -s install CARGO=no-cargo-here PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$scratch/first.c"
# The words of the page: cc -o first first.c $(pkg-config --cflags --libs libqmp)
(cd "$scratch" && cc -o first first.c $(pkg-config --cflags --libs libqmp))
sed -n '/^```cpp$/,/^```$/{p;/^```$/q}' docs/cpp.md | sed '/^```/d' >"$scratch/first.cpp"
# The words of that page, too.
(cd "$scratch" && c++ -std=c++17 -o first-cpp first.cpp $(pkg-config --cflags --libs libqmp))
cc -o "$scratch/static" "$scratch/first.c" $(pkg-config --cflags libqmp) "$prefix/lib/libqmp.a" \
    $(pkg-config --static --libs-only-l libqmp | sed 's/-lqmp//')

qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none -qmp "unix:$scratch/vm,server=on,wait=off" 2>"$scratch/log" &
vm=$!
for program in "env LD_LIBRARY_PATH=$prefix/lib $scratch/first" "$scratch/static"; do
    answer=$($program "unix:$scratch/vm")
    echo "$answer"
    grep -q '"status": "running"' <<<"$answer"
done
if "$scratch/static" "unix:$scratch" 2>"$scratch/error"; then
    echo "check-install: connecting to a folder succeeded" >&2
    exit 1
fi
grep -q "unix:$scratch" "$scratch/error"

# The C++ program watches until the machine shuts down.
LD_LIBRARY_PATH=$prefix/lib timeout 30 "$scratch/first-cpp" "unix:$scratch/vm" >"$scratch/events" &
watcher=$!
for _ in {1..100}; do
    grep -q LIBQMP_CONNECTED "$scratch/events" && break
    sleep 0.1
done
kill "$vm" && wait "$vm"
vm=
wait "$watcher"
cat "$scratch/events"
grep -q '"status": "running"' "$scratch/events"
tail -n 1 "$scratch/events" | grep -q '"SHUTDOWN"'

make -s uninstall PREFIX="$prefix"
left=$(find "$prefix" ! -type d; find "$prefix" -name libqmp)
[ -z "$left" ] || { echo "check-install: left behind: $left" >&2; exit 1; }
# A package is built into a folder that is not the prefix.
make -s install PREFIX=/usr LIBDIR=/usr/lib/somewhere DESTDIR="$scratch/package"
test -f "$scratch/package/usr/lib/somewhere/libqmp.so.0"
grep -q '^libdir=/usr/lib/somewhere$' "$scratch/package/usr/lib/somewhere/pkgconfig/libqmp.pc"
echo "check-install: ok"
