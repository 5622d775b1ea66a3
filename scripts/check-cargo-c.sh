#!/bin/bash
# Installs by cargo-c and by make, and compares: the same files, links, soname and pkg-config answers.
#
#   scripts/check-cargo-c.sh SCRATCH_FOLDER     cargo-c (cargo install cargo-c) has to be there
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$1
rm -rf "$scratch"
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
trap 'rm -rf "$scratch"' EXIT

make -s
make -s install PREFIX=/usr DESTDIR="$scratch/make"
scripts/snippet.sh docs/install.md cargo-c.sh >"$scratch/cargo-c.sh"
PREFIX=/usr DESTDIR=$scratch/cargo sh -eu "$scratch/cargo-c.sh" >"$scratch/log" 2>&1 || {
    cat "$scratch/log" >&2
    exit 1
}

# What stands in an installation, as far as both have to agree.
describe() {
    cd "$1/usr"
    # cargo-c knows nothing of these.
    find . ! -type d ! -path './lib/cmake/*' ! -path './share/*' | sort
    local link
    for link in lib/libqmp.so lib/libqmp.so.*; do
        if [ -L "$link" ]; then echo "$link -> $(basename "$(readlink -f "$link")")"; fi
    done
    readelf -d lib/libqmp.so | grep -o 'soname: .*'
    nm -D --defined-only --format=posix lib/libqmp.so | cut -d ' ' -f 1
    export PKG_CONFIG_PATH=lib/pkgconfig PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
    local question
    for question in --modversion --cflags --libs --variable=prefix --variable=libdir --variable=includedir; do
        echo "$question: $(pkg-config "$question" libqmp | sed 's/ *$//')"
    done
    # What libqmp.a needs: all of ours is among theirs.
    pkg-config --static --libs libqmp | tr ' ' '\n' | grep -E '^-l(util|rt|pthread|m|dl)$'
    sed -n '/^Name:/p; /^Description:/p' lib/pkgconfig/libqmp.pc
    find include -type f -exec sha256sum {} + | sort -k 2
}
diff -u <(describe "$scratch/make") <(describe "$scratch/cargo") || {
    echo "check-cargo-c: cargo-c installs something else than make" >&2
    exit 1
}
echo "check-cargo-c: ok"
