#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs conformance payloads on the bare machine and under Nestor, and compares what they print.
#
#   tests/conformance/run.sh [NAME...]      default: all of tests/conformance/*.c
#
# A line `/* cpu: MODEL */` runs it on this model of the emulator, without which the payload has nothing to test.
# A line `/* cpus: N */` in a payload's source runs it with N processors, on a machine of as many.
#
# Environment: CPU_MODEL (of the emulator, for all), B (build folder), NESTOR (the tool), TIMEOUT (seconds a run, default 200), RUN_ARGS (more
# arguments for the run under Nestor, such as --shadow off), CMDLINE (for the payload). Logs are kept in $B/test/conformance. The
# bare output of an unchanged payload is kept and used again. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
TIMEOUT=${TIMEOUT:-200}
RUN_ARGS=${RUN_ARGS:-}
CMDLINE=${CMDLINE:-}
LOGS=$B/test/conformance${LOG_SUFFIX:-}
SHOW=20
mkdir -p "$LOGS"

# Payload text only: without carriage returns and the emulator's banner.
clean() {
	tr -d '\r\000' | grep -a -v -E '^=+$|Bochs x86 Emulator|Built from|Timestamp: |^ *$|^Bochs internal debugger|^Switching to CPU|^Next at t=|^\([0-9]+\)\.?\[|^\([0-9]+\) \[' || true
}

# run_payload OUTPUT ARGS...: exit status of the tool in OUTPUT.status
run_payload() {
	local out=$1
	shift
	timeout -k 5 $((TIMEOUT + 10)) "$NESTOR" run --timeout "$TIMEOUT" "$@" \
		>"$out.raw" 2>"$out.err" </dev/null
	echo $? >"$out.status"
	clean <"$out.raw" >"$out"
}

cpus_of() { # NAME
	local n
	n=$(sed -n 's#^/\* cpus: \([0-9]*\) \*/$#\1#p' "tests/conformance/$1.c")
	echo "${n:-1}"
}

# The arguments for another model of the emulated processor.
model_of() { # NAME
	local model
	model=$(sed -n 's#^/\* cpu: \([a-z0-9_]*\) \*/$#\1#p' "tests/conformance/$1.c")
	MODEL=()
	model=${CPU_MODEL:-$model}
	[ -z "$model" ] || MODEL=(--machine bochs --machine-option "cpu: model=$model, count=$(cpus_of "$1"), ips=50000000")
}

bare_output() {
	local name=$1 elf=$2 sum
	sum="$(sha256sum <"$elf") $CMDLINE"
	if [ ! -s "$LOGS/$name.bare" ] || [ "$sum" != "$(cat "$LOGS/$name.sum" 2>/dev/null)" ]; then
		run_payload "$LOGS/$name.bare" --bare "${MODEL[@]}" --cpus "$(cpus_of "$name")" --cmdline "$CMDLINE" \
			--l1 "$elf"
		[ -s "$LOGS/$name.bare" ] && echo "$sum" >"$LOGS/$name.sum"
	fi
}

fail() {
	echo "FAIL conformance $1: $2"
	failed=$((failed + 1))
}

compare() {
	local name=$1 elf=$B/payload/$1.elf lines status
	model_of "$name"
	bare_output "$name" "$elf"
	if [ ! -s "$LOGS/$name.bare" ]; then
		tail -n 5 "$LOGS/$name.bare.err"
		fail "$name" "no output on the bare machine; see $LOGS/$name.bare.err"
		return
	fi
	# shellcheck disable=SC2086
	run_payload "$LOGS/$name.nestor" --memory 128M "${MODEL[@]}" --cpus "$(cpus_of "$name")" \
		--cmdline "$CMDLINE" $RUN_ARGS --l1 "$elf"
	status=$(cat "$LOGS/$name.nestor.status")
	diff -U0 --label bare --label nestor "$LOGS/$name.bare" "$LOGS/$name.nestor" |
		grep -a -v '^@@' >"$LOGS/$name.diff"
	lines=$(grep -a -c '^+[^+]' "$LOGS/$name.diff")
	if [ -s "$LOGS/$name.diff" ]; then
		head -n $SHOW "$LOGS/$name.diff"
		tail -n 5 "$LOGS/$name.nestor.err"
		fail "$name" "$lines lines differ, status $status; see $LOGS/$name.diff, .nestor.err"
	elif [ "$status" != 1 ]; then
		fail "$name" "same output, but status $status instead of 1 (debug exit of 0)"
	else
		echo "PASS conformance $name: $(wc -l <"$LOGS/$name.bare") lines agree"
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
for n in "${names[@]}"; do
	compare "$n"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
