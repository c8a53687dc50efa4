/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of a unit: descriptors go in, and the last one tells when they are done.
 */
#include "vtd/seam.h"
#include "vtd/unit_int.h"

#define QUEUE_ENTRIES 256u /* of a page */
#define ERRORS        (VTD_IQE | VTD_ICE | VTD_ITE)

static void put(struct vtd_unit *u, struct vtd_entry d)
{
	struct vtd_entry *at = &u->queue[u->tail];

	*at = d;
	if (!u->caps.coherent)
		vtd_seam_write_back(at, sizeof(*at));
	u->tail = (u->tail + 1) % QUEUE_ENTRIES;
}

static bool is_done(const struct vtd_unit *u)
{
	return __atomic_load_n(u->status, __ATOMIC_ACQUIRE) == u->sequence;
}

/* All of them are done before the next ones go in: the queue is never full. */
const char *vtd_unit_submit(struct vtd_unit *u, const struct vtd_entry *d, unsigned count)
{
	uint64_t start;

	if (u->failed != NULL)
		return u->failed;
	for (unsigned i = 0; i < count; i++)
		put(u, d[i]);
	put(u, vtd_wait(vtd_seam_address(u->status), ++u->sequence));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vtd_seam_write64(u->registers, VTD_IQT, (uint64_t)u->tail * sizeof(*d));
	start = vtd_seam_now();
	while (!is_done(u)) {
		if (vtd_seam_read32(u->registers, VTD_FSTS) & ERRORS)
			return vtd_unit_fail(u, "the unit reports an error in its queue");
		if (vtd_seam_now() - start > VTD_PATIENCE)
			return vtd_unit_fail(u, "the unit does not answer");
	}
	return NULL;
}
