#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Executes the commands of docs/compute-nodes.md, with Ironic as fetch.sh has unpacked it.
#
# usage: guide.sh NESTOR IRONIC-DIR ISO WORK-FOLDER    WORK-FOLDER is made anew; it has the logs afterwards
set -euo pipefail
nestor=$(realpath "$1") root=$(realpath "$2")/root iso=$(realpath "$3") work=$4
guide=$(realpath "$(dirname "$0")/../../docs/compute-nodes.md")

rm -rf "$work"
mkdir -p "$work/bin" "$work/http"
cp "$iso" "$work/http/node.iso"
ln -s "$nestor" "$work/bin/nestor"
# shellcheck disable=SC2016
sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$guide" >"$work/commands.sh"
# Somebody else may have the guide's ports.
for port in 8410 8080 6385 8089; do
	free=$(/usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
	sed -i "s/\b$port\b/$free/g" "$work/commands.sh"
done
[ "$(wc -l <"$work/commands.sh")" -gt 50 ] || { echo "guide.sh: the guide has no commands"; exit 1; }
cd "$work"
export PATH=$work/bin:$root/usr/bin:$PATH PYTHONPATH=$root/usr/lib/python3/dist-packages

status=0
# In a group of its own, so that what it leaves running can be ended.
set -m
bash -euxo pipefail commands.sh >commands.txt 2>&1 &
group=$!
set +m
wait "$group" || status=$?
kill -- "-$group" 2>/dev/null || true
for ((i = 0; i < 50; i++)); do
	kill -0 -- "-$group" 2>/dev/null || break
	sleep 0.2
done
kill -9 -- "-$group" 2>/dev/null || true
cat commands.txt serve.txt
[ "$status" = 0 ] || { tail -n 40 ironic.log console.txt run.txt; echo "guide.sh: status $status"; }
exit "$status"
