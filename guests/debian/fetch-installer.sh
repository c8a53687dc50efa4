#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets Debian's installer as its package has it (netboot), and makes the part of Debian's archive that it needs to find a disk.
#
#   guests/debian/fetch-installer.sh [DIR]      default: build/debian-installer
#
# DIR/linux and DIR/initrd are the installer, the latter decompressed (that costs emulated time); DIR/web/debian is the archive: its release file with the signature and its
# index of the installer's packages, as they are, of the packages those of DIR/udebs.txt, one a line: the modules of this kernel
# that have drivers of disks, and what they need that the installer has not. Does nothing when DIR/udebs.txt is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-build/debian-installer}
suite=bookworm
[ -s "$dir/udebs.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.apt.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# shellcheck source=tools/machine/private_apt.sh
. "$here/../../tools/machine/private_apt.sh"

die() {
	[ ! -e "$work/log" ] || tail -n 5 "$work/log" >&2
	echo "fetch-installer.sh: $*" >&2
	exit 1
}

private_apt_open $suite amd64 main main/debian-installer || die "apt does not get Debian's package lists"
echo "fetch-installer.sh: debian-installer-12-netboot-amd64, and the archive that it uses" >&2
(cd "$work/debs" && private_apt apt-get download debian-installer-12-netboot-amd64 >"$work/log" 2>&1) || die "the download failed"
dpkg -x "$work"/debs/debian-installer-*.deb "$work/root"
image=$work/root/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64
cp "$image/linux" "$dir"
zcat "$image/initrd.gz" >"$dir/initrd"
rm -rf "$work/root" "$work"/debs/*

mkdir "$work/initrd"
(cd "$work/initrd" && cpio --quiet -id 'lib/modules/*/modules.order' var/lib/dpkg/status <"$dir/initrd")
kernel=$(basename "$work"/initrd/lib/modules/*)
private_apt apt-cache depends --recurse "scsi-modules-$kernel-di" | grep -E '^[a-z0-9]' | sort -u >"$work/needed"
sed -n 's/^Package: //p' "$work/initrd/var/lib/dpkg/status" | sort -u | comm -13 - "$work/needed" >"$work/udebs"
[ -s "$work/udebs" ] || die "the archive has no scsi-modules-$kernel-di"

archive=$dir/web/debian
rm -rf "$dir/web"
while read -r udeb; do
	file=$(private_apt apt-cache show "$udeb" | sed -n 's/^Filename: //p;T;q')
	mkdir -p "$archive/$(dirname "$file")"
	(cd "$work/debs" && private_apt apt-get download "$udeb" >"$work/log" 2>&1) || die "the archive has no $udeb"
	mv "$work"/debs/*.udeb "$archive/$file" # apt writes the epoch into the name
done <"$work/udebs"
mirror=$(debian_mirror)
for file in Release Release.gpg main/binary-amd64/Release main/debian-installer/binary-amd64/Packages.xz; do
	mkdir -p "$(dirname "$archive/dists/$suite/$file")"
	/usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "${mirror%/}/dists/$suite/$file" "$archive/dists/$suite/$file" >"$work/log" 2>&1 ||
		die "no $file"
done
mv "$work/udebs" "$dir/udebs.txt"
