#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets programs with their libraries as Debian packages, for the matrix and the long tests.
#
#   guests/debian/fetch-programs.sh [-s SUITE] DIR PACKAGE...      -s: of another suite than the system's
#
# DIR/root holds their files, DIR/packages.txt what is in it. Nothing is installed, and the system's apt learns of no other suite.
# Does nothing when DIR/packages.txt is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
suite=
[ "$1" != -s ] || { suite=$2 && shift 2; }
dir=$1
shift
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# shellcheck source=tools/machine/private_apt.sh
. "$here/../../tools/machine/private_apt.sh"

die() {
	[ ! -e "$work/log" ] || tail -n 5 "$work/log" >&2
	echo "fetch-programs.sh: $*" >&2
	exit 1
}

of_suite() { # TOOL ARGS...
	if [ -n "$suite" ]; then
		private_apt "$@"
	else
		"$1" -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 "${@:2}"
	fi
}

mkdir -p "$work/debs"
[ -z "$suite" ] || private_apt_open "$suite" amd64 || die "apt does not get Debian's package lists for $suite"
mapfile -t libraries < <(of_suite apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
	--no-replaces --no-enhances "$@" | grep -E '^(lib|zlib)' | sort -u |
	grep -v -E '^lib(pam|semanage|sepol|debian-installer|newt|slang|textwrap|cap2-bin)|-perl$|-common$')
echo "fetch-programs.sh: $* ${suite:+of $suite }and ${#libraries[@]} libraries" >&2
(cd "$work/debs" && of_suite apt-get download "$@" "${libraries[@]}" >"$work/log" 2>&1) || die "the download failed"
rm -rf "$dir/root"
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$dir/root"
done
# As in an installed system of that suite.
for f in lib lib64 bin sbin; do
	[ -z "$suite" ] || [ -e "$dir/root/$f" ] || ln -sfn "usr/$f" "$dir/root/$f"
done
(cd "$work/debs" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
