#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a frame from one VM to another costs L0: ticks and exits of the sender and of the receiver, who looks for
# frames without interrupts and answers each WINDOW. docs/net.md has the table.
#
# Environment: B (build folder), NESTOR (the tool).
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
out=$B/test/bench
mkdir -p "$out"

# measure SIZE COUNT WINDOW: ticks in L0 and exits, of the sender and of the receiver
measure() {
	local elf role
	elf=$(realpath "$B/payload/net.elf")
	{
		printf 'machine: {cpus: 2}\nnetworks: [lan]\ntimeout: 100\nvms:\n'
		for role in send receive; do
			printf '  - {name: %s, kernel: %s, memory: 64M, net: "lan,mac=52:00:00:00:00:0%d", cmdline: "%s size=%d count=%d window=%d"}\n' \
				$role "$elf" $((${#role} / 3)) $role "$1" "$2" "$3"
		done
	} >"$out/net.yaml"
	"$NESTOR" run "$out/net.yaml" --stats "$out/net.stats" >"$out/net.txt" 2>&1 </dev/null || true
	[ "$(grep -c 'vm-end .* kind=debug-exit value=0' "$out/net.stats")" = 2 ] || { echo "bench: net run incomplete; see $out/net.txt" >&2; exit 1; }
	awk '{
		for (i = 1; i <= NF; i++) { split($i, w, "="); v[w[1]] = w[2] }
		if (/ticks_l0=/) ticks[v["vm"]] += v["ticks_l0"]
		if (/reason=/) exits[v["vm"]] += v["count"]
		if (/dropped/) print "bench: dropped frames: " $0 > "/dev/stderr"
	}
	END { print ticks["send"], exits["send"], ticks["receive"], exits["receive"] }' "$out/net.stats"
}

row() { # SIZE COUNT WINDOW
	local none all
	read -r -a none < <(measure "$1" "$3" "$3")
	read -r -a all < <(measure "$1" "$2" "$3")
	printf '%8d %7d' "$1" "$3"
	for i in 0 1 2 3; do
		awk -v a="${all[$i]}" -v b="${none[$i]}" -v n=$(($2 - $3)) -v e=$((i % 2)) \
			'BEGIN { printf e ? " %15.2f" : " %15d", (a - b) / n }'
	done
	echo
}

printf '\nA frame between two VMs on two CPUs, measured now: what it costs L0.\n'
printf '%8s %7s %15s %15s %15s %15s\n' bytes window 'ticks, sender' 'exits, sender' 'ticks, receiver' 'exits, receiver'
row 1514 2000 1
row 1514 4000 16
row 65000 500 1
row 65000 500 4
