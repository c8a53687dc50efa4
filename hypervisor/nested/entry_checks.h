/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks that VMLAUNCH/VMRESUME make on a VMCS12 (SDM 26.2, 26.3.1) and on entries of the
 * MSR lists (26.4, 27.4, 27.6). Owns the rules only: who keeps track of which group must run
 * again, and what a failure does to L1, is the entry path's business.
 */
#ifndef NESTOR_NESTED_ENTRY_CHECKS_H
#define NESTOR_NESTED_ENTRY_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "nested/caps.h"
#include "spec/addr.h"
#include "spec/denials.h"
#include "spec/vmcs.h"

struct nested;

enum check_id {
	CHECK_OK, /* every row holds */
#define CHECK(id, field, section, must)  CHECK_##id,
#define EACH(id, field, section, must)   CHECK_##id,
#define INJECT(id, field, section, must) CHECK_##id,
#include "nested/entry_controls.def"
#define CHECK(id, field, section, must) CHECK_##id,
#include "nested/entry_host.def"
#define CHECK(id, field, section, must)  CHECK_##id,
#define EACH(id, field, section, must)   CHECK_##id,
#define HELD(id, field, section, must)   CHECK_##id,
#define INJECT(id, field, section, must) CHECK_##id,
#include "nested/entry_guest.def"
	CHECK_COUNT
};

/* What a check looks at. f is a private snapshot: nobody changes it while a check runs. */
struct check_env {
	const uint64_t *f;           /* values of VMCS12 by enum vmcs_fid */
	const struct vmx_caps *caps; /* what L1 sees */
	bool l1_long_mode;           /* IA32_EFER.LMA of L1 at the entry */
	struct gpa_l1 current;       /* L1's current-VMCS pointer */
	struct nested *n;            /* for reads of L1's memory */
	/*
	 * May be NULL. Gets the four PDPTEs that guest_events read from L1's memory, when the
	 * guest uses PAE paging without EPT: load these, since another CPU of L1 may change the
	 * memory.
	 */
	uint64_t *pdpte;
};

/* What traces and `explain` show of a row; indexed by enum check_id, row 0 is CHECK_OK. */
struct check_row {
	const char *name;
	const char *sdm;       /* number and title of the section */
	uint16_t field;        /* enum vmcs_fid */
	uint8_t vmfail;        /* VM-instruction error number, or 0: exit reason 33 */
	uint8_t qualification; /* exit qualification of reason 33 (26.7) */
};

extern const struct check_row check_rows[CHECK_COUNT];

/*
 * Each returns CHECK_OK or the first row, in the SDM's order, that does not hold (in the two
 * *_events functions rows that are tested under the same condition are taken together). The SDM
 * leaves the order within one outcome open.
 *
 * controls and entry_events: failure is VMfail 7; host: VMfail 8. guest_state and guest_events:
 * failed VM entry, exit reason 33. Run them in this order: controls, entry_events, host,
 * guest_state, guest_events. entry_events and guest_events are run at every entry. The others
 * may be left out while no field of their CHK_* flag changed since they last succeeded and
 * nested_check_context() gives the value it gave then.
 */
enum check_id nested_check_controls(const struct check_env *e);
enum check_id nested_check_entry_events(const struct check_env *e);
enum check_id nested_check_host(const struct check_env *e);
enum check_id nested_check_guest_state(const struct check_env *e);
enum check_id nested_check_guest_events(const struct check_env *e);

/*
 * What host and guest_state read besides the fields of their own flags: a few control bits,
 * RFLAGS.VM and L1's mode, packed.
 */
static inline uint64_t nested_check_context(const struct check_env *e)
{
	uint64_t proc2 =
		(e->f[FID_PROC_CONTROLS] & PROC_SECONDARY) ? e->f[FID_PROC2_CONTROLS] : 0;
	uint32_t proc2_used =
		PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST | PROC2_VMCS_SHADOWING;
	uint32_t exit_used = EXIT_HOST_64 | EXIT_LOAD_PERF_GLOBAL_CTRL | EXIT_LOAD_PAT |
			     EXIT_LOAD_EFER | EXIT_LOAD_CET;

	return (e->f[FID_ENTRY_CONTROLS] & 0x7ffff) |
	       (e->f[FID_GUEST_RFLAGS] & RFLAGS_VM) << 2 | (uint64_t)e->l1_long_mode << 20 |
	       (proc2 & proc2_used) << 21 | (e->f[FID_EXIT_CONTROLS] & exit_used) << 35;
}

/*
 * One entry of an MSR list: bits 31:0 and 63:32 of its first quadword. load: the entry is
 * loaded (VM entry or exit), else stored (VM exit). What RDMSR/WRMSR itself would refuse is not
 * judged. DENIAL_NONE: it may be there.
 */
enum denial nested_msr_entry_denial(uint32_t index, uint32_t reserved, bool load);

#endif
