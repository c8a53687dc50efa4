/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's disk by which the host tool lends media (lib/media.h): the first drive of the
 * second IDE channel, read by PIO. L0 never writes to it. Not here: whose medium what is.
 */
#ifndef NESTOR_CPU_MEDIA_H
#define NESTOR_CPU_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

/* The channel. */
#define MEDIA_CHANNEL 1u

/* Looks for it. Boot CPU. False: it is not there. */
bool media_init(void);
/* Is it there? Any CPU. */
bool media_there(void);

enum media_result {
	MEDIA_READ,
	MEDIA_BUSY, /* another CPU reads */
	MEDIA_FAILED
};

#define MEDIA_READ_MAX (256u * 512) /* bytes at once: a command's sectors */

/*
 * Whole sectors, from a byte of the disk on. Any CPU; takes no longer than a drive that is
 * there, and the copying.
 */
enum media_result media_read(uint64_t at, void *to, uint32_t size);

#endif
