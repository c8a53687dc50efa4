/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/mtrr.h"

#include <stddef.h>

#include "cpu/asm.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "spec/cpuid.h"

static struct mtrrs of_boot_cpu; /* constant once it is read */
static bool has_any;

static void read_fixed(struct mtrrs *m)
{
	static const uint32_t msrs[MTRR_FIXED_COUNT] = {MSR_MTRR_FIX_64K, MSR_MTRR_FIX_16K_0,
		MSR_MTRR_FIX_16K_1, MSR_MTRR_FIX_4K_0, MSR_MTRR_FIX_4K_0 + 1,
		MSR_MTRR_FIX_4K_0 + 2, MSR_MTRR_FIX_4K_0 + 3, MSR_MTRR_FIX_4K_0 + 4,
		MSR_MTRR_FIX_4K_0 + 5, MSR_MTRR_FIX_4K_0 + 6, MSR_MTRR_FIX_4K_7};

	for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
		m->fixed[i] = rdmsr(msrs[i]);
}

/* SDM 11.11.1 "MTRR Feature Identification" */
static void read_all(struct mtrrs *m)
{
	uint64_t cap = rdmsr(MSR_MTRR_CAP);
	unsigned pairs = cap & 0xff;

	*m = (struct mtrrs){
		.def_type = rdmsr(MSR_MTRR_DEF_TYPE),
		.pairs = pairs < MTRR_PAIRS ? pairs : MTRR_PAIRS,
		.address_bits = cpuid_physical_bits(),
	};
	if (cap & MTRR_CAP_FIX)
		read_fixed(m);
	for (unsigned i = 0; i < m->pairs; i++)
		m->variable[i] = (struct mtrr_pair){
			.base = rdmsr(MSR_MTRR_PHYS_BASE_0 + 2 * i),
			.mask = rdmsr(MSR_MTRR_PHYS_MASK_0 + 2 * i),
		};
}

void mtrr_read(void)
{
	has_any = cpuid(1, 0).edx & cpuid_mask(CPUID_MTRR);
	if (has_any)
		read_all(&of_boot_cpu);
}

const struct mtrrs *mtrr_of_boot_cpu(void)
{
	return has_any ? &of_boot_cpu : NULL;
}

void mtrr_compare(void)
{
	struct mtrrs own;
	uint32_t msr;

	if (!has_any)
		return;
	read_all(&own);
	msr = mtrr_difference(&of_boot_cpu, &own);
	if (msr != 0)
		log_warn("CPU %u: MSR 0x%x is 0x%lx, another MTRR than the boot CPU's",
			this_cpu()->index, msr, rdmsr(msr));
}
