#!/bin/bash
# Installs into an empty folder, builds the README's first program against that in every way that docs/install.md
# shows, and runs each on a real QEMU; moves the installation and does it again; uninstalls, and looks for leftovers.
#
#   scripts/check-install.sh SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$1
rm -rf "$scratch"
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
vm=

finish() {
    status=$?
    [ -z "$vm" ] || { kill "$vm" && wait "$vm"; } 2>/dev/null || true
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
fail() {
    echo "check-install: $*" >&2
    exit 1
}

# Runs programs that ask a machine for its status.
ask() {
    local library_path=$1 program answer
    shift
    for program; do
        answer=$(LD_LIBRARY_PATH=$library_path "$program" "unix:$scratch/vm")
        grep -q '"status": "running"' <<<"$answer" || fail "$program answers: $answer"
        echo "${program#"$scratch/"}: $answer"
    done
}

start_machine() {
    qemu-system-x86_64 -accel tcg -machine none -nodefaults -display none -qmp "unix:$scratch/vm,server=on,wait=off" \
        2>"$scratch/log" &
    vm=$!
}

in_a_prefix() {
    local prefix=$scratch/prefix moved=$scratch/elsewhere/moved programs
    # Root, who installs as a rule, need not have cargo.
    make -s install CARGO=no-cargo-here PREFIX="$prefix"
    programs=$(scripts/build-consumers.sh "$prefix" "$scratch/consumers")
    ask "$prefix/lib" $programs
    # An error names the target.
    if LD_LIBRARY_PATH=$prefix/lib "$scratch/consumers/pkg-config/first" "unix:$scratch" 2>"$scratch/error"; then
        fail "connecting to a folder succeeded"
    fi
    grep -q "unix:$scratch" "$scratch/error" || fail "the error does not name the target: $(cat "$scratch/error")"

    mkdir -p "$scratch/elsewhere"
    mv "$prefix" "$moved"
    mkdir "$scratch/bin"
    printf '#!/bin/sh\nexec %s --define-prefix "$@"\n' "$(command -v pkg-config)" >"$scratch/bin/pkg-config"
    chmod +x "$scratch/bin/pkg-config"
    programs=$(PATH=$scratch/bin:$PATH scripts/build-consumers.sh "$moved" "$scratch/consumers-moved")
    ask "$moved/lib" $programs

    make -s uninstall PREFIX="$moved"
    nothing_left "$moved"
}

# Only the folders that others share remain.
nothing_left() {
    local left
    left=$(find "$1" -mindepth 1 ! -type d -o -name '*libqmp*' -o -name examples)
    [ -z "$left" ] || fail "uninstall left behind: $left"
}

# A package is built into a folder that is not the prefix.
in_a_package() {
    local package=$scratch/package folders=(PREFIX=/usr EXEC_PREFIX=/opt/exec LIBDIR=/usr/lib/somewhere
        INCLUDEDIR=/usr/include/inner MANDIR=/man DOCDIR=/doc)
    make -s install-strip CARGO=no-cargo-here DESTDIR="$package" "${folders[@]}"
    test -f "$package/usr/lib/somewhere/libqmp.so.0" && test -f "$package/usr/include/inner/libqmp.h"
    test -f "$package/doc/README.md"
    ! grep -rIl "$scratch" "$package" || fail "DESTDIR stands in a file"
    local file=$package/usr/lib/somewhere/pkgconfig/libqmp.pc variable
    for variable in prefix=/usr exec_prefix=/opt/exec libdir=/usr/lib/somewhere includedir=/usr/include/inner; do
        [ "$(pkg-config --variable="${variable%=*}" "$file")" = "${variable#*=}" ] || fail "libqmp.pc lacks $variable"
    done
    ! nm "$package/usr/lib/somewhere/libqmp.so.0" 2>/dev/null | grep -q . || fail "install-strip left symbols"
    make -s uninstall DESTDIR="$package" "${folders[@]}"
    nothing_left "$package"
}

# The list in libqmp.pc.in is rustc's own, less what compilers add.
static_libraries() {
    local ours theirs
    ours=$(sed -n 's/^Libs.private: //p' libqmp.pc.in)
    theirs=$(cargo rustc -q --locked --lib --crate-type staticlib -- --print native-static-libs 2>&1 |
        sed -n 's/^note: native-static-libs: //p' | tr ' ' '\n' | grep -vxE -- '-lgcc_s|-lc' | uniq | paste -sd ' ')
    [ "$ours" = "$theirs" ] || fail "libqmp.pc.in has Libs.private: $ours, and rustc says: $theirs"
}

make -s
start_machine
in_a_prefix
in_a_package
static_libraries
echo "check-install: ok"
