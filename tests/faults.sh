#!/usr/bin/env bash
# The faults that are too slow for every run of the tests: a Docker engine of its own that is stopped and killed in each stage,
# containers that are killed in each stage, meet a full disk or run out of memory, and ten million garbled inputs for the tap
# of each engine (with checks of arithmetic, so not in a release build).
#
#   tests/faults.sh                 all of them, about twenty minutes on two cores
#   REHEARSAL_FUZZ_INPUTS=1000000   so many inputs for the taps
#
# Wants what `tests/run.sh --setup` brings, root and iproute2.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin

cargo test --locked --test cli -- --ignored --test-threads 1 engine:: loss:: stages::
REHEARSAL_FUZZ_INPUTS=${REHEARSAL_FUZZ_INPUTS:-10000000} cargo test --locked --lib fuzz::
