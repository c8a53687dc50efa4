/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual VT-x of a vCPU as plain data, for snapshots and for moving a VM: what L1 and L2
 * can observe, or what decides how they go on. Caches are not part of it: VPIDs, EPT02, merged
 * bitmaps, which fields have reached which hardware VMCS. Everything in here is the guest's or
 * of fixed size; there are no pointers and no host addresses.
 */
#ifndef NESTOR_NESTED_STATE_H
#define NESTOR_NESTED_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "nested/nested.h"

/* The guest-state area of a hardware VMCS and what waits for its next entry. */
struct guest_area_state {
	uint64_t f[FID_COUNT]; /* fields of type guest; others are 0 */
	uint32_t event;        /* as in SDM 24.8.3; not valid: none */
	uint32_t event_error;
	uint32_t event_length;
	uint32_t ia32e;                  /* "IA-32e mode guest" of the entry controls */
	uint64_t cr0_shadow, cr4_shadow; /* of VMCS01: what L1 reads where L0 owns a bit */
};

/* A VMCS12 that is active on the vCPU. */
struct vmcs12_state {
	uint64_t gpa;
	uint64_t f[FID_COUNT];
	uint32_t launched;
	uint32_t is_shadow; /* L1 set the shadow-VMCS indicator */
};

struct nested_state {
	struct guest_area_state l1; /* of VMCS01 */
	struct guest_area_state l2; /* of VMCS02, while in_l2 */
	uint32_t vmxon;
	uint32_t in_l2;
	uint32_t run_pending;
	uint32_t l2_wait_sipi;
	uint32_t timer_on;    /* L1's preemption timer runs */
	uint32_t timer_left;  /* in its units, one that has begun as a whole one, */
	uint32_t timer_phase; /* of which so much has passed, in the machine's units */
	uint32_t none;        /* 0 */
	uint64_t vmxon_gpa;
	uint64_t current_gpa; /* NVMCS_FREE: none */
	uint64_t feature_control;
	uint64_t cr0_cache;
	uint32_t vmcs_count;
	struct vmcs12_state vmcs[NVMCS_SLOTS]; /* the least recently used first */
};

/*
 * Between two exits of the vCPU. What the hardware VMCSs hold is read out of them, and VMCS12s
 * in struct nested are brought up to date, which nobody can tell. The same VMCS is current
 * before and after.
 */
void nested_get(struct nested *n, struct nested_state *s);

/*
 * For a look at L1's current VMCS, field by field: brings it up to date, which nobody can tell.
 * False: there is none. While L2 runs its guest state is what VMCS02 has, which is current;
 * else VMCS01 is current before and after.
 */
bool nested_state_begin_fields(struct nested *n);
/* Then: a field as L1 would read it. False: L1 has no such field. */
bool nested_state_field(const struct nested *n, enum vmcs_fid fid, uint64_t *value);

/*
 * After nested_reset, with VMCS01 current and L1's memory in place. The vCPU's TSC offset,
 * capabilities and features are those that the state was got with. False: the state is
 * impossible, whoever wrote it; the vCPU must be reset then. Guest state itself is not judged:
 * the hardware does at the next entry.
 */
bool nested_set(struct nested *n, const struct nested_state *s);

#endif
