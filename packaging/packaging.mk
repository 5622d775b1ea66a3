# What a distribution asks for, and the checks of it, included by the Makefile. Each check says "ok" at its end.

PYTHON = python3 -B

.PHONY: man check-man abi-check abi-dump check-install check-readme check-cargo-c deb check-deb

# The man pages, from the comments of the header, which the build of the library writes.
man: library
	$(PYTHON) scripts/make-man.py include/libqmp.h $(BUILD)/man

check-man: man
	scripts/check-man.sh $(BUILD)/man $(BUILD)/check-man

# The library against the ABI that was released (abi/), and that check against faults. A release writes the ABI down
# anew.
abi-check: library
	$(CARGO) build --locked
	$(PYTHON) scripts/abi.py check $(RELEASE)/libqmp.so $(TARGET)/debug/libqmp.so
	scripts/plant-abi-faults.sh $(RELEASE)/libqmp.so $(TARGET)/debug/libqmp.so

abi-dump: library
	$(CARGO) build --locked
	$(PYTHON) scripts/abi.py dump $(RELEASE)/libqmp.so $(TARGET)/debug/libqmp.so

check-install:
	scripts/check-install.sh $(BUILD)/check-install

check-readme: all $(BUILD)/qmp-shell
	scripts/check-readme.sh $(BUILD)

# Not in .ci/run: cargo-c is ten minutes of compiling, and not in Debian 12 in a version that knows Rust's edition 2024.
check-cargo-c:
	scripts/check-cargo-c.sh $(BUILD)/check-cargo-c

# libqmp0 and libqmp-dev, in $(BUILD)/deb.
deb:
	scripts/make-deb.sh $(BUILD)/deb

check-deb: deb
	scripts/check-deb.sh $(BUILD)/deb
