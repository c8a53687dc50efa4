#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Boot tests: Linux as L1 and L2, ways to end, boot images, bad input. Two at a time.
#
#   tests/boot/run.sh [NAME...]      default: all; names are the functions test_NAME below, and the long
#                                    ones long_NAME, which are not among all
#
# Environment: B (build folder), NESTOR (the tool), JOBS (default 2). Logs: $B/test/boot/NAME.log. A test
# passes when its function returns 0. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/runs.sh
. tests/runs.sh
JOBS=${JOBS:-2}
LOGS=$B/test/boot
mkdir -p "$LOGS"

power() { # STATUS COMMAND-LINE
	expect "$1" run --timeout 120 --memory 64M --l1 "$B/payload/power.elf" --cmdline "$2"
}

linux() { # STATUS KIND COMMAND-LINE ARGS...
	linux_of "$1" "$B/debian/vmlinuz" "$B/debian/$2.cpio" "${@:3}"
}

linux_of() { # STATUS KERNEL INITRD COMMAND-LINE ARGS...
	expect "$1" run --timeout 600 --verbose --summary --l1 "$2" --initrd "$3" \
		--cmdline "$LINUX $4 end=poweroff" "${@:5}"
}

linux_686() { # COMMAND-LINE ARGS...: a kernel for 32-bit paging
	linux_of 0 "$B/debian-i386/vmlinuz-686" "$B/debian-i386/probe-686.cpio" "$@" --memory 512M
}

linux_pae() { # COMMAND-LINE ARGS...
	linux_of 0 "$B/debian-i386/vmlinuz" "$B/debian-i386/client.cpio" "$@" --memory 512M
}

test_linux_as_l1() {
	linux 0 probe l2=probe &&
		shows 'L1: shell reached' 'proc/cpuinfo has vmx' 'kvm_intel ept = Y' \
			'kvm_intel eptad = Y' 'kvm_intel unrestricted_guest = Y' 'kvm_cpuid [0-9]' \
			'kvm_mmio [0-9]' 'reboot: Power down' &&
		shows_not 'WARNING|BUG|Call Trace|Firmware Bug|unexpected|Calibrating delay loop\.\.\.'
}

test_linux_as_l1_without_apic_virtualization() {
	linux 0 probe 'quiet l2=probe' --apicv off &&
		shows 'kvm_cpuid [0-9]' 'L1: done with status 0' && shows_not ' APIC_WRITE '
}

long_linux_as_l1_with_posted_interrupts() {
	expect 0 run --timeout 300 --summary --l1 "$B/debian/vmlinuz" --initrd "$B/debian/probe.cpio" --cmdline "$LINUX quiet l2=probe end=poweroff" \
		--cpus 2 --machine-cpus 2 --l0-option posted=on &&
		shows 'kvm_cpuid [0-9]' 'L1: done with status 0' ' APIC_WRITE '
}

devices() { # TRY COMMAND-LINE ARGS...
	local try=$1 line="$LINUX quiet try=$1 $2"
	shift 2
	expect 0 run --timeout 120 --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" \
		--cmdline "$line" "$@" && shows "${try##*,}: ok" && shows_not ': failed|cannot be loaded'
}

test_virtio_rng_by_messages() {
	devices rng '' && shows 'PCI-MSI.*virtio0-input' 'virtio_rng.0'
}

test_virtio_rng_by_a_pin_of_the_ioapic() {
	devices rng pci=nomsi && shows ' 23: .*IO-APIC +23-fasteoi +virtio0'
}

test_virtio_rng_by_a_line_of_the_pics() {
	devices rng 'pci=nomsi noapic' && shows ' 11: .*XT-PIC +virtio0'
}

# No TSC, no local APIC timer.
no_tsc='loglevel=7 tsc=unstable clocksource=hpet nolapic_timer'

test_linux_without_a_tsc_runs_by_its_hpet() {
	devices hpet "$no_tsc" && shows 'hpet0: 3 comparators, 64-bit 50.000000 MHz counter' 'Switched to clocksource hpet' \
		'hpet: the clock is hpet' && shows_not 'WARNING|BUG|Call Trace|ACPI (BIOS )?Error' &&
		devices hpet "$no_tsc noapic" && shows 'XT-PIC +timer' 'XT-PIC +rtc0' &&
		linux 0 client "quiet l2=client $no_tsc" && shows 'Switched to clocksource hpet' 'L2: done' 'L1: done with status 0' || return
	devices rng 'loglevel=7 tsc=unstable' --hpet off && shows 'Switched to clocksource acpi_pm' && shows_not 'hpet'
}

test_virtio_console() {
	devices console '' --virtio-console on && shows '^25 80' &&
		[ "$(grep -a -c '^hvc0 line 1[0-9]* of many, and then some more text$' "$out.text")" = 1000 ]
}

# In the slots of bridges, by the pin that all these ports share; by messages: test_a_disk_and_a_network_device_come_and_go.
test_virtio_disks_behind_root_ports() {
	local image=$out.image sum
	disk_image "$image"
	sum=$(sha256sum <"$image")
	devices "disk,image,write" "pci=nomsi sum=${sum%% *} sectors=1954 serial_wanted=root" --root-ports 8 \
		--disk "$image,name=root,root-port=1" --scratch 16M,root-port=8 && shows ' 21: .*IO-APIC +21-fasteoi +virtio1, virtio2'
}

test_seabios_boots_from_a_disk_behind_a_root_port() {
	expect 2 run --timeout 60 --l1-firmware seabios --memory 64M --root-ports 8 \
		--disk "$B/payload/disk.img,cow=64K,root-port=6" &&
		shows 'boot sector: runs' 'boot sector: reads' 'boot sector: writes' && shows_not 'WRONG'
}

disk_image() { # FILE: 1,954 sectors that are all different
	seq 100000000 100112000 | head -c 1000448 >"$1"
}

# Files with their checksums.
test_virtio_cdrom() {
	local d=$out.d sum
	rm -rf "$d" "$out.iso" && mkdir -p "$d/more" && seq 100000 >"$d/numbers" && cp "$B/payload/hello.elf" "$d/more" &&
		(cd "$d" && sha256sum numbers more/hello.elf >sums) && xorriso -as mkisofs -quiet -R -o "$out.iso" "$d" || return
	rm -rf "$d"
	sum=$(sha256sum <"$out.iso")
	devices cdrom "iso_sum=${sum%% *}" --cd "$out.iso" && shows '^NESTOR' '^CD-ROM' 'Can lock tray:[[:space:]]*1'
}

test_virtio_disks() {
	local image=$out.image sum
	disk_image "$image"
	sum=$(sha256sum <"$image")
	devices disk,image,write,ext4,discard,full,readonly \
		"sum=${sum%% *} sectors=1954 serial_wanted=root" --disk "$image,name=root" \
		--scratch 16M --scratch 4M,cow=1M --disk "$image,readonly=on" &&
		shows 'disk .disk2. has used up the 1024 KiB' '^ext4: ok' '^full: ok' &&
		[ "$(sha256sum <"$image")" = "$sum" ]
}

test_virtio_disks_with_two_cpus_by_pins() {
	disk_image "$out.image"
	devices disk,write,ext4 "pci=nomsi sectors=1954 serial_wanted=disk0" --cpus 2 \
		--machine-cpus 2 --disk "$out.image" --scratch 16M
}

test_virtio_disk_image_of_two_vms() {
	local image=$PWD/$out.image sum vm
	disk_image "$image"
	sum=$(sha256sum <"$image")
	{
		printf 'timeout: 200\nmachine:\n  cpus: 2\nvms:\n'
		for vm in a b; do
			printf '  - name: %s\n    kernel: %s\n    initrd: %s\n    cmdline: %s\n' "$vm" \
				"$PWD/$B/debian/vmlinuz" "$PWD/$B/debian/devices.cpio" \
				"$LINUX quiet try=image,write,write sum=${sum%% *}"
			printf '    disks:\n      - image: %s\n        cow: 128K\n' "$image"
		done
	} >"$out.yaml"
	expect 0 run "$out.yaml" && [ "$(grep -a -c 'image: ok' "$out.text")" = 2 ] &&
		[ "$(grep -a -c 'write: ok' "$out.text")" = 4 ] && shows_not ': failed'
}

# disk_served STORAGE-CMDLINE USER-CMDLINE USER-KEYS: one VM serves a disk of the other. Of the environment, if they are there: STORAGE, the
# initramfs of the first, and UNTIL, what ends a good run.
disk_served() {
	{
		printf 'timeout: 600\nmachine: {cpus: 2}\nvms:\n'
		printf '  - {name: storage, kernel: %s, initrd: %s, memory: 256M, vsock: on, restart: on-reset,\n' \
			"$PWD/$B/debian/vmlinuz" "$PWD/${STORAGE:-$B/debian/storage.cpio}"
		printf '     cmdline: "%s", disks: [{scratch: 17M}, {scratch: 4K}]}\n' "$LINUX quiet $1"
		printf '  - {name: user, kernel: %s, initrd: %s, memory: 128M, cmdline: "%s",\n' \
			"$PWD/$B/debian/vmlinuz" "$PWD/$B/debian/devices.cpio" "$LINUX quiet $2"
		printf '     disks: [{name: data, nbd: storage, size: 16M}]%s}\n' "$3"
	} >"$out.yaml"
	until_it_shows "user\| (.*served: failed|.*panic)|${UNTIL:-^user\\| \\[.*reboot: Power down}" run "$out.yaml"
}

# The VM that serves the disk is reset while the other one writes: all that was acknowledged is there.
test_virtio_disk_served_by_a_vm_that_is_reset() {
	disk_served 'crashes=1 after=1' 'try=served rounds=6' '' && shows 'served: ok' "the VM 'storage' ended .reset. and is started again" \
		"its disk 'data' waits for its server: the server has closed" && shows_not 'nbdkit ended|I/O error'
}

long_virtio_disk_served_by_a_vm_that_is_reset_again_and_again() {
	disk_served 'crashes=4 after=2' 'try=served,ext4_served rounds=24' '' && shows ' served: ok' 'ext4_served: ok' &&
		shows_not 'nbdkit ended|I/O error'
}

# Debian's other servers behind socat. What one VM wrote is in the qcow2 image that the other one keeps on its disk.
long_virtio_disk_served_by_nbd_server_that_is_reset() {
	STORAGE=$B/debian-nbd/nbd.cpio disk_served 'server=nbd-server crashes=1 after=1' 'try=served,ext4_served rounds=6' '' &&
		shows ' served: ok' 'ext4_served: ok' "the VM 'storage' ended .reset. and is started again" && shows_not 'ended with status|I/O error'
}

long_virtio_disk_served_by_qemu_nbd_from_qcow2() {
	local sum
	STORAGE=$B/debian-nbd/nbd.cpio UNTIL='^storage\| storage: holds' \
		disk_served 'server=qemu-nbd size=16M crashes=1 after=1' 'try=served,ext4_served,sum_served rounds=6' '' || return
	sum=$(sed -n 's/^user| served: \([0-9a-f]\{64\}\)$/\1/p' "$out.text")
	[ -n "$sum" ] && shows ' served: ok' 'ext4_served: ok' 'No errors were found on the image' "^storage\| storage: holds $sum" &&
		shows_not 'ended with status|I/O error'
}

# The machine's own disk: a VM of stock programs owns it, by pass-through, and serves it to another one.
machine_disk_served() { # SERVER-WORDS
	{
		printf 'timeout: 900\nmachine: {kind: bochs, cpus: 2, disk: %s}\nvms:\n' "$PWD/$out.disk"
		printf '  - {name: storage, kernel: %s, initrd: %s, memory: 256M, vsock: on, devices: [pci:00:01.1], iommu: none,\n' \
			"$PWD/$B/debian/vmlinuz" "$PWD/$B/debian-nbd/nbd.cpio"
		printf '     cmdline: "%s"}\n' "$LINUX quiet disk=sda $1"
		printf '  - {name: user, kernel: %s, initrd: %s, memory: 128M, cmdline: "%s",\n' \
			"$PWD/$B/debian/vmlinuz" "$PWD/$B/debian/devices.cpio" "$LINUX quiet try=served,ext4_served,sum_served rounds=6"
		printf '     disks: [{name: data, nbd: storage, size: 16M}]}\n'
	} >"$out.yaml"
	truncate -s 0 "$out.disk" && truncate -s "$2" "$out.disk" &&
		until_it_shows "user\| (.*served: failed|.*panic)|$3" run "$out.yaml" &&
		shows ' served: ok' 'ext4_served: ok' && shows_not 'ended with status|I/O error' || return
	sum=$(sed -n 's/^user| served: \([0-9a-f]\{64\}\)$/\1/p' "$out.text")
	[ -n "$sum" ]
}

long_the_machines_own_disk_is_served_by_nbd_server() {
	local sum
	machine_disk_served server=nbd-server 16M '^user\| \[.*reboot: Power down' && [ "$(sha256sum <"$out.disk")" = "$sum  -" ]
}

long_the_machines_own_disk_is_served_by_qemu_nbd_as_qcow2() {
	local sum
	machine_disk_served 'server=qemu-nbd size=16M' 17M '^storage\| storage: holds' && shows "^storage\| storage: holds $sum"
}

# A disk of 8 GiB that is not loaded. Killed at once after it was told that all is on the disk, the run has lost nothing; the next one finds
# it, and what that one writes is gone. What the file has no room for is an I/O error.
host_disk() { # CHANGES TRY FAR
	local line="$LINUX quiet try=$2 far=$3"
	run=(run --timeout 240 --memory 128M --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" --cmdline "$line" --disk "$out.img,name=big$1")
}

test_virtio_disk_of_a_file_that_is_not_loaded() {
	local run pid sum at
	rm -f "$out.img" && truncate -s 8G "$out.img" && head -c 1M "$B/debian/root/bin/busybox" >"$out.want" || return 1
	host_disk ,changes=keep far write
	"$NESTOR" "${run[@]}" </dev/null >"$out" 2>&1 &
	pid=$!
	seen 'far: flushed at 8191 MiB'
	kill -9 $pid
	wait $pid 2>/dev/null
	for at in 0 4096 8191; do
		cmp <(dd if="$out.img" bs=1M skip=$at count=1 2>/dev/null) "$out.want" || return 1
	done
	[ "$(du -m "$out.img" | cut -f 1)" -le 8 ] || { echo 'not sparse'; return 1; }
	sum=$(stat -c '%Y %b' "$out.img")
	host_disk '' far,over read
	expect 0 "${run[@]}" && shows 'far: ok' 'over: ok' && [ "$(stat -c '%Y %b' "$out.img")" = "$sum" ] || return 1
	host_disk ,changes=keep far write
	expect 66 "${run[@]}" --l1 "$B/debian/vmlinuz" --disk "$out.img" && one_line && shows "used twice, and its changes are kept" || return 1
	expect 66 "${run[@]}" --module "$out.img" && one_line && shows "used twice, and its changes are kept" || return 1
	expect 66 "${run[@]}" --machine qemu && shows 'needs the emulated machine' || return 1
	flock -s "$out.img" "$NESTOR" "${run[@]}" >"$out" 2>&1
	text
	one_line && shows 'is the disk of another run' || return 1
	(trap '' XFSZ && ulimit -f $((4 << 20)) && expect 0 "${run[@]}") && shows 'far: flushed at 0 MiB' 'far: error at 4096 MiB' 'far: failed' &&
		[ "$(grep -c "could not be written at byte 4294967296: the file may not grow (27)" "$out.text")" = 1 ]
}

# A file system on 20 GiB, which is whole in the next run.
long_ext4_on_a_large_file_is_there_in_the_next_run() {
	local run=(run --timeout 900 --memory 256M --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" --scratch 4K
		--disk "$out.img,changes=keep")
	rm -f "$out.img" && truncate -s 20G "$out.img" || return 1
	expect 0 "${run[@]}" --cmdline "$LINUX quiet try=ext4" && shows 'ext4: ok' &&
		expect 0 "${run[@]}" --cmdline "$LINUX quiet try=fsck" && shows 'fsck: ok' 'fsck: sums are right' && shows_not 'I/O error'
}

# Its boot sector waits until there is a server, and finds after a reset what it wrote before.
test_seabios_boots_from_a_disk_that_another_vm_serves() {
	cat >"$out.yaml" <<-END
		timeout: 240
		machine: {cpus: 2}
		vms:
		  - {name: storage, kernel: $PWD/$B/debian/vmlinuz, initrd: $PWD/$B/debian/storage.cpio, memory: 256M, vsock: on, background: on,
		     cmdline: $LINUX quiet, disks: [{image: $PWD/$B/payload/disk.img, cow: 64K}]}
		  - {name: user, firmware: seabios, memory: 64M, restart: on-reset, restart-limit: 1, disks: [{name: data, nbd: storage, size: 1M}]}
	END
	expect 0 run "$out.yaml" && shows 'user\| boot sector: runs' 'user\| boot sector: reads' 'user\| boot sector: writes' \
		"the VM 'user' ended .reset. and is started again" 'user\| boot sector: was written before' && shows_not 'WRONG|nbdkit ended'
}

test_virtio_disk_for_l2_by_qemu_of_l1() {
	local sum
	disk_image "$out.image"
	sum=$(sha256sum <"$out.image")
	linux 0 qemu 'quiet l2=qemu l2disk=1' --memory 768M --disk "$out.image" &&
		shows "L2: vda: ${sum%% *}" 'L2: block written' "L1: L2's block is there" 'L1: done with status 0'
}

# L1 has its card of the switch on a bridge with its L2, which gets an address of its own, and a file from outside the machine.
long_virtio_net_for_l2_by_qemu_of_l1() {
	local port=$((20000 + RANDOM % 20000)) sum pid
	mkdir -p "$out.web" && head -c 300000 /dev/urandom >"$out.web/file" || return 1
	sum=$(sha256sum <"$out.web/file")
	"$B/debian/root/bin/busybox" httpd -f -p "127.0.0.1:$port" -h "$out.web" &
	pid=$!
	linux 0 qemu "quiet l2=qemu l2net=1 url=http://10.0.2.2:$port/file" --memory 768M --net user,spoof=on
	kill "$pid"
	shows 'eth0 has 10.0.2.[0-9]+/24, router 10.0.2.2' '3 packets received' "L2: got ${sum%% *}" 'L1: done with status 0'
}

# The machine has less memory than its two VMs together: the second one waits until the first one, which runs on, has given back what
# it does not use any more.
test_memory_moves_from_one_vm_to_another() {
	local vm="kernel: $PWD/$B/debian/vmlinuz, initrd: $PWD/$B/debian/devices.cpio, memory: 256M, reserve: 80M, balloon: on"
	{
		printf 'timeout: 240\nlog: info\nmachine: {memory: 446M}\nvms:\n'
		printf '  - {name: first, %s, background: on, cmdline: "%s"}\n' "$vm" \
			"$LINUX quiet try=memory after=0 fill=48 hold=14 rest=900"
		printf '  - {name: second, %s, cmdline: "%s"}\n' "$vm" "$LINUX quiet try=memory after=5 fill=48 hold=1 rest=0"
	} >"$out.yaml"
	expect 0 run --summary "$out.yaml" && says first 'memory: read and freed' && says second 'memory: ok' &&
		shows "'second' waits for memory" && shows_not 'memory: failed|Out of memory'
}

# The tool counts as L0 does: so much as it wants is enough.
test_a_reserve_holds_the_images_of_its_vm() {
	local run=(run --timeout 120 --l1 "$B/payload/power.elf" --cmdline exit=3 --module "$out.module" --memory 64M --reserve)
	head -c 20000000 /dev/zero >"$out.module"
	expect 66 "${run[@]}" 44M && one_line && shows "need a 'reserve' of 46M, with 24M for L0's own accesses" &&
		expect 7 "${run[@]}" 46M
}

long_virtio_rng_with_posted_interrupts() {
	devices rng '' --cpus 2 --machine-cpus 2 --l0-option posted=on
}

# net_vms MACHINE-LINE VM...: Debian VMs on networks lan and wan, and their run. VM: NAME NET COMMAND-LINE. Of the environment, if they
# are there: INITRD, MEMORY and CPUS of the VMs, LIMIT of the run in seconds.
net_vms() {
	local here=$PWD name nets try machine=$1 file=$out.yaml initrd=${INITRD:-$B/debian/devices.cpio}
	printf 'timeout: %d\nnetworks: [lan, wan]\n%s\nvms:\n' "${LIMIT:-240}" "$machine" >"$file"
	shift
	while read -r name nets try; do
		printf '  - {name: %s, kernel: %s, initrd: %s, memory: %s, cpus: %d, net: "%s", cmdline: "%s quiet role=%s %s"}\n' "$name" \
			"$here/$B/debian/vmlinuz" "$here/$initrd" "${MEMORY:-192M}" "${CPUS:-1}" "$nets" "$LINUX" "$name" "$try"
	done < <(printf '%s\n' "$@") >>"$file"
	expect 0 run "$file" --summary
}

says() { # VM TEXT...
	local vm=$1 t
	shift
	for t; do grep -a -q -E -e "^$vm\| .*$t" "$out.text" || { echo "$vm does not say: $t"; return 1; }; done
}

# The other address of the first two.
A='addr=10.0.0.1 peer=10.0.0.2'
B_='addr=10.0.0.2 peer=10.0.0.1'

test_two_vms_talk_by_virtio_net() {
	net_vms 'machine: {cpus: 2}' "a lan try=ping,transfer $A" "b lan try=ping,transfer $B_" &&
		says a 'ping: ok' 'transfer: ok' && says b 'ping: ok' 'transfer: ok' && shows 'net0_received_bytes +2[0-9]{6}$' \
			'net0_sent_large +[1-9]'
}

# Two VMs of one vCPU each on one CPU, which look for frames all the time: who waits for the other spins until his turn is over.
test_a_vcpu_that_spins_gives_way_to_another_vm() {
	local role file=$out.yaml
	printf 'machine: {cpus: 1}\nnetworks: [lan]\ntimeout: 60\nvms:\n' >"$file"
	for role in send receive; do
		printf '  - {name: %s, kernel: %s, memory: 64M, net: "lan,mac=52:00:00:00:00:0%d", cmdline: "%s size=1514 count=40 window=1"}\n' \
			$role "$PWD/$B/payload/net.elf" $((${#role} / 3)) $role
	done >>"$file"
	expect 1 run "$file" --summary && says send 'net: done' 'net: [0-9]{5} ticks a frame' && says receive 'net: done' && shows ' PAUSE +[1-9]'
}

# SR-IOV by the kernel's own drivers; addresses follow from the device's.
test_virtual_functions_of_a_network_device_come_talk_and_go() {
	devices vfs addr=10.0.0.1 --root-ports 1 --net lan,root-port=1,vfs=5,mac=52:4e:00:00:00:07 --stats "$out.stats" &&
		shows 'vfs: up to 5' 'vfs: 0 is 0000:01:00.1 0x1af4 0x1041 52:4f:00:00:00:07' \
			'vfs: 1 is 0000:01:00.2 0x1af4 0x1041 52:50:00:00:00:07' '^flr' '^5$' && grep -q -E 'net0vf1_received_frames=[1-9]' "$out.stats" &&
		shows_not 'virtio.*(fail|error)|WARNING|BUG|Call Trace|not enough MMIO|failed'
}

# Each has a pair of queues for each of its two vCPUs.
test_two_vms_of_two_cpus_talk_on_two_pairs_of_queues() {
	CPUS=2 net_vms 'machine: {cpus: 2}' "a lan try=queues $A" "b lan try=queues $B_" && says a 'queues: ok' && says b 'queues: ok'
}

# managed ARGS...: a run in the background that listens at $at, with its VMs; over says how it ended.
managed() {
	at=$PWD/$out.at
	rm -f "$at"
	: >"$out"
	echo "\$ nestor run $* --manage"
	"$NESTOR" run "$@" --manage "$at" --timeout "${LIMIT:-120}" </dev/null >"$out" 2>&1 &
	pid=$!
}

said() { # PATTERN: the run has said it, within 180 s
	local i
	for ((i = 0; i < 900; i++)); do
		text
		grep -a -q -E -e "$1" "$out.text" && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	echo "not said: $1"
	cat "$out.text"
	kill "$pid" 2>/dev/null
	return 1
}

said_twice() { # PATTERN: the run has said it two times, within 180 s
	local i
	for ((i = 0; i < 900; i++)); do
		text
		[ "$(grep -a -c -E -e "$1" "$out.text")" -lt 2 ] || return 0
		sleep 0.2
	done
	echo "not said twice: $1"
	kill "$pid" 2>/dev/null
	return 1
}

ask() { # STATUS VERB...: its output is in $out.answer
	local want=$1 got
	shift
	echo "\$ nestor $*"
	NESTOR_AT=$at "$NESTOR" "$@" >"$out.answer" 2>&1
	got=$?
	cat "$out.answer"
	[ "$got" = "$want" ] || { echo "status $got, expected $want"; kill "$pid" 2>/dev/null; return 1; }
}

answered() { # PATTERN...
	local p
	for p; do grep -q -E -e "$p" "$out.answer" || { echo "missing in the answer: $p"; kill "$pid" 2>/dev/null; return 1; }; done
}

ask_until() { # PATTERN VERB...: asks until the answer has it, for 120 s, or what PATIENCE says
	local i pattern=$1
	shift
	for ((i = 0; i < ${PATIENCE:-120} * 5; i++)); do
		ask 0 "$@" >/dev/null || return 1
		grep -q -E -e "$pattern" "$out.answer" && return
		sleep 0.2
	done
	cat "$out.answer"
	answered "$pattern"
}

over() { # STATUS
	local got
	wait "$pid"
	got=$?
	text
	cat "$out.text"
	[ "$got" = "$1" ] || { echo "status $got, expected $1"; return 1; }
}

managed_vms() { # COMMAND-LINE...: VMs a, b, ...
	local name=a line
	printf 'machine: {cpus: 2%s}\nvms:\n' "${PLACES:+, vms: $PLACES}"
	for line; do
		printf '  - {name: %s, kernel: %s, memory: 16M, cmdline: "%s"}\n' "$name" "$PWD/$B/payload/managed.elf" "$line"
		name=$(tr a-y b-z <<<"$name")
	done
}

# Memory of L2 while it runs, stands still, and goes on; its registers and L1's; what L1 has in its VMCS.
test_a_run_shows_its_levels_and_its_memory_and_takes_changes() {
	local at pid counter flag first
	managed_vms l2 '' >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter' && said '^b\| managed: counter' || return 1
	counter=$(sed -n 's/^a| managed: counter=\(0x[0-9a-f]*\).*/\1/p' "$out.text")
	flag=$(sed -n 's/^a| managed: .*flag=\(0x[0-9a-f]*\).*/\1/p' "$out.text")
	ask 0 ps && answered '^a +running +1 ' '^b +running ' && ask 0 pause a && ask 0 ps && answered '^a +paused' || return 1
	ask 0 mem a "$counter" 8 && first=$(cat "$out.answer") && sleep 1 && ask 0 mem a "$counter" 8 &&
		[ "$(cat "$out.answer")" = "$first" ] && ask 0 mem a "$counter" 8 --level 1 &&
		[ "$(cat "$out.answer")" = "$first" ] && ask 0 mem a "$counter" 8 --physical && [ "$(cat "$out.answer")" = "$first" ] || return 1
	ask 0 regs a && answered '^level=2 current=1' '^rip +0x1[0-9a-f]{5}$' '^rax ' '^cs +selector=0x' '^cr4 +0x[0-9a-f]*20$' &&
		ask 0 regs a --level 1 && answered '^level=1 current=0' '^rip ' '^cr4 +0x[0-9a-f]*20$' &&
		ask 0 regs b && answered '^level=1 current=1' && ask 72 regs b --level 2 && answered 'the vCPU is not in L2' &&
		ask 0 vmcs a --level 2 && answered '^HOST_RIP .* 0x1[0-9a-f]{5}$' '^GUEST_RIP ' && ask 0 vmcs a --json &&
		answered '"field": "HOST_CR3"' && ask 72 vmcs b --level 2 && ask 0 stat a && answered '^nested_entries +1$' || return 1
	ask 74 bundle "$out.none/x.tar.gz" && answered "bundle .*none/x.tar.gz: the folder '.*none/': No such file" || return 1
	rm -f "$out.12:30.tar.gz" && (export NESTOR_AT && NESTOR_AT=$(realpath "$at") && tool=$(realpath "$NESTOR") && cd "${out%/*}" &&
		"$tool" bundle "${out##*/}.12:30.tar.gz") && [ -s "$out.12:30.tar.gz" ] || return 1
	ask 0 bundle "$out.tar.gz" && rm -rf "$out.d" && mkdir -p "$out.d" && tar -xzf "$out.tar.gz" -C "$out.d" --strip-components 1 &&
		grep -q '^register=rip ' "$out.d/a/vcpu0.regs" && grep -q '^field=HOST_RIP ' "$out.d/a/vcpu0.vmcs12" && grep -q '^level=2 data=' "$out.d/a/vcpu0.code" &&
		grep -q '^wrong-state: ' "$out.d/b/vcpu0.vmcs12" && ask 0 ps && answered '^a +paused' '^b +running' || return 1
	ask 0 top --count 1 && answered '^a +paused +0 .* 0 +0 +0 *$' '^b +running +0 +[0-9.]+ +(9[0-9]|100)\.' && ask 64 top --count 0 || return 1
	ask 0 resume a && ask 72 resume a && ask 0 mem a "$counter" 8 && [ "$(cat "$out.answer")" != "$first" ] || return 1
	ask 0 poke a "$flag" 2a && said 'managed: exit 18' && said '^a\| managed: flag 2a' && ask 0 ps && answered '^a +(off|ending)' || return 1
	ask 0 mem b 0x100000 4096 && [ "$(wc -l <"$out.answer")" = 256 ] && ask 66 mem b 0x70000000 16 --physical &&
		ask 66 pause c && ask 66 regs b --vcpu 1 && ask 64 mem b 0x1000 && ask 64 poke b 0 xyz && ask 72 pause a &&
		ask 0 quit && over 0
}

# gdb_session NAME WHERE LEVEL COMMAND...: stock GDB at a VM of the run with the payload $elf (managed), and its output is in $out.gdb.
gdb_session() {
	local vm=$1 where=$2 level=$3 stub command
	local -a args=()
	shift 3
	for command; do args+=(-ex "$command"); done
	[ -n "${GDB_FILE-}" ] || objcopy -I elf32-i386 -O elf64-x86-64 "$B/payload/${elf:-managed}.elf" "$out.elf" || return 1 # a header as GDB wants it for 64-bit code
	: >"$out.stub" # what an earlier one said is not looked at
	NESTOR_AT=$at timeout "${GDB_LIMIT:-240}" "$NESTOR" gdb "$vm" ${level:+--level "$level"} --listen "$where" >"$out.stub" 2>&1 &
	stub=$!
	echo "$stub" >"$out.stub.pid"
	for ((i = 0; i < 600; i++)); do grep -q 'target remote' "$out.stub" && break; sleep 0.1; done
	timeout "${GDB_LIMIT:-180}" gdb -nx -batch -ex 'set confirm off' -ex 'set remotetimeout 30' -ex "$(sed -n 's/^gdb: //p' "$out.stub")" "${args[@]}" \
		"${GDB_FILE:-$out.elf}" >"$out.gdb" 2>&1
	wait "$stub"
	i=$?
	[ "$i" = "${STUB_STATUS:-0}" ] || { echo "nestor gdb: status $i"; cat "$out.stub" "$out.gdb"; kill "$pid"; return 1; }
	cat "$out.gdb"
}

gdb_shows() { # PATTERN...
	local p
	for p; do grep -q -E -e "$p" "$out.gdb" || { echo "GDB does not show: $p"; kill "$pid" 2>/dev/null; return 1; }; done
}

# Of a running L2, and L1 around it: registers, code, memory by symbol, Ctrl-C.
test_gdb_looks_at_both_levels_and_leaves_the_vm_as_it_was() {
	local at pid i stub
	managed_vms l2 '' >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter' && said '^b\| managed: counter' || return 1
	gdb_session a "unix:$out.gdb.at" l2 'info threads' 'printf "there=%d\n", $rip >= (long)counts && $rip < (long)counts + 32' \
		'x/3i counts' 'set $first = *(long *)&counter' 'printf "still=%d\n", $first == *(long *)&counter' 'printf "paging=%d\n", $cr0 >> 31 & 1' \
		'monitor exits' 'monitor vmcs' 'x/1xb counts' detach || return 1
	gdb_shows 'vCPU 0, in L2' 'there=1' 'inc.*counter' 'still=1' 'paging=1' 'figure=nested_entries value=1$' 'field=HOST_RIP' \
		'<counts>:.*0x48' && ask 0 ps && answered '^a +running' || return 1
	gdb_session a "unix:$out.gdb.at" l1 'printf "l1=%d\n", $rip != 0' 'info registers rax' 'monitor regs' && gdb_shows 'l1=1' 'rax +<unavailable>' 'level=1 current=0' || return 1
	gdb_session b "unix:$out.gdb.at" l2 'info threads' 'info registers rip rax' 'x/1xb 0x100000' && gdb_shows 'vCPU 0, in L1' 'rip +0x0' 'rax +<unavailable>' 'Cannot access memory' || return 1
	gdb_session b 127.0.0.1:21234 l1 'set $first = *(long *)&counter' 'python import threading, os, signal; threading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()' \
		continue 'printf "grown=%d\n", *(long *)&counter > $first' 'set var *(long *)&flag = 0x2a' continue &&
		gdb_shows 'SIGINT' 'grown=1' 'exited normally' && said '^b\| managed: flag 2a' || return 1
	# A GDB that is killed, a stub that is ended, and a VM that stood still before.
	gdb_session a "unix:$out.gdb.at" l2 'shell NESTOR_AT='"$at $NESTOR"' ps' 'python import os; os.kill(os.getpid(), 9)' && gdb_shows '^a +paused' &&
		ask 0 ps && answered '^a +running' || return 1
	gdb_session a "unix:$out.gdb.at" l2 "shell pkill -P \$(cat $out.stub.pid); sleep 2; NESTOR_AT=$at $NESTOR ps" && gdb_shows '^a +running' || return 1
	STUB_STATUS=137 gdb_session a "unix:$out.gdb.at" l2 'break *$rip' continue "shell pkill -9 -P \$(cat $out.stub.pid); sleep 2" && gdb_shows 'Breakpoint 1, ' &&
		ask_until '^a +running' ps && sleep 1 && ask 0 ps && answered '^a +running' || return 1
	ask 0 pause a && gdb_session a "unix:$out.gdb.at" l2 detach && ask 0 ps && answered '^a +paused' && ask 0 resume a || return 1
	ask 64 gdb a --level l3 && ask 64 gdb a --listen 0.0.0.0:1 && ask 66 gdb c && ask 66 gdb a:1 && ask 0 ps && answered '^a +running' '^b +off' && ask 0 quit && over 0
}

# What the payload says at its end: exactly what it says without a debugger.
debugged_end() { # NAME [OTHERS]
	said "^$1"'\| debugged: exit 18, 5 turns, sum 1500, watched 35, traps 5 and 5, others '"${2:-0}$"
}

# Breakpoints at symbols of both levels, watchpoints where the guest has its own, steps into and out of L2, registers that are changed, two vCPUs; and nothing is
# left: of a GDB that is killed, in the next life of a VM, in what the guest sees.
test_gdb_breaks_steps_and_watches_in_both_levels() {
	local at pid i stub elf=debugged k=$PWD/$B/payload/debugged.elf
	printf 'machine: {cpus: 2}\nvms:\n' >"$out.yaml"
	for i in 'a, cmdline: ""' 'b, cmdline: ""' 'c, cmdline: "turns=1"' 'd, cpus: 2, cmdline: "two"' 'e, cmdline: ""'; do printf '  - {kernel: %s, memory: 16M, name: %s}\n' "$k" "$i" >>"$out.yaml"; done
	managed "$out.yaml"
	for i in a b c d e; do said "^$i"'\| debugged: begins' || return 1; done
	gdb_session a "unix:$out.gdb.at" l2 'monitor ept 0x100000' 'monitor only' 'set var flag = 1' 'break l2_turn' continue 'monitor stops' 'print $rdi' bt stepi stepi continue 'print $rdi' 'break *&l2_asks' continue delete stepi \
		'printf "asked=%d rax=%d\n", $rip - (long)&l2_asks, $rax' 'watch watched' continue 'awatch own' continue continue delete continue || return 1
	gdb_shows 'table=ept12 step=2 .* is=page rights=rwx' 'table=ept02 step=2 .* is=page' 'table=ept01' '^vcpu=0 level=2 why=execute' 'Breakpoint 1, l2_turn \(turn=turn@entry=1\)' '^\$1 = 1$' 'in in_l2 \(\)' 'turn=turn@entry=2' '^\$2 = 2$' 'asked=2 rax=200' \
		'Hardware watchpoint 3: watched' 'Old value = 14' 'New value = 21' 'watchpoint 4: own' 'New value = 3$' 'exited normally' && debugged_end a || return 1
	# A GDB that dies at a breakpoint that is met all the time, and a life that ends with one.
	gdb_session b "unix:$out.gdb.at" l2 'break *$rip' continue 'python import os; os.kill(os.getpid(), 9)'; ask 0 ps && answered '^b +running' || return 1
	gdb_session b "unix:$out.gdb.at" '' 'break l2_turn' 'break payload_main' "shell (sleep 2; NESTOR_AT=$at $NESTOR reset b) >$out.reset 2>&1 &" continue && gdb_shows 'exited normally' || return 1
	for ((i = 0; i < 600; i++)); do NESTOR_AT=$at "$NESTOR" stat b 2>&1 | grep -q -E '^nested_entries +1$' && break; sleep 0.2; done
	gdb_session b "unix:$out.gdb.at" l1 'set var *(long *)&flag = 1' 'break l1_exit' continue 'info threads' 'print seen' bt finish continue 'watch own' continue delete 'awatch *(int *)0xfec00000' continue detach || return 1
	gdb_shows 'Breakpoint 1, l1_exit' 'vCPU 0, in L1' '^\$1 = 0$' 'in payload_main' 'New value = 4098' 'Value = -1' && debugged_end b || return 1
	gdb_session c "unix:$out.gdb.at" '' 'set var flag = 1' 'break l2_turn' continue 'set $rdi = 9' 'set $rip = 0x8000000000000000' 'break *&l2_asks' continue delete stepi \
		'info threads' 'printf "exit=%d\n", $rip == (long)&l2_exited' stepi 'printf "on=%d\n", $rip > (long)&l2_exited' detach || return 1
	gdb_shows 'in L1' 'exit=1' 'on=1' 'Could not write register' && said '^c\| debugged: exit 18, 1 turns, sum 100, watched 63, traps 1 and 1' || return 1
	gdb_session d "unix:$out.gdb.at" '' 'set var flag = 1' 'break other_turn' continue stepi 'info threads' delete 'break l1_exit' 'break l2_turn' continue continue delete continue || return 1
	gdb_shows 'Thread 2 hit Breakpoint 1, other_turn' '\* 2 .*vCPU 1, in L1' 'Thread 1 hit Breakpoint 3' 'Thread 1 hit Breakpoint 2' && debugged_end d 5 || return 1
	# More than registers, of which both levels have one enabled, in pages that are executed all the time.
	gdb_session e "unix:$out.gdb.at" '' 'set var flag = 1' 'break l2_turn' 'break *&l2_asks' 'break l1_exit' 'break other_turn' 'break *((long)&l2_turn + 1)' 'break *((long)&l1_exit + 1)' 'break payload_main' \
		'python for i in range(12): gdb.execute("continue")' 'watch own' continue delete continue || return 1
	[ "$(grep -c '^Breakpoint [123], ' "$out.gdb")" = 12 ] && gdb_shows 'watchpoint 8: own' 'exited normally' && debugged_end e && ask 0 quit && over 0
}

# Python for GDB. places(...): breakpoints in payload points, by levels; met(N): where so many stops were, in order, and by whom.
points_python='def names(level): return ["l%d_%s" % (level, n) for n in ["p0", "p1", "p2", "p3", "p4", "p5", "cross", "p6", "p7", "p8", "p9", "p10", "p11"]]
def places(*levels): [gdb.execute("break *(long)&" + n, to_string=True) for l in levels for n in names(l)]
def stop(): gdb.execute("continue", to_string=True); return gdb.execute("info symbol $rip", to_string=True).split()[0]
def met(*want): got = [stop() for n in want]; print("order=%d" % (got == list(want)) + ("" if got == list(want) else " " + " ".join(got)))
def counted(n):
  got = {}
  for i in range(n):
    key = (stop(), gdb.selected_thread().num)
    got[key] = got.get(key, 0) + 1
  print("counted=%d each=%s" % (len(got), sorted(set(got.values()))))'

# More breakpoints than there are debug registers: at both levels, more in a page than registers have room for, in an instruction that reaches into the next page. Neither
# L1 nor L2 sees them in its code, which both read and change; two vCPUs meet them in the same pages; L2 without EPT; a VM that is reset, or left by its GDB, goes on.
test_gdb_breaks_at_many_places_in_both_levels() {
	local at pid i stub elf=points k=$PWD/$B/payload/points.elf
	printf 'machine: {cpus: 2}\nvms:\n' >"$out.yaml"
	for i in 'a, cmdline: "turns=3"' 'b, cpus: 2, cmdline: "two"' 'c, cpus: 8, cmdline: "no_ept"' 'd, cmdline: ""'; do printf '  - {kernel: %s, memory: 16M, name: %s}\n' "$k" "$i" >>"$out.yaml"; done
	LIMIT=240 managed "$out.yaml"
	for i in a b c d; do said "^$i"'\| points: begins' || return 1; done
	gdb_session a "unix:$out.gdb.at" '' "python $points_python" 'set breakpoint always-inserted on' 'set var flag = 1' 'python places(1, 2)' 'python met(*names(2), *names(1))' 'monitor stops' 'delete 1-6 14-19' \
		'python met(*names(2)[6:], *names(1)[6:])' 'watch taken[0]' continue 'python met(*names(2)[6:])' delete continue || return 1
	[ "$(grep -c '^order=1$' "$out.gdb")" = 3 ] && [ "$(grep -c '^break=.* kind=soft size=1 level=0 only=0 missing=0' "$out.gdb")" = 26 ] && gdb_shows 'Hardware watchpoint 27' 'New value = 2' 'exited normally' &&
		said '^a\| points: exit 18, turns 3, 3, 0$' || { kill "$pid" 2>/dev/null; return 1; }
	gdb_session b "unix:$out.gdb.at" l1 "python $points_python" 'set var flag = 1' 'python places(1)' 'python counted(52)' delete continue || return 1
	gdb_shows 'counted=26 each=\[2\]' && said '^b\| points: exit 18, turns 2, 2, 2$' || { kill "$pid" 2>/dev/null; return 1; }
	gdb_session c "unix:$out.gdb.at" l2 "python for i in range(257): gdb.execute('break *%d' % (0x700000 + i), to_string=True)" continue 'set breakpoint always-inserted on' 'delete 257' 'monitor stops' delete detach || return 1
	gdb_shows 'Cannot insert breakpoint 257\.$' '^break=259 at=0x7000ff kind=soft' || { kill "$pid" 2>/dev/null; return 1; }
	gdb_session c "unix:$out.gdb.at" '' "python $points_python" 'set var flag = 1' 'python places(1, 2)' 'python met(*names(2), *names(1))' 'python met(*names(2), *names(1))' detach || return 1
	[ "$(grep -c '^order=1$' "$out.gdb")" = 2 ] && said '^c\| points: exit 18, turns 2, 2, 0$' || { kill "$pid" 2>/dev/null; return 1; }
	gdb_session d "unix:$out.gdb.at" '' "python $points_python" 'python places(1, 2)' "shell (sleep 2; NESTOR_AT=$at $NESTOR reset d) >$out.reset 2>&1 &" continue && gdb_shows 'exited normally' || return 1
	for ((i = 0; i < 600; i++)); do NESTOR_AT=$at "$NESTOR" stat d 2>&1 | grep -q -E '^nested_entries +1$' && break; sleep 0.2; done
	gdb_session d "unix:$out.gdb.at" l2 "python $points_python" 'set var flag = 1' 'python places(2)' 'python met(*names(2)[:9])' 'python import os; os.kill(os.getpid(), 9)'
	gdb_shows '^order=1$' && said '^d\| points: exit 18, turns 2, 2, 0$' && ask 0 quit && over 0
}

# 250 vCPUs would take 67 MiB of a pool that has traces of all of them to hold, too: what is refused harms nobody.
test_breakpoints_leave_the_pool_what_the_vm_needs() {
	local at pid k=$PWD/$B/payload/points.elf
	printf 'machine: {cpus: 1}\nvms:\n  - {name: a, cpus: 250, memory: 16M, kernel: %s, cmdline: "turns=100000000"}\n' "$k" >"$out.yaml"
	LIMIT=120 managed "$out.yaml"
	said 'points: begins' || return 1
	{
		printf 'break id=1 vm=a at=0x900000 kind=soft level=2\nbreak id=2 vm=a at=0x900000 kind=execute level=2\ntrace id=3 vm=a on=1\n'
		sleep 5
	} | timeout 60 "$NESTOR" dial --at "$at" >"$out.told"
	cat "$out.told"
	grep -q 'id=1 status=wrong-state .*kind=soft need 270 KiB' "$out.told" && grep -q 'answer id=2 .*status=ok' "$out.told" && grep -q 'answer id=3 .*status=ok' "$out.told" &&
		ask 0 quit && over 0
}

# Many breakpoints, which come and go, in an L1 whose other vCPU executes INVEPT all the time: both go on.
test_breakpoints_come_and_go_beside_a_vcpu_that_invalidates() {
	local at pid k=$PWD/$B/payload/points.elf n before after flag
	flag=$(nm "$k" | awk '$3 == "flag" { print $1 }')
	printf 'machine: {cpus: 2}\nvms:\n  - {name: a, cpus: 2, memory: 16M, kernel: %s, cmdline: "two invalidates turns=100000000"}\n' "$k" >"$out.yaml"
	LIMIT=120 managed "$out.yaml"
	said 'points: begins' && ask 0 poke a "0x$flag" 01 || return 1
	for n in $(seq 20); do
		echo "break id=$n vm=a at=$((0x900000 + n * 4096)) kind=soft level=2"
	done >"$out.ask"
	for n in $(seq 40); do
		printf '%s vm=a at=0xa00000 kind=soft level=2\n' "break id=$((20 + n))" "unbreak id=$((60 + n))"
	done >>"$out.ask"
	: >"$out.told"
	{ # dial ends with its input
		cat "$out.ask"
		for n in $(seq 300); do [ "$(grep -c ^answer "$out.told")" -lt 100 ] || break; sleep 0.2; done
	} | timeout 80 "$NESTOR" dial --at "$at" >"$out.told"
	[ "$(grep -c 'answer .*status=ok' "$out.told")" = 100 ] || { tail -3 "$out.told"; kill "$pid"; return 1; }
	before=$(NESTOR_AT=$at "$NESTOR" stat a | sed -n 's/^nested_entries *//p') && sleep 3 && after=$(NESTOR_AT=$at "$NESTOR" stat a | sed -n 's/^nested_entries *//p')
	echo "nested entries: $before, then $after"
	[ "$after" -gt "$before" ] && ask 0 quit && over 0
}

# Of both levels, read and written; what MOV would refuse is an error.
test_gdb_shows_and_changes_vectors_and_control_registers() {
	local at pid i elf=vectors k=$PWD/$B/payload/vectors.elf
	local -a looks=('p $xmm1.v2_int64' 'p/x $xmm1.uint128' 'p $ymm2.v4_int64' 'p $st0' 'p $st1' 'p/x $ftag' 'p/x $fctrl' 'p/x $mxcsr' 'set $xmm1.v2_int64[0] = 77' 'set $ymm2.v4_int64[3] = 99' 'set $st0 = 2.5' 'set $mxcsr = 0x1f80' 'p $xmm1.v2_int64[0]')
	printf 'machine: {cpus: 2}\nvms:\n' >"$out.yaml"
	for i in 'a, cmdline: ""' 'b, cmdline: "l2"'; do printf '  - {kernel: %s, memory: 16M, name: %s}\n' "$k" "$i" >>"$out.yaml"; done
	managed "$out.yaml"
	said '^a\| vectors: begins' && said '^b\| vectors: begins' && ask_until '^nested_entries +1$' stat b || return 1
	gdb_session a "unix:$out.gdb.at" l1 "${looks[@]}" 'p/x $cr4 & 0x40600' 'p $cr8' 'set $cr8 = 9' 'p $cr8' 'p $cr8 = 16' 'p $cr4 = 1L << 40' 'p $cr4 = 0' 'p $cr3 = -1L' 'set $cr3 = $cr3' 'set $cr0 = $cr0 | 4' 'p/x $cr0 & 4' 'set $cr0 = $cr0 & ~4L' 'p $mxcsr = 0x10000' \
		'p twice(21)' 'p $xmm1.v2_int64[0]' 'set var flag = 1' detach || return 1
	gdb_shows '^\$1 = \{1229801703532086340, 6148933456521300104\}' '^\$2 = 0x55556666777788881111222233334444' '^\$3 = \{1, 2, 3, 4\}' '^\$4 = 3\.14159265358979' '^\$5 = 1$' '^\$6 = 0xfff$' '^\$7 = 0x37f$' '^\$8 = 0x1f80$' '^\$9 = 77$' \
		'^\$10 = 0x40600$' '^\$11 = 0$' '^\$12 = 9$' '^\$13 = 0x4$' '^\$14 = 42$' '^\$15 = 77$' && [ "$(grep -c 'Could not write register' "$out.gdb")" = 5 ] || { kill "$pid"; return 1; }
	said '^a\| vectors: 4d 5555666677778888, 1 63, 4004000000000000$' || return 1
	gdb_session b "unix:$out.gdb.at" l2 "${looks[@]}" 'p $cr8' 'p $cr4 = 0' 'p twice(21)' 'set var flag = 1' detach || return 1
	gdb_shows '^\$1 = \{1229801703532086340, 6148933456521300104\}' '^\$3 = \{1, 2, 3, 4\}' '^\$4 = 3\.14159265358979' '^\$9 = 77$' '^\$10 = <unavailable>' 'Could not write register' '= 42$' && said '^b\| vectors: 4d 5555666677778888, 1 63, 4004000000000000$' &&
		ask 0 quit && over 0
}

# linux_symbols: what the run has told of its kernel's symbols, as a file for GDB (docs/gdb.md).
linux_symbols() {
	{
		echo '.section .kernel, "ax", @nobits'
		echo 'base: .skip 0x2000000'
		tr -d '\r' <"$out.text" | awk '$1 == "L1:" && $2 == "symbol" {
			printf ".globl %s\n.type %s, @%s\n.set %s, base + 0x%s - 0xffffffff81000000\n", $3, $3, $4 ~ /[tTwW]/ ? "function" : "object", $3, $5 }'
	} >"$out.S" && as -o "$out.o" "$out.S" && ld --section-start=.kernel=0xffffffff81000000 -e 0 -o "$out.symbols" "$out.o"
}

# The stock kernel as L1 with its KVM and QEMU, and as L2: breakpoints at functions, a watchpoint, steps in L2; L1's KVM at its exit handler; and both say what they say without.
long_gdb_debugs_linux_as_l2_and_kvm_in_l1() {
	local at pid LIMIT=900 GDB_LIMIT=300 GDB_FILE
	managed --l1 "$B/debian/vmlinuz" --initrd "$B/debian/qemu.cpio" --memory 768M --ips 200000000 \
		--cmdline "$LINUX quiet l2=qemu end=poweroff symbols=run_init_process|__x64_sys_reboot|jiffies_64|vmx_handle_exit"
	said 'starting L2 with Debian' || return 1
	linux_symbols || return 1
	GDB_FILE=$out.symbols
	gdb_session l1 "unix:$out.gdb.at" l2 'break run_init_process' continue 'info symbol $rip' 'printf "path=%s\n", (char *)$rdi' 'info threads' 'watch *(long *)&jiffies_64' continue 'delete' stepi stepi 'printf "cr3=%d\n", $cr3 != 0' detach || return 1
	gdb_shows 'Breakpoint 1, ' 'run_init_process in section' 'path=/init' 'in L2' 'Hardware watchpoint 2' 'Old value = [0-9]+' 'New value = [0-9]+' 'cr3=1' || return 1
	gdb_session l1 "unix:$out.gdb.at" l1 'break *(long)&vmx_handle_exit' continue 'printf "there=%d\n", $rip == (long)&vmx_handle_exit' 'info threads' 'x/1gx $rsp' stepi delete detach || return 1
	gdb_shows 'there=1' 'in L1' '0xffff[0-9a-f]+:' || return 1
	gdb_session l1 "unix:$out.gdb.at" l2 'break __x64_sys_reboot' continue 'info symbol $rip' delete detach || return 1
	gdb_shows '__x64_sys_reboot in section' || return 1
	said 'L1: done with status 0' || return 1
	shows 'L2: user space reached' 'L2: done' && shows_not 'WARNING|BUG|Call Trace' && ask 0 quit && over 0
}

# The ends of VMs and their beginnings, the button and NMIs; what happens is told.
# Debian's driver inflates and deflates; what is in the balloon is not the VM's any more.
test_a_vm_gives_memory_up_when_it_is_asked_to() {
	local at pid
	managed --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" --memory 256M --reserve 96M --balloon on --machine-memory 512M \
		--cmdline "$LINUX quiet try=memory after=0 fill=8 hold=1 rest=900"
	said 'memory: read and freed' && ask 64 balloon l1 much && ask 72 balloon l1 256M && ask 0 balloon l1 64M || return 1
	ask_until '^balloon_bytes +67108864$' stat l1 || return 1
	answered '^balloon_bytes +67108864$' '^ram_bytes +[0-9]{8,9}$' && ask 0 balloon l1 0 || return 1
	ask_until '^balloon_bytes +0$' stat l1 && ask 0 quit && over 0
}

traces() { # VM ARGS...: a trace of eight seconds, in the background
	local vm=$1
	shift
	NESTOR_AT=$at "$NESTOR" trace "$vm" --for 8 -o "$out.$vm.trace" "$@" >"$out.$vm.tracing" 2>&1
}

decoded() { # VM records|filtered KIND LEVEL REASON COUNT...: what the trace has
	local vm=$1 how=$2
	shift 2
	ask 0 trace --decode "$out.$vm.trace" --json >/dev/null && cp "$out.answer" "$out.$vm.jsonl" && ask 0 trace --decode "$out.$vm.trace" --perfetto "$out.$vm.json" &&
		/usr/bin/python3 tests/trace/check.py "$how" "$out.$vm.jsonl" "$@" && /usr/bin/python3 tests/trace/check.py nesting "$out.$vm.json"
}

records_end() { # VM: the number of the record that comes next
	{ printf 'records id=1 vm=%s from=0xffffffffffff\n' "$1" && sleep 0.5; } | NESTOR_AT=$at timeout 20 "$NESTOR" dial | sed -n 's/^item id=1 .*end=\([0-9]*\).*/\1/p'
}

# Whoever began a trace or had a VM paused for a while is killed at different moments: neither stays.
ends_with_its_client() {
	local job first i
	rm -f "$out.killed"
	NESTOR_AT=$at "$NESTOR" trace a --for 60 -o "$out.killed" &
	job=$!
	for ((i = 0; i < 100; i++)); do
		[ "$(stat -c %s "$out.killed" 2>/dev/null || echo 0)" -lt 1000 ] || break
		sleep 0.1
	done
	kill -9 "$job"
	for ((i = 0; i < 10; i++)); do
		first=$(records_end a)
		[ -z "$first" ] || [ "$(records_end a)" != "$first" ] || break
	done
	[ "$i" -lt 10 ] || { echo 'a is still traced'; kill "$pid"; return 1; }
	for i in 02 05 1 2 3 4 6 8; do
		NESTOR_AT=$at "$NESTOR" bundle "$out.cut.tar.gz" >/dev/null &
		job=$!
		sleep "0.$i"
		kill -9 "$job"
		ask_until '^a +running' ps && ask_until '^b +running' ps || return 1
	done
	{ printf 'pause id=1 vm=b hold=1\n' && sleep 60; } | NESTOR_AT=$at "$NESTOR" dial >/dev/null &
	job=$!
	ask_until '^b +paused' ps && ask 0 regs b && kill -9 "$job" && ask_until '^b +running' ps
}

# The exits of a hundred instructions of L2 that L1 handles are all in the trace, as they are in the figures.
test_a_run_traces_what_its_levels_do() {
	local at pid flag before after jobs i
	managed_vms exits exits >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter' && said '^b\| managed: counter' || return 1
	flag=$(sed -n 's/^a| managed: .*flag=\(0x[0-9a-f]*\).*/\1/p' "$out.text")
	ends_with_its_client && ask 0 stat a && before=$(sed -n 's/.*nested_exits_to_l1 *//p' "$out.answer") || return 1
	rm -f "$out".?.trace
	traces a & jobs=$!
	traces b --level 1 --reason VMRESUME & jobs="$jobs $!"
	for ((i = 0; i < 300; i++)); do [ -s "$out.a.trace" ] && [ -s "$out.b.trace" ] && break; sleep 0.2; done
	ask 0 poke a "$flag" 01 && ask 0 poke b "$flag" 01 || return 1
	for i in $jobs; do wait "$i" || { cat "$out".?.tracing; kill "$pid"; return 1; }; done
	cat "$out".?.tracing
	ask 0 stat a && answered '^level=2 CPUID count=100 to_l1=100$' '^level=1 VMRESUME count=100$' '^exits_l1_vmx +[0-9]+$' '^each exit of L2 to L1: [0-9.]+ of L2, and of L1 .*VMRESUME 1\.00' || return 1
	after=$(sed -n 's/.*nested_exits_to_l1 *//p' "$out.answer")
	[ "$((after - before))" = 100 ] || { echo "figures: $before, then $after"; kill "$pid"; return 1; }
	ask 0 latency a && answered '^level=1 VMRESUME least=[0-9]+ count=[0-9]+$' '^level=2 CPUID least=' || return 1
	decoded a records exit 2 CPUID 100 exit 1 VMRESUME 100 l2-ends 2 CPUID 100 l2-begins 2 VMRESUME 100 entry - - - && decoded b filtered exit 1 VMRESUME 100 exit 1 - 100 exit - - 100 l2-begins - - 100 || { kill "$pid"; return 1; }
	ask 0 trace --decode "$out.a.trace" --summary && answered '^CPUID +100 .* VMRESUME 1\.00' && ask 66 trace nobody && ask 64 trace a --reason NONE && ask 66 trace --decode "$out.yaml" &&
		ask 0 poke a "$flag" 02 && said 'managed: exit 18' && ask_until '^a +off' ps && ask 72 trace a -o "$out.off.trace" && ask 0 quit && over 0
}

# Exact numbers, and a machine that does what it does without.
test_a_profile_has_what_l0_and_its_guests_executed() {
	expect 1 run --machine bochs --timeout 60 --memory 64M --stats "$out.plain" --l1 "$B/payload/profiled.elf" && shows '^profiled: exit 18' || return 1
	expect 1 run --machine bochs --timeout 100 --memory 64M --stats "$out.stats" --profile "$out.profile" --l1 "$B/payload/profiled.elf" && shows '^profiled: exit 18' || return 1
	rm -rf "$out.kept" && expect 1 run --machine bochs --timeout 100 --memory 64M --keep "$out.kept" --profile "$out.kept/p" --l1 "$B/payload/profiled.elf" &&
		[ -s "$out.kept/p.folded" ] || return 1
	diff <(sed 's/ wall=.*//' "$out.plain") <(sed 's/ wall=.*//' "$out.stats") || { echo 'it is another run'; return 1; }
	/usr/bin/python3 tests/trace/check_profile.py "$out.profile.folded" "$out.profile.svg" "$out.stats" || return 1
	expect 64 run --machine qemu --profile "$out.no" --l1 "$B/payload/profiled.elf" && shows '--profile needs --machine bochs' &&
		expect 64 run --bare --profile "$out.no" --l1 "$B/payload/profiled.elf"
}

# Before the machine starts: what a long run has done would be lost.
test_places_for_files_that_cannot_be_made_are_told_before_the_run() {
	local run=(run --machine bochs --memory 64M --l1 "$B/payload/power.elf")
	expect 74 "${run[@]}" --profile "$out.none/x" && one_line && shows "--profile .*none/x: the folder '.*none/': No such file" &&
		expect 74 "${run[@]}" --l0-log "$out.none/x" && one_line && shows "--l0-log: cannot create '.*none/x': No such file" &&
		expect 74 "${run[@]}" --stats "$out.none/x" && one_line && shows "--stats: cannot create '.*none/x': No such file" &&
		expect 74 "${run[@]}" --keep README.md && one_line && shows "--keep: cannot create the folder 'README.md': File exists"
}

test_a_run_tells_what_it_refused_when_it_is_asked() {
	local at pid
	managed --l1 "$B/payload/explained.elf" --memory 64M --cmdline stay --explain
	said 'explained: all' && ask 0 explain l1 || return 1
	sed -n 's/^    //p' "$out.answer" >"$out.words"
	answered '^vm=l1 vcpu=0 level=1 .* rule=MSR_' '<payload_main|<unknown_msr' 'MSR 0x277' && [ "$(wc -l <"$out.words")" -gt 17 ] || return 1
	text
	while read -r line; do # all that was explained as it happened
		grep -q -F -x -e "$line" "$out.text" || { echo "was not told: $line"; kill "$pid"; return 1; }
	done <"$out.words"
	ask 0 explain l1 --json && answered '"rule": "MSR_' && ask 66 explain nobody && ask 0 stop l1 && ask_until '^l1 +off' ps && ask 72 explain l1 &&
		ask 0 quit && over 0
}

test_a_run_starts_and_stops_vms_when_it_is_asked_to() {
	local at pid events
	managed_vms button nmi '' >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter' && said '^b\| managed: counter' && said '^c\| managed: counter' || return 1
	NESTOR_AT=$at "$NESTOR" events --json >"$out.events" 2>&1 &
	events=$!
	sleep 3
	ask 0 powerdown a && said '^a\| managed: the button, status 0' && ask 0 nmi b && ask 0 nmi b --vcpu 0 && said '^b\| managed: 2 NMIs' &&
		ask 0 pause c && ask 0 reset c && said "'c' ended .reset. and is started again" &&
		ask_until '^c +running .* 1 *$' ps && ask_until '^a +off' ps && ask_until '^b +off' ps && ask 0 stop c && ask_until '^c +off' ps &&
		ask 0 ps --json && [ "$(grep -c '"state": "off"' "$out.answer")" = 3 ] && ask 0 start a && ask 72 start a &&
		ask_until '^a +running' ps && ask 0 powerdown a && ask_until '^a +off' ps && ask 0 quit && over 0 || return 1
	wait "$events" || return 1
	cat "$out.events"
	grep -q '"vm":"c","kind":"reset",.*"restart":1,.*"event":"vm-end"' "$out.events" &&
		[ "$(grep -c '"event":"vm-start"' "$out.events")" = 2 ] && [ ! -e "$at" ]
}

# rounds N: so many times a VM like t comes, runs L2, and goes, now and then while it runs; the memory that is free is the same each time.
rounds() {
	local i events
	NESTOR_AT=$at "$NESTOR" events >"$out.events" 2>&1 &
	events=$!
	for ((i = 0; i < $1; i++)); do
		ask 0 define x --like t weight=$((i + 1)) && ask 0 start x && ask_until '^x +running' ps || return 1
		((i % 4 != 0)) || ask_until '^nested_entries +1' stat x || return 1
		((i % 3 != 0)) || { ask 0 stop x && ask_until '^x +off' ps && ask 72 stop x; } || return 1
		ask 0 destroy x && ask_until '^a +running' ps || return 1
		while grep -q '^x ' "$out.answer"; do ask 0 ps >/dev/null || return 1; done
	done
	ask 0 quit && over 0 && wait "$events" || return 1
	[ "$(grep -c '^vm-gone vm=x ' "$out.events")" = "$1" ] || return 1
	[ "$(sed -n 's/^vm-gone vm=x free=\([0-9]*\) .*/\1/p' "$out.events" | sort -u | wc -l)" = 1 ] || { cat "$out.events"; return 1; }
}

# t is there for others to be like it.
with_a_template() { # MACHINE-LINE
	local vm="kernel: $PWD/$B/payload/managed.elf, memory: 16M"
	printf '%s\nvms:\n  - {name: a, %s}\n  - {name: t, %s, cmdline: l2, start: off}\n' "$1" "$vm" "$vm" >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter'
}

test_vms_are_defined_and_destroyed_while_a_run_goes() {
	local at pid
	with_a_template 'machine: {cpus: 2, vms: 4}' && ask 0 ps && answered '^a +running' '^t +off' || return 1
	ask 66 define x --like nobody && ask 72 define a --like t && answered 'a VM of this name already' && ask 72 define x --like t memory=3M &&
		answered 'memory must be a size .* from 4M' && ask 72 define x --like t colour=red && answered 'unknown key' && answered 'one of vm, memory' && ask 64 define x && ask 64 define x --like t one &&
		ask 72 define x --like t memory=1G && answered 'there is not so much memory' && ask 72 define x --like t reserve=64M memory=128M && ask 0 ps || return 1
	answered '^t +off' && ! grep -q '^x ' "$out.answer" || return 1
	ask 0 define x --like t weight=50 && ask 0 define y --like a && ask 0 ps && answered '^x +off +1 +16M +50 ' '^y +off' && ask 72 define z --like a &&
		answered 'places for 4 VMs' && ask 72 stop x && ask 0 start x && said '^x\| managed: counter' && ask 0 start t && said '^t\| managed: counter' || return 1
	ask 0 destroy a && ask 0 destroy y && ask_until '^x +running' ps || return 1
	while grep -q '^[ay] ' "$out.answer"; do ask 0 ps >/dev/null || return 1; done
	ask 66 start a && ask 0 define a --like x && ask 0 start a && ask_until '^a +running' ps && ask 0 destroy t && ask 0 destroy x && ask_until '^a +running +1 +16M +50 ' ps && rounds_are_over
}

rounds_are_over() {
	while grep -q '^[tx] ' "$out.answer"; do ask 0 ps >/dev/null || return 1; done
	ask 0 destroy a && ask 0 ps || return 1
	while grep -q '^a ' "$out.answer"; do ask 0 ps >/dev/null || return 1; done
	ask 66 define x --like a && ask 0 quit && over 0
}

# As ssh is called; what it does there is done here.
test_a_run_on_another_machine_is_reached_by_ssh() {
	local at pid
	mkdir -p "$out.bin" && ln -sf "$PWD/$NESTOR" "$out.bin/nestor" && printf '%s\n' '#!/bin/sh' 'echo "$*" >>"$0.said"' \
		'[ "$1 $2 $3 $4 $5 $6" = "-T -e none -p 2222 --" ] && [ "$7" = me@far ] || { echo "ssh: no" >&2; exit 255; }' 'shift 7' 'exec sh -c "$*"' >"$out.bin/ssh" &&
		chmod +x "$out.bin/ssh" && rm -f "$out.bin/ssh.said" || return 1
	export PATH="$PWD/$out.bin:$PATH"
	with_a_template 'machine: {cpus: 2}' && ask 0 ps --at "ssh://me@far:2222$at" && answered '^a +running' '^t +off' && ask 0 start t --host me@far:2222 &&
		ask 0 mem a 0x100000 4096 --host me@far:2222 && [ "$(wc -l <"$out.answer")" = 256 ] && ask 66 start "it's" --host me@far:2222 &&
		ask 64 attach a 1 --disk scratch:1M --host me@far:2222 && answered 'takes files only there' && ask 64 attach a 1 --keep && answered 'keep needs --disk FILE' &&
		ask 74 ps --host far && answered 'ssh: no' "the run at 'ssh://far/" && ask 64 ps --host '-oProxyCommand=x' && ask 64 ps --at ssh://far && ask 64 ps --at /x --host 'a b' &&
		ask 74 ps --at "/no such; 'place" --host me@far:2222 && answered "no run can be reached at '/no such; 'place'" && ask 0 quit --host me@far:2222 && over 0
}

# What was typed at a VM that has gone since, and that took nothing of it, is not for the next one in its place.
test_a_vm_that_comes_later_has_nothing_of_what_another_one_was_told() {
	local at pid
	printf 'machine: {cpus: 2, vms: 3}\nvms:\n  - {name: a, kernel: %s, memory: 16M}\n  - {name: t, kernel: %s, memory: 16M, cmdline: id=1, start: off}\n' \
		"$PWD/$B/payload/managed.elf" "$PWD/$B/payload/typed.elf" >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter' && ask 0 define x --like t && ask 0 start x && said '^x\| typed 1: ready' && ask 0 pause x || return 1
	printf 'secret %05000d\r' 0 | NESTOR_AT=$at timeout 5 "$NESTOR" console x >"$out.first" 2>&1
	ask 0 destroy x && ask 0 ps || return 1
	while grep -q '^x ' "$out.answer"; do ask 0 ps >/dev/null || return 1; done
	ask 0 define y --like t && ask 0 start y && said '^y\| typed 1: ready' || return 1
	printf 'hello\r' | NESTOR_AT=$at timeout 60 "$NESTOR" console y >"$out.second" 2>&1 &
	said "^y\| typed 1: 'hello'" && ask 0 quit && over 0 && ! grep -q 'secret\|0000' "$out.text" "$out.second"
}

# The page's commands, and the output that it has of them.
test_the_tutorial_finds_both_mistakes_of_a_hypervisor() {
	/usr/bin/python3 tests/boot/tutorial.py docs/tutorial.md
}

test_a_vm_comes_and_goes_twelve_times() {
	local at pid
	with_a_template 'machine: {cpus: 2, vms: 3}' && rounds 12
}

long_a_vm_comes_and_goes_a_thousand_times() {
	local at pid LIMIT=7200
	with_a_template 'machine: {cpus: 2, vms: 3}' && rounds 1000
}

# Their switch ports come and go with them: a talks to b, that is like t, and again to the b after it.
long_vms_that_come_later_talk_on_a_network() {
	local at pid i vm="kernel: $PWD/$B/debian/vmlinuz, initrd: $PWD/$B/debian/devices.cpio, memory: 192M, net: lan" LIMIT=900
	printf 'networks: [lan]\nmachine: {cpus: 2, vms: 3}\nvms:\n' >"$out.yaml"
	printf '  - {name: %s, %s, start: off, cmdline: "%s quiet role=%s try=ping,transfer %s"}\n' s "$vm" "$LINUX" a "$A" t "$vm" "$LINUX" b "$B_" >>"$out.yaml"
	managed "$out.yaml"
	for ((i = 0; i < 600; i++)); do # until somebody listens
		NESTOR_AT=$at "$NESTOR" ps >/dev/null 2>&1 && break
		sleep 0.2
	done
	for i in 1 2; do
		ask 0 define b --like t && ask 0 start s && ask 0 start b && PATIENCE=600 ask_until '^b +off' ps &&
			PATIENCE=600 ask_until '^s +off' ps && ask 0 destroy b || return 1
		ask 0 ps >/dev/null || return 1
		while grep -q "^b " "$out.answer"; do ask 0 ps >/dev/null || return 1; done
	done
	ask 0 quit && over 0 && [ "$(grep -c '^b| transfer: ok' "$out.text")" = 2 ]
}

test_a_vm_that_is_off_at_first_needs_somebody_who_starts_it() {
	printf 'vms:\n  - {name: t, kernel: %s, memory: 16M, start: off}\n' "$PWD/$B/payload/managed.elf" >"$out.yaml"
	expect 66 run "$out.yaml" && shows "2: vms: 't' has 'start: off', and nobody could start it"
}

# What two VMs say and take by the socket: for who comes late, for two at once, as fast as it goes, by a terminal that is restored.
test_consoles_of_a_run_are_seen_and_typed_at_by_its_socket() {
	local at pid run line of=$out
	typed_vms && managed "$out.yaml" && run=$pid &&
		said '^a\| typed 1: ready' && said '^b\| typed 2: ready' || return 1
	export NESTOR_AT=$at
	ask 66 console nobody && answered 'there is no VM of this name' && ask 64 console || return 1
	"$NESTOR" console a </dev/null >"$out.early" 2>&1 &
	for ((line = 0; line < 300; line++)); do printf '%s%040d\n' "$line" 0; done >"$out.sent"
	"$NESTOR" console a <"$out.sent" >"$out.first" 2>&1 &
	said "^a\\| typed 1: '2990{40}'" || return 1
	out=$of.terminal
	typing_at_a_terminal console b && seen "the console of 'b'" && seen '^typed 2: ready' && printf 'by hand\r' >&9 && seen "^typed 2: 'by hand'" &&
		printf '\035?' >&9 && seen 'leaves .b., which goes on' && printf '\035\035x\r' >&9 && seen "typed 2: '.x'" &&
		printf '\035q' >&9 && seen 'status=0' && ended 0 && shows '^icanon $' '^echo $' || { kill "$run"; return 1; }
	pid=$run out=$of
	timeout 2 "$NESTOR" console a </dev/null >"$out.late" 2>&1
	[ $? = 124 ] || { kill "$run"; return 1; }
	ask 0 quit && over 0 && wait || return 1 # their consoles end with the run
	for line in early first late; do # all that was typed came back, once, in order
		grep -a -o "^typed 1: '.*'" "$out.$line" | sed "s/^typed 1: '//; s/'$//" | cmp - "$out.sent" || { tail "$out.$line"; return 1; }
	done
}

# By HTTP: the document and answers that are as it says, figures, clients that are in the way, and an end under load.
test_a_run_is_served_by_http() {
	local at pid counter
	PLACES=4 managed_vms l2 button '' >"$out.yaml"
	managed "$out.yaml"
	said '^a\| managed: counter' && said '^b\| managed: counter' && said '^c\| managed: counter' || return 1
	counter=$(sed -n 's/^a| managed: counter=\(0x[0-9a-f]*\).*/\1/p' "$out.text")
	rm -rf "$out.serve" && mkdir "$out.serve" || return 1
	if ! /usr/bin/python3 tests/serve/client.py "$NESTOR" "$at" "$out.serve" "$counter" "$B/promtool/promtool"; then
		kill "$pid"
		wait "$pid" # before another run has the place
		return 1
	fi
	ask 0 quit && over 0
}

# In Chromium, by keyboard: levels, figures, buttons, refusals, a console; nothing from elsewhere. It starts and ends its runs itself.
test_the_page_of_a_run_is_used_in_a_browser() {
	[ -s "$B/web/xterm.js" ] || { echo 'the page has no consoles: make web'; return 1; }
	rm -rf "$out.page" && mkdir -p "$out.page/disks" && truncate -s 1M "$out.page/disks/data.img" && volume ONE 10 && volume TWO 20 || return 1
	cat >"$out.yaml" <<-END
		machine: {cpus: 2, vms: 4, memory: 256M}
		images: {one: $PWD/$out.ONE.iso, two: $PWD/$out.TWO.iso}
		vms:
		  - {name: a, kernel: $PWD/$B/payload/managed.elf, memory: 16M, cmdline: l2 busy}
		  - {name: b, kernel: $PWD/$B/payload/typed.elf, memory: 16M, cmdline: id=2, cdroms: [{image: none}], root-ports: 2, disks: [{name: extra, scratch: 1M, root-port: 1, attached: off}, {name: bay, bay: on, root-port: 2, attached: off}]}
		  - {name: c, kernel: $PWD/$B/payload/explained.elf, memory: 64M, cmdline: stay}
	END
	/usr/bin/python3 tests/serve/page.py "$NESTOR" "$out.yaml" "$PWD/$out.page"
}

# The same of a Linux: its network device goes to another network, lines go to its named port and come back.
test_networks_and_named_ports_are_used_on_the_page() {
	[ -s "$B/web/xterm.js" ] || { echo 'the page has no consoles: make web'; return 1; }
	rm -rf "$out.page" && mkdir -p "$out.page/disks" || return 1
	cat >"$out.yaml" <<-END
		networks: [lan, wan]
		vms:
		  - {name: linux, kernel: $PWD/$B/debian/vmlinux, initrd: $PWD/$B/debian/devices.cpio, memory: 128M, nets: [lan], ports: "agent,log", cmdline: "$LINUX quiet try=agent"}
	END
	/usr/bin/python3 tests/serve/page.py "$NESTOR" "$out.yaml" "$PWD/$out.page" ports
}

volume() { # NAME KIB [ARGS...]: an ISO image $out.NAME.iso, of that size at least
	rm -rf "$out.d" && mkdir -p "$out.d" && head -c "$2K" /dev/urandom >"$out.d/file" && head -c 2048 "$B/payload/disk.img" >"$out.d/boot.bin" &&
		xorriso -as mkisofs -quiet -R -V "$1" "${@:3}" -o "$out.$1.iso" "$out.d" && rm -rf "$out.d"
}

free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

over_http() { # SCRIPT ARGS...: a server of the run at $at, with SERVE_ARGS, and a client of it
	local script=$1 server url status SERVE_ARGS=${SERVE_ARGS-}
	rm -rf "$out.serve" && mkdir "$out.serve" && (umask 077 && echo 'a-token-of-the-test,-not-secret' >"$out.serve/token") || return
	: >"$out.serve/log"
	# shellcheck disable=SC2086
	"$NESTOR" serve --at "$at" --token-file "$out.serve/token" --listen 127.0.0.1:0 $SERVE_ARGS >"$out.serve/log" 2>&1 &
	server=$!
	for _ in $(seq 600); do
		url=$(sed -n 's/.* \(http:[^ ]*\)$/\1/p' "$out.serve/log")
		[ -z "$url" ] || break
		sleep 0.1
	done
	/usr/bin/python3 "$script" "$url" "$out.serve/token" "${@:2}"
	status=$?
	kill "$server"
	wait "$server"
	return "$status"
}

unlocked() { # VERB...: as soon as it can be; while the guest looks at the medium the drive is locked
	local i
	for ((i = 0; i < 300; i++)); do
		NESTOR_AT=$at "$NESTOR" "$@" >"$out.answer" 2>&1 && return
		answered 'the guest has locked the drive' || return 1
		sleep 0.2
	done
	return 1
}

# Linux sees media and links that verbs change; SeaBIOS starts from what Redfish says. Both VMs have drives that begin empty.
test_media_links_and_boot_devices_are_changed_while_the_vms_run() {
	local at pid port
	volume ONE 100 && volume TWO 300 && volume HELD 10 && volume FILE 4000 && volume BOOT 10 -b boot.bin -no-emul-boot || return
	{
		printf 'networks: [lan]\nmachine: {cpus: 2}\nimages: {one: %s, two: %s, held: %s, boot: %s}\nvms:\n' \
			"$PWD/$out".{ONE,TWO,HELD,BOOT}.iso
		printf '  - {name: linux, kernel: %s, initrd: %s, memory: 128M, nets: [lan], cdroms: [{image: none, name: cd}],\n' \
			"$PWD/$B/debian/vmlinux" "$PWD/$B/debian/devices.cpio"
		printf '     cmdline: "%s quiet try=changes addr=10.0.0.1"}\n' "$LINUX"
		printf '  - {name: bios, firmware: seabios, memory: 64M, disks: [{image: %s, cow: 64K}], cdroms: [{image: none}]}\n' \
			"$PWD/$B/payload/disk.img"
	} >"$out.yaml"
	managed "$out.yaml"
	port=$(free_port)
	said '^bios\| boot sector: writes' &&
		SERVE_ARGS="--media-from http://127.0.0.1:$port/ok --media-limit 1M" over_http tests/serve/media.py "$out" "$port" || { kill "$pid" 2>/dev/null; wait "$pid"; return 1; }
	said '^linux\| medium: none' && said '^linux\| link: 1' && ask 0 insert linux cd one && said '^linux\| medium: ONE, [0-9]+ sectors' &&
		ask 0 link linux 0 down && said '^linux\| link: 0' && unlocked insert linux cd two && said '^linux\| medium: TWO, [0-9]+ sectors' &&
		ask 0 devices linux && answered '^disk=cd medium=two$' '^net=0 network=lan mac=[0-9a-f:]{17} link=down$' || return 1
	[ "$(sed -n 's/^linux| medium: TWO, \([0-9]*\) .*/\1/p' "$out.text")" = $(($(stat -c %s "$out.TWO.iso") / 512)) ] ||
		{ echo 'not the size of TWO'; kill "$pid"; return 1; }
	# A file that the run did not begin with: its bytes come by the machine's disk.
	unlocked insert linux cd --file "$out.FILE.iso" && said "^linux\\| medium: FILE, [0-9]+ sectors, $(md5sum <"$out.FILE.iso" | cut -c1-32)" &&
		rm "$out.FILE.iso" && ask 0 devices linux && answered '^disk=cd medium=file lent=[0-9]+ size=[0-9]+$' &&
		ask 72 insert linux cd --file "$out.yaml" && answered 'multiple of 2048' && ask 66 insert linux cd --file "$out.FILE.iso" || return 1
	unlocked eject linux cd && said_twice '^linux\| medium: none' && ask 0 insert linux cd held && said '^linux\| medium: mounted' &&
		ask 72 eject linux cd && answered 'the guest has locked the drive' && ask 0 eject linux cd --force && said '^linux\| medium: lost' &&
		ask 0 images && answered '^image=held size=[0-9]+$' && ask 66 insert linux cd three && ask 66 eject linux dvd &&
		ask 72 boot linux cdrom && ask 64 boot bios tape && ask_until '^bios +off' ps &&
		ask 0 insert bios cdrom0 one && ask 0 devices bios && answered '^disk=cdrom0 medium=one$' && ask 0 quit && over 0
}

# A network device with a virtual function goes from network to network while its VM runs, while it is out of its slot, and while the VM
# is off. Nobody is reached on the one that it has left, by neither, from neither side.
test_a_network_device_moves_between_networks() {
	local at pid LIMIT=400 vm addr peers net more
	{
		printf 'networks: [lan, wan, nowhere]\nmachine: {cpus: 2}\nvms:\n'
		while read -r vm addr peers net more; do
			printf '  - {name: %s, kernel: %s, initrd: %s, memory: 128M, root-ports: 1, nets: [{network: %s, root-port: 1%s}],\n' \
				"$vm" "$PWD/$B/debian/vmlinux" "$PWD/$B/debian/devices.cpio" "$net" "${more:+, vfs: 1}"
			printf '     cmdline: "%s quiet try=moves addr=10.0.0.%s peers=%s %s"}\n' "$LINUX" "$addr" "$peers" "$more"
		done <<-END
			linux 1 2,3 lan vf=10.0.0.4
			one 2 1,3,4 lan
			two 3 1,2,4 wan
		END
	} >"$out.yaml"
	managed "$out.yaml"
	said '^linux\| reaches: 2' && said '^one\| reaches: 1 4' && ask 0 networks &&
		answered '^network=lan ports=3$' '^network=wan ports=1$' '^network=nowhere ports=0$' &&
		ask 66 network linux 0 lna && answered 'no such network' && ask 66 network linux 1 wan && ask 66 attach linux 1 --net lna || return 1
	ask 0 network linux 0 wan && said '^linux\| link: 0' && said '^linux\| reaches: 3' && said '^two\| reaches: 1 4' && said '^one\| reaches: *$' &&
		said_twice '^linux\| link: 1' && ask 0 devices linux &&
		answered '^net=0 network=wan mac=[0-9a-f:]* link=up$' '^slot=1 holds=network name=wan state=attached$' || return 1
	ask 0 detach linux 1 && said '^linux\| link: *$' && attached_to linux 1 --net lan && said_twice '^linux\| reaches: 2' && said '^two\| reaches: *$' &&
		ask 0 stop linux && ask_until '^linux +off' ps && ask 0 network linux 0 wan && ask 0 devices linux && answered '^net=0 network=wan' &&
		ask 0 start linux && said_twice '^linux\| reaches: 3' && said_twice '^two\| reaches: 1 4' || return 1
	shows_not '^one\| reaches: .*3|^two\| reaches: .*2' && ask 0 network linux 0 nowhere && said_twice '^linux\| reaches: *$' && ask 0 quit && over 0
}

# What is said of networks, whoever is on them: a name stays what it is when its devices have gone, for those that come later, too.
test_networks_are_told_and_stay_what_they_are() {
	local at pid i
	cat >"$out.yaml" <<-END
		networks: [quiet, lan, wan]
		machine: {vms: 4, memory: 256M}
		vms:
		  - {name: a, kernel: $PWD/$B/payload/typed.elf, memory: 16M, cmdline: id=1, root-ports: 2, nets: [lan, {network: wan, root-port: 2, vfs: 3, attached: off}]}
		  - {name: b, kernel: $PWD/$B/payload/typed.elf, memory: 16M, cmdline: id=2, start: off, nets: [lan]}
	END
	managed "$out.yaml"
	said '^a\| typed 1: ready' && ask 0 networks && answered '^network=quiet ports=0$' '^network=lan ports=2$' '^network=wan ports=4$' &&
		ask 0 network a 0 wan && ask 0 network b 0 wan && ask 0 devices a && answered '^net=0 network=wan .* link=up$' &&
		ask 0 devices b && answered '^net=0 network=wan ' && ask 0 networks && answered '^network=lan ports=1$' && # b goes when it begins
		ask 0 start b && ask_until '^network=lan ports=0$' networks && ask 0 define c --like a && ask 0 devices c &&
		answered '^net=0 network=lan ' '^net=1 network=wan ' && ask 0 networks && answered '^network=lan ports=1$' '^network=wan ports=10$' || return 1
	ask 0 attach a 2 --net quiet && ask 0 devices a && answered '^net=1 network=quiet ' '^slot=2 holds=network name=quiet state=attached$' &&
		ask 72 attach a 2 --net lan && ask 0 devices a && answered '^net=1 network=quiet ' && ask 64 attach a 2 --net 'l n' &&
		ask 64 attach a 2 --net lan --disk x && ask 64 network a x lan && ask 66 network a 2 lan && ask 66 network nobody 0 lan &&
		ask 0 networks --json && answered '"network": "quiet"' '"ports": 4' || return 1
	for i in $(seq 48); do # a VM that comes to nothing leaves no name
		NESTOR_AT=$at "$NESTOR" define d --like b net="q$i" memory=64G >"$out.answer" 2>&1 || answered 'not so much memory' || return 1
	done
	ask 66 network a 0 q3 && ask 0 define d --like b net=fresh && ask 0 networks && answered '^network=fresh ports=1$' || return 1
	ask 0 network a 0 fresh && ask 0 destroy d && ask_until '^network=fresh ports=1$' networks && ask 0 quit && over 0
}

# Disks of a folder, and empty ones; the VM's payload has no driver of slots.
test_bays_are_given_disks_by_http() {
	local at pid
	rm -rf "$out.disks" && mkdir "$out.disks" || return
	cat >"$out.yaml" <<-END
		vms:
		  - {name: b, kernel: $PWD/$B/payload/typed.elf, memory: 16M, cmdline: id=2, root-ports: 2, disks: [{name: extra, scratch: 1M, root-port: 1}, {name: bay, bay: on, root-port: 2, attached: off}]}
	END
	managed "$out.yaml"
	said 'typed 2: ready' && SERVE_ARGS="--disks-from $out.disks --scratch-limit 2M" over_http tests/serve/bays.py "$out.disks" "$out.serve/log" ||
		{ kill "$pid" 2>/dev/null; wait "$pid"; return 1; }
	ask 0 quit && over 0 && rm -rf "$out.disks"
}

# attached_to VM PORT [ARGS]: by a verb, when the guest has given what it was asked for.
attached_to() {
	local i
	for ((i = 0; i < 150; i++)); do
		NESTOR_AT=$at "$NESTOR" attach "$@" >"$out.answer" 2>&1 && return
		sleep 0.2
	done
	cat "$out.answer"
	return 1
}

# A disk and a network device behind root ports; Linux' own driver of slots (pciehp). In a bay the disk is a file, which is kept, and
# then another one that was a copy of it.
come_and_go() { # ROUNDS {scratch: 1M | bay: on}
	local at pid round file LIMIT=600
	{
		printf 'networks: [lan]\nmachine: {cpus: 2}\nvms:\n'
		printf '  - {name: linux, kernel: %s, initrd: %s, memory: 128M, root-ports: 2, disks: [{%s, root-port: 1, attached: off}],\n' \
			"$PWD/$B/debian/vmlinux" "$PWD/$B/debian/devices.cpio" "$2"
		printf '     nets: [{network: lan, root-port: 2, vfs: 2, attached: off}], cmdline: "%s quiet try=slots addr=10.0.0.1 rounds=%d"}\n' "$LINUX" "$1"
		printf '  - {name: peer, start: off, kernel: %s, initrd: %s, memory: 128M, nets: [lan],\n' \
			"$PWD/$B/debian/vmlinux" "$PWD/$B/debian/devices.cpio"
		printf '     cmdline: "%s quiet try=ping addr=10.0.0.2 peer=10.0.0.1"}\n' "$LINUX"
	} >"$out.yaml"
	managed "$out.yaml"
	said '^linux\| .*virtio0-input' && ask 0 devices linux && answered '^attached=none detached=1,2$' '^slot=2 holds=network name=lan state=detached$' || return 1
	ask 66 attach peer 1 && ask 0 attach linux 2 && ask 72 attach linux 2 && said '^linux\| slots: net here' &&
		ask 0 start peer && said '^peer\| .*virtio[01]-input' && said '^peer\| ping: ok' &&
		ask 0 detach linux 2 && answered '^slot=2 state=asked$' && said '^linux\| slots: net gone' || return 1
	for round in $(seq "$1"); do
		file=
		if [ "$2" = 'bay: on' ]; then
			[ "$round" != 1 ] || { truncate -s 1M "$out.1.disk" && ask 72 attach linux 1 && ask 72 attach linux 2 --disk "$out.1.disk"; } || return 1
			file="--disk $out.$round.disk $([ "$round" != 1 ] || echo --keep)"
		fi
		# shellcheck disable=SC2086
		attached_to linux 1 $file && said "^linux\| slots: disk here $round\$" && ask 0 devices linux && answered '^attached=1 detached=2$' || return 1
		ask 0 detach linux 1 && answered '^slot=1 state=asked$' && said "^linux\| slots: disk gone $round\$" || return 1
		[ -z "$file" ] || cp "$out.$round.disk" "$out.$((round + 1)).disk"
	done
	ask_until '^linux +off' ps && ask 0 attach linux 2 && ask 0 devices linux &&
		answered '^attached=2 detached=1$' && ask 0 quit && over 0 && shows '^linux\| slots: ok'
}

test_a_disk_and_a_network_device_come_and_go() {
	come_and_go 2 'bay: on' || return 1
	cmp "$out.1.disk" "$out.2.disk" && ! cmp -s "$out.1.disk" <(head -c 1M /dev/zero) # it was kept, and the second one not written
}

long_a_disk_comes_and_goes_twenty_times() {
	come_and_go 20 'scratch: 1M'
}

# While L0 takes the state of the VM and puts it back, again and again: windows of bridges, slots, what is in them. The timer of the VM is
# slow, since it would do nothing but its interrupts otherwise.
long_virtio_disks_behind_root_ports_whose_state_is_put_back() {
	disk_image "$out.image"
	devices disk,write 'sectors=1954 serial_wanted=root' --root-ports 8 --disk "$out.image,name=root,root-port=1" \
		--scratch 4M,root-port=8 --l0-option selftest=state --timeout 600 --ips 400000000
}

slots_vms() { # UNIT DEVICE A'S-WORDS: two VMs that may have a device of the machine; the first one has it
	printf 'machine: {kind: bochs, cpus: 2, memory: 320M, iommu: %s, option: "plugin_ctrl: nestordev=1"}\nvms:\n' "$1"
	printf '  - {name: a, kernel: %s/slots.elf, memory: 64M, cpus: 2, root-ports: 1, devices: [{pci: "%s", root-port: 1}], cmdline: "tag=1 cpus=2 %s"}\n' \
		"$(realpath "$B/payload")" "$2" "$3"
	printf '  - {name: b, kernel: %s/slots.elf, memory: 64M, root-ports: 2, devices: ["%s,root-port=1,attached=off"], cmdline: "tag=2"}\n' \
		"$(realpath "$B/payload")" "$2"
}

# has_worked VM ROUND: as new, all messages, DMA. has_left VM HOW ROUND: nothing reaches it any more.
has_worked() {
	said "vm $1: works $2: copy the same, 320 messages of 320, others 0" && shows "vm $1: here $2: id 4e5[45]1234, new yes"
}

has_left() {
	said "vm $1: $2 $3: bytes changed 0, late messages 0, registers ffffffff, function ffffffff"
}

# Asked for and taken away, from VM to VM and back, while a second processor writes to its registers all the time.
moves() { # UNIT DEVICE ARGS...
	local at pid
	slots_vms "$1" "$2" '' >"$out.yaml"
	managed "$out.yaml" --l0-log "$out.l0" "${@:3}"
	has_worked 1 1 && ask 72 attach b 1 && answered "'a' has it" && ask 0 devices b && answered "^slot=1 holds=device name=$2 state=detached holder=a\$" &&
		ask 0 detach a 1 && answered '^slot=1 state=asked$' && has_left 1 given 1 && ask 0 devices a && answered "^slot=1 holds=device name=$2 state=detached\$" &&
		ask 0 attach b 1 && has_worked 2 1 && ask 72 attach a 1 && answered "'b' has it" &&
		ask 0 detach b 1 --force && answered '^slot=1 state=gone$' && has_left 2 taken 1 && ask 72 detach b 1 &&
		ask 0 attach a 1 && has_worked 1 2 && ask 0 detach a 1 --force && has_left 1 taken 2 && ask 0 attach b 1 && has_worked 2 2 &&
		ask 66 attach a 2 && ask 72 destroy a && ask 0 quit && over 0 && ! grep 'was kept from' "$out.l0"
}

test_a_device_of_the_machine_moves_by_http() {
	local at pid
	has_test_device || return 0
	slots_vms vtd pci:00:02.0 '' >"$out.yaml"
	managed "$out.yaml"
	has_worked 1 1 && over_http tests/serve/slots.py && has_worked 1 2 && ask 0 quit && over 0
}

test_a_device_of_the_machine_moves_between_vms() {
	has_test_device || return 0
	moves vtd pci:00:02.0 && moves vtd-caching pci:00:02.0/vf1 && moves vtd pci:00:02.0 --l0-option posted=on
}

# What a VM that ends was asked for is not its own when it begins again; what it has stays its own while it is off.
test_a_device_that_was_asked_for_goes_with_the_end_of_its_vm() {
	local at pid
	has_test_device || return 0
	slots_vms vtd pci:00:02.0 deaf >"$out.yaml"
	managed "$out.yaml"
	has_worked 1 1 && ask 0 detach a 1 && answered '^slot=1 state=asked$' && ask 72 attach b 1 && ask 0 reset a && said_twice 'vm 1: ready' &&
		ask 0 devices a && answered '^slot=1 holds=device name=pci:00:02.0 state=detached$' && ask 0 attach b 1 && has_worked 2 1 &&
		ask 0 stop b && ask_until '^b +off' ps && ask 72 attach a 1 && answered "'b' has it" && ask 0 detach b 1 && ask 0 attach a 1 && said_twice 'vm 1: works 1' &&
		ask 0 start b && ask 0 stop a && ask_until '^a +off' ps && ask 0 detach a 1 && ask 0 attach b 1 && said_twice 'vm 2: works 1' &&
		ask 0 quit && over 0 && shows_not 'new NO|DIFFERENT'
}

# Registers of the port, the slot and the device at random while it comes and goes; the VM that has it in between finds it as new.
test_rubbish_in_slots_harms_no_other_vm() {
	local at pid round LIMIT=400
	has_test_device || return 0
	slots_vms vtd pci:00:02.0 wild >"$out.yaml"
	managed "$out.yaml" --l0-log "$out.l0"
	said 'vm 1: wild' && said 'vm 2: ready' || return 1
	for round in 1 2 3 4 5 6; do
		ask 0 detach a 1 --force && ask 0 attach b 1 && has_worked 2 "$round" && ask 0 detach b 1 --force && has_left 2 taken "$round" &&
			ask 0 attach a 1 && sleep 1 && { NESTOR_AT=$at "$NESTOR" detach a 1; [ "$round" != 4 ] || ask 0 reset a; } || return 1
		ask_until '^a +running' ps && ask_until '^slot=1 ' devices a || return 1
		NESTOR_AT=$at "$NESTOR" attach a 1 # it is there, or was asked for, or has gone
	done
	ask 0 quit && over 0 && ! grep "'b'.* was kept from" "$out.l0"
}

# The machine's own network card and stock Linux: its driver of slots gives it up, and has it again, with a lease; then it is taken away.
card_comes_and_goes() { # ARGS...
	local at pid LIMIT=400
	managed --machine bochs --machine-iommu vtd --net-device user --root-ports 2 --devices pci:00:03.0,root-port=1 --rng off --l1 "$B/debian-service/vmlinuz" \
		--initrd "$B/debian-service/service.cpio" --stats "$out.stats" --cmdline "$LINUX quiet try=slots rounds=3 end=poweroff ${EXTRA-}" "$@"
	said 'slots: card here 1' && ask 0 devices l1 && answered '^slot=1 holds=device name=pci:00:03.0 state=attached holder=l1$' &&
		ask 0 detach l1 1 && answered '^slot=1 state=asked$' && said 'slots: card gone 1' && attached_to l1 1 && said 'slots: card here 2' &&
		ask 0 detach l1 1 && said 'slots: card gone 2' && attached_to l1 1 && said 'slots: card here 3' &&
		ask 0 detach l1 1 --force && answered '^slot=1 state=gone$' && said 'slots: card gone 3' && ask_until '^l1 +off' ps && ask 0 quit && over 0 &&
		shows '^slots: ok' '3 packets transmitted, 3 packets received' && shows_not ': failed|was kept from|nobody cared' && grep -q 'dma_blocked=0' "$out.stats"
}

test_linux_loses_the_machines_network_card_and_gets_it_back() {
	card_comes_and_goes --memory 128M
}

# Behind its virtual VT-d, whose tables know the card by the number that Linux gave the bus.
test_linux_loses_a_card_behind_its_virtual_vtd_and_gets_it_back() {
	has_test_device || return 0
	EXTRA="$virtual_vtd" card_comes_and_goes --memory 256M --iommu vtd && shows 'Adding to iommu group|DMAR: IOMMU enabled|br0 has'
}

# A node's image as Ironic's users have it: GRUB, Debian's kernel, and what tells what is in the drive.
node_iso() {
	local d=$out.iso.d
	rm -rf "$d" && mkdir -p "$d/boot/grub" && cp "$B/debian/vmlinuz" "$B/debian/devices.cpio" "$d/boot" || return
	cat >"$d/boot/grub/grub.cfg" <<-END
		serial --unit=0 --speed=115200
		terminal_output serial
		set timeout=0
		menuentry node {
			linux /boot/vmlinuz $LINUX quiet try=changes addr=10.0.0.1
			initrd /boot/devices.cpio
		}
	END
	grub-mkrescue -o "$out.iso" "$d" -- -volid IRONIC >"$out.grub" 2>&1 || cat "$out.grub"
	rm -rf "$d"
}

# The guide's commands, with Debian's Ironic.
long_ironic_deploys_a_vm_by_virtual_media() {
	node_iso && timeout 1800 tests/ironic/guide.sh "$NESTOR" "$B/debian-ironic" "$out.iso" "$PWD/$out.work"
}

long_fio_writes_and_verifies_a_file_system() {
	expect 0 run --timeout 600 --cpus 2 --machine-cpus 2 --memory 512M --l1 "$B/debian/vmlinux" --initrd "$B/debian-io/io.cpio" \
		--cmdline "$LINUX quiet try=fio" --scratch 16M && shows '^fio: ok' && shows_not ': failed|cannot be loaded'
}

# TCP and UDP, both ways, four streams each; what one VM sent the other one got, without errors.
long_iperf3_sends_between_two_vms() {
	INITRD=$B/debian-io/io.cpio MEMORY=512M LIMIT=900 net_vms 'machine: {cpus: 2, ips: 200000000}' \
		"a lan try=iperf $A" "b lan try=iperf $B_" && says a 'iperf: udp back: [1-9]' 'iperf: ok' && says b 'iperf: ok' && shows_not ': failed'
}

# served_vms LINE...: a service VM with the machine's card and a server of iperf3 at 10.0.2.15, and a VM that is on its network.
served_vms() {
	{
		printf 'timeout: 900\nlog: info\nnetworks: [lan]\nmachine: {kind: bochs, cpus: 2, net: user, ips: 200000000,\n'
		printf '  option: "e1000: card=0, mac=52:54:00:4e:65:73, ethmod=slirp, ethdev=%s"}\nvms:\n' "$(realpath "$B")"
		printf '  - {name: service, kernel: %s, initrd: %s, memory: 192M, devices: [pci:00:03.0], iommu: none, background: on,\n' \
			"$(realpath "$B/debian-service/vmlinuz")" "$(realpath "$B/debian-io/service.cpio")"
		printf '     net: "lan,spoof=on", cmdline: "%s quiet try=iperf end=stay"}\n' "$LINUX"
		printf '%s\n' "$@"
	} >"$out.yaml"
	expect 0 run "$out.yaml" --summary && says service 'br0 has 10.0.2.15/24' 'iperf: ok' && shows_not ': failed|cannot be loaded|nobody cared'
}

# The same with the VM that owns the machine's network card and bridges.
long_iperf3_sends_to_the_service_vm() {
	served_vms "  - {name: a, kernel: $(realpath "$B/debian/vmlinuz"), initrd: $(realpath "$B/debian-io/io.cpio"), memory: 512M, net: lan," \
		"     cmdline: \"$LINUX quiet try=iperf role=outside addr=10.0.2.100 peer=10.0.2.15\"}" && says a 'iperf: udp back: [1-9]' 'iperf: ok'
}

# And from an L2 by its L1's bridge: it has an address of its own.
long_iperf3_of_an_l2_sends_to_the_service_vm() {
	served_vms "  - {name: a, kernel: $(realpath "$B/debian/vmlinuz"), initrd: $(realpath "$B/debian-io/qemu.cpio"), memory: 768M, net: \"lan,spoof=on\"," \
		"     cmdline: \"$LINUX quiet l2=qemu l2net=1 iperf=10.0.2.15 end=poweroff\"}" && says a 'iperf: udp back: [1-9]' 'L2: iperf is good'
}

test_two_vms_on_one_cpu_talk_without_offloads() {
	net_vms 'machine: {cpus: 1}' "a lan,offload=off try=transfer $A" "b lan try=transfer $B_" &&
		says a 'transfer: ok' && says b 'transfer: ok' && shows 'net0_sent_large +0$'
}

# The same VLAN, another VLAN, another network.
test_vlans_and_networks_are_isolated() {
	net_vms 'machine: {cpus: 2}' "a lan,vlan=5 try=ping $A" "b lan,trunk=on try=trunk $B_" \
		"c lan,vlan=6+wan try=silence $A" &&
		says a 'ping: ok' && says b 'trunk: ok' && says c 'silence: ok'
}

# Debian's kernel with its own driver: an address by DHCP, answers of the gateway, and a file, whole. Its interrupts arrive
# although another VM keeps the CPU with interrupts disabled.
test_a_service_vm_owns_the_machines_network_card() {
	local sum scenario=$out.yaml
	mkdir -p "$out.tftp" && head -c 300000 "$B/debian-service/vmlinuz" >"$out.tftp/file" || return 1
	sum=$(md5sum <"$out.tftp/file" | cut -d ' ' -f 1)
	cat >"$scenario" <<-EOF
		timeout: 200
		log: info
		machine:
		  kind: bochs
		  net: user
		  option: "e1000: card=0, mac=52:54:00:4e:65:73, ethmod=slirp, ethdev=$(realpath "$out.tftp")"
		vms:
		  - name: service
		    kernel: $(realpath "$B/debian-service/vmlinuz")
		    initrd: $(realpath "$B/debian-service/service.cpio")
		    cmdline: $LINUX quiet try=ping,get get=file sum=$sum
		    memory: 128M
		    weight: 1000
		    devices: [pci:00:03.0]
		    iommu: none
		  - name: busy
		    kernel: $(realpath "$B/payload/power.elf")
		    cmdline: busy=400
		    memory: 16M
	EOF
	expect 0 run "$scenario" --summary &&
		shows "'service' has devices without an IOMMU: it can read and write all memory" \
			"'service' owns pci:00:03.0 \(8086:100e\), line 18" 'br0 has 10.0.2.15/24' \
			'service: the network is there' 'ping: ok' 'get: ok' 'IO-APIC  20-fasteoi   eth0' ' EXTERNAL_INTERRUPT ' &&
		shows_not ': failed|cannot be loaded|nobody cared'
}

rests() { # VM: it halts when it has nothing to do, and L0 has done a quarter at most of what it did itself
	awk -v vm="vm=$1" '$1 == vm && /ticks_l0=/ { split($3, l0, "="); split($4, l1, "="); print; exit !(4 * l0[2] < l1[2]) }' "$out.stats"
}

# An address by the stock client, the gateway, a file of a server on the host's loopback, DNS where the host has it; the
# service VM is the tool's own, nobody waits for its end, and it does not keep the CPU from others.
test_a_vm_reaches_the_outside_by_the_network_user() {
	local busybox=$B/debian/root/bin/busybox port=$((20000 + RANDOM % 20000)) sum pid dns=
	mkdir -p "$out.web" && head -c 300000 /dev/urandom >"$out.web/file" || return 1
	sum=$(sha256sum <"$out.web/file")
	timeout 10 "$busybox" nslookup localhost 2>&1 | grep -q -E 'timed out|no servers' || dns=localhost
	"$busybox" httpd -f -p "127.0.0.1:$port" -h "$out.web" &
	pid=$!
	expect 0 run --timeout 600 --memory 192M --rng off --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" --net user \
		--cmdline "$LINUX quiet try=user url=http://10.0.2.2:$port/file sum=${sum%% *} dns=$dns" --verbose --stats "$out.stats"
	kill "$pid"
	rests user-net && shows 'eth0 has 10.0.2.[0-9]+/24, router 10.0.2.2, dns 10.0.2.3' '3 packets received' '^user: ok' \
		'vm-end vm=l1 kind=poweroff' 'vm-end vm=user-net kind=stopped' && shows_not 'user-net\||user-net vcpu|not be loaded'
}

# Debian's installer, as its package has it, with answers in a second archive: an address by DHCP, the archive's signed index and drivers of
# disks from a server on the host's loopback, and with these the disk. That archive has nothing else, so the installation ends there; what
# the installer would load for later steps is taken out of its queue.
long_debians_installer_finds_network_and_disk() {
	local d=$B/debian-installer port=$((20000 + RANDOM % 20000)) pid udeb file
	udeb=$(grep '^scsi-modules-' "$d/udebs.txt") && rm -rf "$out.d" && mkdir -p "$out.d" || return
	cat >"$out.d/preseed.cfg" <<-END
		d-i debian-installer/locale string en_US.UTF-8
		d-i keyboard-configuration/xkb-keymap select us
		d-i netcfg/get_hostname string installer
		d-i netcfg/get_domain string example.org
		d-i mirror/country string manual
		d-i mirror/protocol string http
		d-i mirror/http/hostname string 10.0.2.2:$port
		d-i mirror/http/directory string /debian
		d-i mirror/http/proxy string
		d-i mirror/suite string bookworm
		d-i anna/standard_modules boolean false
		d-i anna/choose_modules multiselect $udeb
		d-i preseed/early_command string sh /find-disk 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
	END
	file=$(cd "$d/web" && find . -name 'scsi-modules-*.udeb') && cat >"$out.d/find-disk" <<-END
		exec </dev/null >/dev/ttyS0 2>&1
		tail -n +1 -f /var/log/syslog &
		while sleep 1; do rm -f /var/lib/anna-install/queue; done &
		until grep -q 'anna.*\.udeb \[' /var/log/syslog && wget -q -O /tmp/disks.udeb "http://10.0.2.2:$port/$file"; do sleep 3; done
		udpkg --unpack /tmp/disks.udeb && depmod -a && modprobe virtio_blk && sleep 2
		echo "find-disk: \$(list-devices disk), \$(ip -o -4 addr show scope global | tr -s ' ')"
	END
	cp "$d/initrd" "$out.initrd" &&
		(cd "$out.d" && find . -type f | cpio --quiet -o -H newc -R 0:0) >>"$out.initrd" || return
	"$B/debian/root/bin/busybox" httpd -f -p "127.0.0.1:$port" -h "$d/web" &
	pid=$!
	until_it_shows 'find-disk: .*' run --timeout 1800 --memory 1G --l1 "$d/linux" \
		--initrd "$out.initrd" --net user --scratch 1G,cow=8M \
		--cmdline "$LINUX quiet auto priority=critical DEBIAN_FRONTEND=text TERM=dumb"
	kill "$pid"
	rm -f "$out.initrd"
	shows 'udhcpc: lease of 10\.0\.2\.[0-9]+ obtained from 10\.0\.2\.2' 'gpgv: Good signature from "Debian Stable Release Key' \
		'anna.*URL:.*\.udeb \[' 'find-disk: /dev/vda, .* inet 10\.0\.2\.'
}

test_the_network_user_tells_what_it_needs() {
	local run=(run --timeout 120 --memory 64M --l1 "$B/payload/power.elf" --net user) yaml=$out.yaml
	expect 66 "${run[@]}" --machine qemu && one_line && shows "--net: the network 'user' needs --machine bochs" &&
		expect 66 "${run[@]}" --devices pci:00:03.0 --iommu none && one_line && shows "--net: the VM 'user-net': " &&
		expect 66 image --l1 "$B/payload/power.elf" --net user -o "$out.iso" && one_line && shows 'an image has none' &&
		vms "$yaml" 'networks: [lan]' 'name: a, nets: [lan, user], memory: 64M' && expect 0 check "$yaml" &&
		shows '^kernel vm=user-net .*background=on .*net=user,spoof=on devices=pci:00:03.0 iommu=none' || return 1
	cp "$NESTOR" "$out.nestor" && NESTOR=$out.nestor expect 74 "${run[@]}" --l0 "$B/nestor.elf" && one_line &&
		shows "vmlinuz is missing: run .make service-vm."
}

# One halts and one spins, each on a CPU; the end of the first VM that it waits for is that of the run.
test_a_run_does_not_wait_for_vms_in_the_background() {
	vms "$out.yaml" 'machine: {cpus: 2}' 'name: b, cmdline: hang, memory: 16M, background: on, restart: always' \
		'name: a, cmdline: exit=3, memory: 16M' \
		'name: c, cmdline: spin, memory: 16M, background: on' &&
		expect 7 run "$out.yaml" --timeout 120 --verbose &&
		shows 'vm-end vm=a kind=debug-exit' 'vm-end vm=b kind=stopped value=0 restart=0' 'vm-end vm=c kind=stopped' &&
		shows_not 'vcpu 0:' && vms "$out.yaml" 'machine: {cpus: 1}' 'name: a, cmdline: s5, memory: 16M, background: on' \
		'name: b, cmdline: s5, memory: 16M, background: on' && expect 0 run "$out.yaml" --timeout 120 --verbose &&
		shows 'vm-end vm=a kind=poweroff' 'vm-end vm=b kind=poweroff' &&
		vms "$out.yaml" 'machine: {cpus: 1}' 'name: a, cmdline: spin, memory: 16M, background: on' &&
		expect 124 run "$out.yaml" --timeout 3 && shows 'a vcpu 0: '
}

card() { # STATUS COMMAND-LINE ARGS...
	local want=$1 line=$2
	shift 2
	expect "$want" run --timeout 180 --memory 64M --machine bochs --net-device user --l1 "$B/payload/passed.elf" \
		--cmdline "$line" "$@"
}

# Its interrupt: level-triggered, neither lost nor a storm. The same after a restart.
test_a_vm_writes_rubbish_to_its_own_device() {
	card 2 reset --devices pci:00:03.0 --iommu none --restart on-reset --restart-limit 1 --log-level info &&
		shows 'devices may pass by caches: memory that is wiped is written back' &&
		shows 'afterwards: id 100e8086, class 20000, link 1' 'over RAM: unchanged' 'over the IOAPIC: unchanged' \
			'over the local APIC: unchanged' 'interrupts disabled: 0 taken' &&
		[ "$(grep -a -c 'enabled: 4 taken' "$out.text")" = 2 ] && [ "$(grep -a -c 'once more: 1 taken' "$out.text")" = 2 ]
}

# Only a Bochs that is known has it.
has_test_device() {
	compgen -G "$B/machine/root/usr/lib/*/bochs/plugins/libbx_nestordev.so" >/dev/null || { echo 'not run: the machine has no test device'; false; }
}

messages() { # CPUS MACHINE-CPUS ARGS...
	messages_with '--iommu none' "$@"
}

messages_by_iommu() { # the same
	messages_with '--machine-iommu vtd-caching' "$@"
}

messages_with() { # IOMMU CPUS MACHINE-CPUS ARGS...
	local line="cpus=$2 reset" cpus=$2 machine=$3 iommu=$1 pattern
	shift
	shift 2
	expect 2 run --timeout 180 --memory 64M --machine bochs --machine-option 'plugin_ctrl: nestordev=1' --devices pci:00:02.0 $iommu \
		--l1 "$B/payload/messages.elf" --cmdline "$line" --cpus "$cpus" --machine-cpus "$machine" --restart on-reset \
		--restart-limit 1 "$@" || return 1
	for pattern in 'silent: counts 0, events 0, storm 0' '1024 words as written, ports 154534e, without exits: yes, the table: no' \
		'moved: gone 50, there 50, decoding off: ffffffff' 'pin: 10 taken of 10, events 0' \
		'^msi: 800 messages taken of 800 sent, 0 vectors wrong, owed 0' 'the last cpu: 800 messages taken of 800 sent, 0 vectors wrong' \
		'two allowed: message 5 came as 1' 'msi, masked: 0 taken, pending 8, unmasked: came, pending 0, another 1' \
		'^msix: 1600 messages taken of 1600 sent, 0 vectors wrong' 'again: 1600 messages taken of 1600 sent, 0 vectors wrong' \
		'msix, masked: 0 taken, pending 80, unmasked: 1, pending 0' 'all masked: 0 taken, pending ffff, unmasked: all came, pending 0' \
		'dma: copy the same, sum right, 1 message, filled 12288' 'halted: 200 of 200 messages woke it' \
		'storm: each came, afterwards: 1600 messages taken of 1600 sent, 0 vectors wrong' \
		'l2: exit 18, id 154534e, memory cafe, without exits: yes, moved away: id ffffffff, memory here cafe'; do
		[ "$(grep -a -c -e "$pattern" "$out.text")" = 2 ] || { echo "not twice: $pattern"; return 1; }
	done
}

# Every message of MSI and MSI-X, with masks and in bursts; registers without exits, from L2 too, that move while another vCPU reads
# them; DMA; the pin. Twice: a reset while the device sends all the time leaves nothing of it.
test_a_vm_takes_every_message_of_its_device() {
	has_test_device || return 0
	messages 1 1 --apicv off && messages 2 2 && messages 2 2 --l0-option posted=on &&
		shows 'msix: .*, some by cpu 0, some by cpu 1'
}

# The unit of the emulated machine: translation, faults, stale entries, the queue; interrupts.
test_the_machines_vtd_unit_does_what_the_specification_says() {
	local mode
	expect 64 run --machine qemu --machine-iommu vtd --l1 "$B/payload/power.elf" && one_line && shows 'QEMU.s machine has none: needs --machine bochs' || return 1
	has_test_device || return 0
	for mode in vtd vtd-caching; do
		expect 0 run --bare --timeout 60 --memory 64M --machine-iommu "$mode" --machine-option 'plugin_ctrl: nestordev=1' \
			--l1 "$B/payload/vtd_dma.elf" --cmdline "${mode#vtd-}" && shows 'vtd_dma: all as it should be' || return 1
	done
	for mode in vtd_irq vtd_sriov vtd_rules vtd_driver; do
		expect 0 run --bare --timeout 60 --memory 64M --machine-iommu vtd --machine-option 'plugin_ctrl: nestordev=1' \
			--l1 "$B/payload/$mode.elf" && shows "$mode: (all as it should be|0 lines differ)" || return 1
	done
}

# Debian's drivers of it, bare: the disk's DMA and interrupt, and the network card's.
bare_linux_with_vtd() { # UNIT KERNEL INITRD COMMAND-LINE ARGS...
	expect 0 run --bare --timeout 400 --memory 256M --machine-iommu "$1" --l1 "$2" --initrd "$3" \
		--cmdline "$LINUX intel_iommu=on iommu=nopt intremap=on $4" "${@:5}" &&
		shows 'DMAR: IOMMU enabled' 'DMAR-IR: Enabled IRQ remapping in x2apic mode' 'dmar0: Using Queued invalidation' \
			'Default domain type: Translated' 'PCI: MMCONFIG at .* reserved in E820' 'reboot: Power down' &&
		shows_not 'DMAR:.*[Ff]ault|DMAR: DRHD: handling|BUG|Call Trace|QI queue|cannot be loaded'
}

long_debian_on_the_bare_machine_uses_its_vtd_unit() {
	local disk=$out.disk sum
	has_test_device || return 0
	truncate -s 64M "$disk" && head -c 4M /dev/urandom | dd of="$disk" conv=notrunc bs=64k seek=48 2>/dev/null || return 1
	sum=$(dd if="$disk" bs=64k skip=48 count=64 2>/dev/null | md5sum | cut -d ' ' -f 1)
	bare_linux_with_vtd vtd "$B/debian/vmlinuz" "$B/debian/ide.cpio" "try=disk,vfs from=48 to=500 count=64 sum=$sum" \
		--machine-disk "$disk" --machine-option 'plugin_ctrl: nestordev=1' &&
		shows 'XFER_MW_DMA_2' '^disk: ok' 'vfs: +4 0x4e55, groups 4, reset by flr' '^vfs: ok' || return 1
	bare_linux_with_vtd vtd-caching "$B/debian-service/vmlinuz" "$B/debian-service/service.cpio" '' --net-device user &&
		shows '0000:00:03.0: Adding to iommu group' 'udhcpc: lease of 10.0.2.15 obtained' 'service: the network is there'
}

# The virtual one of a VM, by a payload with tables of its own, and with the state of all taken and put back; and what it does not go with.
test_a_vms_virtual_vtd_does_what_its_tables_say() {
	expect 1 run --timeout 60 --memory 64M --iommu vtd --l1 "$B/payload/vvtd.elf" && shows 'vvtd: all as it should be' || return 1
	expect 1 run --timeout 60 --memory 64M --iommu vtd --l0-option selftest=state --l1 "$B/payload/vvtd.elf" && shows 'vvtd: all as it should be' || return 1
	expect 3 run --timeout 60 --memory 64M --l1 "$B/payload/vvtd.elf" && shows 'no entropy device, or no unit' || return 1
	expect 66 check --reserve 96M --balloon on --iommu vtd --l1 "$B/payload/vvtd.elf" && one_line && shows "'balloon' is not for a VM with 'iommu: vtd'"
}

# A device of the machine in a VM with a virtual one: what the bare machine's unit decides it decides, line for line; with each kind of unit
# below. And L0's own driver, as L1.
test_a_device_of_the_machine_follows_the_virtual_vtd_of_its_vm() {
	local device=(--timeout 120 --memory 64M --machine-option 'plugin_ctrl: nestordev=1' --l1 "$B/payload/vtd_rules.elf") unit
	has_test_device || return 0
	expect 0 run --bare --machine-iommu vtd-caching "${device[@]}" && shows 'vtd_rules: 0 lines differ' || return 1
	grep -a -E ': ok$|NOT' "$out.text" | grep -v '^page that snoops' >"$out.bare" # which the virtual one can
	[ "$(wc -l <"$out.bare")" -gt 200 ] || return 1
	for unit in vtd vtd-caching; do
		expect 1 run --machine-iommu "$unit" "${device[@]}" --devices pci:00:02.0 --iommu vtd --stats "$out.stats" || return 1
		grep -a -E ': ok$|NOT' "$out.text" | diff "$out.bare" - || return 1
	done
	grep -q 'dma_blocked=[1-9]' "$out.stats" || return 1
	expect 1 run --machine-iommu vtd "${device[@]}" --l1 "$B/payload/vtd_driver.elf" --devices pci:00:02.0 --iommu vtd && shows 'vtd_driver: 0 lines differ'
}

virtual_vtd='intel_iommu=on iommu=nopt intremap=on'
came_up_behind_vtd() {
	shows 'DMAR: IOMMU enabled' 'DMAR-IR: Enabled IRQ remapping in x2apic mode' 'dmar0: Using Queued invalidation' 'Default domain type: Translated' "$@" &&
		shows_not 'DMAR:.*[Ff]ault|DMAR: DRHD: handling|BUG|Call Trace|QI queue|nobody cared|: failed'
}

# Debian's own drivers behind it: all that its devices do is through tables, and their messages through the unit.
test_debian_uses_its_virtual_vtd() {
	truncate -s 8M "$out.img" && linux 0 devices "$virtual_vtd try=write,rng" --iommu vtd --memory 256M --net lan --root-ports 1 \
		--disk "$out.img,cow=12M,root-port=1" &&
		came_up_behind_vtd 'IR-PCI-MSI.*virtio[0-9]-req' 'Adding to iommu group' 'write: ok' 'rng: ok'
}

# VFIO of L1 gives its disk to its L2, which Debian's QEMU runs, and takes it back: what L2's driver wrote is there. Its interrupts do not
# disturb L1.
long_l1_gives_its_disk_to_its_l2_by_vfio() {
	truncate -s 4M "$out.img" && linux 0 vfio "$virtual_vtd l2=qemu machine=q35 l2disk=1 l2vfio=0000:00:08.0 l2rate=2" --iommu vtd --memory 768M \
		--ips 200000000 --disk "$out.img,cow=4M" --stats "$out.stats" &&
		came_up_behind_vtd 'L1: 0000:00:08.0 is in group 0000:00:08.0$' 'L2: vda: bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8' \
			'L2: block written' 'L2: round 2' "L1: L2's block is there" 'L1: done with status 0' &&
		grep -q -E 'nested_entries=.* posted=[0-9]{4,}$' "$out.stats"
}

# A virtual function of L1's network card, by VFIO: L2's driver has a lease and an answer from outside through it.
test_l1_gives_a_virtual_function_to_its_l2_by_vfio() {
	linux 0 vfio "$virtual_vtd l2=qemu machine=q35 l2net=1 l2vfio=vf" --iommu vtd --memory 768M --ips 200000000 --root-ports 1 \
		--net user,root-port=1,vfs=1 --stats "$out.stats" &&
		came_up_behind_vtd 'L1: the first virtual function of 0000:01:00.0 is 0000:01:00.1' 'L1: 0000:01:00.1 is in group 0000:01:00.1$' \
			'eth0 has 10.0.2.15/24' '3 packets transmitted, 3 packets received' 'L2: done' 'L1: done with status 0' &&
		grep -q -E 'net0vf0_received_frames=[1-9]' "$out.stats" && grep -q -E 'nested_entries=.* posted=[1-9]' "$out.stats"
}

# The machine's unit posts them where the guest wants them: vCPUs that run, that halt, and that another one has taken the CPU from. (On
# Bochs only when it is told so: its processors take notifications wrongly, but the unit's.)
test_messages_of_a_device_reach_vcpus_without_an_exit() {
	local cpus
	has_test_device || return 0
	for cpus in '1 1' '2 2' '2 1'; do
		# shellcheck disable=SC2086 # two words
		messages_by_iommu $cpus --l0-option posted=on --stats "$out.stats" || return 1
		[ "$(awk '/level=1 reason=EXTERNAL_INTERRUPT/ { sub(/.*count=/, ""); n += $1 } END { print n + 0 }' "$out.stats")" -lt 200 ] || return 1
	done
}

# The machine's own network card, through two IOMMUs: stock Linux gives it on to a stock guest, by its pin, whose driver has a lease and answers.
test_l1_gives_the_machines_network_card_to_its_l2_by_vfio() {
	has_test_device || return 0
	linux_of 0 "$B/debian/vmlinuz" "$B/debian-service/vfio.cpio" "$virtual_vtd l2=qemu machine=q35 l2net=1 l2card=e1000 l2vfio=0000:00:14.0 l2rate=100 l2size=1472" \
		--iommu vtd --memory 768M --ips 200000000 --machine-iommu vtd --net-device user --devices pci:00:03.0 --rng off --stats "$out.stats" &&
		came_up_behind_vtd 'L1: 0000:00:14.0 is in group 0000:00:14.0$' 'eth0 has 10.0.2.15/24' '3 packets transmitted, 3 packets received' \
			'100 packets transmitted, 100 packets received' 'L2: done' 'L1: done with status 0' &&
		shows_not 'was kept from' && grep -q 'dma_blocked=0' "$out.stats" &&
		[ "$(sed -n 's/.*level=2 reason=VIRTUALIZED_EOI count=//p' "$out.stats")" -lt 1000 ]
}

# The same behind a root port: VFIO resets it by the capability that the slot shows.
long_l1_gives_a_card_in_a_slot_to_its_l2_by_vfio() {
	has_test_device || return 0
	linux_of 0 "$B/debian/vmlinuz" "$B/debian-service/vfio.cpio" "$virtual_vtd l2=qemu machine=q35 l2net=1 l2card=e1000 l2vfio=0000:01:00.0 l2rate=20 l2size=1472" \
		--iommu vtd --memory 768M --ips 200000000 --machine-iommu vtd --net-device user --root-ports 1 --devices pci:00:03.0,root-port=1 --rng off --stats "$out.stats" &&
		came_up_behind_vtd 'L1: 0000:01:00.0 is in group 0000:01:00.0$' 'eth0 has 10.0.2.15/24' '20 packets transmitted, 20 packets received' 'L2: done' &&
		shows_not 'was kept from' && grep -q 'dma_blocked=0' "$out.stats"
}

# marks_beside CPUS VM [OPTION]: of the victim, beside that VM of a scenario; empty: alone. With a VT-d unit and the test device
marks_beside() {
	local end=36000000 yaml=$out.yaml
	printf 'machine: {cpus: %d, memory: 256M, iommu: vtd, option: "plugin_ctrl: nestordev=1"}\nvms:\n' "$1" >"$yaml"
	printf '  - {name: victim, kernel: %s/victim.elf, memory: 16M, pin: "0"}\n' "$(realpath "$B/payload")" >>"$yaml"
	[ -z "$2" ] || echo "  - $2" >>"$yaml"
	"$NESTOR" run "$yaml" --machine bochs --timeout 180 --l0-option "limit=$end ${3-}" --stats "$out.stats" >"$out" 2>&1 </dev/null
	awk -v end="$end" '/mark vm=victim/ { sub(/.*tsc=/, ""); n += $1 > end * 2 / 5 && $1 <= end } END { print n + 0 }' "$out.stats"
}

# leaves_others_their_cpu KERNEL COMMAND-LINE KEYS [OPTION]: beside that VM, on the same CPU, a victim's share is half; on another one, all.
leaves_others_their_cpu() {
	local vm alone shared other
	vm="{name: sender, kernel: $(realpath "$B/payload")/$1.elf, memory: 64M, cmdline: $2, devices: [pci:00:02.0], $3"
	alone=$(marks_beside 1 '') && shared=$(marks_beside 1 "$vm, pin: \"0\"}" "${4-}") && other=$(marks_beside 2 "$vm, pin: \"1\"}" "${4-}")
	echo "marks: alone $alone, on one CPU with the sender $shared, on another $other"
	grep -q 'vm=sender' "$out.stats" && [ "$alone" -gt 50 ] && [ $((shared * 100)) -ge $((alone * 40)) ] && [ $((other * 100)) -ge $((alone * 75)) ]
}

# Through L0, and posted by the machine.
test_a_device_that_sends_without_end_takes_no_cpu_from_other_vms() {
	has_test_device || return 0
	leaves_others_their_cpu messages storm 'iommu: none' && leaves_others_their_cpu messages storm 'iommu: on' posted=on
}

test_rubbish_in_a_virtual_vtd_takes_no_cpu_from_other_vms() {
	has_test_device || return 0
	leaves_others_their_cpu wildvtd endless 'iommu: vtd'
}

# wild_vtd UNIT CPUS SEED ROUNDS: beside a VM whose memory must stay as it is
wild_vtd() {
	local yaml=$out.yaml
	printf 'machine: {kind: bochs, cpus: 2, memory: 256M, iommu: %s, option: "plugin_ctrl: nestordev=1"}\nvms:\n' "$1" >"$yaml"
	printf '  - {name: wild, kernel: %s/wildvtd.elf, memory: 64M, cpus: %d, cmdline: seed=%d rounds=%d cpus=%d, devices: [pci:00:02.0], iommu: vtd}\n' \
		"$(realpath "$B/payload")" "$2" "$3" "$4" "$2" >>"$yaml"
	printf '  - {name: neighbour, kernel: %s/owned.elf, memory: 32M, cmdline: watch}\n' "$(realpath "$B/payload")" >>"$yaml"
	expect 1 run "$yaml" --timeout "${TIMEOUT:-120}" --stats "$out.stats" && shows 'neighbour: unchanged' "wildvtd: $4 rounds, [0-9]{2,} allowed, [0-9]{3,} kept, .* all as it should be" &&
		no_defect_of_l0
}

# A VM programs its virtual unit at random, from one processor or two, while a device of the machine's works behind it.
test_rubbish_in_a_virtual_vtd_lets_a_device_reach_what_its_tables_say() {
	has_test_device || return 0
	wild_vtd vtd 1 1 60 && wild_vtd vtd-caching 2 2 60
}

long_rubbish_in_a_virtual_vtd_lets_a_device_reach_what_its_tables_say_for_long() {
	local seed
	has_test_device || return 0
	for seed in 11 12 13 14; do
		TIMEOUT=600 wild_vtd "$([ $((seed % 2)) = 0 ] && echo vtd || echo vtd-caching)" $((seed / 2 % 2 + 1)) "$seed" 400 || return 1
	done
}

# Instructions of L0 in a function, by the profile of a run.
executed_in() { # PROFILE FUNCTION
	awk -v f=";$2 [0-9]+\$" '$0 ~ f { n += $NF } END { print n + 0 }' "$1.folded"
}

# The machine is reset at the end of a run: what L0 does when a reset has no effect is not executed.
test_the_machine_can_be_reset_at_the_end() {
	expect 1 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/hello.elf" --l0-option 'at-end=reset machine=none' --profile "$out.p" &&
		[ "$(executed_in "$out.p" reset_machine)" -gt 0 ] && ! grep -q 'reset_machine;.*tsc_delay' "$out.p.folded"
}

# Whether it can be switched off its tables say: those of a BIOS do, and without any a warning tells it at the start.
test_the_start_tells_whether_the_machine_can_be_switched_off() {
	local warning='at-end=off: firmware does not tell how: there is no ACPI table FADT'
	expect 1 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/hello.elf" --l0-option at-end=off && shows "$warning" || return 1
	expect 0 image --l1 "$B/payload/hello.elf" --memory 64M --l0-option at-end=off -o "$out.iso" &&
		expect 1 run --iso "$out.iso" --machine bochs --machine-memory 512M --timeout 120 && rm -f "$out.iso" && shows 'hello: VT-x offered' && shows_not 'at-end=off'
}

# Between two VMs, instruction by instruction: registers and the return stack buffer after each exit, buffers before each entry, barriers
# before another VM's. Of each exit so many instructions more than on a processor that needs none; the last exit of a VM does not come back. The end
# of a slice is an exit, too, and there may be one more on this processor.
test_what_speculation_needs_is_executed_at_each_exit() {
	local model vm plain guarded timers exits=74
	for model in corei7_skylake_x sapphire_rapids; do
		{
			printf 'timeout: 60\nlog: info\nmachine:\n  kind: bochs\n  option: "cpu: model=%s, count=1, ips=50000000"\nvms:\n' "$model"
			for vm in a b; do printf '  - {name: %s, memory: 32M, kernel: %s}\n' "$vm" "$PWD/$B/payload/hello.elf"; done
		} >"$out.$model.yaml"
		expect 1 run "$out.$model.yaml" --summary --profile "$out.$model" && [ "$(grep -a -A 3 'exits by reason' "$out.text" | awk '/^ +(IO|CPUID) / { n += $2 } END { print n }')" = "$exits" ] || return 1
	done
	shows 'barriers of branch predictors: [2-9]' || return 1
	plain=$(executed_in "$out.corei7_skylake_x" vmx_exit_stub) guarded=$(executed_in "$out.sapphire_rapids" vmx_exit_guarded)
	timers=$(awk '/^ +PREEMPTION_TIMER / { n += $2 } END { print n + 0 }' "$out.text")
	echo "plain $plain, guarded $guarded, ends of slices $timers, detour $(executed_in "$out.sapphire_rapids" vmx_detour)"
	[ "$(executed_in "$out.corei7_skylake_x" vmx_detour)" -lt "$exits" ] && [ "$(executed_in "$out.sapphire_rapids" vmx_exit_stub)" = 0 ] &&
		[ "$plain" -gt 0 ] && [ $((guarded - plain)) -ge $((80 * (exits - 2))) ] && [ $((guarded - plain)) -le $((80 * exits + 100 * timers)) ] &&
		[ "$(executed_in "$out.sapphire_rapids" vmx_detour)" -ge $((20 * (exits - 2))) ] && [ "$(executed_in "$out.sapphire_rapids" vcpu_guard)" -gt 0 ]
}

# MSRs as some other firmware leaves them, on all CPUs: local APICs in x2APIC mode, off, and with VT-x locked; PAT, debug and counters on.
test_nestor_starts_on_what_firmware_leaves() {
	local msrs
	for msrs in 0x1b=0xfee00d00 0x1b=0xfee00900 0x3a=5,0x1b=0xfee00d00 0x277=0,0x1d9=3,0x38f=7,0x2ff=0 \
		0xc0000080=0x801,0xc0000103=0x1234,0x10=0x8000000000000000; do
		expect 1 run --machine bochs --timeout 60 --memory 32M --cpus 3 --machine-cpus 3 --l1 "$B/payload/cpuid_msr.elf" --machine-msr "$msrs" \
			--log-level info && shows '3 CPUs, ' && grep -a '^[a-z]' "$out.text" | grep -v '^nestor' >"$out.$msrs" || return 1
		diff "$out.0x1b=0xfee00d00" "$out.$msrs" || return 1
	done
	expect 1 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/cpuid_msr.elf" --machine-msr 0x277=0 --log-level info && shows 'IA32_PAT was 0x0' || return 1
	# What L0 does not use is off: the emulator has one such register, on models with CET.
	expect 1 run --machine bochs --machine-option 'cpu: model=sapphire_rapids, count=1, ips=50000000' --timeout 60 --memory 32M \
		--l1 "$B/payload/cpuid_msr.elf" --machine-msr 0xda0=0x1800 --log-level info && shows 'CPU 0: IA32_XSS was 0x1800, and is 0x0 now' || return 1
	# MTRRs that are on, and have all memory uncacheable; while they are off nobody has set them here.
	expect 1 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/cpuid_msr.elf" --machine-msr 0x2ff=0x800 --log-level info &&
		shows '([0-9]+) of \1 MiB of memory are not write-back by firmware.s MTRRs, from 0x0 on' || return 1
	expect 1 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/cpuid_msr.elf" \
		--machine-msr 0x2ff=0x806,0x200=0x1000000,0x201=0x7fff000800 --log-level info && shows '16 of [0-9]+ MiB of memory are not write-back .* from 0x1000000 on' || return 1
	expect 68 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/power.elf" --machine-msr 0x3a=1 && shows 'VT-x is locked off by the firmware' || return 1
	expect 68 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/power.elf" --machine-msr 0x1b=0xfee00100 && # off: for good, here
		shows 'the local APIC was switched off by the firmware' || return 1
	expect 66 run --machine bochs --l1 "$B/payload/power.elf" --machine-msr 0x3a && one_line && shows "^nestor: --machine-msr: '0x3a' is not allowed: must be INDEX=VALUE"
}

# Some thousand entries: pieces and holes, in no order, over each other, of no size, of types that nobody knows, beyond all memory. The
# test device looks at what L0 must not use, of which nothing was written; all the rest is there.
holes() { # FIRST STEP COUNT
	local map='0x7800000+0x1000=2*300/0x5000,0x7800000+0x3001=1*300/0x5000,0x7600000+0x800=5*200/0x2000,0x7600800+0x800=3*200/0x2000'
	map="$map,0x7700000+0=1*20/0x1000,0x6f00000+0x1000=77*100/0x3000,0x6e00000+0x200000=1,0x6e00000+0x200000=1,0x1000+0xffffffffffffffff=2"
	expect 1 run --machine bochs --machine-memory 128M --timeout 60 --memory 32M --log-level info --machine-option 'plugin_ctrl: nestordev=1' \
		--devices pci:00:02.0 --iommu none --l1 "$B/payload/holes.elf" --cmdline "first=$(($1)) step=$(($2)) count=$3 size=4096" \
		--machine-map "$map,0x400000000000+0x40000000=1,0xbf000000+0x100000=2" &&
		shows "holes: 0 of $3 touched" '1 CPU, 120 MiB free' '1024 MiB of memory above 64 TiB are not used'
}

test_a_memory_map_of_a_thousand_odd_entries_is_believed_where_it_can_be() {
	has_test_device || return 0
	holes 0x7800000 0x5000 300 && holes 0x7600000 0x2000 200 && holes 0x6f00000 0x3000 100 || return 1
	# Where the loader has put what it hands over, too.
	expect 1 run --machine bochs --timeout 60 --l1 "$B/payload/hello.elf" --machine-map 0x100000+0x700000=2 && shows 'hello: VT-x offered' || return 1
	expect 66 run --machine bochs --l1 "$B/payload/power.elf" --machine-map 0x1000=2 && one_line && shows "^nestor: --machine-map: '0x1000=2' is not allowed: must be START\+SIZE=TYPE"
}

# A device that firmware left running, with memory of its own and a page of a VM's: it reaches the first and is kept from the second, as
# long as it likes, in xAPIC mode; without a unit it is stopped. What it sends is nobody's.
left_running() { # ADDRESS,ADDRESS,VECTOR ARGS...: or '' for a device that stands still
	NESTOR_DEVICE=$1 expect 1 run --machine bochs --timeout 60 --memory 32M --log-level info --machine-option 'plugin_ctrl: nestordev=1' \
		--l1 "$B/payload/hello.elf" "${@:2}" && shows 'hello: VT-x offered'
}

stopped_count() { # the machine has others that are bus masters from the start on
	grep -a -o -E '[0-9]+ functions? of PCI that no VM has w[aser]+ left running by firmware: stopped' "$out.text" | grep -o '^[0-9]*' || echo 0
}

test_what_firmware_left_running_reaches_no_memory_of_vms() {
	local were
	has_test_device || return 0
	left_running 0x9e000,0x3000000,0xb0 --machine-iommu vtd-regions &&
		shows 'firmware asks for xAPIC mode .X2APIC_OPT_OUT.: local APICs stay in it' 'interrupts remapped, can be posted' \
			"firmware.s memory at 0x100000 to 0x100fff .RMRR. is not for devices: it is in usable memory" \
			'pci:00:02.0 goes on reaching what firmware has for it' 'pci:00:02.0, which no VM has, was kept from a write at 0x3000000: the page is not writable' &&
		shows_not 'pci:00:03.0 goes on|write at 0x9e000|left running' || return 1
	left_running 0x9e000,0x3000000,0xb0 --machine-iommu vtd &&
		shows 'remapped, to x2APICs' 'pci:00:02.0, which no VM has, was kept from a write at 0x9e000' 'was kept from a write at 0x3000000' || return 1
	left_running '' && were=$(stopped_count) && left_running 0x3000000,0x3000000,0xb0 && [ "$(stopped_count)" = $((were + 1)) ] &&
		shows 'interrupt that nobody expects: vector 0xb0 on CPU 0 .1 since the start' && shows_not 'stay bus masters' || return 1
	left_running 0x3000000,0x3000000,0xb0 --l0-option dma=leave && shows_not 'left running'
}

# The same where its writes can be seen, since the VM's memory is the machine's: units are off then.
still() { # ADDRESS,ADDRESS,VECTOR[,ADDRESS] WHAT ARGS...
	NESTOR_DEVICE=$1 expect 1 run --machine bochs --timeout 60 --memory 64M --log-level info --machine-option 'plugin_ctrl: nestordev=1' \
		--l1 "$B/payload/still.elf" --cmdline mib=48 "${@:3}" && shows "memory: $2"
}

through=(--net-device user --devices pci:00:03.0 --iommu none)

# The device is in segment 1: blocked by the unit of that segment, or stopped by configuration space in memory.
test_what_firmware_left_running_in_another_pci_segment_reaches_no_memory_of_vms() {
	has_test_device || return 0
	still 0x3000000,0x3000000,0xb0 still --machine-iommu vtd-segments &&
		shows 'the IOMMU at 0xfed90000 is on' 'the IOMMU at 0xfeda0000 is on' '0xe8100000, of buses 00 to 00 of segment 1' \
			'pci:0001:00:02.0, which no VM has, was kept from a write at 0x3000000' && shows_not 'left running|pci:00:02.0' || return 1
	still 0x3000000,0x3000000,0 still --machine-iommu vtd-segments "${through[@]}" &&
		shows '2 functions of PCI that no VM has were left running by firmware: stopped' && shows_not 'stay bus masters' || return 1
	still 0x3000000,0x3000000,0 CHANGES --machine-iommu vtd-segments "${through[@]}" --l0-option dma=leave
}

test_virtual_functions_that_firmware_turned_on_reach_no_memory_of_vms() {
	has_test_device || return 0
	still 0x9e000,0x9e000,0,0x3000000 still --machine-iommu vtd "${through[@]}" &&
		shows 'virtual functions of 1 device, which firmware had turned on, are off' || return 1
	still 0x9e000,0x9e000,0,0x3000000 still --machine-iommu vtd && shows 'pci:00:10.0, which no VM has, was kept from a write at 0x3000000' || return 1
	still 0x9e000,0x9e000,0,0x3000000 CHANGES --machine-iommu vtd "${through[@]}" --l0-option dma=leave
}

test_devices_that_a_vm_cannot_have_are_refused_before_anything_starts() {
	card 66 '' --devices pci:00:1f.2 --iommu none &&
		shows "'l1': it cannot have pci:00:1f.2: this machine has no such function" && shows_not 'at first' &&
		card 1 '' --devices all --iommu none --log-level info &&
		shows "'l1' owns pci:00:03.0 " "'l1' owns pci:00:01.1 \(8086:7010\), line 14, 15" \
			"memory of 'l1', one to one: 0x[0-9a-f]+ to 0x4000000" 'at first' &&
		card 66 '' --devices pci:00:01.0 --iommu none && shows 'pci:00:01.0: it is a bridge' &&
		card 66 '' --devices pci:00:03.0 && one_line &&
		shows "'l1': it cannot have pci:00:03.0: firmware has no table DMAR: the machine has no IOMMU, or it is switched off; .iommu: none. " &&
		card 66 '' --devices pci:00:1f.2 && one_line && shows 'this machine has no such function$'
}

owned_by_iommu() { # STATUS UNIT ARGS...
	expect "$1" run --timeout 120 --memory 64M --machine bochs --machine-iommu "$2" --machine-option 'plugin_ctrl: nestordev=1' \
		--devices pci:00:02.0 --l1 "$B/payload/owned.elf" "${@:3}"
}

# DMA at guest-physical addresses and nowhere else, told, counted, no flood; after a restart likewise. A neighbour notices nothing. All
# messages come through the unit; so do the network card's interrupt by the IOAPIC.
test_a_device_behind_the_iommu_reaches_its_vm_and_nothing_else() {
	local unit pattern yaml=$out.yaml
	has_test_device || return 0
	for unit in vtd vtd-caching; do
		owned_by_iommu 2 $unit --cmdline reset --restart on-reset --restart-limit 1 --l0-log "$out.l0" --stats "$out.stats" || return 1
		for pattern in '^dma: copy the same, sum right, blocked 0' 'dma: the last byte of memory written, blocked 1' \
			'behind its memory: blocked 2048 of 2048' 'a read there: blocked 1' 'a write to the device.s own registers: blocked 1' \
			'they are unchanged' 'a write of an interrupt to a CPU: blocked [1-9]' 'a write to the IOAPIC: blocked 1' \
			'a write to the unit: blocked 1' 'a write far away: blocked 1' '^afterwards: copy the same, sum right, blocked 0'; do
			[ "$(grep -a -c -e "$pattern" "$out.text")" = 2 ] || { echo "not twice: $pattern"; return 1; }
		done
		grep -q 'the IOMMU at 0xfed90000 is on: tables of 4 levels, interrupts remapped' "$out.l0" &&
			grep -q "'l1': pci:00:02.0 was kept from a write at 0x4000000: the page is not writable" "$out.l0" &&
			[ "$(grep -a -c 'was kept from' "$out.l0")" -lt 500 ] &&
			grep -q 'dma_blocked=[1-9][0-9]' "$out.stats" || return 1
	done
	{
		printf 'machine: {kind: bochs, cpus: 2, memory: 256M, iommu: vtd-caching, option: "plugin_ctrl: nestordev=1"}\nvms:\n'
		printf '  - {name: owner, kernel: %s/owned.elf, memory: 64M, devices: [pci:00:02.0]}\n' "$(realpath "$B/payload")"
		printf '  - {name: neighbour, kernel: %s/owned.elf, memory: 32M, cmdline: watch}\n' "$(realpath "$B/payload")"
	} >"$yaml"
	expect 1 run "$yaml" --timeout 120 --l0-log "$out.l0" && shows 'neighbour: unchanged' 'behind its memory: blocked 2048 of 2048' || return 1
	messages_by_iommu 1 1 && messages_by_iommu 2 2 &&
		card 2 reset --machine-iommu vtd --devices pci:00:03.0 --restart on-reset --restart-limit 1 &&
		[ "$(grep -a -c 'enabled: 4 taken' "$out.text")" = 2 ] && [ "$(grep -a -c 'once more: 1 taken' "$out.text")" = 2 ]
}

vf_vms() { # UNIT: two VMs with a virtual function each, and what else is wanted of them: LIKE_ONE, LIKE_TWO
	printf 'machine: {kind: bochs, cpus: 2, memory: 320M, iommu: %s, option: "plugin_ctrl: nestordev=1"}\nvms:\n' "$1"
	printf '  - {name: one, kernel: %s/virtual.elf, memory: 64M, devices: ["pci:00:02.0/vf0"], cmdline: "tag=1 rounds=2 %s}\n' \
		"$(realpath "$B/payload")" "${LIKE_ONE:-reset\", restart: on-reset, restart-limit: 1}"
	printf '  - {name: two, kernel: %s/virtual.elf, memory: 64M, devices: ["pci:00:02.0/vf2"], cmdline: "tag=2 rounds=6"%s}\n' \
		"$(realpath "$B/payload")" "${LIKE_TWO:-}"
}

vf_did() { # NUMBER TIMES MESSAGES: the VM of this number, so many times
	local pattern
	for pattern in "vm $1: id 4e551234, class ff0000, pin 0, bar ffff0004, vectors 16, other capabilities 1$" \
		"vm $1: registers 154534e, memory 0$" "vm $1: behind its memory: blocked 2048 of 2048$" "vm $1: registers of the device: blocked 128 of 128$" \
		"vm $1: an interrupt: blocked 1$" "vm $1: behind its registers: ffffffff$" "vm $1: $3 messages of $3, wrong 0$" "vm $1: memory $1$"; do
		[ "$(grep -a -c -e "$pattern" "$out.text")" = "$2" ] || { echo "not $2 times: $pattern"; return 1; }
	done
	[ "$(grep -a -c -e "vm $1: copy the same, blocked 0$" "$out.text")" = $((2 * $2)) ]
}

# Two VMs at the same time, one of them twice: DMA in their own memory only, all messages, nothing left of before, nothing of the other.
# The functions are there while a VM may run that has one.
test_vms_have_virtual_functions_of_a_device_of_the_machine() {
	local unit
	has_test_device || return 0
	for unit in vtd vtd-caching; do
		vf_vms $unit >"$out.yaml"
		expect 2 run "$out.yaml" --timeout 120 --log-level info --l0-log "$out.l0" && vf_did 1 2 640 && vf_did 2 1 1920 || return 1
		grep -q 'pci:00:02.0 has 3 virtual functions of 4: 00:10.0, and so on by 1' "$out.l0" &&
			grep -q "'one' owns pci:00:02.0/vf0 (1234:4e55), which is 00:10.0, line none, 16 messages" "$out.l0" &&
			grep -q "'two' owns pci:00:02.0/vf2 (1234:4e55), which is 00:10.2, line none, 16 messages" "$out.l0" &&
			grep -q "'two': pci:00:10.2 was kept from a write at 0x[0-9a-f]*: the page is not writable" "$out.l0" &&
			[ "$(grep -c 'virtual functions of pci:00:02.0 are gone' "$out.l0")" = 1 ] || return 1
	done
}

# They go with the last VM, and come back for the next one.
test_virtual_functions_of_the_machine_come_back_with_their_vms() {
	local at pid rc i
	has_test_device || return 0
	LIKE_ONE='"' LIKE_TWO=', start: off' vf_vms vtd-caching >"$out.yaml"
	managed "$out.yaml" --log-level info --l0-log "$out.l0"
	said 'one\| vm 1: memory 1$' && ask_until '^one +off' ps && ask 0 start two && said 'two\| vm 2: memory 2$' && ask_until '^two +off' ps || return 1
	for ((i = 0; i < 300; i++)); do
		grep -q 'virtual functions of pci:00:02.0 are gone' "$out.l0" && break
		sleep 0.2
	done
	[ "$i" -lt 300 ] || { echo 'they do not go'; kill "$pid"; return 1; }
	ask 0 start one && said_twice 'one\| vm 1: memory 1$' && vf_did 1 2 640 && vf_did 2 1 1920 &&
		[ "$(sed -n 's/.*virtual functions of pci:00:02.0 are \([a-z]*\).*/\1/p' "$out.l0" | head -n 2 | paste -sd ' ')" = 'gone there' ]
	rc=$?
	kill "$pid" 2>/dev/null
	wait "$pid"
	return $rc
}

vf_refused() { # DEVICES PATTERN ARGS...: before anything starts
	expect 66 run --timeout 60 --memory 64M --machine bochs --machine-option 'plugin_ctrl: nestordev=1' --l1 "$B/payload/virtual.elf" --devices "$1" "${@:3}" &&
		one_line && shows "$2" && shows_not 'vm 1'
}

test_virtual_functions_that_a_vm_cannot_have_are_refused_with_the_reason() {
	has_test_device || return 0
	vf_refused pci:00:02.0/vf4 "'l1': it cannot have pci:00:02.0/vf4: it has vf0 to vf3 only" --machine-iommu vtd &&
		vf_refused pci:00:05.0/vf0 'pci:00:05.0/vf0: this machine has no such function' --machine-iommu vtd &&
		vf_refused pci:00:01.1/vf0 'pci:00:01.1/vf0: it has no virtual functions .SR-IOV.' --machine-iommu vtd &&
		vf_refused pci:00:02.0/vf0 'pci:00:02.0/vf0: firmware has no table DMAR: the machine has no IOMMU, or it is switched off$' &&
		vf_refused pci:00:02.0/vf0 "'iommu: none' is not for virtual functions" --machine-iommu vtd --iommu none &&
		vf_refused pci:00:02.0/vf0,pci:00:02.0 "is Nestor's own: 'devices' names it, or those" --machine-iommu vtd &&
		expect 64 check --devices pci:00:02.0/vf256 --l1 "$B/payload/virtual.elf" && one_line && shows 'pci:00:03.0/vf0 .to 255' || return 1
	vf_vms vtd | sed 's,/vf2,,' >"$out.yaml" && expect 66 check "$out.yaml" && one_line && shows "'two': another VM has one of its devices, or virtual functions of one"
}

made() { # TIMES STATUS COMMAND-LINE ARGS...
	expect "$2" run --timeout 120 --memory 64M --machine bochs --machine-option 'plugin_ctrl: nestordev=1' --devices pci:00:02.0/vfs=4 \
		--l1 "$B/payload/made.elf" --cmdline "$3" --log-level info --l0-log "$out.l0" --restart on-reset --restart-limit 1 "${@:4}" &&
		[ "$(grep -a -c 'made: all as it should be' "$out.text")" = "$1" ] &&
		grep -q "'l1' may make 4 virtual functions of pci:00:02.0, each with 4 messages of 16" "$out.l0"
}

# It owns the physical function: they come and go when it says so, each a requester of its own with messages and a reset; and again after a
# reset of the VM while they are on.
test_a_vm_makes_virtual_functions_of_its_device() {
	has_test_device || return 0
	made 1 1 '' --machine-iommu vtd --l0-option posted=on && made 2 2 'unit reset' --machine-iommu vtd-caching --iommu vtd || return 1
	vf_refused pci:00:02.0/vfs=5 "it cannot have pci:00:02.0/vfs=5: it has vf0 to vf3 only" --machine-iommu vtd &&
		vf_refused pci:00:01.1/vfs=1 'it cannot have pci:00:01.1/vfs=1: it has no function-level reset, as it must with SR-IOV' --machine-iommu vtd &&
		vf_refused pci:00:02.0/vfs=2 "'iommu: none' is not for virtual functions" --machine-iommu vtd --iommu none &&
		vf_refused pci:00:02.0/vfs=2,pci:00:02.0/vf3 "is Nestor's own: 'devices' names it, or those" --machine-iommu vtd &&
		expect 64 check --devices pci:00:02.0/vfs=8 --l1 "$B/payload/made.elf" && one_line && shows '/vfs=1 .to 7'
}

ide() { # STATUS COMMAND-LINE DISK ARGS...
	local want=$1 line=$2 disk=$3
	shift 3
	expect "$want" run --timeout 180 --memory 32M --machine bochs --l1 "$B/payload/ide.elf" --cmdline "$line" \
		--machine-disk "$disk" "$@"
}

# Data by INS, OUTS and DMA, each interrupt once, the same after a restart in the middle of a command. Four sectors are
# changed, in the file if it is to keep them. A disk of one sector is one, too.
test_a_vm_owns_the_machines_disk() {
	local disk=$out.disk own='--devices pci:00:01.1 --iommu none'
	disk_image "$disk" && cp "$disk" "$disk.was" || return 1
	# shellcheck disable=SC2086
	ide 2 reset "$disk" $own --restart on-reset --restart-limit 1 --machine-disk-changes discard && cmp "$disk" "$disk.was" &&
		ide 2 reset "$disk" $own --restart on-reset --restart-limit 1 &&
		[ "$(grep -a -c 'identify: 1954 sectors, twice the same' "$out.text")" = 2 ] &&
		[ "$(grep -a -c 'read: 4 interrupts' "$out.text")" = 2 ] &&
		[ "$(grep -a -c 'dma: the same, 0 interrupts while disabled' "$out.text")" = 2 ] &&
		[ "$(grep -a -c 'enabled: 1 interrupts, status 0' "$out.text")" = 2 ] &&
		[ "$(cmp -l "$disk" "$disk.was" | sed -n 's/^ *\([0-9]*\) .*/\1/p;' | sed -n '1p;$p' | tr '\n' ' ')" = '4097 6144 ' ] &&
		truncate -s 512 "$disk" && ide 1 '' "$disk" $own && shows 'identify: 1 sectors'
}

test_a_disk_that_the_machine_cannot_have_is_told() {
	local disk=$out.disk yaml=$out.yaml
	rm -f "$disk" && ide 66 '' "$disk" && one_line && shows "machine-disk: '.*disk': No such file" &&
		ide 66 '' "$LOGS" && one_line && shows 'Is a directory' && truncate -s 700 "$disk" && ide 66 '' "$disk" && one_line &&
		shows 'has 700 bytes: must be a multiple of 512, and more than 0' && truncate -s 0 "$disk" && ide 66 '' "$disk" &&
		shows 'has 0 bytes' && truncate -s 1M "$disk" &&
		ide 66 '' "$disk" --disk "$disk" && one_line && shows "is used twice: --disk names it, too" &&
		flock "$disk" "$NESTOR" run --machine bochs --l1 "$B/payload/ide.elf" --machine-disk "$disk" >"$out.text" 2>&1
	[ $? = 66 ] && one_line && shows 'is the disk of another machine that runs' &&
		vms "$yaml" $'machine:\n  disk: none.img' 'name: a' && expect 66 check "$yaml" && one_line &&
		shows "yaml:2: disk: '.*/none.img': No such file"
}

# Debian's kernel and driver: by DMA and the IOAPIC, and by PIO and the PICs. The disk is larger than the machine's memory,
# and the second run finds what the first one wrote.
test_debians_driver_uses_the_machines_disk() {
	local disk=$out.disk sum run
	truncate -s $(((3 << 30) + 512)) "$disk" && head -c 4M /dev/urandom | dd of="$disk" conv=notrunc bs=64k seek=48 2>/dev/null || return 1
	sum=$(dd if="$disk" bs=64k skip=48 count=64 2>/dev/null | md5sum | cut -d ' ' -f 1)
	run=(run --timeout 600 --memory 96M --rng off --machine bochs --l1 "$B/debian/vmlinuz" --initrd "$B/debian/ide.cpio"
		--machine-disk "$disk" --devices pci:00:01.1 --iommu none --cmdline)
	expect 0 "${run[@]}" "$LINUX quiet try=disk from=48 to=49000 count=64 sum=$sum" &&
		shows 'sda: 6291457 sectors, XFER_MW_DMA_2' '^disk: ok' ' 14: +[0-9]{2,} +IO-APIC +14-edge +ata_piix' || return 1
	sum=$(dd if="$disk" bs=64k skip=48 count=2 2>/dev/null | md5sum | cut -d ' ' -f 1)
	expect 0 "${run[@]}" "$LINUX quiet noapic dma=0 try=disk from=49000 to=5 count=2 sum=$sum" &&
		shows 'XFER_PIO' '^disk: ok' ' 14: +[0-9]{3,} +XT-PIC +ata_piix' &&
		[ "$(dd if="$disk" bs=64k skip=5 count=2 2>/dev/null | md5sum)" = "$sum  -" ]
}

# Debian's driver of the machine's disk in L1, behind the machine's IOMMU: its DMA and its edges, in ordinary memory.
test_linux_uses_the_machines_disk_through_the_iommu() {
	local disk=$out.disk sum
	has_test_device || return 0
	truncate -s 64M "$disk" && head -c 4M /dev/urandom | dd of="$disk" conv=notrunc bs=64k seek=48 2>/dev/null || return 1
	sum=$(dd if="$disk" bs=64k skip=48 count=64 2>/dev/null | md5sum | cut -d ' ' -f 1)
	expect 0 run --timeout 600 --memory 96M --rng off --machine bochs --machine-iommu vtd-caching --l1 "$B/debian/vmlinuz" \
		--initrd "$B/debian/ide.cpio" --machine-disk "$disk" --devices pci:00:01.1 --stats "$out.stats" \
		--cmdline "$LINUX quiet try=disk from=48 to=500 count=64 sum=$sum" &&
		shows 'XFER_MW_DMA_2' '^disk: ok' ' 14: +[0-9]{2,} +IO-APIC +14-edge +ata_piix' && shows_not 'was kept from' &&
		[ "$(dd if="$disk" bs=64k skip=500 count=64 2>/dev/null | md5sum)" = "$sum  -" ] && grep -q 'dma_blocked=0' "$out.stats"
}

# Stock Linux resets the device that it owns by each way that it finds; the driver that gives devices on has the same.
test_linux_resets_its_device_of_the_machine() {
	local unit
	has_test_device || return 0
	for unit in '--iommu none' '--machine-iommu vtd'; do
		expect 0 run --timeout 400 --memory 96M --machine bochs --machine-option 'plugin_ctrl: nestordev=1' $unit --devices pci:00:02.0 \
			--l1 "$B/debian/vmlinuz" --initrd "$B/debian/ide.cpio" --cmdline "$LINUX quiet try=reset" &&
			shows '^reset: by (af_)?flr, memory 0x00000000, registers 0x0154534E' \
				'^reset: by pm, memory 0x00000000, registers 0x0154534E' '^reset: ok' &&
			shows_not 'was kept from|[Rr]efused to change power state|not ready' || return 1
	done
}

# And makes virtual functions of it, each in a group of its own of the VM's virtual VT-d.
test_linux_makes_virtual_functions_of_its_device() {
	has_test_device || return 0
	expect 0 run --timeout 400 --memory 192M --machine bochs --machine-option 'plugin_ctrl: nestordev=1' --machine-iommu vtd-caching --iommu vtd \
		--devices pci:00:02.0/vfs=4 --l1 "$B/debian/vmlinuz" --initrd "$B/debian/ide.cpio" \
		--cmdline "$LINUX quiet intel_iommu=on iommu=nopt intremap=on try=vfs,reset" &&
		shows 'vfs: +4 0x4e55, groups 4, reset by flr' '^vfs: ok' '^reset: by pm, memory 0x00000000, registers 0x0154534E' '^reset: ok' &&
		shows_not 'was kept from|[Rr]efused to change power state|not ready|BUG|Call Trace'
}

# And gives one of them to an L2 by VFIO: its DMA is L2's, it is reset before and after, and goes with the others.
test_l1_gives_a_virtual_function_that_it_made_to_its_l2() {
	has_test_device || return 0
	linux 0 vfio "$virtual_vtd l2=qemu machine=q35 l2vfio=made l2device=1" --iommu vtd --memory 512M --ips 200000000 --rng off \
		--machine bochs --machine-option 'plugin_ctrl: nestordev=1' --machine-iommu vtd --devices pci:00:02.0/vfs=2 &&
		shows 'DMAR: IOMMU enabled' 'L1: the first virtual function of 0000:00:14.0 is 0000:00:14.1' 'L1: 0000:00:14.1 is in group 0000:00:14.1$' \
			'L2: device: id 0x0154534E, memory 0x00000000' 'L2: device: sum 0x00000168, blocked 0x00000000' \
			'L2: device: where nothing is, blocked 0x00000001' \
			'L1: back from L2 it has 0x00000000 in its memory' 'L1: its virtual functions are gone' 'L1: done with status 0' \
			'DMAR: .*Request device .00:14.1. fault addr 0xf0000000' && shows_not 'BUG|Call Trace|nobody cared|was kept from'
}

test_linux_as_l2() {
	linux 0 client 'quiet l2=client' &&
		shows 'L1: starting L2' 'L2: user space reached' 'L2: done' 'L1: done with status 0' \
			'mark vm=l1 value=3'
}

test_the_demo_with_debians_qemu() {
	expect 0 run guests/demo.yaml --verbose --summary &&
		shows 'kvm_intel enable_apicv = Y' 'kvm_intel enable_ipiv = Y' "starting L2 with Debian's QEMU" 'L2: done' 'L1: done with status 0' \
			'nested entries' 'in L2'
}

# L1's APICs in either mode; L2's in both, one after the other.
test_l2s_send_each_other_ipis_without_l1() {
	local mode
	for mode in xapic x2apic; do
		expect 1 run --timeout 100 --memory 64M --cpus 3 --machine-cpus 2 --cmdline "$mode" --l1 "$B/payload/ipis.elf" &&
			shows '^x2APIC: 100 interrupts, 0 exits' '^xAPIC: 100 interrupts, 0 exits' '^ipis: 0 wrong' || return 1
	done
	expect 5 run --timeout 100 --memory 64M --cpus 3 --machine-cpus 2 --vmx-features=-posted_intr --l1 "$B/payload/ipis.elf" &&
		shows 'L1: no IPI virtualization'
}

test_linux_as_l1_with_four_cpus() {
	linux 0 probe 'l2=none' --cpus 4 --machine-cpus 2 &&
		shows 'smp: Brought up 1 node, 4 CPUs' 'L1: CPUs online: 0-3' 'L1: done with status 0' &&
		shows_not 'WARNING|BUG|Call Trace|Firmware Bug|stuck|Calibrating delay loop\.\.\.'
}

# Two nodes of four on a machine with one: one piece of memory, told as two; 3 GiB below the hole, and above it.
test_linux_is_told_of_two_nodes() {
	linux 0 probe 'quiet l2=none' --cpus 4 --nodes 2 --memory 512M &&
		shows 'L1: node0: CPUs 0-1, 2[0-9][0-9] MiB, distances 10 20' \
			'L1: node1: CPUs 2-3, 2[0-9][0-9] MiB, distances 20 10' 'L1: done with status 0' &&
		shows_not 'WARNING|BUG|Call Trace|Firmware Bug|is not in|pieces'
}

# The machine has two nodes, with 21 between them: each stands for one of the VM's, whose memory is in two pieces, which the image of the kernel lies across
# for L0, and whose KVM runs L2 there.
test_nodes_of_the_machine_stand_for_those_of_a_vm() {
	linux 0 client 'quiet l2=client' --cpus 2 --nodes 2 --memory 512M --machine-cpus 2 --machine-nodes 2 --log-level info &&
		shows 'node 0: [0-9]* MiB free, 1 CPUs, distances 10 21' 'node 1: [0-9]* MiB free, 1 CPUs, distances 21 10' \
			"'l1': node 0 of 2 is node [01] of the machine" "memory of 'l1' is in [2-4] pieces" \
			'L1: node0: CPUs 0, 2[0-9][0-9] MiB, distances 10 21' 'L1: node1: CPUs 1, 2[0-9][0-9] MiB, distances 21 10' \
			'L2: done' 'L1: done with status 0' && shows_not 'WARNING|BUG|Call Trace|Firmware Bug'
}

# L1 with four vCPUs on two CPUs, and in its KVM, by Debian's QEMU, Linux with four.
four_cpus() {
	linux 0 qemu 'quiet l2=qemu l2cpus=4' --cpus 4 --machine-cpus 2 --memory 768M "$@" &&
		shows 'L1: CPUs online: 0-3' 'L2: CPUs online: 0-3' 'L2: done' 'L1: done with status 0' &&
		shows_not 'WARNING|BUG|Call Trace'
}

test_four_cpus_in_l1_and_l2() {
	four_cpus
}

test_four_cpus_in_l1_and_l2_without_shadowing() {
	four_cpus --shadow off
}

test_three_vms_with_an_l2_each_on_two_cpus() {
	local vm scenario=$LOGS/three.yaml here=$PWD
	{
		printf 'timeout: 300\nmachine:\n  cpus: 2\nvms:\n'
		for vm in a b c; do
			printf '  - name: %s\n    kernel: %s\n    initrd: %s\n    memory: 384M\n    cmdline: %s\n' \
				"$vm" "$here/$B/debian/vmlinuz" "$here/$B/debian/client.cpio" \
				"$LINUX quiet l2=client end=poweroff"
		done
	} >"$scenario"
	expect 0 run "$scenario" --verbose --summary &&
		shows 'mark vm=a value=3' 'mark vm=b value=3' 'mark vm=c value=3' &&
		[ "$(grep -a -c 'L1: done with status 0' "$out.text")" = 3 ]
}

# Traps on undefined behaviour and on locks taken out of order.
test_payloads_on_a_debug_build() {
	env -u MAKEFLAGS make -s B="$B/debug" DEBUG=1 hypervisor >"$out.make" 2>&1 || { cat "$out.make"; return 1; }
	RUN_ARGS="--l0 $B/debug/nestor.elf" LOG_SUFFIX=-debug tests/conformance/run.sh insn ept eptx apicv lapic smp_vmx smp_events &&
		RUN_ARGS="--l0 $B/debug/nestor.elf" LOG_SUFFIX=-debug tests/stress/run.sh invept_race ipi_storm
}

test_linux_as_l2_without_shadowing() {
	linux 0 client 'quiet l2=client' --shadow off && shows 'L2: done' 'L1: done with status 0'
}

test_linux_as_l2_by_shadow_paging_of_l1() {
	linux 0 client 'quiet l2=client' --vmx-features=-ept &&
		shows 'kvm_intel ept = N' 'L2: done' 'L1: done with status 0'
}

test_linux_as_l2_without_apic_virtualization() {
	linux 0 client 'quiet l2=client' --vmx-features=-apicv &&
		shows 'kvm_intel enable_apicv = N' 'L2: done' 'L1: done with status 0'
}

# Firmware of our own, started again after its reset.
test_firmware_finds_what_a_pc_has() {
	local line
	expect 2 run --timeout 120 --memory 64M --l1-firmware "$B/payload/rom.bin" --log-level error \
		--restart on-reset --restart-limit 1 &&
		shows_not 'WRONG' || return 1
	for line in 'starts at the reset vector' 'its copy below 1 MiB is clean' 'its copy is RAM' \
		'takes an interrupt in real mode' 'prints with one instruction' 'a MOV does not change ROM' \
		'nor does a locked one, and XCHG reads it' 'nor does a string instruction' \
		'a string instruction reads an item' 'DMA tells the size of memory' 'DMA to ROM is an error' \
		'host bridge and LPC bridge are there' 'there is no ECAM' 'but now it is' 'there is no log of firmware' \
		'there is flash' 'it programs a byte' 'and shows it' \
		'reads a device above 1 MiB in real mode' 'copies from a device in real mode' \
		'cannot change its ROM in real mode' 'asks for a reset'; do
		[ "$(grep -a -c -x -e "$line" "$out.text")" = 2 ] || { echo "not twice: $line"; return 1; }
	done
	[ "$(grep -a -c 'was there before the reset' "$out.text")" = 1 ]
}

# The byte of flash that this firmware programs in its first run is there in the second.
test_variables_of_firmware_outlive_the_run() {
	local vars=$out.vars run=(run --timeout 120 --memory 64M --l1-firmware "$B/payload/rom.bin" --variables "$out.vars")
	rm -f "$vars" "$vars.partial"
	expect 2 "${run[@]}" && shows 'and shows it' && shows_not 'was there before|WRONG' &&
		[ "$(od -An -tx1 -j 2048 -N 1 "$vars")" = ' 42' ] && [ "$(stat -c %s "$vars")" = 4096 ] && touch -d @1 "$vars" &&
		expect 2 "${run[@]}" && shows 'which was there before the reset' && shows_not WRONG &&
		[ "$(stat -c %Y "$vars")" = 1 ] || return 1
	[ ! -e "$vars.partial" ] && flock "$vars" "$NESTOR" "${run[@]}" >"$out" 2>&1
	text
	one_line && shows 'has the variables of a VM of another run'
}

seabios() { # ARGS...
	until_it_shows 'No bootable device\.' run --timeout 120 --l1-firmware seabios --firmware-log on \
		--log-level info --l0-log "$out.l0" "$@" || return 1
	cat "$out.l0"
	cat "$out.l0" >>"$out.text"
}

test_seabios_finds_memory_and_nothing_to_boot() {
	seabios --memory 4G &&
		shows 'Running on QEMU \(q35\)' 'fw_cfg DMA interface supported' \
			'e820: addr 0x0000000000000000 len 0x00000000b0000000 \[RAM\]' \
			'e820: addr 0x0000000100000000 len 0x0000000050000000 \[RAM\]' \
			'q35 mmconfig at 0xb0000000' 'Using pmtimer, ioport 0x608' 'ACPI: parse DSDT' \
			'sercon: configuring as primary display'
}

test_seabios_starts_all_processors() {
	seabios --memory 128M --cpus 4 --machine-cpus 2 && shows 'Found 4 cpu\(s\)'
}

test_seabios_boots_from_a_disk_that_outlives_a_reset() {
	expect 0 run --timeout 180 --l1-firmware seabios --memory 64M --disk "$B/payload/disk.img,cow=64K" \
		--restart on-reset --restart-limit 1 &&
		shows 'boot sector: runs' 'boot sector: reads' 'boot sector: writes' 'boot sector: memory' &&
		shows 'is started again' 'boot sector: was written before' && shows_not 'WRONG'
}

# Told by the file bootorder; the first one alone is asked for a boot sector.
test_disks_are_booted_in_the_order_of_the_scenario() {
	until_it_shows 'not a bootable disk' run --timeout 180 --l1-firmware seabios --memory 64M --firmware-log on \
		--log-level info --scratch 2M --disk "$B/payload/disk.img,cow=64K" &&
		shows '1: /pci@i0cf8/scsi@8/disk@0,0' '2: /pci@i0cf8/scsi@9/disk@0,0' && shows_not 'boot sector: runs'
}

debian_menu() {
	cat <<-END
		serial --unit=0 --speed=115200
		terminal_input serial
		terminal_output serial
		set timeout=0
		menuentry debian {
			linux /boot/vmlinuz $LINUX quiet l2=none end=poweroff
			initrd /boot/probe.cpio
		}
	END
}

# A disk with GRUB for BIOS and UEFI, Debian's kernel as it is, and our initial RAM disk.
debian_disk() {
	local d=$LOGS/$1.disk
	rm -rf "$d" && mkdir -p "$d/boot/grub" && cp "$B/debian/vmlinuz" "$B/debian/probe.cpio" "$d/boot" || return 1
	debian_menu >"$d/boot/grub/grub.cfg"
	grub-mkrescue -o "$d.img" "$d" >"$d.log" 2>&1 || cat "$d.log"
	rm -rf "$d"
}

debian_from_a_disk() { # FIRMWARE [KEYS-OF-DISK] ARGS...
	debian_disk "$1" &&
		expect 0 run --timeout 300 --verbose --summary --l1-firmware "$1" --memory 512M --disk "$LOGS/$1.disk.img${2-}" "${@:3}" &&
		shows 'Welcome to GRUB!' "Booting .debian'" 'proc/cpuinfo has vmx' 'kvm_intel ept = Y' \
			'L1: done with status 0' 'reboot: Power down' &&
		shows_not 'WARNING|BUG|Call Trace'
}

test_debian_boots_from_a_disk_by_seabios() {
	debian_from_a_disk seabios
}

long_debian_boots_from_a_disk_by_ovmf() {
	debian_from_a_disk ovmf
}

# In the slot of a bridge, to which OVMF gives its bus and windows.
long_debian_boots_from_a_disk_behind_a_root_port_by_ovmf() {
	debian_from_a_disk ovmf ,root-port=3 --root-ports 4
}

# The same image as a CD.
debian_from_a_cd() { # FIRMWARE
	debian_disk "$1.cd" &&
		until_it_shows 'L1: shell reached' run --timeout 300 --l1-firmware "$1" --memory 512M --cd "$LOGS/$1.cd.disk.img" \
			--boot cdrom && shows 'Welcome to GRUB!' "Booting .debian'" && shows_not 'WARNING|BUG|Call Trace'
}

test_debian_boots_from_a_cd_by_seabios() {
	debian_from_a_cd seabios && shows 'Booting from DVD/CD'
}

long_debian_boots_from_a_cd_by_ovmf() {
	debian_from_a_cd ovmf && shows 'NESTOR CD-ROM'
}

# A whole Debian, installed by mmdebstrap on a disk: to its login, where a command is typed.
debian_lets_in() { # FIRMWARE
	local PATIENCE=6000
	typing run --timeout 1800 --l1-firmware "$1" --memory 512M --disk "$B/debian-disk/disk.img,cow=64M" && seen 'nestor login: $' &&
		printf 'root\n' >&9 && seen 'Password: $' && printf 'nestor\n' >&9 && seen 'root@nestor:~# $' &&
		printf 'echo $((6 * 7)) $(systemctl is-system-running --wait) $(stat -f -c %%T /)\n' >&9 && seen '42 running ext' &&
		printf 'poweroff\n' >&9 && ended 0 && shows 'Welcome to GRUB!' 'reboot: Power down'
}

long_debian_of_mmdebstrap_lets_in_by_seabios() {
	debian_lets_in seabios
}

long_debian_of_mmdebstrap_lets_in_by_ovmf() {
	debian_lets_in ovmf
}

# A CD that cannot be booted before a disk that can, and alone.
test_firmware_starts_from_what_boot_names_in_its_order() {
	local run=(run --timeout 180 --l1-firmware seabios --memory 64M --firmware-log on --log-level info
		--disk "$B/payload/disk.img,cow=64K" --cd "$out.cd")
	head -c 40960 /dev/zero >"$out.cd"
	until_it_shows 'boot sector: runs' "${run[@]}" --boot cdrom,disk &&
		shows '1: /pci@i0cf8/scsi@6/channel@0/disk@0,0' '2: /pci@i0cf8/scsi@8/disk@0,0' \
			'Boot failed: Could not read from CDROM' &&
		until_it_shows 'No bootable device' "${run[@]}" --boot cdrom && shows_not 'boot sector' &&
		until_it_shows 'boot sector: runs' "${run[@]}" && shows '1: /pci@i0cf8/scsi@8/disk@0,0' &&
		shows_not 'read from CDROM'
}

# A VM serves the others of its network from a CD with what is in the folder $out.d. It starts first, because it has nearly
# all of the CPU while it does not wait. MACHINE_CPUS: of the machine, if it is not one.
served() { # CLIENT
	xorriso -as mkisofs -quiet -R -o "$out.iso" "$out.d" && rm -rf "$out.d" && cat >"$out.yaml" <<-END
		machine: {cpus: ${MACHINE_CPUS:-1}}
		networks: [lan]
		vms:
		  - {name: server, weight: 10000, kernel: $PWD/$B/debian/vmlinuz, initrd: $PWD/$B/debian/boot-server.cpio, memory: 128M,
		     nets: [lan], cdroms: [{image: $PWD/$out.iso}], cmdline: $LINUX quiet}
		  - {name: client, nets: [lan], boot: [network], $1}
	END
}

# SeaBIOS keeps the last characters of a line until its timer comes: iPXE's "ok" may end where the payload begins.
test_seabios_boots_from_the_network_that_another_vm_serves() {
	rm -rf "$out.d" && mkdir -p "$out.d" && strip -o "$out.d/hello.elf" "$B/payload/hello.elf" &&
		printf '#!ipxe\nkernel hello.elf\nboot\n' >"$out.d/boot.ipxe" && served 'firmware: seabios, memory: 64M' &&
		until_it_shows 'client\| ud2: vector 6' run "$out.yaml" --timeout 600 &&
		shows 'iPXE .* starting execution' 'Filename: boot.ipxe' 'sent /srv/hello.elf' 'client\| .*hello: VT-x offered'
}

# With Debian's kernel, which BIOS clients load by iPXE and UEFI clients by GRUB.
debian_by_network() { # FIRMWARE
	rm -rf "$out.d" && mkdir -p "$out.d/boot" && cp "$B/debian/vmlinuz" "$B/debian/probe.cpio" "$out.d/boot" &&
		cat >"$out.d/boot.ipxe" <<-END && grub-mknetdir --net-directory="$out.d" --subdir=boot/grub -d /usr/lib/grub/x86_64-efi || return
			#!ipxe
			kernel boot/vmlinuz $LINUX quiet l2=none end=poweroff initrd=probe.cpio
			initrd boot/probe.cpio
			boot
		END
	debian_menu >"$out.d/boot/grub/grub.cfg"
	MACHINE_CPUS=2 served "firmware: $1, memory: 512M" &&
		until_it_shows 'client\| L1: shell reached' run "$out.yaml" --timeout 900 &&
		shows 'sent /srv/boot/vmlinuz' 'sent /srv/boot/probe.cpio'
}

long_debian_boots_from_the_network_by_seabios() {
	debian_by_network seabios
}

long_debian_boots_from_the_network_by_ovmf() {
	debian_by_network ovmf && shows 'Start PXE over IPv4'
}

# From its package, by the entries of Linux' boot protocol: no Linux, and nothing in it is compressed. Version 5 has the 16-bit
# entry alone, in the form of kernels before protocol 2.00.
long_memtest86_starts_without_firmware() {
	local m
	for m in x64 ia32 'x64 linux16' 'ia32 linux16'; do
		rm -f "$out.txt"
		until_it_shows 'Memtest86\+ v[0-9.]+' run --timeout 120 --memory 64M --l1 "$B/debian-memtest/root/boot/memtest86+${m% *}.bin" \
			--protocol "$([[ $m == *16 ]] && echo linux16 || echo auto)" --cmdline console=ttyS0,115200 --display text --screenshot "l1=$out.txt" &&
			reads "$out.txt" '^ +Memtest86\+ v[0-9.]+' || return
	done
	until_it_shows '64-bit Mode' run --timeout 120 --memory 64M --l1 "$B/debian-memtest5/root/boot/memtest86+.bin" \
		--cmdline console=ttyS0,115200
}

# From its package: GRUB on a disk loads it, as a BIOS kernel.
long_memtest86_passes_from_firmware() {
	rm -rf "$out.d" && mkdir -p "$out.d/boot/grub" && cp "$B/debian-memtest/root/boot/memtest86+x64.bin" "$out.d/boot" || return
	cat >"$out.d/boot/grub/grub.cfg" <<-END
		serial --unit=0 --speed=115200
		terminal_input serial
		terminal_output serial
		set timeout=0
		menuentry memtest {
			linux16 /boot/memtest86+x64.bin console=ttyS0,115200
		}
	END
	grub-mkrescue -o "$out.img" "$out.d" >"$out.grub" 2>&1 || cat "$out.grub"
	until_it_shows 'Pass: +[1-9][0-9]* +Errors: 0 ' run --timeout 900 --l1-firmware seabios --memory 20M --disk "$out.img"
}

# Xen as L1: a PVH dom0 is its guest by VT-x, and so are the others. By the matrix, whose rows say what must be seen.
test_xen_runs_its_dom0_by_vt_x() {
	tests/matrix/run.sh xen-dom0
}

long_xen_runs_pvh_and_hvm_guests() {
	tests/matrix/run.sh xen-dom0pvh xen-dom0pvh-hvm
}

long_xen_with_four_vcpus_and_one_with_a_pv_dom0_run_guests() {
	tests/matrix/run.sh xen-dom0pvh-smp xen-pv
}

# Xen 4.20: 4.17's VGA console maps the text memory before Xen can map anything (ioremap_wc), gives up and says nothing. Xen
# asks the BIOS for the display, and has it set the mode.
long_xen_prints_on_a_text_display() {
	rm -f "$out.txt"
	until_it_shows 'Dom0 has maximum' run --timeout 200 --l1 "$B/debian-xen-trixie/xen" \
		--cmdline 'console=com1,vga com1=115200,8n1 vga=keep bootscrub=0 dom0_mem=640M,max:640M' \
		--module "$B/debian-xen-trixie/vmlinux,console=hvc0 quiet" --module "$B/debian-xen-trixie/xen.cpio" --memory 1280M \
		--display text --screenshot "l1=$out.txt" &&
		shows 'VGA is text mode 80x25' && reads "$out.txt" '^\(XEN\) .*Dom0 has maximum'
}

png_size() { # FILE: width and height
	od -An -tu4 --endian=big -j16 -N8 "$1" | tr -s ' '
}

reads() { # FILE PATTERN...: the text of a display
	local p
	cat "$1"
	for p in "${@:2}"; do
		grep -q -E -e "$p" "$1" || { echo "not on the display: $p"; return 1; }
	done
}

# A variable that OVMF's shell makes in the first run is there in the second.
long_variables_of_ovmf_outlive_the_run() {
	local guid=4e657374-6f72-4e65-7374-6f7256617273
	local run=(run --timeout 900 --memory 128M --l1-firmware ovmf --variables "$out.vars")
	local PATIENCE=4000
	rm -f "$out.vars"
	typing "${run[@]}" && seen 'Shell> ' && printf 'setvar NestorTest -guid %s -nv -bs =0x42424e54\r' $guid >&9 && sleep 2 &&
		printf 'setvar NestorTest -guid %s\r' $guid >&9 && seen '42 42 4E 54|54 4E 42 42' &&
		printf 'reset -c\r' >&9 && ended 2 && [ "$(stat -c %s "$out.vars")" = $((128 << 10)) ] || return 1
	grep -q -a 'N.e.s.t.o.r.T.e.s.t' "$out.vars" || { echo 'not in the file'; return 1; }
	typing "${run[@]}" && seen 'Shell> ' && printf 'setvar NestorTest -guid %s\r' $guid >&9 && seen '42 42 4E 54|54 4E 42 42' &&
		printf 'reset -s\r' >&9 && ended 0
}

# Also that both consoles, the display and the serial port, have the same.
test_ovmf_shows_its_shell() {
	rm -f "$out.txt" "$out.png"
	until_it_shows 'Shell> ' run --timeout 300 --memory 256M --l1-firmware ovmf --display ramfb \
		--screenshot "l1=$out.txt" --screenshot "l1=$out.png" &&
		shows 'EFI Internal Shell' 'UEFI Interactive Shell' "'l1' shows 800x600 pixels: .*png" &&
		reads "$out.txt" '^UEFI Interactive Shell v' '^map: No mapping found\.$' &&
		[ "$(png_size "$out.png")" = ' 800 600' ]
}

# Displays of three VMs while they run, at SIGUSR1, and again when they end. One is of the other kind, with another VGA BIOS.
test_displays_are_shown_when_asked_for_and_at_the_end() {
	local pid tries=0
	cat >"$out.yaml" <<-END
		timeout: 60
		vms:
		  - {name: a, firmware: seabios, memory: 32M, display: ramfb}
		  - {name: b, firmware: seabios, memory: 32M, display: ramfb, firmware-log: on, cpus: 2}
		  - {name: c, firmware: seabios, memory: 32M}
		  - {name: d, firmware: seabios, memory: 32M, display: text}
	END
	rm -f "$out".[abd].*
	"$NESTOR" run "$out.yaml" --screenshot "a=$out.a.txt" --screenshot "b=$out.b.txt" \
		--screenshot "b=$out.b.png" --screenshot "d=$out.d.txt" --console "a=file:$out.a.log" --console "b=file:$out.b.log" --console "d=file:$out.d.log" \
		</dev/null >"$out" 2>&1 &
	pid=$!
	until grep -a -q 'No bootable' "$out.a.log" && grep -a -q 'No bootable' "$out.b.log" && grep -a -q 'No bootable' "$out.d.log"; do
		kill -0 "$pid" || break
		sleep 0.2
	done
	kill -USR1 "$pid"
	while [ ! -e "$out.a.txt" ] || [ ! -e "$out.b.png" ] || [ ! -e "$out.d.txt" ]; do
		sleep 0.1
		[ "$((tries += 1))" -lt 300 ] || break
	done
	reads "$out.a.txt" '^SeaBIOS \(version' '^No bootable device\.$' &&
		reads "$out.d.txt" '^SeaBIOS \(version' '^No bootable device\.$' &&
		reads "$out.b.txt" '^No bootable device\.$' && [ "$(png_size "$out.b.png")" = ' 1024 768' ]
	local first=$?
	rm -f "$out".[abd].*
	kill "$pid"
	wait "$pid"
	text
	cat "$out.text"
	[ "$first" = 0 ] && reads "$out.a.txt" '^No bootable device\.$' && reads "$out.d.txt" '^No bootable device\.$' && [ -e "$out.b.png" ] &&
		shows_not 'did not report|damaged|showed nothing'
}

# By b8000 and registers, as small kernels do it: each character is there, and none costs an exit. Without a display there is nothing.
test_what_a_kernel_prints_at_b8000_is_seen() {
	local run=(run --timeout 120 --memory 64M --l1 "$B/payload/textmode.elf")
	rm -f "$out.txt" "$out.png"
	expect 1 "${run[@]}" --display text --screenshot "l1=$out.txt" --screenshot "l1=$out.png" &&
		shows 'BDA: mode 3, 80 columns, 25 rows of 16 lines, CRTC 3d4, equipment 222$' '^status: 0$' 'a cell at the start: 720$' \
			'a cell costs an exit: no$' 'cursor: d3$' 'retrace: comes and goes$' "'l1' shows 80x25 characters" &&
		reads "$out.txt" '^╔══╗$' '^Hello from b8000: O0 Il1 \|$' '^ {70}last line☻$' &&
		[ "$(sed -n 2p "$out.txt")" = 'Hello from b8000: O0 Il1 |' ] && [ "$(grep -c '' "$out.txt")" = 25 ] &&
		[ "$(png_size "$out.png")" = ' 640 400' ] &&
		expect 1 "${run[@]}" &&
		shows 'BDA: mode 0, 0 columns, 1 rows of 0 lines, CRTC 0, equipment 202$' '^status: f0$' 'a cell at the start: 0$' 'retrace: none$'
}

# By INT 10H: what is printed is in the text memory, the cursor in the CRT controller, and COM1 has the same text.
test_what_a_kernel_prints_by_int_10h_is_seen() {
	rm -f "$out.txt"
	expect 1 run --timeout 120 --memory 64M --l1 "$B/payload/textcalls_32.elf" --display text --screenshot "l1=$out.txt" &&
		diff tests/boot/real/text.txt <(grep -a -v "^nestor: " "$out.text") &&
		reads "$out.txt" '^     plain$' '^next$' '^rg$' && [ "$(sed -n 3,5p "$out.txt")" = $'     plain\nnext\nrg' ]
}

test_linux_by_its_16_bit_entry_finds_the_vga() {
	until_it_shows 'Console: colour VGA\+ 80x25' run --timeout 120 --memory 512M --display text --protocol linux16 --l1 "$B/debian/vmlinuz" --cmdline "$LINUX"
}

# Linux' vgacon, and its init by the same console.
test_linux_prints_on_a_text_display() {
	rm -f "$out.txt"
	expect 0 run --timeout 600 --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" --cmdline "$LINUX console=tty0 try=rng end=poweroff" \
		--display text --screenshot "l1=$out.txt" &&
		shows 'Console: colour VGA\+ 80x25' &&
		reads "$out.txt" '^\[ +[0-9.]+\] Run /init as init process$' '^rng: ok$' 'reboot: Power down$'
}

# By SeaBIOS, with the VGA BIOS of its package; the serial port has the same.
test_seabios_prints_on_a_text_display() {
	rm -f "$out.txt" "$out.png"
	until_it_shows 'No bootable device\.' run --timeout 60 --l1-firmware seabios --memory 64M --display text \
		--screenshot "l1=$out.txt" --screenshot "l1=$out.png" &&
		reads "$out.txt" '^SeaBIOS \(version' '^No bootable device\.$' && [ "$(png_size "$out.png")" = ' 640 400' ]
}

test_wrong_displays_are_told() {
	expect 66 run --l1 "$B/payload/power.elf" --display ramfb && one_line &&
		shows "'display: ramfb' needs 'firmware'" &&
		expect 64 run --l1-firmware seabios --display vga && one_line && shows 'one of none, ramfb, text' &&
		expect 66 run --l1-firmware ovmf --display text && one_line && shows 'UEFI firmware has no text mode' &&
		expect 64 run --l1-firmware seabios --screenshot l1=a.png && one_line && shows 'the VM has no display' &&
		expect 64 run --l1-firmware seabios --display ramfb --screenshot a.png && one_line &&
		shows 'must be VM=FILE.png or VM=FILE.txt' &&
		expect 64 run --l1-firmware seabios --display ramfb --screenshot l1=a.jpg && one_line &&
		expect 64 run --l1-firmware seabios --display ramfb --screenshot x=a.png && one_line && shows 'no such VM' &&
		expect 64 run --l1-firmware seabios --display ramfb --screenshot "l1=$out.none/a.png" && one_line && shows "the folder '.*none/': No such file"
}

test_ovmf_starts_linux_with_a_hypervisor() {
	linux 0 probe 'quiet l2=none' --l1-firmware ovmf --cpus 2 --memory 512M &&
		shows 'proc/cpuinfo has vmx' 'L1: CPUs online: 0-1' 'L1: done with status 0' &&
		shows_not 'WARNING|BUG|Call Trace'
}

test_wrong_firmware_is_told() {
	local f=$LOGS/short.fd
	head -c 100000 /dev/zero >"$f"
	expect 66 run --l1-firmware "$f" && one_line && shows 'from 64 KiB to 16 MiB' &&
		expect 66 run --l1-firmware "$LOGS/none.fd" && one_line && shows 'No such file' &&
		expect 66 run --l1-firmware seabios --l1 "$B/debian/vmlinuz" && one_line &&
		shows "has a 'kernel', which SeaBIOS does not start" &&
		expect 66 run --l1-firmware ovmf --l1 "$B/payload/power.elf" && one_line && shows 'is no Linux bzImage' &&
		expect 64 run --bare --l1-firmware seabios && one_line && shows 'does not go with' &&
		expect 66 run --l1-firmware seabios --variables "$f" && one_line && shows 'keeps no variables' &&
		expect 66 run --l1-firmware ovmf --variables "$f" && one_line && shows 'has 100000 bytes: the variables of .ovmf. have [0-9]+$' &&
		expect 66 run --l1 "$B/debian/vmlinuz" --variables "$f" && one_line && shows "has no 'firmware', whose variables" || return
	printf 'vms:\n  - {name: a, firmware: ovmf, variables: new.vars}\n  - {name: b, firmware: ovmf, variables: ./new.vars}\n' >"$out.yaml"
	expect 66 check "$out.yaml" && one_line && shows "yaml:3: .*has the variables of the VM 'a' already .*yaml:2: " && [ ! -e "$LOGS/new.vars" ]
}

test_linux_with_the_vtx_of_nehalem() {
	linux 0 probe 'quiet l2=probe' --vmx-features nehalem &&
		shows 'kvm_intel unrestricted_guest = N' 'kvm_intel eptad = N' 'kvm_cpuid [0-9]' \
			'L1: done with status 0'
}

test_refusals_are_explained() {
	expect 1 run --timeout 180 --memory 128M --explain --l1 "$B/payload/entry.elf" &&
		shows 'ENABLE_EPT is set and EPT_POINTER = 0x[0-9a-f]+ has memory type 7; allowed: 0 \(UC\)' \
			'rule PIN_RESERVED was broken [0-9]+ times, the first 16 are shown above'
}

# 1 GiB pages are not offered, so that such an entry is malformed.
test_all_kinds_of_refusals_are_explained_with_symbols() {
	local rule
	expect 4 run --timeout 180 --memory 128M --explain --vmx-features=-ept_1g --l1 "$B/payload/explained.elf" &&
		shows 'VMPTRLD at 0x[0-9a-f]+ <non_canonical_operand\+0x[0-9a-f]+> raised #GP: the operand is at the linear address 0x800000000000; ' \
			'VMXOFF at 0x[0-9a-f]+ <vmxoff(\+0x[0-9a-f]+)?> raised #GP: the CPL is 0x3; allowed: CPL 0' \
			'VMXON at .* raised #GP: CR0 is 0x[0-9a-f]+; bit 5 \(NE\) must be 1; ' \
			'RDMSR at 0x[0-9a-f]+ <unknown_msr\+0x[0-9a-f]+> of MSR 0x1ff0 raised #GP: this VM has no such MSR' \
			'RDMSR of L2 at 0x[0-9a-f]+ of MSR 0x1ff0 raised #GP' 'WRMSR at .* of MSR 0x17 with 0x5 raised #GP' \
			'failed with exit reason 34 \(MSR loading\): entry 1 of the VM-entry MSR-load list, MSR 0x277 = 0x2: a byte' \
			'address 0x40000000, EPT PTE \(level 1\) = 0x[0-9a-f]+: bit 1 \(write\) is 1 and bit 0 \(read\) is 0; ' \
			'EPT PDPTE \(level 3\) = 0xb7: bit 7 is 1, as of a 1 GiB page; .* \(29.3.3.1 since 2023, 31.3.3.1 in 2026\)' \
			'exited \(VMCALL\) into VMX abort 4 .*: entry 1 of the VM-exit MSR-load list, MSR 0x800' || return 1
	for rule in INSN_VMXE INSN_NOT_IN_VMX MSR_FIXED MSR_READ_ONLY MSR_MTRR MSR_FEATURE_CONTROL MSR_X2APIC_MODE \
		MSR_APIC_BASE_MODE MSR_APIC_BASE_RESERVED MSR_APIC_BASE_MOVED LIST_SEGMENT_BASE EPT_ADDRESS_WIDTH \
		EPT_MEMORY_TYPE EPT_TABLE_RESERVED EPT_PAGE_ALIGNMENT LIST_X2APIC; do
		shows ", rule $rule\$" || return 1
	done
	shows_not 'after the VMX abort|EPT violation'
}

test_what_is_refused_is_not_told_unasked() {
	expect 4 run --timeout 180 --memory 128M --l1 "$B/payload/explained.elf" && shows 'EPT12: exit 49' && shows_not ', rule '
}

test_32_bit_linux_as_l1() {
	linux_686 'l2=probe' --cpus 2 --machine-cpus 2 &&
		shows 'L1: CPUs online: 0-1' 'proc/cpuinfo has vmx' 'kvm_intel ept = Y' 'kvm_cpuid [0-9]' \
			'kvm_mmio [0-9]' 'L1: done with status 0' 'reboot: Power down' &&
		shows_not 'WARNING|BUG|Call Trace|Firmware Bug|unexpected|Calibrating delay loop\.\.\.'
}

test_32_bit_linux_as_l1_and_l2() {
	linux_pae 'quiet l2=client' &&
		shows 'kvm_intel ept = Y' 'L2: Linux .*-686-pae' 'L2: done' 'L1: done with status 0' &&
		shows_not 'WARNING|BUG|Call Trace'
}

# The shadow page tables of a 32-bit KVM have PAE paging's format.
test_32_bit_linux_as_l2_by_shadow_paging_of_l1() {
	linux_pae 'quiet l2=client' --vmx-features=-ept &&
		shows 'kvm_intel ept = N' 'L2: Linux .*-686-pae' 'L2: done' 'L1: done with status 0'
}

test_unknown_vtx_feature() {
	expect 64 run --l1 "$B/payload/hello.elf" --vmx-features=-epd && one_line &&
		shows "'-epd' is not one of presets: nehalem .* features: .* ept "
}

test_linux_in_256_mib() {
	linux 0 probe 'quiet l2=none' --memory 256M && shows 'L1: done with status 0'
}

test_debug_exit_sets_the_status() {
	power 15 exit=7 && power 1 exit=0
}

test_tsc_deadline_follows_writes_to_the_tsc() {
	expect 1 run --timeout 120 --memory 64M --l1 "$B/payload/l1tsc.elf" --cmdline deadlines &&
		shows 'deadline: armed 1, fired 1, late 1, left 0$' \
			'deadline, low TSC: armed 1, fired 1, late 1, left 0$' \
			'deadline far away: armed 1, fired 0, late 0, left 200000000000$' \
			'deadline passed by a write: armed 0, fired 1, late 1, left 0$' \
			'deadline moved by a write: armed 1, fired 1, late 1, left 0$'
}

# Bits 63:32, which the emulator cuts off (DEVIATIONS.md).
test_reserved_bits_of_the_syscall_mask_are_refused_in_l2() {
	expect 1 run --timeout 120 --memory 64M --l1 "$B/payload/cpuid_msr.elf" --cmdline fmask &&
		shows 'FMASK in L2: exit 0 .*event=80000b0d/0' 'list: FMASK: entry failure 34 qual=1$'
}

test_a_page_table_in_device_memory_reads_as_ones() {
	local run=(run --timeout 120 --memory 64M --l1 "$B/payload/l1mmio.elf" --cmdline walk)

	expect 1 "${run[@]}" --apicv off && shows 'walk: vector 14 error 9 at 700000000000$' 'local APIC is there: 50014$' &&
		expect 1 "${run[@]}" && shows 'walk: vector 14 error 9 at 700000000000$' 'local APIC is there:'
}

test_no_access_to_a_device_ends_its_vm() {
	expect 1 run --timeout 120 --log-level info --memory 64M --l1 "$B/payload/refused.elf" &&
		shows 'sgdt: vector 6$' 'fxsave: vector 6$' 'fild: vector 6$' 'mmx: vector 6$' 'far jump: vector 6$' \
			'mov to a segment: vector 6$' 'fetch from the IOAPIC: vector 6$' 'fetch from the local APIC: vector 6$' \
			'fxsave to the local APIC: vector 6$' 'the local APIC is there: 50014$' 'hlt with TF: 3 steps$' &&
		[ "$(grep -a -c "not emulated" "$out.text")" = 1 ]
}

# As the SDM has it, where the bare emulator differs.
test_an_l2_that_halts_without_hlt_exiting() {
	local run=(run --timeout 180 --memory 64M --l1 "$B/payload/rest.elf") with
	for with in '--shadow on' '--shadow off' '--l0-option selftest=state'; do
		# shellcheck disable=SC2086
		expect 1 "${run[@]}" $with && shows 'hlt, interrupt of L1: ok exit 1, rip .2, activity 1, late, 0 taken$' \
			'the same again: ok exit 1, rip .0, activity 1, late, 1 taken$' \
			'entered, interrupt of L1: ok exit 1, rip .0, activity 1, late, 0 taken$' \
			'hlt, interrupt of L2: ok exit 18, rip .[0-9]+, activity 0, late, 1 taken$' \
			'masked, interrupt of L2, then the timer: ok exit 52, rip .2, activity 1, late, 0 taken$' \
			'hlt, interrupt window: ok exit 7, rip .2, activity 1, soon, 0 taken$' \
			'shutdown, NMI window: ok exit 8, rip .0, activity 2, soon, 0 taken$' \
			'sti, MTF: ok exit 37, rip .1, activity 0, soon, 0 taken$' \
			'hlt, MTF: ok exit 37, rip .1, activity 1, soon, 0 taken$' \
			'shutdown, interrupt, then the timer: ok exit 52, rip .0, activity 2, late, 0 taken$' \
			'the interrupt: 1 taken$' 'entered, single step: ok exit 0, rip .0, activity 1, soon, 0 taken$' \
			'entered, virtual interrupt: ok exit 1, rip .2, activity 1, late, 1 taken$' \
			'entered, virtual interrupt below the TPR: ok exit 1, rip .0, activity 1, late, 0 taken$' || return
	done
}

# Through a virtual VT-d the device's pages are known to L0 from before.
test_a_device_writes_tables_of_an_ept12() {
	local args
	for args in '' '--iommu vtd --cmdline translated' '--iommu vtd --cmdline translated --reserve 48M'; do
		# shellcheck disable=SC2086
		expect 1 run --timeout 60 --memory 64M --scratch 1M --l1 "$B/payload/eptdma.elf" $args && shows 'tables from the disk: 40 rounds, 0 wrong' || return
	done
}

test_a_base_address_moves_to_where_nothing_was() {
	expect 1 run --timeout 120 --memory 64M --l1 "$B/payload/movedbar.elf" --rng on &&
		shows 'queues: 1$' 'at a fresh place: 1$' 'where L1 had touched: 1$' 'where L2 had touched: 1$'
}

test_time_of_day() {
	local run=(run --timeout 120 --log-level info --memory 64M --l1 "$B/payload/hello.elf")

	expect 1 "${run[@]}" && shows "time of day: [0-9]{10} seconds .* the machine's clock" &&
		expect 1 "${run[@]}" --l0-option epoch=12345 &&
		shows 'time of day: 12345 seconds since 1970, from the command line'
}

# What nobody has is not supported, and changes nothing.
test_real_mode_of_a_multiboot_l1_has_vectors_and_a_restart() {
	local run=(run --timeout 120 --memory 64M --l1 "$B/payload/realmode_32.elf" --cmdline)

	expect 1 "${run[@]}" '' &&
		shows 'int 13: ax 141, carry 1, zero 0, intact$' 'int 17: ax 8641, carry 1, zero 0, intact$' \
			'int ff: ax 8641, carry 1, zero 0, intact$' 'int 0: ax 241, carry 0, zero 0, intact$' \
			'timer again: ax 241, in service 0 0, intact$' 'clock again: ax 241, in service 0 0, intact$' \
			'BDA: COM1 3f8, EBDA 9fc0, memory 639 KiB$' &&
		shows_not CHANGED && expect 2 "${run[@]}" reboot && expect 2 "${run[@]}" jump
}

# Text goes to COM1, keys come from there.
test_bios_calls_of_a_multiboot_l1_answer() {
	local run=(run --timeout 120 --memory 64M --l1 "$B/payload/bioscalls_32.elf" --cmdline)

	expect 1 "${run[@]}" '' && diff tests/boot/real/calls.txt "$out.text" || return 1
	(sleep 4; printf 'aZ') | "$NESTOR" "${run[@]}" keys >"$out" 2>&1
	text && cat "$out.text" &&
		shows 'int 16 read: ax 1e61, carry 0, zero 0, intact$' 'int 16 read: ax 2c5a, carry 0, zero 0, intact$'
}

# An INIT that was held back in VMX operation is taken behind VMXOFF, and the first processor waits for no start-up IPI.
test_a_reset_of_the_processor_goes_on_behind_vmxoff() {
	expect 1 run --timeout 60 --memory 64M --l1 "$B/payload/resumevmx.elf" && shows '^R$' && shows_not 'nothing came' &&
		expect 1 run --timeout 60 --memory 64M --l1 "$B/payload/resumevmx.elf" --cmdline plain && shows '^R$'
}

# Its setup code asks the BIOS for what the loader tells it else, and hears the same.
test_debians_kernel_starts_by_its_16_bit_entry() {
	local map='BIOS-e820: .*'

	until_it_shows 'BIOS-e820: .*fed00fff' run --timeout 120 --memory 3G --l1 "$B/debian/vmlinuz" --cmdline "$LINUX" &&
		grep -a -o "$map" "$out.text" >"$out.map" && [ "$(grep -c '' "$out.map")" = 6 ] || return 1
	expect 0 run --timeout 300 --memory 3G --protocol linux16 --l1 "$B/debian/vmlinuz" --initrd "$B/debian/probe.cpio" \
		--cmdline "$LINUX l2=none end=poweroff" &&
		shows '^Probing EDD .*ok$' 'Run /init as init process' 'L1: done with status 0' &&
		diff "$out.map" <(grep -a -o "$map" "$out.text")
}

test_a_bare_machine_has_no_bios_for_a_16_bit_entry() {
	expect 66 run --bare --protocol linux16 --l1 "$B/debian/vmlinuz" && one_line &&
		shows "vmlinuz' is started by its 16-bit entry, which needs a BIOS: a bare machine has none"
}

test_power_off_reset_triple_fault_time_limit() {
	power 0 s5 && power 2 reset && power 4 triple &&
		expect 124 run --timeout 3 --memory 64M --l1 "$B/payload/power.elf" --cmdline hang
}

# 600 lines otherwise, and others of the log are left out.
test_ports_that_no_device_has_are_told_once() {
	expect 0 run --timeout 120 --memory 64M --log-level debug --l1 "$B/payload/power.elf" --cmdline 'vga s5' &&
		shows "'l1': OUT port 0x3d4, which no device has; 0x3d0 to 0x3df are not told again" &&
		[ "$(grep -a -c 'port 0x3d[45]' "$out.text")" = 1 ] && shows_not 'lines of the log were left out'
}

vms() { # FILE MACHINE-LINE VM-LINE...: a scenario of the power payload
	local file=$1 elf line
	elf=$(realpath "$B/payload/power.elf")
	printf '%s\nvms:\n' "$2" >"$file"
	shift 2
	for line; do printf '  - {kernel: %s, %s}\n' "$elf" "$line" >>"$file"; done
}

test_vms_of_the_default_size_fit() {
	vms "$out.yaml" 'timeout: 60' 'name: a, cmdline: s5' 'name: b, cmdline: s5' 'name: c, cmdline: s5' \
		'name: d, cmdline: s5' &&
		expect 0 run "$out.yaml" --verbose && [ "$(grep -a -c 'vm-end .* kind=poweroff' "$out.text")" = 4 ]
}

test_a_vm_with_memory_above_four_gib() {
	expect 15 run --memory 5G --timeout 180 --l1 "$B/payload/power.elf" --cmdline exit=7
}

# The second does not fit on the machine: the first does not start.
test_a_scenario_that_does_not_fit_is_refused_before_anything_starts() {
	vms "$out.yaml" 'machine: {cpus: 2}' 'name: a, cmdline: exit=1, memory: 16M' 'name: b, memory: 16M' &&
		iso_of "$out.yaml" && expect 66 run --iso "$iso" --machine bochs --machine-memory 48M --timeout 180 &&
		shows "'b': not enough memory" && shows_not 'power: '
}

test_check_judges_the_machines_memory() {
	vms "$out.yaml" $'timeout: 60\nmachine:\n  memory: 64M' 'name: a, memory: 32M' 'name: b, memory: 32M' &&
		expect 66 check "$out.yaml" && one_line &&
		shows ".yaml:3: memory: the machine's 64M of memory are too little for the VMs: needs [0-9]+M" &&
		expect 66 run "$out.yaml" && shows '.yaml:3: memory: ' &&
		sed -i 's/memory: 64M/memory: 512M/' "$out.yaml" && expect 0 check "$out.yaml" &&
		expect 66 run "$out.yaml" --machine-memory 64M && shows "nestor: --machine-memory: the machine's 64M"
}

# Where the vCPU is, with symbols of the image, and figures, however the run ends.
test_a_triple_fault_a_hang_and_a_time_out_are_reported() {
	local where='l1 vcpu 0: in L1, 64-bit mode, CPL 0, rip 0x[0-9a-f]+ <payload_main'
	local run=(run --memory 64M --summary --l1 "$B/payload/power.elf" --cmdline)

	expect 4 "${run[@]}" triple --timeout 180 &&
		shows "$where" 'the triple fault began here: reason 2' 'code at rip: 0f 0b' 'L1 TRIPLE_FAULT 0x' \
			'idt 0 limit 0' 'summary of VM l1' &&
		expect 124 "${run[@]}" hang --timeout 3 &&
		shows "$where" 'waits in HLT, with interrupts disabled' 'L1 HLT 0x[0-9a-f]+ <payload_main' 'summary of VM l1' &&
		expect 124 "${run[@]}" spin --timeout 3 &&
		shows "$where" 'runs, waits for nothing' 'summary of VM l1' 'time limit of 3 s'
}

bare() { # STATUS COMMAND-LINE ARGS...
	local want=$1 line=$2
	shift 2
	expect "$want" run --bare --memory 64M --timeout 6 --l1 "$B/payload/power.elf" --cmdline "$line" "$@"
}

test_a_bare_run_ends_by_its_machine_only() {
	bare 124 'lie hang' && bare 0 'lie exit=7' && bare 2 reset && bare 4 triple &&
		bare 15 'lie exit=7' --machine qemu && bare 0 'reset' --machine qemu
}

# By ACPI tables and CPUID: all CPUs, the rate of the TSC as it is, an end by S5 and by the reset register, on each machine.
test_debian_on_the_bare_machine_sees_what_it_has() {
	local run=(run --bare --memory 256M --timeout 500 --l1 "$B/debian/vmlinux")
	expect 0 "${run[@]}" --machine bochs --cpus 4 --ips 100000000 --initrd "$B/debian/probe.cpio" --cmdline "$LINUX" &&
		shows 'tsc: Detected 100.000 MHz processor' 'smp: Brought up 1 node, 4 CPUs' 'CPUs online: 0-3' 'ACPI: Using IOAPIC for interrupt routing' \
			'hpet0: 3 comparators' 'ACPI: PM: Preparing to enter system sleep state S5' 'reboot: Power down' &&
		shows_not 'BUG|Call Trace|WARNING|ACPI (BIOS )?Error|RSDP was not found' &&
		expect 2 "${run[@]}" --machine bochs --initrd "$B/debian/l2.cpio" --cmdline "$LINUX quiet reboot=acpi" && shows 'L2: CPUs online: 0$' &&
		expect 0 "${run[@]}" --machine qemu --cpus 2 --initrd "$B/debian/devices.cpio" --cmdline "$LINUX" &&
		shows 'smp: Brought up 1 node, 2 CPUs' 'reboot: Power down' && shows_not 'BUG|Call Trace|ACPI (BIOS )?Error'
}

# Status 1 is also that of a guest that writes 0 to port 0xf4.
test_a_bare_machine_that_fails_itself_is_not_taken_for_its_guest() {
	bare 72 reset --machine qemu --machine-option=-nonsense &&
		shows 'qemu-system-x86_64: .*-nonsense' '^nestor: the machine itself failed, with status 1$' &&
		bare 1 exit=0 --machine qemu && shows_not 'itself failed'
}

test_output_that_cannot_be_written_is_told() {
	local run=(run --memory 64M --timeout 120 --l1 "$B/payload/power.elf" --cmdline s5)

	"$NESTOR" help 2>"$out.text" >/dev/full
	[ $? = 74 ] && shows 'cannot write standard output: No space' || return 1
	"$NESTOR" "${run[@]}" 2>"$out.text" >/dev/full
	[ $? = 74 ] && shows 'cannot write standard output: No space' || return 1
	expect 74 "${run[@]}" --stats /dev/full && shows "cannot write '/dev/full'" &&
		expect 74 "${run[@]}" --log-level debug --l0-log /dev/full && shows "cannot write '/dev/full'"
}

test_an_image_replaces_no_device_and_no_input() {
	local k=$out.elf
	cp "$B/payload/power.elf" "$k" && ln -sf "$k" "$out.link" || return 1
	expect 66 image --l1 "$k" -o /dev/null && shows "'/dev/null' exists and is no regular file" &&
		expect 66 image --l1 "$k" -o "$out.link" && shows 'is no regular file' &&
		expect 66 image --l1 "$k" -o "$k" && shows 'goes into the image: name another output' &&
		cmp "$k" "$B/payload/power.elf"
}

test_no_signal_leaves_a_folder() {
	local tmp=$out.tmp signal pid
	rm -rf "$tmp" && mkdir -p "$tmp"
	for signal in QUIT ABRT USR1 ALRM HUP TERM; do
		TMPDIR=$tmp "$NESTOR" run --memory 64M --l1 "$B/payload/power.elf" --cmdline hang </dev/null >"$out.text" 2>&1 &
		pid=$!
		for _ in $(seq 600); do grep -q 'power: ' "$out.text" && break; sleep 0.1; done
		kill -"$signal" $pid
		wait $pid
		[ $? = 130 ] || { echo "$signal: not status 130"; return 1; }
		rmdir "$tmp" && mkdir "$tmp" || { echo "$signal: left a folder"; return 1; }
	done
}

test_an_image_brings_what_its_machine_needs() {
	local shared="disks: [{image: $PWD/$out.image}"
	disk_image "$out.image"
	vms "$out.yaml" 'machine: {cpus: 3}' "name: a, cmdline: s5, $shared, {scratch: 1M}]" \
		"name: b, cmdline: s5, memory: 700M, $shared]" && iso_of "$out.yaml" &&
		expect 0 run --iso "$iso" --machine bochs --timeout 120 && shows '3 CPUs' 'vm-end vm=b kind=poweroff' &&
		expect 66 run --iso tests/boot/run.sh && one_line && shows 'is not an ISO 9660 image'
}

test_a_command_line_that_would_be_cut_is_refused() {
	local line scenario=$LOGS/line.yaml
	line=$(printf 'x%.0s' {1..2047})
	expect 1 run --timeout 120 --memory 64M --l1 "$B/payload/hello.elf" --module "README.md,$line" &&
		expect 64 run --l1 "$B/payload/hello.elf" --module "README.md,x$line" && one_line &&
		shows '^nestor: --module: the command line is longer than 2047 bytes' || return 1
	printf 'vms:\n  - name: a\n    kernel: %s\n    modules:\n      - file: %s\n        cmdline: x%s\n' \
		"$PWD/$B/payload/hello.elf" "$PWD/README.md" "$line" >"$scenario"
	expect 66 check "$scenario" && one_line && shows "line.yaml:6: .*a line of at most 2047 bytes"
}

test_options_that_would_be_ignored_are_refused() {
	expect 64 run --bare --summary --l1 "$B/payload/power.elf" && one_line && shows 'summary does not go with --bare' &&
		expect 64 run --bare --machine-cpus 4 --l1 "$B/payload/power.elf" && one_line && shows 'does not go with --bare: --cpus says' &&
		expect 66 run --bare --display text --l1 "$B/payload/power.elf" && one_line && shows "bare has no use for 'display': the machine has none" &&
		expect 66 run --bare --disk tests/boot/run.sh --l1 "$B/payload/power.elf" && one_line && shows "'disks' of VMs: --machine-disk is" &&
		expect 64 run --iso x.iso --explain && one_line && expect 64 run --firmware bios --l1 x && one_line &&
		expect 66 run --machine bochs --machine-cpus 16 --l1 "$B/payload/power.elf" && one_line && shows 'has at most 15$'
}

test_a_cpu_without_64_bit_mode_is_told_at_once() {
	expect 68 run --timeout 120 --memory 64M --machine bochs --l1 "$B/payload/hello.elf" \
		--machine-option 'cpu: model=p3_katmai, count=1, ips=50000000' && shows 'no 64-bit mode'
}

# All vCPUs on all CPUs, by SIGINT.
test_an_interrupted_run_is_reported() {
	local pid
	"$NESTOR" run --memory 64M --cpus 4 --machine-cpus 2 --stats "$out.stats" --l1 "$B/payload/power.elf" --cmdline spin \
		</dev/null >"$out.text" 2>&1 &
	pid=$!
	for _ in $(seq 600); do grep -q 'power: ' "$out.text" && break; sleep 0.2; done
	sleep 1
	kill -INT $pid
	wait $pid
	[ $? = 130 ] || { cat "$out.text"; return 1; }
	shows 'vcpu 0: in L1, 64-bit mode' 'vcpu 3: in L1' 'vcpu 3: waits for a start-up IPI' &&
		grep -q 'vm=l1 vcpu=3' "$out.stats" && grep -q '# vm-end vm=l1 kind=stopped' "$out.stats"
}

test_vms_end_restart_and_give_memory_back() {
	local file=$B/test/boot/lives.yaml elf
	elf=$(realpath "$B/payload/power.elf")
	cat >"$file" <<-END
		machine: {cpus: 2}
		vms:
		  - {name: a, kernel: $elf, cmdline: reset, memory: 4M, restart: on-reset, restart-limit: 60}
		  - {name: b, kernel: $elf, cmdline: triple, memory: 6M, restart: on-failure, restart-limit: 90}
		  - {name: c, kernel: $elf, cmdline: s5, memory: 64M, restart: on-failure}
		  - {name: d, kernel: $elf, cmdline: exit=3, memory: 4M, restart: always, restart-limit: 30, cpus: 4}
	END
	expect 2 run "$file" --timeout 120 --verbose &&
		shows "the VM 'a' ended \(reset\) and is started again" \
			'vm-end vm=a kind=reset value=0 restart=0' 'vm-end vm=c kind=poweroff' &&
		[ "$(grep -a -c 'vm-end vm=a' "$out.text")" = 61 ] &&
		[ "$(grep -a -c 'vm-end vm=b' "$out.text")" = 91 ] &&
		[ "$(grep -a -c 'vm-end vm=d' "$out.text")" = 31 ] &&
		lives_leave_no_trace
}

# Free memory at the end of each life: that of a, c and d comes back once each, and one record may meet each of them half
# given back by another CPU. Nothing else ever changes: a life that left something would show a value of its own.
lives_leave_no_trace() {
	local free
	free=$(grep -a -o 'vm-end vm=[abd] .*free=[0-9]*' "$out.text" | sed 's/.*free=//' | sort -nu)
	echo "free memory seen: $(echo "$free" | tr '\n' ' ')"
	[ "$(echo "$free" | wc -l)" -le 7 ]
}

# As a second of the RTC begins, at the start and at the end of each life, a mark tells the host's TSC: all are the same
# constant apart, but for 2 ms.
test_clocks_go_on_over_restarts() {
	local lives=${LIVES:-6}
	vms "$out.yaml" 'machine: {cpus: 2}' "name: a, cpus: 2, memory: 64M, restart: on-reset, restart-limit: $((lives - 1))"
	sed -i "s,$(realpath "$B/payload/power.elf"),$(realpath "$B/payload/clocks.elf"), ; s/cpus: 2, memory/cmdline: cpus=2 count=3 lives, &/" "$out.yaml"
	# Console and records apart: together a line of one may begin within one of the other.
	"$NESTOR" run "$out.yaml" --timeout "${TIMEOUT:-300}" --verbose --log-level info </dev/null >"$out.text" 2>"$out.records"
	[ $? = 2 ] && [ "$(grep -a -c 'vm-end vm=a kind=reset' "$out.records")" = "$lives" ] && shows_not 'found .* wanted' &&
		awk -v lives="$lives" '
			/TSC: [0-9]+ kHz/ { match($0, /TSC: [0-9]+/); hz = substr($0, RSTART + 5, RLENGTH - 5) * 1000 }
			/(start|end): RTC/ { rtc[reads++] = $3 + 0; if (/start/ && $5 > hz) late = 1 }
			/mark vm=a value=1/ { sub(/.*tsc=/, ""); host[marks++] = $1 / hz }
			END {
				for (i = 0; i < reads; i++) {
					d = rtc[i] - host[i]
					low = i == 0 || d < low ? d : low
					high = i == 0 || d > high ? d : high
				}
				printf "%d readings, RTC less TSC of the host from %.6f to %.6f s\n", reads, low, high
				exit !(reads == 2 * lives && marks == reads && high - low < 0.002 && !late)
			}' "$out.records" "$out.text"
}

test_vmx_abort_of_a_32_bit_l1() {
	expect 4 run --timeout 120 --memory 64M --log-level info --l1 "$B/payload/abort_32.elf" &&
		shows 'L1: entering L2' 'VMX abort: a host PDPTE has a reserved bit set' && shows_not 'L1: exit'
}

# What must not be in the log of a run, however its VMs ended: L0's fault, an entry of its making that failed, the
# machine's end.
no_defect_of_l0() {
	shows_not 'entry into L[12] failed|VMLAUNCH or VMRESUME failed|hardware refused|panic|ended unexpectedly'
}

# An L1 that does its worst, seen from outside: it ends by its own exit.
# A delivery of #DB that raises the next one must not keep a CPU for ever (CVE-2015-8104): L0 sees its time limit.
test_an_endless_debug_exception_leaves_l0_the_cpu() {
	expect 72 run --timeout 180 --memory 64M --l0-option limit=40000000 --l1 "$B/payload/debug_loop.elf" &&
		shows 'debug_loop: starts' 'time limit' && shows_not 'debug_loop: ended'
}

# The same in an L2 whose L1 does not ask for #DB: L0 sees the time, and L1 nothing.
test_an_endless_debug_exception_of_l2_leaves_l0_the_cpu() {
	expect 72 run --timeout 180 --memory 64M --l0-option limit=40000000 --l1 "$B/payload/debug_loop.elf" --cmdline l2 &&
		shows 'debug_loop: L2 is entered' 'debug_loop: starts' 'time limit' && shows_not 'debug_loop: ended|L1 has an exit'
}

test_hostile_l1() {
	local seed
	for seed in 1 2 3; do
		expect 1 run --timeout 180 --memory 64M --l1 "$B/payload/hostile.elf" --cmdline "seed=$seed count=1500" \
			--virtio-console on --scratch 1M,cow=64K &&
			shows 'hostile: done' && no_defect_of_l0 || return 1
	done
}

# VMs that destroy themselves in one way or the other, and one beside them that goes on. One of them may run in circles.
test_hostile_vms_and_a_bystander() {
	local file=$B/test/boot/hostile.yaml elf seed
	elf=$(realpath "$B/payload/hostile.elf")
	printf 'machine: {cpus: 2, memory: 512M}\nvms:\n  - {name: bystander, kernel: %s, cmdline: seed=4 count=800, memory: 48M}\n' "$elf" >"$file"
	for seed in 11 13 14 15 16 17; do
		printf '  - {name: wild%d, kernel: %s, cmdline: seed=%d wild=1, memory: 24M, iommu: %s, disks: [{scratch: 64K}]}\n' "$seed" "$elf" "$seed" "$([ $((seed % 2)) = 0 ] && echo vtd || echo on)"
	done >>"$file"
	{ expect 1 run "$file" --timeout 60 --verbose || [ "$(tail -n 1 "$out.text" | grep -c 'time limit')" = 1 ]; } &&
		shows 'vm-end vm=bystander kind=debug-exit value=0' 'vm-end vm=wild11' && no_defect_of_l0
}

test_fault_in_l0_ends_with_70() {
	expect 70 run --timeout 120 --memory 64M --l1 "$B/payload/hello.elf" --l0-option selftest=fault &&
		shows '#PF|page fault' 'backtrace|called from|\+0x'
}

iso_of() { # SCENARIO
	iso=$1.iso
	expect 0 image "$1" -o "$iso"
}

iso() { # NAME: a boot image of the hello payload
	iso=$LOGS/$1.iso
	expect 0 image --l1 "$B/payload/hello.elf" --memory 64M -o "$iso"
}

test_image_on_qemu_bios_says_no_vtx() {
	iso bios && expect 68 run --iso "$iso" --machine qemu --firmware bios --timeout 120 &&
		shows 'no VT-x'
}

# A machine whose console is its second serial port, as of many servers: nothing comes at the first one but what is before the command line.
test_output_goes_to_the_serial_port_that_is_told() {
	local pid i
	iso=$out.iso
	expect 0 image --l1 "$B/payload/hello.elf" --memory 64M --l0-option serial=com2 -o "$iso" || return 1
	rm -f "$out.com1" "$out.com2"
	qemu-system-x86_64 -m 256 -display none -cdrom "$iso" -serial "file:$out.com1" -serial "file:$out.com2" >"$out.qemu" 2>&1 &
	pid=$!
	for i in $(seq 100); do
		grep -a -q 'no VT-x' "$out.com2" 2>/dev/null && break
		sleep 1
	done
	kill $pid
	grep -a -q 'no VT-x' "$out.com2" && grep -a -q '^Nestor\|a root VMM' "$out.com2" && ! grep -a -q 'VT-x' "$out.com1" &&
		expect 64 image --l1 "$B/payload/hello.elf" --memory 64M --l0-option serial=com9 -o "$iso" && one_line && shows 'serial must be one of auto, com1, com2, com3, com4, none, mmio:0xADDRESS'
}

# Starts QEMU with a BIOS and these arguments until the condition, a command, is true, or a minute is over; then commands of its monitor.
qemu_until() { # CONDITION MONITOR-COMMANDS ARGS...
	local condition=$1 commands=$2 i
	shift 2
	{
		for i in $(seq 60); do
			eval "$condition" && break
			sleep 1
		done
		sleep 1
		echo "$commands"
		sleep 1
		echo quit
	} | qemu-system-x86_64 -m 256 -display none -monitor stdio "$@" >"$out.qemu" 2>&1
}

# A serial card on PCI; and one that is none.
test_output_goes_to_a_serial_card() {
	local image=(image --l1 "$B/payload/hello.elf" --memory 64M)
	local card=(-chardev "file,id=card,path=$out.card" -device "pci-serial,addr=4,chardev=card")
	iso=$out.iso
	expect 0 "${image[@]}" --l0-option serial=pci:00:04.0 -o "$iso" || return 1
	rm -f "$out.com1" "$out.card"
	qemu_until "grep -a -q 'no VT-x' '$out.card' 2>/dev/null" 'info pci' -cdrom "$iso" -serial "file:$out.com1" "${card[@]}"
	cat "$out.card"
	grep -a -q '^nestor: info: the UART at port 0xc[0-9a-f]* is used, as serial= says' "$out.card" && grep -a -q 'a root VMM for guests' "$out.card" &&
		grep -a -q 'no VT-x' "$out.card" && ! grep -a -q 'nestor:' "$out.com1" || return 1
	expect 0 "${image[@]}" --l0-option serial=pci:00:01.0,9600 -o "$iso" || return 1
	qemu_until "grep -a -q 'no VT-x' '$out.com1' 2>/dev/null" 'info pci' -cdrom "$iso" -serial "file:$out.com1" "${card[@]}"
	grep -a -q 'nestor: error: the UART of serial= is not used: it is no serial port: its class would be 07.00' "$out.com1"
}

# Memory that another process sees stands in for a UART's registers, 32 bits each: the transmitter is always ready, and the last byte stays. Below
# 4 GiB, as firmware's table SPCR tells it; and above, where L0 reaches it later.
test_output_goes_to_a_uart_in_memory() {
	local size bar memory option high
	iso=$out.iso
	for size in 1M 4G; do
		rm -f "$out.registers" "$out.com1" && truncate -s "$size" "$out.registers" || return 1
		memory=(-object "memory-backend-file,id=m,size=$size,mem-path=$out.registers,share=on" -device "ivshmem-plain,memdev=m,addr=5")
		qemu_until true 'info pci' -serial null "${memory[@]}"
		bar=$(tr -d '\r' <"$out.qemu" | sed -nE 's/.*BAR2: 64 bit prefetchable memory at (0x[0-9a-f]+) .*/\1/p')
		echo "registers of $size at $bar"
		high=0 option=serial=auto
		[ $size = 1M ] || high=1 option=serial=mmio:$bar,32
		[ -n "$bar" ] && [ $((bar >= 0x100000000)) = $high ] || return 1
		expect 0 image --l1 "$B/payload/hello.elf" --memory 64M --l0-option "$option" -o "$iso" || return 1
		# Behind the header: a 16550 in memory, 32 bits by words of 4 bytes, its address, no interrupt, its rate as it is.
		{
			printf '\0\0\0\0\0\40\0\3'
			printf "$(printf '%016x' "$bar" | sed -E 's/(..)(..)(..)(..)(..)(..)(..)(..)/\\x\8\\x\7\\x\6\\x\5\\x\4\\x\3\\x\2\\x\1/')"
			printf '\0\0\0\0\0\0\0\0\1\0\0\0\377\377\377\377\0\0\0\0\0\0\0\0\0\0\0\0'
		} >"$out.spcr"
		printf '\40' | dd of="$out.registers" bs=1 seek=20 conv=notrunc status=none
		rm -f "$out.vga"
		[ $size = 4G ] || memory+=(-acpitable "sig=SPCR,rev=2,data=$out.spcr")
		qemu_until "[ \"\$(od -An -tx1 -N1 -j12 '$out.registers')\" = ' 03' ] && sleep 3" "pmemsave 0xb8000 4000 \"$out.vga\"" \
			-cdrom "$iso" -serial "file:$out.com1" "${memory[@]}"
		tr -d '\007' <"$out.vga" | tr -c ' -~' '.' | fold -w 80 | grep -a 'nestor:'
		# The last byte of the log; no interrupts; FIFOs; 8n1; DTR and RTS; still ready; and nothing else.
		[ "$(od -An -v -tx4 -N32 "$out.registers" | tr -d '\n')" = ' 0000000a 00000000 00000007 00000003 00000003 00000020 00000000 00000000' ] ||
			{ od -tx4 -N32 "$out.registers"; return 1; }
		tr -d '\007' <"$out.vga" | tr -d '\n' | grep -a -q "the UART at memory address $(printf '0x%x' "$bar") is used, as $([ $size = 4G ] && echo serial= || echo "firmware's table SPCR") says" &&
			tr -d '\007' <"$out.vga" | grep -a -q 'no VT-x' || return 1
	done
	rm -f "$out.registers"
}

# By GRUB on a BIOS the log is on the screen, too: the last line of it in the VGA's memory.
test_the_log_is_on_the_screen_of_a_bios() {
	local i
	iso=$out.iso
	expect 0 image --l1 "$B/payload/hello.elf" --memory 64M -o "$iso" || return 1
	rm -f "$out.com1" "$out.vga"
	{
		for i in $(seq 100); do
			grep -a -q 'no VT-x' "$out.com1" 2>/dev/null && break
			sleep 1
		done
		sleep 1
		echo "pmemsave 0xb8000 4000 \"$out.vga\""
		echo quit
	} | qemu-system-x86_64 -m 256 -display none -cdrom "$iso" -serial "file:$out.com1" -monitor stdio >"$out.qemu" 2>&1
	tr -d '\007' <"$out.vga" | grep -a -q 'nestor: error: this CPU has no VT-x' && tr -d '\007' <"$out.vga" | grep -a -q 'a root VMM for guests'
}

# A picture of QEMU's screen when the log, on COM1, has the pattern; what L0 has drawn there becomes $out.text.
screen_shows() { # SCALE PATTERN ARGS...
	local scale=$1 pattern=$2 i
	shift 2
	rm -f "$out.com1" "$out.ppm"
	{
		for i in $(seq 140); do
			grep -a -q -E -e "$pattern" "$out.com1" 2>/dev/null && break
			sleep 1
		done
		sleep 1
		echo "screendump \"$out.ppm\""
		sleep 1
		echo quit
	} | qemu-system-x86_64 -m 256 -display none -serial "file:$out.com1" -monitor stdio "$@" >"$out.qemu" 2>&1
	"$B/test/read_screen" "$out.ppm" "$scale" >"$out.text" || { echo 'there is more on the screen than the log'; return 1; }
	cat "$out.text"
}

# By GRUB on UEFI the log is drawn, and nothing else is left on the screen: each cell is a character of L0's. GRUB drives the first display
# itself, with 24 bits; of the second one, whose picture is in reserved RAM, it has what the firmware gives.
test_the_log_is_on_the_screen_of_uefi() {
	local display
	iso=$out.iso
	expect 0 image --l1 "$B/payload/hello.elf" --memory 64M -o "$iso" || return 1
	for display in 'VGA 24' 'ramfb 32'; do
		screen_shows 1 'no VT-x' -cdrom "$iso" -bios /usr/share/ovmf/OVMF.fd -vga none -device "${display% *}" &&
			shows "^nestor: info: the log is on the screen, too: [0-9]+ x [0-9]+ pixels of ${display#* } bits at 0x[0-9a-f]+ *\$" \
				'^nestor: info: Nestor .* a root VMM for guests' '^nestor: error: this CPU has no VT-x' || return 1
	done
}

test_image_on_qemu_uefi_says_no_vtx() {
	iso uefi && expect 68 run --iso "$iso" --machine qemu --firmware uefi --timeout 120 &&
		shows 'no VT-x'
}

test_image_boots_on_the_emulator() {
	iso bochs && expect 1 run --iso "$iso" --machine bochs --timeout 120 &&
		shows 'hello: VT-x offered' 'TSC: [0-9]+ kHz, from '
}

# GRUB makes of the machine's controllers what firmware's SMM code would leave: its xHCI gives up what it is asked for, its EHCI and its OHCI do not.
usb_iso() { # GRUB-COMMAND...
	local d=$out.usb
	rm -rf "$d" && mkdir -p "$d/boot/grub" && expect 0 image --l1 "$B/payload/hello.elf" --memory 64M -o "$d/boot/nest/" || return 1
	sed -i 's/nestor.elf *$/nestor.elf log=info/' "$d/boot/nest/grub.cfg"
	{
		printf 'serial\nterminal_output serial\nset timeout=0\ninsmod setpci\ninsmod memrw\n'
		printf '%s\n' "$@" 'menuentry Nestor {' 'set nestor=/boot/nest' 'source "$nestor/grub.cfg"' '}'
	} >"$d/boot/grub/grub.cfg"
	iso=$out.usb.iso
	grub-mkrescue -o "$iso" "$d" >"$out.grub" 2>&1
}

test_usb_controllers_are_handed_over_by_firmware() {
	usb_iso 'write_dword 0xc0000504 0xe011' 'write_dword 0xc0000500 0x10401' 'setpci -s 00:01.2 c0.w=20bf' &&
		expect 1 run --iso "$iso" --machine bochs --machine-memory 512M --timeout 120 --machine-option 'usb_xhci: enabled=1' &&
		shows 'USB controllers that firmware had: 1; that have no SMIs any more: 2' 'hello: VT-x offered' && shows_not 'does not give up' || return 1
	usb_iso 'setpci -s 00:02.7 68.l=00010001' 'setpci -s 00:02.7 6c.l=0000e03f' &&
		expect 1 run --iso "$iso" --machine bochs --machine-memory 512M --timeout 120 --machine-option 'usb_ehci: enabled=1' &&
		shows 'USB controllers that firmware had: 1; that have no SMIs any more: 1' 'hello: VT-x offered' \
			'firmware does not give up the USB controller pci:00:02.7: it was taken after a second' || return 1
	usb_iso 'write_dword 0xc0000004 0x3bc' &&
		expect 1 run --iso "$iso" --machine bochs --machine-memory 512M --timeout 120 --machine-option 'usb_ohci: enabled=1' &&
		shows 'USB controllers that firmware had: 1; that have no SMIs any more: 1' 'hello: VT-x offered' \
			'firmware does not give up the USB controller pci:00:02.0: it was taken after a second' && rm -f "$iso"
}

# As grub.d's entry of the package does it, with the folder elsewhere.
test_a_folder_for_an_installed_grub_boots_and_nothing_else_is_replaced() {
	local d=$out.tree image=(image --l1 "$B/payload/hello.elf" --memory 64M)
	rm -rf "$d" && mkdir -p "$d/boot/grub" "$d/build" && cp "$B/nestor.elf" "$d/build" && touch "$d/file" &&
		expect 0 "${image[@]}" -o "$d/boot/nest/" && expect 0 "${image[@]}" -o "$d/boot/nest//" &&
		expect 66 "${image[@]}" -o "$d/build/" && one_line && shows 'no folder that .nestor image. made' && [ -e "$d/build/nestor.elf" ] &&
		expect 66 "${image[@]}" -o "$d/file/" && expect 74 "${image[@]}" -o "$d/none/nest/" && [ -z "$(find "$d" -name '*.partial' -o -name '*.old')" ] || return 1
	printf 'serial\nterminal_output serial\nset timeout=0\nmenuentry Nestor {\n\tset nestor=/boot/nest\n\tsource "$nestor/grub.cfg"\n}\n' >"$d/boot/grub/grub.cfg"
	grub-mkrescue -o "$out.iso" "$d" >"$out.grub" 2>&1 && expect 1 run --iso "$out.iso" --machine bochs --machine-memory 512M --timeout 120 &&
		rm -f "$out.iso" && shows 'hello: VT-x offered'
}

# A machine's MSRs from a file: what it has, what is off and why; one that lacks EPT; files that are none.
test_check_tells_what_a_machines_vtx_offers() {
	local f=$out.msrs
	printf '# a server\nmaxphyaddr 46\n0x480 0x00da040000000004\n0x481 0x000000ff00000016\n0x482 0xfff9fffe0401e172\n0x483 0x01ffffff00036dff\n%s\n' \
		$'0x484 0x0003ffff000011ff\n0x485 0x7004c1e7\n0x486 0x80000021\n0x487 0xffffffff\n0x488 0x2000\n0x489 0x7727ff\n0x48a 0x2e' \
		$'0x48c 0x00000f0106734141\n0x48d 0x000000ff00000016\n0x48e 0xfff9fffe04006172\n0x48f 0x01ffffff00036dfb\n0x490 0x0003ffff000011fb' >"$f"
	{ cat "$f"; echo '0x48b 0x025fffff00000000'; } >"$f.full"
	{ cat "$f"; echo '0x48b 0x025ffffd00000000'; } >"$f.no_ept"
	{ cat "$f"; echo '0x48b'; } >"$f.bad"
	{ cat "$f"; echo '0x500 1'; } >"$f.worse"
	expect 0 check --host --msrs "$f.full" && shows '^Nestor runs on' '^ept +yes +yes *$' '^vmfunc +no +no +the machine has it not' \
		'^perf_global_ctrl +yes +yes *$' '^bndcfgs +yes +no +Nestor does not offer it' &&
		expect 0 check --host --msrs "$f.full" --vmx-features=-vpid && shows '^vpid +yes +no +vmx-features leaves it out' &&
		expect 68 check --host --msrs "$f.no_ept" && shows 'does not run on .*: its VT-x lacks EPT$' '^unrestricted +no +no' &&
		expect 0 check --host --json --msrs "$f.full" && shows '"runs": true' '"0x48b": "0x025fffff00000000"' &&
		expect 66 check --host --msrs "$f.bad" && one_line && shows "msrs.bad:[0-9]+: the value is no number" &&
		expect 66 check --host --msrs "$f.worse" && one_line && shows 'there is no such capability MSR' &&
		expect 64 check --host "$f" && expect 64 check --msrs "$f" --l1 "$B/payload/power.elf" && one_line &&
		{ grep -q -w vmx /proc/cpuinfo || { expect 68 check --host && shows 'offers no VT-x'; }; }
}

# A Cascade Lake with microcode of 2019, as a file tells it: each vulnerability with its state, and what is not told is not judged.
test_check_tells_which_vulnerabilities_a_processor_has() {
	local f=$out.msrs
	printf 'maxphyaddr 46\n0x480 0x00da040000000004\n' >"$f.none"
	{ cat "$f.none"; printf 'cpuid.1.eax 0x50657\ncpuid.7.edx 0xbc000400\ncpuid.7.ebx 0x20\n0x10a 0xab\ncpuid.11.ebx 2\ncpuid.11.ecx 0x100\n'; } >"$f"
	expect 68 check --host --msrs "$f" && shows '^l1tf +Not affected$' '^mds +Not affected$' '^tsx_async_abort +Mitigation: TSX off$' '^mmio_stale_data +Vulnerable: no FB_CLEAR: needs microcode' \
		'^spectre_v2 +Mitigation: enhanced IBRS; IBPB' '^indirect_target_selection +Mitigation: aligned thunks' '^smt +Mitigation: threads of a core run one VM at a time' &&
		expect 68 check --host --json --msrs "$f" && shows '"vulnerabilities": ' '"tsx_async_abort": "Mitigation: TSX off"' &&
		expect 68 check --host --msrs "$f.none" && shows_not l1tf &&
		echo 'cpuid.1.eax 0x100000000' >>"$f" && expect 66 check --host --msrs "$f" && shows 'it begins with no number of an MSR'
}

# Simulated banks: L0 goes on; the VM that used what was wrong ends, the other one does not; a corrupt context ends all, with one report.
test_a_machine_check_ends_whom_it_concerns() {
	local vm
	{
		printf 'timeout: 100\nlog: info\nmachine: {kind: bochs}\nvms:\n'
		for vm in a b; do printf '  - {name: %s, memory: 64M, kernel: %s, cpus: 2}\n' "$vm" "$PWD/$B/payload/clocks.elf"; done
	} >"$out.yaml"
	expect 72 run "$out.yaml" --l0-option selftest=machine-check &&
		shows 'warn: machine check in L0: CPU 0, bank 3: corrected: memory controller' 'L0 goes on after 2 machine checks' \
			'machine check in a guest: CPU [01], bank 1: uncorrected, action optional' 'in a guest: CPU [01], bank 1: uncorrected, action required: cache hierarchy, .*address 0xabcd000' \
			'selftest: NMIs stay blocked over a machine check' "'a' stopped: machine check" '^b. ok' "'b' ended: asked for by the guest" &&
		expect 70 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/hello.elf" --l0-option selftest=fatal-machine-check &&
		shows 'machine check in L0: CPU 0, bank 0: fatal' 'machine check: the machine cannot go on' && shows_not 'hello'
}

# Memory that nobody uses stays where it is until then; what the guest uses ends it, in L1 and in L2, and the next life has other memory.
test_memory_that_is_wrong_is_taken_out_of_use() {
	local wrong='error: memory at 0x[0-9a-f]*000 is wrong, and taken out of use' used="'a' stopped: it has used memory that is wrong" of="$PWD/$B/payload"
	printf 'timeout: 60\nlog: info\nmachine: {kind: bochs}\nvms:\n' | tee "$out.yaml" >"$out.l2.yaml"
	printf '  - {name: a, memory: 64M, kernel: %s, cpus: 2, cmdline: count=2, vmx: off, restart: on-failure, restart-limit: 1}\n  - {name: b, memory: 64M, kernel: %s, cpus: 2, cmdline: count=2}\n' "$of/clocks.elf" "$of/clocks.elf" >>"$out.yaml"
	printf '  - {name: a, memory: 64M, kernel: %s}\n  - {name: b, memory: 64M, kernel: %s, cpus: 2, cmdline: count=2}\n' "$of/bench.elf" "$of/clocks.elf" >>"$out.l2.yaml"
	expect 1 run "$out.yaml" --l0-option selftest=bad-memory &&
		shows 'uncorrected, no action needed: memory controller' "$wrong: 1 pages" "'a' has memory that is wrong: it ends when it uses it" "$wrong: 2 pages" "$used" \
			"'a' ended .vm-error. and is started again" "'a' gets other memory" "'a' ended: asked for by the guest" "'b' ended: asked for by the guest" 'warn: memory that is wrong: 2 pages of 4 KiB were taken out of use, 0 times' &&
		expect 72 run "$out.l2.yaml" --l0-option selftest=bad-memory &&
		shows "$wrong: 2 pages" "$used" 'a vcpu 0: in L2' 'L2 EPT_VIOLATION' "'b' ended: asked for by the guest"
}

# Kicks of a VM with two CPUs are none of the hardware's; others are told, passed on, or end all.
# CPUs that sleep by MWAIT and are woken by stores, timers, interrupts and NMIs; deeper states on a model that has them.
test_cpus_sleep_by_mwait() {
	local run=(run --machine bochs --timeout 170 --memory 64M --log-level info --cpus 4)
	expect 1 "${run[@]}" --machine-cpus 3 --l0-option idle=c1 --l1 "$B/payload/smp.elf" && shows 'idle CPUs: MWAIT, by hints 0x00( 0x01)?$' &&
		expect 1 "${run[@]}" --machine-cpus 2 --l0-option idle=deep --l1 "$B/payload/smp.elf" && shows 'idle CPUs: MWAIT, by hints 0x00 0x01 0x20' &&
		expect 1 "${run[@]}" --machine-cpus 2 --l1 "$B/payload/smp.elf" && shows 'idle CPUs: HLT$' &&
		expect 1 "${run[@]}" --cpus 2 --machine-cpus 2 --cmdline count=2 --l0-option idle=deep --l1 "$B/payload/clocks.elf" && shows '^ok'
}

# CPUs whose TSCs are not in step at the start, by what IA32_TSC_ADJUST says, and on a model without it: then guests see one that goes on.
test_tscs_of_cpus_are_put_in_step() {
	local run=(run --machine bochs --timeout 100 --memory 64M --log-level info --cpus 3 --machine-cpus 3 --cmdline 'count=3 cpus=3' --l0-option selftest=tsc --l1 "$B/payload/clocks.elf")
	expect 1 "${run[@]}" && shows 'CPU 1: IA32_TSC_ADJUST was 0x2fa[0-9a-f]{4}, and is the boot CPU.s now, 0x0' 'CPU 2: IA32_TSC_ADJUST was' '^ok' &&
		expect 1 "${run[@]}" --machine-option 'cpu: model=corei7_sandy_bridge_2600k, count=3, ips=50000000, reset_on_triple_fault=0' &&
		shows 'CPU 1: its TSC was [0-9]{8} ticks ahead of the boot CPU.s, and is in step now, within [0-9]+$' 'CPU 2: its TSC was [0-9]{8}[0-9]? ticks ahead' '^ok'
}

# A TSC that goes back while VMs run is seen and set forward, before the guest looks; once more by what the first look could not tell.
test_a_tsc_that_goes_wrong_is_set_forward() { # from 10 us on, by what another CPU has told up to 10 us ago: 1,000 ticks, and the way to both
	expect 1 run --machine bochs --timeout 100 --memory 64M --log-level info --cpus 3 --machine-cpus 3 --cmdline 'count=3 cpus=3 behind=2000' --l1 "$B/payload/clocks.elf" \
		--l0-option selftest=drift &&
		shows 'CPU 1: its TSC was 49[0-9]{6} ticks behind CPU [02].s .seen 1 times since the start., and has been set forward: it does not keep step' '^ok' &&
		shows_not 'CPU [02]: its TSC was' 'seen [48] times'
}

# One CPU of two stands still in L0: the other one tells of it, with where it stands; and none does in a run that is only long, or stands still as a whole.
test_a_cpu_that_stands_still_is_told_of() {
	local run=(run --machine bochs --timeout 150 --memory 64M --log-level info --cpus 2 --machine-cpus 2 --l1 "$B/payload/clocks.elf" --l0-option)
	expect 1 "${run[@]}" 'selftest=stall watchdog=2' # or another: the guest's timers are late
	shows 'error: CPU [01] has stood still in Nestor for 2 s, at:' ' handle_events\+' 'warn: CPU [01] goes on' &&
		expect 1 "${run[@]}" watchdog=1 && shows '^ok' && shows_not 'stood still'
}

# What the VMX-preemption timer does else, done by the local APIC's: by deadlines and by counting; more vCPUs than CPUs; Linux with more on fewer.
test_slices_and_timers_without_a_preemption_timer() {
	local run=(run --machine bochs --timeout 100 --memory 64M --log-level info --l0-option preemption_timer=off) count
	count='cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0, exclude_features=tsc_deadline'
	expect 1 "${run[@]}" --cpus 3 --machine-cpus 2 --l1 "$B/payload/clocks.elf" &&
		shows 'preemption_timer=off: the local APIC.s timer is used' '^TSC deadline: [0-9]+ times' '^ok' && shows_not 'preemption timer: [0-9]|APIC.s timer counts' &&
		expect 1 "${run[@]}" --cpus 2 --machine-option "$count" --l1 "$B/payload/clocks.elf" &&
		shows 'the local APIC.s timer counts [45][0-9]{4} kHz' '^ok' &&
		linux 0 client 'quiet l2=client' --cpus 2 --machine-cpus 1 --apicv off --l0-option preemption_timer=off --log-level info &&
		shows 'L1: done with status 0' 'kvm_intel preemption_timer = N' && shows_not ' PREEMPTION_TIMER |(VT-x of this machine|vmx flags):.* preempt'
}

# By the instructions, state, MSRs and controls that go with flags of CPUID; and for a Linux that runs an L2.
test_a_vm_sees_no_more_of_its_processor_than_it_is_told() {
	local run=(run --machine bochs --timeout 60 --memory 64M --machine-option 'cpu: model=sapphire_rapids, count=1, ips=50000000' --l1 "$B/payload/seen.elf")
	expect 1 "${run[@]}" --cpu-features sandybridge,-pcid && shows '^invpcid: 0, trap 6, control 0' '^waitpkg: 0, trap 6, control 0$' '^waitpkg MSR: 13$' '^avx: 1 0, avx512f: 0, pku: 0, components 7$' \
		'^avx: trap -1, area 832' '^avx512: trap 13, area 832' '^keys: trap 13, area 832' '^xsaves: 0, trap 6, control 0, components 0$' '^xsaves MSR read: 13$' '^xsaves MSR written: 13$' '^smep: 0, fixed 0' '^pcid: trap 13' '^la57: 0, fixed 0' \
		'^addresses: 48' '^cet: 0 0, control 0$' '^cet MSR: 13$' '^rdrand: 0, control 0' &&
		expect 1 "${run[@]}" --cpu-features -xsave && shows '^xsave: 0, trap 13' '^pku: 0, fixed 0' '^la57: 1, fixed 1' '^addresses: 57' '^rdseed: 1, control 1' &&
		expect 64 "${run[@]}" --cpu-features haswell,-abx && shows "'-abx' is not one of presets: nehalem .*; features: pdpe1gb .*avx512f" &&
		linux 0 client 'l2=client' --cpu-features haswell &&
		shows 'Enabled xstate features 0x7, context size is 832 bytes' 'L2: done' 'L1: done with status 0' && shows_not 'L1: .*avx512|BUG|Call Trace|WARNING'
}

test_nmis_of_the_hardware_are_told_from_kicks() {
	local run=(run --machine bochs --timeout 100 --memory 64M --log-level info --cpus 2 --machine-cpus 2 --l1 "$B/payload/clocks.elf")
	expect 1 "${run[@]}" && shows '^ok' && shows_not 'NMI of the hardware' &&
		expect 1 "${run[@]}" --l0-option selftest=nmi && shows '^ok' 'NMI of the hardware on CPU 0 \([0-9]+ since the start\): no reason at port 61H.*; nothing is done' &&
		expect 255 "${run[@]}" --l0-option 'selftest=nmi nmi=pass' && shows 'the first VM gets it' 'unexpected vector 2' &&
		expect 70 "${run[@]}" --l0-option 'selftest=nmi nmi=stop' && shows 'the machine stops' "while handling VM 'l1'" && shows_not '^ok'
}

# small_vms COUNT: VMs of the least memory, each of which tells its number and what is typed at it.
small_vms() {
	local i
	printf 'machine: {kind: bochs}\nvms:\n'
	for ((i = 1; i <= $1; i++)); do printf '  - {name: vm%d, memory: 4M, vmx: off, kernel: %s, cmdline: id=%d halt}\n' "$i" "$PWD/$B/payload/typed.elf" "$i"; done
}

# As many as the emulator has memory for (2 GiB that anybody touches); consoles of the first, of one behind 126, whose channel has two bytes, and of the last are reached by names.
test_two_hundred_vms_at_once() {
	local at pid vm
	small_vms 257 >"$out.yaml" && expect 66 check "$out.yaml" && one_line && shows 'more than 256 VMs' || return 1
	small_vms 200 >"$out.yaml" && LIMIT=280 managed "$out.yaml"
	said '^vm1\| typed 1: ready' && said '^vm200\| typed 200: ready' && ask 0 ps || return 1
	[ "$(grep -c ' running ' "$out.answer")" = 200 ] || return 1
	for vm in 200 1 127; do
		printf 'for %d\r' "$vm" | NESTOR_AT=$at timeout 60 "$NESTOR" console "vm$vm" >"$out.console" 2>&1 &
		said "^vm$vm\\| typed $vm: 'for $vm'" || return 1
	done
	ask 0 stop vm200 && ask_until '^vm200 +off' ps && ask 0 start vm200 && ask_until '^vm200 +running .* 1 *$' ps && ask 0 quit && over 0 || return 1
	text && [ "$(grep -c -E "^vm[0-9]+\\| typed [0-9]+: 'for [0-9]+'" "$out.text")" = 3 ]
}

# A VM with as many vCPUs as it may have, of which three talk, on all CPUs of the emulator.
test_many_vcpus() {
	expect 1 run --machine bochs --timeout 200 --memory 128M --l1 "$B/payload/smp.elf" --cpus 64 --machine-cpus 15 && shows 'x2APIC NMI to 2: 0 0 1'
}

# All vCPUs that a VM may have: they start, and each is reached by its id, by its cluster and with all others; and what so many need.
test_a_vm_has_vcpus_that_xapic_mode_has_no_ids_for() {
	expect 66 check --cpus 256 --l1 "$B/payload/vcpus.elf" && one_line && shows "more than 255 'cpus' need 'iommu: vtd'" &&
		expect 1 run --machine bochs --timeout 150 --memory 64M --iommu vtd --cpus 288 --machine-cpus 4 --l1 "$B/payload/vcpus.elf" &&
		shows '^vcpus: 288, x2apic 1, id bits 9, leaf 1 ff, leaf 4 3f$' '^by ids: all$' '^by broadcast: all$' '^wrong starts: 0$' '^physical: 0 missing$' \
			'^logical: 0 missing$' '^all others: 0 missing, own 0$' '^all: 0 missing, own 1$' '^vcpus: done$'
}

# Two cores with two threads each, VMs with more vCPUs than a core has threads: all get to their end, one VM at a time on a core or not.
test_threads_of_a_core_run_one_vm_at_a_time() {
	local run vm
	{
		printf 'timeout: 150\nlog: info\nmachine: {kind: bochs, cpus: 4, option: "cpu: model=corei7_skylake_x, count=1:2:2, ips=50000000"}\nvms:\n'
		for vm in 'a, cpus: 3, kernel: smp' 'b, cpus: 3, kernel: clocks' 'c, kernel: hello'; do printf '  - {name: %s, memory: 64M}\n' "${vm/kernel: /kernel: $PWD/$B/payload/}.elf"; done
	} >"$out.yaml"
	expect 1 run "$out.yaml" && shows 'smt: Mitigation: threads of a core run one VM at a time' '2 cores with several threads, each for one VM at a time' \
		"'a' ended: asked for" "'b' ended: asked for" "'c' ended: asked for" &&
		expect 1 run "$out.yaml" --l0-option threads=any && shows 'smt: Vulnerable: threads of a core may run different VMs' "'b' ended: asked for" && shows_not 'cores with several threads' &&
		expect 1 run --machine bochs --timeout 60 --memory 32M --log-level info --l1 "$B/payload/hello.elf" --machine-cpus 2 && shows 'smt: Not affected' && shows_not 'with several threads'
}

# Above maxcpus, and second threads with nosmt: started, and parked; firmware's tables tell of them, or they themselves.
test_cpus_that_are_not_used_sleep_and_take_machine_checks() {
	local run=(run --machine bochs --timeout 60 --memory 64M --log-level info --machine-cpus 4 --machine-nodes 2 --l1 "$B/payload/hello.elf")
	expect 1 "${run[@]}" --l0-option maxcpus=2 && shows 'CPUs that are not used, sleep and take machine checks: 2$' 'info: 2 CPUs' &&
		expect 1 "${run[@]}" --l0-option maxcpus=1 && shows 'CPUs that are not used, sleep and take machine checks: 3$' 'info: 1 CPU,' &&
		expect 1 "${run[@]}" --l0-option mitigations=nosmt --machine-option 'cpu: model=corei7_skylake_x, count=1:2:2, ips=50000000' &&
		shows 'CPUs that are not used, sleep and take machine checks: 2$' 'info: 2 CPUs' 'smt: Mitigation: one thread' || return 1
	run=(run --machine bochs --timeout 60 --memory 64M --log-level info --l1 "$B/payload/hello.elf")
	expect 1 "${run[@]}" --machine-cpus 4 --l0-option 'maxcpus=1 idle=deep' && shows 'CPUs that are not used, sleep and take machine checks: 3$' 'info: 1 CPU,' 'idle CPUs: MWAIT' &&
		expect 1 "${run[@]}" --l0-option 'mitigations=nosmt idle=deep' --machine-option 'cpu: model=corei7_skylake_x, count=1:2:2, ips=50000000' &&
		shows 'CPUs that are not used, sleep and take machine checks: 2$' 'info: 2 CPUs' 'idle CPUs: MWAIT'
}

# On a model with enhanced IBRS and MD_CLEAR: two VMs that share a CPU, and an L1 with L2.
test_what_the_processor_needs_against_speculation_is_done() {
	local cpu='cpu: model=sapphire_rapids, count=1, ips=50000000' vm
	{
		printf 'timeout: 60\nlog: info\nmachine:\n  kind: bochs\n  option: "%s"\nvms:\n' "$cpu"
		for vm in a b; do printf '  - {name: %s, memory: 32M, kernel: %s}\n' "$vm" "$PWD/$B/payload/hello.elf"; done
	} >"$out.yaml"
	expect 1 run "$out.yaml" && shows '^nestor: info: mds: Mitigation: CPU buffers cleared before each entry' 'spectre_v2: Mitigation: enhanced IBRS' \
		'barriers of branch predictors: ([2-9]|[1-9][0-9]+), flushes of the L1 data cache: 0' &&
		expect 1 run "$out.yaml" --l0-option mitigations=off && shows 'mds: Vulnerable: mitigations=off' && shows_not 'barriers of branch' &&
		expect 1 run "$out.yaml" --l0-option mitigations=strict && shows 'barriers of branch' && shows_not 'Vulnerable' &&
		sed 's/sapphire_rapids/corei7_skylake_x/' "$out.yaml" >"$out.open.yaml" && expect 66 run "$out.open.yaml" --l0-option mitigations=strict &&
		shows 'mitigations=strict: this processor runs one VM, not 2: l1tf: Vulnerable: no L1D_FLUSH: needs microcode' && shows_not 'hello' &&
		expect 1 run --machine bochs --timeout 60 --memory 32M --l1 "$B/payload/hello.elf" --l0-option mitigations=strict &&
		expect 1 run --machine bochs --timeout 60 --memory 32M --log-level info --l1 "$B/payload/hello.elf" --machine-cpus 2 --l0-option mitigations=nosmt \
			--machine-option 'cpu: model=sapphire_rapids, count=1:1:2, ips=50000000' && shows 'CPUs that are not used, sleep and take machine checks: 1$' 'info: 1 CPU' 'smt: Mitigation: one thread' &&
		expect 1 run --machine bochs --timeout 60 --memory 32M --log-level info --l1 "$B/payload/hello.elf" && shows 'l1tf: Vulnerable: no L1D_FLUSH: needs microcode' 'itlb_multihit: Mitigation: not in the TLB of an emulator' && shows_not 'barriers of branch' &&
		expect 1 run --machine bochs --timeout 60 --memory 32M --log-level info --summary --l1 "$B/payload/hello.elf" --l0-option code-pages=small && shows 'EPT_VIOLATION +[1-9]' && shows_not 'in thunks' &&
		expect 1 run --machine bochs --timeout 60 --memory 32M --log-level info --l1 "$B/payload/hello.elf" --l0-option branches=thunks && shows 'indirect branches and returns in thunks: [0-9]{4}$'
}

# Three VMs, two of them with an L2, on processors that need different things: what is executed, in which order, is what the log says.
judged() { # PROCESSOR CPUS[:THREADS] ACTIONS ARGS...
	local processor=$1 cpus=${2%:*} threads=1 actions=$3 vm
	[ "$2" = "$cpus" ] || threads=${2#*:}
	shift 3
	printf 'plugin_ctrl: nestorspec=1\ncpu: model=corei7_skylake_x, count=1:%s:%s, ips=50000000\n' $((cpus / threads)) "$threads" >"$out.bochsrc"
	{
		printf 'timeout: 60\nlog: info\nmachine:\n  kind: bochs\n  cpus: %s\n  option: "#include %s"\nvms:\n' "$cpus" "$PWD/$out.bochsrc"
		for vm in hello speculation rest; do printf '  - {name: %s, memory: 64M, kernel: %s}\n' "$vm" "$PWD/$B/payload/$vm.elf"; done
		[ "$cpus" = 1 ] || printf '  - {name: smp, memory: 64M, cpus: 2, kernel: %s}\n' "$PWD/$B/payload/smp_vmx.elf"
	} >"$out.yaml"
	# shellcheck disable=SC2086
	NESTOR_SPECULATION=$processor,trace=$PWD/$out.trace expect 1 run "$out.yaml" "$@" &&
		/usr/bin/python3 tests/boot/mitigations.py "$out.trace" "$out.text" "$processor" "$threads" $actions
}

has_spec_plugin() {
	compgen -G "$B/machine/root/usr/lib/*/bochs/plugins/libbx_nestorspec.so" >/dev/null || { echo 'not run: the machine is not the Bochs that is known'; false; }
}

. tests/boot/processors.sh
readonly ENHANCED='BARRIER CLEAR_REGS HOST_IBRS NESTED_BARRIER'
readonly SKYLAKES="$ENHANCED CLEAR_BUFFERS FILL_RSB FLUSH_L1D IBRS_AT_EXIT MCU_OPT TSX_OFF"

test_mitigations_are_executed_as_the_log_says() {
	has_spec_plugin || return 0
	judged "$SKYLAKE" 1 "$SKYLAKES" && judged "$SKYLAKE" 2 "$SKYLAKES" && judged "$SKYLAKE" 2:2 "$SKYLAKES" &&
		shows 'smt: Mitigation: threads of a core run one VM at a time' && judged "$SKYLAKE" 1 '' --l0-option mitigations=off &&
		judged "$CASCADE" 1 "$ENHANCED CLEAR_BUFFERS CLEAR_HISTORY FILL_RSB MCU_OPT THUNKS TSX_OFF" --l0-option idle=c1 && shows 'MWAIT, by hints' 'in thunks: [0-9]{4}$' &&
		judged "$SAPPHIRE" 1 "$ENHANCED FILL_RSB HOST_BHI_DIS" &&
		judged "$FREE" 1 "$ENHANCED" &&
		judged "$NOTHING" 1 ''
}

# The judge looks at each of these: without one of them, or with it changed, it complains.
test_a_mitigation_that_is_missing_is_noticed() {
	local change
	has_spec_plugin || return 0
	judged "$SKYLAKE" 2:2 "$SKYLAKES" --l0-option threads=any >"$out.any"
	grep -a 'another thread \(of the core runs\|has left .* of\) another VM' "$out.any" && judged "$SKYLAKE" 1 "$SKYLAKES" || return 1
	for change in '/guest.* wrmsr 48 /d' '/root.* verw/d' '/sleep$/s/^[0-9]*/&0/' '/root.* wrmsr 49 /d' '/root.* wrmsr 49 /s/ 1 / 0 /' '/root.* wrmsr 10b /d' '/root.* wrmsr 10b /s/ 1 / 0 /' '/wrmsr 48 [2-7] list/d' '/wrmsr 122 /d' '/wrmsr 123 /d' \
		'/wrmsr 48 1 instruction/d' '/root.* wrmsr 48 1 list/d' 's/calls 32/calls 31/' 's/fenced/open/' 's/kept 0/kept 8000/' 's/ memory$/ register/' '/ predicted /d'; do
		sed "$change" "$out.trace" >"$out.changed"
		# shellcheck disable=SC2086
		if cmp -s "$out.trace" "$out.changed" || /usr/bin/python3 tests/boot/mitigations.py "$out.changed" "$out.text" "$SKYLAKE" 1 $SKYLAKES; then
			echo "not noticed: $change"
			return 1
		fi
	done
}

# With IA32_FLUSH_CMD, which no model of the emulator has, and with what else CPUID.(7,2) tells of.
test_what_a_vm_has_against_speculation_is_what_the_processor_has() {
	local processor run=(run --machine bochs --timeout 60 --memory 32M --machine-option 'plugin_ctrl: nestorspec=1' --l1 "$B/payload/speculation.elf")
	has_spec_plugin || return 0
	for processor in "$SKYLAKE" "$SAPPHIRE"; do
		NESTOR_SPECULATION=$processor expect 0 "${run[@]}" --bare && sed '/ARCH_CAPABILITIES/d' "$out.text" >"$out.bare" || return 1
		NESTOR_SPECULATION=$processor expect 1 "${run[@]}" && shows '^FLUSH_CMD = 1: trap -1$' &&
			sed '/ARCH_CAPABILITIES/d' "$out.text" | diff "$out.bare" - || return 1
	done
}

# lintian has no complaint, and what is in it works from where it is.
test_the_package_is_clean_and_its_files_find_each_other() {
	local root=$out.root unit
	rm -rf "$root"
	env -u MAKEFLAGS make -s B="$B" deb >"$out.make" 2>&1 || { cat "$out.make"; return 1; }
	# Whether bytes of code happen to be a misspelt word differs from build to build.
	! grep -E '^[EWI]: ' "$out.make" | grep -v 'unused-override spelling-error-in-binary' && dpkg-deb -x "$(tail -n 1 "$out.make")" "$root" || return 1
	NESTOR=$root/usr/bin/nestor expect 0 image --l1 "$B/payload/power.elf" -o "$out.nest/" &&
		completes "$root" 'nestor pow' 'powerdown' && man -l "$root/usr/share/man/man1/nestor.1.gz" >"$out.man" 2>&1 && grep -q 'MANAGING A RUN' "$out.man" || return 1
	for unit in "$root"/usr/lib/systemd/system/*.service; do
		! systemd-analyze verify --man=no "$unit" 2>&1 | grep -v 'is not executable' || return 1
	done
}

# L0 itself loads the bzImage; without an image the tool unpacks it before.
test_an_image_boots_a_32_bit_bzimage() {
	iso=$out.iso
	expect 0 image --l1 "$B/debian-i386/vmlinuz-686" --initrd "$B/debian-i386/probe-686.cpio" --memory 256M \
		--cmdline "$LINUX quiet l2=none end=poweroff" -o "$iso" &&
		expect 0 run --iso "$iso" --machine bochs --timeout 600 && rm -f "$iso" &&
		shows 'kvm_intel ept = Y' 'L1: done with status 0'
}

# As a user of the installed files has them, elsewhere and without this folder.
test_installed_files_find_each_other() {
	local root=$out.root payload=$B/payload/power.elf
	rm -rf "$root"
	env -u MAKEFLAGS make -s B="$B" DESTDIR="$root" PREFIX=/usr install >"$out.make" 2>&1 || { cat "$out.make"; return 1; }
	NESTOR=$root/usr/bin/nestor expect 7 run --memory 64M --timeout 120 --l1 "$payload" --cmdline exit=3 &&
		[ -s "$root/usr/share/man/man1/nestor.1" ] &&
		completes "$root" 'nestor run --machine-me' '--machine-memory' &&
		completes "$root" 'nestor run --restart on' 'on-reset on-failure' &&
		completes "$root" 'nestor pow' 'powerdown' && completes "$root" 'nestor regs --vc' '--vcpu' &&
		completes_in_zsh "$root" '--machine-vms' nestor run --machine-v && completes_in_zsh "$root" 'on-reset' nestor run --restart '' &&
		completes_in_zsh "$root" 'powerdown' nestor pow && completes_in_zsh "$root" 'FILES' nestor image '' &&
		env -u MAKEFLAGS make -s B="$B" DESTDIR="$root" PREFIX=/usr uninstall >>"$out.make" 2>&1 &&
		[ -z "$(find "$root" -type f)" ]
}

completes() { # ROOT LINE WORDS
	local words
	# shellcheck disable=SC2086
	words=$(PATH=$1/usr/bin:$PATH bash -c '. "$0/usr/share/bash-completion/completions/nestor"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _nestor; echo "${COMPREPLY[*]}"' "$1" $2)
	[ "$words" = "$3" ] || { echo "'$2' is completed as '$words'"; return 1; }
}

# What zsh's own functions would be told; of words, that this one is among those that begin as the last one.
completes_in_zsh() { # ROOT WORD LINE...
	local root=$1 word=$2 said
	shift 2
	said=$(PATH=$root/usr/bin:$PATH zsh -f -c 'compadd() { shift; local w; for w; do [[ $w != $prefix* ]] || print -r -- $w; done }; _files() { print FILES }
		file=$1; shift; words=("$@"); CURRENT=$#; prefix=$words[-1]
		source $file' zsh "$root/usr/share/zsh/vendor-completions/_nestor" "$@" 2>&1)
	grep -q -x -e "$word" <<<"$said" || { echo "zsh completes '$*' as '$said'"; return 1; }
}

test_clean_keeps_what_was_downloaded() {
	local folder=$out.build
	mkdir -p "$folder/machine" "$folder/debian" "$folder/hv" && touch "$folder/nestor" "$folder/debian/vmlinuz" "$folder/machine/bochs"
	env -u MAKEFLAGS make -s B="$folder" clean && [ -e "$folder/machine/bochs" ] && [ -e "$folder/debian/vmlinuz" ] &&
		[ ! -e "$folder/nestor" ] && [ ! -e "$folder/hv" ] && env -u MAKEFLAGS make -s B="$folder" distclean && [ ! -e "$folder" ] &&
		make help | grep -q '^make uninstall ' && make help | grep -q '^make clean '
}

# What a KVM on the emulator needs (docs/kvm-machine.md); without the plugin the interrupt does not come, as DEVIATIONS.md says.
test_the_emulator_takes_interrupts_out_of_a_guest_that_was_entered_with_them_disabled() {
	local masked=(run --bare --machine bochs --timeout 60 --l1 "$B/payload/masked.elf")
	expect 0 "${masked[@]}" --machine-option 'plugin_ctrl: nestormasks=1' && shows '^entry: ok' '^exit 1$' &&
		expect 0 "${masked[@]}" && shows '^entry: ok' '^exit 52$'
}

test_missing_image() {
	expect 66 run --l1 "$LOGS/no-such-file" && one_line && shows 'no-such-file'
}

test_file_that_is_no_kernel() {
	expect 66 run --l1 tests/boot/run.sh && one_line
}

test_too_little_memory() {
	expect 66 run --l1 "$B/debian/vmlinuz" --memory 32M && one_line && shows '[Mm]emory|MiB'
}

test_unknown_key() {
	printf 'vms:\n  - name: a\n    kernel: k\n    memroy: 1G\n' >"$LOGS/bad.yaml"
	expect 66 run "$LOGS/bad.yaml" && one_line && shows 'bad.yaml:4' 'memroy'
}

test_bad_option_value() {
	expect 66 run --machine bochs --l1 "$B/payload/hello.elf" --memory 1T && one_line && shows "memory are asked for.*at most 1048576M" &&
		expect 64 run --l1 "$B/payload/hello.elf" --cpus many && one_line && shows 'cpus.*from 1 to 288' &&
		expect 64 check --l1 "$B/payload/hello.elf" --scratch 1M,cow=4K,cow=8K && one_line && shows "cow is given twice" &&
		expect 64 check --l1 "$B/payload/hello.elf" --cpus 289 && one_line && shows 'cpus.*from 1 to 288' &&
		expect 64 run --l1 "$B/payload/hello.elf" --l0-option muxx=on && one_line && shows 'l0-option.*muxx=on.*one of log, mux' &&
		expect 66 run --machine bochs --l1 "$B/payload/hello.elf" --machine-cpus 16 && one_line &&
		shows '--machine-cpus: 16 CPUs are asked for, but the emulated machine has at most 15'
}

test_settings_that_do_not_go_together() {
	printf 'vms:\n  - name: a\n    kernel: k\n    restart-limit: 2\n' >"$LOGS/limit.yaml"
	expect 66 check "$LOGS/limit.yaml" && one_line && shows 'limit.yaml:2.*limit of restarts needs a choice'
}

test_cpu_without_vtx() {
	expect 68 run --timeout 120 --memory 64M --machine bochs --l1 "$B/payload/hello.elf" \
		--machine-option 'cpu: model=athlon64_clawhammer, count=1, ips=50000000' &&
		shows 'no VT-x'
}

# ---- consoles: what is typed

# Starts the tool with a FIFO as standard input; its end is descriptor 9.
typing() { # ARGS...
	rm -f "$out.in" && mkfifo "$out.in" && exec 9<>"$out.in" || return 1
	echo "\$ nestor $*"
	"$NESTOR" "$@" <"$out.in" >"$out" 2>&1 9>&- &
	pid=$!
}

# The same with a terminal, which `script` makes.
typing_at_a_terminal() { # ARGS...
	local words
	rm -f "$out.in" && mkfifo "$out.in" && exec 9<>"$out.in" || return 1
	words=$(printf '%q ' "$NESTOR" "$@")
	echo "\$ $words"
	script -qefc "stty rows 43 columns 132; $words; echo status=\$?; stty -a | grep -o -E '[-]?(icanon|echo) '" /dev/null \
		<"$out.in" >"$out" 2>&1 9>&- &
	pid=$!
}

seen() { # PATTERN: soon. PATIENCE of the environment: how many fifths of a second, if not 1,000
	for _ in $(seq "${PATIENCE:-1000}"); do
		text
		grep -a -q -E -e "$1" "$out.text" && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	text
	grep -a -q -E -e "$1" "$out.text" || { tail -c 2000 "$out.text"; echo "not seen: $1"; kill "$pid" 2>/dev/null; return 1; }
}

ended() { # STATUS
	local got
	wait $pid
	got=$?
	exec 9>&-
	text
	cat "$out.text"
	[ "$got" = "$1" ] || { echo "status $got, expected $1"; return 1; }
}

typed=(run --memory 16M --timeout 180 --l1 "$B/payload/typed.elf" --cmdline)

test_standard_input_is_typed_at_the_only_vm() {
	printf 'hello there\nquit\n' | "$NESTOR" "${typed[@]}" id=1 >"$out.text" 2>&1
	[ $? = 7 ] && shows "^typed 1: 'hello there'" "^typed 1: 'quit'" &&
		printf 'and by interrupts\nquit\n' | "$NESTOR" "${typed[@]}" 'halt id=2' >"$out.text" 2>&1
	[ $? = 7 ] && shows "^typed 2: 'and by interrupts'"
}

test_the_end_of_input_is_not_that_of_the_run() {
	typing "${typed[@]}" id=1 && seen 'ready' && printf 'one\n' >&9 && seen "'one'" && exec 9>&- && sleep 1 &&
		kill -0 "$pid" && kill -INT "$pid" && ended 130
}

# 24 KiB wait: in L0 as much as it takes, the rest outside.
test_a_vm_that_takes_no_input_can_be_stopped() {
	typing "${typed[@]}" 'deaf id=1' && seen 'ready' && head -c 24576 /dev/zero | tr '\0' x >&9 && sleep 2 &&
		kill -INT "$pid" && ended 130 && shows 'l1 vcpu 0: in L1' && shows_not 'did not report'
}

test_a_terminal_has_an_escape_key_and_is_restored() {
	typing_at_a_terminal "${typed[@]}" id=1 && seen 'input goes to .l1.; Ctrl-\] \? tells' && seen 'ready' &&
		printf '\003\032 raw\r' >&9 && seen "^typed 1: '.. raw'" &&
		printf '\035?' >&9 && seen 'q or \.   ends the run' &&
		printf '\035\035x\r' >&9 && seen "^typed 1: '.x'" &&
		printf '\035z' >&9 && seen 'no such key' &&
		printf '\035q' >&9 && seen 'status=130' && ended 0 &&
		shows '^icanon $' '^echo $' 'l1 vcpu 0: in L1'
}

test_a_terminal_is_restored_after_a_time_out_and_a_crash() {
	local tool
	typing_at_a_terminal "${typed[@]}" id=1 --timeout 4 && seen 'status=124' && ended 0 && shows '^icanon $' '^echo $' &&
		typing_at_a_terminal "${typed[@]}" id=1 && seen 'ready' &&
		tool=$(tool_of_terminal) && kill -SEGV "$tool" &&
		seen 'status=139' && ended 0 && shows '^icanon $' '^echo $'
}

tool_of_terminal() { # its process, when typing_at_a_terminal has started it
	pgrep -P "$(pgrep -P "$pid" | head -n 1)" -x nestor || pgrep -P "$pid" -x nestor
}

test_a_terminal_that_changes_its_size_tells_linux() {
	typing_at_a_terminal run --timeout 120 --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" --virtio-console on \
		--cmdline "$LINUX quiet try=resize" && seen '^resize: 43 132' &&
		stty -F "/proc/$(tool_of_terminal)/fd/0" rows 50 columns 120 && seen '^resize: 50 120' && seen 'status=0' && ended 0 &&
		shows '^resize: ok'
}

typed_vms() { # of the payload, a and b, in $out.yaml
	vms "$out.yaml" 'timeout: 60' 'name: a, memory: 16M, cmdline: id=1' 'name: b, memory: 16M, cmdline: halt id=2'
	sed -i "s,$(realpath "$B/payload/power.elf"),$(realpath "$B/payload/typed.elf")," "$out.yaml"
}

test_keys_choose_which_of_two_vms_gets_the_input() {
	typed_vms && typing_at_a_terminal run "$out.yaml" --machine-cpus 2 && seen 'vm-start vm=b' && sleep 2 &&
		printf 'to a\r' >&9 && seen "^a\| typed 1: 'to a'" &&
		printf '\035nto b\r' >&9 && seen "^b\| typed 2: 'to b'" &&
		printf '\0351again a\r' >&9 && seen "^a\| typed 1: 'again a'" &&
		printf '\035pquit\r' >&9 && seen "^b\| typed 2: 'quit'" &&
		printf '\0353' >&9 && seen 'no such console' &&
		printf '\0351quit\r' >&9 && seen 'status=7' && ended 0
}

test_each_vm_has_a_console_of_its_own_elsewhere() {
	local pty
	rm -f "$out".b.* && typed_vms && mkfifo "$out.b.in" && sed -i 's/id=/back &/' "$out.yaml" &&
		typing run "$out.yaml" --console a=pty --console "b=file:$out.b.out,$out.b.in" &&
		seen "the console of 'a' is /dev/pts/" && pty=$(sed -n "s/.*console of 'a' is //p" "$out.text") &&
		{ cat "$pty" >"$out.a.out" & } && sleep 0.5 && printf 'by pty\nquit\n' >"$pty" &&
		printf 'by files\nquit\n' >"$out.b.in" && ended 7
	cat "$out.a.out" "$out.b.out" >"$out.text"
	shows "typed 1: 'by pty'" '^by ptytyped 1: .quit' "typed 2: 'by files'" 'typed 2: .quit'
}

test_a_console_that_cannot_be_is_told() {
	typed_vms && expect 64 run "$out.yaml" --port a=pty && one_line && shows 'must be VM:PORT=PLACE' &&
		expect 64 run "$out.yaml" --port a:log=pty && one_line && shows 'port a:log: the VM has no such port' &&
		expect 64 run "$out.yaml" --console c=pty && one_line && shows "console c: there is no such VM" &&
		expect 64 run "$out.yaml" --console a=pty --console a=pty && shows "console a: given twice" &&
		expect 64 run "$out.yaml" --console pty && one_line && shows 'must be VM=pty' &&
		expect 64 run "$out.yaml" --console a=nowhere && one_line && shows 'not one of pty' &&
		expect 74 run "$out.yaml" --console "a=file:$out.none/x" && one_line && shows 'cannot write' &&
		expect 64 run --bare "$out.yaml" --console a=pty && one_line && shows 'console does not go with --bare'
}

test_a_bare_machine_gets_what_is_typed() {
	local machine
	for machine in bochs qemu; do
		printf 'hello\nquit\n' | "$NESTOR" run --bare --machine $machine --memory 16M --timeout 120 --l1 "$B/payload/typed.elf" \
			--cmdline 'id=1' >"$out.text" 2>&1
		cat "$out.text"
		shows "^typed 1: 'hello'" "^typed 1: 'quit'" || return 1
		printf 'it came back\nquit\n' | "$NESTOR" run --bare --machine $machine --memory 16M --timeout 120 \
			--l1 "$B/payload/typed.elf" --cmdline 'back quiet' >"$out.text" 2>&1
		cat "$out.text"
		shows 'it came back' || return 1
	done
}

# Both ways, by the kernel's own driver, as fast as it goes.
test_two_hundred_kilobytes_typed_at_linux_come_back() {
	head -c 200000 /dev/urandom >"$out.sent"
	typing run --timeout 600 --ips 10000000 --memory 256M --l1 "$B/debian/vmlinuz" --initrd "$B/debian/console.cpio" \
		--cmdline "$LINUX quiet eat=200000" && seen '^ready' && sleep 0.5 && cat "$out.sent" >&9 && seen '^shell' &&
		printf 'echo $((6 * 7)) is it\nexit\n' >&9 && wait "$pid" && grep -a -q '^42 is it' "$out" &&
		grep -a -q "^$(sha256sum <"$out.sent")" "$out" &&
		tail -c +"$(($(grep -a -b -o 'back:' "$out" | head -n 1 | cut -d : -f 1) + 7))" "$out" | head -c 200000 | cmp - "$out.sent"
}

# peer SOCKET SEND RECEIVED COUNT: at the other end of a port, sends a file and takes so many bytes, both at once.
peer() {
	perl -MIO::Socket::UNIX -e 'my ($path, $send, $received, $left) = @ARGV; my ($s, $pid, $bytes);
		for (1 .. 1000) { last if $s = IO::Socket::UNIX->new(Peer => $path); select undef, undef, undef, 0.1 }
		defined($pid = fork) or die;
		if (!$pid) { open my $f, "<", $send or die; while (read $f, $bytes, 4096) { print $s $bytes } exit !$s->flush }
		open my $f, ">", $received or die;
		while ($left > 0 && (my $n = sysread $s, $bytes, $left)) { print $f $bytes; $left -= $n }
		waitpid $pid, 0; exit($left || $?)' "$@"
}

# Linux writes to two ports and reads from one at once, at full speed; nobody takes what a third has.
test_named_ports_carry_files_in_both_directions() {
	local sum size
	rm -f "$out".{log,socket,got,idle} && head -c 200000 /dev/urandom >"$out.sent" && mkfifo "$out.idle" || return 1
	sum=$(sha256sum <"$out.sent")
	typing run --timeout 600 --ips 10000000 --memory 256M --verbose --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" \
		--cmdline "$LINUX quiet try=ports agent=200000" --ports org.example.agent,log,idle --port "l1:log=file:$out.log" \
		--port "l1:org.example.agent=unix:$out.socket" --port "l1:idle=file:$out.idle" || return 1
	size=$(stat -c %s "$B/debian/root/bin/busybox")
	peer "$out.socket" "$out.sent" "$out.got" "$size" && seen 'the other end has gone' && echo 'here again' >"$out.sent" &&
		peer "$out.socket" "$out.sent" "$out.again" 18 && ended 0 && shows '^ports: ok' "^agent: ${sum%% *}" \
		"'l1' has opened its port 'log'" "'l1' has closed its port 'org.example.agent'" &&
		cmp "$out.got" "$B/debian/root/bin/busybox" && grep -q '^agent: here again$' "$out.again" &&
		cat "$B/debian/root/bin/busybox" "$B/debian/root/bin/busybox" | cmp - "$out.log"
}

# The same by the run's socket: a client that goes, and the next one, which the guest is told of.
test_a_named_port_is_a_clients_of_the_runs_socket() {
	local at=$PWD/$out.at size job
	rm -f "$out".{log,got,again,idle} "$at" && head -c 200000 /dev/urandom >"$out.sent" && mkfifo "$out.idle" || return 1
	typing run --timeout 240 --ips 10000000 --memory 256M --verbose --l1 "$B/debian/vmlinuz" --initrd "$B/debian/devices.cpio" \
		--cmdline "$LINUX quiet try=ports agent=200000" --ports org.example.agent,log,idle --manage "$at" \
		--port "l1:log=file:$out.log" --port "l1:idle=file:$out.idle" || return 1
	size=$(stat -c %s "$B/debian/root/bin/busybox")
	for ((i = 0; i < 100; i++)); do [ ! -S "$at" ] || break; sleep 0.1; done
	: >"$out.got" # before anybody looks at it
	NESTOR_AT=$at "$NESTOR" console l1 --port org.example.agent <"$out.sent" >"$out.got" &
	job=$!
	for ((i = 0; i < 3000; i++)); do [ "$(stat -c %s "$out.got")" -lt "$size" ] && kill -0 "$job" || break; sleep 0.1; done
	cmp "$out.got" "$B/debian/root/bin/busybox" && seen "^agent: $(sha256sum <"$out.sent" | cut -d ' ' -f 1)" || { kill "$job" "$pid"; return 1; }
	ask 72 console l1 --port log && ask 66 console l1 --port none && ask 72 console l1 --port org.example.agent &&
		answered 'another client has it' || { kill "$job" "$pid"; return 1; }
	kill -9 "$job" && seen 'the other end has gone' || { kill "$pid"; return 1; }
	echo 'here again' | NESTOR_AT=$at timeout 60 "$NESTOR" console l1 --port org.example.agent >"$out.again" &
	for ((i = 0; i < 300; i++)); do ! grep -q '^agent: here again$' "$out.again" || break; sleep 0.1; done
	grep -q '^agent: here again$' "$out.again" && seen '^ports: ok' && ask 0 quit && wait "$pid" && wait && shows "'l1' has opened its port 'log'"
}

run_one() {
	local name=$1 log=$LOGS/$1.log start=$SECONDS kind=test
	out=$LOGS/$name.out
	declare -F "long_$name" >/dev/null && kind=long
	if "${kind}_$name" >"$log" 2>&1; then
		echo "PASS boot ${name//_/ } ($((SECONDS - start)) s)"
		return 0
	fi
	tail -n 12 "$log" | cut -c 1-160
	echo "FAIL boot ${name//_/ } ($((SECONDS - start)) s); see $log"
	return 1
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	mapfile -t names < <(sed -n 's/^test_\([a-z0-9_]*\)() {$/\1/p' tests/boot/run.sh)
fi
passed=0
failed=0
running=0
reap() {
	if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	running=$((running - 1))
}
for n in "${names[@]}"; do
	[ "$running" -lt "$JOBS" ] || reap
	run_one "$n" &
	running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
	reap
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
