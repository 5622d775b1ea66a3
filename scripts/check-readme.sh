#!/bin/bash
# Installs into an empty folder, builds the programs of README.md that print a status and events, as they stand and by
# the commands that stand beside them, and has each watch a real QEMU over all three kinds of target while that is
# paused, resumed and shut down.
#
#   scripts/check-readme.sh BUILD     the library is built already, and BUILD has the example qmp-shell, which gives the
#                                     machines their commands; a folder in BUILD is used and removed
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=$(realpath "${CARGO_TARGET_DIR:-target}")
build=$(realpath "$1")
scratch=$build/check-readme
rm -rf "$scratch"
mkdir "$scratch"
. scripts/private-libvirtd.sh
# Paths of sockets are short, and libvirtd runs as another user when root starts it.
machines=$(mktemp -d /tmp/qmp-readme-XXXXXX)
chmod 755 "$machines"
# Seconds that a program may watch: far more than it takes.
LIMIT=60
vm=
declare -A watchers=()

finish() {
    status=$?
    trap - EXIT
    set +e
    kill "${watchers[@]}" $vm 2>/dev/null
    end_libvirtd
    wait
    rm -rf "$scratch" "$machines"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
fail() {
    echo "check-readme: $*" >&2
    exit 1
}
# Whether these are there. Where nothing may be skipped they have to be.
have() {
    local command
    for command; do
        command -v "$command" >/dev/null && continue
        [ -z "${CI:-}" ] || fail "$command is not installed: run scripts/setup.sh test"
        echo "check-readme: SKIPPED: $command is not installed: run scripts/setup.sh test"
        return 1
    done
}

# How each is run, in its folder. The page says it in words.
declare -A run=(["events.c"]=./events ["first.cpp"]=./first ["watch.go"]=./watch
    ["first.py"]="venv/bin/python first.py")

# Builds a program of the page in a folder of its own, which has its name.
build() {
    local name=$1 folder=$scratch/$1
    mkdir "$folder"
    scripts/snippet.sh README.md "$name" >"$folder/$name"
    scripts/snippet.sh --commands README.md "$name" |
        sed "s|/path/to/libqmp/target|$target|; s|/path/to/libqmp|$root|g" >"$folder/commands"
    echo "check-readme: $name: $(grep -c . "$folder/commands") commands"
    (cd "$folder" && sh -eu commands >log 2>&1) || { cat "$folder/log" >&2; fail "$name cannot be built"; }
}

# Starts a program on a target; what it prints is kept under the name that the run is given.
watch() {
    local name=$1 label=$2 target=$3
    # The words of the command are split on purpose.
    # shellcheck disable=SC2086
    (cd "$scratch/$name" && exec timeout --kill-after=5 "$LIMIT" ${run[$name]} "$target" >"$scratch/$label" 2>&1) &
    watchers[$label]=$!
}

# Runs commands on a machine.
command_machine() {
    local target=$1
    shift
    printf '%s\n' "$@" | "$build/qmp-shell" "$target" >"$scratch/shell" 2>&1 ||
        { cat "$scratch/shell" >&2; fail "qmp-shell $target"; }
}

# Pauses, resumes and shuts down the machine that all watch, and looks at what they say.
judge() {
    local target=$1 label
    for label in "${!watchers[@]}"; do
        # All tell of the link when they have printed the status.
        await 300 grep -q LIBQMP_CONNECTED "$scratch/$label" || { cat "$scratch/$label" >&2; fail "$label: no link"; }
    done
    command_machine "$target" stop cont 'set-action {"reboot": "shutdown"}'
    # It may be gone before its answer is read.
    (command_machine "$target" system_reset 2>/dev/null) || true
    for label in "${!watchers[@]}"; do
        ends_well "$label"
        echo "check-readme: $label: ok"
        unset "watchers[$label]"
    done
}

# It ended by itself, after what it had to say.
ends_well() {
    local label=$1 said=$scratch/$1 wrong=
    wait "${watchers[$label]}" || wrong="exit status $? (124: no end within $LIMIT s)"
    head -n 1 "$said" | grep -q 'status.*running' || wrong+="; no status at first"
    [ "$(grep -owE 'STOP|RESUME|SHUTDOWN' "$said" | paste -sd ' ')" = "STOP RESUME SHUTDOWN" ] ||
        wrong+="; other events than STOP, RESUME, SHUTDOWN"
    tail -n 1 "$said" | grep -qw SHUTDOWN || wrong+="; no SHUTDOWN at last"
    [ -z "$wrong" ] || { cat "$said" >&2; fail "$label: ${wrong#; }"; }
}

# A monitor serves one client: one for each program, and one for the commands.
over_sockets() {
    local name monitors=()
    for name in "${!run[@]}" control; do
        monitors+=(-qmp "unix:$machines/$name,server=on,wait=off")
    done
    qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none "${monitors[@]}" 2>"$scratch/qemu.log" &
    vm=$!
    for name in "${!run[@]}"; do
        watch "$name" "$name-socket" "unix:$machines/$name"
    done
    judge "unix:$machines/control"
    wait "$vm" || fail "QEMU: $(cat "$scratch/qemu.log")"
    vm=
}

# All programs watch one domain, by libvirt's protocol and through virsh. The URI names the socket: root's
# qemu:///session is the machine's own daemon.
over_libvirt() {
    local name
    start_libvirtd "$machines/libvirt" || fail "no libvirtd"
    start_domain web-1
    for name in "${!run[@]}"; do
        watch "$name" "$name-libvirt" "$libvirtd_uri#web-1"
        watch "$name" "$name-virsh" "virsh:$libvirtd_uri#web-1"
    done
    judge "$libvirtd_uri#web-1"
    end_libvirtd
}

make -s install CARGO=no-cargo-here PREFIX="$scratch/prefix"
export PKG_CONFIG_PATH=$scratch/prefix/lib/pkgconfig LD_LIBRARY_PATH=$scratch/prefix/lib
# What Go has compiled is kept, with what the tests of the package have compiled. Nothing is fetched.
export GOCACHE=$build/test-go/cache GOENV=off GOFLAGS= GOWORK=off GOPROXY=off GOTOOLCHAIN=local
export PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# A line is there when it was printed: that is for the program to see to.
unset PYTHONUNBUFFERED
# The python3 that has what venv needs.
mkdir "$scratch/bin"
printf '#!/bin/sh\nexec %s "$@"\n' "$(scripts/find-python.sh ensurepip venv)" >"$scratch/bin/python3"
chmod +x "$scratch/bin/python3"
for name in "${!run[@]}"; do
    PATH=$scratch/bin:$PATH build "$name"
done
! have qemu-system-x86_64 || over_sockets
! have qemu-system-x86_64 libvirtd virsh || over_libvirt
echo "check-readme: ok"
