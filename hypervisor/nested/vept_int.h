/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of virtual EPT; nobody else includes it. Callers hold seam_vm_lock.
 */
#ifndef NESTOR_NESTED_VEPT_INT_H
#define NESTOR_NESTED_VEPT_INT_H

#include "nested/nested_int.h"
#include "nested/vept.h"
#include "spec/ept.h"

#define ROOT_LEVEL VEPT_LEVELS

static inline unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static inline unsigned slot_of(uint64_t gpa, unsigned level)
{
	return (gpa >> level_shift(level)) & (VEPT_ENTRIES - 1);
}

static inline uint64_t table_hpa(const struct vept *e, uint32_t t)
{
	return e->pages_hpa + (uint64_t)t * sizeof(struct vept_pages);
}

static inline uint32_t child_of(const struct vept *e, uint64_t entry)
{
	return (uint32_t)(((entry & EPT_ADDRESS) - e->pages_hpa) / sizeof(struct vept_pages));
}

static inline bool is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & EPT_LARGE);
}

/*
 * Does an entry of EPT12 no longer mean what EPT02 was made from? flags: those of A and D that
 * count. A flag that L1 cleared shall be set again; one that was set since does no harm.
 */
static inline bool differs(uint64_t kept, uint64_t now, uint64_t flags)
{
	const uint64_t meaning =
		EPT_RIGHTS | EPT_MEMTYPE | EPT_IPAT | EPT_LARGE | EPT_ADDRESS | EPT_SUB_PAGE;

	return ((kept ^ now) & meaning) || (kept & ~now & flags);
}

/* ---- vept_tables.c ---- */

/* How much one exit does of what L1 can make as long as it likes. */
#define REAP_TABLES    8u   /* tables freed */
#define FOUND_PAGES    256u /* written pages found by INVEPT */
#define COMPARE_TABLES 256u /* mirrors compared by INVEPT */

static inline uint32_t tables_free(const struct vept *e)
{
	return e->count - e->in_use;
}

static inline uint32_t table_index(const struct vept *e, struct list *link)
{
	const struct vept_table *t = list_element(link, struct vept_table, link);

	return (uint32_t)(t - e->table);
}

/* A table of this root; callers have made sure that one is free. source_gpa: the EPT12 table,
 * if not split. */
uint32_t table_new(struct nested *n, struct vept_root *root, unsigned level, bool split,
	uint64_t source_gpa);
/* The table, which mirrors nothing yet, mirrors this page of L1's from now on. */
void table_mirror(struct nested *n, uint32_t i, uint64_t *source, uint64_t gpa);
/* Nothing leads to the table any more: it and all below are gone at the root's next flush. */
void table_cut(struct vept *e, uint32_t i);
/* Frees some tables of those that are gone. Seldom: the usual fill shall not pay for it. */
__attribute__((noinline)) void reap(struct vept *e, unsigned count);

static inline void reap_some(struct vept *e)
{
	if (!list_empty(&e->gone))
		reap(e, REAP_TABLES);
}

void entry_set(struct vept *e, uint32_t i, unsigned slot, uint64_t entry, uint64_t source);
/* Removes an entry that is not 0, and cuts off what is below it. */
void entry_clear(struct vept *e, uint32_t i, unsigned slot);
/* False: no table of this page has mirrors. Without the lock. */
bool maybe_watched(const struct vept *e, uint64_t gpa);
/* NULL: the page is not watched. */
struct vept_watch *watch_find(const struct vept *e, uint64_t gpa);
/* The page changed: all its mirrors must be compared. */
void mark_stale(struct vept *e, struct vept_watch *w);
/* ---- vept_closed.c ---- */

/* Changes places of two watches. */
void watch_exchange(struct vept *e, uint32_t a, uint32_t b);
/* Closes what was open longest, and flushes EPT01: there is room for another open page. */
__attribute__((noinline)) void watch_close_some(struct nested *n);
/* The page of this closed one is watched no more: L1 can write it. */
void watch_reopen(const struct vept_scan *s);
/* If the page's dirty flag is set: no more, and it is stale. Only devices can write it. */
void watch_take_written(struct vept *e, const struct vept_scan *s);

/* ---- vept_device.c ---- */

/* What devices write right now is stale. Before anybody looks at what is marked. */
__attribute__((noinline)) void collect_writing(struct nested *n);
/* What devices have told of is stale. */
void collect_told(struct nested *n);

/* ---- vept_write.c ---- */

/* L0 has written this, with the lock held. */
void mark_written(struct vept *e, struct gpa_l1 a, uint32_t len);
/* What L0 writes for vCPUs is stale, and what it wrote when an INVEPT looked last. */
void collect_l0(struct nested *n);

/* ---- vept_sync.c ---- */

/* Flushes what the entries removed from this root make necessary. */
void root_flush(struct nested *n, struct vept_root *r);
/* And waits for all CPUs: memory that they led to is going to be somebody else's. */
void root_flush_all(struct nested *n, struct vept_root *r);

/* ---- vept_root.c ---- */

/* Tables of a fill of EPT02 and, before it, one of SPPT02. */
#define SPP_RESERVE (2 * ROOT_LEVEL)

__attribute__((noinline)) void tables_reserve_now(
	struct nested *n, struct vept_root *keep, uint32_t count);
/*
 * Makes room for so many, at the expense of the oldest roots, then of those in use, with this
 * one as the first: what is known of its tables may be gone.
 */
static inline void tables_reserve(struct nested *n, struct vept_root *keep, uint32_t count)
{
	if (tables_free(&n->vm->vept) < count)
		tables_reserve_now(n, keep, count);
}

/* All translations of a root go, the root itself stays valid. False: there were none. */
bool root_empty(struct nested *n, struct vept_root *r);

/* ---- vept_walk.c ---- */

/*
 * The EPT12 walk of one address, made before anything changes. It is complete: all entries from
 * ROOT_LEVEL down to `leaf` are those of EPT12, read or known, and EPT02 can be filled from any
 * level that the walk passed. `at` is set from `known` down.
 */
struct vept_walk {
	uint64_t gpa;
	uint64_t perms;                 /* EPT_RIGHTS of all entries together */
	unsigned leaf;                  /* level of the last entry */
	unsigned known;                 /* lowest level whose EPT02 table is known */
	uint32_t table;                 /* that table: it mirrors the walk */
	uint64_t entry[ROOT_LEVEL + 1]; /* by level; A/D updates included */
	uint64_t *at[ROOT_LEVEL + 1];   /* where it was read; NULL: no RAM */
};

/* VEPT_FILLED: the walk reached a page. root may be NULL; controls are L1's secondary ones. */
enum vept_result vept_walk_ept12(struct nested *n, const struct vept_root *root,
	uint64_t eptp12, uint64_t gpa, uint32_t controls, struct vept_walk *w);
/* The rule that a present entry of EPT12 breaks; DENIAL_NONE: it is well-formed. */
enum denial vept_misconfiguration(const struct vept *e, uint64_t entry, unsigned level);
/* VEPT_MISCONFIG: n->refused gets the entry, and the rule that it breaks. */
__attribute__((noinline)) void vept_note_misconfig(struct nested *n, const struct vept_walk *w);
/* Do all entries of the walk have their accessed flag? */
bool vept_accessed(const struct vept_walk *w);
/*
 * SDM 28.2.4 "Accessed and Dirty Flags for EPT", 28.2.5 "Page-Modification Logging": what the
 * access changes in EPT12. VEPT_VIOLATION: an entry is no longer what was read, walk again.
 */
enum vept_result vept_set_flags(
	struct nested *n, struct vept_walk *w, bool write, uint32_t controls);

/* Of the L2 whose memory it is; tests have none. */
static inline uint32_t controls_of(const struct nested *n)
{
	return n->cur ? proc2_of(n->cur) : 0;
}

/* ---- vept_spp.c ---- */

/* L1's table as a root has it, see vept_root.spptp. */
uint64_t spptp_of(const struct nested *n);
/*
 * SDM "Write Accesses That Are Eligible for Sub-Page Write Permissions": of a complete walk,
 * whether the access, as in an exit qualification, is one that EPT12 forbids as such.
 */
bool spp_eligible(const struct vept_walk *w, uint64_t access, uint32_t controls);
/*
 * What L1's table says of a write that is: VEPT_FILLED, allowed; VEPT_VIOLATION; VEPT_SPP_EVENT
 * as in vept_spp_miss. A root, for which there is room: SPPT02 has the page's rights from now
 * on.
 */
__attribute__((noinline)) enum vept_result spp_decide(
	struct nested *n, struct vept_root *root, uint64_t gpa, uint64_t *qualification);

/* ---- vept_rights.c ---- */
/*
 * Of a complete walk: whether EPT12 allows what the exit qualification tells; `controls` are
 * VMCS12's secondary ones.
 */
bool vept_access_allowed(
	const struct vept *e, const struct vept_walk *w, uint64_t hardware, uint32_t controls);
/* The exit qualification for L1, with the rights that the walk found. */
uint64_t vept_qualification(uint64_t hardware, uint64_t perms, uint32_t controls);
/* VEPT_VIOLATION or VEPT_CONVERTIBLE. */
enum vept_result vept_violation(const struct vept_walk *w, uint32_t controls);

/* ---- vept_foreign.c ---- */
/* Does the last one tell of this access, too? Then n->no_ram has its address. Without lock. */
bool vept_foreign_again(
	struct nested *n, const struct vept_root *root, struct gpa_l2 gpa, uint64_t access);
/* The access goes where n->no_ram says: EPT12 allowed it, and its flags are set. */
void vept_foreign_keep(
	struct nested *n, const struct vept_root *root, struct gpa_l2 gpa, uint64_t access);
/* EPT12 may lead elsewhere from now on, or L1's memory or devices are others. */
void vept_foreign_forget(struct vept *e);

static inline struct gpa_l1 walk_target(const struct vept_walk *w)
{
	uint64_t offset = BIT64(level_shift(w->leaf)) - 1;

	return (struct gpa_l1){(w->entry[w->leaf] & EPT_ADDRESS & ~offset) | (w->gpa & offset)};
}

/* ---- vept_look.c ---- */

/* How much the entry of EPT02 is for that there is for the walk's address, or would be. */
uint64_t vept_size_in_02(const struct vept *e, const struct vept_walk *w);

#endif
