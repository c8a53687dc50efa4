/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the host as disks, where the machine has the device for them (spec/host_disk.h): the
 * emulated one that the host tool starts.
 */
#ifndef NESTOR_CPU_HOST_DISK_H
#define NESTOR_CPU_HOST_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/host_disk.h"

/*
 * Does it, with `size` bytes at `bytes`, which are contiguous in host memory; at: in and out.
 * Returns 0 or the host's error. Only after host_disk_size() has found the disk.
 */
uint32_t host_disk_do(
	uint32_t disk, enum host_disk_op op, uint64_t *at, const void *bytes, uint64_t size);

/* How large a disk is; 0: there is none of this number, or in this bay, or no device. */
uint64_t host_disk_size(uint32_t disk);
/*
 * A bay, which nobody uses, gets what the host has put there since. False: that is nothing;
 * what was there stays.
 */
bool host_disk_open(uint32_t disk);

#endif
