/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk by which the host tool lends L0 media while a run goes (docs/media.md): where on it
 * each of them is. L0 and the tool agree on this; the disk is none of a VM's.
 */
#ifndef NESTOR_LIB_MEDIA_H
#define NESTOR_LIB_MEDIA_H

#include <stdint.h>

#define MEDIA_SECTOR 512u

/* What its first bytes are. */
#define MEDIA_LABEL      "NESTOR MEDIA 1\n"
#define MEDIA_LABEL_SIZE (sizeof(MEDIA_LABEL) - 1)

/* Media that may be lent at a time. All sectors have numbers of 28 bits (ATA). */
#define MEDIA_SLOTS     16u
#define MEDIA_SLOT_SIZE (UINT64_C(7) << 30) /* bytes that one may have */
#define MEDIA_FIRST     (UINT64_C(1) << 20)
/* A whole number of cylinders of 16 heads and 63 sectors, for an emulator that counts these. */
#define MEDIA_CYLINDER (UINT64_C(16) * 63 * MEDIA_SECTOR)
#define MEDIA_DISK_SIZE                                                                        \
	((MEDIA_FIRST + MEDIA_SLOTS * MEDIA_SLOT_SIZE + MEDIA_CYLINDER - 1) / MEDIA_CYLINDER * \
		MEDIA_CYLINDER)

_Static_assert(MEDIA_DISK_SIZE / MEDIA_SECTOR < 1u << 28, "sectors have numbers of 28 bits");

/*
 * A medium has a number, which no other one of the run has: its slot is the remainder, so that
 * a slot that is used again is no medium of before. 0 is none.
 */
#define MEDIA_NUMBER_MAX (INT32_MAX - 1)

static inline uint64_t media_place(uint32_t number)
{
	return MEDIA_FIRST + number % MEDIA_SLOTS * MEDIA_SLOT_SIZE;
}

#endif
