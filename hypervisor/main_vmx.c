/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "lib/fmt.h"
#include "nested/caps.h"
#include "policy/alike.h"
#include "spec/errata.h"
#include "vm/create.h"
#include "vmx/vmx.h"

static bool probe(void)
{
	const char *missing = "";

	switch (vmx_probe(&missing)) {
	case VMX_OK:
		return true;
	case VMX_ABSENT:
		log_error("this CPU has no VT-x: Nestor cannot run VMs here");
		break;
	case VMX_LOCKED_OFF:
		log_error("VT-x is locked off by the firmware (IA32_FEATURE_CONTROL): "
			  "enable it in the firmware's setup");
		break;
	case VMX_INSUFFICIENT:
		log_error("this CPU's VT-x lacks %s, which Nestor needs", missing);
		break;
	}
	return false;
}

/* The features by the names that scenarios use. */
static void log_features(void)
{
	uint64_t have = caps_machine_features(&vmx_caps) & ~(1ull << CAPS_FEATURE_BASE);
	char line[512] = "";
	size_t used = 0;

	for (unsigned i = 0; i < CAPS_FEATURE_COUNT; i++)
		if (have >> i & 1)
			used += fmt(line + used, sizeof(line) - used, " %s",
				caps_feature_name((enum caps_feature)i));
	log_info("VT-x of this machine:%s", line);
}

/* An emulator's processor has the model's number, and none of its errata. */
static void choose_timer(void)
{
	const char *errata =
		l0_config()->machine.is_emulator ? NULL : errata_timer_rate(cpuid(1, 0).eax);

	if (!vmx_timer.on)
		log_info("VT-x has no preemption timer: the local APIC's is used, and L1 is "
			 "offered none");
	else if (errata != NULL)
		log_warn("the VMX-preemption timer counts at another rate than it tells "
			 "(erratum %s): the local APIC's timer is used, and L1 is offered none",
			errata);
	else if (l0_config()->preemption_timer == L0_PREEMPTION_TIMER_OFF)
		log_info("preemption_timer=off: the local APIC's timer is used, and L1 is "
			 "offered none");
	else
		return;
	vmx_timer_off();
}

static struct cpu_facts boot_facts; /* constant when other CPUs compare */

static void read_facts(struct cpu_facts *f)
{
	*f = (struct cpu_facts){0};
	cpuid_read_machine(&f->cpuid);
	if (cpuid_leaves_get(&f->cpuid, CPUID_ARCH_CAPABILITIES))
		f->arch_caps = rdmsr(MSR_ARCH_CAPABILITIES);
	if (cpuid_leaves_get(&f->cpuid, CPUID_VMX))
		vmx_read_caps(&f->vmx);
}

bool vmx_join(void)
{
	unsigned cpu = this_cpu()->index;
	struct cpu_difference d;
	struct cpu_facts own;

	read_facts(&own);
	if (!cpus_are_alike(&boot_facts, &own, &d)) {
		log_error("CPU %u is not used: %s is 0x%lx, and the boot CPU's 0x%lx", cpu,
			d.what, d.own, d.boot);
		return false;
	}
	if (vmx_cpu_on())
		return true;
	log_error("CPU %u is not used: its VT-x is locked off by the firmware, or VMXON failed",
		cpu);
	return false;
}

bool vmx_start(void)
{
	if (!probe())
		return false;
	choose_timer();
	read_facts(&boot_facts);
	boot_facts.vmx = vmx_caps; /* as they are used */
	if (!vmx_cpu_on()) {
		log_error("VMXON failed");
		return false;
	}
	log_features();
	return true;
}
