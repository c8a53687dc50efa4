#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What requests to a virtio disk and frames between two VMs cost, for L1 and for L2, beside QEMU's devices under KVM on the
# same machine (kvm_virtio.txt), and a plot of them (build/test/bench/virtio.svg).
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (seconds a run, default 300).
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
TIMEOUT=${TIMEOUT:-300}
out=$B/test/bench
mkdir -p "$out"
. bench/host_image.sh

incomplete() { # NAME
	echo "bench: $1 run incomplete; see $out/$1.txt and .err" >&2
	exit 1
}

disk() { # CMDLINE
	"$NESTOR" run --timeout "$TIMEOUT" --memory 64M --scratch 1M --stats "$out/disk.stats" --cmdline "$1" \
		--l1 "$B/payload/bench_disk.elf" 2>"$out/disk.err" </dev/null | tr -d '\r' >"$out/disk.txt"
	[ -s "$out/disk.txt" ] || incomplete disk
}

exits() { # STATS
	awk '/reason=/ { match($0, /count=[0-9]+/); n += substr($0, RSTART + 6, RLENGTH - 6) } END { print n + 0 }' "$1"
}

# The exits of one request are what many requests have more than none.
exits_of_disk() { # NAME CMDLINE
	local none
	disk "$2 only=2 count=0"
	none=$(exits "$out/disk.stats")
	disk "$2 only=2 count=500"
	awk -v o="$1" -v a="$(exits "$out/disk.stats")" -v b="$none" 'BEGIN { printf "%s exits %.2f\n", o, (a - b) / 500 }'
	awk -v o="$1" '/notified/ { printf "%s notified %.2f\n", o, $4 / 500 }' "$out/disk.txt"
}

net() { # SIZE COUNT WINDOW
	local elf role
	elf=$(realpath "$B/payload/net.elf")
	{
		printf 'machine: {cpus: 1}\nnetworks: [lan]\ntimeout: %d\nvms:\n' "$TIMEOUT"
		for role in send receive; do
			printf '  - {name: %s, kernel: %s, memory: 64M, net: "lan,mac=52:00:00:00:00:0%d", cmdline: "%s halt size=%d count=%d window=%d"}\n' \
				$role "$elf" $((${#role} / 3)) $role "$1" "$2" "$3"
		done
	} >"$out/net.yaml"
	"$NESTOR" run "$out/net.yaml" --stats "$out/net.stats" 2>"$out/net.err" </dev/null | tr -d '\r' >"$out/net.txt" || true
	[ "$(grep -c 'done' "$out/net.txt")" = 2 ] || incomplete net
}

net_rows() { # SIZE WINDOW
	local none
	net "$1" $((4 * $2)) "$2"
	none=$(exits "$out/net.stats")
	net "$1" $((204 * $2)) "$2"
	awk -v o="net_$1_$2" '/ticks a frame/ { print o, $3 }' "$out/net.txt"
	awk -v o="net_$1_$2" -v a="$(exits "$out/net.stats")" -v b="$none" -v n=$((200 * $2)) \
		'BEGIN { printf "%s exits %.2f\n", o, (a - b) / n }'
	awk -v o="net_$1_$2" -v n=$((204 * $2)) '/notified/ { times += $(NF - 2) + $(NF - 1) } END { printf "%s notified %.2f\n", o, times / n }' \
		"$out/net.txt"
}

# ---- of an L2 of Debian's KVM and QEMU

host() { # NAME SCENARIO-LINES [VM]: `host` goes on after a mark once its figures have been taken, and those of the other VM
	local name=$1 at=$out/$1.at marks=0 pid
	printf 'timeout: %d\nmachine: {cpus: 1, ips: 200000000}\n%s\n' "$TIMEOUT" "$2" >"$out/$name.yaml"
	rm -f "$at"
	: >"$out/$name.raw"
	"$NESTOR" run "$out/$name.yaml" --manage "$at" </dev/null >"$out/$name.raw" 2>"$out/$name.err" &
	pid=$!
	: >"$out/$name.marks"
	while kill -0 $pid 2>/dev/null; do
		tr -d '\r' <"$out/$name.raw" | sed -n 's/^\(host| \)\?mark: /mark /p' >"$out/$name.seen"
		if [ "$(wc -l <"$out/$name.seen")" -gt $marks ]; then
			marks=$((marks + 1))
			sed -n "${marks}p" "$out/$name.seen"
			"$NESTOR" stat host --at "$at"
			[ -z "${3-}" ] || "$NESTOR" stat "$3" --at "$at" | grep -v '^level'
			echo 'type id=1 vm=host data=0a' | "$NESTOR" dial --at "$at" >/dev/null
		fi >>"$out/$name.marks"
		# A run that is managed does not end by itself.
		! grep -q '^\(host| \)\?host: done' "$out/$name.raw" || "$NESTOR" quit --at "$at" || true
		sleep 0.2
	done
	wait $pid || true
	tr -d '\r' <"$out/$name.raw" | sed 's/^host| //' >"$out/$name.txt"
	grep -q '^host: done' "$out/$name.txt" || incomplete "$name"
}
host_vm() { # RUNS MORE [WORDS-OF-THE-COMMAND-LINE]
	printf '  - {name: host, kernel: %s, initrd: %s, memory: 512M, cmdline: "%s run=%s", %s}\n' \
		"$(realpath "$B/debian/vmlinux")" "$(realpath "$out/host.cpio")" "$HOST_WORDS ${3-}" "$1" "$2"
}

l2() {
	host_image "$out/host.cpio"
	host l2 "vms:
$(host_vm backed,disk,backedexits 'disks: [{scratch: 1M}]')"
	awk '$1 != "mark:" && $2 ~ /^disk_/ { print ($1 == "backed:" ? "l2_" : "l2_cached_") $2, $3 }' "$out/l2.txt"
	awk -f bench/marks.awk "$out/l2.marks" "$out/l2.txt"
}

# Whoever is at the other end answers as long as it goes.
l2net() {
	host l2net "networks: [lan]
vms:
$(host_vm l2net,l2vhost 'net: "lan,mac=52:00:00:00:00:03,spoof=on"')
  - {name: serve, kernel: $(realpath "$B/payload/net.elf"), memory: 64M, background: on, cmdline: serve halt, net: \"lan,mac=52:00:00:00:00:02\"}" serve
	awk -f bench/marks.awk "$out/l2net.marks" "$out/l2net.txt"
}

# By functions of L1's that it gives to its L2: its disk, and a virtual function of its network card.
vfio() {
	host vfio "networks: [lan]
vms:
$(host_vm vfiodisk,vfnet 'iommu: vtd, root-ports: 1, disks: [{scratch: 1M}], net: "lan,root-port=1,vfs=1,mac=52:ff:00:00:00:01,spoof=on"' 'intel_iommu=on iommu=nopt intremap=on')
  - {name: serve, kernel: $(realpath "$B/payload/net.elf"), memory: 64M, background: on, cmdline: serve halt, net: \"lan,mac=52:00:00:00:00:02\"}" serve
	awk '$1 == "vfio:" && $2 ~ /^disk_/ { print "l2_vfio_" $2, $3 }' "$out/vfio.txt"
	awk -f bench/marks.awk "$out/vfio.marks" "$out/vfio.txt"
}

{
	disk polled
	cat "$out/disk.txt"
	disk ''
	cat "$out/disk.txt"
	exits_of_disk disk_read_4k polled
	exits_of_disk disk_read_4k_irq ''
	net_rows 1514 1
	net_rows 1514 16
	net_rows 65000 1
	net_rows 65000 4
	l2
	l2net
	vfio
} >"$out/virtio.txt"

cat <<'END'

Requests to a virtio disk and frames between two VMs on one CPU: ticks, one executed instruction of anyone each, from the
notification until the driver has it back; exits and notifications of it (of an L2: its own, and L1's); nestor: measured now. kvm: QEMU's
devices under KVM on the bare machine (bench/kvm_virtio.txt); fast: with an I/O thread or vhost. kvm/we, fast/we: how many times Nestor's
figure they are. Rows: disk_*: the guest looks for the end; *_irq: it halts until the interrupt; l2_*: of an L2 of Debian's KVM and QEMU,
whose disk is L1's virtio disk; l2_cached_*: a file in L1's memory; net_BYTES_WINDOW: a frame, with an answer for each window; l2_net_*: from
an L2, by a bridge of its L1, to another VM; l2_net_vhost_*: by vhost in L1. The second table is what L0 does of it, with what L1 and L2
execute themselves taken away, which is the same on both.
END
awk -f bench/virtio.awk "$out/virtio.txt" bench/kvm_virtio.txt | tee "$out/virtio-table.txt"
awk -f bench/plot.awk <(awk '$2 != "exits"' "$out/virtio.txt") bench/kvm_virtio.txt >"$out/virtio.svg"
echo "plot: $out/virtio.svg"
