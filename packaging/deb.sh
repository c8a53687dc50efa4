#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the Debian package of what is built, and has lintian judge it.
#
#   packaging/deb.sh BUILD-FOLDER VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
B=$(realpath "$1") version=$2 work=$(realpath "$1")/deb/nestor-$2
export TOP=$PWD B
for program in dpkg-buildpackage dh lintian; do
	command -v "$program" >/dev/null || { echo "deb: $program is missing: run make setup" >&2; exit 1; }
done
rm -rf "$work" && mkdir -p "$work"
cp -r packaging/debian "$work"
{
	printf 'nestor (%s) unstable; urgency=medium\n\n' "$version"
	printf '  * Release %s; CHANGELOG.md of the source tells what is new.\n\n' "$version"
	printf ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' packaging/debian/control)" "$(git log -1 --format=%cD 2>/dev/null || date -R)"
} >"$work/debian/changelog"
cd "$work"
env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc -rfakeroot >../build.log 2>&1 || { cat ../build.log >&2; exit 1; }
deb=$(realpath ../nestor_"$version"_amd64.deb)
lintian --allow-root --fail-on error,warning --display-info "$deb"
echo "$deb"
