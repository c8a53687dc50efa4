#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a CD that GRUB boots by a BIOS, with its console on the first serial port, for guests of hypervisors that know nothing of kernels.
#
#   guests/debian/make-iso.sh [-z] [-w] OUTPUT multiboot|linux IMAGE WORDS [INITRD]
#
# WORDS: the image's command line. -z: both files are compressed, for who copies the CD by pieces without zeros. -w: the first sector of a second
# disk, which has to be there, is read as a part of GRUB's configuration, which may set `words`, more of that command line.
set -eu
pack=(cat) gzio='' more=''
[ "$1" != -z ] || { pack=(gzip -9n) gzio=gzio && shift; }
[ "$1" != -w ] || { more=1 && shift; }
output=$1 way=$2 image=$3 words=$4 initrd=${5-}
[ "$way" = multiboot ] || [ "$way" = linux ] || { echo "make-iso.sh: the second word is multiboot or linux, not '$way'" >&2; exit 64; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/cd/boot/grub"
"${pack[@]}" <"$image" >"$work/cd/boot/image"
[ -z "$initrd" ] || "${pack[@]}" <"$initrd" >"$work/cd/boot/initrd"
cat >"$work/cd/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
${gzio:+insmod gzio}
echo "GRUB: loads the image"
${more:+source (hd1)0+1}
$way /boot/image $words ${more:+\$words}
${initrd:+initrd /boot/initrd}
boot
END
# No more of GRUB than that needs.
if ! grub-mkrescue -d /usr/lib/grub/i386-pc --install-modules="normal biosdisk iso9660 serial terminal echo boot $way $gzio ${more:+configfile}" \
	--fonts= --locales= --themes= -o "$output.new" "$work/cd" >"$work/log" 2>&1; then
	tail -n 5 "$work/log" >&2
	exit 1
fi
mv "$output.new" "$output"
