#!/usr/bin/env bash
# Makes an archive of Rust's standard library that a sanitizer sees into, from the bitcode that its rlibs carry for LTO: no
# sources of the library are needed (rust-src and -Zbuild-std do the same, where they can be had). Linked before the
# original it takes its place. Without it ThreadSanitizer would not see how std's locks order things, and report races that
# are none; AddressSanitizer would not see what the library does through functions of std that are not generic.
#
#   scripts/instrument-std.sh address|thread ARCHIVE     (an absolute path)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nightly.sh

case ${1:-} in
    address) passes=asan ;;
    thread) passes='module(tsan-module),function(tsan)' ;;
    *) echo "usage: $0 address|thread ARCHIVE" >&2; exit 2 ;;
esac
sanitizer=$1 archive=$2
lld=$RUSTLIB/bin/rust-lld
[ -x "$lld" ] || lacks "the nightly Rust has no rust-lld"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# `test` is what the tests' programs stand on.
for crate in core alloc std test; do
    rlib=$(echo "$RUSTLIB/lib/lib$crate"-*.rlib)
    for member in $(ar t "$rlib" | grep '\.o$'); do
        part=$work/$crate.$member
        ar p "$rlib" "$member" >"$part.original"
        objcopy -O binary --only-section=.llvmbc --set-section-flags .llvmbc=alloc "$part.original" "$part.bc"
        [ -s "$part.bc" ] || lacks "$rlib carries no bitcode"
        "$lld" -flavor gnu -r -o "$part.o" "$part.bc" -mllvm "-force-attribute=sanitize_$sanitizer" \
            "--lto-newpm-passes=forceattrs,$passes"
    done
done
if [ "$sanitizer" = thread ]; then
    clang -O2 -fPIC -Wall -Wextra -Werror -c -o "$work/tsan-arc.o" scripts/tsan-arc.c
fi
rm -f "$archive"
ar rcs "$archive" "$work"/*.o
