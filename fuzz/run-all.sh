#!/usr/bin/env bash
# Builds all fuzz targets once, replays their seeds, fuzzes each for the given time, and requires
# fuzzing to find the bug that is planted in the canary.
#
#   fuzz/run-all.sh [seconds for each target, default 30] [seed]
#
# With a seed, each run tries the same inputs, as many as the time allows; without one, others each time.
# FUZZ_BUILD_OPTIONS holds further options of `cargo fuzz build`.
#
# Needs a nightly toolchain and cargo-fuzz. What fuzzing finds on the way goes to a scratch
# directory, so the seeds in fuzz/corpus stay as they are; crashes go to fuzz/artifacts.
#
# No sanitizer: the crates have no unsafe code, and fuzzing is several times as fast without.
# Overflow checks and debug assertions are on. No compare tracing either: structure-aware mutation
# and the dictionary find more in the same time.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-30}
seed=${2:-0}
canary_seconds=60
build_options=(--sanitizer none --no-trace-compares ${FUZZ_BUILD_OPTIONS:-})
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo +nightly fuzz build "${build_options[@]}"
target_directory=$(cargo metadata --no-deps --format-version 1 |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
host=$(rustc +nightly --version --verbose | sed -n 's/^host: //p')

# fuzz <target> <libFuzzer options...>: as `cargo fuzz run`, which would ask cargo to build again.
fuzz() {
    local target=$1
    shift
    mkdir -p "$scratch/$target" "fuzz/artifacts/$target"
    "$target_directory/$host/release/$target" -dict=fuzz/mqtt5.dict -print_final_stats=1 "-seed=$seed" \
        "-artifact_prefix=fuzz/artifacts/$target/" "$@" \
        "$scratch/$target" "fuzz/corpus/$target" >"$scratch/$target.log" 2>&1
}

# check <target>: replays its seeds, then fuzzes it.
check() {
    local target=$1
    if fuzz "$target" -runs=0 && fuzz "$target" "-max_total_time=$seconds"; then
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/$target.log")
        echo "$target: $executions executions, nothing found"
    else
        tail -n 60 "$scratch/$target.log"
        echo "$target: FAILED"
        return 1
    fi
}

# One at a time on each processor.
failed=0
processes=()
for target in decode round_trip split strings differential world broker; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        sleep 0.2
    done
    check "$target" &
    processes+=($!)
done
for process in "${processes[@]}"; do
    wait "$process" || failed=1
done

# Its crashes are no news, so they are not kept.
start=$SECONDS
if fuzz canary "-max_total_time=$canary_seconds" "-artifact_prefix=$scratch/"; then
    echo "canary: FAILED, the planted bug was not found in $canary_seconds seconds"
    failed=1
elif grep -q 'found the bug that was planted' "$scratch/canary.log"; then
    echo "canary: the planted bug was found in $((SECONDS - start)) seconds"
else
    tail -n 60 "$scratch/canary.log"
    echo "canary: FAILED, and not because of the planted bug"
    failed=1
fi

exit "$failed"
