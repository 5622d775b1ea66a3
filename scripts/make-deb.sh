#!/bin/bash
# Builds the Debian packages libqmp0 and libqmp-dev by packaging/debian, in a copy of the sources; needs no root. A cargo of
# rustup's will do. Then lintian looks at them, where it is installed.
#
#   scripts/make-deb.sh FOLDER     FOLDER gets the packages
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
folder=$(realpath "$1")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
packaged=$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)
[ "${packaged%-*}" = "$version" ] || {
    echo "make-deb: packaging/debian/changelog is of $packaged, Cargo.toml of $version" >&2
    exit 1
}

copy=$folder/libqmp-$version
rm -rf "$copy" "$folder"/*.deb
mkdir "$copy"
# With their times: what was compiled before stays compiled.
tar -c --anchored --exclude=./.git --exclude=./target --exclude=./fuzz/target . | tar -x -C "$copy"
cp -r packaging/debian "$copy/debian"

export CARGO_TARGET_DIR=$folder/target
cd "$copy"
# -d: a cargo that no package brought is one too.
dpkg-buildpackage -b -us -uc -d >"$folder/log" 2>&1 || {
    tail -n 60 "$folder/log" >&2
    exit 1
}
cd "$folder"
rm -rf "$copy"
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs ./*.changes
elif [ -n "${CI:-}" ]; then
    echo "make-deb: lintian is missing" >&2
    exit 1
fi
ls -1 "$folder"/*.deb
