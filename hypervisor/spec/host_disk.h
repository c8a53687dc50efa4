/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the host as disks, by a device of ours for the emulated machine
 * (tools/machine/bochs_disk.c): two 32-bit registers at fixed ports. Who writes the address of
 * a request into the second finds it done with the next instruction.
 */
#ifndef NESTOR_SPEC_HOST_DISK_H
#define NESTOR_SPEC_HOST_DISK_H

#include <stdint.h>

#define HOST_DISK_ID      0x4e0 /* reads as HOST_DISK_MAGIC */
#define HOST_DISK_REQUEST 0x4e4 /* physical address, below 4 GiB */
#define HOST_DISK_PORTS   8u
#define HOST_DISK_MAGIC   0x3144534eu /* NSD1 */

enum host_disk_op {
	HOST_DISK_SIZE,    /* into `at` */
	HOST_DISK_READ,    /* `size` bytes to `address` */
	HOST_DISK_WRITE,   /* ... from there */
	HOST_DISK_FLUSH,   /* what was written is on the host's disk */
	HOST_DISK_ZERO,    /* `size` bytes */
	HOST_DISK_DISCARD, /* likewise: the file may lose them; they read as zeroes */
	/* What is in this bay now is looked at, in place of what was; its size into `at` */
	HOST_DISK_OPEN,
	HOST_DISK_OPS
};

/* Little-endian, at a multiple of 64. */
struct host_disk_request {
	uint32_t op;
	uint32_t disk; /* from 1 on */
	uint64_t at;   /* bytes */
	uint64_t address;
	uint64_t size;
	uint32_t status; /* 0, or the host's error, by Linux's numbers */
	uint32_t reserved;
};

enum host_disk_error {
	HOST_DISK_ENOENT = 2, /* of HOST_DISK_OPEN: nothing new is there */
	HOST_DISK_EIO = 5,
	HOST_DISK_EINVAL = 22, /* no such disk, place or request */
	HOST_DISK_EFBIG = 27,
	HOST_DISK_ENOSPC = 28,
	HOST_DISK_EROFS = 30,
	HOST_DISK_EDQUOT = 122
};

#endif
