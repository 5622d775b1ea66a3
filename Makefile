# libqmp: `make` builds it, `make demo` shows it, `make test` tests it, `make install` installs it. `make bench` measures
# it, `make check-bench` fails when it became slower.

PREFIX = /usr/local
EXEC_PREFIX = $(PREFIX)
LIBDIR = $(EXEC_PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
DESTDIR =

CARGO = cargo
CC = cc
CFLAGS = -O2 -g
INSTALL = install
ROUNDS = 5

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOVERSION := 0
TARGET := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
BUILD := $(TARGET)/make
BENCH := $(BUILD)/bench
PEDANTIC := -Wall -Wextra -Wpedantic -Werror
EXAMPLES := $(patsubst examples-c/%.c,$(BUILD)/%,$(wildcard examples-c/*.c))

.PHONY: all library examples demo setup-demo setup-test test test-c lint install uninstall clean \
    bench-client bench-programs bench bench-peers bench-document check-bench write-bench-limits

all: library

library:
	$(CARGO) build --release --locked
	@mkdir -p $(BUILD)
	@ln -sf ../release/libqmp.so $(BUILD)/libqmp.so.$(SOVERSION)

examples: $(EXAMPLES)

$(BUILD)/%: examples-c/%.c library
	$(CC) -std=c99 $(CFLAGS) $(PEDANTIC) -Iinclude -o $@ $< -L$(RELEASE) -lqmp -lpthread -Wl,-rpath,$(abspath $(BUILD))

setup-demo:
	scripts/setup.sh demo

setup-test:
	scripts/setup.sh test

demo: setup-demo
	$(MAKE) examples
	scripts/demo.sh $(BUILD)

test: setup-test
	$(CARGO) test --locked
	$(MAKE) examples bench-client test-c
	scripts/check-install.sh $(BUILD)/check-install

test-c:
	$(CARGO) build --locked
	scripts/run-c-tests.sh plain $(TARGET)/debug/libqmp.so $(BUILD)/tests-c
	scripts/run-c-tests.sh valgrind $(TARGET)/debug/libqmp.so $(BUILD)/tests-c

lint: setup-test
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	for compiler in gcc clang; do \
	    for source in examples-c/*.c; do \
	        $$compiler -std=c99 $(PEDANTIC) -Iinclude -fsyntax-only $$source || exit 1; \
	    done; \
	    for source in tests/c/*.c tests/c/harness/*.c benches/*.c; do \
	        $$compiler -std=c11 -D_GNU_SOURCE -DLIBQMP_PATH='""' $(PEDANTIC) -Iinclude -fsyntax-only $$source || exit 1; \
	    done; \
	done

# What BENCHMARKS.md is about: the client, the ideal that it is compared with, and the peer of both.
bench-programs: bench-client $(BENCH)/raw-client $(BENCH)/fake-server

bench-client: library
	@mkdir -p $(BENCH)
	$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $(PEDANTIC) -Iinclude -o $(BENCH)/bench-client benches/bench-client.c \
	    -L$(RELEASE) -lqmp -Wl,-rpath,$(abspath $(BUILD))

$(BENCH)/%: benches/%.c $(wildcard benches/*.h)
	@mkdir -p $(BENCH)
	$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $(PEDANTIC) -o $@ $< -lpthread

# Beside the ideal, on this machine as it is: minutes, not hours. It needs a C compiler and Python.
bench: bench-programs
	benches/run.py $(BENCH) --rounds $(ROUNDS)

# Beside other clients too, which are built first.
bench-peers: bench-programs
	scripts/setup.sh bench
	scripts/bench-peers.sh $(abspath $(BENCH)/peers)
	benches/run.py $(BENCH) --rounds $(ROUNDS) --strace --peers $(abspath $(BENCH)/peers) $(BENCH_OPTIONS)

# The same, written into the document.
bench-document:
	$(MAKE) bench-peers BENCH_OPTIONS="--document BENCHMARKS.md --plots benches/results"

# Counts instructions, against the limits that are kept; write-bench-limits is for changes that are meant.
check-bench: bench-programs
	benches/check-instructions.py $(BENCH)

write-bench-limits: bench-programs
	benches/check-instructions.py $(BENCH) --write

# Builds only what was never built: root, who installs as a rule, need not have cargo, and leaves no files of his here.
$(RELEASE)/libqmp.so:
	$(MAKE) library

install: $(RELEASE)/libqmp.so
	$(INSTALL) -d $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(LIBDIR)/pkgconfig
	$(INSTALL) -m 644 include/libqmp.h $(DESTDIR)$(INCLUDEDIR)/libqmp.h
	$(INSTALL) -m 755 $(RELEASE)/libqmp.so $(DESTDIR)$(LIBDIR)/libqmp.so.$(VERSION)
	ln -sf libqmp.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libqmp.so.$(SOVERSION)
	ln -sf libqmp.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libqmp.so
	$(INSTALL) -m 644 $(RELEASE)/libqmp.a $(DESTDIR)$(LIBDIR)/libqmp.a
	sed 's|@prefix@|$(PREFIX)|; s|@libdir@|$(LIBDIR)|; s|@includedir@|$(INCLUDEDIR)|; s|@version@|$(VERSION)|' \
	    libqmp.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/libqmp.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/libqmp.pc

uninstall:
	rm -f $(DESTDIR)$(INCLUDEDIR)/libqmp.h $(DESTDIR)$(LIBDIR)/pkgconfig/libqmp.pc $(DESTDIR)$(LIBDIR)/libqmp.a \
	    $(DESTDIR)$(LIBDIR)/libqmp.so $(DESTDIR)$(LIBDIR)/libqmp.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libqmp.so.$(VERSION)

clean:
	$(CARGO) clean
