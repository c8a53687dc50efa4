/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware side of the virtual VT-x: what a VM and a vCPU need for it, and where it is.
 */
#include "vm/nested_hw.h"

#include "cpu/asm.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "policy/memory.h"
#include "vm/memory_type.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

_Static_assert(VEPT_VCPUS >= DEV_MAX_VCPUS, "virtual EPT has a record for each vCPU");

/* What policy/memory.c counts with; vept_books_size() has one or two lists for each table. */
_Static_assert(sizeof(struct vept_pages) + sizeof(struct vept_table) +
			       sizeof(struct vept_watch) + sizeof(struct vept_scan) +
			       2 * sizeof(struct list) <=
		       MEMORY_EPT02_TABLE,
	"an EPT02 table needs more of the pool");
_Static_assert(MEMORY_MOST == DIRECT_SIZE, "the largest VM");
_Static_assert(4 * NVMCS_SLOTS + 7 <= MEMORY_VMCS_PAGES, "a vCPU needs more of the pool");
_Static_assert(MEMORY_UNIT == SIZE_2M && MEMORY_PAGE == PAGE_SIZE, "sizes of regions");

static unsigned pages_of(uint64_t bytes)
{
	return (unsigned)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

static bool create_bitmaps(struct vm *vm, struct nested_bitmaps *b)
{
	b->read = pool_get(&vm->pool);
	b->write = pool_get(&vm->pool);
	return b->read != NULL && b->write != NULL;
}

bool nested_hw_create(struct vm *vm)
{
	struct nested_vm *nv = vm->nested_vm;
	struct vept *e = &nv->vept;
	void *void_page, *apic_page;

	e->count = memory_ept02_tables(&vm->config);
	e->vcpus = vm->config.cpus;
	e->pages = pool_get_run(&vm->pool, pages_of(e->count * sizeof(struct vept_pages)));
	e->books = pool_get_run(&vm->pool, pages_of(vept_books_size(e->count)));
	if (e->pages == NULL || e->books == NULL)
		return false;
	void_page = pool_get(&vm->pool);
	apic_page = pool_get(&vm->pool);
	if (void_page == NULL || apic_page == NULL)
		return false;
	memset(void_page, 0xff, PAGE_SIZE);
	e->void_hpa = hpa_of(void_page).v;
	e->apic_hpa = hpa_of(apic_page).v;
	e->pages_hpa = hpa_of(e->pages).v;
	e->maxphyaddr = nv->caps.maxphyaddr;
	e->write_back = vm_ram_ipat(vm) != 0;
	e->small_code = vm->ept01.small_code;
	e->execute_only = caps_msr(&nv->caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_EXECUTE_ONLY;
	e->advanced_info = caps_msr(&vmx_caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_ADVANCED_INFO;
	nv->stamps = rdtsc() * 0x9e3779b97f4a7c15ull;
	nv->timer_shift = caps_timer_shift(&nv->caps, &vmx_caps);
	if (nv->shadowing && !(create_bitmaps(vm, &nv->usual) && create_bitmaps(vm, &nv->all)))
		return false;
	nested_vm_init(nv);
	return true;
}

/*
 * What the machine has of the fields that L1 has, a VMCS being current. Reading one that is not
 * there would give nothing, so they are not left to hardware.
 */
static void find_absent_fields(struct vm *vm)
{
	for (unsigned fid = 0; fid < FID_COUNT; fid++)
		if (!vmread_checked(vmcs_fields[fid].encoding))
			nested_field_absent(vm->nested_vm, (enum vmcs_fid)fid);
}

void nested_hw_controls(struct vm *vm, const struct nested_l0_controls *l0)
{
	find_absent_fields(vm);
	vm->nested_vm->l0 = *l0;
	nested_pass_msrs(vm->nested_vm, vm->msr_bitmap);
}

bool nested_hw_vcpu_create(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vcpu->nested_hw = pool_get_run(&vm->pool, pages_of(sizeof(struct nested_hw)));
	if (vcpu->nested_hw == NULL)
		return false;
	for (unsigned i = 0; i < 2 * NVMCS_SLOTS; i++) {
		vcpu->nested_hw->spare[i] = pool_get(&vm->pool);
		if (vcpu->nested_hw->spare[i] == NULL)
			return false;
	}
	vcpu->nested_hw->spares = 2 * NVMCS_SLOTS;
	vcpu->nested.scratch.page = pool_get(&vm->pool);
	if (vcpu->nested.scratch.page == NULL)
		return false;
	vcpu->nested.scratch.hpa = hpa_of(vcpu->nested.scratch.page).v;
	if (!vm->nested_vm->shadowing)
		return true;
	vcpu->nested.vmread_bitmap02 = pool_get(&vm->pool);
	vcpu->nested.vmwrite_bitmap02 = pool_get(&vm->pool);
	if (vcpu->nested.vmread_bitmap02 == NULL || vcpu->nested.vmwrite_bitmap02 == NULL)
		return false;
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		if (!create_bitmaps(vm, &vcpu->nested.own[i]))
			return false;
	return true;
}

static void take_back(struct nested_hw *hw, struct hw_vmcs *v)
{
	if (v->page == NULL)
		return;
	hw_vmcs_clear(v);
	memset(v->page, 0, PAGE_SIZE);
	hw->spare[hw->spares++] = v->page;
	v->page = NULL;
}

void nested_hw_reset(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		take_back(vcpu->nested_hw, &vcpu->nested_hw->vmcs02[i]);
		take_back(vcpu->nested_hw, &vcpu->nested_hw->shadow[i]);
	}
}

/* ---- the physical CPU ---- */

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
