/*
 * nested/seam.h on hardware: VMCS02s and shadow VMCSs, and L1's state in VMCS01 at a nested exit.
 */
#include "vm/nested_hw.h"

#include "mm/layout.h"
#include "nested/seam.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

/* ---- hardware VMCSs ---- */

static const uint16_t encoding_of[FID_COUNT] = {
#define F(name, enc, exists, group, flags) enc,
#include "spec/vmcs_fields.def"
};

uint64_t seam_vmread(enum vmcs_fid fid)
{
	return vmread(encoding_of[fid]);
}

void seam_vmwrite(enum vmcs_fid fid, uint64_t value)
{
	vmwrite(encoding_of[fid], value);
}

/* Set aside at creation: L1 can use up the pool, by EPT01 tables. Each VMCS takes one, once. */
static void *spare_page(struct vcpu *vcpu)
{
	return vcpu->nested_hw->spare[--vcpu->nested_hw->spares];
}

/* What every VMCS02 of the vCPU has in common; it becomes current. */
static void vmcs02_create(struct vcpu *vcpu, struct hw_vmcs *v)
{
	hw_vmcs_init(v, spare_page(vcpu), false);
	hw_vmcs_load(v);
	vmcs_write_host_state(vcpu->vm->host_cr3);
	vmwrite(VMCS_MSR_BITMAP, hpa_of(vcpu->nested.msr_bitmap02).v);
	vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
}

void nested_hw_leave_cpu(struct vcpu *vcpu)
{
	struct nested_hw *hw = vcpu->nested_hw;

	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		if (hw->vmcs02[i].page != NULL)
			hw_vmcs_clear(&hw->vmcs02[i]);
		if (hw->shadow[i].page != NULL)
			hw_vmcs_clear(&hw->shadow[i]);
	}
}

void nested_hw_enter_cpu(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		struct hw_vmcs *v = &vcpu->nested_hw->vmcs02[i];

		if (v->page == NULL)
			continue;
		hw_vmcs_load(v);
		vmcs_write_host_cpu();
	}
}

void seam_use_vmcs01(struct nested *n)
{
	struct vcpu *vcpu = vcpu_of(n);

	vmptrld(vcpu->vmcs01.hpa);
	vcpu->vmcs = &vcpu->vmcs01;
}

void seam_use_vmcs02(struct nested *n, struct nvmcs *v)
{
	struct vcpu *vcpu = vcpu_of(n);
	struct hw_vmcs *hw = &vcpu->nested_hw->vmcs02[v->hw];

	if (hw->page == NULL)
		vmcs02_create(vcpu, hw);
	else
		vmptrld(hw->hpa);
	vcpu->vmcs = hw;
}

/*
 * Lists of fields as straight-line code: each row becomes one access, or nothing when its group or
 * flags are not wanted. A field that not every machine has is looked up first.
 */
#define ALWAYS             1
#define VMFUNC             0
#define CTL_BIT(word, bit) (IS_EPT_##word(bit) || has(n, fid))
#define IS_EPT_PROC2(bit)  ((bit) == 1)
#define IS_EPT_PIN(bit)    0
#define IS_EPT_PROC(bit)   0
#define IS_EPT_EXIT(bit)   0
#define IS_EPT_ENTRY(bit)  ((bit) == 14 || (bit) == 15)
#define SR                 FIELD_SR
#define SW                 FIELD_SW
#define CHK_C              FIELD_CHK_C
#define CHK_H              FIELD_CHK_H
#define CHK_G              FIELD_CHK_G

static inline bool has(const struct nested *n, unsigned fid)
{
	return n->vm->exists[fid / 64] & BIT64(fid % 64);
}

void seam_read_hot(struct nested *n, struct nvmcs *v)
{
	(void)n;
#define F(name, enc, exists, group, flags) \
	if (GROUP_##group == GROUP_HOT)    \
		vmread_to(enc, &v->f[FID_##name]);
#include "spec/vmcs_fields.def"
}

void seam_write_hot(struct nested *n, const struct nvmcs *v)
{
	(void)n;
#define F(name, enc, exists, group, flags) \
	if (GROUP_##group == GROUP_HOT)    \
		vmwrite(enc, v->f[FID_##name]);
#include "spec/vmcs_fields.def"
}

void seam_read_rare(struct nested *n, struct nvmcs *v)
{
#define F(name, enc, exists, group, flags)          \
	if (GROUP_##group == GROUP_RARE) {          \
		const unsigned fid = FID_##name;    \
		(void)fid;                          \
		if (exists)                         \
			vmread_to(enc, &v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void seam_write_rare(struct nested *n, const struct nvmcs *v)
{
#define F(name, enc, exists, group, flags)       \
	if (GROUP_##group == GROUP_RARE) {       \
		const unsigned fid = FID_##name; \
		(void)fid;                       \
		if (exists)                      \
			vmwrite(enc, v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

static struct hw_vmcs *shadow_of(struct nested *n, const struct nvmcs *v)
{
	struct vcpu *vcpu = vcpu_of(n);
	struct hw_vmcs *hw = &vcpu->nested_hw->shadow[v->hw];

	if (hw->page == NULL)
		hw_vmcs_init(hw, spare_page(vcpu), true);
	return hw;
}

#define CHECKED (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G)

uint32_t seam_shadow_read(struct nested *n, struct nvmcs *v)
{
	uint32_t changed = 0;
	uint64_t value;

	vmptrld(shadow_of(n, v)->hpa);
#define F(name, enc, exists, group, flags)                     \
	if (((flags)&FIELD_SW) == FIELD_SW) {                  \
		const unsigned fid = FID_##name;               \
		(void)fid;                                     \
		if (!(exists))                                 \
			; /* leave it alone */                 \
		else if (!((flags)&CHECKED))                   \
			vmread_to(enc, &v->f[fid]);            \
		else if (v->f[fid] != (value = vmread(enc))) { \
			v->f[fid] = value;                     \
			changed |= (flags);                    \
		}                                              \
	}
#include "spec/vmcs_fields.def"
	return changed & CHECKED;
}

void seam_shadow_write(struct nested *n, const struct nvmcs *v)
{
	vmptrld(shadow_of(n, v)->hpa);
#define F(name, enc, exists, group, flags)       \
	if ((flags)&FIELD_SR) {                  \
		const unsigned fid = FID_##name; \
		(void)fid;                       \
		if (exists)                      \
			vmwrite(enc, v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void seam_shadow_write_exit(struct nested *n, const struct nvmcs *v)
{
	vmptrld(shadow_of(n, v)->hpa);
	vmwrite(VMCS_ENTRY_INTR_INFO, v->f[FID_ENTRY_INTR_INFO]);
	if (v->proc2_02 & PROC2_VIRT_INTR_DELIVERY)
		vmwrite(VMCS_GUEST_INTR_STATUS, v->f[FID_GUEST_INTR_STATUS]);
	if (v->timer_on && v->f[FID_EXIT_CONTROLS] & EXIT_SAVE_PREEMPTION_TIMER)
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, v->f[FID_PREEMPTION_TIMER_VALUE]);
#define F(name, enc, exists, group, flags)                                      \
	if (((flags)&FIELD_SR) && (GROUP_##group & (GROUP_INFO | GROUP_HOT))) { \
		const unsigned fid = FID_##name;                                \
		(void)fid;                                                      \
		if (exists)                                                     \
			vmwrite(enc, v->f[fid]);                                \
	}
#include "spec/vmcs_fields.def"
}

void seam_shadow_enable(struct nested *n, bool on)
{
	uint32_t proc2 = vmread32(VMCS_PROC2_CONTROLS);

	(void)n;
	vmwrite(VMCS_PROC2_CONTROLS,
		on ? proc2 | PROC2_VMCS_SHADOWING : proc2 & ~PROC2_VMCS_SHADOWING);
}

void seam_shadow_load_all(struct nested *n, const struct nvmcs *v)
{
	vmptrld(shadow_of(n, v)->hpa);
#define F(name, enc, exists, group, flags)       \
	{                                        \
		const unsigned fid = FID_##name; \
		(void)fid;                       \
		if (exists)                      \
			vmwrite(enc, v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void seam_shadow_store_all(struct nested *n, struct nvmcs *v)
{
	vmptrld(shadow_of(n, v)->hpa);
#define F(name, enc, exists, group, flags)          \
	{                                           \
		const unsigned fid = FID_##name;    \
		(void)fid;                          \
		if (exists)                         \
			vmread_to(enc, &v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

uint64_t seam_shadow_get(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	uint64_t value;

	vmptrld(shadow_of(n, v)->hpa);
	value = vmread(encoding_of[fid]);
	seam_use_vmcs01(n);
	return value;
}

bool seam_shadow_link(struct nested *n, const struct nvmcs *shadow, struct gpa_l1 read_bitmap,
	struct gpa_l1 write_bitmap)
{
	struct hpa read, write;
	uint64_t size = PAGE_SIZE;

	vmwrite(VMCS_VMCS_LINK_POINTER, shadow ? shadow_of(n, shadow)->hpa.v : UINT64_MAX);
	if (!shadow)
		return true;
	if (!seam_l1_translate(n, read_bitmap, &read, &size) ||
		!seam_l1_translate(n, write_bitmap, &write, &size)) {
		vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
		return false;
	}
	vmwrite(VMCS_VMREAD_BITMAP, read.v);
	vmwrite(VMCS_VMWRITE_BITMAP, write.v);
	return true;
}

void seam_shadow_write_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	vmptrld(shadow_of(n, v)->hpa);
	vmwrite(encoding_of[fid], v->f[fid]);
	seam_use_vmcs01(n);
}

void seam_shadow_select(struct nested *n, const struct nvmcs *v)
{
	vmwrite(VMCS_VMCS_LINK_POINTER, v ? shadow_of(n, v)->hpa.v : UINT64_MAX);
}

void seam_set_proc_controls(struct nested *n, struct nvmcs *v, uint32_t value)
{
	struct hw_vmcs *hw = &vcpu_of(n)->nested_hw->vmcs02[v->hw];

	hw->proc = value;
	vmwrite(VMCS_PROC_CONTROLS, value);
}

void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length)
{
	vcpu_inject(vcpu_of(n), info, error_code, length);
}

/* ---- VM exit to L1: SDM 27.5 "Loading Host State" ---- */

#define AR_CODE64   0xa09bu
#define AR_CODE32   0xc09bu
#define AR_DATA     0xc093u
#define AR_UNUSABLE 0x10000u
#define AR_TSS_BUSY 0x8bu
#define TSS_LIMIT   0x67
#define DR7_RESET   0x400u

/* 27.5.2: a data segment with a null selector is unusable. */
static inline void load_data_segment(uint32_t selector_field, uint64_t selector)
{
	uint32_t s = (selector_field - VMCS_GUEST_ES_SELECTOR) / 2;

	vmwrite(selector_field, selector);
	vmwrite(VMCS_GUEST_ES_LIMIT + 2 * s, UINT32_MAX);
	vmwrite(VMCS_GUEST_ES_AR + 2 * s, selector ? AR_DATA : AR_DATA | AR_UNUSABLE);
}

static void load_segments(const uint64_t *f, bool long64)
{
	vmwrite(VMCS_GUEST_CS_SELECTOR, f[FID_HOST_CS_SELECTOR]);
	vmwrite(VMCS_GUEST_CS_BASE, 0);
	vmwrite(VMCS_GUEST_CS_LIMIT, UINT32_MAX);
	vmwrite(VMCS_GUEST_CS_AR, long64 ? AR_CODE64 : AR_CODE32);
	load_data_segment(VMCS_GUEST_ES_SELECTOR, f[FID_HOST_ES_SELECTOR]);
	load_data_segment(VMCS_GUEST_SS_SELECTOR, f[FID_HOST_SS_SELECTOR]);
	load_data_segment(VMCS_GUEST_DS_SELECTOR, f[FID_HOST_DS_SELECTOR]);
	load_data_segment(VMCS_GUEST_FS_SELECTOR, f[FID_HOST_FS_SELECTOR]);
	load_data_segment(VMCS_GUEST_GS_SELECTOR, f[FID_HOST_GS_SELECTOR]);
	vmwrite(VMCS_GUEST_ES_BASE, 0);
	vmwrite(VMCS_GUEST_SS_BASE, 0);
	vmwrite(VMCS_GUEST_DS_BASE, 0);
	vmwrite(VMCS_GUEST_FS_BASE, f[FID_HOST_FS_BASE]);
	vmwrite(VMCS_GUEST_GS_BASE, f[FID_HOST_GS_BASE]);
	vmwrite(VMCS_GUEST_TR_SELECTOR, f[FID_HOST_TR_SELECTOR]);
	vmwrite(VMCS_GUEST_TR_BASE, f[FID_HOST_TR_BASE]);
	vmwrite(VMCS_GUEST_TR_LIMIT, TSS_LIMIT);
	vmwrite(VMCS_GUEST_TR_AR, AR_TSS_BUSY);
	vmwrite(VMCS_GUEST_LDTR_SELECTOR, 0);
	vmwrite(VMCS_GUEST_LDTR_AR, AR_UNUSABLE);
	vmwrite(VMCS_GUEST_GDTR_BASE, f[FID_HOST_GDTR_BASE]);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, UINT16_MAX);
	vmwrite(VMCS_GUEST_IDTR_BASE, f[FID_HOST_IDTR_BASE]);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, UINT16_MAX);
}

/* 27.5.1 for IA32_EFER and IA32_PAT, and the IA-32e-mode control that goes with them. */
static void load_modes(const uint64_t *f, bool long64, const struct l2_leftover *l2)
{
	uint32_t exit = (uint32_t)f[FID_EXIT_CONTROLS];
	uint32_t entry01 = vmread32(VMCS_ENTRY_CONTROLS);
	uint32_t want = long64 ? entry01 | ENTRY_IA32E_GUEST : entry01 & ~ENTRY_IA32E_GUEST;
	uint64_t efer = f[FID_HOST_EFER];

	if (!(exit & EXIT_LOAD_EFER)) {
		efer = l2->valid ? l2->efer : vmread(VMCS_GUEST_EFER);
		efer &= ~(EFER_LMA | EFER_LME);
		efer |= long64 ? EFER_LMA | EFER_LME : 0;
	}
	vmwrite(VMCS_GUEST_EFER, efer);
	if (want != entry01)
		vmwrite(VMCS_ENTRY_CONTROLS, want);
	if (exit & EXIT_LOAD_PAT)
		vmwrite(VMCS_GUEST_PAT, f[FID_HOST_PAT]);
	else if (l2->valid)
		vmwrite(VMCS_GUEST_PAT, l2->pat);
}

/* 27.5.4: an L1 with PAE paging gets its PDPTEs from memory, and a VMX abort if they are bad. */
static void load_pdptes(struct nested *n, const uint64_t *f, bool long64)
{
	uint64_t pdpte[4];

	if (long64 || !(f[FID_HOST_CR4] & CR4_PAE))
		return;
	if (vm_read_gpa(vcpu_of(n)->vm, f[FID_HOST_CR3] & 0xffffffe0u, pdpte, sizeof(pdpte)) !=
		0) {
		seam_l1_shutdown(n, "VMX abort: host PDPTEs are not in memory");
		return;
	}
	if (!paging_pdptes_ok(pdpte, n->vm->caps.maxphyaddr)) {
		seam_l1_shutdown(n, "VMX abort: a host PDPTE has a reserved bit set");
		return;
	}
	for (uint32_t i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
}

/* 27.5.1: an exit loads these bits of CR0 and leaves the others, CD and NW among them. */
static void load_cr0(const struct nested *n, uint64_t host)
{
	const uint64_t loaded =
		CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_PG;

	host = (host & loaded) | CR0_ET;
	vmwrite(VMCS_GUEST_CR0, host);
	vmwrite(VMCS_CR0_READ_SHADOW, host | n->cr0_cache);
}

/* CPUID shows CR4.OSXSAVE. */
static void load_cr4(struct vcpu *vcpu, uint64_t cr4)
{
	bool osxsave_changes = (vmread(VMCS_CR4_READ_SHADOW) ^ cr4) & CR4_OSXSAVE;

	vmwrite(VMCS_GUEST_CR4, cr4);
	vmwrite(VMCS_CR4_READ_SHADOW, cr4);
	if (osxsave_changes)
		cpuid_update(vcpu);
}

void seam_load_l1(struct nested *n, const struct nvmcs *v, const struct l2_leftover *l2)
{
	struct vcpu *vcpu = vcpu_of(n);
	const uint64_t *f = v->f;
	bool long64 = f[FID_EXIT_CONTROLS] & EXIT_HOST_64;

	load_modes(f, long64, l2);
	load_segments(f, long64);
	load_cr0(n, f[FID_HOST_CR0]);
	vmwrite(VMCS_GUEST_CR3, f[FID_HOST_CR3]);
	load_cr4(vcpu, f[FID_HOST_CR4]);
	load_pdptes(n, f, long64);
	vmwrite(VMCS_GUEST_SYSENTER_CS, f[FID_HOST_SYSENTER_CS]);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, f[FID_HOST_SYSENTER_ESP]);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, f[FID_HOST_SYSENTER_EIP]);
	vmwrite(VMCS_GUEST_RSP, f[FID_HOST_RSP]);
	vmwrite(VMCS_GUEST_RIP, f[FID_HOST_RIP]);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	vmwrite(VMCS_GUEST_DR7, DR7_RESET);
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, l2->nmi_blocked ? INTERRUPTIBILITY_NMI : 0);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
}
