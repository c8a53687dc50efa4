#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets the kernel for clouds of another Debian suite: what mkinitramfs.sh makes of it has the programs that fetch.sh got.
#
#   guests/debian/fetch-kernel.sh DIR SUITE [PROGRAMS]      default of PROGRAMS, what fetch.sh made: build/debian
#
# DIR is as fetch.sh makes it: root (of PROGRAMS), vmlinuz, vmlinux, modules (not compressed, so that any insmod loads them),
# packages.txt with the kernel's package. Nothing is installed, and the system's apt learns of no other suite. Does nothing when
# DIR/packages.txt is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$1 suite=$2 programs=${3:-build/debian}
[ -s "$dir/packages.txt" ] && exit 0
[ -s "$programs/packages.txt" ] || { echo "fetch-kernel.sh: $programs has no packages.txt: fetch.sh makes that folder" >&2; exit 1; }
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.apt.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# shellcheck source=tools/machine/private_apt.sh
. "$here/../../tools/machine/private_apt.sh"

die() {
	[ ! -e "$work/log" ] || tail -n 5 "$work/log" >&2
	echo "fetch-kernel.sh: $*" >&2
	exit 1
}

private_apt_open "$suite" amd64 || die "apt does not get Debian's package lists for $suite"
kernel=$(private_apt apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p;T;q')
[ -n "$kernel" ] || die "$suite offers no linux-image-cloud-amd64"
# From some release on its files are another package's.
parts=$(private_apt apt-cache depends "$kernel" | sed -n 's/^ *Depends: \(linux-\(base\|binary\|modules\)-[0-9][^ ]*\)$/\1/p')
echo "fetch-kernel.sh: $kernel of $suite" >&2
# shellcheck disable=SC2086
(cd "$work/debs" && private_apt apt-get download "$kernel" $parts >"$work/log" 2>&1) || die "the download failed"
rm -rf "$dir/kernel"
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$dir/kernel"
done

version=${kernel#linux-image-}
for modules in "$dir"/kernel/{lib,usr/lib}/modules/"$version"; do
	[ ! -d "$modules" ] || ln -sfn "${modules#"$dir"/}" "$dir/modules"
done
[ -d "$dir/modules/kernel" ] || die "$kernel has no modules in it"
for vmlinuz in "$dir"/kernel/boot/vmlinuz-"$version" "$dir/modules/vmlinuz"; do
	[ ! -f "$vmlinuz" ] || cp "$vmlinuz" "$dir/vmlinuz"
done
[ -f "$dir/vmlinuz" ] || die "$kernel has no vmlinuz in it"
find "$dir/modules/kernel" -name '*.ko.xz' -exec xz -dq {} +
"$here/unpack-kernel.sh" "$dir/vmlinuz" "$dir/vmlinux"
ln -sfnr "$programs/root" "$dir/root"
(cd "$work/debs" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
