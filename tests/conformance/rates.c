/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of the rates that CPUID tells: the TSC's by leaf 15H, against the PIT (SDM 18.7.3
 * "Determining the Processor Base Frequency"); the local APIC's timer at the crystal's that the
 * leaf has (10.5.4 "APIC Timer"); and what leaf 16H has as the base frequency, which Linux
 * takes for the processor's.
 */
#include "apic.h"
#include "conf.h"
#include "spec/cpuid.h"

#define PIT_CLOCK 1193182u
#define PIT_COUNT 0xf000u /* 51 ms */

#define GATE_CHANNEL_2 0x01u /* port 0x61 */
#define SPEAKER        0x02u
#define OUT_CHANNEL_2  0x20u

struct span {
	uint64_t tsc, timer; /* what they counted meanwhile */
};

/* While channel 2 counts down once, without a sound. */
static struct span measure(void)
{
	uint8_t gate = (uint8_t)((inb(0x61) & ~SPEAKER) | GATE_CHANNEL_2);
	struct span s;
	uint64_t tsc;

	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_INITIAL_COUNT, UINT32_MAX);
	outb(0x61, gate);
	outb(0x43, 0xb0); /* mode 0: OUT is 1 at its end */
	outb(0x42, PIT_COUNT & 0xff);
	outb(0x42, PIT_COUNT >> 8);
	tsc = rdtsc_exact();
	s.timer = apic_read(APIC_CURRENT_COUNT);
	while (!(inb(0x61) & OUT_CHANNEL_2))
		;
	s.timer -= apic_read(APIC_CURRENT_COUNT);
	s.tsc = rdtsc_exact() - tsc;
	apic_write(APIC_INITIAL_COUNT, 0);
	return s;
}

/* Told and found differ by a hundredth at most. */
static void compare(const char *name, uint64_t told, uint64_t found)
{
	uint64_t apart = told > found ? told - found : found - told;

	if (apart <= told / 100)
		print("rates: %s: yes\n", name);
	else
		print("rates: %s: no, %lu Hz are told, and it has %lu\n", name, told, found);
}

/* Where leaf 15H has the ratio only, software takes the base frequency for the TSC's. */
int payload_main(void)
{
	uint32_t leaves = cpuid(0, 0).eax;
	struct cpuid_regs tsc = cpuid(CPUID_LEAF_TSC, 0),
			  mhz = cpuid(CPUID_LEAF_FREQUENCIES, 0);
	uint64_t base = leaves < CPUID_LEAF_FREQUENCIES ? 0 : (mhz.eax & 0xffff) * 1000000ull;
	uint64_t crystal = tsc.ecx;
	struct span s;

	if (leaves < CPUID_LEAF_TSC || tsc.eax == 0 || tsc.ebx == 0 || crystal + base == 0) {
		conf_skipped("rates", "leaf of CPUID that tells the TSC's");
		return 0;
	}
	if (crystal == 0)
		crystal = base * tsc.eax / tsc.ebx;
	s = measure();
	compare("TSC: the rate of leaf 15H", crystal * tsc.ebx / tsc.eax,
		s.tsc * PIT_CLOCK / PIT_COUNT);
	compare("local APIC's timer: the crystal's rate", crystal,
		s.timer * PIT_CLOCK / PIT_COUNT);
	if (base == 0)
		conf_skipped("rates: base frequency", "leaf 16H");
	else
		compare("base frequency: the TSC's", base, s.tsc * PIT_CLOCK / PIT_COUNT);
	return 0;
}
