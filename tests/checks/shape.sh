#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a reader meets first: a licence line in every source file, functions of at most 60 lines, comments of at
# most 96 columns, which the formatter leaves alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0

for f in $(git ls-files '*.c' '*.h' '*.S' '*.def' '*.lds' '*.sh' '*.awk' '*.mk' Makefile .ci/run guests/debian/l1-init guests/debian/l2-init); do
	if ! head -n 2 "$f" | grep -q 'SPDX-License-Identifier: Apache-2\.0'; then
		echo "$f: no SPDX-License-Identifier in the first two lines"
		bad=1
	fi
done

for f in $(git ls-files '*.js' '*.css' '*.html' '*.py'); do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2\.0' || { echo "$f: no SPDX-License-Identifier in the first three lines"; bad=1; }
done
if git grep -n '"resolved"' -- '*package-lock.json'; then
	echo "a package-lock.json names a host: npm has omit-lockfile-registry-resolved (.npmrc)"
	bad=1
fi

# The formatter puts the braces of a function, and of nothing else, at the start of a line.
if ! git ls-files '*.c' '*.h' | xargs awk '
	/^\{/ { start = FNR }
	/^\}/ && start {
		if (FNR - start - 1 > 60) {
			printf "%s:%d: a function of %d lines; the limit is 60\n", FILENAME, start, FNR - start - 1
			bad = 1
		}
		start = 0
	}
	END { exit bad }'; then
	bad=1
fi

while IFS=: read -r file line; do
	echo "$file:$line: a comment of more than 96 columns"
	bad=1
done < <(git ls-files '*.c' '*.h' '*.S' '*.def' | while read -r f; do
	expand -t 8 "$f" | awk -v f="$f" 'length($0) > 96 && /^ *(\/?\*|[^"]*[^"]\/\*)/ { print f ":" FNR }'
done)

# What a merge leaves behind is no part of any file.
if git grep -n -E '^(<{7}|>{7})( |$)'; then
	echo "a conflict was not resolved"
	bad=1
fi
bash -n tools/nestor/nestor.bash || bad=1
exit $bad
