/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/power.h"

#include <stddef.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/budget.h"
#include "lib/power.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

#define POLL_MS       5000u
#define LOG_BURST     4u /* lines at once, and one more each so many ms */
#define LOG_PERIOD_MS 10000u

static struct budget log_budget;

/* The same on all CPUs, also on a mixed machine: the first one's. */
static struct power_facts facts;
static bool counts_smis;

/*
 * MSR_SMI_COUNT has no bit in CPUID: Intel's processors have it since Nehalem (SDM vol. 4), and
 * what has come so far has EPT and an unrestricted guest, which are younger. Others, and
 * hypervisors, need not have it, and an access is #GP there.
 */
static bool has_smi_count(void)
{
	struct cpuid_regs vendor = cpuid(0, 0), features = cpuid(1, 0);

	return cpuid_is_intel(vendor.ebx, vendor.ecx, vendor.edx) &&
	       (features.eax >> 8 & 0xf) == 6 &&
	       !(features.ecx & cpuid_mask(CPUID_HYPERVISOR)) &&
	       !l0_config()->machine.is_emulator;
}

static uint32_t smi_count(void)
{
	return (uint32_t)rdmsr(MSR_SMI_COUNT);
}

void power_report(void)
{
	if (counts_smis)
		log_info("SMIs on CPU %u since it came up: %u", this_cpu()->index,
			smi_count() - this_cpu()->smis);
}

static void read_facts(void)
{
	struct cpuid_regs power = cpuid_or_none(CPUID_LEAF_POWER, 0);

	counts_smis = has_smi_count();
	facts = power_facts_of(cpuid(1, 0).edx, power.eax, power.ecx);
	/* The heat is the host's: not all hypervisors have these MSRs where CPUID says so. */
	if (cpuid(1, 0).ecx & cpuid_mask(CPUID_HYPERVISOR))
		facts.thermal = false;
	if (l0_config()->performance != L0_PERFORMANCE_FIRMWARE && !facts.hwp && !facts.bias)
		log_warn("performance=: this processor has no HWP, and no performance bias");
}

static void set_speed(enum l0_performance mode)
{
	if (facts.bias)
		wrmsr(MSR_ENERGY_PERF_BIAS, power_bias(rdmsr(MSR_ENERGY_PERF_BIAS), mode));
	if (!facts.hwp)
		return;
	/* The request exists once it is on, and it is on until a reset: 14.4.2 */
	wrmsr(MSR_PM_ENABLE, 1);
	wrmsr(MSR_HWP_REQUEST,
		power_hwp_request(rdmsr(MSR_HWP_REQUEST), rdmsr(MSR_HWP_CAPABILITIES),
			facts.hwp_preference, mode));
}

static void log_speed(void)
{
	uint64_t c;

	if (!facts.hwp)
		return;
	c = rdmsr(MSR_HWP_CAPABILITIES);
	log_info("speed: HWP, levels %u to %u, asked for %u to %u", (unsigned)(c >> 24 & 0xff),
		(unsigned)(c & 0xff), (unsigned)(rdmsr(MSR_HWP_REQUEST) & 0xff),
		(unsigned)(rdmsr(MSR_HWP_REQUEST) >> 8 & 0xff));
}

void power_cpu_init(void)
{
	enum l0_performance mode = l0_config()->performance;

	if (this_cpu()->index == 0)
		read_facts();
	if (counts_smis)
		this_cpu()->smis = smi_count();
	if (mode == L0_PERFORMANCE_FIRMWARE)
		return;
	set_speed(mode);
	if (this_cpu()->index == 0)
		log_speed();
}

static void look(uint32_t msr, const char *whose)
{
	uint64_t status = rdmsr(msr);
	uint32_t seen = power_thermal_seen(status), left_out;
	char text[96];

	if (seen == 0)
		return;
	wrmsr(msr, power_thermal_clear(status, seen));
	if (!(seen & THERMAL_CRITICAL) && !budget_spend(&log_budget, rdtsc(),
						  (uint64_t)tsc_khz * LOG_PERIOD_MS, LOG_BURST))
		return;
	left_out = budget_take_refused(&log_budget);
	power_thermal_describe(text, sizeof(text), seen);
	log_warn("%s of CPU %u was slowed down: %s (%u more were not told)", whose,
		this_cpu()->index, text, left_out);
}

void power_poll(void)
{
	struct percpu *c = this_cpu();
	uint64_t now = rdtsc();

	if (now < c->power_poll_at)
		return;
	c->power_poll_at = now + (uint64_t)tsc_khz * POLL_MS;
	if (facts.thermal)
		look(MSR_THERM_STATUS, "core");
	if (facts.thermal && facts.package_thermal)
		look(MSR_PACKAGE_THERM, "package");
}
