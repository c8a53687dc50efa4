/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of nested/; nobody else includes it.
 */
#ifndef NESTOR_NESTED_NESTED_INT_H
#define NESTOR_NESTED_NESTED_INT_H

#include "nested/nested.h"
#include "nested/paging.h"
#include "nested/seam.h"
#include "spec/denials.h"
#include "spec/vmx.h"

/* L1's mode of operation at a VMX instruction, as far as the instruction depends on it. */
struct l1_mode {
	bool long64; /* 64-bit mode: operands of 64 bits */
	uint8_t cpl;
};

/* ---- insn.c ---- */

/*
 * How a VMX instruction ends (SDM 30.2 "Conventions"): a positive number is VMfail with that
 * error (VMfailInvalid when there is no current VMCS), the others are these.
 */
enum insn_outcome {
	INSN_SUCCEED = 0,
	INSN_FAIL_INVALID = -1,
	INSN_UD = -2,
	INSN_GP = -3,
	INSN_DONE =
		-4 /* a fault is queued, L2 runs, or L1 was reloaded: nothing is left to do */
};

/* A register operand; 32 bits of it outside 64-bit mode. */
uint64_t insn_reg_get(struct nested *n, const struct l1_mode *m, unsigned reg);
void insn_reg_set(struct nested *n, const struct l1_mode *m, unsigned reg, uint64_t value);

/* The memory operand of the exiting instruction. False: a fault was queued for L1. */
bool insn_mem_read(
	struct nested *n, const struct l1_mode *m, uint32_t info, void *dst, uint32_t len);
bool insn_mem_write(struct nested *n, const struct l1_mode *m, uint32_t info, const void *src,
	uint32_t len);

/* A linear address in 64-bit mode of who executes it; the VMCS of its level is current. */
static inline bool insn_canonical(uint64_t linear)
{
	return canonical(linear) || (canonical_in(linear, LINEAR_BITS_LA57) &&
					    seam_vmread(FID_GUEST_CR4) & CR4_LA57);
}

/* The instruction ends with this outcome because of its operand, see struct nested_report. */
static inline int insn_refuse(struct nested *n, int outcome, uint64_t value, uint64_t found)
{
	n->refused = (struct nested_refusal){.value = value, .found = {found}};
	return outcome;
}

/* The instruction raises the exception that the outcome stands for, by this rule. */
static inline int insn_fault(
	struct nested *n, enum insn_outcome outcome, enum denial why, uint64_t value)
{
	n->refused = (struct nested_refusal){.why = (uint8_t)why, .value = value};
	return outcome;
}

/* Queues such an exception: insn_fault has said why. The VMCS of the instruction's level is
 * current. */
void insn_raise(struct nested *n, uint8_t vector);

/*
 * The instruction that exited ends with these status flags; the VMCS of its level is current.
 */
void insn_finish(uint64_t flags);
/* The instruction that exited ends by VMfail; VMCS01 is current. */
void insn_fail(struct nested *n, uint32_t error);

/* ---- insn_vmcs.c ---- */
int insn_vmxon(struct nested *n, const struct l1_mode *m);
int insn_vmxoff(struct nested *n);
int insn_vmclear(struct nested *n, const struct l1_mode *m);
int insn_vmptrld(struct nested *n, const struct l1_mode *m);
int insn_vmptrst(struct nested *n, const struct l1_mode *m);
int insn_vmread(struct nested *n, const struct l1_mode *m);
int insn_vmwrite(struct nested *n, const struct l1_mode *m);
/* The same of L2 on the shadow VMCS that L1 links for it; VMCS02 is current. */
__attribute__((noinline)) int insn_vmread_link(struct nested *n, const struct l1_mode *m);
__attribute__((noinline)) int insn_vmwrite_link(struct nested *n, const struct l1_mode *m);

/* L1 enters or leaves VMX operation: hardware serves VMREAD and VMWRITE only inside. VMCS01 is
 * current. */
void insn_serve_by_hardware(bool on);

/* ---- insn_l2.c ---- */

/* After a change of vm->in_hardware: which words of L1's bitmaps count. */
void insn_l2_find_fields(struct nested_vm *vm);
/* VMREAD and VMWRITE bitmaps of VMCS02, which has VMCS shadowing. */
void insn_l2_merge_bitmaps(struct nested *n, const struct nvmcs *v);
/* Does this VMREAD or VMWRITE of L2 exit to L1 by this bitmap of L1's? */
bool insn_l2_exits(struct nested *n, const struct nvmcs *v, enum vmcs_fid bitmap);
/*
 * It does not: completes it. False: it faults, and L1 may have come to run. VMCS02 is current.
 */
bool insn_l2_complete(struct nested *n, uint32_t reason);

/* ---- insn_inv.c ---- */
int insn_invept(struct nested *n, const struct l1_mode *m);
int insn_invvpid(struct nested *n, const struct l1_mode *m);

/* ---- nvmcs.c ---- */

/* The active VMCS12 of this region, or NULL. */
struct nvmcs *nvmcs_find(struct nested *n, uint64_t gpa);
/* Makes it active: from the cache or from L1's memory. The region is readable. */
struct nvmcs *nvmcs_load(struct nested *n, uint64_t gpa, uint32_t revision);
/* Makes a VMCS12 active whose fields are known otherwise; a slot is free. */
void nvmcs_install(
	struct nested *n, uint64_t gpa, const uint64_t *f, bool launched, bool is_shadow);
/* May an operand of VMPTRLD and its kin be this? */
bool nvmcs_pointer_valid(const struct nested *n, uint64_t gpa);
/* Writes the VMCS12 back to its region and frees the slot (VMCLEAR, eviction). */
void nvmcs_flush(struct nested *n, struct nvmcs *v);
/* Resolves VMCS12's link pointer for an L1 that shadows VMCSs; VMCS01 is current. */
void nvmcs_resolve_link(struct nested *n, struct nvmcs *v);
/* VMCLEAR of a region that is not active here. */
void nvmcs_clear_region(struct nested *n, uint64_t gpa);
/* Select the current VMCS (NULL: none); VMCS01 is current before and after. */
void nvmcs_select(struct nested *n, struct nvmcs *v);
/*
 * With vm->shadowing, of a VMCS that L1 does not use as a shadow: what L1 may have written
 * comes into f; the CHK_* flags of fields that changed. VMCS02 or the shadow VMCS is current
 * afterwards.
 */
uint32_t nvmcs_from_shadow(struct nested *n, struct nvmcs *v);
/* Brings GROUP_RARE of f up to date; VMCS01 is current before and after. */
void nvmcs_sync_rare(struct nested *n, struct nvmcs *v);
/* The hardware VPID for L1's vpid12 (0: L1 uses none). */
uint16_t nvmcs_vpid02(struct nested *n, uint16_t vpid12);

/* ---- copy.c ---- */

/* Fields of a group between VMCS02 of v, which is current, and v->f. Fields that L1 lacks are
 * left alone. */
void copy_hot_from_02(struct nvmcs *v);
void copy_hot_to_02(const struct nvmcs *v);
void copy_rare_from_02(const struct nested *n, struct nvmcs *v);
void copy_rare_to_02(const struct nested *n, const struct nvmcs *v);

/*
 * Shadow VMCS of v <-> v->f; the shadow VMCS is current afterwards. The first fetches what L1
 * may have written, and returns the CHK_* flags of fields that changed.
 */
uint32_t copy_from_shadow(struct nested *n, struct nvmcs *v);
void copy_to_shadow(struct nested *n, const struct nvmcs *v);
/* After an exit of L2: only what such an exit changes, GROUP_INFO, GROUP_HOT, the event, and
 * the interrupt status and preemption timer where the exit saves them. */
void copy_exit_to_shadow(struct nested *n, const struct nvmcs *v);
/* For a VMCS that L1 itself uses as a shadow: the hardware one has all fields, and v->f is a
 * copy. */
void copy_all_to_shadow(struct nested *n, const struct nvmcs *v);
void copy_all_from_shadow(struct nested *n, struct nvmcs *v);
/* The same where f is as the hardware one but for v->written; what it changes is v->stored. */
void copy_written_from_shadow(struct nested *n, struct nvmcs *v);
/* One field; VMCS01 is current afterwards. */
uint64_t shadow_read_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid);
void shadow_write_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid);

/* ---- L1's preemption timer ---- */

/* Of a bitmap of L1's, at the L1 guest-physical address; what is no memory reads as ones. */
static inline uint8_t bitmap_byte(struct nested *n, uint64_t gpa)
{
	const volatile uint8_t *page = seam_l1_page(n, (struct gpa_l1){gpa});
	uint8_t bits = UINT8_MAX;

	if (page)
		return page[gpa & PAGE_MASK];
	(void)seam_l1_read(n, (struct gpa_l1){gpa}, &bits, sizeof(bits)); /* of ROM */
	return bits;
}

/* What a slower timer than the machine's has left may be more than 32 bits. */
#define TIMER_PIECE BIT64(31)

static inline uint64_t timer_left(const struct nvmcs *v)
{
	return v->timer_pieces * TIMER_PIECE + v->timer12;
}

static inline void timer_next_piece(struct nvmcs *v)
{
	if (v->timer_pieces == 0)
		return;
	v->timer_pieces--;
	v->timer12 = (uint32_t)TIMER_PIECE;
}

static inline void timer_set_left(struct nvmcs *v, uint64_t left)
{
	v->timer_pieces = 0;
	v->timer12 = (uint32_t)left;
	if (left <= UINT32_MAX)
		return;
	v->timer_pieces = (uint16_t)(left / TIMER_PIECE);
	v->timer12 = (uint32_t)(left % TIMER_PIECE);
	if (v->timer12 == 0)
		timer_next_piece(v);
}

/*
 * Of the timer L1 has `value`. A real one counts when a bit of the TSC changes (SDM 25.5.1), so
 * that its first unit is not a whole one; here it is shorter by what had passed of it before,
 * and who saves and loads the value loses no time.
 */
static inline void timer_from_l1(const struct nested *n, struct nvmcs *v, uint32_t value)
{
	uint64_t units = (uint64_t)value << n->vm->timer_shift;

	timer_set_left(v, units > v->timer_phase ? units - v->timer_phase : 0);
}

/* The other way: a unit that has begun is whole, and *phase is what has passed of it. */
static inline uint32_t timer_to_l1(
	const struct nested *n, const struct nvmcs *v, uint32_t *phase)
{
	unsigned shift = n->vm->timer_shift;
	uint64_t left = timer_left(v), value = (left + BIT64(shift) - 1) >> shift;

	*phase = (uint32_t)((value << shift) - left);
	return (uint32_t)value;
}

/* ---- learn.c ---- */

/* Fills vm->usual and vm->all with vm->shadowing, without which nothing else is called. */
void learn_init(struct nested_vm *vm);
/* Later: a field that the machine lacks. */
void learn_field_absent(struct nested_vm *vm, enum vmcs_fid fid);
/* The bitmaps that go with the current VMCS (NULL: none). */
const struct nested_bitmaps *learn_bitmaps(const struct nested *n, const struct nvmcs *v);
/* VMCS01 gets them; it is current. */
void learn_use_bitmaps(struct nested *n, const struct nested_bitmaps *b);
/*
 * VMREAD or VMWRITE of L1 touched n->touched of the current VMCS by an exit, and has succeeded.
 * VMCS01 is current before and after.
 */
__attribute__((noinline)) void learn_touch(struct nested *n, bool write);
/*
 * The slot gets a VMCS that L1 uses as a shadow, or one has been there for long: hardware
 * serves all reads, and writes of the fields that L1, or L2 while the VMCS is linked, writes by
 * exits again and again from now on. So much is known to differ from f, and has to be fetched
 * when the VMCS is flushed. VMCS01 is current.
 */
__attribute__((noinline)) void learn_shadow(struct nested *n, struct nvmcs *v);
/* Such a VMCS has been flushed, and what hardware wrote fetched: a turn of learning is over. */
void learn_shadow_flushed(struct nested *n, struct nvmcs *v);
/* A write of n->touched by an exit has succeeded, in a VMCS that L1 uses as a shadow. */
__attribute__((noinline)) void learn_shadow_write(struct nested *n, struct nvmcs *v);
/* Closes all of the slot's fields. VMCS01 is current; v->f has what L1 wrote. */
void learn_forget(struct nested *n, struct nvmcs *v);

/*
 * With v->learned. Fetches what L1 may have written, as copy_from_shadow does, whose shadow
 * VMCS is current; VMCS02 or the shadow VMCS is current afterwards.
 */
__attribute__((noinline)) uint32_t learn_from_shadow(struct nested *n, struct nvmcs *v);
/* The same at a VM entry, where what is out of date is forgotten; VMCS01 is current afterwards.
 */
__attribute__((noinline)) uint32_t learn_at_entry(struct nested *n, struct nvmcs *v);
/* L2 has exited, v->f has all but GROUP_RARE: VMCS02 is current, the shadow VMCS afterwards. */
__attribute__((noinline)) void learn_at_exit(struct nested *n, struct nvmcs *v);
/* v->f has other fields than before; the shadow VMCS is current. */
void learn_to_shadow(const struct nvmcs *v);

/* Is the field open? Then the shadow VMCS has its value; and what L1 wrote last, by writes. */
static inline bool learn_open(const struct nvmcs *v, enum vmcs_fid fid, bool write)
{
	return v->learned && v->habit.open[write][fid / 64] & BIT64(fid % 64);
}

/* ---- load_l1.c ---- */

/* State of L2 that a VM exit leaves in L1's registers where its exit controls load none. */
struct l2_leftover {
	bool valid;       /* not after a failed VM entry */
	bool nmi_blocked; /* the exit was an NMI: L1 has NMIs blocked */
	uint64_t pat, efer;
};

/* VMCS01, which is current, becomes L1's host state as v has it. */
void load_l1(struct nested *n, const struct nvmcs *v, const struct l2_leftover *l2);

/* ---- cet.c: of a VM with CET ---- */

/* What L2 begins with; VMCS02 is current before and after. */
__attribute__((noinline)) void cet_to_02(struct nested *n, const struct nvmcs *v);
/* What an exit saves; VMCS02 is current. */
__attribute__((noinline)) void cet_from_02(struct nvmcs *v);
/* What L1 goes on with after an exit, or, if L2 has not run, after an entry that failed; VMCS01
 * is current. */
__attribute__((noinline)) void cet_load_l1(const struct nvmcs *v, bool l2_ran);

/* ---- mce.c ---- */

/* L1 may have written GUEST_CR4 or CR4_GUEST_HOST_MASK of v. */
void mce_find(struct nvmcs *v);

/* ---- door.c ---- */

/* Does L1 intercept this exception of L2? */
bool door_intercepts(const struct nested *n, uint8_t vector, uint32_t error_code);
/*
 * The window that L1 opened and L2's state lets through now, as an exit reason; 0: none. VMCS02
 * is current.
 */
uint32_t door_window(const struct nested *n);
/* L2, which is current, ends with an exit that tells its reason alone. */
void door_exit(struct nested *n, uint32_t reason);

/* ---- exit.c, exit_ept.c; VMCS02 is current ---- */

/* The exit-information fields that this exit defines, VMCS02 to VMCS12. */
void exit_save_info(struct nvmcs *v, uint32_t reason, uint32_t intr_info);
/* What an exit that no instruction or fault of L2 caused leaves there. */
void exit_no_info(struct nvmcs *v, uint32_t reason);
/*
 * An entry failed after it was committed: VMCS02, which is current, and f. first: L2 has not
 * run since L1 entered it.
 */
void entry_undo(struct nvmcs *v, bool first);
/* L2 was not entered again since VTPR is below L1's threshold: what waits for the entry goes
 * along. */
void exit_below_threshold(struct nested *n, struct nvmcs *v);
/* The event whose delivery the exit interrupted, 27.2.4. */
void exit_save_vectoring(struct nvmcs *v);
/* The INFO fields are set: L2 stops, L1 goes on at its host state. */
void exit_to_l1(struct nested *n);
bool exit_iret_keeps_nmis_blocked(const struct nvmcs *v);
/* Did the entry leave NMIs blocked? */
bool exit_entry_blocked_nmis(const struct nvmcs *v);
/*
 * vept_handle of an access that the current VMCS12's L2 made, or L0 for it. Like the violation
 * itself it ends what is known of the address (SDM 28.3.3.1).
 */
enum vept_result exit_violation(
	struct nested *n, struct gpa_l2 gpa, uint64_t qualification, uint64_t *told);
/* An EPT violation under an L1 that uses EPT. */
enum nested_verdict exit_ept_violation(struct nested *n, struct nvmcs *v);
/* An SPP-related event under L1's sub-page permissions. False: it is none of theirs. */
__attribute__((noinline)) bool exit_spp_miss(
	struct nested *n, struct nvmcs *v, enum nested_verdict *verdict);
/* Tells of the EPT12 entry that vept_handle found malformed. */
void exit_report_misconfig(struct nested *n);
/* A convertible violation of an access that L0 made for L2 becomes #VE; false: it may not. */
bool exit_convert(struct nested *n, const struct nvmcs *v, const struct paging_fault *fault,
	uint64_t qualification);
/* VMFUNC of L2 (SDM 25.5.5 "VM Functions"). False: it exits to L1. */
bool exit_vmfunc(struct nested *n, struct nvmcs *v);
/*
 * A VMX abort of the exit whose reason v has: L1 ends. n->refused says by which rule. words:
 * for the log.
 */
void exit_abort(
	struct nested *n, const struct nvmcs *v, enum vmx_abort number, const char *words);

/* ---- entry.c, merge.c, exit.c, msrlist.c; VMCS02 is current for those that write it ---- */
/* Out of line, so that other instructions do not pay for its stack frame. */
__attribute__((noinline)) int nested_entry(
	struct nested *n, const struct l1_mode *m, uint32_t reason);

/* All of VMCS02's controls from VMCS12 and L0's; VMCS02 is current. */
/* (seldom: out of line, so that the usual entry stays one piece) */
__attribute__((noinline)) void merge_controls_all(struct nested *n, struct nvmcs *v);
/* Those that L1 changes often, at each entry. */
void merge_controls_hot(struct nested *n, struct nvmcs *v);
/* EPT02 for the EPT pointer of an L1 that uses EPT. */
void merge_root(struct nested *n, struct nvmcs *v);
/* The MSR bitmap of VMCS02. */
void merge_msr_bitmap(struct nested *n, const struct nvmcs *v);

/* ---- posted.c ---- */

/* The vector with which L1 notifies of interrupts that it posted for this L2; -1: none. */
int posted_notification(const struct nvmcs *v);
/* It has been acknowledged and dismissed; VMCS02 of v is current. */
void posted_process(struct nested *n, const struct nvmcs *v);

/* ---- ipi.c; L1 does not ask for the exit, VMCS02 of v is current ---- */

/* Is this WRMSR of L2 one of its ICR, by which IPI virtualization sends? */
bool ipi_owns_msr(const struct nested *n, const struct nvmcs *v);
/* The same of an APIC-write exit. */
bool ipi_owns_write(const struct nvmcs *v);
/* Complete them. False: an exception is queued, or L1 has come to run. */
bool ipi_wrmsr(struct nested *n, struct nvmcs *v);
bool ipi_apic_write(struct nested *n, struct nvmcs *v);

/* ---- spec_ctrl.c; likewise ---- */

/* Is this RDMSR or WRMSR of L2 one of an IA32_SPEC_CTRL that L1 virtualizes? */
bool spec_ctrl_owns(const struct nested *n, const struct nvmcs *v);
/* Complete them. False: an exception is queued, or L1 has come to run. */
void spec_ctrl_read(struct nested *n, const struct nvmcs *v);
bool spec_ctrl_write(struct nested *n, struct nvmcs *v);

/* Ends L2 or a failed entry: VMCS01 becomes current with L1's host state. l2: NULL after a
 * failed entry. */
void nested_load_l1(struct nested *n, struct nvmcs *v, const struct l2_leftover *l2);

/*
 * The VM-entry MSR-load list: 0, or the 1-based number of the entry that failed (SDM 26.4).
 * n->refused is about that one.
 */
uint32_t msrlist_entry_load(struct nested *n, struct nvmcs *v);
/* Guest state that the list has changed in VMCS02, which is current, is as before the entry. */
void msrlist_entry_undo(const struct nvmcs *v);
/* The VM-exit lists (27.4, 27.6); false is a VMX abort, n->refused is about the entry. */
bool msrlist_exit_store(struct nested *n, const struct nvmcs *v);
bool msrlist_exit_load(struct nested *n, const struct nvmcs *v);

static inline bool cap_control(const struct nested *n, uint32_t msr, uint32_t bit)
{
	return caps_allowed1(&n->vm->caps, msr) & bit;
}

static inline bool field_exists(const struct nested *n, enum vmcs_fid fid)
{
	return n->vm->exists[fid / 64] & BIT64(fid % 64);
}

/* L1 has the field, and so has the machine. What only L1 has is kept in nvmcs::f. */
static inline bool field_in_hardware(const struct nested *n, enum vmcs_fid fid)
{
	return n->vm->in_hardware[fid / 64] & BIT64(fid % 64);
}

/* Secondary controls as in effect: none of them without the primary control that activates
 * them. */
static inline uint32_t proc2_of(const struct nvmcs *v)
{
	return v->f[FID_PROC_CONTROLS] & PROC_SECONDARY ? (uint32_t)v->f[FID_PROC2_CONTROLS]
							: 0;
}

/* The tertiary ones likewise. */
static inline uint64_t proc3_of(const struct nvmcs *v)
{
	return v->f[FID_PROC_CONTROLS] & PROC_TERTIARY ? v->f[FID_PROC3_CONTROLS] : 0;
}

/* VMCS02's: what L1 owns L2 sees as L1 says, of the rest that L0 owns what there is. */
static inline uint64_t mce_shadow(const struct nvmcs *v)
{
	uint64_t of_l1 = v->f[FID_CR4_READ_SHADOW] & v->f[FID_CR4_GUEST_HOST_MASK];

	return v->mce_shown ? of_l1 | CR4_MCE : of_l1;
}

static inline bool uses_ept(const struct nvmcs *v)
{
	return proc2_of(v) & PROC2_ENABLE_EPT;
}

#endif
