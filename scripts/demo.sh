#!/bin/sh
# Shows libqmp at work on a real QEMU: asks for its status, then pauses and resumes it while another program prints the
# events as they arrive. Cleans up after itself.
#
#   scripts/demo.sh EXAMPLES     EXAMPLES holds the built programs of examples-c
set -eu

examples=$1
folder=$(mktemp -d)
vm=
watcher=
finish() {
    status=$?
    trap - EXIT INT TERM
    [ -n "$watcher" ] && kill "$watcher" 2>/dev/null && wait "$watcher" 2>/dev/null
    [ -n "$vm" ] && kill "$vm" 2>/dev/null && wait "$vm" 2>/dev/null
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ]; then
    bold=$(printf '\033[1m') green=$(printf '\033[32m') plain=$(printf '\033[0m')
else
    bold='' green='' plain=''
fi
say() {
    printf '%s%s%s\n' "$bold" "$*" "$plain"
}
show() {
    while IFS= read -r line; do
        printf '    %s%s%s\n' "$green" "$line" "$plain"
    done
}

say "Starting a QEMU without an operating system, with two monitors"
qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none \
    -qmp "unix:$folder/one,server=on,wait=off" -qmp "unix:$folder/two,server=on,wait=off" 2>"$folder/qemu.log" &
vm=$!

say "query-status unix:$folder/one"
"$examples/query-status" "unix:$folder/one" | show

say "watch-events unix:$folder/two, while stop and cont go to the first monitor"
# Two events of the machine: STOP and RESUME.
"$examples/watch-events" "unix:$folder/two" 2 | tee "$folder/events" | show &
watcher=$!
tries=0
until grep -q LIBQMP_CONNECTED "$folder/events" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "demo: the second monitor did not connect" >&2; exit 1; }
    sleep 0.1
done
for command in stop cont; do
    sleep 0.5
    echo "$command" | "$examples/qmp-shell" "unix:$folder/one" >/dev/null
done
wait "$watcher"
watcher=
grep -q '"STOP"' "$folder/events" && grep -q '"RESUME"' "$folder/events"
say "That is all: examples-c has the programs, include/libqmp.h the manual"
