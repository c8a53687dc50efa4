#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's Ironic and its Python packages, unpacked and not installed: DIR/root. Nothing of this system changes; its own Python runs
# them, so the packages are those of its suite.
#
# usage: fetch.sh DIR    It writes DIR/packages.txt last.
set -euo pipefail
out=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tools/machine/private_apt.sh
. "$(dirname "$0")/../../tools/machine/private_apt.sh"

suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
private_apt_open "$suite" amd64 || { cat "$work/log" >&2; echo "fetch.sh: there is no mirror of Debian" >&2; exit 1; }
mapfile -t packages < <(private_apt apt-get install -s --no-install-recommends ironic-api ironic-conductor python3-ironicclient 2>"$work/log" |
	sed -n 's/^Inst \(python3-[^ ]*\|ironic[^ ]*\) .*/\1/p')
[ ${#packages[@]} -gt 50 ] || { cat "$work/log" >&2; echo "fetch.sh: '$suite' has no Ironic" >&2; exit 1; }
(cd "$work/debs" && private_apt apt-get download "${packages[@]}") >"$work/log" 2>&1 || { tail -n 15 "$work/log" >&2; exit 1; }
rm -rf "$out/root"
mkdir -p "$out/root"
for deb in "$work"/debs/*.deb; do
	dpkg-deb -x "$deb" "$out/root"
done
(cd "$work/debs" && ls) >"$out/packages.txt"
echo "fetch.sh: Ironic and $((${#packages[@]} - 3)) Python packages"
