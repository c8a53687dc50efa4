#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A server of keys and values, and a client that measures it: REQUESTS.
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly no --daemonize no >server 2>&1 &
until [ -S socket ]; do
	/bin/true
done
redis-benchmark -s "$PWD/socket" -c 4 -t set,get,lpush -n "$1" -q || exit 1
kill $!
wait
