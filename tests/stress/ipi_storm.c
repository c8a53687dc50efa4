/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts between all processors at random, in all destination modes. Who sends leaves a
 * letter first; whoever takes an interrupt takes all letters. Invariant: no letter stays, so no
 * interrupt was lost.
 */
#include "stress.h"

static volatile uint32_t letters[CPUS_MAX], taken[CPUS_MAX], sent[CPUS_MAX], spurious, finished;

static bool on_interrupt(struct trap_frame *f)
{
	unsigned me = cpu_index();

	if (f->vector < 0x40)
		return false;
	add(&taken[me], __atomic_exchange_n(&letters[me], 0, __ATOMIC_SEQ_CST));
	if (f->vector >= 0x50)
		add(&spurious, 1);
	apic_eoi();
	return true;
}

static void leave_letter(unsigned to)
{
	add(&letters[to], 1);
	add(&sent[to], 1);
}

static void send_random(uint64_t *random)
{
	uint64_t r = random_next(random);
	unsigned me = cpu_index(), to = (unsigned)(r >> 8) % stress.cpus;
	uint32_t low = ICR_ASSERT | 0x40 | (r >> 16 & 15);

	switch (r & 3) {
	case 0:
		for (unsigned i = 0; i < stress.cpus; i++)
			if (i != me)
				leave_letter(i);
		ipi(0, low | ICR_OTHERS);
		break;
	case 1:
		leave_letter(to);
		ipi(1u << to, low | ICR_LOGICAL);
		break;
	default:
		leave_letter(to);
		ipi(to, low);
		break;
	}
}

static void storm(void *arg)
{
	uint64_t random = stress_seed(cpu_index());

	apic_write(APIC_LDR, 1u << 24 << cpu_index());
	barrier_wait(arg, stress.cpus);
	for (uint64_t i = 0; i < stress.count; i++) {
		send_random(&random);
		if (random_next(&random) & 1) {
			interrupts_on();
			interrupts_off();
		}
	}
	add(&finished, 1);
	interrupts_on();
	while (load(&finished) < stress.cpus)
		pause();
	wait_until(&letters[cpu_index()], 0, LONG_TIME);
	interrupts_off();
}

int payload_main(void)
{
	static struct barrier start;

	stress_start(300);
	trap_hook = on_interrupt;
	run_on_all(stress.cpus, storm, &start);
	for (unsigned i = 0; i < stress.cpus; i++)
		if (letters[i] || taken[i] != sent[i])
			stress_broke("letters of one processor", taken[i], sent[i]);
	if (spurious)
		stress_broke("vectors that nobody sent", spurious, 0);
	return stress_ok();
}
