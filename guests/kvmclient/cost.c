/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kvmclient cost`: what a CPUID costs here, at whatever level of a nest that is. It needs no
 * KVM: in a VM of VT-x that instruction always exits, from user mode, too (SDM 25.1.2
 * "Instructions That Cause VM Exits Unconditionally").
 */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>

#define WARM  32 /* exits after which an L0 that learns what its L1 touches has done so */
#define TRIES 65 /* odd: the middle one is one of them */

/* The jump before RDTSC makes the emulator sample it exactly. */
static uint64_t exact_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("jmp 1f\n1:\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void nothing(void)
{
}

static void execute_cpuid(void)
{
	uint32_t a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

static int compare(const void *a, const void *b)
{
	uint64_t x, y;

	x = *(const uint64_t *)a;
	y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Median: hypervisors stop a guest's clock now and then, and timers tick, so that neither the
 * least nor the mean tells what one costs. */
static uint64_t median(void (*op)(void))
{
	uint64_t ticks[TRIES];

	for (unsigned i = 0; i < WARM; i++)
		op();
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t begin = exact_tsc();

		op();
		ticks[i] = exact_tsc() - begin;
	}
	qsort(ticks, TRIES, sizeof(*ticks), compare);
	return ticks[TRIES / 2];
}

/* Prints the ticks of the time stamp counter, without the cost of measuring. */
int cost_main(void)
{
	uint64_t empty = median(nothing);

	printf("a CPUID costs %llu ticks\n",
		(unsigned long long)(median(execute_cpuid) - empty));
	return 0;
}
