# What a distribution asks for, and the checks of it, included by the Makefile. Each check says "ok" at its end.

.PHONY: check-install check-cargo-c

check-install:
	scripts/check-install.sh $(BUILD)/check-install

# Not in .ci/run: cargo-c is ten minutes of compiling, and not in Debian 12 in a version that knows Rust's edition 2024.
check-cargo-c:
	scripts/check-cargo-c.sh $(BUILD)/check-cargo-c
