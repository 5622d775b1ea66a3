#!/bin/bash
# Builds the README's first program against an installed libqmp in every way that docs/install.md shows, with the
# page's own commands and files, and checks that each program is linked to what it should be. Prints the programs, one
# a line.
#
#   scripts/build-consumers.sh PREFIX FOLDER     FOLDER is made, and holds the programs
set -euo pipefail
cd "$(dirname "$0")/.."
project=$PWD page=$PWD/docs/install.md
prefix=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")

# A folder with the source, and a file of the page.
start() {
    mkdir -p "$folder/$1"
    "$project/scripts/snippet.sh" "$project/README.md" first.c >"$folder/$1/first.c"
    "$project/scripts/snippet.sh" "$page" "$2" >"$folder/$1/$2"
    cd "$folder/$1"
}

# The program needs libqmp.so.N at run time, or (0) has it inside.
built() {
    local wanted=$1 program=$2 found
    found=$(readelf -d "$program" | grep -c 'NEEDED.*\[libqmp\.so\.' || true)
    [ "$found" = "$wanted" ] || {
        echo "build-consumers: $program: linked with $found shared libqmp, not $wanted" >&2
        exit 1
    }
    realpath "$program"
}

by_pkg_config() {
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    start pkg-config pkg-config.sh
    sh -eu pkg-config.sh
    built 1 first
    start pkg-config-static pkg-config-static.sh
    sh -eu pkg-config-static.sh 2>warnings || { cat warnings >&2; exit 1; }
    built 0 first-static
    built 0 first-alone
    # All that --static says, where the shared library is chosen.
    start pkg-config-all pkg-config.sh
    cc -std=c99 -o first first.c $(pkg-config --static --cflags --libs libqmp)
    built 1 first
}

by_cmake() {
    start cmake CMakeLists.txt
    cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" >log 2>&1 && cmake --build build >>log 2>&1 || {
        cat log >&2
        exit 1
    }
    built 1 build/first
    built 0 build/first-static
    # A version that is not there yet is not found.
    sed -i 's/find_package(libqmp 0.1/find_package(libqmp 0.99/' CMakeLists.txt
    if cmake -S . -B later -DCMAKE_PREFIX_PATH="$prefix" >log 2>&1 || ! grep -q 'considered but not accepted' log; then
        echo "build-consumers: a libqmp 0.99 is not just not found:" >&2
        cat log >&2
        exit 1
    fi
}

by_meson() {
    start meson meson.build
    meson setup --pkg-config-path "$prefix/lib/pkgconfig" build >log 2>&1 && meson compile -C build >>log 2>&1 || {
        cat log >&2
        exit 1
    }
    built 1 build/first
    built 0 build/first-static
}

(by_pkg_config)
(by_cmake)
(by_meson)
