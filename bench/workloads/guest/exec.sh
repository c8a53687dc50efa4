#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A shell that starts programs, alone and in pipes: ROUNDS.
i=0
while [ $i -lt "$1" ]; do
	i=$((i + 1))
	/bin/true
	name=$(/usr/bin/printf 'n%d\n' $i | /usr/bin/tr n m)
	/usr/bin/test "$name" = m$i || exit 1
done
