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
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/mtrr.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/tsc_step.h"
#include "cpu/tsc.h"
#include "mm/node.h"
#include "vm/mitigate.h"
#include "vmx/stub.h"
#include "vmx/vmx.h"

#define START_ROUNDS   100000u /* at most: those that do not come cost a second */
#define START_ROUND_US 10u

static uint64_t boot_space;
static bool released, closed;

/* With mitigations=nosmt: one CPU of each core, and this one; it alone where others are not
 * known beforehand. */
static unsigned first_threads(const uint32_t *ids, unsigned count, uint32_t *used)
{
	uint32_t mask = mitigate_unused_threads(), own = percpus[0]->apic_id;
	unsigned n = 0;

	for (unsigned i = 0; i < count && i < MAX_CPUS; i++)
		if (mask == 0 || ids[i] == own || (!(ids[i] & mask) && (ids[i] ^ own) & ~mask))
			used[n++] = ids[i];
	if (mask == 0 || n != 0)
		return n;
	log_warn("mitigations=nosmt: firmware does not tell of CPUs: one is used");
	used[0] = own;
	return 1;
}

void cpus_start(const uint32_t *ids, unsigned count, uint64_t cr3)
{
	static uint32_t used[MAX_CPUS]; /* more than the stack holds */

	boot_space = cr3;
	percpus[0]->shared.online = true;
	smp_start(used, first_threads(ids, count, used));
	__atomic_store_n(&closed, true, __ATOMIC_SEQ_CST);
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

void cpus_release(void)
{
	percpus[0]->shared.usable = true;
	tsc_step_init();
	__atomic_store_n(&released, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 1; i < cpu_slots; i++)
		if (percpus[i]->shared.online)
			apic_send(percpus[i]->apic_id, VECTOR_KICK);
	for (unsigned i = 0; i < START_ROUNDS && usable_count() < cpu_count; i++)
		tsc_step_answer(START_ROUND_US);
	if (usable_count() < cpu_count)
		log_warn("%u of %u CPUs can run VMs", usable_count(), cpu_count);
}

void ap_main(uint32_t index)
{
	percpu_init(index);
	left_msrs_clear();
	mtrr_compare();
	write_cr3(boot_space);
	/* Who comes late is in no count, nor in a core (cores_init). */
	if (!apic_init() || __atomic_load_n(&closed, __ATOMIC_SEQ_CST))
		halt_forever();
	__atomic_store_n(&percpus[index]->shared.online, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&released, __ATOMIC_SEQ_CST))
		sti_hlt_cli();
	if (!tsc_step_join())
		halt_forever();
	mce_cpu_init();
	if (!vmx_cpu_on()) {
		log_error("CPU %u: VT-x is off or another than the boot CPU's", index);
		halt_forever();
	}
	mce_local_on();
	mitigate_cpu();
	power_cpu_init();
	__atomic_store_n(&percpus[index]->shared.usable, true, __ATOMIC_RELEASE);
	vmx_restart();
}
