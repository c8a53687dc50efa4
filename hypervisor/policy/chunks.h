/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory that moves between VMs, in chunks of 2 MiB: which are free, which must be wiped
 * before, and what each VM is promised. Pure: names chunks by their number (host-physical
 * address / CHUNK_SIZE, never 0), and touches none. The caller has a lock. Every function takes
 * constant time.
 *
 * Chunks of a node of the machine are given to who asks for them there, as long as it has some.
 *
 * Invariant: so many chunks are clean as are promised. What a VM is promised it gets at once.
 */
#ifndef NESTOR_POLICY_CHUNKS_H
#define NESTOR_POLICY_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"

#define CHUNK_SIZE  (2ull << 20)
#define CHUNKS_MAX  65536u /* 128 GiB, of all VMs */
#define CHUNK_NONE  0u
#define CHUNK_HOSTS LIMIT_VMS /* the owner of what is no VM's */
#define CHUNK_NODES 64u       /* nodes from 0 up; others count as the first */

/* In chunks. */
struct chunk_account {
	uint32_t reserve; /* promised for what the guest does */
	uint32_t used;    /* taken by chunks_take, from the reserve first */
	uint32_t spare;   /* promised for what L0 does on its behalf and cannot put off */
	uint32_t lent;    /* of these, taken */
};

struct chunks {
	/* Clean ones from 0 up, by nodes; dirty ones from the end down. */
	uint32_t frame[CHUNKS_MAX];
	uint16_t owner[CHUNKS_MAX]; /* of dirty ones */
	uint32_t clean, dirty;
	uint32_t of_node[CHUNK_NODES]; /* of the clean ones */
	uint32_t promised; /* of the clean ones: what is left of all reserves and spares */
	struct chunk_account account[LIMIT_VMS];
};

/* At the start: a chunk is the host's, clean or not. False: there are CHUNKS_MAX already. */
bool chunks_add(struct chunks *c, uint32_t node, uint32_t frame, bool clean);

/* The VM, which has no account, is promised so many. False: there are not so many left. */
bool chunks_open(struct chunks *c, unsigned vm, uint32_t reserve, uint32_t spare);
/* It is promised nothing any more; what it has it gives back as before. */
void chunks_close(struct chunks *c, unsigned vm);

/* A clean chunk for the VM: of its reserve, or one that nobody is promised; or CHUNK_NONE. Of
 * this node, or else of any. */
uint32_t chunks_take(struct chunks *c, unsigned vm, uint32_t node);
/* The same, and at last one of its spare. */
uint32_t chunks_take_spare(struct chunks *c, unsigned vm, uint32_t node);
/* Would chunks_take give one? */
bool chunks_can_take(const struct chunks *c, unsigned vm);
/* The spare is made whole from what chunks_take would give. False: not enough of it. */
bool chunks_settle(struct chunks *c, unsigned vm);

/* The VM gives a chunk back. It counts as the VM's until it has been wiped. */
void chunks_give(struct chunks *c, unsigned vm, uint32_t frame);
/* One that has to be wiped, and whose it was; or CHUNK_NONE. */
uint32_t chunks_to_wipe(struct chunks *c, unsigned *owner);
/* It is wiped. */
void chunks_wiped(struct chunks *c, unsigned owner, uint32_t node, uint32_t frame);

/* It is wrong, and nobody's from now on: the VM, which has given it or was just given it, is
 * promised one less. */
void chunks_lost(struct chunks *c, unsigned owner);

/* How many the VM has, those included that are to be wiped. */
static inline uint32_t chunks_used(const struct chunks *c, unsigned vm)
{
	return c->account[vm].used + c->account[vm].lent;
}

#endif
