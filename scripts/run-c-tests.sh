#!/usr/bin/env bash
# Compiles every program in tests/c with pedantic flags against a built libqmp.so, and runs all of them in parallel,
# plainly, under valgrind or with a sanitizer. Prints a line a test, what failing ones wrote, and at the end "N passed,
# N failed".
#
#   TESTS="name name"   only these
#   SOURCES=FOLDER      the programs of this folder rather than of tests/c
#   PLANTED=1           they hold faults: one passes if the sanitizer reports what its first line says
#
# For a sanitizer the library has to be instrumented, and RUNTIME names the runtime of the compiler that did it: the programs
# are linked with that one, see scripts/sanitize.sh.
set -euo pipefail

usage() {
    echo "usage: $0 plain|valgrind|address|thread SO_PATH [BUILD_DIR]" >&2
    exit 2
}

# Called again for each test, in parallel.
run_one() {
    local name=$1 begin end status=0 out="$BUILD/$1.out"
    local command=("$BUILD/$name")
    if [ "$MODE" = valgrind ]; then
        # QEMU and other children are programs of their own: their business is not looked at.
        command=(valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible --error-exitcode=1
            --trace-children=no --child-silent-after-fork=yes "$BUILD/$name")
    fi
    begin=$(date +%s%N)
    TMPDIR="$SCRATCH" timeout --kill-after=5 "$LIMIT" "${command[@]}" >"$out" 2>&1 </dev/null || status=$?
    end=$(date +%s%N)
    local word=ok
    case $status in
        0) ;;
        77) word=skip ;;
        124 | 137) word="FAIL (no end within $LIMIT s)" ;;
        *) word="FAIL (exit status $status)" ;;
    esac
    if [ -n "$PLANTED" ]; then
        local report
        report=$(sed -n '1s/.*REPORT: \(.*[^ ]\) *\*\/$/\1/p' "$SOURCES/$name.c")
        if [ -n "$report" ] && [ $status = "$REPORTED" ] && grep -qF -- "$report" "$out"; then
            word=ok
            echo "reported, as it has to be: $report" >"$out"
        else
            word="FAIL (not reported: $report; exit status $status)"
        fi
    fi
    printf '%-60s %6d ms  %s\n' "$name" $(((end - begin) / 1000000)) "$word"
    case $word in
        skip | FAIL*) head -n "$SHOWN" "$out" | sed 's/^/    /' ;;
        # What a test left out it says, also when it passed.
        *) sed 's/^/    /' "$out" ;;
    esac
    echo "${word%% *}" >"$BUILD/$name.result"
}

# Called again for each source, in parallel.
compile_one() {
    local source=$1 name
    name=$(basename "$source" .c)
    # In two steps: linking knows nothing of a sanitizer, or the compiler would bring a runtime of its own.
    "$CC" $FLAGS -I"$ROOT/include" -I"$ROOT/tests/c" -DLIBQMP_PATH="\"$BUILD/lib/libqmp.so.0\"" -c -o "$BUILD/$name.o" "$source"
    "$CC" -o "$BUILD/$name" "$BUILD/$name.o" "$BUILD/harness.a" $LINKED -L"$BUILD/lib" \
        -Wl,--as-needed -Wl,-rpath,"$BUILD/lib" -lqmp -ldl -lrt -pthread
}

compile_harness() {
    local source objects=()
    for source in "$ROOT"/tests/c/harness/*.c; do
        "$CC" $FLAGS -I"$ROOT/include" -c -o "$BUILD/harness-$(basename "$source" .c).o" "$source"
        objects+=("$BUILD/harness-$(basename "$source" .c).o")
    done
    rm -f "$BUILD/harness.a"
    ar rc "$BUILD/harness.a" "${objects[@]}"
}

main() {
    [ $# -ge 2 ] || usage
    case $1 in
        plain) LIMIT=60 ;;
        valgrind) LIMIT=300; export QMP_TEST_SLOW=1 ;;
        address | thread) LIMIT=120 ;;
        *) usage ;;
    esac
    MODE=$1
    [ -f "$2" ] || { echo "$2: no such library; build it with: cargo build" >&2; exit 2; }
    local library made_build=
    library=$(realpath "$2")
    if [ "$MODE" = valgrind ] && ! command -v valgrind >/dev/null; then
        echo "valgrind not found" >&2
        exit 2
    fi
    if [ $# -ge 3 ]; then
        mkdir -p "$3"
        BUILD=$(realpath "$3")
    else
        BUILD=$(mktemp -d)
        made_build=$BUILD
    fi
    SCRATCH=$(mktemp -d /tmp/qmp-tests-XXXXXX)
    # shellcheck disable=SC2064
    trap "rm -rf '$SCRATCH' $made_build" EXIT
    ROOT=$(realpath "$(dirname "$0")/..")
    CC=${CC:-cc}
    FLAGS="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -O1 -g -pthread"
    JOBS=${JOBS:-$(nproc)}
    SOURCES=$(realpath "${SOURCES:-$ROOT/tests/c}") PLANTED=${PLANTED:-} SHOWN=40 LINKED=
    if [ "$MODE" = address ] || [ "$MODE" = thread ]; then
        FLAGS="$FLAGS -fsanitize=$MODE -fno-omit-frame-pointer"
        LINKED="-Wl,--whole-archive $RUNTIME -Wl,--no-whole-archive -Wl,--export-dynamic -lm -lresolv"
        # A report is long, and the stack that matters may be the second.
        SHOWN=160
    fi
    export MODE BUILD ROOT CC FLAGS LIMIT SCRATCH SOURCES PLANTED SHOWN LINKED

    mkdir -p "$BUILD/lib"
    ln -sf "$library" "$BUILD/lib/libqmp.so"
    ln -sf "$library" "$BUILD/lib/libqmp.so.0"
    rm -f "$BUILD"/*.result
    compile_harness
    local sources=("$SOURCES"/*.c) names
    if [ -n "${TESTS:-}" ]; then
        sources=()
        for name in $TESTS; do sources+=("$SOURCES/$name.c"); done
    fi
    printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" "$0" --compile
    names=$(for name in "${sources[@]}"; do basename "$name" .c; done)
    xargs -n 1 -P "$JOBS" "$0" --run <<<"$names"

    local passed failed skipped
    passed=$(count ok)
    failed=$(count FAIL)
    skipped=$(count skip)
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ] && [ $((passed + skipped)) -eq ${#sources[@]} ]
}

count() {
    cat "$BUILD"/*.result 2>/dev/null | grep -cx "$1" || true
}

case ${1:-} in
    --compile) compile_one "$2" ;;
    --run) run_one "$2" ;;
    *) main "$@" ;;
esac
