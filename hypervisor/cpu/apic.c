/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/apic.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/tsc_rate.h"
#include "mm/layout.h"
#include "spec/cpuid.h"
#include "spec/errata.h"
#include "spec/vmx.h"

#define OTHERS ((uint32_t)SHORTHAND_OTHERS << ICR_SHORTHAND_SHIFT)

/* Vectors below 16 are an error, masked or not (SDM 10.5.2 "Valid Interrupt Vectors"). */
#define QUIET (LVT_MASKED | VECTOR_SPURIOUS)

#define RATE_US 500u /* how long the timer is looked at */

/* Destinations of xAPIC mode: 255 is all of them (SDM 10.6.2.1 "Physical Destination Mode"). */
#define LEGACY_IDS 255u

/*
 * Vectors below L0's own are held back by priority (SDM 10.8.3.1 "Task and Processor
 * Priorities"): nobody expects them, whoever sends them, and one that is held comes no second
 * time. So are those of exceptions.
 */
#define L0_PRIORITY (VECTOR_MESSAGES - 0x10u)

static struct {
	bool x2;
	bool legacy; /* what firmware asks for, and can have */
	bool deadline;
	uint32_t khz;            /* of the timer, where it counts; 0: it does not count */
	uint32_t of_boot_cpu[3]; /* what firmware has set up there, of mask_sources() */
	struct madt_nmi nmi;     /* which input of which CPU has the machine's NMI */
} apic;

static volatile uint32_t *reg_address(uint32_t reg)
{
	return (volatile uint32_t *)((uintptr_t)direct_va((struct hpa){APIC_DEFAULT_BASE}) +
				     reg);
}

static uint32_t apic_read(uint32_t reg)
{
	return apic.x2 ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + APIC_NUMBER(reg))
		       : *reg_address(reg);
}

static void apic_write(uint32_t reg, uint32_t v)
{
	if (apic.x2)
		wrmsr(MSR_X2APIC_FIRST + APIC_NUMBER(reg), v);
	else
		*reg_address(reg) = v;
}

/* SDM 8.4.5 "Identifying Logical Processors in an MP System" */
uint32_t apic_initial_id(void)
{
	struct cpuid_regs topology = cpuid_or_none(CPUID_LEAF_TOPOLOGY, 0);

	return topology.ebx != 0 ? topology.edx : cpuid(1, 0).ebx >> 24;
}

void apic_take_nmi(const struct madt_nmi *nmi)
{
	apic.nmi = nmi != NULL ? *nmi : (struct madt_nmi){.id = apic_initial_id(), .lint = 1};
	log_info("the machine's NMI: LINT%u of the CPU with APIC id %u%s", apic.nmi.lint,
		apic.nmi.id, nmi != NULL ? "" : ", since firmware does not tell");
}

static uint32_t read_id(void)
{
	uint32_t v = apic_read(APIC_ID);

	return apic.x2 ? v : v >> 24;
}

/*
 * Firmware may have left it in x2APIC mode, which is left by no other way than through
 * "disabled" (SDM 10.12.5 "x2APIC State Transitions"), or not even so; then its address means
 * nothing.
 */
static bool enable(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (base & APIC_BASE_X2APIC && apic.x2)
		return true;
	if (base & APIC_BASE_X2APIC) /* unlike the boot CPU's */
		wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_X2APIC | APIC_BASE_ENABLE));
	base = (base & APIC_BASE_BSP) | APIC_DEFAULT_BASE | APIC_BASE_ENABLE;
	wrmsr(MSR_APIC_BASE, base);
	if (!(rdmsr(MSR_APIC_BASE) & APIC_BASE_ENABLE))
		return false;
	if (apic.x2)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	return true;
}

/* Firmware looks after heat and the like by SMIs: those are left to it. */
static bool is_firmwares(uint32_t lvt)
{
	return (lvt >> DELIVER_SHIFT & 7) == DELIVER_SMI && !(lvt & LVT_MASKED);
}

/* INIT has masked those of the other CPUs, for which firmware has set up the same. */
static void mask_source(uint32_t reg, uint32_t *of_boot_cpu)
{
	if (!is_firmwares(apic_read(reg)))
		apic_write(reg, QUIET);
	if (this_cpu()->index == 0)
		*of_boot_cpu = apic_read(reg);
	else if (is_firmwares(*of_boot_cpu))
		apic_write(reg, *of_boot_cpu);
}

/*
 * One CPU gets the machine's NMI, or one press of a button would be as many NMIs as there are
 * CPUs. An NMI is edge-triggered whatever the entry says (10.5.1).
 */
static void set_inputs(void)
{
	static const uint32_t inputs[] = {APIC_LVT_LINT0, APIC_LVT_LINT1};

	for (unsigned i = 0; i < 2; i++)
		apic_write(inputs[i], read_id() == apic.nmi.id && i == apic.nmi.lint
					      ? (uint32_t)DELIVER_NMI << DELIVER_SHIFT |
							(apic.nmi.active_low ? LVT_LOW : 0)
					      : QUIET);
}

/* Sources that L0 does not use, as far as there are such (SDM 10.5.1, figure 10-7). */
static void mask_sources(void)
{
	static const struct {
		unsigned number;
		uint32_t reg;
	} sources[] = {{4, APIC_LVT_PMC}, {5, APIC_LVT_THERMAL}, {6, APIC_LVT_CMCI}};
	unsigned last = APIC_VERSION_LAST_LVT(apic_read(APIC_VERSION));

	apic_write(APIC_LVT_ERROR, QUIET);
	set_inputs();
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (sources[i].number <= last)
			mask_source(sources[i].reg, &apic.of_boot_cpu[i]);
}

static bool in_service(void)
{
	uint32_t any = 0;

	for (uint32_t i = 0; i < 8; i++)
		any |= apic_read(APIC_ISR + 16 * i);
	return any != 0;
}

/* What firmware was interrupted by and did not end would hold back all below it. */
static void end_all(void)
{
	for (unsigned i = 0; i < 256 && in_service(); i++)
		apic_eoi();
}

/* SDM 9.11.7.1 "Determining the Signature" */
static uint32_t microcode_revision(void)
{
	wrmsr(MSR_BIOS_SIGN_ID, 0);
	(void)cpuid(1, 0);
	return (uint32_t)(rdmsr(MSR_BIOS_SIGN_ID) >> 32);
}

/* Hypervisors and emulators have errata of their own, and revisions that mean nothing. */
static bool deadline_works(void)
{
	struct cpuid_regs features = cpuid(1, 0);
	uint32_t needed = errata_deadline_revision(features.eax), have;

	if (!(features.ecx & cpuid_mask(CPUID_TSC_DEADLINE)))
		return false;
	if (needed == 0 || features.ecx & cpuid_mask(CPUID_HYPERVISOR) ||
		l0_config()->machine.is_emulator)
		return true;
	have = microcode_revision();
	if (have >= needed)
		return true;
	log_warn("the local APIC's timer may miss TSC deadlines with microcode 0x%x (0x%x has "
		 "none of that): it counts instead",
		have, needed);
	return false;
}

/* How far it counts down while the TSC says how long that took. SDM 10.5.4 "APIC Timer" */
static uint32_t measure_rate(void)
{
	uint64_t start, passed;
	uint32_t counts;

	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	/* The TSC around the count: what comes in between makes timers early, not late. */
	start = rdtsc();
	apic_write(APIC_INITIAL_COUNT, UINT32_MAX);
	tsc_delay_us(RATE_US);
	counts = UINT32_MAX - apic_read(APIC_CURRENT_COUNT);
	passed = rdtsc() - start;
	apic_write(APIC_INITIAL_COUNT, 0);
	return (uint32_t)((uint64_t)counts * tsc_khz / passed);
}

static void choose_timer(void)
{
	apic.deadline = deadline_works();
	if (apic.deadline)
		return;
	apic.khz = measure_rate();
	log_info("the local APIC's timer counts %u kHz", apic.khz);
}

static const char *why_not_legacy(const uint32_t *ids, unsigned count)
{
	if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
		return "firmware itself has left x2APIC mode on";
	for (unsigned i = 0; i < count; i++)
		if (ids[i] >= LEGACY_IDS)
			return "there are local APICs that are reached in x2APIC mode only";
	return NULL;
}

void apic_prefer_legacy(const uint32_t *ids, unsigned count)
{
	const char *why = why_not_legacy(ids, count);

	apic.legacy = why == NULL;
	if (why == NULL)
		log_info(
			"firmware asks for xAPIC mode (X2APIC_OPT_OUT): local APICs stay in it");
	else
		log_warn("firmware asks for xAPIC mode (X2APIC_OPT_OUT), but %s: it is used",
			why);
}

bool apic_init(void)
{
	apic.x2 = !apic.legacy && cpuid(1, 0).ecx & cpuid_mask(CPUID_X2APIC);
	if (!enable()) {
		log_error("the local APIC was switched off by the firmware (IA32_APIC_BASE), "
			  "and cannot be on again until a reset");
		return false;
	}
	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, L0_PRIORITY);
	mask_sources();
	end_all();
	apic_write(APIC_DIVIDE, DIVIDE_BY_1);
	if (this_cpu()->index == 0)
		choose_timer();
	apic_timer_stop();
	this_cpu()->apic_id = read_id();
	return true;
}

bool apic_take_cmci(void)
{
	if (APIC_VERSION_LAST_LVT(apic_read(APIC_VERSION)) < 6 ||
		is_firmwares(apic_read(APIC_LVT_CMCI)))
		return false;
	apic_write(APIC_LVT_CMCI, VECTOR_CMCI);
	return true;
}

bool apic_is_extended(void)
{
	return apic.x2;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_timer_arm(uint64_t tsc, uint64_t now)
{
	uint64_t delta = tsc > now ? tsc - now : 1;

	if (tsc > now && tsc == this_cpu()->timer_at)
		return;
	this_cpu()->timer_at = tsc;
	if (apic.deadline) {
		apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VECTOR_TIMER);
		mfence();
		wrmsr(MSR_TSC_DEADLINE, now + delta);
		return;
	}
	/* An early interrupt only makes who waits look at the clock and arm again. */
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
	apic_write(APIC_INITIAL_COUNT, tsc_ticks_in_counts(delta, apic.khz, tsc_khz));
}

void apic_timer_fired(void)
{
	this_cpu()->timer_at = 0;
}

void apic_timer_stop(void)
{
	this_cpu()->timer_at = 0;
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	if (!apic.deadline)
		apic_write(APIC_INITIAL_COUNT, 0);
}

static void send_icr(uint32_t destination, uint32_t low)
{
	if (apic.x2) {
		/* What the other processor is to look at must be visible to it: these WRMSRs
		 * may complete before earlier stores are (SDM 10.12.3). */
		mfence();
		wrmsr(MSR_X2APIC_FIRST + APIC_NUMBER(APIC_ICR),
			(uint64_t)destination << 32 | low);
		return;
	}
	*reg_address(APIC_ICR_HIGH) = destination << 24;
	*reg_address(APIC_ICR) = low;
	for (unsigned i = 0; i < 100000 && (*reg_address(APIC_ICR) & ICR_BUSY); i++)
		cpu_pause();
}

void apic_send(uint32_t id, uint8_t vector)
{
	send_icr(id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
	send_icr(id, ICR_ASSERT | DELIVER_NMI << DELIVER_SHIFT);
}

void apic_send_init(uint32_t id)
{
	send_icr(id, ICR_ASSERT | DELIVER_INIT << DELIVER_SHIFT);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
	send_icr(id, ICR_ASSERT | DELIVER_STARTUP << DELIVER_SHIFT | page);
}

void apic_send_init_all_others(void)
{
	send_icr(0, OTHERS | ICR_ASSERT | DELIVER_INIT << DELIVER_SHIFT);
}

void apic_send_startup_all_others(uint8_t page)
{
	send_icr(0, OTHERS | ICR_ASSERT | DELIVER_STARTUP << DELIVER_SHIFT | page);
}
