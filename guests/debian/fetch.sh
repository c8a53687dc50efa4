#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets the Debian packages of which the demo's guests are made, and unpacks them.
#
#   guests/debian/fetch.sh [DIR]      default: build/debian
#
# DIR/debs holds the packages, DIR/root their files, DIR/vmlinuz the kernel as packaged, DIR/vmlinux the
# kernel unpacked (for L2: decompression costs emulated time), DIR/modules the folder of its modules,
# DIR/packages.txt what is in DIR/root. Nothing is installed. Does nothing when DIR/packages.txt is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-build/debian}
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir/debs" "$dir/root"
dir=$(cd "$dir" && pwd)

depends() {
	apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$1" | grep -E '^[a-z0-9]' | sort -u
}

update() {
	echo "fetch.sh: reading the package lists" >&2
	if [ "$(id -u)" -eq 0 ]; then
		apt-get -qq update
	else
		sudo apt-get -qq update
	fi
}

# The kernel that the cloud metapackage stands for.
find_kernel() {
	apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-.*-cloud-amd64\)$/\1/p' | head -n 1
}

kernel=$(find_kernel)
if [ -z "$kernel" ]; then
	update
	kernel=$(find_kernel)
fi
if [ -z "$kernel" ]; then
	echo "fetch.sh: apt offers no linux-image-cloud-amd64" >&2
	exit 1
fi

# QEMU's shared libraries are those of its dependencies; what it does not load is left out later.
mapfile -t libraries < <(depends qemu-system-x86 | grep -E '^(lib|zlib)' |
	grep -v -E '^lib(gstreamer|pam|semanage|sepol|debian-installer|newt|slang|textwrap|cap2-bin)')

echo "fetch.sh: $kernel, QEMU and ${#libraries[@]} libraries" >&2
download() {
	(cd "$dir/debs" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download \
		"$kernel" busybox-static qemu-system-x86 qemu-system-data seabios nbdkit libselinux1 libpcre2-8-0 \
		"${libraries[@]}")
}

# Old package lists name packages that are gone.
download || { update && download; }
for deb in "$dir"/debs/*.deb; do
	dpkg -x "$deb" "$dir/root"
done

version=${kernel#linux-image-}
cp "$dir/root/boot/vmlinuz-$version" "$dir/vmlinuz"
ln -sfn "root/lib/modules/$version" "$dir/modules"

"$here/unpack-kernel.sh" "$dir/vmlinuz" "$dir/vmlinux"

(cd "$dir/debs" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
