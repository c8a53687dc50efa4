/*
 * A VM's life: its memory, address space and vCPUs, and its end.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "vm/nested_glue.h"

#define POOL_BASE_SIZE   (8ull << 20)
#define POOL_SHARE_SHIFT 6             /* plus a 64th of the VM's memory */
#define BOOT_EPOCH       1767225600ull /* 2026-01-01, when the machine's clock is not read */

static uint64_t round_2m(uint64_t v)
{
	return (v + SIZE_2M - 1) & ~(SIZE_2M - 1);
}

/* RAM and pool are one region each, in this VM's address space only. */
static bool take_region(uint64_t cr3, uint64_t size, bool zeroed, struct hpa *out)
{
	if (!page_alloc(size, SIZE_2M, PAGE_ANYWHERE, out))
		return false;
	if (!zeroed)
		memset(direct_va(*out), 0, size);
	return paging_map_direct(cr3, *out, size, PT_RW_DATA);
}

static bool map_slot(struct vm *vm, uint64_t gpa, struct hpa hpa, uint64_t size)
{
	vm->slots[vm->slot_count++] = (struct mem_slot){gpa, size, hpa};
	return ept_map(&vm->ept01, gpa, hpa, size, EPT_RWX, EPT_WB);
}

static bool create_memory(struct vm *vm, bool zeroed)
{
	uint64_t size = vm->config.memory, low = size;
	struct hpa ram;

	if (!take_region(vm->host_cr3, size, zeroed, &ram))
		return false;
	if (low > DEV_PCI_HOLE_START)
		low = DEV_PCI_HOLE_START;
	if (!ept_init(&vm->ept01, &vm->pool) || !map_slot(vm, 0, ram, low))
		return false;
	return low == size || map_slot(vm, BIT64(32), (struct hpa){ram.v + low}, size - low);
}

static struct vm_box *create_box(const struct vm_config *config, bool zeroed)
{
	const struct vm wanted = {.config = *config};
	uint64_t size = POOL_BASE_SIZE + (config->memory >> POOL_SHARE_SHIFT);
	uint64_t box_size = (sizeof(struct vm_box) + PAGE_MASK) & ~PAGE_MASK;
	struct vm_box *box;
	struct hpa region;
	uint64_t cr3;

	if (config->vmx)
		size += nested_glue_pool_need(&wanted);
	size = round_2m(size);
	if (!paging_create(&cr3) || !take_region(cr3, size, zeroed, &region))
		return NULL;
	box = direct_va(region);
	box->vm.config = *config;
	box->vm.host_cr3 = cr3;
	box->vm.platform = &box->platform;
	box->vm.nested_vm = &box->nested_vm;
	box->vm.explain = &box->explain;
	box->vm.lock.rank = LOCK_VM;
	box->vm.platform_lock.rank = LOCK_PLATFORM;
	pool_init(&box->vm.pool, (uint8_t *)box + box_size, size - box_size);
	return box;
}

/* IA32_DEBUGCTL: L1 may write any bit of it (msrs.def), so that the default stands. */
void vm_derive_caps(struct vm *vm, uint64_t cr4_valid)
{
	struct caps_policy policy = caps_policy_default();

	policy.features = vm->config.vmx_features;
	policy.cr4_valid &= cr4_valid;
	policy.efer_valid = EFER_OFFERED;
	if (!vm->config.shadow)
		policy.features &= ~caps_feature_by_name("shadow", 6);
	caps_derive(&vm->nested_vm->caps, &vmx_caps, &policy);
}

static bool create_nested(struct vm *vm)
{
	vm_derive_caps(vm, UINT64_MAX); /* CR4 follows with the first vCPU's CPUID */
	vm->nested_vm->shadowing = vm->config.shadow &&
				   vmx_allowed1(MSR_VMX_PROC2) & PROC2_VMCS_SHADOWING &&
				   caps_msr(&vmx_caps, MSR_VMX_MISC) & MISC_VMWRITE_ANY;
	return nested_glue_create(vm);
}

static bool create_void_page(struct vm *vm)
{
	void *page = pool_get(&vm->pool);

	if (page == NULL)
		return false;
	memset(page, 0xff, PAGE_SIZE);
	vm->void_page = hpa_of(page);
	return true;
}

static bool create_parts(struct vm_box *box, bool zeroed)
{
	struct vm *vm = &box->vm;
	struct platform_config p = {
		.vcpus = vm->config.cpus,
		.tsc_khz = tsc_khz,
		.memory = vm->config.memory,
		.boot_epoch = BOOT_EPOCH,
	};

	vm->msr_bitmap = pool_get(&vm->pool);
	if (vm->msr_bitmap == NULL || !create_memory(vm, zeroed))
		return false;
	if (!create_void_page(vm))
		return false;
	msr_fill_bitmap(vm->msr_bitmap);
	vm->tsc_offset = -rdtsc();
	platform_reset(vm->platform, &p);
	if (vm->config.vmx && !create_nested(vm))
		return false;
	for (unsigned i = 0; i < vm->config.cpus; i++) {
		vm->vcpus[i] = vcpu_create(vm, i);
		if (vm->vcpus[i] == NULL)
			return false;
	}
	return true;
}

struct vm *vm_create(const struct vm_config *config, unsigned id, bool ram_zeroed)
{
	struct vm_box *box = create_box(config, ram_zeroed);

	if (box != NULL) {
		box->vm.id = id;
		if (create_parts(box, ram_zeroed))
			return &box->vm;
	}
	log_error("'%s': not enough memory on this machine for a VM of %lu MiB (%lu MiB free)",
		config->name, config->memory >> 20, page_available() >> 20);
	return NULL;
}

void vm_start(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		sched_add(vm->vcpus[i]);
	mux_record("vm-start vm=%s tsc=%lu", vm->config.name, rdtsc());
}

void vm_stop(struct vm *vm, enum vm_end end, uint32_t value, const char *why)
{
	enum vm_end runs = VM_RUNS;

	if (!__atomic_compare_exchange_n(
		    &vm->end, &runs, end, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	vm->end_value = value;
	if (end == VM_END_ERROR || end == VM_END_L0_FAULT)
		log_error("'%s' stopped: %s", vm->config.name, why);
	else
		log_info("'%s' ended: %s", vm->config.name, why);
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_post(vm->vcpus[i], EVENT_STOP);
}
