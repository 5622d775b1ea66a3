#!/usr/bin/env bash
# Runs the C tests and the Rust tests under AddressSanitizer (with LeakSanitizer) or ThreadSanitizer: the library, Rust's
# standard library and the tests are all instrumented. First the faults of tests/faults are planted: each must be reported.
#
#   scripts/sanitize.sh address|thread TARGET_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nightly.sh

usage() {
    echo "usage: $0 address|thread TARGET_FOLDER" >&2
    exit 2
}

# Nothing of the tests may hide a report: it ends the program with this status, which no test uses.
REPORTED=66

prepare() {
    RUNTIME=$RUSTLIB/lib/librustc-nightly_rt.$SHORT.a
    [ -f "$RUNTIME" ] || lacks "the nightly Rust has no $(basename "$RUNTIME")"
    command -v clang >/dev/null || lacks "clang is missing: scripts/setup.sh test"
    mkdir -p "$WORK"
    scripts/instrument-std.sh "$SANITIZER" "$WORK/std.a"
    RUSTFLAGS="-Zsanitizer=$SANITIZER -Cunsafe-allow-abi-mismatch=sanitizer -Zpre-link-args=$WORK/std.a"
    [ "$SANITIZER" = address ] || RUSTFLAGS+=" -Clink-arg=-Wl,--wrap=__tsan_atomic64_fetch_sub"
    export RUSTFLAGS
    export ASAN_OPTIONS="exitcode=$REPORTED:detect_stack_use_after_return=1:strict_string_checks=1"
    export TSAN_OPTIONS="exitcode=$REPORTED:history_size=4:second_deadlock_stack=1"
    # The C programs are linked with Rust's copy of the runtime: the library's code is of that compiler.
    export CC=clang RUNTIME REPORTED
}

cargo_nightly() {
    # With --target the flags are not for build scripts and what they use, which is built once for both sanitizers.
    cargo +nightly "$@" --locked --target "$HOST" --target-dir "$TARGET/sanitizers"
}

c_tests() {
    cargo_nightly build --lib
    cp "$TARGET/sanitizers/$HOST/debug/libqmp.so" "$WORK/libqmp-$SHORT.so"
    SOURCES=tests/faults/$SANITIZER PLANTED=1 scripts/run-c-tests.sh "$SANITIZER" "$WORK/libqmp-$SHORT.so" "$WORK/faults"
    scripts/run-c-tests.sh "$SANITIZER" "$WORK/libqmp-$SHORT.so" "$WORK/c"
}

# Those that have the library at work on servers, real ones and played ones, and take no minutes. tests/virsh and
# tests/remote wait much, tests/abi links a program without a sanitizer. Threads meet in the C tests, and in these few.
rust_tests() {
    local tests=(--test qemu --test stress --test libvirt_faults)
    [ "$SANITIZER" = thread ] || tests+=(--lib --test libvirt --test sasl)
    cargo_nightly test "${tests[@]}"
}

[ $# = 2 ] || usage
SANITIZER=$1 TARGET=$(realpath -m "$2")
case $SANITIZER in
    address) SHORT=asan ;;
    thread) SHORT=tsan ;;
    *) usage ;;
esac
WORK=$TARGET/sanitizers/$SHORT
prepare
c_tests
rust_tests
