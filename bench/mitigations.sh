#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the processor needs against speculative execution costs, in ticks, on the emulated processors that need it: three
# tables of docs/speculation.md, written into it. A tick is an executed instruction.
#
#   bench/mitigations.sh [PAGE]      default: docs/speculation.md. Environment: B (build folder), NESTOR (the tool)
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
page=${1:-docs/speculation.md}
out=$B/test/bench/mitigations
mkdir -p "$out"
. tests/boot/processors.sh

# Two VMs on one CPU, each with an L2; both take turns.
{
	printf 'timeout: 60\nlog: info\nmachine:\n  kind: bochs\n  cpus: 1\n  option: "plugin_ctrl: nestorspec=1"\nvms:\n'
	for vm in a b; do
		printf '  - {name: %s, memory: 64M, kernel: %s, cmdline: cpuid=40}\n' $vm "$(realpath "$B/payload/bench.elf")"
	done
} >"$out/vms.yaml"

# trace NAME PROCESSOR ARGS...: its figures are in NAME.txt
trace() {
	local name=$1 processor=$2
	shift 2
	NESTOR_SPECULATION=$processor,trace=$PWD/$out/$name.trace "$NESTOR" run "$out/vms.yaml" "$@" >"$out/$name.log" 2>&1 </dev/null || true
	awk -f bench/mitigations.awk "$out/$name.trace" >"$out/$name.txt" || {
		echo "bench: $name run incomplete; see $out/$name.log and $out/$name.trace" >&2
		exit 1
	}
}

# more NAME BASE: ticks that NAME has more than BASE, of each of the four; a change of VMs begins with an exit
more() {
	awk 'NR == FNR { base[$1] = $2; next } { more[$1] = $2 - base[$1]; printf " %d |", more[$1] + ($1 == "switch" ? more["exit"] : 0) }' \
		"$out/$2.txt" "$out/$1.txt"
}

kind() { # NAME TEXT PROCESSOR
	trace "$1" "$3"
	trace "$1-off" "$3" --l0-option mitigations=off
	printf '| %s |%s' "$2" "$(more "$1" "$1-off")"
	awk '$1 == "exit" { for (i = 3; i <= 6; i++) first[i] = $i }
		$1 != "exit" { for (i = 3; i <= 6; i++) n[i] = n[i] (n[i] == "" ? " " : " / ") ($1 == "switch" ? $i + first[i] : $i) }
		END { printf "%s |%s |%s |%s |\n", n[3], n[4], n[5], n[6] }' "$out/$1.txt"
}

kinds() {
	echo '| processor | an exit | exit and entry | nested round trip | change of VMs | VERW | IBPB | flushes of the L1 data cache | writes of IA32_SPEC_CTRL |'
	echo '|---|---|---|---|---|---|---|---|---|'
	kind skylake 'Skylake, needs nearly all' "$SKYLAKE"
	kind cascade 'Cascade Lake' "$CASCADE"
	kind sapphire 'Sapphire Rapids' "$SAPPHIRE"
	kind free 'free of all that there is to be free of' "$FREE"
	kind nothing 'microcode offers nothing' "$NOTHING"
}

# A processor that needs one thing, or as little more as the table of mitigations allows.
action() { # NAME TEXT PROCESSOR ARGS...
	local name=$1 text=$2 processor=$3
	shift 3
	trace "$name" "$processor" "$@"
	printf '| %s |%s\n' "$text" "$(more "$name" none)"
}

# shellcheck disable=SC2016  # names of code in the page
actions() {
	trace none edx=20000000,caps=d10e179,signature=c06d1
	echo '| actions | an exit | exit and entry | nested round trip | change of VMs |'
	echo '|---|---|---|---|---|'
	action buffers '`CLEAR_BUFFERS`' edx=20000400,caps=d10e159,signature=c06d1
	action flush '`FLUSH_L1D`' edx=30000000,caps=d10e170,signature=506e3
	action rsb '`FILL_RSB`' edx=20000000,caps=c10e17b,signature=c06d1
	action history '`CLEAR_HISTORY`, `FILL_RSB`' edx=20000000,caps=d00e17b,signature=c06d1
	action barrier '`BARRIER`, `NESTED_BARRIER`, `HOST_IBRS`, `CLEAR_REGS`' edx=24000000,caps=d10e17b,signature=c06d1
	action ibrs 'the same, `IBRS_AT_EXIT`, `FILL_RSB`' edx=24000000,caps=d10e179,signature=c06d1
	action thunks '`THUNKS`' edx=20000000,caps=d10e179,signature=c06d1 --l0-option branches=thunks
}

# put NAME: what comes in goes between the page's marks of that name
put() {
	cat >"$out/$1.md"
	awk -v name="$1" -v table="$out/$1.md" '
		$0 == "<!-- end of " name " -->" { inside = 0; marks++ }
		!inside { print }
		$0 == "<!-- " name ": bench/mitigations.sh -->" {
			inside = 1
			print ""
			while ((getline line < table) > 0)
				print line
			print ""
			marks++
		}
		END { exit marks != 2 }' "$page" >"$out/page" || { echo "bench: $page has no place for $1" >&2; exit 1; }
	cp "$out/page" "$page"
}

kinds | put kinds
actions | put actions
/usr/bin/python3 bench/mitigations_rows.py "$out" | put rows
sed -n '/^|/p' "$out/kinds.md" "$out/actions.md" "$out/rows.md"
