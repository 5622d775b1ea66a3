#!/bin/bash
# Looks at the man pages: each function has one, each is without fault for mandoc and groff, shows the declaration
# that the header has, and can be found by its name; and a header that lacks a comment, or has one full of roff's
# signs, does no harm.
#
#   scripts/check-man.sh FOLDER_OF_PAGES SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
pages=$1 scratch=$2
rm -rf "$scratch"
mkdir -p "$scratch"
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "check-man: $*" >&2
    exit 1
}

# Text without what layout does to it.
flat() {
    tr -s ' \n' ' ' | sed 's/( /(/g; s/ $//'
}

render() {
    LC_ALL=C.UTF-8 MANWIDTH=80 MANROFFOPT="" man -l --warnings=all -E ascii -P cat "$1"
}

for name in libqmp $(cat abi/symbols); do
    [ -f "$pages/$name.3" ] || fail "no page for $name"
done
mandoc -T lint -W warning "$pages"/*.3 || fail "mandoc finds fault"

for page in "$pages"/*.3; do
    name=$(basename "$page" .3)
    text=$(render "$page" 2>"$scratch/warnings") || fail "man cannot show $page"
    [ ! -s "$scratch/warnings" ] || fail "groff warns: $(cat "$scratch/warnings")"
    for section in NAME SYNOPSIS DESCRIPTION "SEE ALSO"; do
        grep -qx "$section" <<<"$text" || fail "$name(3) has no $section"
    done
    lexgrog "$page" | grep -qF "\"$name - " || fail "apropos would not find $name(3): $(lexgrog "$page")"
    [ "$name" != libqmp ] || continue
    # From the line with its name to the semicolon.
    declared=$(awk -v name="[ *(]$name[)]?[(]" '/^[a-z]/ && $0 ~ name { on = 1 } on { print } on && /;$/ { exit }' \
        include/libqmp.h | flat)
    [ -n "$declared" ] || fail "$name is not in the header"
    shown=$(sed -n '/^SYNOPSIS$/,/^DESCRIPTION$/p' <<<"$text" | sed '1d;$d' | flat)
    [ "$shown" = " #include <libqmp.h> $declared" ] || fail "$name(3) shows \"$shown\", the header has: $declared"
done

# A function whose comment was taken away, and a new one without any, stop the build.
for fault in '/^\/\/ Frees an error\./d' 's/^void qmp_error_free/int32_t qmp_new(void);\n\n&/'; do
    sed "$fault" include/libqmp.h >"$scratch/libqmp.h"
    ! cmp -s include/libqmp.h "$scratch/libqmp.h" || fail "the fault is not planted: $fault"
    if python3 -B scripts/make-man.py "$scratch/libqmp.h" "$scratch/man" 2>"$scratch/error"; then
        fail "a function without a comment goes through: $fault"
    fi
    grep -q 'has no comment' "$scratch/error" || fail "$(cat "$scratch/error")"
done

# Signs that mean something to roff come out as they went in.
signs='.SH is "no\nheading" here: '\''tis `a_name`, -1 \fB ~/x ^y.'
SIGNS=$signs awk '/^\/\/ Frees an error\./ { $0 = "// " ENVIRON["SIGNS"] " Since 0.1." } { print }' \
    include/libqmp.h >"$scratch/libqmp.h"
python3 -B scripts/make-man.py "$scratch/libqmp.h" "$scratch/man"
mandoc -T lint -W warning "$scratch/man/qmp_error_free.3"
wanted=${signs//\`/}
render "$scratch/man/qmp_error_free.3" | flat | grep -qF "DESCRIPTION $wanted" || {
    render "$scratch/man/qmp_error_free.3" >&2
    fail "not shown as it stands: $wanted"
}
echo "check-man: ok ($(ls "$pages"/*.3 | wc -l) pages)"
