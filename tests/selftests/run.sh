#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Linux's own tests of KVM, run by an L1 of Debian's kernel on Nestor: each is an L2, or several, or an L2 that is a hypervisor.
#
#   tests/selftests/run.sh [NAME...]   default: all rows of tests/selftests/list
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (of a run, in seconds; 900), EACH (of a test, in seconds of L1's; 60), ARGS (more words for nestor run),
# BARE (1: on the machine itself, without Nestor: what a row says should be so there, too; logs in $B/test/selftests-bare). One machine runs them
# one after the other, with what their rows say for kvm_intel; a test at which it ends or hangs begins again on a new one, which goes on after it; it has failed if that one has no end, either. Logs: $B/test/selftests. What a test gives must
# be what its row says. Ends with `N passed, N failed`; rows that are known to fail or are not run are told, and not counted.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/runs.sh
. tests/runs.sh
TIMEOUT=${TIMEOUT:-900}
DIR=$B/test/selftests${BARE:+-bare}
TABLE=tests/selftests/list
# That machine's KVM has no APICv, and needs its timers while a guest runs (tests/conformance/DEVIATIONS.md, docs/decisions/0077-kvm-as-a-machine.md).
bare=() common=
[ -z "${BARE-}" ] || { bare=(--bare --machine bochs --machine-option 'plugin_ctrl: nestormasks=1') common=enable_apicv=0; }
mkdir -p "$DIR"
rm -f "$DIR"/*.log

field() { # N: of the row in $row, without blanks around it
	awk -F '|' -v n="$1" '{ gsub(/^ +| +$/, "", $n); print $n }' <<<"$row"
}

rows() {
	grep -v -E '^(#|$)' "$TABLE"
}

meaning() { # STATUS
	case $1 in
	0) echo pass ;;
	4) echo skip ;;
	137) echo 'fail: no end in time' ;;
	*) echo "fail: status $1" ;;
	esac
}

# What the machine's console tells of a test.
outcome() { # WORD
	local status
	status=$(sed -nE "s/.*selftest: $1 ended with status ([0-9]+).*/\1/p" "$out.text" | tail -n 1)
	if [ -n "$status" ]; then
		meaning "$status"
	elif grep -a -q -e "selftest: $1 begins" "$out.text"; then
		echo 'fail: the machine ended, or had no time left'
	else
		echo 'not reached'
	fi
}

# Runs the tests in $left on one machine, takes out those that it ended, the first one in any case, and writes `word outcome` into $DIR/results.
run_machine() { # PARAMETERS: of kvm_intel
	local args=() first=1 got
	read -r -a args <<<"${ARGS-}"
	expect 0 run "${bare[@]}" --l1 "$B/debian/vmlinuz" --initrd "$B/debian-selftests/selftests.cpio" --memory 1G --cpus 2 --ips 200000000 --timeout "$TIMEOUT" \
		--cmdline "$LINUX quiet seconds=${EACH-60} kvmopt=$common${1:+,$1} tests=$(tr ' ' , <<<"${left[*]}")" "${args[@]}" >>"$DIR/run.log" 2>&1
	while [ ${#left[@]} -gt 0 ]; do
		got=$(outcome "${left[0]}")
		# It may have been the time of those before it: once more, on a machine of its own.
		[[ $got != 'not reached' && $got != *'no time left' ]] || [ -n "$first" ] || return
		first=''
		echo "${left[0]}${1:+@$1} $got" >>"$DIR/results"
		left=("${left[@]:1}")
	done
}

for n; do
	rows | grep -q -E "^$n([:@][^ ]*)? +\|" || { echo "run.sh: no row $n in $TABLE" >&2 && exit 64; }
done
declare -A tests # by parameters
out=$DIR/out
: >"$DIR/results"
while IFS= read -r row; do
	word=$(field 1)
	[ $# = 0 ] || [[ " $* " == *" ${word%%[:@]*} "* ]] || [[ " $* " == *" $word "* ]] || continue
	[ $# -gt 0 ] || [ "$(field 2)" != long ] || continue
	[[ $word == *@* ]] || word=$word@
	tests[kvm:${word#*@}]+=" ${word%@*}" # no key of theirs is empty
done < <(rows)
for parameters in "${!tests[@]}"; do
	read -r -a left <<<"${tests[$parameters]}"
	while [ ${#left[@]} -gt 0 ]; do
		run_machine "${parameters#kvm:}"
	done
done
passed=0 failed=0
while IFS= read -r row <&3; do
	word=$(field 1) want=$(field 2)
	got=$(grep -a -e "^$word " "$DIR/results" | tail -n 1 | cut -d ' ' -f 2-)
	[ -n "$got" ] || continue
	if [ "$got" = "$want" ] || { [ "$want" = long ] && [ "$got" = pass ]; }; then
		echo "PASS selftest $word: $got"
		passed=$((passed + 1))
	elif [ "$want" = fail ] && [[ $got == fail* ]]; then
		echo "KNOWN selftest $word: $(field 3)"
	else
		echo "FAIL selftest $word: $got, not $want; see $DIR/run.log"
		failed=$((failed + 1))
	fi
done 3< <(rows)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
