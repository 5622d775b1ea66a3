#!/bin/bash
# Tests bindings/go as its users have it: the library installed into a scratch folder and found by pkg-config. Checks
# the form, runs the tests under the race detector and cgo's pointer checks, and compiles every Go block of docs/go.md.
# Nothing is fetched: the package has no dependencies.
#
#   scripts/test-go.sh SCRATCH_FOLDER [ARGUMENT OF go test]...     the library is built already (make library)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
mkdir -p "$1"
scratch=$(cd "$1" && pwd)
shift
prefix=$scratch/prefix
# What Go has compiled is kept.
rm -rf "$prefix" "$scratch/page"
trap 'rm -rf "$prefix" "$scratch/page"' EXIT

make -s install CARGO=no-cargo-here PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
export GOCACHE=$scratch/cache GOFLAGS=-mod=mod GOENV=off GOWORK=off GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local
# The glue is held to what the other C code is held to, as far as what cgo itself writes keeps to it.
export CGO_CFLAGS="-O2 -g -Wall -Wextra -Wno-unused-parameter -Werror"

fail() {
    echo "test-go: $*" >&2
    exit 1
}
form() {
    local wrong
    wrong=$(gofmt -l "$1")
    [ -z "$wrong" ] || fail "gofmt would change: $wrong"
}

cd "$root/bindings/go"
form .
[ ! -e go.sum ] && ! grep -q require go.mod || fail "the package has got dependencies"
go vet ./...

# The page: its first block is the example, and all others compile in a module that finds the package as the page says.
page=$scratch/page
"$root/scripts/go-blocks.sh" "$root/docs/go.md" "$page"
cmp "$page/block-01/block.go" examples/watch/main.go || fail "the first block of docs/go.md is not examples/watch"
(
    cd "$page"
    go mod init page 2>/dev/null
    go mod edit -require libqmp/qmp@v0.1.0 -replace libqmp/qmp="$root/bindings/go"
    form .
    go vet ./...
    go build -o /dev/null ./block-01
)
count=$(find "$page" -name block.go | wc -l)
[ "$count" = "$(grep -c '^```go$' "$root/docs/go.md")" ] || fail "only $count blocks were found"
echo "test-go: $count blocks of docs/go.md compile"

# Since Go 1.21 the thorough check is compiled in, before that it is asked for.
if GOEXPERIMENT=cgocheck2 go list runtime >/dev/null 2>&1; then
    export GOEXPERIMENT=cgocheck2
else
    export GODEBUG=cgocheck=2
fi
go test -race -count=1 -bench . -benchtime 20x "$@" .
echo "test-go: ok"
