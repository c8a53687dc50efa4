/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/mitigate.h"

#include "cpu/asm.h"
#include "cpu/branches.h"
#include "cpu/config.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "policy/msr.h"
#include "vm/nested_hw.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

static struct mitigations machine; /* constant after mitigate_judge */
static uint64_t arch_caps;
static uint32_t tenants; /* vCPUs that were made; atomic */
static uint64_t barriers, flushes;

static bool does(uint32_t actions)
{
	return machine.actions & actions;
}

/* ---- the machine ---- */

static struct cpuid_leaf leaf_of(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = cpuid_or_none(leaf, subleaf);

	return (struct cpuid_leaf){r.eax, r.ebx, r.ecx, r.edx};
}

static struct speculation_facts read_facts(void)
{
	struct cpuid_leaf vendor = leaf_of(0, 0), features = leaf_of(1, 0);
	struct cpuid_leaf extended = leaf_of(CPUID_LEAF_FEATURES, 0), more = {0};
	struct cpuid_leaf topology = leaf_of(CPUID_LEAF_TOPOLOGY, 0);

	if (extended.eax >= 2)
		more = leaf_of(CPUID_LEAF_FEATURES, 2);
	if (extended.edx & cpuid_mask(CPUID_ARCH_CAPABILITIES))
		arch_caps = rdmsr(MSR_ARCH_CAPABILITIES);
	return speculation_facts_of(&vendor, &features, &extended, &more, &topology, arch_caps);
}

static void log_issues(void)
{
	for (unsigned i = 0; i < SPECULATION_COUNT; i++)
		log_info("%s: %s%s", speculation_name((enum speculation_issue)i),
			mitigation_state_text((enum mitigation_state)machine.issue[i].state),
			machine.issue[i].what);
	if (does(MITIGATION_THUNKS))
		log_info("indirect branches and returns in thunks: %u", branches_count());
	if (leaf_of(1, 0).ecx & cpuid_mask(CPUID_HYPERVISOR))
		log_info("a hypervisor is below: what needs microcode here, it does not offer");
}

void mitigate_judge(void)
{
	enum mitigation_mode mode = l0_config()->mitigations;
	struct speculation_facts facts = read_facts();

	facts.one_vm = l0_config()->threads == L0_THREADS_ONE_VM;
	facts.software_tlb = l0_config()->machine.is_emulator;
	facts.large_code = l0_config()->code_pages == L0_CODE_PAGES_LARGE;
	mitigations_judge(&facts, mode, &machine);
	if (l0_config()->code_pages == L0_CODE_PAGES_SMALL)
		machine.actions |= MITIGATION_SMALL_CODE;
	if (l0_config()->branches == L0_BRANCHES_THUNKS)
		machine.actions |= MITIGATION_THUNKS;
	if (!does(MITIGATION_THUNKS))
		branches_make_direct();
}

void mitigate_init(void)
{
	if (does(MITIGATION_FILL_RSB | MITIGATION_CLEAR_REGS | MITIGATION_CLEAR_HISTORY))
		vmx_guard_exits(does(MITIGATION_CLEAR_HISTORY));
	log_issues();
}

bool mitigate_allows(unsigned vms)
{
	enum speculation_issue open = mitigations_open(&machine);

	if (l0_config()->mitigations != MITIGATIONS_STRICT || vms <= 1 ||
		open == SPECULATION_COUNT)
		return true;
	log_error("mitigations=strict: this processor runs one VM, not %u: %s: %s%s", vms,
		speculation_name(open), mitigation_state_text(MITIGATION_OPEN),
		machine.issue[open].what);
	return false;
}

bool mitigate_small_code(void)
{
	return does(MITIGATION_SMALL_CODE);
}

unsigned mitigate_thread_bits(void)
{
	struct cpuid_leaf topology = leaf_of(CPUID_LEAF_TOPOLOGY, 0);

	/* Bits may be set aside for threads that are not there, or off. */
	return (topology.ecx & 0xff00) == CPUID_LEVEL_SMT && (topology.ebx & 0xffff) > 1
		       ? topology.eax & 31
		       : 0;
}

uint32_t mitigate_unused_threads(void)
{
	if (l0_config()->mitigations != MITIGATIONS_NOSMT)
		return 0;
	return (1u << mitigate_thread_bits()) - 1;
}

void mitigate_cpu(void)
{
	struct percpu *c = this_cpu();
	uint64_t host = mitigations_host_spec_ctrl(&machine);

	c->guards = (uint8_t)((does(MITIGATION_FLUSH_L1D) ? DETOUR_FLUSH : 0) |
			      (does(MITIGATION_BARRIER) ? DETOUR_BARRIER : 0));
	if (does(MITIGATION_CLEAR_BUFFERS))
		__atomic_fetch_or(&c->detour, DETOUR_CLEAR, __ATOMIC_RELAXED);
	if (host != 0)
		wrmsr(MSR_SPEC_CTRL, host);
	if (does(MITIGATION_TSX_OFF))
		wrmsr(MSR_TSX_CTRL,
			rdmsr(MSR_TSX_CTRL) | TSX_CTRL_RTM_DISABLE | TSX_CTRL_CPUID_CLEAR);
	if (does(MITIGATION_MCU_OPT)) {
		uint64_t v = rdmsr(MSR_MCU_OPT_CTRL), on = v & ~MCU_OPT_RNGDS_DIS;

		if (!(v & MCU_OPT_GDS_LOCK))
			on &= ~MCU_OPT_GDS_DIS;
		if (on != v)
			wrmsr(MSR_MCU_OPT_CTRL, on);
	}
}

/* ---- the way into guests ---- */

static void barrier(void)
{
	wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
	__atomic_fetch_add(&barriers, 1, __ATOMIC_RELAXED);
}

/* What a NMI sets meanwhile stays; what comes up during the work is done before the entry. */
struct vcpu *vcpu_guard(struct vcpu *vcpu)
{
	uint8_t work = __atomic_fetch_and(&this_cpu()->detour,
		(uint8_t) ~(DETOUR_FLUSH | DETOUR_BARRIER), __ATOMIC_RELAXED);

	if (work & DETOUR_BARRIER)
		barrier();
	if (work & DETOUR_FLUSH) {
		wrmsr(MSR_FLUSH_CMD, FLUSH_CMD_L1D);
		__atomic_fetch_add(&flushes, 1, __ATOMIC_RELAXED);
	}
	return vcpu;
}

/*
 * L1 and L2 run in the same mode of the processor, whose IBRS keeps guests and L0 apart, not
 * these two.
 */
void mitigate_left_l2(void)
{
	barrier();
}

void mitigate_report(void)
{
	if (barriers != 0 || flushes != 0)
		log_info(
			"barriers of branch predictors: %lu, flushes of the L1 data cache: %lu",
			barriers, flushes);
}

/* ---- IA32_SPEC_CTRL of L1 and L2 ---- */

/*
 * Hardware loads what the guest has, stores it again and loads what L0 has: by the MSR lists of
 * the VMCS, so that there is no moment in between (SDM 26.4, 27.4, 27.6).
 */
static void write_lists(const struct vcpu *vcpu)
{
	uint64_t guest = hpa_of(&vcpu->spec_ctrl).v, host = hpa_of(&vcpu->spec_ctrl_host).v;

	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, guest);
	vmwrite(VMCS_EXIT_MSR_STORE_ADDR, guest);
	vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, host);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
}

void mitigate_vmcs_create(const struct vcpu *vcpu)
{
	if (vcpu->spec_ctrl_listed)
		write_lists(vcpu);
}

uint64_t *mitigate_msr_bitmap(const struct vcpu *vcpu, bool x2apic)
{
	const struct vm *vm = vcpu->vm;

	if (vcpu->spec_ctrl_passes)
		return vm->spec_ctrl_bitmap[x2apic];
	return x2apic ? vm->apicv.msr_bitmap : vm->msr_bitmap;
}

/* In all VMCSs of the vCPU; afterwards the same one is current. */
static void list_everywhere(struct vcpu *vcpu)
{
	struct hw_vmcs *current = vcpu->vmcs;

	vcpu->spec_ctrl_listed = true;
	hw_vmcs_load(&vcpu->vmcs01);
	write_lists(vcpu);
	for (unsigned i = 0; vcpu->nested_hw != NULL && i < NVMCS_SLOTS; i++) {
		if (vcpu->nested_hw->vmcs02[i].page == NULL)
			continue;
		hw_vmcs_load(&vcpu->nested_hw->vmcs02[i]);
		write_lists(vcpu);
	}
	hw_vmcs_load(current);
}

static uint64_t *copy_bitmap(struct vm *vm, const uint64_t *from)
{
	uint64_t *bitmap = from != NULL ? pool_get(&vm->pool) : NULL;

	for (unsigned i = 0; bitmap != NULL && i < PAGE_SIZE / sizeof(*from); i++)
		bitmap[i] = from[i];
	if (bitmap != NULL) {
		msr_bitmap_allow(bitmap, MSR_SPEC_CTRL, false);
		msr_bitmap_allow(bitmap, MSR_SPEC_CTRL, true);
	}
	return bitmap;
}

/* Pages for it are made when the first vCPU asks; false: there are none. */
static bool have_bitmaps(struct vm *vm)
{
	bool have;

	vm_lock(vm);
	if (vm->spec_ctrl_bitmap[0] == NULL) {
		vm->spec_ctrl_bitmap[1] = copy_bitmap(vm, vm->apicv.msr_bitmap);
		vm->spec_ctrl_bitmap[0] = copy_bitmap(vm, vm->msr_bitmap);
	}
	have = vm->spec_ctrl_bitmap[0] != NULL &&
	       (!vm->apicv.on || vm->spec_ctrl_bitmap[1] != NULL);
	vm_unlock(vm);
	return have;
}

/*
 * From its first value other than 0 on the register is the vCPU's. L1 reaches it without an
 * exit then, if there is memory for the bitmaps. A value of L1's VM-entry MSR-load list comes
 * when VMCS02 is current already.
 */
static void take_register(struct vcpu *vcpu)
{
	if (!vcpu->spec_ctrl_listed)
		list_everywhere(vcpu);
	if (vcpu->spec_ctrl_passes || vcpu->vmcs != &vcpu->vmcs01 || !have_bitmaps(vcpu->vm))
		return;
	vcpu->spec_ctrl_passes = true;
	vmwrite(VMCS_MSR_BITMAP,
		hpa_of(mitigate_msr_bitmap(vcpu, vcpu->apic_mode == DEV_APIC_X2APIC)).v);
}

void mitigate_set_spec_ctrl(struct vcpu *vcpu, uint64_t value)
{
	vcpu->spec_ctrl.value = value;
	if (value != 0)
		take_register(vcpu);
}

bool mitigate_rdmsr(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (!speculation_readable(&vcpu->speculation, msr))
		return false;
	*value = msr == MSR_SPEC_CTRL ? vcpu->spec_ctrl.value : vcpu->speculation.arch_caps;
	return true;
}

bool mitigate_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (!speculation_takes(&vcpu->speculation, msr, value))
		return false;
	if (msr == MSR_SPEC_CTRL)
		mitigate_set_spec_ctrl(vcpu, value);
	else
		wrmsr(msr, value);
	return true;
}

/* ---- vCPUs ---- */

/* Commands need no exit: they leave nothing behind that is L0's or another's. */
static void allow_commands(struct vm *vm, const struct speculation_offer *o)
{
	uint64_t *const bitmaps[] = {vm->msr_bitmap, vm->apicv.msr_bitmap};

	for (unsigned i = 0; i < 2 && bitmaps[i] != NULL; i++) {
		if (o->has_pred_cmd)
			msr_bitmap_allow(bitmaps[i], MSR_PRED_CMD, true);
		if (o->has_flush_cmd)
			msr_bitmap_allow(bitmaps[i], MSR_FLUSH_CMD, true);
	}
}

void mitigate_vcpu_create(struct vcpu *vcpu)
{
	speculation_offer_make(&vcpu->speculation, vcpu->cpuid, arch_caps | machine.free_of);
	if (vcpu->index == 0)
		allow_commands(vcpu->vm, &vcpu->speculation);
	/* L2 of one vCPU and L1 of another are no more to each other than VMs are. */
	if (vcpu->vm->config.vmx || vcpu->index == 0)
		vcpu->tenant = 1 + __atomic_fetch_add(&tenants, 1, __ATOMIC_RELAXED);
	else
		vcpu->tenant = vcpu->vm->vcpus[0]->tenant;
	vcpu->spec_ctrl = (struct msr_list_entry){.index = MSR_SPEC_CTRL};
	vcpu->spec_ctrl_host = (struct msr_list_entry){
		.index = MSR_SPEC_CTRL, .value = mitigations_host_spec_ctrl(&machine)};
	vcpu->barrier_at_exit =
		does(MITIGATION_NESTED_BARRIER) && vcpu->speculation.has_pred_cmd;
	vcpu->spec_ctrl_listed =
		does(MITIGATION_IBRS_AT_EXIT) && vcpu->speculation.spec_ctrl != 0;
	mitigate_vmcs_create(vcpu);
}

void mitigate_vcpu_reset(struct vcpu *vcpu)
{
	vcpu->spec_ctrl.value = 0;
}
