/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a CPU that is not used sleeps: as deep as idle= and the processor allow, and never past a
 * kick for good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/idle.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "spec/cpuid.h"

#define NOT_SLEPT 0x1000u
#define BY_HLT    0x1001u

uint64_t hw_now = 1000000;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
struct percpu *percpus[MAX_CPUS] = {&cpu};
uint32_t tsc_khz = 1000000;
static struct l0_config config;
static bool has_monitor;
static uint32_t power, slept;

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

/* C1, C1E, C3 and C6. */
struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = 0x16};
	case 1:
		return (struct cpuid_regs){.ecx = has_monitor ? 1u << 3 : 0};
	case CPUID_LEAF_MONITOR:
		return (struct cpuid_regs){.ecx = 3, .edx = 0x1120};
	case CPUID_LEAF_POWER:
		return (struct cpuid_regs){.eax = power};
	case CPUID_EXT_BASE:
		return (struct cpuid_regs){.eax = CPUID_EXT_BASE + 8};
	case CPUID_EXT_BASE + 7:
		return (struct cpuid_regs){.edx = 1u << 8};
	default:
		return (struct cpuid_regs){0};
	}
}

static bool kicked_on_the_way(void)
{
	return cpu.detour & DETOUR_KICKED;
}

void hw_sleep(void)
{
	if (!kicked_on_the_way())
		slept = BY_HLT;
}

void hw_mwait(uint32_t hint, const uint32_t *word)
{
	assert_ptr_equal(word, &cpu.shared.sleep);
	if (!kicked_on_the_way() && *word == CPU_SLEEPS)
		slept = hint;
}

static int set_up(void **state)
{
	(void)state;
	cpu = (struct percpu){.self = &cpu};
	hw_cpu = &cpu;
	config = (struct l0_config){.idle = L0_IDLE_AUTO};
	has_monitor = true;
	power = 1u << 2;
	return 0;
}

static uint32_t rests(uint64_t until)
{
	slept = NOT_SLEPT;
	idle_rest(until);
	return slept;
}

/* Unlike one that looks for work, it does not begin with short sleeps. */
static void one_that_is_not_used_sleeps_as_deep_as_it_may_at_once(void **state)
{
	(void)state;
	idle_init();
	assert_int_equal(rests(UINT64_MAX), 0x20);
	config.idle = L0_IDLE_C1;
	idle_init();
	assert_int_equal(rests(UINT64_MAX), 0x01);
	config.idle = L0_IDLE_HLT;
	idle_init();
	assert_int_equal(rests(UINT64_MAX), BY_HLT);
}

/* Or what it waits for would not come. */
static void not_deeper_than_timers_go_on(void **state)
{
	(void)state;
	power = 0;
	idle_init();
	assert_int_equal(rests(UINT64_MAX), 0x01);
}

static void a_short_sleep_is_not_worth_a_deep_state(void **state)
{
	(void)state;
	idle_init();
	assert_int_equal(rests(hw_now + 1000), 0x00);
	assert_int_equal(rests(hw_now - 1), 0x00);
	assert_int_equal(rests(hw_now + 10000000000), 0x20);
}

static void a_cpu_without_mwait_of_its_own_halts(void **state)
{
	(void)state;
	idle_init();
	has_monitor = false;
	assert_int_equal(rests(UINT64_MAX), BY_HLT);
}

/* Nobody else takes note of them: it would never sleep again. */
static void a_kick_that_has_come_does_not_keep_it_awake(void **state)
{
	(void)state;
	idle_init();
	cpu.detour = DETOUR_KICKED | DETOUR_CLEAR;
	assert_int_equal(rests(UINT64_MAX), 0x20);
	assert_int_equal(cpu.detour, DETOUR_CLEAR);
	config.idle = L0_IDLE_HLT;
	idle_init();
	cpu.detour = DETOUR_KICKED;
	assert_int_equal(rests(UINT64_MAX), BY_HLT);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_not_used_sleeps_as_deep_as_it_may_at_once),
		TEST(not_deeper_than_timers_go_on),
		TEST(a_short_sleep_is_not_worth_a_deep_state),
		TEST(a_cpu_without_mwait_of_its_own_halts),
		TEST(a_kick_that_has_come_does_not_keep_it_awake),
	};

	return cmocka_run_group_tests_name("cpu_idle", tests, NULL, NULL);
}
