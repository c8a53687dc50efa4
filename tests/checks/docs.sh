#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Generated pages are as `make docs` makes them (the argument is the program that makes the page); links between
# pages lead somewhere, anchors to a heading; pages name files that exist, and messages as they are; one version everywhere.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
if ! "$program" | diff -u docs/sdm-coverage.md -; then
	echo "docs/sdm-coverage.md is not up to date: run \`make docs\`"
	exit 1
fi
bad=0

# [text](path#anchor), relative to the page
while IFS=: read -r page link; do
	if [[ ! -e $(dirname "$page")/$link ]]; then
		echo "$page: no such file: $link"
		bad=1
	fi
done < <(git ls-files '*.md' | xargs grep -oHE '\]\([^):# ]+' | sed 's/\](//')

# The anchors of a page's headings as GitHub makes them: lower case, punctuation gone, spaces to hyphens; the second
# of a name has -1 behind it.
anchors() {
	awk '/^ *```/ { code = !code } !code && /^#+ / { sub(/^#+ +/, ""); print }' "$1" |
		sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/.*/\L&/; s/[^a-z0-9_ -]//g; s/ /-/g' |
		awk '{ print seen[$0]++ ? $0 "-" (seen[$0] - 1) : $0 }'
}

# [text](page#anchor), [text](#anchor)
while IFS=: read -r page link; do
	file=${link%%#*} target=$page
	[[ -n $file ]] && target=$(dirname "$page")/$file
	[[ $target == *.md && -e $target ]] || continue
	if ! anchors "$target" | grep -qxF -e "${link#*#}"; then
		echo "$page: no such heading: $link"
		bad=1
	fi
done < <(git ls-files '*.md' | xargs grep -oHE '\]\([^): ]*#[^) ]+' | sed 's/\](//')

# `room/file.c` of the hypervisor, as the pages name them
while IFS=: read -r page file; do
	if [[ ! -e hypervisor/$file ]]; then
		echo "$page: no such file: hypervisor/$file"
		bad=1
	fi
done < <(git ls-files 'docs/*.md' | grep -v docs/decisions | xargs grep -oHE '`(boot|control|cpu|dev|emul|lib|load|mm|nested|policy|spec|vm|vmx)/[a-z0-9_]+\.(c|h|S|def)`' | tr -d '`' | sort -u)

# What docs/hardware.md quotes of the log is written there so; literals that follow each other are one.
texts=$(git ls-files 'hypervisor/*.c' 'hypervisor/*.def' | xargs cat | tr '\n' ' ' | sed -E 's/"[ \t]+"//g')
while IFS= read -r message; do
	if [[ $texts != *"$message"* ]]; then
		echo "docs/hardware.md: no such message: $message"
		bad=1
	fi
done < <(sed -n '/^## What the log says/,/^## Machine checks/s/^| \("[^|]*\) |.*/\1/p' docs/hardware.md | grep -oE '"[^"]+"' | tr -d '"')

version=$(sed -n 's/^VERSION *:= *//p' Makefile)
grep -q "\"nestor $version\"" tools/nestor/nestor.1 || { echo "nestor.1 is not of version $version"; bad=1; }
grep -q "^## $version" CHANGELOG.md || { echo "CHANGELOG.md says nothing of version $version"; bad=1; }
exit $bad
