#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Edges between the modules of the hypervisor, by #include and by linked symbols, are those of edges.txt.
# Arguments: L0's object files, in a folder hv/.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=tests/checks/edges.txt
bad=0

# Lines FROM TO WHAT on standard input; WHAT is a header or a symbol.
judge() {
	awk -v table="$table" '
	function glob(s) { gsub(/[.]/, "\\.", s); gsub(/[*]/, ".*", s); return "^" s "$" }
	BEGIN {
		while ((getline line < table) > 0) {
			if (line ~ /^#/ || line == "")
				continue
			if (line ~ / > /) {
				split(line, part, /: |; /)
				split(part[1], ends, " > ")
				n = split(part[2], what, " ")
				for (i = 1; i <= n; i++)
					except[ends[1], ends[2], ++count[ends[1], ends[2]]] = glob(what[i])
				continue
			}
			n = split(line, word, /[: ]+/)
			for (i = 2; i <= n; i++)
				allowed[word[1], word[i]] = 1
		}
	}
	$1 != $2 && !(($1, $2) in allowed) {
		for (i = 1; i <= count[$1, $2]; i++)
			if ($3 ~ except[$1, $2, i])
				next
		printf "%s must not use %s of %s\n", $1, $3, $2
		bad = 1
	}
	END { exit bad }'
}

module_of() {
	sed -E 's,^[^ ]*hypervisor/([a-z]+)/[^ ]*,\1,; s,^[^ ]*hypervisor/main[^ ]*,main,'
}

# Headers of the compiler have no folder.
includes() {
	grep -rnoE '^[ \t]*#[ \t]*include[ \t]*("[^"]+|<[^>]+/[^>]+)' hypervisor --include='*.c' --include='*.h' --include='*.def' --include='*.S' |
		sed -E 's/^([^:]+):[0-9]+:[^"<]*["<](.*)$/\1 \2 \2/; s, ([a-z0-9_.]+)/[^ ]* , \1 ,; s, main[^ /]*[.]h , main ,' | module_of
}

symbols() {
	local o module
	for o in "$@"; do
		module=${o##*hv/}
		case $module in
		*/*) module=${module%%/*} ;;
		*) module=main ;;
		esac
		# What the compiler left for link-time optimisation is not what is meant here.
		# Nor are thunks, which it wants of everybody.
		objcopy --remove-section='.gnu.lto_*' "$o" "$tmp/o"
		nm "$tmp/o" | awk -v m="$module" 'NF == 2 && $1 == "U" && $2 !~ /^__x86_/ { print m, "U", $2 } NF == 3 && $2 ~ /[A-Z]/ { print m, "D", $3 }'
	done | sort -u | awk '$2 == "D" { home[$3] = $1; next } { need[++n] = $1 " " $3 }
		END { for (i = 1; i <= n; i++) { split(need[i], p, " "); if (p[2] in home) print p[1], home[p[2]], p[2] } }'
}

(($# > 0)) || {
	echo "edges.sh: no object files"
	exit 2
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
includes | judge || bad=1
symbols "$@" | judge || bad=1
exit $bad
