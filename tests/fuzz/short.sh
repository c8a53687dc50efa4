#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one fuzzer: first its kept seeds, then a bounded number of inputs, always the same ones. With
# CORPUS=DIR it goes on from what is there and adds to it; T: seconds, RUNS: inputs (-1: no bound).
# A failing input is left beside the binary.
set -euo pipefail
binary=$1
name=$(basename "$binary")
seeds=$(dirname "$0")/seeds/$name
corpus=${CORPUS:-}
if [[ -z $corpus ]]; then
	corpus=$(mktemp -d)
	trap 'rm -rf "$corpus"' EXIT
fi
[[ -d $seeds ]] && cp -r "$seeds/." "$corpus"
"$binary" -seed=1 -runs="${RUNS:-20000}" -max_total_time="${T:-10}" -timeout=10 -rss_limit_mb=3000 \
	-artifact_prefix="$binary-" "$corpus"
