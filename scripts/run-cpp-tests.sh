#!/usr/bin/env bash
# Compiles every program in tests/cpp with gcc and clang, for C++17 and C++20, with pedantic flags, against a built
# libqmp.so. Runs those of gcc for C++17 and of clang for C++20 plainly (plain), or the former under valgrind
# (valgrind), in parallel. Prints a line a test, what failing ones wrote, and at the end "N passed, N failed".
set -euo pipefail

usage() {
    echo "usage: $0 plain|valgrind SO_PATH BUILD_DIR" >&2
    exit 2
}

# What is compiled to be run is built; for the other ways the compiler only has to agree.
ways() {
    case $1 in
        plain) printf '%s\n' "g++ 17 build" "clang++ 20 build" "g++ 20 agree" "clang++ 17 agree" ;;
        valgrind) printf '%s\n' "g++ 17 build" ;;
    esac
}

flags() {
    echo "-std=c++$1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -O1 -g -pthread -I$ROOT/include"
}

# Called again for each source and way, in parallel.
compile_one() {
    local compiler=$1 standard=$2 how=$3 source=$4
    local program
    program=$BUILD/$compiler-$standard/$(basename "$source" .cpp)
    if [ "$how" = agree ]; then
        "$compiler" $(flags "$standard") -fsyntax-only "$source"
    else
        "$compiler" $(flags "$standard") -o "$program" "$source" "$BUILD/$compiler-$standard/harness.o" \
            "$BUILD/harness.a" -L"$BUILD/lib" -Wl,-rpath,"$BUILD/lib" -lqmp -lrt
    fi
}

# Called again for each program, in parallel.
run_one() {
    local program=$1 begin end status=0 word=ok
    local command=("$program") name=${program#"$BUILD/"}
    if [ "$MODE" = valgrind ]; then
        # QEMU is a program of its own: its business is not looked at.
        command=(valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=1
            --trace-children=no --child-silent-after-fork=yes "$program")
    fi
    begin=$(date +%s%N)
    TMPDIR="$SCRATCH" timeout --kill-after=5 "$LIMIT" "${command[@]}" >"$program.out" 2>&1 </dev/null || status=$?
    end=$(date +%s%N)
    case $status in
        0) ;;
        124 | 137) word="FAIL (no end within $LIMIT s)" ;;
        *) word="FAIL (exit status $status)" ;;
    esac
    printf '%-70s %6d ms  %s\n' "$name" $(((end - begin) / 1000000)) "$word"
    sed 's/^/    /; 40q' "$program.out"
    echo "${word%% *}" >"$program.result"
}

# The harness of the C tests, and its C++ part once a way.
compile_harness() {
    local source object objects=() compiler standard how
    for source in "$ROOT"/tests/c/harness/*.c; do
        object=$BUILD/$(basename "$source" .c).o
        cc -std=c11 -D_GNU_SOURCE -O1 -g -pthread -I"$ROOT/include" -c -o "$object" "$source"
        objects+=("$object")
    done
    rm -f "$BUILD/harness.a"
    ar rc "$BUILD/harness.a" "${objects[@]}"
    ways "$MODE" | grep build | while read -r compiler standard how; do
        mkdir -p "$BUILD/$compiler-$standard"
        "$compiler" $(flags "$standard") -c -o "$BUILD/$compiler-$standard/harness.o" \
            "$ROOT/tests/cpp/harness/harness.cpp"
    done
}

main() {
    [ $# -eq 3 ] || usage
    case $1 in
        plain) LIMIT=60 ;;
        valgrind) LIMIT=300; export QMP_TEST_SLOW=1 ;;
        *) usage ;;
    esac
    MODE=$1
    [ -f "$2" ] || { echo "$2: no such library; build it with: cargo build" >&2; exit 2; }
    local library source
    library=$(realpath "$2")
    ROOT=$(realpath "$(dirname "$0")/..")
    mkdir -p "$3/lib"
    BUILD=$(realpath "$3")
    SCRATCH=$(mktemp -d /tmp/qmp-tests-XXXXXX)
    # shellcheck disable=SC2064
    trap "rm -rf '$SCRATCH'" EXIT
    export MODE BUILD ROOT LIMIT SCRATCH
    ln -sf "$library" "$BUILD/lib/libqmp.so"
    ln -sf "$library" "$BUILD/lib/libqmp.so.0"
    rm -f "$BUILD"/*/*.result

    local sources=("$ROOT"/tests/cpp/*.cpp)
    # TESTS="name name": only these.
    [ -z "${TESTS:-}" ] || sources=($(printf "$ROOT/tests/cpp/%s.cpp\n" $TESTS))
    compile_harness
    for source in "${sources[@]}"; do
        ways "$MODE" | sed "s|\$| $source|"
    done | xargs -n 4 -P "$(nproc)" "$0" --compile
    local programs=()
    while read -r compiler standard how; do
        for source in "${sources[@]}"; do
            programs+=("$BUILD/$compiler-$standard/$(basename "$source" .cpp)")
        done
    done < <(ways "$MODE" | grep build)
    printf '%s\n' "${programs[@]}" | xargs -n 1 -P "${JOBS:-$(nproc)}" "$0" --run

    local passed failed
    passed=$(cat "$BUILD"/*/*.result | grep -cx ok || true)
    failed=$(cat "$BUILD"/*/*.result | grep -cx FAIL || true)
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -eq ${#programs[@]} ]
}

case ${1:-} in
    --compile) shift; compile_one "$@" ;;
    --run) run_one "$2" ;;
    *) main "$@" ;;
esac
