/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a unit can do, by its capability registers, and whether that is enough.
 */
#ifndef NESTOR_VTD_CAPS_H
#define NESTOR_VTD_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/vtd.h"

struct vtd_caps {
	uint64_t cap, ecap;
	unsigned levels;      /* of tables that L0 makes: 3, 4 or 5 */
	unsigned levels_most; /* that it has: what pass-through wants to be told */
	unsigned bits;        /* of addresses that devices may use */
	unsigned large_2m : 1, large_1g : 1;
	unsigned coherent : 1;    /* it sees what is in caches */
	unsigned snoop : 1;       /* entries have SNP: devices cannot pass by caches */
	unsigned pass : 1;        /* contexts that let requests through */
	unsigned write_flush : 1; /* buffered writes must be flushed by command */
	unsigned remap : 1;       /* interrupts */
	unsigned extended : 1;    /* to destinations of 32 bits */
	unsigned posts : 1;       /* into descriptors of virtual processors */
	uint32_t domains;
	unsigned registers_size; /* bytes from the first register on; whole pages */
};

/*
 * @levels: 0, or how many levels tables shall have. NULL, or why L0 cannot use the unit; *c is
 * filled in any case.
 */
const char *vtd_caps_judge(uint64_t cap, uint64_t ecap, unsigned levels, struct vtd_caps *c);

#endif
