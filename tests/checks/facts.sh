#!/usr/bin/env bash
# Facts of the architecture are in hypervisor/spec/ only: no name that begins like one is defined
# elsewhere, and no name at all in two files of the hypervisor. Assembly is left out: it cannot read
# the constants of C.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0

facts='DEBUGCTL|PENDING_DBG|CR0|CR4|XCR0|EFER|RFLAGS|EFLAGS|DR6|DR7|PAT|SEG|EPTP?|QUAL|PT|PF|EXIT|ENTRY|PROC2?|PIN|VMERR|BASIC|MISC|FEATURE_CONTROL|APIC|ICR|SVR|ESR|VEC|INTR|INVEPT|INVVPID'
# Names like facts that are choices of ours, by who made them.
ours='CR0_OWNED CR0_CACHE CR4_OFFERED EFER_OFFERED XCR0_OFFERED PT_RW_DATA PT_UC
PIN_WANTED PROC_WANTED PROC2_WANTED EXIT_WANTED ENTRY_WANTED PROC2_ON PROC2_ALL'
# Other worlds that have such names: the IOAPIC's entries, ELF.
others='ENTRY_LOGICAL ENTRY_PENDING ENTRY_REMOTE_IRR ENTRY_LEVEL ENTRY_MASKED ENTRY_READ_ONLY ENTRY_MODE ENTRY_DEFINED ENTRY64_OFFSET PT_LOAD'
# Defined in several files: columns of tables, a file's own limits, and registers of devices that one
# file drives and another is.
local='B F R X E N W P V PRI SEC PIN HAS COUNT CHECK EACH HELD INJECT CHECKED ALWAYS VMFUNC CTL_BIT SR SW CHK_C CHK_H CHK_G
FEATURE GROUP PRESET CONTROL WORD_PIN WORD_PROC WORD_PROC2 WORD_EXIT WORD_ENTRY MAX_PER_EXIT WALK_TRIES RULES VERSION
PORT_INDEX PORT_DATA REG_A REG_B REG_D MADT_LAPIC HEADER_SIZE ECAM_SIZE MB2_MAGIC MB2_BOOT_MAGIC'
# MSR numbers (and the UART's register of that name) have no rule yet.
skipped='_H$| MSR_'

# "file name" of each macro and enumerator.
names=$(git ls-files 'hypervisor/*.c' 'hypervisor/*.h' | xargs awk '
	/^[ \t]*#[ \t]*define[ \t]/ { sub(/^[ \t]*#[ \t]*define[ \t]+/, ""); sub(/[^A-Za-z0-9_].*/, ""); print FILENAME, $0; next }
	/^enum [a-z_0-9]* ?[{]/ { inside = 1; next }
	/^}/ { inside = 0 }
	inside && /^\t[A-Z][A-Z0-9_]*( =|,|$)/ { sub(/^\t/, ""); sub(/[^A-Za-z0-9_].*/, ""); print FILENAME, $0 }' |
	grep -vE "$skipped" | sort -u)

listed() {
	[[ " ${2//$'\n'/ } " == *" $1 "* ]]
}

while read -r file name; do
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
done < <(cut -d' ' -f2 <<< "$names" | sort | uniq -d)
exit $bad
