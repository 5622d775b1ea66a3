#!/bin/sh
# Shows libqmp at work on a real QEMU: asks for its status, then pauses and resumes it while another program prints the
# events as they arrive. Then the same programs do the same over libvirt, where libvirtd is installed: on a private one,
# which has nothing to do with the machine's own. Cleans up after itself.
#
#   scripts/demo.sh EXAMPLES     EXAMPLES holds the built programs of examples-c
set -eu

examples=$1
# Daemons lie where an ordinary user's PATH does not look.
PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
# libvirtd runs as another user when root starts it.
chmod 755 "$folder"
vm=
watcher=
daemon=

# libvirtd's QEMUs are nobody's children: they are known by the folder in their command line.
end_domains() {
    for file in $(printf '%s/libvirt/' "$folder" | grep -lsaF -f - /proc/[0-9]*/cmdline); do
        process=${file%/cmdline}
        case $(cat "$process/comm" 2>/dev/null) in
        qemu-*) kill -9 "${process#/proc/}" 2>/dev/null || true ;;
        esac
    done
}
finish() {
    status=$?
    trap - EXIT INT TERM
    set +e
    # The programs that watch end with what they watch.
    for child in $vm $daemon; do
        kill "$child" 2>/dev/null
        wait "$child" 2>/dev/null
    done
    [ -z "$daemon" ] || end_domains
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
# Until the command succeeds, tenths of a second long.
await() {
    tries=$1
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
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

start_libvirtd() {
    private=$folder/libvirt
    mkdir -p "$private/run" "$private/config/libvirt" "$private/cache" "$private/data"
    printf '%s\n' 'stdio_handler = "file"' 'security_driver = "none"' 'namespaces = []' >"$private/config/libvirt/qemu.conf"
    : >"$private/libvirtd.conf"
    set -- env -i "PATH=$PATH" LC_ALL=C "HOME=$private" "TMPDIR=$private" "XDG_RUNTIME_DIR=$private/run" \
        "XDG_CONFIG_HOME=$private/config" "XDG_CACHE_HOME=$private/cache" "XDG_DATA_HOME=$private/data" \
        libvirtd -f "$private/libvirtd.conf"
    if [ "$(id -u)" = 0 ]; then
        # A libvirtd that runs as root is the machine's.
        chown -R 65534:65534 "$private"
        set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    fi
    "$@" >"$folder/libvirtd.log" 2>&1 </dev/null &
    daemon=$!
    uri="qemu+unix:///session?socket=$private/run/libvirt/libvirt-sock"
    # The first start looks at what QEMU can do.
    await 400 virsh -q -c "$uri" version || {
        tail -n 20 "$folder/libvirtd.log" >&2
        fail "libvirtd did not start"
    }
}

start_domain() {
    cat >"$folder/demo.xml" <<XML
<domain type='qemu'>
  <name>demo</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
XML
    virsh -q -c "$uri" define "$folder/demo.xml"
    virsh -q -c "$uri" start demo
}

say "Starting a QEMU without an operating system, with two monitors"
qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none \
    -qmp "unix:$folder/one,server=on,wait=off" -qmp "unix:$folder/two,server=on,wait=off" 2>"$folder/qemu.log" &
vm=$!
act "unix:$folder/one" "unix:$folder/two"

if command -v libvirtd >/dev/null && command -v virsh >/dev/null; then
    say "Starting a private libvirtd with a domain"
    start_libvirtd
    start_domain
    say "list-domains $uri"
    "$examples/list-domains" "$uri" | show
    act "$uri#demo" "$uri#demo"
else
    say "libvirtd and virsh are not installed: the same over libvirt is left out"
fi
say "That is all: examples-c has the programs, include/libqmp.h the manual"
