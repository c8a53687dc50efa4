#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced: the initramfs of a host that measures guests of its KVM (guests/debian/bench-init), with the payloads.

# Of the kernel's command line, whatever it runs on.
HOST_WORDS='console=ttyS0 tsc=reliable no_timer_check nokaslr mitigations=off init_on_alloc=0 random.trust_cpu=on nowatchdog'
HOST_WORDS="$HOST_WORDS cryptomgr.notests ipv6.disable=1 quiet"

host_image() { # OUTPUT
	local stage
	stage=$(mktemp -d)
	mkdir "$stage/payload"
	cp "$B/payload/bench_disk.elf" "$B/payload/net.elf" "$stage/payload/"
	(cd "$stage" && find payload | cpio --quiet -o -H newc) | cat "$B/debian/bench.cpio" - >"$1"
	rm -r "$stage"
}
