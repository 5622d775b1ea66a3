#!/bin/sh
# Installs what is missing to build, try or test libqmp, by apt. Says what it does.
#
#   scripts/setup.sh demo     a C compiler and QEMU; libvirt too, if it can be had
#   scripts/setup.sh test     all these, and what the tests use
#   scripts/setup.sh bench    what `make bench-peers` compares with, and QEMU
set -eu

# Daemons lie where an ordinary user's PATH does not look.
PATH=$PATH:/usr/sbin:/sbin

compilers="gcc gcc"
qemu="qemu-system-x86_64 qemu-system-x86"
libvirt="libvirtd libvirt-daemon libvirt-daemon-driver-qemu
virsh libvirt-clients"

# A line each: a command, and the packages that it takes.
case "${1:-}" in
demo)
    needed=$(printf '%s\n' "$compilers" "$qemu")
    wished=$libvirt
    ;;
test)
    needed=$(printf '%s\n' "$compilers" "$qemu" "$libvirt" "g++ g++" "clang clang" "pkg-config pkg-config" \
        "valgrind valgrind" "nm binutils" "git git" "saslpasswd2 sasl2-bin libsasl2-modules libsasl2-modules-db" \
        "sshd openssh-server" "ssh openssh-client" "nc netcat-openbsd" "go golang-go" "cmake cmake" "meson meson" \
        "python3 python3" "mandoc mandoc" "man man-db" "lexgrog man-db" "abidw abigail-tools" \
        "dh debhelper" "dpkg-buildpackage dpkg-dev" "lintian lintian" "mmdebstrap mmdebstrap")
    wished=
    ;;
bench)
    needed=$(printf '%s\n' "$compilers" "$qemu" "$libvirt" "pkg-config pkg-config" "strace strace" "python3 python3")
    wished=
    ;;
*)
    echo "usage: scripts/setup.sh demo|test|bench" >&2
    exit 2
    ;;
esac

# The packages of the commands that are not there.
missing() {
    while read -r command packages; do
        [ -z "$command" ] || command -v "$command" >/dev/null 2>&1 || printf '%s ' "$packages"
    done
}

# Installs these packages, or says why it cannot.
install() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: this system has no apt-get; install by its own means: $*" >&2
        return 1
    fi
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "setup: run this as root, or install: $*" >&2
            return 1
        }
        sudo=sudo
    fi
    echo "setup: installing by ${sudo:+sudo }apt-get: $*"
    $sudo apt-get update -q &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

command -v cargo >/dev/null 2>&1 || {
    echo "setup: cargo is missing: install Rust 1.85 or later, by rustup or from your system's packages" >&2
    exit 1
}
needed=$(echo "$needed" | missing)
# Modules of Python are no commands.
if [ "$1" = test ]; then
    finder=$(dirname "$0")/find-python.sh
    "$finder" pytest setuptools wheel ensurepip >/dev/null 2>&1 ||
        needed="$needed python3-pytest python3-setuptools python3-wheel python3-venv"
    "$finder" mypy >/dev/null 2>&1 || needed="$needed mypy"
fi
# A compiler without the C library's headers is of no use.
[ -e /usr/include/stdio.h ] || needed="$needed libc6-dev"
if [ "$1" = bench ]; then
    [ -e /usr/include/libvirt/libvirt-qemu.h ] || needed="$needed libvirt-dev"
    python3 -c 'import ensurepip' 2>/dev/null || needed="$needed python3-venv"
fi
wished=$(echo "$wished" | missing)

# The lists are split into words on purpose.
# shellcheck disable=SC2086
if [ -n "$needed" ]; then
    install $needed
fi
# shellcheck disable=SC2086
if [ -n "$wished" ] && ! install $wished; then
    echo "setup: going on without libvirt"
fi
[ -n "$needed$wished" ] || echo "setup: everything needed is installed"
