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

# These take minutes each, a hundred times as long as they are: every split, large messages, many rounds. make asan has them.
SLOW="
frame_tests::a_message_as_large
frame_tests::decoys
frame_tests::every_line_ending
frame_tests::garbage_is_noticed
frame_tests::long_replies
frame_tests::too_large
frame_tests::what_is_not_qmp
json_tests::agrees
json_tests::nesting
"

miri() {
    cargo +nightly miri test --locked --no-default-features --lib --target-dir "$1/miri" -- "${@:2}"
}

# Threads run in another order with each seed.
MIRIFLAGS="-Zmiri-many-seeds=0..4" miri "$1" ffi:: sys::buffer sys::texts monitor::shared
skipped=()
for name in $SLOW; do skipped+=(--skip "$name"); done
miri "$1" "${skipped[@]}" proto:: target:: reactor::timers monitor::options
