#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs conformance payloads on the bare machine and under Nestor, and compares what they print.
#
#   tests/conformance/run.sh [NAME...]      default: all of tests/conformance/*.c
#
# A line `/* cpu: MODEL */` runs it on this model of the emulator, without which the payload has nothing to test; `/* cpu: MODEL +FEATURE... */`
# on one that has these features besides, by the emulator's names.
# A line `/* cpus: N */` in a payload's source runs it with N processors, on a machine of as many.
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (seconds a run, default 200), RUN_ARGS (more
# arguments for the run under Nestor, such as --shadow off), CMDLINE (for the payload), MODEL (of the emulator's CPU, for both runs). Logs are
# kept in $B/test/conformance. The bare output of an unchanged payload is kept and used again. What the machine lacks for a case is told and
# not compared; a payload of which nothing is left counts as skipped. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/conformance/compare.sh
. tests/conformance/compare.sh
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
TIMEOUT=${TIMEOUT:-200}
RUN_ARGS=${RUN_ARGS:-}
CMDLINE=${CMDLINE:-}
MODEL=${MODEL:-}
LOGS=$B/test/conformance${LOG_SUFFIX:-}
SHOW=20
mkdir -p "$LOGS"

# The machine's arguments, in `machine`: as many processors, of MODEL, or of the one that the payload asks for.
machine_of() { # NAME
	local cpus model=$MODEL features
	cpus=$(cpus_of "$1")
	machine=(--cpus "$cpus")
	[ -n "$model" ] || model=$(sed -n 's#^/\* cpu: \([a-z0-9_ +]*\) \*/$#\1#p' "tests/conformance/$1.c")
	[ -n "$model" ] || return 0
	read -r model features <<<"${model//+/}"
	machine+=(--machine bochs --machine-option "cpu: model=$model, count=$cpus, ips=50000000, reset_on_triple_fault=0${features:+, add_features=\"$features\"}")
}

fail() {
	echo "FAIL conformance $1: $2"
	failed=$((failed + 1))
}

compare() {
	local name=$1 elf=$B/payload/$1.elf out=$LOGS/$1 lines status machine
	machine_of "$name"
	bare_output "$out.bare" "$elf" "$CMDLINE" "${machine[@]}"
	if [ ! -s "$out.bare" ]; then
		tail -n 5 "$out.bare.err"
		fail "$name" "no output on the bare machine; see $out.bare.err"
		return
	fi
	# shellcheck disable=SC2086
	run_payload "$out.nestor" --memory 128M "${machine[@]}" \
		--cmdline "$CMDLINE" $RUN_ARGS --l1 "$elf"
	status=$(cat "$out.nestor.status")
	compared "$out.bare" "$out.nestor" "$out"
	lines=$(grep -a -c '^+' "$out.diff")
	if [ -s "$out.diff" ]; then
		head -n $SHOW "$out.diff"
		tail -n 5 "$out.nestor.err"
		fail "$name" "$lines lines differ, status $status; see $out.diff, .nestor.err"
	elif [ "$status" != 1 ]; then
		fail "$name" "same output, but status $status instead of 1 (debug exit of 0)"
	elif [ "$(cat "$out.count")" = 0 ]; then
		echo "SKIP conformance $name: nothing to compare$(skipped_text "$out")"
		skipped=$((skipped + 1))
	else
		echo "PASS conformance $name: $(cat "$out.count") lines agree$(skipped_text "$out")"
		passed=$((passed + 1))
	fi
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	for f in tests/conformance/*.c; do
		n=$(basename "$f" .c)
		[ "$n" = conf ] || names+=("$n")
	done
fi
passed=0
failed=0
skipped=0
for n in "${names[@]}"; do
	compare "$n"
done
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
