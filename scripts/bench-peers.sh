#!/bin/sh
# Builds the clients that libqmp is compared with into a folder of their own: qemu.qmp from PyPI, the crate qapi from
# crates.io, and a program that uses libvirt's library. Nothing of it goes into the library or its tests.
#
#   scripts/bench-peers.sh FOLDER
set -eu

folder=$1
sources=$(dirname "$0")/../benches/peers
mkdir -p "$folder"

[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$sources/requirements.txt"

CARGO_TARGET_DIR=$folder/qapi cargo build --release --locked --quiet --manifest-path "$sources/qapi/Cargo.toml"

# The flags are split into words on purpose.
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -o "$folder/libvirt-client" "$sources/libvirt-client.c" \
    $(pkg-config --cflags --libs libvirt libvirt-qemu) -lpthread
