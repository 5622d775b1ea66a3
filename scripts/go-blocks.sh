#!/bin/bash
# Makes Go sources of every Go block in a page, one folder a block, for the compiler to judge. A block that is a whole
# file stays as it is; any other becomes the body of a function that has what the page says: vm and ctx, and an error
# to return.
#
#   scripts/go-blocks.sh PAGE FOLDER
set -euo pipefail
page=$1 folder=$2

mkdir -p "$folder"
awk -v folder="$folder" '
    /^```go$/ { inside = 1; file = sprintf("%s/block-%02d.txt", folder, ++count); printf "" >file; next }
    /^```$/ && inside { inside = 0; close(file); next }
    inside { print >file }
    END { if (inside) { print "the last block does not end" >"/dev/stderr"; exit 1 } }
' "$page"

# What the pieces of a page may use. A name for each, so that none is unused.
head='package block

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"libqmp/qmp"
)

var _ = []any{context.Background, errors.Is, fmt.Sprint, fs.ErrNotExist, os.Open, syscall.EPIPE, time.Second}

// Block is a piece of the page.
func Block(ctx context.Context, vm *qmp.Client) error {'

for text in "$folder"/block-*.txt; do
    mkdir "${text%.txt}"
    if grep -q '^package ' "$text"; then
        mv "$text" "${text%.txt}/block.go"
        continue
    fi
    # A loop that never ends needs nothing after it, and the compiler wants nothing there.
    end=$'\treturn nil\n}'
    [ "$(grep '^[^[:blank:]]' "$text" | tail -n 2 | head -n 1)" != 'for {' ] || end='}'
    { echo "$head" && sed 's/^./\t&/' "$text" && echo "$end"; } >"${text%.txt}/block.go"
    rm "$text"
done
