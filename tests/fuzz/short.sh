#!/usr/bin/env bash
# A short run of one fuzzer, always the same: first its kept seeds, then a bounded number of inputs.
set -euo pipefail
binary=$1
name=$(basename "$binary")
seeds=$(dirname "$0")/seeds/$name
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
[[ -d $seeds ]] && cp -r "$seeds/." "$corpus"
"$binary" -seed=1 -runs=20000 -max_total_time="${T:-10}" -timeout=10 -artifact_prefix="$corpus/../$name-" "$corpus"
