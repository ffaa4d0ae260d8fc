#!/bin/sh
# Runs every fuzz target for SECONDS each (60 when not given), or the targets that are named. Any toolchain will do.
#   tests/fuzz/run.sh [SECONDS [TARGET ...]]
# What is found new goes to corpus/, what breaks a check to artifacts/.
set -u
cd "$(dirname "$0")" || exit 1
seconds=${1:-60}
case $seconds in
'' | *[!0-9]*)
    echo "usage: tests/fuzz/run.sh [SECONDS [TARGET ...]]" >&2
    exit 2
    ;;
esac
[ $# -eq 0 ] || shift

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing. Type: cargo install cargo-fuzz" >&2
    exit 3
fi
# The sanitizer is a nightly feature; without a nightly toolchain this one is told to do as if it were.
if cargo +nightly --version >/dev/null 2>&1; then
    fuzz="cargo +nightly fuzz"
else
    fuzz="cargo fuzz"
    export RUSTC_BOOTSTRAP=1
fi

[ $# -gt 0 ] || set -- $(sed -n 's/^ *{ name = "\([a-z0-9_]*\)".*/\1/p' Cargo.toml)
failed=
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "corpus/$target"
    crashes=
    [ ! -d "crashes/$target" ] || crashes=crashes/$target
    # One input may take 10 s: longer is a hang. The first folder takes what is new.
    $fuzz run --fuzz-dir . "$target" "corpus/$target" "seeds/$target" $crashes -- \
        -max_total_time="$seconds" -timeout=10 || failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "Broken:$failed. Copy the input from artifacts/TARGET/ to crashes/TARGET/, then mend it:" >&2
    echo "\"cargo test --test fuzz_replay\" replays it from then on." >&2
    exit 1
fi
