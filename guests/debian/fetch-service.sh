#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets Debian's generic kernel, for a service VM: the one for clouds, which the other guests use, has few drivers.
#
#   guests/debian/fetch-service.sh [DIR]      default: build/debian-service
#
# DIR/root holds the package's files, DIR/vmlinuz the kernel, DIR/modules the folder of its modules, DIR/packages.txt
# what is in DIR/root. Nothing is installed. Does nothing when DIR/packages.txt is there.
set -eu
dir=${1:-build/debian-service}
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p;T;q')
[ -n "$kernel" ] || { echo "fetch-service.sh: apt offers no linux-image-amd64" >&2; exit 1; }
echo "fetch-service.sh: $kernel" >&2
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$kernel")
rm -rf "$dir/root"
for deb in "$work"/*.deb; do
	dpkg -x "$deb" "$dir/root"
done
version=${kernel#linux-image-}
cp "$dir/root/boot/vmlinuz-$version" "$dir/vmlinuz"
ln -sfn "root/lib/modules/$version" "$dir/modules"
# 300 MB that no service VM of ours loads.
rm -rf "$dir"/modules/kernel/{sound,drivers/gpu,drivers/media,drivers/infiniband,drivers/staging,drivers/net/wireless}
(cd "$work" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
