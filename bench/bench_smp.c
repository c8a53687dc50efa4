/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several processors cost an L1, in ticks: interrupts between them, waking one that
 * sleeps, its own local APIC (medians of several tries), and how long 1, 2 and 4 of them
 * compute at the same time. Each line is `name value`.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "smp.h"

#define TRIES          33u
#define VECTOR         0x60u
#define COMPUTE_ROUNDS 40000000u /* long beside a slice */

static volatile uint32_t ready;
static volatile uint64_t arrived;
static uint64_t results[TRIES];

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	arrived = rdtsc_exact();
	apic_eoi();
	return true;
}

static void report(const char *name)
{
	for (unsigned i = 1; i < TRIES; i++)
		for (unsigned k = i; k > 0 && results[k - 1] > results[k]; k--) {
			uint64_t t = results[k];

			results[k] = results[k - 1];
			results[k - 1] = t;
		}
	print("%s %lu\n", name, results[TRIES / 2]);
}

/* On the receiver: waits for one interrupt, spinning or asleep. */
static void receive(void *sleeps)
{
	store(&ready, 1);
	if (sleeps) {
		halt();
	} else {
		interrupts_on();
		while (!*(volatile uint64_t *)&arrived)
			pause();
	}
	interrupts_off();
}

static void wait_a_little(void)
{
	for (volatile unsigned i = 0; i < 20000; i++)
		;
}

static void between_processors(const char *name, void *sleeps)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t start;

		arrived = 0;
		store(&ready, 0);
		start_on(1, receive, sleeps);
		while (!load(&ready))
			pause();
		wait_a_little();
		start = rdtsc_exact();
		ipi(1, ICR_ASSERT | VECTOR);
		wait_for(1);
		results[i] = arrived - start;
	}
	report(name);
}

static void to_itself(void)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t start;

		interrupts_on();
		start = rdtsc_exact();
		self_ipi(VECTOR);
		interrupts_off();
		results[i] = arrived - start;
	}
	report("smp_self_ipi");
}

static void registers(void)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t start = rdtsc_exact();

		apic_eoi();
		results[i] = rdtsc_exact() - start;
	}
	report("smp_eoi");
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t start = rdtsc_exact();

		apic_write(APIC_TPR, i & 0x70);
		results[i] = rdtsc_exact() - start;
	}
	apic_write(APIC_TPR, 0);
	report("smp_tpr_write");
}

static void compute(void *arg)
{
	uint64_t rounds = COMPUTE_ROUNDS;

	(void)arg;
	__asm__ volatile("1:\tdec %0\n\tjnz 1b" : "+r"(rounds) : : "cc");
}

/* All compute at the same time. */
static void together(unsigned count)
{
	uint64_t start = rdtsc_exact();

	run_on_all(count, compute, NULL);
	print("smp_compute_%u %lu\n", count, rdtsc_exact() - start);
}

/* Command line: cpus=N, 1, 2 or 4 processors. */
int payload_main(void)
{
	unsigned count = (unsigned)cmdline_number("cpus", 0);

	if (count != 1 && count != 2 && count != 4) {
		print("bench_smp: the command line must be cpus=1, 2 or 4\n");
		return 1;
	}
	smp_start(count);
	trap_hook = on_interrupt;
	if (count == 2) {
		between_processors("smp_ipi_to_running", NULL);
		between_processors("smp_ipi_to_halted", results);
		to_itself();
		registers();
	}
	together(count);
	return 0;
}
