#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Does a VM keep its share of a CPU beside one that does its worst? A row a pattern of tests/fairness/aggressor.c. The share is how much
# faster the victim would be alone, and may be a fifth less than what the weights say.
#
#   tests/fairness/run.sh [PATTERN...]      default: all rows
#
# Environment: B (build folder), NESTOR (the tool), TICKS (length of a run, default 36000000), TIMEOUT (seconds a run, default 200),
# RUN_ARGS (such as --shadow off). Logs: $B/test/fairness. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
TICKS=${TICKS:-36000000}
TIMEOUT=${TIMEOUT:-200}
LOGS=$B/test/fairness
mkdir -p "$LOGS"

# Pattern, CPUs of the machine (2t: threads of one core, which run one VM at a time), vCPUs of the aggressor, its other keys, the victim's weight, and the share in per cent that it has if
# as many of the aggressor's vCPUs as may be are on its CPU. Work on frames that others send takes as much of a VM's time as its guest.
# With invept and locks the turns are as long for both; but where the emulator's other processor exits all the time, a tick of it is less than an instruction of this one's
# (a mark takes 145,000 to 153,000 ticks there, 123,000 alone).
# With 2t the other thread sleeps in the victim's turns; beside a CPU that sleeps one of the emulator has two ticks for an instruction.
rows() {
	cat <<-'END'
		kicks       4 4 -                      100 50
		wakes       4 4 -                      100 50
		starts      4 4 -                      100 50
		exits       1 1 -                      100 50
		exits       1 1 -                      300 75
		long-exits  1 1 -                      100 50
		locks       2 2 -                      100 45
		console     1 1 -                      100 50
		refused     1 1 -                      100 50
		invept      2 2 -                      100 45
		entries     1 1 -                      100 50
		timers      1 1 -                      100 50
		timers      2 4 -                      100 33
		halted-l2   1 2 -                      100 100
		kicks       2 3 -                      100 33
		restarts    1 1 restart:always         100 50
		debug-loop  1 1 -                      100 50
		caches      1 1 -                      100 50
		net-flood   1 1 -                      100 25
		net-flood   2 1 -                      100 50
		exits      2t 1 -                      100 25
		kicks      2t 2 -                      100 25
		timers     2t 2 -                      300 37
	END
}

# scenario MACHINE_CPUS WEIGHT [AGGRESSOR_CPUS PATTERN KEYS]
scenario() {
	local payload net=() of
	payload=$(realpath "$B/payload")
	if [ "${4-}" = net-flood ]; then
		for of in 1 2; do net+=(", net: 'lan,mac=52:00:00:00:00:0$of'"); done
	fi
	printf 'machine: {cpus: %d, memory: 256M%s}\nnetworks: [lan]\nvms:\n' "${1%t}" \
		"$([[ $1 != *t ]] || echo ', option: "cpu: model=corei7_skylake_x, count=1:1:2, ips=50000000"')"
	printf '  - {name: victim, kernel: %s/victim.elf, memory: 16M, pin: "0", weight: %d%s%s}\n' "$payload" "$2" \
		"${net[0]-}" "${net[0]:+, cmdline: net}"
	[ $# -gt 2 ] || return 0
	printf '  - {name: aggressor, kernel: %s/aggressor.elf, memory: 16M, cpus: %d, cmdline: "%s cpus=%d"%s%s}\n' \
		"$payload" "$3" "$4" "$3" "$([ "$5" = - ] || echo ", ${5/:/: }")" "${net[1]-}"
}

# measure NAME: marks of the victim behind the start of the run
measure() {
	# shellcheck disable=SC2086
	timeout -k 5 $((TIMEOUT + 10)) "$NESTOR" run "$LOGS/$1.yaml" --timeout "$TIMEOUT" --l0-option "limit=$TICKS" \
		--stats "$LOGS/$1.stats" ${RUN_ARGS:-} >"$LOGS/$1.log" 2>&1 </dev/null
	awk -v end="$TICKS" '/mark vm=victim/ { sub(/.*tsc=/, ""); n += $1 > end * 2 / 5 && $1 <= end } END { print n + 0 }' "$LOGS/$1.stats"
}

passed=0
failed=0
check() { # PATTERN MACHINE_CPUS CPUS KEYS WEIGHT PERCENT
	local name=$1-$2-$5 got share log
	scenario "$2" "$5" "$3" "$1" "$4" >"$LOGS/$name.yaml"
	got=$(measure "$name")
	log=$(wc -c <"$LOGS/$name.stats")
	share=$((100 * got / alone))
	if [ $((100 * share)) -ge $((80 * $6)) ] && grep -q 'vm=aggressor' "$LOGS/$name.stats"; then
		echo "PASS fairness $name: $share % of a CPU, due: $6 %"
		passed=$((passed + 1))
	else
		echo "FAIL fairness $name: $share % of a CPU, due: $6 %; see $LOGS/$name.log ($log bytes of records)"
		failed=$((failed + 1))
	fi
}

base=alone-${1:-all}
scenario 1 100 >"$LOGS/$base.yaml"
alone=$(measure "$base")
[ "$alone" -gt 50 ] || { echo "FAIL fairness: the victim alone makes $alone marks"; exit 1; }
while read -r pattern cpus vcpus keys weight share; do
	[ $# = 0 ] || [[ " $* " = *" $pattern "* ]] || continue
	check "$pattern" "$cpus" "$vcpus" "$keys" "$weight" "$share"
done < <(rows)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
