/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's own paging: what a linear address of L1 means (SDM chapter 4 "Paging"), for the operands
 * of VMX instructions and for L0's emulation on L1's behalf.
 *
 * Owns no state: every walk reads L1's tables anew. Covers no paging, 32-bit, PAE, 4-level and
 * 5-level paging, the latter two with protection keys of pages of users.
 */
#ifndef NESTOR_NESTED_PAGING_H
#define NESTOR_NESTED_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/paging.h"

struct nested;

#define PAGING_LEVELS 5u

/*
 * The registers that rule a translation. PDPTEs of PAE paging are registers, too; they stay in
 * the VMCS of the guest whose state this is, which must be current.
 */
struct paging_state {
	uint64_t cr0, cr3, cr4, efer;
	uint8_t cpl;
	bool rflags_ac;
	bool looks; /* from outside: no accessed or dirty flag is set, also not in EPT12 */
	uint8_t maxphyaddr;
	uint64_t
		eptp12; /* L2's paging under this EPT12; 0: L1's, physical addresses are L1's */
};

/* What an access is besides a data read at the state's CPL; as in a page fault's error code. */
enum paging_access {
	PAGING_READ = 0,
	PAGING_WRITE = PF_WRITE,
	PAGING_FETCH = PF_FETCH,
	PAGING_IMPLICIT =
		1 << 8, /* supervisor access whatever the CPL, such as to a descriptor */
	/* of an instruction that the processor has fetched: EPT12 need not allow reads */
	PAGING_CODE = 1 << 9
};

/*
 * A page fault; or, with `ept`, an access of L2 that EPT12 does not allow: an EPT violation (or
 * misconfiguration) at gpa, with bits 2:0 and 11:7 of the exit qualification (27.2.1).
 */
struct paging_fault {
	uint64_t address; /* for CR2, or the guest-linear address */
	uint32_t error_code;
	bool ept;
	uint64_t gpa;
	uint64_t qualification;
};

/* What a walk of L1's tables read, and where: host addresses of its entries. */
struct paging_note {
	unsigned count;
	const uint64_t *at[PAGING_LEVELS];
	uint64_t value[PAGING_LEVELS];
};

/*
 * Where a page of L2's code was found, so that the instructions there that L0 completes need
 * no walk each. The paging structures are looked at anew each time: entries that read as they
 * did lead where they did. What EPT12 said of their pages counts until L1 invalidates, as in
 * the processor's caches (SDM 28.3.3.1 "Operations that Invalidate Cached Mappings").
 */
struct paging_code_page {
	uint64_t linear; /* of the page, with bit 0 set; 0: nothing is known */
	uint64_t table;  /* that CR3 names */
	uint64_t cr0, cr4, efer, eptp12;
	uint8_t maxphyaddr, count; /* entries */
	struct gpa_l1 at;          /* of the page */
	struct {
		struct gpa_l1 at;
		uint64_t value;
	} entry[PAGING_LEVELS];
};

/* Where the table is that a CR3 names, of 64 bits with IA32_EFER.LMA, else of 32. */
struct paging_root {
	bool lma;
	uint64_t table, eptp12;
	struct gpa_l1 at; /* L1's address of it */
};

/* Powers of 2. */
#define PAGING_CODE_PAGES 4u
#define PAGING_CODE_ROOTS 16u

struct paging_code {
	struct paging_code_page page[PAGING_CODE_PAGES];
	uint32_t roots; /* a bit for each that is known */
	struct paging_root root[PAGING_CODE_ROOTS];
};

/* SDM 4.4.1 "PDPTE Registers": a present entry has no reserved bit set. */
static inline bool paging_pdpte_ok(uint64_t pdpte, uint8_t maxphyaddr)
{
	return (pdpte & PT_P) == 0 ||
	       ((pdpte & PDPTE_RESERVED) == 0 && pdpte >> maxphyaddr == 0);
}

static inline bool paging_pdptes_ok(const uint64_t pdpte[4], uint8_t maxphyaddr)
{
	return paging_pdpte_ok(pdpte[0], maxphyaddr) && paging_pdpte_ok(pdpte[1], maxphyaddr) &&
	       paging_pdpte_ok(pdpte[2], maxphyaddr) && paging_pdpte_ok(pdpte[3], maxphyaddr);
}

/*
 * Translates one address. Accessed and dirty flags are set once the access is known to be
 * allowed, each with one atomic update of the entry that was read. Entries outside L1's RAM
 * read as ones. linear: canonical, and below 2^32 unless IA-32e mode is active. False: a fault,
 * described in *fault. The address found is L2's physical one for a state with EPT12.
 */
bool paging_walk(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct gpa_l1 *out, struct paging_fault *fault);

/* The same for a data access, and through EPT12: the address found is L1's. */
bool paging_translate(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct gpa_l1 *at, struct paging_fault *fault);

/*
 * A supervisor's read with 4-level or 5-level paging of L1, with no look at rights of users:
 * false says nothing but that paging_walk has to decide. *note: the entries that led there.
 */
bool paging_walk_noted(struct nested *n, const struct paging_state *s, uint64_t linear,
	struct gpa_l1 *out, struct paging_note *note);

/*
 * Data accesses of up to a page, which may cross into the next page: both are translated before
 * a byte is moved. Where the translation leads outside L1's RAM, reads give ones and writes are
 * lost. False: a fault, described in *fault; nothing was written.
 */
bool paging_read(struct nested *n, const struct paging_state *s, uint64_t linear, void *dst,
	uint32_t len, struct paging_fault *fault);
/*
 * The same for the bytes of an instruction that the processor has fetched. Of an L2 with EPT12
 * the state must be a supervisor's with rflags_ac, and what was found is kept.
 */
bool paging_read_code(struct nested *n, const struct paging_state *s, uint64_t linear,
	void *dst, uint32_t len, struct paging_fault *fault);
/* L1 has invalidated what EPT12s said, or n starts anew. */
void paging_forget_code(struct nested *n);
bool paging_write(struct nested *n, const struct paging_state *s, uint64_t linear,
	const void *src, uint32_t len, struct paging_fault *fault);
/* Would paging_write succeed? For instructions that must know before they do something else. */
bool paging_can_write(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t len, struct paging_fault *fault);

#endif
