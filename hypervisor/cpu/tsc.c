/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/tsc.h"

#include "cpu/asm.h"
#include "cpu/config.h"

uint32_t tsc_khz = 1000000;

static uint32_t from_cpuid(void)
{
	uint32_t max = cpuid(0, 0).eax;
	struct cpuid_regs r;

	if (max >= 0x15) {
		r = cpuid(0x15, 0);
		if (r.eax != 0 && r.ebx != 0 && r.ecx != 0)
			return (uint32_t)((uint64_t)r.ecx * r.ebx / r.eax / 1000);
	}
	if (max >= 0x16)
		return (cpuid(0x16, 0).eax & 0xffff) * 1000;
	return 0;
}

/* Channel 2 of the PIT counts down 10 ms at 1.193182 MHz; bit 5 of port 0x61 shows the end. */
static uint32_t from_pit(void)
{
	const uint32_t count = 11932;
	uint64_t start, end;

	outb(0x61, (uint8_t)((inb(0x61) & ~2u) | 1));
	outb(0x43, 0xb0);
	outb(0x42, count & 0xff);
	outb(0x42, count >> 8);
	start = rdtsc();
	for (unsigned i = 0; i < 10000000 && !(inb(0x61) & 0x20); i++)
		;
	end = rdtsc();
	return (uint32_t)((end - start) / 10);
}

void tsc_init(void)
{
	uint32_t khz = l0_config()->tsc_khz;

	if (khz == 0)
		khz = from_cpuid();
	if (khz == 0)
		khz = from_pit();
	tsc_khz = khz != 0 ? khz : 1000000;
}

void tsc_delay_us(uint64_t us)
{
	uint64_t end = rdtsc() + us * tsc_khz / 1000;

	while (rdtsc() < end)
		cpu_pause();
}
