#!/bin/sh
# Prints a file that a page of the documentation shows: the block that follows its name, which stands alone on a line
# as `NAME`:
#
#   scripts/snippet.sh PAGE NAME
#   scripts/snippet.sh --commands PAGE NAME     the indented commands that follow that block
set -eu
wanted=file
if [ "$1" = --commands ]; then
    wanted=commands
    shift
fi
awk -v head="\`$2\`:" -v wanted="$wanted" '
    function show(line) { print line; lines++ }
    # Commands come first behind the block, or not at all.
    behind && !/^    / && !/^$/ { exit }
    behind && /^    / { show(substr($0, 5)) }
    behind && /^$/ && lines { exit }
    inside && /^```/ { if (wanted == "file") exit; inside = 0; behind = 1; next }
    inside && wanted == "file" { show($0) }
    named && /^```/ { inside = 1; named = 0 }
    $0 == head { named = 1 }
    END { if (!lines) { print "snippet: no " head " with its " wanted " in " FILENAME >"/dev/stderr"; exit 1 } }
' "$1"
