#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What L1's own local APIC costs, and an L2's: exits and ticks of each operation, with APIC virtualization
# and without it; L1's in xAPIC and x2APIC mode. docs/apicv.md has the table.
#
# Environment: B (build folder), NESTOR (the tool).
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
out=$B/test/bench
mkdir -p "$out"

measure() { # APICV MODE OP: exits of the whole run, and ticks of one operation
	"$NESTOR" run --memory 64M --timeout 60 --summary --apicv "$1" --cmdline "$2 $3" \
		--l1 "$B/payload/apic_exits.elf" >"$out/apic_exits.txt" 2>&1 </dev/null || true
	tr -d '\r' <"$out/apic_exits.txt" | awk '
		/^ticks / { ticks = $2 }
		/exits by reason/ { counting = 1; next }
		counting { exits += $2 }
		END { print exits + 0, ticks + 0 }'
}

printf '\nThe local APIC of L1, measured now: exits and ticks of one operation, with APIC virtualization (on) and without (off).\n'
printf '%-8s %-10s %14s %14s %14s %14s\n' mode operation 'exits, on' 'exits, off' 'ticks, on' 'ticks, off'
for mode in xapic x2apic; do
	for apicv in on off; do
		read -r exits ticks < <(measure $apicv $mode none)
		eval "base_$apicv=$exits none_$apicv=$ticks"
	done
	for op in eoi tpr self_ipi timer; do
		read -r exits_on ticks_on < <(measure on $mode $op)
		read -r exits_off ticks_off < <(measure off $mode $op)
		# shellcheck disable=SC2154
		awk -v m=$mode -v o=$op -v a=$((exits_on - base_on)) -v b=$((exits_off - base_off)) \
			-v c="$ticks_on" -v d="$ticks_off" 'BEGIN {
			printf "%-8s %-10s %14.2f %14.2f %14d %14d\n", m, o, a / 1000, b / 1000, c, d }'
	done
done

# The APIC of an L2: exits to L1 and ticks of each operation, with APIC virtualization that L1 uses for it, with IPI
# virtualization besides, and without any.
l2() { # MODE
	"$NESTOR" run --memory 64M --timeout 60 --cpus 2 --machine-cpus 2 --cmdline "$1" \
		--l1 "$B/payload/l2_apic.elf" 2>"$out/l2_apic_$1.err" </dev/null | tr -d '\r' >"$out/l2_apic_$1.txt" || true
	[ "$(wc -l <"$out/l2_apic_$1.txt")" = 4 ] || { echo "bench: l2_apic $1 run incomplete; see $out/l2_apic_$1.txt and .err" >&2; exit 1; }
}

l2 apicv
l2 ipiv
l2 software
printf '\nThe local APIC of L2, measured now: exits to L1 and ticks of one operation, when L1 uses APIC virtualization, IPI virtualization, too, and none.\n'
printf '%-16s %13s %13s %15s %13s %13s %15s\n' 'operation of L2' 'exits, APICv' 'IPIs, too' 'exits, without' 'ticks, APICv' 'IPIs, too' 'ticks, without'
awk 'FNR == 1 { file++ }
	file < 3 { exits[$1, file] = $2; ticks[$1, file] = $3; next }
	NF == 3 { printf "%-16s %13s %13s %15s %13s %13s %15s\n", $1, exits[$1, 1], exits[$1, 2], $2, ticks[$1, 1], ticks[$1, 2], $3 }' \
	"$out/l2_apic_apicv.txt" "$out/l2_apic_ipiv.txt" "$out/l2_apic_software.txt"
