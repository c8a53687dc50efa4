#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Puts what the page of `nestor serve` has from npm's registry into a folder: xterm.js, xterm.css, xterm.txt (its licence).
#
#   tools/nestor/web/fetch.sh FOLDER [must]     must: without them it fails; else they are empty, and the page has no consoles
#
# Which versions, and their checksums: package-lock.json. What is there already is left alone.
set -euo pipefail
here=$(realpath "$(dirname "$0")") folder=$1 must=${2:-}
mkdir -p "$folder/npm"
folder=$(realpath "$folder")

without() # WHY
{
	if [ "$must" = must ]; then
		echo "web: $1" >&2
		exit 1
	fi
	echo "web: $1: the page of nestor serve has no consoles; \`make web\` tries again" >&2
	for file in xterm.js xterm.css xterm.txt; do : >"$folder/$file"; done
	exit 0
}

[ ! -s "$folder/xterm.js" ] || [ "$here/package-lock.json" -nt "$folder/xterm.js" ] || exit 0
command -v npm >/dev/null || without "npm is missing (make setup)"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$folder/npm"
(cd "$folder/npm" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 >../npm.log 2>&1) ||
	{ tail -n 5 "$folder/npm.log" >&2; without "npm could not fetch it"; }
package=$folder/npm/node_modules/@xterm/xterm
# Without its map, which is a file of its own.
grep -v '^//# sourceMappingURL=' "$package/lib/xterm.js" >"$folder/xterm.js.partial"
cp "$package/css/xterm.css" "$folder/xterm.css"
cp "$package/LICENSE" "$folder/xterm.txt"
mv "$folder/xterm.js.partial" "$folder/xterm.js"
