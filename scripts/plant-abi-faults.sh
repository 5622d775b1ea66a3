#!/bin/bash
# Breaks the ABI in every way that there is, each in copies, and sees that abi-check finds it and says what it is.
#
#   scripts/plant-abi-faults.sh LIBRARY DEBUG_LIBRARY
set -euo pipefail
cd "$(dirname "$0")/.."
real=$1 debug=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/abi"
soname=$(basename abi/*.abi .abi)
fail() {
    echo "plant-abi-faults: $*" >&2
    exit 1
}

# A copy of the header, changed by sed.
header() {
    sed -E "$1" include/libqmp.h >"$scratch/libqmp.h"
    ! cmp -s include/libqmp.h "$scratch/libqmp.h" || fail "the fault is not planted: $1"
}

# A library that has the soname, and the functions whose names are given.
library() {
    printf 'int %s(void) { return 0; }\n' "${@:2}" | cc -shared -fPIC -g -Wl,-soname,"$1" -x c -o "$scratch/$1" -
}

# The check fails, with these words: a header, a library, a debug library and a folder.
found() {
    if python3 -B scripts/abi.py check "${@:2}" >"$scratch/out" 2>&1; then
        fail "not found: $1"
    fi
    tr '\n' ' ' <"$scratch/out" | grep -qE "$1" || fail "found, but not as \"$1\": $(cat "$scratch/out")"
    echo "found: $1"
}
in_the_header() {
    header "$2"
    found "$1" "$real" "$debug" "$scratch/libqmp.h" abi
}

in_the_header "the header declares.* gone \['qmp_error_copy'\]" '/^qmp_error \*qmp_error_copy/d'
in_the_header "the header declares.* new \['qmp_extra'\]" 's/^void qmp_error_free/int qmp_extra(void);\n\/\/ F.\n&/; s/^\/\/ Frees an error/\/\/ Extra./'
in_the_header "qmp_monitor_run.* parameter 3 .*int32_t.*int64_t" '/qmp_monitor_run\(/s/int32_t timeout_ms/int64_t timeout_ms/'
in_the_header "qmp_monitor_state.* return type changed" 's/^int32_t qmp_monitor_state/int64_t qmp_monitor_state/'
in_the_header "qmp_error_code.* parameter 2 .* was added" 's/^(int32_t qmp_error_code\(.*)\);/\1, int32_t more);/'
in_the_header "qmp_event_cb.* parameter 5 " '/\(\*qmp_event_cb\)/s/size_t len/uint32_t len/'
in_the_header "QMP_CODE_LIMIT was 11 and is 16" 's/(#define QMP_CODE_LIMIT) 11/\1 16/'
in_the_header "does not have \['QMP_STATE_ODD'\]" 's/^\/\/ Never connected\./\/\/ O.\n#define QMP_STATE_ODD 9\n\n&/'
in_the_header "QMP_TIMEOUT_DEFAULT was -2 and is gone" '/#define QMP_TIMEOUT_DEFAULT/d'

# A function that left the library alone, and a new soname.
library "$soname" $(grep -vx qmp_error_copy abi/symbols)
found "the library exports.* gone \['qmp_error_copy'\]" "$scratch/$soname" "$debug" include/libqmp.h abi
library libqmp.so.99 $(cat abi/symbols)
found "libqmp.so.99.abi does not exist" "$scratch/libqmp.so.99" "$debug" include/libqmp.h abi

# A header that never told the truth: dump and header agree, and the library has something else.
header '/qmp_monitor_cancel\(/s/uint64_t id/uint32_t id/'
python3 -B scripts/abi.py dump "$real" "$debug" "$scratch/libqmp.h" "$scratch/abi" >"$scratch/out"
found "qmp_monitor_cancel: by the header .*\[64, 32, 32\] bits, in the library \[64, 64, 32\]" \
    "$real" "$debug" "$scratch/libqmp.h" "$scratch/abi"

# Growing is no fault: a new function and a new constant.
header 's/^\/\/ Frees an error\./\/\/ C.\n#define QMP_CODE_NEW 77\n\n\/\/ F.\nint32_t qmp_new(double d);\n\n&/'
cp abi/* "$scratch/abi"
echo qmp_new >>"$scratch/abi/symbols"
echo QMP_CODE_NEW 77 >>"$scratch/abi/constants"
python3 -B scripts/abi.py stub "$scratch/libqmp.h" >"$scratch/stub.c"
cc -shared -fPIC -g -Wl,-soname,"$soname" -o "$scratch/$soname" "$scratch/stub.c"
python3 -B scripts/abi.py check "$scratch/$soname" "$scratch/$soname" "$scratch/libqmp.h" "$scratch/abi" ||
    fail "a new function is taken for a fault"

# The header has no structure and no enumeration yet: one with both, and what may happen to them.
both='s/^\/\/ One QEMU monitor\./\/\/ S.\ntypedef struct qmp_place {\n  \/\/ M.\n  int32_t x;\n  int32_t y;\n} qmp_place;\n\n'
both+='\/\/ E.\ntypedef enum qmp_mode {\n  QMP_MODE_A,\n  QMP_MODE_B,\n} qmp_mode;\n\n&/'
both+='; s/^\/\/ Frees an error\./\/\/ T.\nint32_t qmp_take(qmp_place *place, qmp_mode mode);\n\n&/'
header "$both"
cp "$scratch/libqmp.h" "$scratch/both.h"
library "$soname" qmp_take $(cat abi/symbols)
python3 -B scripts/abi.py dump "$scratch/$soname" "$debug" "$scratch/both.h" "$scratch/abi" >"$scratch/out"
in_both() {
    sed -E "$2" "$scratch/both.h" >"$scratch/libqmp.h"
    ! cmp -s "$scratch/both.h" "$scratch/libqmp.h" || fail "the fault is not planted: $2"
    found "$1" "$scratch/$soname" "$debug" "$scratch/libqmp.h" "$scratch/abi"
}
in_both "struct qmp_place.* type size changed from 64 to 96" 's/^  int32_t y;/&\n  int32_t z;/'
in_both "struct qmp_place.*int32_t x.*int64_t|struct qmp_place.*type size changed" 's/^  int32_t x;/  int64_t x;/'
in_both "struct qmp_place.* data member changes|struct qmp_place.*offset changed" 's/^  int32_t x;/  int32_t w;/; s/^  int32_t y;/  int32_t x;/'
in_both "enum qmp_mode.*QMP_MODE_A' from value '0' to '1'" 's/^  QMP_MODE_A,/  QMP_MODE_NEW,\n&/'
echo "plant-abi-faults: ok"
