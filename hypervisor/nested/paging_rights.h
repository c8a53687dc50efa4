/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an access may do with the page that a walk has found, and the error code of its fault
 * (SDM 4.6 "Access Rights", 4.7 "Page-Fault Exceptions"). Access: enum paging_access.
 */
#ifndef NESTOR_NESTED_PAGING_RIGHTS_H
#define NESTOR_NESTED_PAGING_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "nested/paging.h"

/* why: the bits that do not follow from the access. */
uint32_t paging_fault_code(const struct paging_state *s, uint32_t access, uint32_t why);

/* rights: RW and US of all entries and-ed, XD or-ed. */
bool paging_allows(const struct paging_state *s, uint64_t rights, uint32_t access);

/*
 * 4.6.2 "Protection Keys", with 4-level and 5-level paging: data accesses to pages of users, by
 * a supervisor, too; fetches are not ruled. leaf: the entry that maps the page. Told in the
 * error code whatever else is wrong.
 */
bool paging_key_denies(struct nested *n, const struct paging_state *s, uint64_t rights,
	uint64_t leaf, uint32_t access);

/*
 * Before a write of up to a page, where EPT12 gives sub-pages rights of their own: may all be
 * written that it meets? No flag is set for it, nor anything logged, but for the first that may
 * not, which *fault names.
 */
bool paging_sub_pages_allow(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t len, struct paging_fault *fault);

#endif
