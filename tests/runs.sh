# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced: runs of the tool and what they print, for boot tests and the matrix. The caller sets `out`, a file of the run that
# `expect` writes.
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
# What keeps Linux from wasting emulated time.
# shellcheck disable=SC2034
LINUX='console=ttyS0 tsc=reliable no_timer_check nokaslr mitigations=off'
LINUX="$LINUX init_on_alloc=0 random.trust_cpu=on nowatchdog cryptomgr.notests"

# shellcheck disable=SC2154
# text: what the tool printed, in $out, becomes $out.text, where lines that it cut ("VM| " and "VM+ ") are whole.
text() {
	tr -d '\r' <"$out" | LC_ALL=C awk '
		match($0, /^[a-z0-9_-]+[|+] /) {
			vm = substr($0, 1, RLENGTH - 2)
			if (substr($0, RLENGTH - 1, 1) == "+" && vm in last) {
				line[last[vm]] = line[last[vm]] substr($0, RLENGTH + 1)
				next
			}
			last[vm] = n + 1
		}
		{ line[++n] = $0 }
		END { for (i = 1; i <= n; i++) print line[i] }' >"$out.text"
}

# expect STATUS ARGS...: runs the tool; its output goes to the log and to $out.
expect() {
	local want=$1 got
	shift
	echo "\$ nestor $*"
	"$NESTOR" "$@" </dev/null >"$out" 2>&1
	got=$?
	text
	cat "$out.text"
	echo "status $got, expected $want"
	[ "$got" = "$want" ]
}

# until_it_shows PATTERN ARGS...: the same for what has no end of its own; ends it when the output has the pattern.
until_it_shows() {
	local pattern=$1 pid
	shift
	echo "\$ nestor $*"
	: >"$out" # what an earlier run left is not looked at
	"$NESTOR" "$@" </dev/null >"$out" 2>&1 &
	pid=$!
	while text && kill -0 "$pid" 2>/dev/null && ! grep -a -q -E -e "$pattern" "$out.text"; do
		sleep 0.2
	done
	kill "$pid" 2>/dev/null
	wait "$pid"
	text
	cat "$out.text"
	shows "$pattern"
}

shows() { # PATTERN...
	local p
	for p in "$@"; do
		grep -a -q -E -e "$p" "$out.text" || { echo "missing: $p"; return 1; }
	done
}

shows_not() {
	! grep -a -E -e "$1" "$out.text" || { echo "must not be there: $1"; return 1; }
}

one_line() { # the last run printed one line
	[ "$(grep -a -c . "$out.text")" = 1 ] || { echo "not one line"; return 1; }
}
