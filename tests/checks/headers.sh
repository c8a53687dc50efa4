#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, with gcc and clang; no preprocessor conditionals in .c files; files
# and functions stay small.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
flags="-std=c17 -Wall -Wextra -Wpedantic -Werror -ffreestanding -mgeneral-regs-only -Ihypervisor -fsyntax-only"
for h in $(git ls-files 'hypervisor/*.h'); do
	for cc in gcc clang; do
		# shellcheck disable=SC2086
		if ! echo "#include \"${h#hypervisor/}\"" | $cc $flags -x c - 2> /tmp/header.$$; then
			echo "$h does not compile alone ($cc):"
			head -5 /tmp/header.$$
			bad=1
		fi
	done
done
rm -f /tmp/header.$$
if git grep -nE '^#[ ]*(if|ifdef|ifndef|elif)\b' -- 'hypervisor/*.c' 'tools/*.c'; then
	echo "preprocessor conditionals in .c files, above"
	bad=1
fi
while read -r lines file; do
	if ((lines > 600)); then
		echo "$file has $lines lines; the limit is 600"
		bad=1
	fi
done < <(git ls-files '*.c' '*.h' '*.S' | xargs wc -l | grep -v ' total$')
exit $bad
