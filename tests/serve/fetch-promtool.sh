#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets Debian's promtool, which judges figures for Prometheus, and nothing else of its package.
#
#   tests/serve/fetch-promtool.sh DIR
#
# Nothing is installed. Does nothing when DIR/promtool is there.
set -eu
dir=$1
[ -x "$dir/promtool" ] && exit 0
mkdir -p "$dir"
work=$(mktemp -d "$dir/.deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo 'fetch-promtool.sh: prometheus' >&2
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download prometheus)
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -xf - -C "$work" ./usr/bin/promtool
mv "$work/usr/bin/promtool" "$dir/promtool"
