#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The bytes of hypervisor/load/bios.c are the instructions that its comments say. Each row that begins with
# a number is: bytes, then one instruction in a comment.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rows=$(grep -E '^	0x[0-9a-f]{2},' hypervisor/load/bios.c)
bytes=$(sed 's:/\*.*::; s/0x//g' <<< "$rows" | tr -d ' \t\n,')
{
	echo .code16
	sed -n 's:.*/\* \(.*\) \*/$:\1:p' <<< "$rows"
} > "$work/code.S"
as --32 -o "$work/code.o" "$work/code.S"
objcopy -O binary -j .text "$work/code.o" "$work/code.bin"
assembled=$(od -An -v -t x1 "$work/code.bin" | tr -d ' \n')
[[ $(wc -l <<< "$rows") -gt 20 && $bytes == "$assembled" ]] || {
	printf 'the table:     %s\nits comments:  %s\n' "$bytes" "$assembled"
	exit 1
}
