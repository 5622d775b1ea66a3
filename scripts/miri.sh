#!/usr/bin/env bash
# Runs the tests of the handles and of the protocol layer under Miri, which interprets them and ends at whatever Rust leaves
# undefined. Only those that need no socket, no program and no clock of the wall: Miri has none of them, and nothing is
# switched off for them. TLS and SASL stay outside: they stand on C and assembly.
#
#   scripts/miri.sh TARGET_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nightly.sh

[ $# = 1 ] || { echo "usage: $0 TARGET_FOLDER" >&2; exit 2; }
for component in miri rust-src; do
    has_component "$component" || lacks "rustup component add $component --toolchain nightly"
done

# Of the protocols those tests that are done in seconds there: it takes a thousand times as long. `make asan` has them all.
PROTOCOLS="answer:: event:: outbox:: json_tests::members frame_tests::ids_and_values frame_tests::line_mode_lets_no_nul
    libvirt::host_tests:: qmp_tests::what_was_not_written qmp_tests::without_oob qmp_tests::one_command
    request_tests:: rpc:: xdr:: libvirt::uuid:: virsh::lines virsh::listing virsh::watch_tests"
SLOW="requests_are_checked silent_machines what_is_cut_short limits_are_qemus"

miri() {
    cargo +nightly miri test --locked --no-default-features --lib --target-dir "$1/miri" -- "${@:2}"
}

# Threads run in another order with each seed.
MIRIFLAGS="-Zmiri-many-seeds=0..4" miri "$1" ffi:: sys::buffer sys::texts monitor::shared
protocols=()
for name in $PROTOCOLS; do protocols+=("proto::$name"); done
for name in $SLOW; do protocols+=(--skip "$name"); done
miri "$1" "${protocols[@]}" target:: monitor::options
