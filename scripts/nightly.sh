# Sourced by the scripts that need a nightly Rust: finds it, or says what is missing and ends. Run by itself it fetches what
# it can first; it fails, with the reason in one line, where something is not to be had:
#
#   bash scripts/nightly.sh [COMPONENT...]      components of rustup's that are needed besides

# What a script lacks. It is a failure: who asked for a check and did not get it has to know.
lacks() {
    echo "$(basename "$0"): CANNOT RUN, NOTHING WAS CHECKED: $*" >&2
    exit 2
}

# Is there such a component? (rustup does not know what came by other ways, but nothing else knows more.)
has_component() {
    rustup component list --toolchain nightly --installed 2>/dev/null | grep -q "^$1\(-$HOST\)\?$"
}

# Downloads what is missing, within a few minutes: a machine without a way to Rust's servers may be slow to say so.
fetch() {
    command -v rustup >/dev/null 2>&1 || { echo "rustup is missing" && return 1; }
    cargo +nightly --version >/dev/null 2>&1 || timeout 240 rustup toolchain install nightly --profile minimal >&2 ||
        { echo "there is no nightly Rust, and rustup could not install one" && return 1; }
    HOST=$(rustc +nightly -vV | sed -n 's/^host: //p')
    local component
    for component; do
        has_component "$component" || timeout 120 rustup component add "$component" --toolchain nightly >&2 ||
            { echo "the nightly Rust lacks $component, and rustup could not add it" && return 1; }
    done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    fetch "$@"
    exit
fi
command -v rustup >/dev/null 2>&1 || lacks "this needs a nightly Rust, which rustup would choose, and rustup is missing"
cargo +nightly --version >/dev/null 2>&1 || lacks "this needs a nightly Rust: rustup toolchain install nightly"
HOST=$(rustc +nightly -vV | sed -n 's/^host: //p')
RUSTLIB=$(rustc +nightly --print sysroot)/lib/rustlib/$HOST
