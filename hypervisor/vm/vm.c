/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's life: its memory, address space and vCPUs, and its end.
 */
#include "vm/create.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/clock.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "policy/changes.h"
#include "policy/memory.h"
#include "policy/msr.h"
#include "policy/scenario.h"
#include "spec/cpu_features.h"
#include "vm/bad_memory.h"
#include "vm/change.h"
#include "vm/ecam.h"
#include "vm/explain.h"
#include "vm/iommu.h"
#include "vm/memory_type.h"
#include "vm/mitigate.h"
#include "vm/nested_hw.h"
#include "vm/network.h"
#include "vm/place.h"
#include "vm/ram.h"
#include "vm/screen.h"
#include "vm/streams.h"
#include "vm/vm_log.h"

_Static_assert(DEV_PCI_HOLE_START == ONE_TO_ONE_HOLE_START, "no RAM where devices are");

static bool map_slot(struct vm *vm, uint64_t gpa, struct hpa hpa, uint64_t size, uint8_t *host)
{
	vm->slots[vm->slot_count++] = (struct mem_slot){gpa, size, hpa, host, 0};
	vm->fixed_count = vm->slot_count;
	return ept_map(&vm->ept01, gpa, hpa, size, EPT_RWX | vm_ram_ipat(vm), MEMTYPE_WB);
}

/* EPT01 maps it when it is accessed. */
static void place_moving(struct vm *vm, struct vm_ram *r, uint64_t low)
{
	uint64_t size = vm->config.memory, high = size - low;

	vm->ram = r;
	ram_begin(r, low);
	vm->slots[vm->slot_count++] =
		(struct mem_slot){.gpa = 0, .size = low, .host = r->window};
	if (high != 0)
		vm->slots[vm->slot_count++] = (struct mem_slot){
			.gpa = BIT64(32), .size = high, .host = r->window + low, .offset = low};
}

/* A piece of RAM from its start in all of RAM on, which the hole may cut. */
static bool map_piece(struct vm *vm, const struct vm_memory *m, unsigned i, uint64_t low)
{
	struct mem_slot piece = m->ram[i];
	uint64_t below = piece.gpa < low ? low - piece.gpa : 0;

	below = below < piece.size ? below : piece.size;
	if (below != 0 &&
		!map_slot(vm, piece.gpa, piece.hpa, below, place_host(m, i, piece.gpa)))
		return false;
	piece.gpa += below;
	piece.hpa.v += below;
	piece.size -= below;
	return piece.size == 0 || map_slot(vm, BIT64(32) + (piece.gpa - low), piece.hpa,
					  piece.size, place_host(m, i, piece.gpa));
}

/* low: how much of all of it is below 4 GiB. */
static bool map_memory(struct vm *vm, const struct vm_memory *m, uint64_t low)
{
	if (m->moving != NULL) {
		place_moving(vm, m->moving, low);
		return true;
	}
	for (unsigned i = 0; i < m->ram_count; i++) {
		const struct mem_slot *r = &m->ram[i];

		if (vm_config_one_to_one(&vm->config)
				? !map_slot(vm, r->gpa, r->hpa, r->size, direct_va(r->hpa))
				: !map_piece(vm, m, i, low))
			return false;
	}
	return true;
}

static void add_ram(struct vm_memory *m, uint64_t gpa, struct hpa hpa, uint64_t size)
{
	m->ram[m->ram_count++] = (struct mem_slot){gpa, size, hpa, NULL, 0};
}

static bool plan_one_to_one(uint64_t size, struct one_to_one *plan)
{
	static struct one_to_one_range free[PAGE_MAX_RANGES]; /* more than the stack holds */
	unsigned n = 0;

	while (n < PAGE_MAX_RANGES && page_free_range(n, &free[n].start, &free[n].size))
		n++;
	return one_to_one_plan(free, n, size, plan);
}

/*
 * No CPU runs a VM yet. What is below 1 MiB in the machine is not used by L0 from now on: a
 * driver that has a device write to low memory hits nothing there.
 */
static bool take_one_to_one(struct vm_memory *m, uint64_t size, bool zeroed)
{
	struct one_to_one plan;
	struct hpa low;

	page_reserve(0, BIT64(20));
	if (!plan_one_to_one(size, &plan))
		return false;
	for (unsigned i = 1; i < plan.count; i++)
		page_reserve(plan.region[i].start, plan.region[i].size);
	if (!place_region(m, plan.region[0].size, zeroed, &low))
		return false;
	add_ram(m, 0, low, plan.region[0].size);
	for (unsigned i = 1; i < plan.count; i++) {
		struct hpa at = {plan.region[i].start};

		if (!zeroed)
			place_wipe(at, plan.region[i].size);
		if (!paging_map_direct(m->cr3, at, plan.region[i].size, PT_RW_DATA))
			return false;
		add_ram(m, at.v, at, plan.region[i].size);
	}
	return true;
}

static void tell_ram(const struct vm_config *config, const struct vm_memory *m)
{
	for (unsigned i = 0; i < m->ram_count && vm_config_one_to_one(config); i++)
		log_info("memory of '%s', %s: 0x%lx to 0x%lx", config->name,
			i == 0 ? "for the CPU only" : "one to one", m->ram[i].gpa,
			m->ram[i].gpa + m->ram[i].size);
}

/* Whole pages: who shares one with an image is another image, or an initial RAM disk. */
static bool map_image(uint64_t cr3, const struct vm_file *f)
{
	uint64_t first = f->start & ~PAGE_MASK;
	uint64_t end = (f->start + f->size + PAGE_MASK) & ~PAGE_MASK;

	return paging_map_direct(cr3, (struct hpa){first}, end - first, PT_P | PT_XD);
}

static bool map_images(uint64_t cr3, const struct vm_images *images)
{
	for (unsigned i = 0; i < images->disk_count; i++)
		if (!map_image(cr3, &images->disks[i].image))
			return false;
	for (unsigned i = 0; i < images->cdrom_count; i++)
		if (!map_image(cr3, &images->cdroms[i].image))
			return false;
	/* What its drives may be given. */
	for (unsigned i = 0; images->cdrom_count != 0 && i < images->store->count; i++)
		if (!map_image(cr3, &images->store->at[i].file))
			return false;
	return true;
}

static bool take_moving(
	struct vm_memory *m, const struct vm_config *config, unsigned id, bool zeroed)
{
	m->books_size = memory_books_size(config);
	if (!place_region(m, m->books_size, zeroed, &m->books))
		return false;
	m->moving = ram_create(m, config, id, zeroed);
	return m->moving != NULL;
}

static bool take_all_ram(
	struct vm_memory *m, const struct vm_config *config, unsigned id, bool zeroed)
{
	if (config->reserve != 0)
		return take_moving(m, config, id, zeroed);
	return vm_config_one_to_one(config) ? take_one_to_one(m, config->memory, zeroed)
					    : place_ram(m, config, zeroed);
}

static const uint8_t *window_of(const struct vm_memory *m)
{
	return m->moving != NULL ? m->moving->window : m->window;
}

void vm_memory_enter(const struct vm_memory *m)
{
	if (m->making == 0)
		return;
	paging_follow(m->making, sched_boot_space);
	ram_show_window(window_of(m), m->making, m->cr3);
	sched_use_address_space(m->making);
}

bool vm_memory_take(
	const struct vm_images *images, unsigned id, bool ram_zeroed, struct vm_memory *m)
{
	const struct vm_config *config = &images->config;

	*m = (struct vm_memory){.vm = id,
		.pool_size = memory_pool_size(config),
		.kept_size = memory_kept_size(config)};
	place_nodes(m, config);
	if (!sched_reserve(id, config->cpus)) {
		log_error(
			"'%s': all VMs together have %u vCPUs at most, in rows of free numbers",
			config->name, SCHED_NODES);
		return false;
	}
	if (paging_create(&m->cr3) && network_map(m->cr3, config) && iommu_map(m->cr3) &&
		ecam_map(m->cr3) && place_region(m, m->pool_size, ram_zeroed, &m->pool) &&
		take_all_ram(m, config, id, ram_zeroed) && map_images(m->cr3, images) &&
		(window_of(m) == NULL || paging_create_beside(&m->making))) {
		tell_ram(config, m);
		place_tell(m, config);
		return true;
	}
	vm_memory_give_back(m);
	log_error("'%s': not enough memory on this machine for a VM of %lu MiB (%lu MiB free)",
		config->name, memory_ram_size(config) >> 20, page_available() >> 20);
	return false;
}

void vm_memory_give_back(const struct vm_memory *m)
{
	sched_release(m->vm);
	place_leave(m);
	for (unsigned i = 0; i < m->ram_count; i++)
		page_free(m->ram[i].hpa, m->ram[i].size);
	if (m->pool.v != 0)
		page_free(m->pool, m->pool_size);
	if (m->moving != NULL)
		ram_destroy(m->moving, m->cr3);
	if (m->books.v != 0)
		page_free(m->books, m->books_size);
	if (m->making != 0)
		paging_destroy_beside(m->making);
	if (m->cr3 != 0)
		paging_destroy(m->cr3);
}

static void start_kept(struct vm_kept *k, uint8_t *start, uint64_t size)
{
	*k = (struct vm_kept){.start = start, .size = size, .used = PAGE_SIZE};
	if (size == 0)
		return;
	k->again = *start != 0;
	*start = 1;
}

void *vm_keep(struct vm *vm, uint64_t size)
{
	struct vm_kept *k = &vm->kept;
	uint64_t whole = (size + PAGE_MASK) & ~PAGE_MASK;

	if (k->size < k->used || whole > k->size - k->used)
		return NULL;
	k->used += whole;
	return k->start + k->used - whole;
}

static struct vm_box *create_box(const struct vm_config *config, const struct vm_memory *m)
{
	uint64_t box_size = (sizeof(struct vm_box) + PAGE_MASK) & ~PAGE_MASK;
	struct vm_box *box = direct_va(m->pool);

	box->vm.config = *config;
	box->vm.host_cr3 = m->cr3;
	memcpy(box->vm.home, m->home, sizeof(m->home));
	box->vm.platform = &box->platform;
	box->vm.devices = &box->devices;
	box->vm.nested_vm = &box->nested_vm;
	box->vm.explain = &box->explain;
	box->vm.lock = SPINLOCK(LOCK_VM);
	box->vm.platform_lock = SPINLOCK(LOCK_PLATFORM);
	box->vm.at_unlock = config->cpus > 1 ? UNLOCK_LOCK : 0;
	pool_init(&box->vm.pool, (uint8_t *)box + box_size,
		m->pool_size - box_size - m->kept_size);
	start_kept(&box->vm.kept, (uint8_t *)box + m->pool_size - m->kept_size, m->kept_size);
	return box;
}

/*
 * Bits of IA32_DEBUGCTL that this machine has (SDM 17.4.1 "IA32_DEBUGCTL MSR"): hardware
 * refuses an entry with another one set.
 */
static uint64_t debugctl_of_machine(void)
{
	struct cpuid_regs features = cpuid(1, 0);
	uint64_t bits = DEBUGCTL_LBR | DEBUGCTL_BTF;

	if (features.edx & BIT(21))
		bits |= DEBUGCTL_DS;
	if (cpuid(0, 0).eax >= 0xa && (cpuid(0xa, 0).eax & 0xff) >= 2)
		bits |= DEBUGCTL_FREEZE_ON_PMI;
	if (features.ecx & BIT(15) && rdmsr(MSR_PERF_CAPABILITIES) & PERF_CAP_FREEZE_WHILE_SMM)
		bits |= DEBUGCTL_FREEZE_WHILE_SMM;
	return bits;
}

/* Controls on instructions that the VM does not see: no processor has the one alone. */
static uint64_t without_hidden(const struct vm *vm, uint64_t vmx_features)
{
	static const struct {
		uint8_t cpu, vmx; /* enum cpu_feature, enum caps_feature */
	} pairs[] = {
		{CPU_FEATURE_INVPCID, CAPS_FEATURE_INVPCID},
		{CPU_FEATURE_XSAVES, CAPS_FEATURE_XSAVES},
		{CPU_FEATURE_WAITPKG, CAPS_FEATURE_USER_WAIT},
		{CPU_FEATURE_RDRAND, CAPS_FEATURE_RDRAND},
		{CPU_FEATURE_RDSEED, CAPS_FEATURE_RDSEED},
	};
	uint64_t seen = features_with_needs(&cpu_feature_family, vm->config.cpu_features);

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (!(seen >> pairs[i].cpu & 1))
			vmx_features &= ~(1ull << pairs[i].vmx);
	return vmx_features;
}

void vm_derive_caps(struct vm *vm, uint64_t cr4_valid, uint64_t cet_valid)
{
	struct caps_policy policy = caps_policy_default();

	policy.features = without_hidden(vm, vm->config.vmx_features);
	policy.cr4_valid &= cr4_valid;
	policy.cet_valid &= cet_valid;
	policy.efer_valid = EFER_OFFERED;
	policy.debugctl_valid &= debugctl_of_machine();
	if (!vm->config.shadow)
		policy.features &= ~caps_feature_by_name("shadow", 6);
	caps_derive(&vm->nested_vm->caps, &vmx_caps, &policy);
}

static bool create_nested(struct vm *vm)
{
	/* CR4 and CET follow with the first vCPU's CPUID. */
	vm_derive_caps(vm, UINT64_MAX, UINT64_MAX);
	vm->nested_vm->shadowing = vm->config.shadow &&
				   vmx_allowed1(MSR_VMX_PROC2) & PROC2_VMCS_SHADOWING &&
				   caps_msr(&vmx_caps, MSR_VMX_MISC) & MISC_VMWRITE_ANY;
	vm->nested_vm->explaining = vm_explaining();
	return nested_hw_create(vm);
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

static bool create_parts(
	struct vm_box *box, const struct vm_images *images, const struct vm_memory *memory)
{
	struct vm *vm = &box->vm;
	struct platform_config p = {
		.vcpus = vm->config.cpus,
		.tsc_khz = tsc_khz,
		.memory = vm->config.memory,
		.root_ports = vm->config.root_ports,
		.firmware_log = vm->config.firmware_log,
		.display = vm->config.display == DISPLAY_RAMFB,
		.vga = vm->config.display == DISPLAY_TEXT,
		.vtd = vm->config.iommu == IOMMU_VTD,
		.hpet = vm->config.hpet,
		.ram_stays = memory->moving == NULL,
	};

	place_describe(vm, &p);
	box->platform.lapic = pool_get_run(
		&vm->pool, (unsigned)(p.vcpus * sizeof(struct vlapic) / PAGE_SIZE));
	vm->msr_bitmap = pool_get(&vm->pool);
	if (box->platform.lapic == NULL || vm->msr_bitmap == NULL ||
		!ept_init(&vm->ept01, &vm->pool, mitigate_small_code()))
		return false;
	if (images->firmware.size != 0 && !firmware_create(vm, images, &p))
		return false;
	if (!map_memory(vm, memory, platform_low_memory(&p)))
		return false;
	if (!create_void_page(vm))
		return false;
	msr_bitmap_fill(vm->msr_bitmap);
	if (!apicv_create(vm))
		return false;
	p.apicv = vm->apicv.on;
	p.boot_epoch = clock_now(&p.boot_ticks);
	vm->tsc_offset = -rdtsc();
	if (!screen_create(vm) || !devices_create(vm, images) || !devices_reset(vm, &p))
		return false;
	if (vm->config.vmx && !create_nested(vm))
		return false;
	if (l0_config()->selftest == L0_SELFTEST_STATE && !selftest_create(vm))
		return false;
	for (unsigned i = 0; i < vm->config.cpus; i++) {
		vm->vcpus[i] = vcpu_create(vm, i);
		if (vm->vcpus[i] == NULL)
			return false;
	}
	return true;
}

struct vm *vm_create(struct vm_images *images, unsigned id, const struct vm_memory *memory)
{
	struct vm_box *box = create_box(&images->config, memory);

	box->vm.id = id;
	box->vm.first_vpid = (uint16_t)(1 + sched_first_node(id) * VPIDS_PER_VCPU);
	box->vm.config.boot = changes_take_order(images);
	if (create_parts(box, images, memory)) {
		uint64_t left = pool_untouched(&box->vm.pool);
		uint64_t later = memory_pool_later(&box->vm.config);

		box->vm.pool_spare = left > later ? left - later : 0;
		return &box->vm;
	}
	log_error("'%s': its pool of %lu MiB is too small", images->config.name,
		memory->pool_size >> 20);
	return NULL;
}

void vm_start(struct vm *vm)
{
	unsigned cpus = vm->config.cpus, id = vm->id;

	passed_begin(vm);

	/* Once the last vCPU is in a queue the VM may end on another CPU, and its memory be
	 * wiped. */
	vm_record(vm, "vm-start vm=%s tsc=%lu", vm->config.name, rdtsc());
	for (unsigned i = 0; i < cpus; i++) {
		struct sched_node *node;

		if (l0_config()->requests) /* one may have come that found no vCPU */
			vm->vcpus[i]->events |= EVENT_MANAGE;
		if (i == 0) /* likewise: it had its memory already */
			vm->vcpus[i]->events |= EVENT_BAD_MEMORY;
		node = sched_add(vm->vcpus[i]);

		if (i == 0)
			passed_listen(id, node);
	}
	/* Those that came behind the first one have the weight of when the VM was made. */
	change_follow_cpus(id);
}

void vm_stop(struct vm *vm, enum vm_end end, uint32_t value, const char *why)
{
	enum vm_end runs = VM_RUNS;

	if (!__atomic_compare_exchange_n(
		    &vm->end, &runs, end, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	vm->end_value = value;
	if (end == VM_END_ERROR || end == VM_END_L0_FAULT)
		vm_log(vm, LOG_ERROR, "'%s' stopped: %s", vm->config.name, why);
	else
		vm_log(vm, LOG_INFO, "'%s' ended: %s", vm->config.name, why);
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_post(vm->vcpus[i], EVENT_STOP);
}
