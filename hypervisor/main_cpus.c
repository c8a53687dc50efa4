/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All CPUs come up before the boot CPU knows what VT-x can do, and sleep until it does.
 */
#include "main.h"
#include "main_int.h"

#include "boot/smp.h"
#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/idle.h"
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/mtrr.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/tsc_step.h"
#include "cpu/tsc.h"
#include "mm/node.h"
#include "vm/bad_memory.h"
#include "vm/denial.h"
#include "vm/mitigate.h"
#include "vmx/stub.h"
#include "vmx/vmx.h"

#define START_ROUNDS   100000u /* at most: those that do not come cost a second */
#define START_ROUND_US 10u

static uint64_t boot_space;
static bool released;
static bool all_run; /* those that are used: what they leave of banks is others' */

/*
 * With mitigations=nosmt one CPU of each core is used, and this one. Puts the ids of those into
 * `used`, of others into `idle`.
 */
static void choose_threads(
	const struct smp_ids *all, uint32_t *used, uint32_t *idle, unsigned counts[2])
{
	uint32_t mask = mitigate_unused_threads(), own = percpus[0]->apic_id;

	counts[0] = counts[1] = 0;
	for (unsigned i = 0; i < all->count && i < MAX_CPUS; i++) {
		uint32_t id = all->ids[i];

		if (mask == 0 || id == own || (!(id & mask) && (id ^ own) & ~mask))
			used[counts[0]++] = id;
		else
			idle[counts[1]++] = id;
	}
}

void cpus_start(const uint32_t *ids, unsigned count, uint64_t cr3)
{
	/* More than the stack holds. */
	static uint32_t used[MAX_CPUS], idle[MAX_CPUS], asked[MAX_CPUS];
	struct smp_ids all = {ids, count};
	unsigned counts[2];

	boot_space = cr3;
	percpus[0]->shared.online = true;
	if (count == 0)
		all = (struct smp_ids){asked, smp_ask(asked, MAX_CPUS)};
	choose_threads(&all, used, idle, counts);
	smp_start(&(struct smp_ids){used, counts[0]}, &(struct smp_ids){idle, counts[1]});
	for (unsigned i = 0; i < cpu_slots; i++)
		percpus[i]->shared.node = node_of_cpu(percpus[i]->apic_id);
}

static unsigned usable_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu_slots; i++)
		n += __atomic_load_n(&percpus[i]->shared.usable, __ATOMIC_ACQUIRE);
	return n;
}

/* Of those that came up to be used, they run VMs, or have said why not. */
static unsigned decided_count(void)
{
	unsigned n = usable_count();

	for (unsigned i = 0; i < cpu_slots; i++)
		n += percpus[i]->shared.online &&
		     __atomic_load_n(&percpus[i]->shared.parked, __ATOMIC_ACQUIRE);
	return n;
}

void cpus_release(void)
{
	percpus[0]->shared.usable = true;
	tsc_step_init();
	__atomic_store_n(&released, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 1; i < cpu_slots; i++)
		if (percpus[i]->shared.online)
			apic_send(percpus[i]->apic_id, VECTOR_KICK);
	for (unsigned i = 0; i < START_ROUNDS && decided_count() < cpu_count; i++)
		tsc_step_answer(START_ROUND_US);
	__atomic_store_n(&all_run, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 1; i < cpu_slots; i++)
		if (__atomic_load_n(&percpus[i]->shared.waits, __ATOMIC_SEQ_CST))
			apic_send(percpus[i]->apic_id, VECTOR_KICK);
	if (usable_count() < cpu_count)
		log_warn("%u of %u CPUs can run VMs", usable_count(), cpu_count);
}

/*
 * Banks of its own interrupt it, of those that it shares with CPUs that are used these; where a
 * bank has too many errors it is looked at now and then. It sleeps as deep as idle= allows.
 */
static _Noreturn void rest(void)
{
	__atomic_store_n(&this_cpu()->shared.waits, true, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&all_run, __ATOMIC_SEQ_CST))
		sti_hlt_cli();
	mce_cpu_claim();
	for (;;) {
		uint64_t until;

		mce_poll();
		bad_memory_work();
		until = mce_poll_due();
		if (until != UINT64_MAX)
			apic_timer_arm(until, rdtsc());
		idle_rest(until);
		apic_timer_stop();
	}
}

/*
 * It runs nothing, but is no trap for the others: most machines give a machine check to all
 * CPUs, and one with CR4.MCE clear shuts the machine down (SDM 15.10.4.1 "Machine-Check
 * Exception Handler for Error Recovery", vol. 3A 6.15 "Interrupt 18"). Without a local APIC
 * only machine checks and NMIs end its sleep.
 */
static _Noreturn void park(bool has_apic)
{
	mce_cpu_park();
	__atomic_store_n(&this_cpu()->shared.parked, true, __ATOMIC_RELEASE);
	if (has_apic)
		rest();
	for (;;)
		idle_rest(UINT64_MAX);
}

void ap_main(uint32_t index)
{
	percpu_init(index);
	write_cr3(boot_space); /* in which the log's screen and port are, wherever */
	left_msrs_clear();
	mtrr_compare();
	/* Who comes late is in no count, nor in a core (cores_init). */
	if (!apic_init())
		park(false);
	if (!smp_join())
		park(true);
	while (!__atomic_load_n(&released, __ATOMIC_SEQ_CST))
		sti_hlt_cli();
	if (!tsc_step_join() || !vmx_join())
		park(true);
	mce_cpu_init();
	mce_local_on();
	mitigate_cpu();
	denial_cpu();
	power_cpu_init();
	__atomic_store_n(&this_cpu()->shared.usable, true, __ATOMIC_RELEASE);
	vmx_restart();
}
