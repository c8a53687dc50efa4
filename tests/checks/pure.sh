#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The pure modules (the archive given) need nothing but the seams and memory functions, and
# hold no privileged instruction and no writable data.
set -euo pipefail
archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
# What the compiler left for link-time optimisation is not what is meant here.
objcopy --remove-section='.gnu.lto_*' "$1" "$archive"
cd "$(dirname "$0")/../.."
bad=0

seam=$(grep -ohE '\b(seam|vtd_seam|dev|net|stream|load)_[a-z0-9_]+ ?\(' hypervisor/nested/seam.h hypervisor/net/seam.h hypervisor/stream/seam.h hypervisor/emul/seam.h hypervisor/dev/dev.h hypervisor/dev/vpass.h hypervisor/dev/vvtd.h hypervisor/virtio/seam.h hypervisor/load/load.h hypervisor/vtd/seam.h hypervisor/vtd/mirror.h | tr -d ' (' | sort -u)
defined=$(nm --defined-only "$archive" 2> /dev/null | awk 'NF == 3 { print $3 }' | sort -u)
undefined=$(nm -u "$archive" 2> /dev/null | awk 'NF == 2 { print $2 }' | sort -u)
for symbol in $(comm -23 <(echo "$undefined") <(echo "$defined")); do
	case $symbol in
	memcpy | memset | memmove | memcmp) continue ;;
	__x86_indirect_thunk_r* | __x86_return_thunk) continue ;; # the compiler's, for cpu/thunks.S
	esac
	if ! grep -qx "$symbol" <<< "$seam"; then
		echo "pure code needs $symbol, which is not in a seam"
		bad=1
	fi
done

data=$(nm "$archive" 2> /dev/null | awk '$2 ~ /^[dDbBC]$/ { print $3 }')
if [[ -n $data ]]; then
	echo "pure code has writable data: $data"
	bad=1
fi

opcodes='vm(read|write|xon|xoff|clear|ptrld|ptrst|launch|resume|call|func)|inv(ept|vpid|pcid|lpg)|(rd|wr)msr|in[bwl]?|out[bwl]?|hlt|cli|sti|[ls][gi]dt|[ls]ldt|[ls]tr|[ls]msw|clts|xsetbv|xrstors?(64)?|xsave(s|c|opt)?(64)?|swapgs|wbinvd|wbnoinvd|invd|rdtscp?|rdpmc|iretq?|sysret[lq]?|sysexit|monitor|mwait|pause'
if objdump -d "$archive" | awk -F'\t' 'NF >= 3 { print $3 }' | grep -E "^($opcodes)( |\$)|%cr[0-8]|%dr[0-7]"; then
	echo "pure code has the privileged instructions above"
	bad=1
fi
exit $bad
