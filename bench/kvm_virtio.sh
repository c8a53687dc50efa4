#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures QEMU's virtio devices under KVM on the bare emulated machine, for the payloads bench_disk and net: makes
# bench/kvm_virtio.txt anew. Takes a quarter of an hour.
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (seconds a run, default 600).
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
out=$B/test/bench/kvm
. bench/host_image.sh
# The machine's local APIC timer would fire each 15,000 instructions (Linux takes it for slow).
bare="$HOST_WORDS nolapic_timer tsc_early_khz=200000 kvmopt=enable_apicv=0 end=bochs"
rm -rf "$out"
mkdir -p "$out"

run() { # NAME IMAGE MEMORY RUNS
	"$NESTOR" run --bare --machine bochs --ips 200000000 --memory "$3" --timeout "${TIMEOUT:-600}" \
		--l1 "$B/debian/vmlinux" --initrd "$2" --cmdline "$bare run=$4" </dev/null 2>"$out/$1.err" | tr -d '\r' >"$out/$1.txt"
	grep -q '^host: done' "$out/$1.txt" ||
		{ echo "bench: $1 run incomplete; see $out/$1.txt and .err" >&2 && exit 1; }
}

host_image "$out/host.cpio"
mkdir -p "$out/nested/l1"
cp "$B/debian/vmlinux" "$out/nested/l1/"
cp "$out/host.cpio" "$out/nested/l1/initrd"
echo "$HOST_WORDS run=backed,disk" >"$out/nested/l1/cmdline"
(cd "$out/nested" && find . -mindepth 1 | cpio --quiet -o -H newc) | cat "$out/host.cpio" - >"$out/nested.cpio"
rm -r "$out/nested"

run disk "$out/host.cpio" 1G disk,polled,iothread,iopolled,null,diskexits
run tap "$out/host.cpio" 1G tap
run vhost "$out/host.cpio" 1G vhost
run nested "$out/nested.cpio" 1800M nested
{
	sed -n '/^#/p' bench/kvm_virtio.txt
	awk -f bench/kvm_virtio.awk "$out/disk.txt" "$out/tap.txt" "$out/vhost.txt" "$out/nested.txt"
} >"$out/kvm_virtio.txt"
cp "$out/kvm_virtio.txt" bench/kvm_virtio.txt
cat bench/kvm_virtio.txt
