/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/nested.h"

#include "nested/nested_int.h"

void nested_vm_init(struct nested_vm *vm)
{
	for (unsigned w = 0; w < sizeof(vm->exists) / sizeof(vm->exists[0]); w++)
		vm->exists[w] = 0;
	for (unsigned fid = 0; fid < FID_COUNT; fid++)
		if (caps_field_exists(&vm->caps, (enum vmcs_fid)fid))
			vm->exists[fid / 64] |= BIT64(fid % 64);
	for (unsigned w = 0; w < sizeof(vm->exists) / sizeof(vm->exists[0]); w++)
		vm->in_hardware[w] = vm->exists[w];
	insn_l2_find_fields(vm);
	learn_init(vm);
	vm->vept.no_1g = !(caps_msr(&vm->caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_1G);
	vept_init(&vm->vept);
}

void nested_field_absent(struct nested_vm *vm, enum vmcs_fid fid)
{
	vm->in_hardware[fid / 64] &= ~BIT64(fid % 64);
	insn_l2_find_fields(vm);
	if (vm->shadowing)
		learn_field_absent(vm, fid);
}

void nested_reset(struct nested *n, struct nested_vm *vm, unsigned vcpu, uint64_t *gpr,
	uint16_t vpid01, uint64_t *msr_bitmap02)
{
	n->vm = vm;
	n->vcpu = vcpu;
	n->gpr = gpr;
	n->vmxon = false;
	n->in_l2 = false;
	n->run_pending = false;
	n->l2_wait_sipi = false;
	n->vmxon_gpa = NVMCS_FREE;
	n->cur = NULL;
	n->feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_NOT_SMX;
	n->vpid01 = vpid01;
	n->vpid_next = 0;
	for (unsigned i = 0; i < VPID02_SLOTS; i++)
		n->vpid12[i] = 0;
	n->msr_bitmap02 = msr_bitmap02;
	for (unsigned w = 0; w < PAGE_SIZE / sizeof(uint64_t); w++) {
		msr_bitmap02[w] = UINT64_MAX;
		if (vm->shadowing)
			n->vmread_bitmap02[w] = n->vmwrite_bitmap02[w] = UINT64_MAX;
	}
	n->x2apic_open = false;
	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		n->slot[i].gpa = n->slot[i].kept = NVMCS_FREE;
		n->slot[i].serves_writes = false;
		n->slot[i].hw = i;
		n->slot[i].root = NULL;
		n->slot[i].learned = false;
		n->slot[i].habit = (struct nested_habit){0};
	}
	n->bitmaps = &vm->usual;
	if (vm->shadowing)
		seam_use_bitmaps(n, n->bitmaps);
	n->foreign.root = NULL;
	n->scratch.root = NULL;
	n->scratch.count = 0;
	vept_root_leave(n);
	paging_forget_code(n);
	operand_forget(n);
}

/* Out of line: the usual case shall not pay for its stack frame. */
static __attribute__((noinline)) int write_seen(
	struct nested *n, struct gpa_l1 a, const void *src, uint32_t len)
{
	enum vept_write begun = nested_write_begins(n, a, len);
	int error = seam_l1_write(n, a, src, len);

	nested_write_ends(n, a, len, begun);
	return error;
}

int nested_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len)
{
	return nested_writes_alone(n) ? seam_l1_write(n, a, src, len)
				      : write_seen(n, a, src, len);
}

bool nested_rdmsr(const struct nested *n, uint32_t msr, uint64_t *value)
{
	if (msr == MSR_FEATURE_CONTROL) {
		*value = n->feature_control;
		return true;
	}
	if (msr < MSR_VMX_BASIC || msr >= MSR_VMX_BASIC + CAPS_MSR_COUNT)
		return false;
	*value = caps_msr(&n->vm->caps, msr);
	/* Absent: zero as a whole. All that exist have a bit set, but for these two. */
	return *value || msr == MSR_VMX_CR0_FIXED0 || msr == MSR_VMX_MISC;
}

bool nested_wrmsr(struct nested *n, uint32_t msr, uint64_t value)
{
	(void)n;
	(void)msr;
	(void)value; /* the capability MSRs are read-only, IA32_FEATURE_CONTROL is locked */
	return false;
}

static bool fits(uint64_t value, uint64_t fixed0, uint64_t fixed1)
{
	return !(fixed0 & ~value) && !(value & ~fixed1);
}

bool nested_cr0_fits(const struct nested *n, uint64_t cr0)
{
	const struct vmx_caps *c = &n->vm->caps;

	return fits(cr0, caps_msr(c, MSR_VMX_CR0_FIXED0), caps_msr(c, MSR_VMX_CR0_FIXED1));
}

bool nested_l2_cr0_fits(const struct nested *n, uint64_t cr0)
{
	const struct vmx_caps *c = &n->vm->caps;
	uint64_t free_bits = proc2_of(n->cur) & PROC2_UNRESTRICTED_GUEST ? CR0_PE | CR0_PG : 0;

	return fits(cr0, caps_msr(c, MSR_VMX_CR0_FIXED0) & ~free_bits,
		caps_msr(c, MSR_VMX_CR0_FIXED1));
}

uint64_t nested_cr0_shadow(const struct nested *n)
{
	const uint64_t *f = n->cur->f;
	uint64_t emulated = CR0_CACHE & ~f[FID_CR0_GUEST_HOST_MASK];

	return (f[FID_CR0_READ_SHADOW] & ~emulated) | (n->cr0_cache & emulated);
}

bool nested_cr4_fits(const struct nested *n, uint64_t cr4)
{
	const struct vmx_caps *c = &n->vm->caps;

	return fits(cr4, caps_msr(c, MSR_VMX_CR4_FIXED0), caps_msr(c, MSR_VMX_CR4_FIXED1));
}
