/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/left_msrs.h"

#include <stdbool.h>
#include <stddef.h>

#include "cpu/asm.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

static uint64_t kept; /* of MSR_TEST_CTRL; constant once there are several CPUs */

struct left_facts {
	uint32_t features_edx, extended_ebx, extended_edx, xsave_eax;
	unsigned perf_version; /* CPUID.0AH:EAX[7:0] */
	uint64_t misc_enable;
	uint64_t core_caps; /* 0: not there */
	uint64_t test_ctrl;
};

/* IA32_MISC_ENABLE is there where something of the debug store is. */
static struct left_facts read_facts(void)
{
	struct cpuid_regs extended = cpuid_or_none(CPUID_LEAF_FEATURES, 0);
	struct left_facts f = {
		.features_edx = cpuid(1, 0).edx,
		.extended_ebx = extended.ebx,
		.extended_edx = extended.edx,
		.xsave_eax = cpuid_or_none(CPUID_LEAF_XSAVE, 1).eax,
		.perf_version = cpuid_or_none(CPUID_LEAF_PERF, 0).eax & 0xff,
	};

	if (f.features_edx & cpuid_mask(CPUID_DS))
		f.misc_enable = rdmsr(MSR_MISC_ENABLE);
	if (f.extended_edx & cpuid_mask(CPUID_CORE_CAPABILITIES))
		f.core_caps = rdmsr(MSR_CORE_CAPABILITIES);
	if (f.core_caps & CORE_CAP_SPLIT_LOCK_AC)
		f.test_ctrl = rdmsr(MSR_TEST_CTRL);
	return f;
}

static void set(uint32_t msr, const char *name, uint64_t value, bool told)
{
	uint64_t was = rdmsr(msr), now;

	if (was == value)
		return;
	wrmsr(msr, value);
	now = rdmsr(msr);
	if (now == value && !told)
		return;
	if (now == value)
		log_info("CPU %u: %s was 0x%lx, and is 0x%lx now", this_cpu()->index, name, was,
			now);
	else
		log_warn("CPU %u: %s was 0x%lx, and does not become 0x%lx: it is 0x%lx",
			this_cpu()->index, name, was, value, now);
}

void left_msrs_keep_split_locks(void)
{
	kept = TEST_CTRL_SPLIT_LOCK_AC;
}

void left_msrs_clear(void)
{
	struct left_facts f = read_facts();
	const struct {
		bool exists;
		uint32_t msr;
		const char *name;
		uint64_t value;
		bool told;
	} rows[] = {
#define MSR(name, exists, value, told)       {exists, MSR_##name, "IA32_" #name, value, told},
#define MODEL_MSR(name, exists, value, told) {exists, MSR_##name, "MSR_" #name, value, told},
#include "cpu/left_msrs.def"
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].exists)
			set(rows[i].msr, rows[i].name, rows[i].value, rows[i].told);
}
