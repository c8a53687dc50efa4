#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gets VirtualBox as Debian packages, and builds its driver for the kernel that fetch.sh got.
#
#   guests/debian/fetch-vbox.sh DIR [KERNELS]      default of KERNELS, what fetch.sh made: build/debian
#
# DIR/root holds VirtualBox with the libraries it loads, of a newer suite than the kernel, DIR/vboxdrv.ko its driver, DIR/packages.txt
# what is in DIR/root. Nothing is installed, and the system's apt learns of no other suite. Does nothing when DIR/packages.txt is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$1 kernels=${2:-build/debian} suite=sid
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.apt.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# shellcheck source=tools/machine/private_apt.sh
. "$here/../../tools/machine/private_apt.sh"

die() {
	[ ! -e "$work/log" ] || tail -n 15 "$work/log" >&2
	echo "fetch-vbox.sh: $*" >&2
	exit 1
}

# The kernel's own version, and what is needed to build a module for it.
release=$(sed -nE 's/^linux-image-([^\t]*)\t.*/\1/p' "$kernels/packages.txt")
version=$(sed -nE 's/^linux-image-[^\t]*\t//p' "$kernels/packages.txt")
[ -n "$release" ] || die "$kernels/packages.txt names no kernel"
common=linux-headers-${release%-cloud-amd64}-common
echo "fetch-vbox.sh: the headers of $release $version" >&2
mkdir -p "$work/headers" "$work/kernel"
(cd "$work/headers" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "linux-headers-$release=$version" "$common=$version" \
	"linux-kbuild-${release%%.*}.$(echo "$release" | cut -d . -f 2)" >"$work/log" 2>&1) || die "apt has no headers of $release $version: make distclean gets a kernel that it has"
for deb in "$work"/headers/*.deb; do
	dpkg -x "$deb" "$work/kernel"
done

private_apt_open "$suite" amd64 main contrib || die "apt does not get Debian's package lists for $suite"
# Its own dependencies but for what builds its driver; what it does not load of these is left out later.
mapfile -t libraries < <(private_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
	--no-replaces --no-enhances virtualbox | grep -E '^(lib|zlib)' | sort -u |
	grep -v -E '^lib(archive|.*(san|perl|llvm|clang|gcc-[0-9]|stdc..-|python|binutils|mesa|magic|ctf|debconf|newt|slang)|pam|semanage|sepol)|-(dev|data|common|modules|bin|extra)')
[ "${#libraries[@]}" -gt 0 ] || die "apt does not tell what VirtualBox of $suite needs"
echo "fetch-vbox.sh: VirtualBox of $suite and ${#libraries[@]} libraries" >&2
(cd "$work/debs" && private_apt apt-get download virtualbox virtualbox-dkms "${libraries[@]}" >"$work/log" 2>&1) || die "the download failed"
rm -rf "$dir/root"
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$dir/root"
done


# As in an installed system of that suite.
for f in lib lib64; do
	ln -sfn "usr/$f" "$dir/root/$f"
done

# The headers' makefile names where an installed package has the rest.
headers=$work/kernel/usr/src/linux-headers-$release
sed -i "s,/usr/src/,$work/kernel&," "$headers/Makefile"
echo "fetch-vbox.sh: its driver" >&2
cp -r "$dir"/root/usr/src/virtualbox-* "$work/driver"
make -s -j2 -C "$headers" M="$work/driver/vboxdrv" KERN_DIR="$headers" modules >"$work/log" 2>&1 || die "the driver does not build"
mv "$work/driver/vboxdrv/vboxdrv.ko" "$dir/"
(cd "$work/debs" && for deb in *.deb; do dpkg-deb -W "$deb"; done) >"$dir/packages.txt"
