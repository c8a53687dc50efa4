/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtio devices need from outside, beside dev/dev.h: provided by vm/ in L0, by fakes in
 * tests. With the lock of the platform held.
 */
#ifndef NESTOR_VIRTIO_SEAM_H
#define NESTOR_VIRTIO_SEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/host_disk.h"

struct blk_host;
struct blk_remote;
struct disk;
struct platform;

/* Random bytes that nobody can foretell. False: there are none now, but later. */
bool seam_random(void *dst, uint32_t size);

/* How many bytes the VM's console takes now; and bytes for it, no more than that. */
uint32_t seam_console_room(struct platform *p);
void seam_console_write(struct platform *p, const void *bytes, uint32_t size);

/*
 * The other end of a port of the console device, which are numbered from 0 on beside the
 * console. Credit: how many bytes it takes in all, from now on; more by virtio_console_look.
 * Room: how many of these can be written now.
 */
uint32_t seam_line_credit(struct platform *p, unsigned port);
uint32_t seam_line_room(struct platform *p, unsigned port);
void seam_line_write(struct platform *p, unsigned port, const void *bytes, uint32_t size);
/* Bytes that wait for the guest; and so many of them. */
uint32_t seam_line_waiting(struct platform *p, unsigned port);
void seam_line_read(struct platform *p, unsigned port, void *bytes, uint32_t size);
/* How often it was opened and closed, modulo 2^32; odd: somebody is there. */
uint32_t seam_line_opens(struct platform *p, unsigned port);
/* The guest knows of so many of these, and has its own end open. Also when it is no news. */
void seam_line_told(struct platform *p, unsigned port, uint32_t opens, bool guest);

/* A disk has no page left for what the guest wrote. Each time that a request fails so. */
void seam_disk_full(struct platform *p, const struct disk *d);

/*
 * What is to be done with `size` bytes at a place of a file of the host, which lies in it; of
 * reads and writes they are at `bytes`, in contiguous memory. False: the host has an error,
 * which is told.
 */
bool seam_host_disk(struct platform *p, const struct blk_host *d, enum host_disk_op op,
	uint64_t at, void *bytes, uint64_t size);

/*
 * Reads so many bytes of a medium that is lent (struct cdrom_medium), whole blocks, as soon as
 * it can be.
 */
enum seam_medium {
	SEAM_MEDIUM_READ,
	SEAM_MEDIUM_BUSY, /* others read; ask again soon */
	SEAM_MEDIUM_FAILED
};
enum seam_medium seam_medium_read(
	struct platform *p, uint32_t lent, uint64_t at, void *to, uint32_t size);

/* There is no connection to the server of a disk, why; NULL: there is one again. */
void seam_disk_server(struct platform *p, const struct blk_remote *r, const char *why);

/*
 * The guest has no use for the chunk of 2 MiB of its memory at this address: it goes, if it is
 * there and nothing needs it, and reads as zeros from then on. False: not now, and nothing has
 * happened.
 */
bool seam_balloon_give(struct platform *p, uint64_t gpa);
/* The guest uses this memory again: what is on its way stays as it is. */
void seam_balloon_keep(struct platform *p, uint64_t gpa, uint64_t size);
/* No chunk is on its way: each that was given is gone, or stays. */
bool seam_balloon_settled(struct platform *p);

#endif
