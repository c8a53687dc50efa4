/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT: EPT02, the composition of EPT12 (L1's) with EPT01 (ours), filled on demand.
 *
 * Invariant: every present EPT02 entry was derived from the EPT12 entry kept beside it
 * (`source`), at the largest page size both levels allow. A translation may be staler than
 * EPT12 only until L1 executes INVEPT, as on hardware.
 *
 * `struct vept` is shared by the vCPUs of a VM. The functions below take seam_vm_lock where
 * they need it; nothing of it is touched otherwise, but for a root that the vCPU itself has in
 * use.
 */
#ifndef NESTOR_NESTED_VEPT_H
#define NESTOR_NESTED_VEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/list.h"
#include "spec/addr.h"

struct nested;

#define VEPT_VCPUS   LIMIT_VCPUS
#define VEPT_SPARE   8 /* roots, beside one for each vCPU and for 8 at least */
#define VEPT_ROOTS   (VEPT_VCPUS + VEPT_SPARE)
#define VEPT_WORDS   ((VEPT_ROOTS + 63) / 64) /* of a set of roots */
#define VEPT_ENTRIES 512
#define VEPT_NONE    UINT32_MAX
#define VEPT_OPEN    32768u /* watched pages that INVEPT looks at, each time */
#define VEPT_WRITING 16u    /* pages that devices may write at one time */
#define VEPT_TOLD    64u    /* pages that devices may tell of between two INVEPTs */

#define VEPT_HINT_TOLD 1u /* devices have told of pages */
#define VEPT_HINT_L0   2u /* l0_writes or l0_seen may have pages */

/* Memory of one EPT02 table: what hardware walks, and the EPT12 entries it came from. */
struct vept_pages {
	uint64_t entry[VEPT_ENTRIES]; /* all zero in a table that is not used */
	uint64_t source[VEPT_ENTRIES];
};

/* Book-keeping of one EPT02 table; index equals that of its vept_pages. */
struct vept_table {
	const uint64_t
		*source; /* the EPT12 table this mirrors; NULL: no RAM, or a split page */
	uint64_t present[VEPT_ENTRIES / 64];
	struct vept_watch *watch; /* of the page it mirrors, if any */
	/*
	 * In exactly one list: unused; mirrors of its page; stale (L1 wrote the page since the
	 * mirror was compared last); cut off; gone. A table of a split page is in none while
	 * used.
	 */
	struct list link;
	uint16_t root; /* index */
	uint8_t level; /* 4 is the root */
	bool in_use;
	bool spp; /* of SPPT02: what it mirrors is one of L1's tables of sub-page rights */
};

/* A page of L1 that holds an EPT12 table with mirrors. */
struct vept_watch {
	uint64_t gpa;
	struct list in_bucket;
	struct list mirrors; /* but those that are stale */
	uint32_t users;      /* all mirrors */
	uint32_t scan;       /* its place there */
};

/*
 * What INVEPT runs through. First those that are open; behind them those that are closed: L1
 * cannot write them, and INVEPT need not look (vept_closed.c); behind these the free ones.
 */
struct vept_scan {
	uint64_t
		*word; /* from seam_l1_page_watch: bit 9 tells that L1 wrote it; NULL: unsure */
	struct vept_watch *watch; /* NULL: there was never one */
};

struct vept_root {
	uint64_t eptp12;    /* with its A/D and memory-type bits; 0 when unused */
	uint64_t apic_page; /* L1's APIC-access page, as translations know it; 0: none */
	uint64_t spptp;     /* L1's table of sub-page rights, bit 0 set; 0: none */
	uint64_t eptp02;
	uint64_t last_use;
	struct list cut; /* tables that hardware may still walk, until the next flush */
	uint32_t table;
	uint32_t spp_table;  /* SPPT02: mirrors that of L1; VEPT_NONE: none */
	uint32_t generation; /* changes when the root goes */
	uint16_t view;       /* 1 + the vCPU that alone has it, for a debugger; 0: of all */
	/* A view, sub-page rights, no executable large pages: fills take a longer way. */
	bool special;
};

/* A page that L2 may write, where L1 gave it no memory. Of a vCPU. */
#define VEPT_SCRATCH_PAGES 4u /* more than what an instruction or an event writes */
struct vept_scratch {
	uint64_t *page;
	uint64_t hpa;
	struct vept_root *root; /* that maps it, if of this generation */
	uint32_t generation;
	uint32_t count;
	uint64_t gpa[VEPT_SCRATCH_PAGES];
};

/* Where EPT12 led from a page of L2's, which is no RAM of L1. Of a vCPU. */
struct vept_foreign {
	const struct vept_root *root; /* if of this generation */
	uint32_t generation;
	uint32_t age;    /* vept.foreign_age of then */
	uint64_t access; /* what EPT12 was asked for, as in an exit qualification; no fetches */
	struct gpa_l2 l2;
	struct gpa_l1 l1;
};

/* Per VM. pages and books (for `count`), of zeros, are given by vm/, at creation. */
struct vept {
	struct vept_pages *pages;
	void *books; /* vept_books_size bytes, aligned like a pointer; the next four: */
	struct vept_table *table;
	struct vept_watch *watch;
	struct vept_scan *scan; /* the first watch_count are of watches in use */
	struct list *bucket;    /* watches by their page */
	uint64_t pages_hpa;     /* of pages[0]; contiguous */
	uint64_t void_hpa;      /* a page of the VM, all ones: what absent memory reads as */
	uint64_t apic_hpa; /* another one: stands for APIC-access pages that are no RAM of L1 */
	uint32_t count;
	uint32_t vcpus; /* of the VM, VEPT_VCPUS at most; given, like count */
	uint32_t roots; /* that it has of `root`; follows */
	uint32_t words; /* of sets of these */
	uint32_t bucket_mask;
	uint32_t in_use;    /* tables that are not in unused */
	uint32_t used_once; /* tables from here on were never used; they are in no list */
	uint32_t watch_count;
	uint32_t open;     /* the first of them, which L1 can write */
	uint32_t open_max; /* then others are closed */
	uint32_t hand;     /* where to look for the next one to close */
	bool closes;       /* some were closed at some time; atomic */
	/* Closed pages that a device wrote, bit 0 set, without lock; more than there is room
	 * for. */
	uint64_t told[VEPT_TOLD];
	bool told_more;
	uint8_t hints; /* VEPT_HINT_*: what INVEPT looks at besides; atomic */
	/* Pages that devices are writing; more than there is room for. Changed with the lock of
	 * devices, read without. */
	uint64_t writing[VEPT_WRITING];
	uint32_t writing_count;
	bool writing_more; /* not without writing_count */
	/* Roots in use; those from which entries were removed since their last flush. */
	uint64_t live[VEPT_WORDS], changed[VEPT_WORDS];
	struct list unused, stale, gone; /* tables; gone: to be freed, no CPU can walk them */
	uint64_t use_counter;
	uint32_t foreign_age; /* another one: no vept_foreign holds any more */
	uint8_t maxphyaddr;
	bool execute_only;
	bool no_1g;         /* L1 has no 1 GiB pages: such an entry is malformed */
	bool write_back;    /* L1's memory is, whatever EPT12 and L2's PAT say */
	bool small_code;    /* no large page of EPT02 is executable, whatever EPT12 says */
	bool advanced_info; /* of the machine: what bit 9 of an exit qualification tells */
	struct vept_root root[VEPT_ROOTS];
	struct vept_root
		*used[VEPT_VCPUS];  /* the root a vCPU runs or is to run L2 with: stays */
	uint32_t tries[VEPT_VCPUS]; /* of an INVEPT that is not complete yet */
	/*
	 * What L0 writes for a vCPU right now, of pages that had no mirrors when it began (0:
	 * nothing): the first page, bit 0 set, and with bit 1 the next one. Atomic, without
	 * lock, and with several vCPUs only. And what the last INVEPT has found there.
	 */
	uint64_t l0_writes[VEPT_VCPUS], l0_seen[VEPT_VCPUS];
};

enum vept_result {
	VEPT_FILLED,      /* EPT02 has the translation now: resume L2 */
	VEPT_VIOLATION,   /* EPT12 forbids it: deliver to L1 */
	VEPT_CONVERTIBLE, /* the same, and L1 wants such a violation as #VE of L2 if possible */
	VEPT_MISCONFIG,   /* an EPT12 entry is malformed: deliver to L1 */
	VEPT_PML_FULL,    /* L1's page-modification log has no room for the access */
	/* L1's sub-page permissions have no rights for the write, or a malformed entry: deliver
	 * to L1 as an SPP-related event, whose qualification is set */
	VEPT_SPP_EVENT,
	/* EPT12 allows it, to what is no RAM of L1: nested.no_ram has the address */
	VEPT_NO_RAM
};

/* Memory for the book-keeping of so many tables. */
uint64_t vept_books_size(uint32_t count);

/*
 * Empty; pages and books, of zeros, count, pages_hpa, maxphyaddr and the capabilities must be
 * set. What it costs grows with hash buckets, not with pages.
 */
void vept_init(struct vept *e);

/*
 * The root for L1's EPT pointer (already checked), APIC-access page (0: none) and the current
 * VMCS12's sub-page permissions, made when new; never NULL. From now on this vCPU has it in
 * use, in place of the one before. A
 * translation may be made with or without knowledge of that page (SDM 29.4.5 "Issues Pertaining
 * to Page Size and TLB Management"), and vCPUs of a VM that share a CPU share translations: so
 * another page is another root.
 */
struct vept_root *vept_root_get(struct nested *n, uint64_t eptp12, uint64_t apic_page);

/*
 * Is the root of this generation still what it was? Then this vCPU has it in use from now on.
 * Costs next to nothing when it had before.
 */
bool vept_root_reuse(struct nested *n, struct vept_root *root, uint32_t generation);

/* This vCPU uses no root any more. */
void vept_root_leave(struct nested *n);

/*
 * L2 exited with an EPT violation (hardware_qualification) at this address: find out whose it
 * is and fill EPT02 when EPT12 allows the access. n->cur is current. *qualification is set
 * unless the result is VEPT_FILLED.
 */
enum vept_result vept_handle(struct nested *n, struct vept_root *root, struct gpa_l2 gpa,
	uint64_t hardware_qualification, uint64_t *qualification);

/*
 * L2 exited since SPPT02 has no rights for this address, of a root with sub-page permissions:
 * fill them in (VEPT_FILLED), or tell what L1's table has (VEPT_SPP_EVENT, with the
 * qualification, but for QUAL_NMI_UNBLOCKING).
 */
enum vept_result vept_spp_miss(
	struct nested *n, struct vept_root *root, struct gpa_l2 gpa, uint64_t *qualification);
/* The host address of SPPT02 of such a root. */
uint64_t vept_spptp02(const struct nested *n, const struct vept_root *root);
/* Do the writes of the L2 whose VMCS12 is current depend on sub-page permissions? */
bool vept_has_sub_pages(const struct nested *n);

/* L2 is likely to access this address: fill EPT02 if EPT12 has it and no flag would have to be
 * set. Out of line: other entries shall not pay for its stack frame. */
__attribute__((noinline)) void vept_prefill(
	struct nested *n, struct vept_root *root, struct gpa_l2 gpa);

/*
 * L2 accesses what is no RAM of L1 in a way that L0 does not complete: ones are there, for code
 * and what is read; or a page of the vCPU that L2 may write, of ones at first, which
 * VEPT_SCRATCH_PAGES addresses have at once. False: EPT12 does not lead there any more.
 */
struct vept_void {
	struct gpa_l2 l2;
	struct gpa_l1 l1; /* where EPT12 led, and nothing was */
};
bool vept_map_ones(struct nested *n, struct vept_root *root, const struct vept_void *v);
bool vept_map_scratch(struct nested *n, struct vept_root *root, const struct vept_void *v);

/*
 * Roots of a debugger, of one vCPU (nested_set_view): small pages, and executable only where
 * nested.view_code was when they were filled. Such a page is not any more, if the root is still
 * there; and all that those of a view have.
 */
void vept_view_close(
	struct nested *n, struct vept_root *root, uint32_t generation, struct gpa_l2 gpa);
void vept_view_empty(struct nested *n, uint16_t view);

/* L1 has devices where it had none before: nothing is mapped any more. */
void vept_forget(struct nested *n);

/* Do EPT02 tables mirror EPT12 tables in this memory of L1's? With seam_vm_lock. */
bool vept_has_tables(const struct vept *e, uint64_t gpa, uint64_t size);

/* Walk for L0's own accesses to L2 memory; false when not mapped with `access` (1 read, 2
 * write, 4 execute; VEPT_LINEAR: of a linear address, not to a paging structure), or when L1's
 * page-modification log is full: vept_handle says why. Sets accessed and dirty flags. */
#define VEPT_LINEAR 8u
bool vept_walk(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct gpa_l1 *l1);
/* The same for who looks from outside: sets none. */
bool vept_find(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct gpa_l1 *l1);

/* How an address is mapped: entries by level, from VEPT_LEVELS down to the last one. */
#define VEPT_LEVELS 4
struct vept_look {
	uint64_t entry12[VEPT_LEVELS + 1], entry02[VEPT_LEVELS + 1];
	unsigned last12, last02;
	enum vept_result found; /* of EPT12: VEPT_FILLED, VEPT_VIOLATION or VEPT_MISCONFIG */
	struct gpa_l1 l1;       /* VEPT_FILLED: where EPT12 leads */
};
/* Changes nothing. False: L2 has no EPT12, or the address has more than 48 bits. */
bool vept_look(struct nested *n, struct gpa_l2 gpa, struct vept_look *look);

/* What is to be done when a write of L0's is over. */
enum vept_write {
	VEPT_WRITE_PLAIN, /* nothing */
	VEPT_WRITE_RECORDED,
	VEPT_WRITE_LOCKED
};

/* For nested_write_begins and nested_write_ends (nested.h), where it may be more than plain. */
enum vept_write vept_write_begins(struct nested *n, struct gpa_l1 a, uint32_t len);
void vept_write_ends(struct nested *n, struct gpa_l1 a, uint32_t len, enum vept_write begun);

/* Has L1 ever been kept from writing tables of its EPT12? Without lock. */
static inline bool vept_closes(const struct vept *e)
{
	return __atomic_load_n(&e->closes, __ATOMIC_RELAXED);
}

/* EPT01 refused L1 a write to its RAM. If it is a closed page: it can be written now. */
void vept_open_table(struct nested *n, struct gpa_l1 a);

/*
 * Devices, with their lock. First: a device is going to write this page of L1's. When all that
 * such devices do is done: those that EPT01 lets nobody write are told of (others have their
 * dirty flag set), and then they are done.
 */
void vept_device_writes(struct vept *e, struct gpa_l1 page);
void vept_device_wrote(struct vept *e, struct gpa_l1 page);
void vept_devices_done(struct vept *e);

/*
 * INVEPT single-context (by EP4TA) and global. False: a piece of the work is done, the
 * instruction is to be executed again.
 */
bool vept_invalidate(struct nested *n, uint64_t eptp12);
bool vept_invalidate_all(struct nested *n);

#endif
