#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Facts of the architecture are in hypervisor/spec/ only: no name that begins like one is defined
# elsewhere, nor a name that spec/ has, and no number has the same name in two files, be it a macro, an
# enumerator or a constant (whose name counts as if in capitals). Assembly is left out: it cannot read the
# constants of C.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0

facts='DEBUGCTL|PENDING_DBG|CR0|CR4|XCR0|EFER|RFLAGS|EFLAGS|DR6|DR7|PAT|SEG|EPTP?|QUAL|PT|PF|EXIT|ENTRY|PROC2?|PIN|VMERR|BASIC|MISC|FEATURE_CONTROL|APIC|ICR|SVR|ESR|VEC|INTR|INVEPT|INVVPID'
# Names like facts that are choices of ours, by who made them.
ours='CR0_OWNED CR0_CACHE CR4_ALWAYS CR4_OFFERED EFER_OFFERED XCR0_OFFERED PT_RW_DATA PT_UC PT_WC
PIN_WANTED PROC_WANTED PROC2_WANTED EXIT_WANTED ENTRY_WANTED PROC2_ON PROC2_ALL ESR_POSSIBLE ICR_WRITABLE SVR_WRITABLE
ENTRY_MODE_LONG ENTRY_MODE_PROTECTED ENTRY_MODE_REAL ENTRY_SEGMENTS'
# Other worlds that have such names: the IOAPIC's entries, ELF.
others='ENTRY_LOGICAL ENTRY_PENDING ENTRY_REMOTE_IRR ENTRY_LEVEL ENTRY_MASKED ENTRY_READ_ONLY ENTRY_MODE ENTRY64_OFFSET PT_LOAD'
# Columns of tables, each file's own; and what one file drives and another one is: ports, ACPI.
local='F B R X FLAG FIELD FEATURE GROUP PRESET STAYS MMAP_ROW MAX_PER_EXIT WALK_TRIES PORT_INDEX PORT_DATA REG_A REG_B REG_D MADT_LAPIC HEADER_SIZE RSDP_SIZE'

# "file name value" of each macro, enumerator and constant that is a number; no value of an enumerator, others without
# spaces.
names=$(git ls-files 'hypervisor/*.c' 'hypervisor/*.h' | xargs awk '
	sub(/^[ \t]*#[ \t]+define/, "#define") {}
	$1 == "#define" { name = $2; sub(/[(].*/, "", name); $1 = $2 = ""; sub(/\/[*].*/, ""); gsub(/[ \t]/, ""); print FILENAME, name, $0; next }
	/^[ \t]*(static )?const [a-z_0-9]+( [a-z_0-9]+)? [A-Za-z_0-9]+ = / {
		line = $0
		sub(/^[ \t]*(static )?const /, "", line)
		while (line ~ /^[A-Za-z_0-9]+ [A-Za-z_0-9]/) # its type
			sub(/^[A-Za-z_0-9]+ /, "", line)
		n = split(line, parts, /, |;/)
		for (i = 1; i <= n; i++)
			if (split(parts[i], c, / = /) == 2 && c[2] ~ /^(U?INT[0-9]+_C[(])?[0-9]/) {
				gsub(/[ \t]/, "", c[2])
				print FILENAME, toupper(c[1]), c[2]
			}
	}
	/^enum [a-z_0-9]* ?[{]/ { inside = 1; next }
	/^}/ { inside = 0 }
	inside && /^\t[A-Z][A-Z0-9_]*( =|,|$)/ { sub(/^\t/, ""); sub(/[^A-Za-z0-9_].*/, ""); print FILENAME, $0 }' |
	grep -vE '_H $' | sort -u)

listed() {
	[[ " ${2//$'\n'/ } " == *" $1 "* ]]
}

while read -r file name _; do
	[[ $file == hypervisor/spec/* ]] && continue
	if [[ $name =~ ^($facts)_ ]] && ! listed "$name" "$ours $others"; then
		echo "$file defines $name: facts belong into hypervisor/spec/"
		bad=1
	fi
done <<< "$names"
while read -r name; do
	listed "$name" "$local" && continue
	echo "$name is defined in $(awk -v n="$name" '$2 == n { printf "%s ", $1 }' <<< "$names")"
	bad=1
done < <(awk '
	{ spec = $1 ~ /^hypervisor\/spec\/.*[.]h$/; number = $3 ~ /^[0-9]/ }
	$2 in first && first[$2] != $1 && (spec || in_spec[$2] || (number && $3 == value[$2])) { print $2 }
	!($2 in first) { first[$2] = $1; in_spec[$2] = spec; value[$2] = $3 }' <<< "$names" | sort -u)
exit $bad
