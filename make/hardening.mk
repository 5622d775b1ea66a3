# Checks beyond `make lint` and `make test`, which .ci/run has pass as well. Some need a nightly Rust; what is missing is
# said, and is a failure (.ci/run alone goes on without a nightly, and says so at its end).

.PHONY: hardening asan tsan valgrind fuzz fuzz-smoke miri minimal-versions deny features

hardening: features deny minimal-versions miri asan tsan fuzz-smoke

# AddressSanitizer and LeakSanitizer.
asan: setup-test
	scripts/sanitize.sh address $(TARGET)

# ThreadSanitizer.
tsan: setup-test
	scripts/sanitize.sh thread $(TARGET)

valgrind: setup-test
	$(CARGO) build --locked
	scripts/run-c-tests.sh valgrind $(TARGET)/debug/libqmp.so $(BUILD)/tests-c

# Every fuzz target for a minute, two at a time; the same way each time, so that it fails because of a change.
fuzz-smoke: setup-test
	scripts/fuzz.sh $(TARGET) 60 1

# The same on ways not gone before: for whoever has ten minutes or a night.
FUZZ_SECONDS = 600
fuzz: setup-test
	scripts/fuzz.sh $(TARGET) $(FUZZ_SECONDS)

# The handles and the protocol layer, interpreted: what Rust leaves undefined is found.
miri:
	scripts/miri.sh $(TARGET)

# With the lowest versions of the direct dependencies that Cargo.toml allows.
minimal-versions:
	scripts/minimal-versions.sh $(TARGET)/minimal

# Licences, sources, duplicates and yanked versions of what the library is made of.
deny:
	scripts/deny.py $(TARGET)/deny

# Without any feature, and with each alone. (With all of them it is built everywhere else.)
features:
	for features in "" tls sasl; do \
	    $(CARGO) clippy --locked --lib --no-default-features --features "$$features" -- -D warnings || exit 1; \
	    $(CARGO) test --locked --lib --no-default-features --features "$$features" || exit 1; \
	done
