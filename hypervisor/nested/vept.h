/*
 * Virtual EPT: EPT02, the composition of EPT12 (L1's) with EPT01 (ours), filled on demand.
 *
 * Invariant: every present EPT02 entry was derived from the EPT12 entry kept beside it (`source`),
 * at the largest page size both levels allow. A translation may be staler than EPT12 only until L1
 * executes INVEPT, as on hardware.
 */
#ifndef NESTOR_NESTED_VEPT_H
#define NESTOR_NESTED_VEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"

struct nested;

#define VEPT_ROOTS   16
#define VEPT_ENTRIES 512
#define VEPT_NONE    UINT32_MAX
#define VEPT_BUCKETS 256

/* Memory of one EPT02 table: what hardware walks, and the EPT12 entries it came from. */
struct vept_pages {
	uint64_t entry[VEPT_ENTRIES];
	uint64_t source[VEPT_ENTRIES];
};

/* Book-keeping of one EPT02 table; index equals that of its vept_pages. */
struct vept_table {
	uint64_t source_gpa; /* EPT12 table this mirrors; VEPT_SPLIT for a split large page */
	uint64_t present[VEPT_ENTRIES / 64];
	uint32_t parent; /* index, VEPT_NONE for a root */
	uint32_t next;   /* in the list of unused tables, or of its hash bucket */
	uint16_t parent_slot;
	uint8_t level; /* 4 is the root */
	bool in_use;
	bool stale; /* L1 wrote the EPT12 table since it was compared last */
};

struct vept_root {
	uint64_t eptp12; /* with its A/D and memory-type bits; 0 when unused */
	uint64_t eptp02;
	uint64_t last_use;
	uint32_t table;
};

/* Per VM. Pages and tables are given by vm/, bounded, at creation. */
struct vept {
	struct vept_pages *pages;
	struct vept_table *table;
	uint64_t pages_hpa; /* of pages[0]; contiguous */
	uint64_t void_hpa; /* a page of the VM, mapped where L1 gives L2 what is no RAM of L1 */
	uint32_t count;
	uint32_t free; /* list of unused tables */
	uint32_t in_use;
	uint64_t use_counter;
	uint8_t maxphyaddr;
	bool execute_only;
	bool advanced_info;
	struct vept_root root[VEPT_ROOTS];
	uint32_t bucket[VEPT_BUCKETS]; /* tables by the EPT12 table they mirror */
};

enum vept_result {
	VEPT_FILLED,    /* EPT02 has the translation now: resume L2 */
	VEPT_VIOLATION, /* EPT12 forbids it: deliver to L1, *qualification is complete */
	VEPT_MISCONFIG, /* an EPT12 entry is malformed: deliver to L1 */
};

/* Empty; pages, table, count, pages_hpa, maxphyaddr and the two capabilities must be set. */
void vept_init(struct vept *e);

/* The root for L1's EPT pointer (already checked), made when new. Never NULL. */
struct vept_root *vept_root_get(struct nested *n, uint64_t eptp12);

/*
 * L2 exited with an EPT violation (hardware_qualification) at this address: find out whose it is
 * and fill EPT02 when EPT12 allows the access.
 */
enum vept_result vept_handle(struct nested *n, struct vept_root *root, struct gpa_l2 gpa,
	uint64_t hardware_qualification, uint64_t *qualification);

/* Read-only walk for L0's own accesses to L2 memory; false when not mapped with `access` (1 read,
 * 2 write, 4 execute). */
bool vept_walk(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct gpa_l1 *l1);

/* INVEPT single-context (by EP4TA) and global. */
void vept_invalidate(struct nested *n, uint64_t eptp12);
void vept_invalidate_all(struct nested *n);

/* Forget everything (reset of the VM). */
void vept_drop_all(struct nested *n);

#endif
