/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EPT12 says of an access of L2 that was refused.
 */
#include "nested/vept_int.h"

/* The right that a fetch needs under mode-based execute control; 0: hardware does not tell. */
static uint64_t fetch_right(const struct vept *e, uint64_t hardware)
{
	if (!e->advanced_info || (hardware & QUAL_OF_LINEAR) != QUAL_OF_LINEAR)
		return 0;
	return hardware & QUAL_USER ? EPT_USER_EXEC : EPT_EXEC;
}

/*
 * Where hardware does not tell, EPT02 does: when it has the rights of EPT12 already and the
 * access was refused, it is L1 that refuses.
 */
static bool fetch_allowed(const struct vept *e, const struct vept_walk *w, uint64_t hardware)
{
	uint64_t execute = EPT_EXEC | EPT_USER_EXEC, right = fetch_right(e, hardware);
	uint32_t t = w->table;
	unsigned level = w->known, slot = slot_of(w->gpa, level);

	if (right || !(w->perms & execute))
		return w->perms & right;
	if ((w->perms & execute) == execute)
		return true;
	while (e->pages[t].entry[slot] && !is_leaf(e->pages[t].entry[slot], level)) {
		t = child_of(e, e->pages[t].entry[slot]);
		slot = slot_of(w->gpa, --level);
	}
	return !e->pages[t].entry[slot] || e->pages[t].source[slot] != w->entry[w->leaf] ||
	       (w->entry[w->leaf] & execute & ~e->pages[t].entry[slot]); /* a view's */
}

bool vept_access_allowed(
	const struct vept *e, const struct vept_walk *w, uint64_t hardware, uint32_t controls)
{
	uint64_t need = hardware & QUAL_ACCESS;

	if (!(controls & PROC2_MODE_BASED_EXECUTE))
		return (w->perms & need) == need;
	/* No access at all: this machine has a bit of its own for fetches of user mode. */
	if ((need & QUAL_FETCH) || !need)
		return fetch_allowed(e, w, hardware);
	return (w->perms & need) == need;
}

uint64_t vept_qualification(uint64_t hardware, uint64_t perms, uint32_t controls)
{
	uint64_t q = hardware & QUAL_OF_ACCESS;

	q |= (perms & EPT_RWX) << QUAL_PERM_BIT;
	if ((controls & PROC2_MODE_BASED_EXECUTE) && (perms & EPT_USER_EXEC))
		q |= QUAL_USER_EXEC;
	return q;
}

/* SDM 25.5.6.1: bit 63 of the entry that is not present or maps the page decides. */
enum vept_result vept_violation(const struct vept_walk *w, uint32_t controls)
{
	return (controls & PROC2_EPT_VIOLATION_VE) && !(w->entry[w->leaf] & EPT_NO_VE)
		       ? VEPT_CONVERTIBLE
		       : VEPT_VIOLATION;
}
