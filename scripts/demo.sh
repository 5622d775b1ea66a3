#!/bin/sh
# Shows libqmp at work on a real QEMU: asks for its status, then pauses and resumes it while another program prints the
# events as they arrive. Then the same programs do the same over libvirt, where libvirtd is installed: on a private one,
# which has nothing to do with the machine's own. Cleans up after itself.
#
#   scripts/demo.sh EXAMPLES     EXAMPLES holds the built programs of examples-c
set -eu

examples=$1
# shellcheck source=scripts/private-libvirtd.sh
. "$(dirname "$0")/private-libvirtd.sh"
folder=$(mktemp -d)
# libvirtd runs as another user when root starts it.
chmod 755 "$folder"
vm=
watcher=

finish() {
    status=$?
    trap - EXIT INT TERM
    set +e
    # The programs that watch end with what they watch.
    [ -z "$vm" ] || { kill "$vm" && wait "$vm"; } 2>/dev/null
    end_libvirtd
    [ -z "$watcher" ] || wait "$watcher" 2>/dev/null
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
fail() {
    echo "demo: $*" >&2
    exit 1
}

# The same programs for every link; only the targets differ.
act() {
    say "query-status $1"
    "$examples/query-status" "$1" | show

    say "watch-events $2, while stop and cont go to $1"
    # Two events of the machine: STOP and RESUME.
    "$examples/watch-events" "$2" 2 | tee "$folder/events" | show &
    watcher=$!
    await 100 grep -q LIBQMP_CONNECTED "$folder/events" || fail "watch-events did not connect"
    for command in stop cont; do
        sleep 0.5
        echo "$command" | "$examples/qmp-shell" "$1" >/dev/null
    done
    wait "$watcher"
    watcher=
    grep -q '"STOP"' "$folder/events" && grep -q '"RESUME"' "$folder/events"
    rm "$folder/events"
}

say "Starting a QEMU without an operating system, with two monitors"
qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none \
    -qmp "unix:$folder/one,server=on,wait=off" -qmp "unix:$folder/two,server=on,wait=off" 2>"$folder/qemu.log" &
vm=$!
act "unix:$folder/one" "unix:$folder/two"

if command -v libvirtd >/dev/null && command -v virsh >/dev/null; then
    say "Starting a private libvirtd with a domain"
    start_libvirtd "$folder/libvirt"
    start_domain demo
    say "list-domains $libvirtd_uri"
    "$examples/list-domains" "$libvirtd_uri" | show
    act "$libvirtd_uri#demo" "$libvirtd_uri#demo"
else
    say "libvirtd and virsh are not installed: the same over libvirt is left out"
fi
say "That is all: examples-c has the programs, include/libqmp.h the manual"
