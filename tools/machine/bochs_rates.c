/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded with Bochs 3.0, too: CPUID tells the rates that the emulated processor's clocks have.
 * Its models tell those of the processors that they are taken from, such as 3,500 MHz and a
 * ratio to a crystal of 24 MHz, while its TSC and its local APIC's timer both count at the rate
 * `ips`. Software that believes the processor waits by wrong times, and lets the timer fire
 * more often than it means to. Here leaf 15H has a crystal of that rate, with a ratio of 1 to
 * the TSC: the timer counts the crystal where that leaf tells the ratio (SDM 10.5.4 "APIC
 * Timer"; 18.7.3 "Determining the Processor Base Frequency"). Leaf 16H has the same, in MHz.
 * Models without these leaves have none. See
 * docs/decisions/0127-the-bare-machine-tells-what-it-has.md.
 *
 * Offsets are those of one build, as in bochs_smp.c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Ticks a microsecond of devices, a double, in what has Bochs' timers. */
#define TICKS_PER_US 0x1658

/* The function of a model that gives a leaf, behind two words of its table. */
#define SLOT_LEAF 5

#define LEAF_CRYSTAL 0x15u
#define LEAF_MHZ     0x16u
#define BUS_MHZ      100u

struct leaf {
	uint32_t eax, ebx, ecx, edx;
};

typedef void (*leaf_fn)(void *self, uint32_t function, uint32_t subleaf, struct leaf *out);

/* The models that have these leaves. */
extern void *icelake[] __asm__("_ZTV16corei7_icelake_t");
extern void *skylake_x[] __asm__("_ZTV18corei7_skylake_x_t");
extern void *cannonlake[] __asm__("_ZTV12corei3_cnl_t");
extern void *tigerlake[] __asm__("_ZTV11tigerlake_t");
extern void *sapphire_rapids[] __asm__("_ZTV17sapphire_rapids_t");
extern void *arrow_lake[] __asm__("_ZTV12arrow_lake_t");
extern unsigned char bx_pc_system[];

static struct {
	void **table;
	leaf_fn stock;
} models[] = {{skylake_x, NULL}, {cannonlake, NULL}, {icelake, NULL}, {tigerlake, NULL},
	{sapphire_rapids, NULL}, {arrow_lake, NULL}};

#define MODELS (sizeof(models) / sizeof(models[0]))

static leaf_fn stock_of(void *self)
{
	size_t i = 0;

	while (i < MODELS - 1 && *(void ***)self != models[i].table + 2)
		i++;
	return models[i].stock;
}

static void give_leaf(void *self, uint32_t function, uint32_t subleaf, struct leaf *out)
{
	double mhz;

	stock_of(self)(self, function, subleaf, out);
	memcpy(&mhz, bx_pc_system + TICKS_PER_US, sizeof(mhz));
	if (function == LEAF_CRYSTAL)
		*out = (struct leaf){1, 1, (uint32_t)(mhz * 1e6 + 0.5), 0};
	else if (function == LEAF_MHZ)
		*out = (struct leaf){(uint32_t)mhz, (uint32_t)mhz, BUS_MHZ, 0};
}

__attribute__((constructor)) static void replace(void)
{
	for (size_t i = 0; i < MODELS; i++) {
		void **slot = &models[i].table[2 + SLOT_LEAF];
		uintptr_t page = (uintptr_t)slot & ~(uintptr_t)0xfff;

		if (mprotect((void *)page, 0x1000, PROT_READ | PROT_WRITE) != 0) {
			fprintf(stderr, "what gives CPUID's leaves cannot be changed\n");
			exit(1);
		}
		memcpy(&models[i].stock, slot, sizeof(*slot));
		*slot = (void *)(uintptr_t)give_leaf;
	}
}
