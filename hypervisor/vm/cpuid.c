/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's CPUID: the policy's table of a vCPU, and the exit.
 */
#include "vm/create.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/leaves.h"
#include "cpu/tsc.h"
#include "policy/cpuid.h"
#include "policy/nodes.h"
#include "vmx/asm.h"

/* What is switched, the same for all vCPUs and VMs: it depends on the machine only. */
static uint64_t xcr0_mask = 1;

uint64_t cpuid_xcr0_mask(void)
{
	return xcr0_mask;
}

static struct cpuid_leaf machine_leaf(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = cpuid_or_none(leaf, subleaf);

	return (struct cpuid_leaf){r.eax, r.ebx, r.ecx, r.edx};
}

void cpuid_read_machine(struct cpuid_leaves *m)
{
	for (uint32_t i = 0; i <= CPUID_BASIC_MAX; i++)
		m->basic[i] = machine_leaf(i, 0);
	for (uint32_t i = 0; i < CPUID_LEAF4; i++)
		m->leaf4[i] = machine_leaf(CPUID_LEAF_CACHES, i);
	for (uint32_t i = 1; i < CPUID_LEAF7; i++)
		m->features[i - 1] = i <= m->basic[CPUID_LEAF_FEATURES].eax
					     ? machine_leaf(CPUID_LEAF_FEATURES, i)
					     : (struct cpuid_leaf){0};
	for (uint32_t i = 0; i < CPUID_LEAFD; i++)
		m->leafd[i] = machine_leaf(CPUID_LEAF_XSAVE, i);
	for (uint32_t i = 0; i <= CPUID_EXT_MAX - CPUID_EXT_BASE; i++)
		m->ext[i] = machine_leaf(CPUID_EXT_BASE + i, 0);
}

bool cpuid_create(struct vcpu *vcpu)
{
	uint32_t proc2 = vmx_allowed1(MSR_VMX_PROC2);
	struct cpuid_config c = {
		.package = nodes_package(&vcpu->vm->config),
		.index = vcpu->index,
		.tsc_khz = tsc_khz,
		.vmx = vcpu->vm->config.vmx,
		.rdtscp = proc2 & PROC2_ENABLE_RDTSCP,
		.invpcid = proc2 & PROC2_ENABLE_INVPCID,
		.xsaves = proc2 & PROC2_ENABLE_XSAVES,
		.user_wait = proc2 & PROC2_USER_WAIT_PAUSE,
		/* Without the latter #CP could not be injected with its error code. */
		.cet = vmx_allowed1(MSR_VMX_ENTRY) & ENTRY_LOAD_CET &&
		       caps_msr(&vmx_caps, MSR_VMX_BASIC) & BASIC_ANY_ERROR_CODE,
		.features = vcpu->vm->config.cpu_features,
		.fast_strings = rdmsr(MSR_MISC_ENABLE) & MISC_ENABLE_FAST_STRINGS,
	};
	struct cpuid_leaves machine;

	_Static_assert(sizeof(struct cpuid_table) <= PAGE_SIZE, "one page a vCPU");
	vcpu->cpuid = pool_get(&vcpu->vm->pool);
	if (vcpu->cpuid == NULL)
		return false;
	cpuid_read_machine(&machine);
	cpuid_policy_build(vcpu->cpuid, &machine, &c);
	xcr0_mask = cpuid_policy_xcr0(&machine);
	return true;
}

void cpuid_update(struct vcpu *vcpu)
{
	uint64_t base = APIC_BASE_ENABLE;

	(void)platform_rdmsr(vcpu->vm->platform, vcpu->index, MSR_APIC_BASE, &base);
	cpuid_policy_apic(vcpu->cpuid, base & APIC_BASE_ENABLE);
	cpuid_policy_update(vcpu->cpuid, vcpu_read_cr4(), vcpu->xcr0, vcpu->xss);
}

struct cpuid_regs cpuid_of(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_leaf *l = cpuid_policy_get(vcpu->cpuid, leaf, subleaf);

	return (struct cpuid_regs){l->eax, l->ebx, l->ecx, l->edx};
}

bool cpuid_offers(const struct vcpu *vcpu, enum cpuid_field field)
{
	return cpuid_policy_has(vcpu->cpuid, field);
}

void handle_cpuid(struct vcpu *vcpu)
{
	uint64_t *r = vcpu->regs.r;
	const struct cpuid_leaf *l =
		cpuid_policy_get(vcpu->cpuid, (uint32_t)r[REG_RAX], (uint32_t)r[REG_RCX]);

	r[REG_RAX] = l->eax;
	r[REG_RBX] = l->ebx;
	r[REG_RCX] = l->ecx;
	r[REG_RDX] = l->edx;
	nested_skip();
}
