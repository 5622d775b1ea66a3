#!/bin/sh
# Prints a file that a page of the documentation shows: the block that follows its name, which stands alone on a line
# as `NAME`:
#
#   scripts/snippet.sh PAGE NAME
set -eu
awk -v head="\`$2\`:" '
    inside && /^```/ { exit }
    inside { print; lines++ }
    named && /^```/ { inside = 1 }
    $0 == head { named = 1 }
    END { if (!lines) { print "snippet: no " head " with a block in " FILENAME >"/dev/stderr"; exit 1 } }
' "$1"
