/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nested/seam.h on hardware: VMCS01, VMCS02s and shadow VMCSs of a vCPU, and their fields.
 */
#include "vm/nested_hw.h"

#include "mm/layout.h"
#include "nested/seam.h"
#include "vm/denial.h"
#include "vm/mitigate.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

static const uint16_t encoding_of[FID_COUNT] = {
#define F(name, enc, exists, group, flags) enc,
#include "spec/vmcs_fields.def"
};

uint64_t seam_vmread(enum vmcs_fid fid)
{
	return vmread(encoding_of[fid]);
}

void seam_vmread_to(enum vmcs_fid fid, uint64_t *to)
{
	vmread_to(encoding_of[fid], to);
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
	if (vcpu->vm->nested_vm->shadowing) {
		vmwrite(VMCS_VMREAD_BITMAP, hpa_of(vcpu->nested.vmread_bitmap02).v);
		vmwrite(VMCS_VMWRITE_BITMAP, hpa_of(vcpu->nested.vmwrite_bitmap02).v);
	}
	vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	denial_vmcs_create(vcpu->vm->nested_vm->l0.proc2);
	mitigate_vmcs_create(vcpu);
}

void seam_use_vmcs01(struct nested *n)
{
	struct vcpu *vcpu = vcpu_of(n);

	vmptrld(vcpu->vmcs01.hpa);
	vcpu->vmcs = &vcpu->vmcs01;
}

void seam_use_vmcs02(struct nested *n, const struct nvmcs *v)
{
	struct vcpu *vcpu = vcpu_of(n);
	struct hw_vmcs *hw = nested_hw_vmcs02(vcpu, v);

	if (hw->page == NULL)
		vmcs02_create(vcpu, hw);
	else
		vmptrld(hw->hpa);
	vcpu->vmcs = hw;
}

static struct hw_vmcs *shadow_of(struct nested *n, const struct nvmcs *v)
{
	struct vcpu *vcpu = vcpu_of(n);
	struct hw_vmcs *hw = &vcpu->nested_hw->shadow[v->hw];

	if (hw->page == NULL)
		hw_vmcs_init(hw, spare_page(vcpu), true);
	return hw;
}

void seam_use_shadow(struct nested *n, const struct nvmcs *v)
{
	vmptrld(shadow_of(n, v)->hpa);
}

struct hpa seam_shadow_hpa(struct nested *n, const struct nvmcs *v)
{
	return shadow_of(n, v)->hpa;
}

void seam_use_bitmaps(struct nested *n, const struct nested_bitmaps *b)
{
	(void)n;
	vmwrite(VMCS_VMREAD_BITMAP, hpa_of(b->read).v);
	vmwrite(VMCS_VMWRITE_BITMAP, hpa_of(b->write).v);
}

void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length)
{
	vcpu_inject(vcpu_of(n), info, error_code, length);
}
