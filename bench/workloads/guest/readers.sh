#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four that read a disk at once, each a part of its own: READS of 4 KiB each.
readers=
for i in 0 1 2 3; do
	dd if=/dev/vda of=/dev/null iflag=direct bs=4k count="$1" skip=$((i * $1)) 2>>errors &
	readers="$readers $!"
done
for r in $readers; do
	wait "$r" || exit 1
done
