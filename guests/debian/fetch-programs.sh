#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets programs with their libraries as Debian packages, for the long tests of disks and networks.
#
#   guests/debian/fetch-programs.sh DIR PACKAGE...
#
# DIR/root holds their files, DIR/packages.txt what is in it. Nothing is installed. Does nothing when DIR/packages.txt is there.
set -eu
dir=$1
shift
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

mapfile -t libraries < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
	--no-replaces --no-enhances "$@" | grep -E '^(lib|zlib)' | sort -u |
	grep -v -E '^lib(pam|semanage|sepol|debian-installer|newt|slang|textwrap|cap2-bin)|-perl$|-common$')
echo "fetch-programs.sh: $* and ${#libraries[@]} libraries" >&2
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$@" "${libraries[@]}")
rm -rf "$dir/root"
for deb in "$work"/*.deb; do
	dpkg -x "$deb" "$dir/root"
done
(cd "$work" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
