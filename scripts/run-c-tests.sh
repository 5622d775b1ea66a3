#!/bin/bash
# Compiles tests/c/*.c with the pedantic flags and runs them in parallel. The last line counts them.
#
#   scripts/run-c-tests.sh plain|valgrind FOLDER_OF_LIBQMP_SO BUILD_FOLDER [TEST...]
#
# A test ends with 0; 77 means that something it needs is missing, which is a failure where CI is set.
set -euo pipefail

mode=$1 library=$(cd "$2" && pwd) build=$3
shift 3
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$build"
build=$(cd "$build" && pwd)
ln -sf "$library/libqmp.so" "$build/libqmp.so.0"

export mode build root library
one() {
    local name=$1 out="$build/$1.$mode.out" status=0
    gcc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wpedantic -Werror -I"$root/include" -I"$root/tests/c" \
        -o "$build/$name" "$root/tests/c/$name.c" -L"$library" -lqmp -lpthread -ldl -Wl,-rpath,"$build" || return 1
    export LIBQMP_SO="$build/libqmp.so.0" TEST_MODE=$mode
    if [ "$mode" = valgrind ]; then
        timeout -k 5 240 valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
            --error-exitcode=99 --child-silent-after-fork=yes "$build/$name" >"$out" 2>&1 || status=$?
    else
        timeout -k 5 60 "$build/$name" >"$out" 2>&1 || status=$?
    fi
    case $status in
    0) echo "ok      $name" ;;
    77) echo "skip    $name: $(tail -n 1 "$out")" ;;
    *) echo "FAILED  $name (exit $status)" && sed 's/^/        /' "$out" ;;
    esac
}
export -f one

if [ $# -eq 0 ]; then
    set -- $(cd "$root/tests/c" && ls ./*.c | sed 's|^\./||; s|\.c$||')
fi
result=$(printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'one {} || echo "FAILED  {} (does not compile)"')
printf '%s\n' "$result"
count() {
    grep -c "^$1 " <<<"$result" || true
}
passed=$(count 'ok') failed=$(count 'FAILED') skipped=$(count 'skip')
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] || exit 1
if [ "$skipped" != 0 ]; then
    echo "SKIPPED TESTS: something they need is missing; scripts/setup.sh test installs it" >&2
    [ -z "${CI:-}" ] || exit 1
fi
