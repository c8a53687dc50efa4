#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A shell that computes and starts nothing: ROUNDS.
i=0 sum=0
while [ $i -lt "$1" ]; do
	i=$((i + 1))
	case $((i % 7)) in
	0) sum=$((sum + i)) ;;
	*) word=x$i && sum=$((sum + ${#word})) ;;
	esac
done
echo "$sum"
