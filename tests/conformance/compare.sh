# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced: what payloads print, and how two of their outputs are compared. The caller sets NESTOR and TIMEOUT.

# Payload text only: without carriage returns and the emulator's banner.
clean() {
	tr -d '\r\000' | grep -a -v -E '^=+$|Bochs x86 Emulator|Built from|Timestamp: |^ *$|^Bochs internal debugger|^Switching to CPU|^Next at t=|^\([0-9]+\)\.?\[|^\([0-9]+\) \[' || true
}

# run_payload OUTPUT ARGS...: exit status of the tool in OUTPUT.status
run_payload() {
	local out=$1
	shift
	timeout -k 5 $((TIMEOUT + 10)) "$NESTOR" run --timeout "$TIMEOUT" "$@" \
		>"$out.raw" 2>"$out.err" </dev/null
	echo $? >"$out.status"
	clean <"$out.raw" >"$out"
}

cpus_of() { # NAME
	local n
	n=$(sed -n 's#^/\* cpus: \([0-9]*\) \*/$#\1#p' "tests/conformance/$1.c")
	echo "${n:-1}"
}

# bare_output OUTPUT ELF CMDLINE ARGS...: of the bare machine; that of an unchanged payload on the same machine is kept and used again.
bare_output() {
	local out=$1 elf=$2 line=$3 sum
	shift 3
	sum="$(sha256sum <"$elf") $(cat "$B"/machine/{layout,*.so} 2>/dev/null | sha256sum) $line $*"
	if [ ! -s "$out" ] || [ "$sum" != "$(cat "${out%.bare}.sum" 2>/dev/null)" ]; then
		rm -f "${out%.bare}.sum"
		run_payload "$out" --bare "$@" --cmdline "$line" --l1 "$elf"
		# What was cut off, by a time limit, say, is not the machine's word.
		[ -s "$out" ] && [ "$(cat "$out.status")" -lt 64 ] && echo "$sum" >"${out%.bare}.sum"
	fi
}

# What a payload could not try, by conf.h: "NAME: skipped, no WHAT".
skips() { # OUTPUT
	grep -a -E '^[^:]*(:[^:]+)*: skipped, no ' "$1"
}

# without SKIPPED < OUTPUT: the lines of OUTPUT that do not belong to a name of SKIPPED, lines of skips() (conf.h says which do).
without() {
	awk -v skipped="$1" '
		BEGIN {
			while ((getline line <skipped) > 0) {
				sub(/: skipped, no .*/, "", line)
				names[line]
			}
		}
		/^ / { if (!drop) print; next }
		{
			drop = $0 ~ /: skipped, no /
			for (name in names)
				if (index($0, name) == 1 && (length($0) == length(name) || index(":, ", substr($0, length(name) + 1, 1))))
					drop = 1
			if (!drop) print
		}'
}

# compared A B OUTPUT: diff of what both outputs could try, in OUTPUT.diff; lines that were compared and what was not tried, in OUTPUT.count
# and OUTPUT.skipped. A skip of A's machine may be none of B's, which can have more; one of B alone is a difference.
compared() {
	local a=$1 b=$2 out=$3
	skips "$a" | sort -u >"$out.skipped.a"
	skips "$b" | sort -u >"$out.skipped.b"
	sort -u "$out.skipped.a" >"$out.skipped"
	without "$out.skipped" <"$a" >"$out.tried.a"
	without "$out.skipped" <"$b" >"$out.tried.b"
	{
		comm -13 "$out.skipped.a" "$out.skipped.b" | sed 's/^/+/'
		diff -U0 "$out.tried.a" "$out.tried.b" | tail -n +3 | grep -a -v '^@@'
	} >"$out.diff"
	wc -l <"$out.tried.a" >"$out.count"
	rm "$out".skipped.[ab] "$out".tried.[ab]
}

# What was not tried, in words: "3 skipped (no ve, mbec)"
skipped_text() { # OUTPUT
	[ -s "$1.skipped" ] || return 0
	printf ', %d skipped (no %s)' "$(wc -l <"$1.skipped")" "$(sed 's/.*: skipped, no //' "$1.skipped" | sort -u | paste -s -d , | sed 's/,/, /g')"
}
