#!/bin/bash
# Installs the Debian packages in a Debian that has nothing else but a C compiler and pkg-config, builds the first program of
# README.md there by docs/install.md, shared and static, and has it ask a real QEMU, whose socket lies in that Debian; then
# takes the packages away again, and looks for leftovers. Works as root, and without where users have namespaces.
#
#   scripts/check-deb.sh FOLDER     FOLDER has the packages, and gets the bare Debian (root.tar), which is kept
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath "$1")
if [ "$(id -u)" != 0 ]; then
    exec unshare --map-root-user --map-auto --setuid 0 --setgid 0 --mount --fork "$0" "$@"
fi
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
root=$folder/root tar=$folder/root-$suite.tar vm=

finish() {
    status=$?
    [ -z "$vm" ] || { kill "$vm" && wait "$vm"; } 2>/dev/null || true
    rm -rf "$root"
    exit "$status"
}
trap finish EXIT
fail() {
    echo "check-deb: $*" >&2
    exit 1
}

# The mirrors are those that this machine's apt uses for its own release.
mirrors() {
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        "Created-By: Packages" "Codename: $1" "Origin: Debian" | sort -u
}

make_root() {
    local sources
    sources=$(mirrors "$suite")
    # Which mirror has what, apt knows from its lists.
    if [ -z "$sources" ] && apt-get update -q >"$folder/apt.log" 2>&1; then
        sources=$(mirrors "$suite")
    fi
    [ -n "$sources" ] || fail "apt knows no mirror of $suite: apt-get update"
    # Proxies and the like.
    apt-config dump Acquire | sed '/^Acquire "";$/d; /::IndexTargets/d' >"$folder/apt.conf"
    echo "check-deb: making a bare $suite"
    mmdebstrap --quiet --variant=minbase --aptopt="$folder/apt.conf" --include=gcc,libc6-dev,pkg-config --format=tar "$suite" "$tar.new" - <<<"$sources" \
        2>"$folder/mmdebstrap.log" || { tail -n 20 "$folder/mmdebstrap.log" >&2; fail "no bare $suite"; }
    mv "$tar.new" "$tar"
}

inside() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# All files but those that a package manager writes about itself.
files() {
    (cd "$root" && find . -path ./var -prune -o -path ./proc -prune -o -path ./run -prune -o -path ./root -prune -o \
        -name ld.so.cache -prune -o -path ./etc/ld.so.cache -prune -o -print | sort)
}

rm -rf "$root"
mkdir "$root"
[ -f "$tar" ] || make_root
# Devices are not for users.
tar -C "$root" --exclude='./dev/*' -xf "$tar"
files >"$folder/before"

cp "$folder"/libqmp0_*.deb "$folder"/libqmp-dev_*.deb "$root/root"
inside sh -c 'dpkg -i /root/*.deb' >"$folder/dpkg.log" 2>&1 || { cat "$folder/dpkg.log" >&2; fail "dpkg -i"; }

mkdir -p "$root/run/vm" "$root/root/work"
# The path of a socket has a hundred characters, and that of the folder may have more.
(cd "$root/run/vm" && exec qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none \
    -qmp unix:qmp,server=on,wait=off 2>"$folder/qemu.log") &
vm=$!
scripts/snippet.sh README.md first.c >"$root/root/work/first.c"
for file in pkg-config.sh pkg-config-static.sh; do
    scripts/snippet.sh docs/install.md "$file" >"$root/root/work/$file"
    inside sh -euc "cd /root/work && sh -eu $file" 2>"$folder/cc.log" || { cat "$folder/cc.log" >&2; fail "$file"; }
done
for program in first first-static first-alone; do
    answer=$(inside "/root/work/$program" unix:/run/vm/qmp)
    grep -q '"status": "running"' <<<"$answer" || fail "$program answers: $answer"
    echo "$program: $answer"
done

inside dpkg --purge libqmp-dev libqmp0 >"$folder/dpkg.log" 2>&1 || { cat "$folder/dpkg.log" >&2; fail "dpkg --purge"; }
files | diff "$folder/before" - >"$folder/left" || fail "left behind: $(cat "$folder/left")"
echo "check-deb: ok"
