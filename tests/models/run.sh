#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Conformance on the emulator's CPU models: tests/conformance/run.sh for each, bare and under Nestor on the same model.
#
#   tests/models/run.sh [MODEL...]      default: all of MODELS, from the oldest on; then docs/models.md is written anew
#
# What a model's payload gave is kept with the files it depends on, and is not run again while these stay, so that a call that was stopped
# goes on.
#
# Environment: B (build folder), NAMES (payloads, default all; docs/models.md stays as it is then), FRESH=1 (runs all again). Logs:
# $B/test/models. Ends with `N passed, N failed`, in payloads.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
NAMES=${NAMES:-}
DIR=$B/test/models
mkdir -p "$DIR"

MODELS='corei7_sandy_bridge_2600k corei7_ivy_bridge_3770k corei7_haswell_4770 broadwell_ult corei7_skylake_x corei3_cnl corei7_icelake_u tigerlake sapphire_rapids arrow_lake'

[ -n "$NAMES" ] || names=$(basename -s .c tests/conformance/*.c | grep -v -x conf)
base=$(cat "$B/nestor" "$B/nestor.elf" tests/conformance/{run,compare}.sh | sha256sum)

# All that the model's payloads gave, one behind the other.
log_of() {
	echo "$DIR/$1.${NAMES:+some.}log"
}

run_model() { # MODEL
	local name kept key
	mkdir -p "$DIR/$1"
	for name in ${NAMES:-$names}; do
		kept=$DIR/$1/$name
		key="$base $(sha256sum <"$B/payload/$name.elf")"
		if [ -n "${FRESH:-}" ] || [ "$key" != "$(cat "$kept.key" 2>/dev/null)" ] || ! grep -q '^[0-9]* passed, 0 failed$' "$kept"; then
			rm -f "$kept.key"
			MODEL=$1 B=$B LOG_SUFFIX=-$1 tests/conformance/run.sh "$name" >"$kept" 2>&1
			echo "$key" >"$kept.key"
		fi
		grep -q '^[0-9]* passed, [0-9]* failed$' "$kept" || echo "FAIL conformance $name: no end"
		grep -v -E '^[0-9]+ (passed|skipped)' "$kept"
	done >"$(log_of "$1")"
}

# What the log of a model adds up to: payloads that agree, that were skipped, that failed; lines; cases that were skipped, and what they lack.
sums() {
	local cases='[0-9]+ skipped \(no [^)]*\)'
	awk '/^PASS/ { p++; l += $4 } /^SKIP/ { s++ } /^FAIL/ { f++ } END { printf "%d %d %d %d ", p, s, f, l }' "$1"
	grep -o -E "$cases" "$1" | awk '{ n += $1 } END { printf "%d ", n }'
	grep -o -E "$cases" "$1" | sed 's/.*(no //; s/)$//; s/, /\n/g' | sort -u | paste -s -d , | sed 's/,/, /g'
}

page() {
	local model passed skipped failed lines cases lacks
	cat tests/models/head.md
	printf '| model | payloads that agree | skipped whole | fail | lines compared | cases skipped | for lack of |\n|---|---|---|---|---|---|---|\n'
	for model in $MODELS; do
		read -r passed skipped failed lines cases lacks < <(sums "$(log_of "$model")")
		echo "| \`$model\` | $passed | $skipped | $failed | $lines | $cases | ${lacks:--} |"
	done
}


passed=0 failed=0 models=("$@")
[ $# -gt 0 ] || read -r -a models <<<"$MODELS"
for model in "${models[@]}"; do
	[[ " $MODELS " == *" $model "* ]] || { echo "no such model: '$model'; one of $MODELS"; echo '0 passed, 1 failed'; exit 1; }
	run_model "$model"
	read -r p s f lines cases lacks < <(sums "$(log_of "$model")")
	[ "$f" = 0 ] || grep -v '^PASS' "$(log_of "$model")"
	echo "models $model: $p payloads agree in $lines lines, $f fail, $s skipped; $cases cases skipped for lack of ${lacks:-nothing}"
	passed=$((passed + p)) failed=$((failed + f))
done
[ $# -gt 0 ] || [ -n "$NAMES" ] || page >docs/models.md
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
