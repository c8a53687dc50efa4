#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fio at the disk: reads and writes of 4 KiB at random, several at once: REQUESTS DEPTH. Tells what they took without fio's own start, in which
# it measures the clock and waits for its processes.
fio --name=mix --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth="$2" --rw=randrw --bs=4k --io_size=$(($1 * 4))k \
	--norandommap --output-format=terse --terse-version=3 --output=result || exit 1
# Of the fields of version 3, 9 is the time of the reads in milliseconds, 50 that of the writes.
awk -F ';' '$5 != 0 { exit 1 } { print ($9 > $50 ? $9 : $50) * 1000000 }' result >took
