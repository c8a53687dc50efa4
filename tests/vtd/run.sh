#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# QEMU's VT-d unit as a judge of L0's driver, and of the unit of the emulated machine: the same payloads on both.
#
#   tests/vtd/run.sh [NAME...]      default: all rows of the matrix below
#
# A line of a payload that differs from what the specification says is a failure, unless deviations.txt has it, with the
# reason; each of those must be seen at least once in a full run by the QEMU that they were found with. What the driver
# means to ask a unit for is compared with QEMU's trace of what it was asked for.
#
# Environment: B (build folder), QEMU. Logs: $B/test/vtd. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
QEMU=${QEMU:-qemu-system-x86_64}
OVMF=/usr/share/ovmf/OVMF.fd
LOGS=$B/test/vtd
LIST=tests/vtd/deviations.txt
COPIER=(-device 'edu,addr=2.0,dma_mask=0xffffffffffffffff')
NVME=(-device 'pcie-root-port,id=port0,addr=4.0,chassis=1' -device 'nvme-subsys,id=sub'
	-device 'nvme,bus=port0,subsys=sub,serial=n,sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1,max_ioqpairs=4,msix_qsize=4')

# name | payload | firmware | options of the unit | command line
MATRIX='
rules                 | rules  | bios | aw-bits=48                    |
rules_39              | rules  | bios | aw-bits=39                    |
rules_caching         | rules  | bios | aw-bits=48,caching-mode=on    |
rules_extended        | rules  | bios | aw-bits=48,x-buggy-eim=on     |
rules_uefi            | rules  | uefi | aw-bits=48                    |
driver                | driver | bios | aw-bits=48                    | nvme
driver_39             | driver | bios | aw-bits=39                    | nvme levels=3
driver_of_3_levels    | driver | bios | aw-bits=48                    | levels=3
driver_caching        | driver | bios | aw-bits=48,caching-mode=on    | nvme
driver_39_caching     | driver | bios | aw-bits=39,caching-mode=on    | levels=3
driver_snooping       | driver | bios | aw-bits=48,snoop-control=on   | nvme
driver_no_pass        | driver | bios | aw-bits=48,pt=off             |
driver_extended       | driver | bios | aw-bits=48,x-buggy-eim=on     | nvme extended
driver_uefi           | driver | uefi | aw-bits=48                    | nvme
driver_uefi_caching   | driver | uefi | aw-bits=48,caching-mode=on,x-buggy-eim=on | nvme extended
'

has() { # DEVICE [PROPERTY]
	"$QEMU" -device "$1,help" 2>/dev/null | grep -q -E "^ *${2:-}"
}

# What the QEMU lacks is said, not passed over.
without() { # NAME WHAT
	echo "skipped vtd $1: this QEMU has no $2"
}

# A disk whose UEFI boot program has the payload in it.
uefi_disk() { # NAME PAYLOAD COMMAND-LINE
	local disk=$LOGS/$1.disk
	rm -rf "$disk"
	mkdir -p "$disk/EFI/BOOT"
	printf 'multiboot /payload.elf %s\nboot\n' "$3" >"$LOGS/$1.cfg"
	grub-mkstandalone -O x86_64-efi -o "$disk/EFI/BOOT/BOOTX64.EFI" --modules='multiboot normal' --install-modules='multiboot normal' \
		--locales= --fonts= --themes= "boot/grub/grub.cfg=$LOGS/$1.cfg" "payload.elf=$2" 2>>"$LOGS/$1.err"
}

boot() { # NAME PAYLOAD FIRMWARE UNIT COMMAND-LINE
	# Time goes by instructions, so that runs repeat, and at once where nobody has anything to do; firmware of UEFI waits much.
	local shift=0 start=(-kernel "$B/payload/vtd_$2.elf" -append "$5") nvme=()
	[[ " $5 " != *' nvme '* ]] || nvme=("${NVME[@]}")
	if [ "$3" = uefi ]; then
		shift=6
		uefi_disk "$1" "$B/payload/vtd_$2.elf" "$5" || return 1
		start=(-bios "$OVMF" -drive "file=fat:$LOGS/$1.disk,format=raw,readonly=on,if=none,id=disk" -device 'virtio-blk-pci,drive=disk,addr=5.0')
	fi
	timeout 120 "$QEMU" -machine q35,accel=tcg,kernel-irqchip=off -icount "shift=$shift,sleep=off" -m 128 -nodefaults -display none -no-reboot \
		-debugcon stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -device "intel-iommu,intremap=on,$4" "${start[@]}" \
		"${COPIER[@]}" "${nvme[@]}" -trace 'vtd_inv_desc_*' -D "$LOGS/$1.trace" </dev/null >"$LOGS/$1.log" 2>>"$LOGS/$1.err"
}

# The lines that differ are all in the list, and as many as the payload counted.
differing() { # NAME
	local line bad=0 count lines
	count=$(sed -n 's/^vtd_[a-z]*: \([0-9]*\) lines differ.*/\1/p' "$LOGS/$1.log")
	lines=$(grep -a -c -E ', NOT |: NOT, ' "$LOGS/$1.log")
	[ "$count" = "$lines" ] || { echo "$1: $lines lines have NOT, and the payload counted ${count:-nothing}"; bad=1; }
	while IFS= read -r line; do
		grep -q -F -x -e "$line" "$LIST" || { echo "$1: $line"; bad=1; }
	done < <(grep -a -E ', NOT |: NOT, ' "$LOGS/$1.log")
	return $bad
}

# What was meant is what QEMU was asked for, beside the waits that end each request. (It tells of a function's context
# twice: what the descriptor says, which counts, and which device that is.)
traced() { # NAME
	diff <(sed -n 's/^meant: //p' "$LOGS/$1.log") \
		<(sed -n 's/^vtd_inv_desc_[a-z_]* //p' "$LOGS/$1.trace" | grep -v -e '^wait ' -e '^context invalidate device ') >"$LOGS/$1.diff" ||
		{ echo "$1: the driver meant (<), and QEMU was asked for (>):"; head -n 10 "$LOGS/$1.diff"; return 1; }
}

run_one() { # NAME PAYLOAD FIRMWARE UNIT COMMAND-LINE
	local good=1
	: >"$LOGS/$1.err"
	boot "$@"
	if ! grep -a -q "^vtd_$2: [0-9]* lines differ" "$LOGS/$1.log"; then
		echo "$1: has no end:"
		tail -n 3 "$LOGS/$1.log" "$LOGS/$1.err"
		good=0
	fi
	differing "$1" || good=0
	[ "$2" = rules ] || traced "$1" || good=0
	[ $good = 1 ]
}

# Each known deviation was seen; only then is it still one.
all_seen() {
	local line bad=0
	while IFS= read -r line; do
		grep -a -q -F -x -e "$line" "$LOGS"/*.log || { echo "not seen any more: $line"; bad=1; }
	done < <(grep -v -E '^(#|$)' "$LIST")
	return $bad
}

passed=0
failed=0
count() { # STATUS NAME
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL vtd $2"
	fi
}

# A row that is asked for is there.
known() { # NAME...
	local name bad=0
	for name in "$@"; do
		grep -q -E "^$name +[|]" <<<"$MATRIX" || { echo "no row of the matrix: '$name'"; bad=1; }
	done
	return $bad
}

main() {
	local name payload firmware unit line version skipped=0
	command -v "$QEMU" >/dev/null || { without all 'program'; echo '0 passed, 1 failed'; exit 1; }
	if ! has intel-iommu caching-mode || ! has edu dma_mask; then
		without all 'intel-iommu, or no edu'
		echo '0 passed, 1 failed'
		exit 1
	fi
	known "$@" || { echo '0 passed, 1 failed'; exit 1; }
	mkdir -p "$LOGS"
	rm -rf "${LOGS:?}"/*
	while IFS='|' read -r name payload firmware unit line; do
		read -r name <<<"$name"
		[ -n "$name" ] || continue
		[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
		read -r payload firmware unit <<<"$payload $firmware $unit"
		read -r line <<<"$line"
		if [[ $unit == *,* ]] && ! has intel-iommu "$(sed 's/.*,//; s/=.*//' <<<"$unit")"; then
			without "$name" "$unit"
			skipped=1
			continue
		fi
		if [[ $line == *nvme* ]] && ! has nvme sriov_max_vfs; then
			without "$name" 'NVMe controller with virtual functions'
			skipped=1
			line=${line//nvme/}
		fi
		run_one "$name" "$payload" "$firmware" "$unit" "$line"
		count $? "$name"
	done <<<"$MATRIX"
	version=$("$QEMU" --version | sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p')
	if [ $# = 0 ] && [ $skipped = 0 ]; then
		if grep -q "^# found with QEMU $version$" "$LIST"; then
			all_seen
			count $? 'all deviations are seen'
		else
			all_seen
			echo "(by QEMU $version, which the list is not of)"
		fi
	fi
	without 'tables of 5 levels' 'second-level tables for more than 48 bits'
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}

main "$@"
