#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets Debian's 32-bit kernels, busybox and C library, and unpacks them.
#
#   guests/debian/fetch-i386.sh [DIR]      default: build/debian-i386
#
# DIR/root holds the packages' files (with the C library our KVM client is linked), DIR/vmlinuz-686 the
# kernel for 32-bit paging, DIR/vmlinuz the one for PAE paging, DIR/vmlinux that one unpacked, DIR/modules
# and DIR/modules-686 their modules, DIR/packages.txt what is in DIR/root. Nothing is installed, and the
# system's apt learns of no other architecture. Does nothing when DIR/packages.txt is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-build/debian-i386}
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.apt.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# shellcheck source=tools/machine/private_apt.sh
. "$here/../../tools/machine/private_apt.sh"

die() {
	[ ! -e "$work/log" ] || tail -n 5 "$work/log" >&2
	echo "fetch-i386.sh: $*" >&2
	exit 1
}

# The kernel that a metapackage stands for.
kernel() {
	private_apt apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p;T;q'
}

private_apt_open bookworm i386 || die "apt does not get Debian's package lists for i386"
k686=$(kernel linux-image-686)
pae=$(kernel linux-image-686-pae)
[ -n "$k686" ] || die "apt offers no linux-image-686"
[ -n "$pae" ] || die "apt offers no linux-image-686-pae"
echo "fetch-i386.sh: $k686, $pae, busybox and the C library" >&2
(cd "$work/debs" && private_apt apt-get download "$k686" "$pae" busybox-static libc6-dev linux-libc-dev \
	libgcc-12-dev >"$work/log" 2>&1) || die "the download failed"
rm -rf "$dir/root"
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$dir/root"
done
rm -rf "$dir"/root/lib/modules/*/kernel/{drivers,fs,net,sound} # 300 MB that no test loads

cp "$dir/root/boot/vmlinuz-${k686#linux-image-}" "$dir/vmlinuz-686"
cp "$dir/root/boot/vmlinuz-${pae#linux-image-}" "$dir/vmlinuz"
ln -sfn "root/lib/modules/${k686#linux-image-}" "$dir/modules-686"
ln -sfn "root/lib/modules/${pae#linux-image-}" "$dir/modules"
"$here/unpack-kernel.sh" "$dir/vmlinuz" "$dir/vmlinux"
(cd "$work/debs" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
