/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/paging_rights.h"

#include "nested/seam.h"
#include "nested/vept.h"
#include "spec/ept.h"
#include "spec/regs.h"

static bool user_access(const struct paging_state *s, uint32_t access)
{
	return s->cpl == 3 && !(access & PAGING_IMPLICIT);
}

uint32_t paging_fault_code(const struct paging_state *s, uint32_t access, uint32_t why)
{
	bool fetch_told = ((s->cr4 & CR4_PAE) && (s->efer & EFER_NXE)) || (s->cr4 & CR4_SMEP);

	if (access & PAGING_WRITE)
		why |= PF_WRITE;
	if (user_access(s, access))
		why |= PF_USER;
	if ((access & PAGING_FETCH) && fetch_told)
		why |= PF_FETCH;
	return why;
}

bool paging_allows(const struct paging_state *s, uint64_t rights, uint32_t access)
{
	bool user_page = rights & PT_US;
	bool user = user_access(s, access);

	if (user && !user_page)
		return false;
	if (access & PAGING_FETCH)
		return !(rights & PT_XD) && (user || !user_page || !(s->cr4 & CR4_SMEP));
	if (!user && user_page && (s->cr4 & CR4_SMAP))
		if (!s->rflags_ac || (access & PAGING_IMPLICIT))
			return false;
	if ((access & PAGING_WRITE) && !(rights & PT_RW))
		return !user && !(s->cr0 & CR0_WP);
	return true;
}

bool paging_key_denies(struct nested *n, const struct paging_state *s, uint64_t rights,
	uint64_t leaf, uint32_t access)
{
	unsigned bits;

	if (!(s->cr4 & CR4_PKE) || !(rights & PT_US) || access & (PAGING_FETCH | PAGING_CODE))
		return false;
	bits = PKRU_BITS(seam_pkru(n), PT_KEY(leaf));
	return bits & PKRU_AD || (bits & PKRU_WD && access & PAGING_WRITE &&
					 (user_access(s, access) || s->cr0 & CR0_WP));
}

/*
 * What looks refuse is done for that byte alone, and tells of the fault, or another CPU has
 * just allowed it.
 */
static __attribute__((noinline)) bool all_allow(struct nested *n, const struct paging_state *s,
	uint64_t linear, uint32_t len, struct paging_fault *fault)
{
	uint64_t mask = s->efer & EFER_LMA ? UINT64_MAX : UINT32_MAX;
	struct paging_state looks = *s;
	uint32_t offset = 0;
	struct gpa_l1 at;

	looks.looks = true;
	do {
		uint64_t byte = (linear + offset) & mask;

		if (!paging_translate(n, &looks, byte, PAGING_WRITE, &at, fault) &&
			!paging_translate(n, s, byte, PAGING_WRITE, &at, fault))
			return false;
		offset += SPP_SIZE - (uint32_t)(byte & (SPP_SIZE - 1));
	} while (offset < len);
	return true;
}

bool paging_sub_pages_allow(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t len, struct paging_fault *fault)
{
	return !s->eptp12 || !vept_has_sub_pages(n) || all_allow(n, s, linear, len, fault);
}
