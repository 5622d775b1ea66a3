#!/bin/sh
# Installs what is missing to build, try or test libqmp, by apt. Says what it does.
#
#   scripts/setup.sh demo     a C compiler and QEMU
#   scripts/setup.sh test     these, and what the tests use
set -eu

case "${1:-}" in
demo) sets="demo" ;;
test) sets="demo test" ;;
*)
    echo "usage: scripts/setup.sh demo|test" >&2
    exit 2
    ;;
esac

# A command, and the package that has it.
wanted() {
    for set in $sets; do
        case $set in
        demo) printf '%s\n' "gcc gcc" "qemu-system-x86_64 qemu-system-x86" ;;
        test) printf '%s\n' "g++ g++" "clang clang" "pkg-config pkg-config" "valgrind valgrind" "nm binutils" "git git" ;;
        esac
    done
}

missing=$(wanted | while read -r command package; do
    command -v "$command" >/dev/null 2>&1 || printf '%s ' "$package"
done)
# A compiler without the C library's headers is of no use.
if ! [ -e /usr/include/stdio.h ]; then
    missing="$missing libc6-dev"
fi

command -v cargo >/dev/null 2>&1 || {
    echo "setup: cargo is missing: install Rust 1.85 or later, by rustup or from your system's packages" >&2
    exit 1
}
if [ -z "$missing" ]; then
    echo "setup: everything needed is installed"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: this system has no apt-get; install by its own means: $missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "setup: run this as root, or install: $missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "setup: installing by ${sudo:+sudo }apt-get: $missing"
$sudo apt-get update -q
# The list is split into words on purpose.
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
