# Two commands do all the set-up on a fresh Debian or Ubuntu with Rust and make:
#   make demo    installs a virtual machine in front of your eyes
#   make test    runs everything
.PHONY: build demo test lint bench fuzz setup-demo setup-test setup-bench clean

# The binary, where cargo leaves it: the target is named in .cargo/config.toml.
TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
BINARY := target/$(TARGET)/release/pxego

# Tests make network namespaces, which takes root: only they run with it, not cargo.
ifneq ($(shell id -u),0)
export CARGO_TARGET_$(shell echo $(TARGET) | tr 'a-z-' 'A-Z_')_RUNNER = sudo -E
endif

build:
	cargo build --release
	@echo "built $(BINARY)"

demo: setup-demo build
	demo/run.sh $(BINARY)

# A test builds the release binary itself.
test: setup-test lint
	cargo test --no-fail-fast --lib --bins --tests

# Cargo formats what a `mod` names; the fuzz targets include their files.
lint:
	cargo fmt --check
	rustfmt --check tests/fuzz/*.rs tests/fuzz/checks/*.rs
	cargo clippy --all-targets -- -D warnings

BENCHES := ready many verify package kickstart answers dhcp http tftp
bench: setup-bench
	cargo build --release
	cargo bench $(BENCHES:%=--bench %) >target/bench.jsonl
	@echo "each figure above is a line of JSON in target/bench.jsonl"

# Every fuzz target for SECONDS each; needs `cargo install cargo-fuzz`.
SECONDS ?= 60
fuzz:
	tests/fuzz/run.sh $(SECONDS)

setup-demo setup-test setup-bench: setup-%:
	demo/setup.sh $*

clean:
	cargo clean
