#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a list of tests, some at a time, and sums them up.
#
# usage: runner.sh DIR JOBS < LIST    a line of LIST: name<TAB>seconds<TAB>command
#
# Every command gets a log DIR/name.log and its time limit. Its exit status decides, and what it
# printed is counted: cmocka's "[  PASSED  ] N test(s)." and lines "N passed, N failed" count as
# that many tests, any other command as one. What failed is told at once and again before the
# last line, "N passed, N failed".
set -uo pipefail
dir=$1
jobs=$2
mkdir -p "$dir"
rm -f "$dir"/*.result "$dir"/*.failure

one() {
	local name=$1 limit=$2 command=$3 log=$dir/$1.log start=$SECONDS status=0
	timeout --kill-after=5 "$limit" bash -c "$command" > "$log" 2>&1 < /dev/null || status=$?
	local passed failed
	passed=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p; s/^([0-9]+) passed, [0-9]+ failed$/\1/p' "$log" | awk '{ s += $1 } END { print s + 0 }')
	failed=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test\(s\).*/\1/p; s/^[0-9]+ passed, ([0-9]+) failed$/\1/p' "$log" | awk '{ s += $1 } END { print s + 0 }')
	if ((status == 0 && failed == 0)); then
		((passed == 0)) && passed=1
		echo "ok    $name ($passed, $((SECONDS - start)) s)"
	else
		((failed == 0)) && failed=1
		local why="status $status"
		((status == 124 || status == 137)) && why="over its limit of $limit s"
		{
			echo "FAIL  $name ($why); its first errors and the end of $log:"
			{ grep -m 5 -E '(error|warning): ' "$log" || true; } | sed 's/^/      ! /'
			tail -n 25 "$log" | sed 's/^/      | /'
		} | tee "$dir/$name.failure"
	fi
	echo "$passed $failed" > "$dir/$name.result"
}

while IFS=$'\t' read -r name limit command; do
	[[ -z $name ]] && continue
	while (($(jobs -rp | wc -l) >= jobs)); do
		wait -n
	done
	one "$name" "$limit" "$command" &
done
wait
if compgen -G "$dir/*.failure" > "$dir/failures"; then
	echo "What failed:"
	xargs cat < "$dir/failures" | head -n 200
fi
cat "$dir"/*.result | awk '{ p += $1; f += $2 } END { print p + 0 " passed, " f + 0 " failed"; exit f > 0 || p == 0 }'
