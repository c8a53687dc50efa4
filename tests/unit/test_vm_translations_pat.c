/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's memory types, when a CPU comes from firmware with a PAT of its own (cpu/percpu.c). A
 * processor keeps the type of a page in its TLBs until MOV to CR3, and brings into its caches
 * what is cacheable by a type that it has, at any moment, whether it is accessed or not (SDM
 * 11.3 "Methods of Caching Available", 11.12.4 "Programming the PAT"). Afterwards no type of
 * firmware's is left, and nothing is in a cache that may not be there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/fault.h"
#include "cpu/leaves.h"
#include "cpu/percpu.h"
#include "random.h"
#include "spec/regs.h"

/* Pages by what their entries say: write-back, UC- and UC. None has WC yet. */
static const unsigned index_of[] = {0, 0, 2, 3, 3};
#define PAGES (sizeof(index_of) / sizeof(index_of[0]))

/* Types of the PAT: SDM 11.12.2 "IA32_PAT MSR". */
enum type {
	UC,
	WC,
	WT = 4,
	WP,
	WB,
	UC_MINUS
};

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;

static struct {
	uint64_t pat, seed;
	unsigned types[PAGES]; /* that its TLBs have, as bits */
	bool cached[PAGES];
	bool flushed; /* TLBs, since the caches were */
} w;

static enum type type_of(unsigned page)
{
	return (enum type)(w.pat >> (8 * index_of[page]) & 7);
}

static bool is_cacheable(unsigned type)
{
	return type == WT || type == WP || type == WB;
}

/* What the processor may do between two instructions; seldom not. */
static void guess(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (random_below(&w.seed, 8) == 0)
			continue;
		w.types[i] |= 1u << type_of(i);
		for (unsigned type = UC; type <= UC_MINUS; type++)
			if (w.types[i] & 1u << type && is_cacheable(type))
				w.cached[i] = true;
	}
}

void hw_cr3_loaded(void)
{
	guess();
	memset(w.types, 0, sizeof(w.types));
	w.flushed = true;
	guess();
}

void hw_wbinvd(void)
{
	guess();
	memset(w.cached, 0, sizeof(w.cached));
	w.flushed = false;
	guess();
}

uint64_t hw_rdmsr(uint32_t msr)
{
	assert_int_equal(msr, MSR_PAT);
	return w.pat;
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	guess();
	if (msr == MSR_PAT)
		w.pat = value;
	guess();
}

uint64_t hw_cr4_access(bool write, uint64_t value)
{
	(void)write;
	return value;
}

void hw_xsetbv(uint64_t value)
{
	(void)value;
}

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)leaf;
	(void)subleaf;
	return (struct cpuid_regs){.eax = 0};
}

void fault_init_cpu(void)
{
}

static void begin(uint64_t pat, uint64_t number)
{
	memset(&w, 0, sizeof(w));
	w.pat = pat;
	w.seed = number;
	w.flushed = true;
	guess();
	percpu_init(0);
	guess();
	assert_true(w.pat == PAT_L0);
	assert_true(percpus[0]->firmware_pat == pat);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(w.types[i] & ~(1u << type_of(i)), 0);
		assert_false(w.cached[i] && !is_cacheable(type_of(i)));
	}
	assert_true(w.flushed); /* a second time: 11.11.8 "MTRR Considerations in MP Systems" */
}

static void no_type_of_firmwares_is_left_nor_what_came_by_one(void **state)
{
	static const uint8_t valid[] = {UC, WC, WT, WP, WB, UC_MINUS};

	(void)state;
	for (uint64_t number = 1; number <= 500; number++) {
		uint64_t pat = 0, seed = number;

		for (unsigned i = 0; i < 8; i++)
			pat |= (uint64_t)valid[random_below(&seed, sizeof(valid))] << (8 * i);
		begin(pat, number);
	}
}

/* Of what processors begin with only an entry changes by which nothing is mapped. */
static void nothing_is_dropped_where_firmware_has_left_the_pat_alone(void **state)
{
	(void)state;
	for (uint64_t number = 1; number <= 20; number++)
		begin(PAT_RESET, number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_type_of_firmwares_is_left_nor_what_came_by_one),
		cmocka_unit_test(nothing_is_dropped_where_firmware_has_left_the_pat_alone),
	};

	return cmocka_run_group_tests_name("vm_translations_pat", tests, NULL, NULL);
}
