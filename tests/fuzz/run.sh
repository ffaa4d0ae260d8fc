#!/bin/sh
# Runs every fuzz target for SECONDS each (60 when not given), or the targets that are named. Any toolchain will do.
#   tests/fuzz/run.sh [SECONDS [TARGET ...]]
# FUZZ_OPTIONS is handed to `cargo fuzz`: "-s none" builds and runs in half the time, and finds no misuse of memory.
# What is found new goes to corpus/, what breaks a check to artifacts/, what was said to logs/.
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

known=$(sed -n 's/^ *{ name = "\([a-z0-9_]*\)".*/\1/p' Cargo.toml)
[ $# -gt 0 ] || set -- $known
# All of them before the first runs: what does not build has found nothing.
for target in "$@"; do
    if ! echo "$known" | grep -qx "$target"; then
        printf 'There is no target "%s"; there are:\n%s\n' "$target" "$known" >&2
        exit 2
    fi
    # shellcheck disable=SC2086
    $fuzz build --fuzz-dir . ${FUZZ_OPTIONS:-} "$target" || exit 4
done

mkdir -p logs
failed=
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "corpus/$target"
    crashes=
    [ ! -d "crashes/$target" ] || crashes=crashes/$target
    # One input may take 10 s: longer is a hang. The first folder takes what is new.
    # shellcheck disable=SC2086
    if $fuzz run --fuzz-dir . ${FUZZ_OPTIONS:-} "$target" "corpus/$target" "seeds/$target" $crashes -- \
        -max_total_time="$seconds" -timeout=10 >"logs/$target" 2>&1; then
        grep DONE "logs/$target" | tail -n 1
    else
        failed="$failed $target"
        grep -a -A 3 -e 'panicked at' -e 'ERROR: ' "logs/$target"
        grep -a 'Test unit written' "logs/$target"
    fi
done
if [ -n "$failed" ]; then
    echo "Broken:$failed. Copy the input from artifacts/TARGET/ to crashes/TARGET/, then mend it:" >&2
    echo "\"cargo test --test fuzz_replay\" replays it from then on." >&2
    exit 1
fi
