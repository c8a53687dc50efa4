#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# In L0's image (the argument; the second one is the list of branch sites that it was linked with) each
# near indirect branch and each near return ends in the upper half of a line of the cache, those of the start aside,
# and the list names each call of a thunk and each jump to one.
set -euo pipefail
code=$(mktemp)
trap 'rm -f "$code"' EXIT
objdump -d --insn-width=16 "$1" > "$code"
bad=0

# Fields: address, bytes, instruction. A line has 64 bytes: bit 5 of the address of the last byte tells.
awk -F'\t' '
	/^[0-9a-f]+ <.*>:$/ {
		split($0, part, /[<>]/)
		name = part[2]
		next
	}
	NF >= 3 && $3 ~ /^([a-z0-9.]+ +)*(ret|retq|(jmp|call)q? +\*)/ {
		if (name == "boot_entry" || name == "entry64" || name == "ap_entry64")
			next
		found++
		address = $1
		gsub(/[ :]/, "", address)
		high = index("0123456789abcdef", substr(address, length(address) - 1, 1)) - 1
		low = index("0123456789abcdef", substr(address, length(address), 1)) - 1
		last = high * 16 + low + split($2, bytes, " ") - 1
		if (int(last / 32) % 2 == 1)
			next
		print name ": the branch at " address " ends in the lower half of a line: " $3
		bad = 1
	}
	END {
		if (found < 18) {
			print "only " found + 0 " indirect branches and returns: the thunks are not all there"
			bad = 1
		}
		exit bad
	}' "$code" || bad=1

diff <(awk -F'\t' '$2 ~ /^e[89] / && $3 ~ /<__x86_(indirect|return)_thunk/ {
		print substr($1, length($1) - 8, 8)
	}' "$code") \
	<(sed -n '/^branch_sites:/,/^branch_site_count:/s/^\t\.long 0x\(.*\) - 0x80000000$/\1/p' "$2") ||
	{ echo "the list of branches ($2) is not that of $1"; bad=1; }
exit $bad
