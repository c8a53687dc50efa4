#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hostile L1s (tests/boot/hostile.c) with one seed after the other, the odd ones wild: each may end as it likes, but L0 must not fault,
# make a VM entry fail, or hang.
#
#   tests/stress/hostile.sh
#
# Environment: B (build folder), SEED (default 1), T (seconds, default 60), COUNT (actions a run, default 6000), RUN_ARGS (such as
# --shadow off). The log of a run that failed is kept: $B/test/stress/hostile-SEED.log.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
SEED=${SEED:-1}
LOGS=$B/test/stress
mkdir -p "$LOGS"
first=$SEED
end=$((SECONDS + ${T:-60}))
failed=0
while [ "$SECONDS" -lt "$end" ]; do
	log=$LOGS/hostile-$SEED.log
	# shellcheck disable=SC2086
	timeout -k 5 130 "$B/nestor" run --timeout 120 --memory 64M --scratch 64K --virtio-console on ${RUN_ARGS:-} --l1 "$B/payload/hostile.elf" \
		--cmdline "seed=$SEED count=${COUNT:-6000} wild=$((SEED % 2))" >"$log" 2>&1 </dev/null
	status=$?
	if [ "$status" = 70 ] || [ "$status" = 124 ] || [ "$status" = 137 ] || grep -a -q -E \
		'entry into L[12] failed|VMLAUNCH or VMRESUME failed|hardware refused|panic|ended unexpectedly' "$log"; then
		tail -n 6 "$log"
		echo "FAIL stress hostile: seed $SEED: status $status; see $log"
		failed=$((failed + 1))
	else
		rm -f "$log"
	fi
	SEED=$((SEED + 1))
done
echo "hostile: seeds $first to $((SEED - 1)), $failed failed"
[ "$failed" -eq 0 ]
