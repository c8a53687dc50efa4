#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs stress payloads under Nestor; each checks its invariants itself.
#
#   tests/stress/run.sh [NAME...]      default: all of tests/stress/*.c
#
# Environment: B (build folder), NESTOR (the tool), SEED (default 1), COUNT (rounds, default what the payload has), CPUS (vCPUs,
# default 4), MACHINE_CPUS (default 2), T (seconds for each payload: with one seed after the other until then; default one run),
# TIMEOUT (seconds a run, default 200), RUN_ARGS (such as --shadow off). Logs: $B/test/stress$LOG_SUFFIX. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
SEED=${SEED:-1}
CPUS=${CPUS:-4}
MACHINE_CPUS=${MACHINE_CPUS:-2}
T=${T:-0}
TIMEOUT=${TIMEOUT:-200}
LOGS=$B/test/stress${LOG_SUFFIX:-}
mkdir -p "$LOGS"

# run NAME SEED: 0 when the payload said ok
run() {
	local log=$LOGS/$1.log line="seed=$2 cpus=$CPUS${COUNT:+ count=$COUNT}" status
	# shellcheck disable=SC2086
	timeout -k 5 $((TIMEOUT + 10)) "$NESTOR" run --timeout "$TIMEOUT" --memory 128M --cpus "$CPUS" \
		--machine-cpus "$MACHINE_CPUS" --cmdline "$line" ${RUN_ARGS:-} --l1 "$B/payload/$1.elf" >"$log" 2>&1 </dev/null
	status=$?
	[ "$status" = 1 ] && grep -a -q '^ok' "$log" && return 0
	tail -n 6 "$log"
	echo "FAIL stress $1: $line: status $status; see $log"
	return 1
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	for f in tests/stress/*.c; do
		n=$(basename "$f" .c)
		[ "$n" = stress ] || names+=("$n")
	done
fi
passed=0
failed=0
for n in "${names[@]}"; do
	seed=$SEED
	end=$((SECONDS + T))
	good=1
	while :; do
		run "$n" "$seed" || { good=0; break; }
		passed=$((passed + 1))
		seed=$((seed + 1))
		[ "$SECONDS" -lt "$end" ] || break
	done
	if [ $good = 0 ]; then
		failed=$((failed + 1))
	else
		echo "PASS stress $n: seeds $SEED to $((seed - 1))"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
