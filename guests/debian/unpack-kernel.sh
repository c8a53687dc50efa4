#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks the kernel that a bzImage holds.
#
#   guests/debian/unpack-kernel.sh VMLINUZ VMLINUX
set -eu
vmlinuz=$1 vmlinux=$2

# Payload of a bzImage: Linux' Documentation/arch/x86/boot.rst, setup_sects, payload_offset, _length.
number() {
	od -An -v -t "u$2" -j "$1" -N "$2" "$vmlinuz" | tr -d ' '
}
start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
length=$(number 588 4)
magic=$(od -An -v -t x4 -j $start -N 4 "$vmlinuz" | tr -d ' ')
# All but gzip's are followed by the size of what they hold.
case $magic in
184c2102) unpack='lz4 -dcq' length=$((length - 4)) ;; # legacy LZ4
fd2fb528) unpack='zstd -dcq' length=$((length - 4)) ;;
*587a37fd) unpack='xz -dcq' length=$((length - 4)) ;;
*) unpack='gzip -dcq' ;;
esac
tail -c +$((start + 1)) "$vmlinuz" | head -c "$length" | $unpack >"$vmlinux"
