/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications of posted interrupts. Bochs 3.0 delivers a virtual interrupt to a guest that
 * has interrupts disabled when an interrupt of the machine comes meanwhile, where it should
 * stay pending (SDM 29.2.2). So they wait until the processor has interrupts enabled, or is not
 * in VMX operation: a guest would not be interrupted earlier. What is not for this guest, but
 * for whoever runs it, waits no longer than that one can bear.
 */
#define _GNU_SOURCE
#include "bochs_vtd.h"
#include "bochs_plugin.h"

#include <string.h>

/* Places in an emulated processor. */
#define EFLAGS 0x100
#define IN_VMX 0x8eb8
#define IF     0x200u

#define CPUS  16u
#define WORDS 4u
#define AGAIN 20u /* ticks between two looks */
#define LOOKS 10000u

extern unsigned char **bx_cpu_array;
extern unsigned char bx_cpu_count;

static struct {
	uint64_t vectors[WORDS]; /* as bits */
	unsigned looks;
} waiting[CPUS];
static int timer;

static bool must_wait(unsigned cpu)
{
	const unsigned char *c = bx_cpu_array[cpu];
	uint32_t flags;

	memcpy(&flags, c + EFLAGS, sizeof(flags));
	return c[IN_VMX] && !(flags & IF);
}

/* False: some wait still. */
static bool deliver_to(unsigned cpu)
{
	uint64_t *vectors = waiting[cpu].vectors;
	bool any = false;

	for (unsigned i = 0; i < WORDS; i++)
		any = any || vectors[i] != 0;
	if (any && must_wait(cpu) && waiting[cpu].looks++ < LOOKS)
		return false;
	for (unsigned v = 0; any && v < WORDS * 64; v++)
		if (vectors[v / 64] >> v % 64 & 1)
			deliver((uint8_t)v, cpu, 0, false, true, false);
	memset(&waiting[cpu], 0, sizeof(waiting[cpu]));
	return true;
}

static void look(void *self)
{
	bool all = true;

	(void)self;
	for (unsigned cpu = 0; cpu < bx_cpu_count && cpu < CPUS; cpu++)
		all &= deliver_to(cpu);
	if (!all)
		start_timer(bx_pc_system, (unsigned)timer, AGAIN, false);
}

void notify_init(void *object)
{
	timer = register_timer(bx_pc_system, object, look, 1, false, false, "nestorvtd");
}

void notify_reset(void)
{
	memset(waiting, 0, sizeof(waiting));
}

/* Local APICs have the numbers of their processors. */
void notify(uint8_t vector, uint32_t destination)
{
	if (destination >= bx_cpu_count || destination >= CPUS) {
		deliver(vector, destination, 0, false, true, false);
		return;
	}
	waiting[destination].vectors[vector / 64] |= UINT64_C(1) << vector % 64;
	look(NULL);
}
