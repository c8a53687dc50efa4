/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/entry_checks.h"

#include "nested/paging.h"
#include "nested/seam.h"
#include "spec/apic.h"
#include "spec/cet.h"

/* Names for the rows; all take the snapshot of the function's environment e. */
#define V(name)       (e->f[FID_##name])
#define PIN(bit)      ((V(PIN_CONTROLS) & PIN_##bit) != 0)
#define PRI(bit)      ((V(PROC_CONTROLS) & PROC_##bit) != 0)
#define SEC(bit)      ((proc2(e) & PROC2_##bit) != 0)
#define TER(bit)      ((proc3(e) & PROC3_##bit) != 0)
#define XIT(bit)      ((V(EXIT_CONTROLS) & EXIT_##bit) != 0)
#define NTRY(bit)     ((V(ENTRY_CONTROLS) & ENTRY_##bit) != 0)
#define IMPLIES(a, b) (!(a) || (b))

#define AR(seg)          ((uint32_t)V(GUEST_##seg##_AR))
#define TYPE(seg)        SEG_AR_TYPE(AR(seg))
#define DPL(seg)         SEG_AR_DPL(AR(seg))
#define RPL(seg)         SELECTOR_RPL(V(GUEST_##seg##_SELECTOR))
#define USABLE(seg)      ((AR(seg) & SEG_AR_UNUSABLE) == 0)
#define V86_BASE(seg)    (V(GUEST_##seg##_BASE) == V(GUEST_##seg##_SELECTOR) << 4)
#define DATA_DPL_OK(seg) IMPLIES(TYPE(seg) <= 11, DPL(seg) >= RPL(seg))
#define GRANULARITY_OK(seg) \
	granularity_ok((uint32_t)V(GUEST_##seg##_LIMIT), (AR(seg) & SEG_AR_G) != 0)

/* The secondary controls as they act: zero when they are not activated (26.2.1.1). */
static inline uint32_t proc2(const struct check_env *e)
{
	return PRI(SECONDARY) ? (uint32_t)V(PROC2_CONTROLS) : 0;
}

static inline uint64_t proc3(const struct check_env *e)
{
	return PRI(TERTIARY) ? V(PROC3_CONTROLS) : 0;
}

static bool controls_ok(const struct check_env *e, uint32_t msr, uint64_t value)
{
	uint32_t cap = caps_control_msr(e->caps, msr);

	return (caps_fixed1(e->caps, cap) & ~value) == 0 &&
	       (value & ~(uint64_t)caps_allowed1(e->caps, cap)) == 0;
}

/* An address that a VMCS field may hold: these low bits zero, within the physical width. */
static inline bool address_ok(const struct check_env *e, uint64_t address, uint64_t low_bits)
{
	return (address & low_bits) == 0 && address >> caps_pointer_width(e->caps) == 0;
}

static inline bool page_ok(const struct check_env *e, uint64_t address)
{
	return address_ok(e, address, PAGE_MASK);
}

/* The last byte of an MSR list. The sum cannot wrap: no width exceeds 52, no count 2^32. */
static bool msr_area_end_ok(const struct check_env *e, uint64_t address, uint64_t count)
{
	if (count == 0 || address >> caps_pointer_width(e->caps) != 0)
		return count == 0;
	return (address + count * 16 - 1) >> caps_pointer_width(e->caps) == 0;
}

/* The entry with the last index. No sum wraps: a table starts within the physical width. */
static bool pid_table_end_ok(const struct check_env *e)
{
	uint64_t last = V(PID_POINTER_TABLE) + V(LAST_PID_POINTER_INDEX) * sizeof(uint64_t);

	return last >> caps_pointer_width(e->caps) == 0;
}

/* The priority class in L1's virtual-APIC page; memory that is not there reads as ones. */
static uint64_t vtpr_class(const struct check_env *e)
{
	uint8_t vtpr = 0xff;
	struct gpa_l1 at = {V(VIRTUAL_APIC_ADDR) + APIC_TPR};

	if ((V(TPR_THRESHOLD) & 0xf) != 0)
		(void)seam_l1_read(e->n, at, &vtpr, sizeof(vtpr));
	return vtpr >> 4;
}

static inline bool eptp_switching(const struct check_env *e)
{
	return SEC(ENABLE_VMFUNC) && (V(VMFUNC_CONTROLS) & VMFUNC_EPTP_SWITCHING) != 0;
}

/* The exceptions that push an error code: #DF #TS #NP #SS #GP #PF #AC. */
static inline bool has_error_code(uint32_t vector)
{
	return vector < 32 && (0x00027d00u >> vector & 1) != 0;
}

/* Real mode has none. */
static inline bool may_have_error_code(const struct check_env *e, unsigned type)
{
	return type == INTR_HW_EXCEPTION &&
	       (!SEC(UNRESTRICTED_GUEST) || (V(GUEST_CR0) & CR0_PE) != 0);
}

/* NW and CD are never checked: VM entries and exits do not change them. */
static bool cr0_fixed_ok(const struct check_env *e, uint64_t cr0, uint64_t free_bits)
{
	uint64_t fixed0 = caps_msr(e->caps, MSR_VMX_CR0_FIXED0);
	uint64_t fixed1 = caps_msr(e->caps, MSR_VMX_CR0_FIXED1);
	uint64_t unchecked = CR0_NW | CR0_CD | free_bits;

	return ((fixed0 & ~cr0) & ~unchecked) == 0 && ((cr0 & ~fixed1) & ~unchecked) == 0;
}

static bool cr4_fixed_ok(const struct check_env *e, uint64_t cr4)
{
	return (caps_msr(e->caps, MSR_VMX_CR4_FIXED0) & ~cr4) == 0 &&
	       (cr4 & ~caps_msr(e->caps, MSR_VMX_CR4_FIXED1)) == 0;
}

/* 3.3.7.1; with the width of the processor, whatever mode is on. */
static inline bool linear_ok(const struct check_env *e, uint64_t linear)
{
	return canonical_in(linear, e->caps->linear_bits);
}

/* Each byte 0, 1, 4, 5, 6 or 7: not above 7, and bit 1 only together with bit 2. */
static bool pat_ok(uint64_t pat)
{
	uint64_t bit1 = pat & 0x0202020202020202ull;

	return (pat & ~0x0707070707070707ull) == 0 && (bit1 & ~(pat >> 1)) == 0;
}

/* Shadow stacks write to pages that CR0.WP protects (4.1.3 "Paging-Mode Modifiers"). */
static inline bool cet_wp_ok(uint64_t cr0, uint64_t cr4)
{
	return (cr4 & CR4_CET) == 0 || (cr0 & CR0_WP) != 0;
}

static inline bool s_cet_ok(const struct check_env *e, uint64_t s_cet)
{
	return cet_control_valid(s_cet, e->caps->cet_valid);
}

static inline bool cs_type_ok(uint32_t ar, bool unrestricted)
{
	uint32_t type = SEG_AR_TYPE(ar);

	return (type & 9) == 9 || (unrestricted && type == 3);
}

/* Accessed; and readable, if it is code. */
static inline bool data_type_ok(uint32_t ar)
{
	uint32_t type = SEG_AR_TYPE(ar);

	return (type & 1) != 0 && IMPLIES((type & 8) != 0, (type & 2) != 0);
}

static inline bool ar_reserved_ok(uint32_t ar)
{
	return (ar & SEG_AR_RESERVED) == 0;
}

static inline bool granularity_ok(uint32_t limit, bool g)
{
	return IMPLIES((limit & 0xfff) != 0xfff, !g) && IMPLIES(limit >> 20 != 0, g);
}

/* The events that may be injected into a guest that is not active (26.3.1.5). */
static bool event_wakes(uint64_t activity, uint32_t info)
{
	uint32_t type = INTR_INFO_TYPE(info);
	uint32_t vector = INTR_INFO_VECTOR(info);

	switch (activity) {
	case ACTIVITY_HLT:
		return type == INTR_EXTERNAL || type == INTR_NMI ||
		       (type == INTR_HW_EXCEPTION && (vector == VEC_DB || vector == VEC_MC)) ||
		       (type == INTR_OTHER_EVENT && vector == 0);
	case ACTIVITY_SHUTDOWN:
		return type == INTR_NMI || (type == INTR_HW_EXCEPTION && vector == VEC_MC);
	default:
		return false;
	}
}

/* A single-step trap is due after each instruction: TF is set and BTF is not. */
static inline bool single_stepping(const struct check_env *e)
{
	return (V(GUEST_RFLAGS) & RFLAGS_TF) != 0 && (V(GUEST_DEBUGCTL) & DEBUGCTL_BTF) == 0;
}

static bool link_revision_ok(const struct check_env *e)
{
	uint32_t header;
	struct gpa_l1 at = {V(VMCS_LINK_POINTER)};

	if (seam_l1_read(e->n, at, &header, sizeof(header)) < 0)
		return false;
	return (header & ~VMCS_SHADOW_INDICATOR) == caps_revision(e->caps) &&
	       ((header & VMCS_SHADOW_INDICATOR) != 0) == SEC(VMCS_SHADOWING);
}

static inline bool pae_guest(const struct check_env *e)
{
	return (V(GUEST_CR0) & CR0_PG) != 0 && (V(GUEST_CR4) & CR4_PAE) != 0 &&
	       !NTRY(IA32E_GUEST);
}

static inline bool pae_ept(const struct check_env *e)
{
	return SEC(ENABLE_EPT) && pae_guest(e);
}

static inline bool pae_memory(const struct check_env *e)
{
	return !SEC(ENABLE_EPT) && pae_guest(e);
}

static inline bool pdpte_ok(const struct check_env *e, uint64_t pdpte)
{
	return paging_pdpte_ok(pdpte, e->caps->maxphyaddr);
}

static bool memory_pdptes_ok(const struct check_env *e)
{
	uint64_t pdpte[4];
	struct gpa_l1 at = {V(GUEST_CR3) & CR3_PDPT};

	if (seam_l1_read(e->n, at, pdpte, sizeof(pdpte)) < 0)
		return false;
	for (unsigned i = 0; e->pdpte && i < 4; i++)
		e->pdpte[i] = pdpte[i];
	return paging_pdptes_ok(pdpte, e->caps->maxphyaddr);
}

/* One row as code. Rows of a kind that another function tests expand to nothing. */
#define TEST_ROW(id, field, section, must) \
	if (!(must))                       \
		return CHECK_##id;
#define SKIP_ROW(id, field, section, must)

enum check_id nested_check_controls(const struct check_env *e)
{
#define CHECK  TEST_ROW
#define EACH   SKIP_ROW
#define INJECT SKIP_ROW
#include "nested/entry_controls.def"
	return CHECK_OK;
}

static enum check_id check_injection_controls(const struct check_env *e, uint32_t info)
{
	uint32_t type = INTR_INFO_TYPE(info);
	uint32_t vector = INTR_INFO_VECTOR(info);

#define CHECK  SKIP_ROW
#define EACH   SKIP_ROW
#define INJECT TEST_ROW
#include "nested/entry_controls.def"
	return CHECK_OK;
}

enum check_id nested_check_entry_events(const struct check_env *e)
{
	uint32_t info = (uint32_t)V(ENTRY_INTR_INFO);

#define CHECK  SKIP_ROW
#define EACH   TEST_ROW
#define INJECT SKIP_ROW
#include "nested/entry_controls.def"
	return (info & INTR_INFO_VALID) ? check_injection_controls(e, info) : CHECK_OK;
}

enum check_id nested_check_host(const struct check_env *e)
{
#define CHECK TEST_ROW
#include "nested/entry_host.def"
	return CHECK_OK;
}

enum check_id nested_check_guest_state(const struct check_env *e)
{
	bool v86 = (V(GUEST_RFLAGS) & RFLAGS_VM) != 0;
	bool ug = SEC(UNRESTRICTED_GUEST);
	bool ia32e = NTRY(IA32E_GUEST);
	bool pe = (V(GUEST_CR0) & CR0_PE) != 0;

#define CHECK  TEST_ROW
#define EACH   SKIP_ROW
#define HELD   SKIP_ROW
#define INJECT SKIP_ROW
#include "nested/entry_guest.def"
	return CHECK_OK;
}

static enum check_id check_injection_state(const struct check_env *e, uint32_t info)
{
	uint32_t type = INTR_INFO_TYPE(info);
	uint64_t rflags = V(GUEST_RFLAGS);
	uint64_t activity = V(GUEST_ACTIVITY_STATE);
	uint64_t blocking = V(GUEST_INTERRUPTIBILITY);

#define CHECK  SKIP_ROW
#define EACH   SKIP_ROW
#define HELD   SKIP_ROW
#define INJECT TEST_ROW
#include "nested/entry_guest.def"
	return CHECK_OK;
}

static enum check_id check_held_state(
	const struct check_env *e, uint64_t activity, uint64_t blocking)
{
	uint64_t rflags = V(GUEST_RFLAGS);

#define CHECK  SKIP_ROW
#define EACH   SKIP_ROW
#define HELD   TEST_ROW
#define INJECT SKIP_ROW
#include "nested/entry_guest.def"
	return CHECK_OK;
}

enum check_id nested_check_guest_events(const struct check_env *e)
{
	uint32_t info = (uint32_t)V(ENTRY_INTR_INFO);
	uint64_t rflags = V(GUEST_RFLAGS);
	uint64_t activity = V(GUEST_ACTIVITY_STATE);
	uint64_t blocking = V(GUEST_INTERRUPTIBILITY);
	bool ia32e = NTRY(IA32E_GUEST);
	bool pe = (V(GUEST_CR0) & CR0_PE) != 0;
	enum check_id id = CHECK_OK;

	if (info & INTR_INFO_VALID)
		id = check_injection_state(e, info);
	if (id == CHECK_OK && (activity | blocking) != 0)
		id = check_held_state(e, activity, blocking);
	if (id != CHECK_OK)
		return id;
#define CHECK  SKIP_ROW
#define EACH   TEST_ROW
#define HELD   SKIP_ROW
#define INJECT SKIP_ROW
#include "nested/entry_guest.def"
	return CHECK_OK;
}

#define FAIL_CONTROLS VMERR_ENTRY_CONTROLS, 0
#define FAIL_HOST     VMERR_ENTRY_HOST_STATE, 0
#define GUEST         0, 0
#define TITLE_3_1_1   "Control Registers, Debug Registers, and MSRs"

/* Title, VM-instruction error and exit qualification of each section (26.7 for the latter). */
#define S26_2_1_1      "26.2.1.1 VM-Execution Control Fields", FAIL_CONTROLS
#define S26_2_1_2      "26.2.1.2 VM-Exit Control Fields", FAIL_CONTROLS
#define S26_2_1_3      "26.2.1.3 VM-Entry Control Fields", FAIL_CONTROLS
#define S26_2_2        "26.2.2 Checks on Host Control Registers and MSRs", FAIL_HOST
#define S26_2_3        "26.2.3 Checks on Host Segment and Descriptor-Table Registers", FAIL_HOST
#define S26_2_4        "26.2.4 Checks Related to Address-Space Size", FAIL_HOST
#define S26_3_1_1      "26.3.1.1 Checks on Guest " TITLE_3_1_1, GUEST
#define S26_3_1_2      "26.3.1.2 Checks on Guest Segment Registers", GUEST
#define S26_3_1_3      "26.3.1.3 Checks on Guest Descriptor-Table Registers", GUEST
#define S26_3_1_4      "26.3.1.4 Checks on Guest RIP and RFLAGS", GUEST
#define S26_3_1_5      "26.3.1.5 Checks on Guest Non-Register State", GUEST
#define S26_3_1_5_NMI  "26.3.1.5 Checks on Guest Non-Register State", 0, 3
#define S26_3_1_5_LINK "26.3.1.5 Checks on Guest Non-Register State", 0, 4
#define S26_3_1_6      "26.3.1.6 Checks on Guest Page-Directory-Pointer-Table Entries", 0, 2

/* Some ids are names of control bits, too: they become text before they are expanded. */
#define ROW(id, field, ...)                       ROW_(#id, field, __VA_ARGS__)
#define ROW_(name, field, sdm, vmfail, qual, ...) {name, sdm, FID_##field, vmfail, qual},

const struct check_row check_rows[CHECK_COUNT] = {
	{"OK", "", FID_NONE, 0, 0},
#define CHECK  ROW
#define EACH   ROW
#define INJECT ROW
#include "nested/entry_controls.def"
#define CHECK ROW
#include "nested/entry_host.def"
#define CHECK  ROW
#define EACH   ROW
#define HELD   ROW
#define INJECT ROW
#include "nested/entry_guest.def"
};

/* SDM 26.4 "Loading MSRs", 27.4 "Saving MSRs", 27.6 "Loading MSRs" */
enum denial nested_msr_entry_denial(uint32_t index, uint32_t reserved, bool load)
{
	if (reserved != 0)
		return DENIAL_LIST_RESERVED;
	if (index >> 8 == 0x8)
		return DENIAL_LIST_X2APIC;
	if (!load)
		return index == MSR_SMBASE ? DENIAL_LIST_SMM : DENIAL_NONE;
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
		return DENIAL_LIST_SEGMENT_BASE;
	case MSR_SMM_MONITOR_CTL:
		return DENIAL_LIST_SMM;
	case MSR_BIOS_UPDT_TRIG:
	case MSR_BIOS_SIGN_ID:
		return DENIAL_LIST_MICROCODE;
	default:
		return DENIAL_NONE;
	}
}
