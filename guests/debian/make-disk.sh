#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a disk with a whole Debian that mmdebstrap installs, and GRUB for BIOS and for UEFI. For long tests; needs root.
#
#   guests/debian/make-disk.sh DIR
#
# DIR/disk.img: root's password is `nestor`, its console the first serial port; DIR/packages.txt: what is in it. mmdebstrap itself is
# not installed. Does nothing when DIR/packages.txt is there.
set -eu
dir=$1
suite=bookworm
# Of the kernel: as for other guests, so that the emulator has less to do; systemd waits longer for what is slow there.
words='console=ttyS0 tsc=reliable no_timer_check mitigations=off random.trust_cpu=on nowatchdog quiet systemd.default_timeout_start_sec=900'
[ -s "$dir/packages.txt" ] && exit 0
[ "$(id -u)" = 0 ] || { echo 'make-disk.sh: needs root, to install a system into a folder' >&2; exit 1; }
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.disk.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "make-disk.sh: Debian $suite by mmdebstrap" >&2
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download mmdebstrap)
dpkg -x "$work"/mmdebstrap_*.deb "$work/tool"
export PATH=$work/tool/usr/bin:$PATH:/usr/sbin:/sbin

# The initial RAM disk has the drivers of such a disk only.
# shellcheck disable=SC2016 # $1 is mmdebstrap's
if ! mmdebstrap --mode=root --variant=minbase --include=systemd-sysv,udev,kmod,login,passwd,initramfs-tools,linux-image-cloud-amd64 \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" && echo MODULES=list >"$1/etc/initramfs-tools/conf.d/disk"' \
	--setup-hook='printf "%s\n" virtio_pci virtio_blk ext4 >"$1/etc/initramfs-tools/modules"' \
	--customize-hook='echo root:nestor | chroot "$1" chpasswd && echo nestor >"$1/etc/hostname"' \
	--customize-hook='echo "LABEL=nestor / ext4 defaults 0 1" >"$1/etc/fstab"' \
	$suite "$work/root" >"$work/log" 2>&1; then
	tail -n 5 "$work/log" >&2
	exit 1
fi
dpkg-query --admindir="$work/root/var/lib/dpkg" -W >"$work/packages"
rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/*
mke2fs -q -t ext4 -L nestor -d "$work/root" "$work/ext4" "$(($(du -sm "$work/root" | cut -f 1) * 5 / 4 + 32))M"

# GRUB is in front, and loads kernel and initial RAM disk from there.
mkdir -p "$work/boot/boot/grub"
cat >"$work/boot/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=0
search --label nestor --set=root
menuentry debian {
	linux /vmlinuz root=LABEL=nestor $words
	initrd /initrd.img
}
END
if ! grub-mkrescue -o "$work/disk.img" "$work/boot" -- -append_partition 3 0x83 "$work/ext4" >"$work/log" 2>&1; then
	tail -n 5 "$work/log" >&2
	exit 1
fi
mv "$work/disk.img" "$dir/disk.img"
mv "$work/packages" "$dir/packages.txt"
