#!/usr/bin/env bash
# Builds every fuzz target of fuzz/ by cargo-fuzz (with AddressSanitizer), and runs each for a while from its kept corpus, two
# at a time. What is found is shown with its bytes. The corpus itself stays as it is.
#
#   scripts/fuzz.sh TARGET_FOLDER SECONDS [SEED]
#   scripts/fuzz.sh TARGET_FOLDER SECONDS keep      afterwards keeps what was found new, minimised, in fuzz/corpus
#
# With a SEED it takes the same way each time, as far as the time lets it: what fails has failed because of a change.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nightly.sh

CARGO_FUZZ=0.13.2
# Inputs of each target that the corpus holds.
MOST_KEPT=100

# Called again for each target, in parallel.
run_one() {
    local target=$1 status=0 made=$WORK/made/$1 found=$WORK/found/$1 log=$WORK/$1.log
    mkdir -p "$made" "$found" "fuzz/corpus/$target"
    timeout $((SECONDS_EACH + 120)) "$BINARIES/$target" "$made" "fuzz/corpus/$target" -artifact_prefix="$found/" \
        -max_total_time="$SECONDS_EACH" -seed="$SEED" -timeout=20 -rss_limit_mb=2048 -max_len=4096 >"$log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        echo "$target: $(tail -n 1 "$log"), $(grep -c . <<<"$(ls "fuzz/corpus/$target")") kept inputs, nothing found"
        return
    fi
    {
        echo "$target: FAIL (exit status $status)"
        grep -a -m 1 -A 30 -E 'panicked|ERROR: ' "$log" || tail -n 40 "$log"
        for input in "$found"/*; do
            [ -f "$input" ] || continue
            echo "the input, by base64 -d: $(base64 -w 0 "$input" | head -c 12000)"
            echo "to run it again: $BINARIES/$target $input"
        done
    } >&2
    return 1
}

# A small set of inputs that reaches most of what all of them reach, however often.
keep() {
    local target=$1 merged control=$WORK/$1.control
    merged=$(mktemp -d)
    rm -f "$control"
    "$BINARIES/$target" -merge=1 -merge_control_file="$control" -use_counters=0 -max_len=4096 "$merged" \
        "fuzz/corpus/$target" "$WORK/made/$target" >"$WORK/$target.merge" 2>&1
    rm -rf "$merged"
    mkdir "$WORK/kept-$target"
    scripts/fuzz-keep.py "$control" "$MOST_KEPT" "$WORK/kept-$target"
    rm -rf "fuzz/corpus/$target"
    mv "$WORK/kept-$target" "fuzz/corpus/$target"
}

if [ "${1:-}" = --run ]; then
    run_one "$2"
    exit
fi
[ $# -ge 2 ] || { echo "usage: $0 TARGET_FOLDER SECONDS [keep]" >&2; exit 2; }
TARGET=$(realpath -m "$1") SECONDS_EACH=$2
case ${3:-} in
keep) SEED=0 KEEP=yes ;;
*) SEED=${3:-0} KEEP= ;;
esac
TOOLS=$TARGET/tools/cargo-fuzz-$CARGO_FUZZ WORK=$TARGET/fuzz/work BINARIES=$TARGET/fuzz/$HOST/release
[ -x "$TOOLS/bin/cargo-fuzz" ] ||
    cargo install cargo-fuzz --version "$CARGO_FUZZ" --locked --debug --quiet --root "$TOOLS" --target-dir "$TARGET/tools/build"
(cd fuzz && cargo metadata --locked --format-version 1 >/dev/null) || lacks "fuzz/Cargo.lock is not up to date"
(cd fuzz && PATH=$TOOLS/bin:$PATH cargo +nightly fuzz build --target-dir "$TARGET/fuzz")
rm -rf "$WORK"
mkdir -p "$WORK"
export WORK BINARIES SECONDS_EACH SEED
targets=$(grep -l '^fuzz_target!' fuzz/fuzz_targets/*.rs | xargs -n 1 basename -s .rs)
failed=0
xargs -n 1 -P 2 "$0" --run <<<"$targets" || failed=1
if [ -n "$KEEP" ]; then
    for target in $targets; do keep "$target"; done
fi
count=$(wc -w <<<"$targets")
[ "$failed" = 0 ] || { echo "fuzzing found something" >&2; exit 1; }
echo "$count fuzz targets ran $SECONDS_EACH seconds each"
