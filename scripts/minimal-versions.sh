#!/usr/bin/env bash
# Do the lowest versions that Cargo.toml allows do? In a copy, with each direct dependency at its lowest, the library is built
# and its unit tests pass. (What they depend on themselves is their authors' to declare.)
#
#   scripts/minimal-versions.sh SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# = 1 ] || { echo "usage: $0 SCRATCH_FOLDER" >&2; exit 2; }
mkdir -p "$1"
scratch=$(realpath "$1")
copy=$scratch/copy
rm -rf "$copy"
mkdir "$copy"
git ls-files -z -- Cargo.toml build.rs cbindgen.toml include src benches tests README.md | xargs -0 cp --parents -t "$copy"
cd "$copy"
# Choosing so is for nightly cargos. Any other does it when told that it is one; what it chose is built by the ordinary one.
RUSTC_BOOTSTRAP=1 cargo generate-lockfile -Zdirect-minimal-versions
cargo test --locked --lib --target-dir "$scratch/build"
