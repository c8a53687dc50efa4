/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtio devices need from outside, beside dev/dev.h: provided by vm/ in L0, by fakes in
 * tests. With the lock of the platform held.
 */
#ifndef NESTOR_VIRTIO_SEAM_H
#define NESTOR_VIRTIO_SEAM_H

#include <stdbool.h>
#include <stdint.h>

struct blk_remote;
struct disk;
struct platform;

/* Random bytes that nobody can foretell. False: there are none now, but later. */
bool seam_random(void *dst, uint32_t size);

/* How many bytes the VM's console takes now; and bytes for it, no more than that. */
uint32_t seam_console_room(struct platform *p);
void seam_console_write(struct platform *p, const void *bytes, uint32_t size);

/* A disk has no page left for what the guest wrote. Each time that a request fails so. */
void seam_disk_full(struct platform *p, const struct disk *d);

/* There is no connection to the server of a disk, why; NULL: there is one again. */
void seam_disk_server(struct platform *p, const struct blk_remote *r, const char *why);

#endif
