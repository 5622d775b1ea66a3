# Sourced by the scripts that need a nightly Rust: finds it, or says what is missing and ends.

# What a script lacks. It is a failure everywhere: who asked for a check and did not get it has to know.
lacks() {
    echo "$(basename "$0"): CANNOT RUN, NOTHING WAS CHECKED: $*" >&2
    exit 2
}

command -v rustup >/dev/null 2>&1 || lacks "this needs a nightly Rust, which rustup would choose, and rustup is missing"
cargo +nightly --version >/dev/null 2>&1 || lacks "this needs a nightly Rust: rustup toolchain install nightly"
HOST=$(rustc +nightly -vV | sed -n 's/^host: //p')
RUSTLIB=$(rustc +nightly --print sysroot)/lib/rustlib/$HOST
