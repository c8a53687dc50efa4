/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each processor interrupts itself and the others at random priorities; handlers let higher
 * ones in. Invariants: what interrupts a handler has a higher priority class, EOI ends the
 * highest, nothing is in service or requested at the end.
 */
#include "stress.h"

#define DEEPEST 16u

static PERCPU unsigned depth;
static PERCPU uint8_t running[DEEPEST];
static volatile uint32_t handled, nested;

static bool on_interrupt(struct trap_frame *f)
{
	uint8_t vector = (uint8_t)f->vector;

	if (vector < 0x30)
		return false;
	if (depth && running[depth - 1] >> 4 >= vector >> 4)
		stress_broke("class of an interrupt in a handler", vector, running[depth - 1]);
	if (depth == DEEPEST)
		stress_broke("depth", depth, DEEPEST);
	if (!(apic_read(APIC_ISR + vector / 32u * 16) >> (vector & 31) & 1))
		stress_broke("vector in service", 0, vector);
	running[depth++] = vector;
	add(&handled, 1);
	if (depth > 1)
		add(&nested, 1);
	interrupts_on();
	interrupts_off();
	depth--;
	apic_eoi();
	return true;
}

static void storm(void *arg)
{
	uint64_t random = stress_seed(cpu_index());

	barrier_wait(arg, stress.cpus);
	for (uint64_t i = 0; i < stress.count; i++) {
		uint64_t r = random_next(&random);
		uint32_t vector = 0x30 + (uint32_t)(r >> 8) % 0xc0;

		if (r & 7)
			self_ipi((uint8_t)vector);
		else
			ipi((uint32_t)(r >> 32) % stress.cpus, ICR_ASSERT | vector);
		if (r & 8) {
			interrupts_on();
			interrupts_off();
		}
	}
	barrier_wait(arg, stress.cpus);
	for (unsigned i = 0; i < 20; i++) {
		interrupts_on();
		pause();
		interrupts_off();
	}
	for (unsigned i = 0; i < 8; i++) {
		uint32_t left = apic_read(APIC_ISR + 16 * i) | apic_read(APIC_IRR + 16 * i);

		if (left)
			stress_broke("in service or requested at the end", left, 0);
	}
}

int payload_main(void)
{
	static struct barrier start;

	stress_start(300);
	trap_hook = on_interrupt;
	run_on_all(stress.cpus, storm, &start);
	if (!handled)
		stress_broke("interrupts handled", 0, stress.count);
	return stress_ok();
}
