# What a distribution asks for, and the checks of it, included by the Makefile. Each check says "ok" at its end.

PYTHON = python3 -B

.PHONY: man check-man check-install check-cargo-c

# The man pages, from the comments of the header, which the build of the library writes.
man: library
	$(PYTHON) scripts/make-man.py include/libqmp.h $(BUILD)/man

check-man: man
	scripts/check-man.sh $(BUILD)/man $(BUILD)/check-man

check-install:
	scripts/check-install.sh $(BUILD)/check-install

# Not in .ci/run: cargo-c is ten minutes of compiling, and not in Debian 12 in a version that knows Rust's edition 2024.
check-cargo-c:
	scripts/check-cargo-c.sh $(BUILD)/check-cargo-c
