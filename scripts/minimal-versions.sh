#!/usr/bin/env bash
# Do the lowest versions that Cargo.toml allows do? In a copy, with each direct dependency at its lowest, the library is built
# and its unit tests pass. (What they depend on themselves is their authors' to declare.)
#
#   scripts/minimal-versions.sh SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nightly.sh

[ $# = 1 ] || { echo "usage: $0 SCRATCH_FOLDER" >&2; exit 2; }
mkdir -p "$1"
copy=$(realpath "$1")/copy
rm -rf "$copy"
mkdir "$copy"
git ls-files -z -- Cargo.toml build.rs cbindgen.toml include src benches tests README.md | xargs -0 cp --parents -t "$copy"
cd "$copy"
# Only the nightly cargo can choose so; what is chosen is built by the ordinary one.
cargo +nightly generate-lockfile -Zdirect-minimal-versions
cargo test --locked --lib --target-dir ../build
