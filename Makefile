# libqmp: `make` builds it, `make demo` shows it, `make test` tests it, `make install` installs it. `make bench` measures
# it, `make check-bench` fails when it became slower.

CARGO = cargo
CC = cc
CXX = c++
CFLAGS = -O2 -g
CXXFLAGS = -O2 -g
ROUNDS = 5

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The shared library's own, whose home is Cargo.toml; its first number is the soname's.
LIBRARY_VERSION := $(shell sed -n '/^\[package.metadata.capi.library\]/,/^$$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
SOVERSION := $(firstword $(subst ., ,$(LIBRARY_VERSION)))
TARGET := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
BUILD := $(TARGET)/make
BENCH := $(BUILD)/bench
PEDANTIC := -Wall -Wextra -Wpedantic -Werror
PEDANTIC_CXX := $(PEDANTIC) -Wshadow -Wconversion
EXAMPLES := $(patsubst examples-c/%.c,$(BUILD)/%,$(wildcard examples-c/*.c))
EXAMPLES_CXX := $(patsubst examples-cpp/%.cpp,$(BUILD)/cpp/%,$(wildcard examples-cpp/*.cpp))

.PHONY: all library examples examples-cpp demo setup-demo setup-test test test-c test-cpp test-go test-python wheel lint \
    bench-client bench-programs bench bench-peers bench-document check-bench write-bench-limits clean

all: library man

library:
	$(CARGO) rustc --release --locked --lib --crate-type cdylib,staticlib
	@mkdir -p $(BUILD)
	@ln -sf ../release/libqmp.so $(BUILD)/libqmp.so.$(SOVERSION)

examples: $(EXAMPLES)

$(BUILD)/%: examples-c/%.c library
	$(CC) -std=c99 $(CFLAGS) $(PEDANTIC) -Iinclude -o $@ $< -L$(RELEASE) -lqmp -lpthread -Wl,-rpath,$(abspath $(BUILD))

examples-cpp: $(EXAMPLES_CXX)

$(BUILD)/cpp/%: examples-cpp/%.cpp library
	@mkdir -p $(BUILD)/cpp
	$(CXX) -std=c++17 $(CXXFLAGS) $(PEDANTIC_CXX) -Iinclude -o $@ $< -L$(RELEASE) -lqmp -lpthread \
	    -Wl,-rpath,$(abspath $(BUILD))

setup-demo:
	scripts/setup.sh demo

setup-test:
	scripts/setup.sh test

demo: setup-demo
	$(MAKE) examples
	scripts/demo.sh $(BUILD)

test: setup-test
	$(CARGO) test --locked
	$(MAKE) examples examples-cpp bench-client test-c test-cpp test-go test-python
	$(MAKE) check-install check-readme

test-c:
	$(CARGO) build --locked
	scripts/run-c-tests.sh plain $(TARGET)/debug/libqmp.so $(BUILD)/tests-c
	$(MAKE) valgrind

test-cpp:
	$(CARGO) build --locked
	scripts/run-cpp-tests.sh plain $(TARGET)/debug/libqmp.so $(BUILD)/tests-cpp
	scripts/run-cpp-tests.sh valgrind $(TARGET)/debug/libqmp.so $(BUILD)/tests-cpp

test-go: all
	scripts/test-go.sh $(BUILD)/test-go

test-python: library
	scripts/test-python.sh $(RELEASE)/libqmp.so $(BUILD)/test-python

wheel: library
	scripts/make-wheel.sh $(RELEASE)/libqmp.so $(BUILD)/wheel

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
	# The tests in C++ are compiled like this where they are run: by test-cpp.
	for compiler in "g++ -std=c++17" "g++ -std=c++20" "clang++ -std=c++17" "clang++ -std=c++20"; do \
	    for source in examples-cpp/*.cpp; do \
	        $$compiler $(PEDANTIC_CXX) -Iinclude -fsyntax-only $$source || exit 1; \
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

# Writes the figures of bench-peers into BENCHMARKS.md, and its plots beside the other pages.
bench-document:
	$(MAKE) bench-peers BENCH_OPTIONS="--document BENCHMARKS.md --plots docs"

# Counts instructions, against the limits that are kept; write-bench-limits is for changes that are meant.
check-bench: bench-programs
	benches/check-instructions.py $(BENCH)

write-bench-limits: bench-programs
	benches/check-instructions.py $(BENCH) --write

clean:
	$(CARGO) clean

include packaging/install.mk
include packaging/packaging.mk
include make/hardening.mk
