# Checks beyond `make lint` and `make test`, which .ci/run has pass as well. Some need a nightly Rust; what is missing is said,
# and is a failure.

.PHONY: hardening asan tsan valgrind fuzz-smoke

hardening: asan tsan fuzz-smoke

# AddressSanitizer and LeakSanitizer.
asan: setup-test
	scripts/sanitize.sh address $(TARGET)

# ThreadSanitizer.
tsan: setup-test
	scripts/sanitize.sh thread $(TARGET)

valgrind: setup-test
	$(CARGO) build --locked
	scripts/run-c-tests.sh valgrind $(TARGET)/debug/libqmp.so $(BUILD)/tests-c

# Every fuzz target for a minute, two at a time.
fuzz-smoke: setup-test
	scripts/fuzz.sh $(TARGET) 60
