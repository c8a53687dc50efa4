/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INITs to a processor that takes faults of L0's making all the time: whatever waits for it at
 * the INIT, or is queued for its next entry, is gone afterwards, and a start-up IPI finds it as
 * after a reset.
 */
#include "stress.h"

static volatile uint32_t faults;

static bool on_trap(struct trap_frame *f)
{
	if (f->vector != 13)
		return false;
	add(&faults, 1);
	f->rip += 2; /* RDMSR */
	return true;
}

static void fault_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		__asm__ volatile("rdmsr" : : "c"(0xdead0000) : "eax", "edx");
}

static void wait(unsigned rounds)
{
	for (volatile unsigned i = 0; i < rounds; i++)
		;
}

int payload_main(void)
{
	uint64_t random;

	trap_hook = on_trap;
	stress_start(300);
	random = stress_seed(0);
	for (uint64_t i = 0; i < stress.count; i++) {
		uint32_t before = faults;

		start_on(1, fault_for_ever, NULL);
		while (faults == before)
			pause();
		wait((unsigned)(random_next(&random) % 2000));
		ipi(1, ICR_INIT | ICR_ASSERT);
		wait(2000);
		smp_restart(1);
	}
	return stress_ok();
}
