/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/memory_type.h"

#include "cpu/asm.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/wipe.h"
#include "policy/scenario.h"
#include "spec/cpuid.h"
#include "spec/ept.h"
#include "spec/errata.h"
#include "vm/iommu.h"
#include "vm/iommu_int.h"
#include "vm/vm.h"

/* Constant after memory_types_find. */
static bool units_snoop; /* those that are on make every access of devices snoop */
static bool two_types;   /* CPUs bear memory that has two types at once */

static bool all_snoop(void)
{
	for (unsigned i = 0; i < DMAR_UNITS; i++)
		if (iommu_units[i].on && !iommu_units[i].caps.snoop)
			return false;
	return iommu_is_on();
}

/* All CPUs have what the boot CPU has (policy/alike.h). */
static bool bears_two_types(void)
{
	struct cpuid_regs features = cpuid(1, 0);

	return features.edx & cpuid_mask(CPUID_SS) && !errata_two_types(features.eax);
}

void memory_types_find(const struct scenario *s)
{
	bool passes_by = false;

	units_snoop = all_snoop();
	two_types = bears_two_types();
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_config *c = &s->vms[i].config;

		passes_by = passes_by || vm_config_one_to_one(c) ||
			    (vm_config_has_devices(c) && !units_snoop);
	}
	if (!passes_by)
		return;
	mem_wipe_through(
		cpuid_or_none(CPUID_LEAF_FEATURES, 0).ebx & cpuid_mask(CPUID_CLFLUSHOPT));
	log_info("devices may pass by caches: memory that is wiped is written back");
}

/*
 * A device of the machine may pass by the caches, if its VM's driver says so: the guest's PAT
 * counts then. Without one it could only make its memory slower, and each lock in it a lock of
 * the bus (SDM 28.2.6.2 "Memory Type Used for Translated Guest-Physical Addresses", 8.1.2).
 * Where all devices snoop nobody needs another type, and where the processor does not find its
 * own lines when the type is another one, L0's view of a guest's memory would not be the
 * guest's.
 */
uint64_t vm_ram_ipat(const struct vm *vm)
{
	bool snoops = units_snoop && !vm_config_one_to_one(&vm->config);

	return !vm_config_has_devices(&vm->config) || (snoops && !two_types) ? EPT_IPAT : 0;
}
