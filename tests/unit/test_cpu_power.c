/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor's speed and heat, by MSRs that exist only where CPUID says so: an access to any
 * other one fails the test, as it would fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/tsc.h"
#include "lib/power.h"
#include "spec/msr.h"

#define ACPI_TM (1u << 22 | 1u << 29)
#define PTM     (1u << 6)
#define HWP     (1u << 7)
#define EPP     (1u << 10)

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
uint32_t tsc_khz = 1000;

static struct l0_config config;
static struct cpuid_regs one, six;
static bool intel;
static struct {
	uint32_t msr;
	bool exists;
	uint64_t value, may_be_1; /* other bits are reserved: 1 faults */
} msrs[] = {
	{MSR_PM_ENABLE, false, 0, 1},
	{MSR_HWP_CAPABILITIES, false, 0x0108102a, 0},
	{MSR_HWP_REQUEST, false, 0x8000ff05, 0x3ffffffffff},
	{MSR_ENERGY_PERF_BIAS, false, 7, 15},
	{MSR_THERM_STATUS, false, 0, 0xfff},
	{MSR_PACKAGE_THERM, false, 0, 0xfff},
	{MSR_SMI_COUNT, false, 7, 0},
};
static char last[200], last_info[200];
static unsigned lines, infos;

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(level > LOG_WARN ? last_info : last, sizeof(last), format, args);
	va_end(args);
	if (level > LOG_WARN)
		infos++;
	else
		lines++;
}

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	assert_int_equal(subleaf, 0);
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = 6,
			.ebx = 0x756e6547,
			.ecx = intel ? 0x6c65746e : 0x444d4163, /* else "GenuineInteAMDc" */
			.edx = 0x49656e69};
	case 1:
		return one;
	case 6:
		return six;
	}
	fail();
	return one;
}

static uint64_t *msr_of(uint32_t msr, uint64_t value)
{
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		if (msrs[i].msr == msr) {
			assert_true(msrs[i].exists);
			assert_true((value & ~msrs[i].may_be_1) == 0);
			return &msrs[i].value;
		}
	fail();
	return NULL;
}

uint64_t hw_rdmsr(uint32_t msr)
{
	if (msr == MSR_HWP_REQUEST || msr == MSR_HWP_CAPABILITIES)
		assert_true(*msr_of(MSR_PM_ENABLE, 0) & 1);
	return *msr_of(msr, 0);
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	uint64_t *reg = msr_of(msr, value), before = *reg;

	*reg = value;
	/* Its logs are cleared by 0 and not set by 1; the rest is read only. */
	if (msr == MSR_THERM_STATUS || msr == MSR_PACKAGE_THERM)
		*reg = (before & 0x555) | (before & value & 0xaaa);
}

static void machine(uint32_t features, uint32_t power, uint32_t more, enum l0_performance mode)
{
	bool exists[] = {power & HWP, power & HWP, power & HWP, more & 8,
		(features & ACPI_TM) == ACPI_TM, power & PTM, false};

	memset(&cpu, 0, sizeof(cpu));
	cpu.self = hw_cpu = &cpu;
	one = (struct cpuid_regs){.edx = features};
	six = (struct cpuid_regs){.eax = power, .ecx = more};
	config.performance = mode;
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		msrs[i].exists = exists[i];
	msrs[0].value = 0;
	msrs[2].value = 0x8000ff05;
	msrs[3].value = 7;
	msrs[4].value = msrs[5].value = 0;
	lines = 0;
	hw_now += 1000000000;
	power_cpu_init();
}

static void machine_of_signature(uint32_t signature, uint32_t more_features)
{
	uint64_t smis = msrs[6].value = 7;

	infos = 0;
	one = (struct cpuid_regs){.eax = signature, .ecx = more_features};
	six = (struct cpuid_regs){0};
	config.performance = L0_PERFORMANCE_FIRMWARE;
	power_cpu_init();
	if (msrs[6].exists)
		assert_int_equal(cpu.smis, smis);
	else
		power_report();
	assert_int_equal(infos, 0);
}

static void firmwares_speed_is_left_as_it_is(void **state)
{
	(void)state;
	machine(ACPI_TM, HWP | EPP, 8, L0_PERFORMANCE_FIRMWARE);
	assert_int_equal(msrs[0].value, 0);
	assert_int_equal(msrs[2].value, 0x8000ff05);
	assert_int_equal(msrs[3].value, 7);
	assert_int_equal(lines, 0);
}

static void the_most_is_asked_for_or_the_processor_chooses(void **state)
{
	(void)state;
	machine(ACPI_TM, HWP | EPP, 8, L0_PERFORMANCE_MOST);
	assert_int_equal(msrs[0].value, 1);
	assert_int_equal(msrs[2].value, 0x00002a2a);
	assert_int_equal(msrs[3].value, 0);
	machine(ACPI_TM, HWP | EPP, 8, L0_PERFORMANCE_BALANCED);
	assert_int_equal(msrs[2].value, 0x80002a01);
	assert_int_equal(msrs[3].value, 6);
	/* Bits 31:24 of the request are reserved there. */
	machine(ACPI_TM, HWP, 0, L0_PERFORMANCE_MOST);
	assert_int_equal(msrs[2].value, 0x80002a2a);
	assert_int_equal(msrs[3].value, 7);
}

static void nothing_is_touched_that_is_not_there(void **state)
{
	(void)state;
	machine(0, 0, 0, L0_PERFORMANCE_MOST);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last, "no HWP"));
	power_poll();
	machine(1u << 22, PTM, 0, L0_PERFORMANCE_FIRMWARE);
	power_poll();
	assert_int_equal(lines, 0);
}

static void heat_is_told_once_and_its_log_cleared(void **state)
{
	(void)state;
	machine(ACPI_TM, PTM, 0, L0_PERFORMANCE_FIRMWARE);
	msrs[4].value = 0x40a; /* hot and PROCHOT were; a limit of power is, and was not */
	power_poll();
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last, "core of CPU 0 was slowed down: too hot, PROCHOT"));
	assert_int_equal(msrs[4].value, 0x400);
	msrs[5].value = 0x8b0; /* thresholds, critical and the limit were */
	power_poll();
	assert_int_equal(lines, 1); /* it is not time */
	hw_now += 5000ull * tsc_khz;
	power_poll();
	assert_int_equal(lines, 2);
	assert_non_null(strstr(last, "package of CPU 0"));
	assert_non_null(strstr(last, "critical temperature, limit of power"));
	assert_int_equal(msrs[5].value, 0x090);
	hw_now += 5000ull * tsc_khz;
	power_poll();
	assert_int_equal(lines, 2);
}

static void heat_that_stays_does_not_fill_the_log(void **state)
{
	unsigned critical;

	(void)state;
	machine(ACPI_TM, 0, 0, L0_PERFORMANCE_FIRMWARE);
	for (unsigned i = 0; i < 100; i++) {
		msrs[4].value = 0x2;
		hw_now += 5000ull * tsc_khz;
		power_poll();
	}
	assert_in_range(lines, 50, 55); /* one in 10 s, and 4 at once */
	critical = lines;
	msrs[4].value = 0x20;
	hw_now += 5000ull * tsc_khz;
	power_poll();
	assert_int_equal(lines, critical + 1);
}

/* An access to the count where it may not be fails the test. */
static void smis_are_counted_on_intels_processors_alone(void **state)
{
	(void)state;
	intel = true;
	msrs[6].exists = true;
	machine_of_signature(0x50657, 0);
	msrs[6].value = 19;
	power_report();
	assert_int_equal(infos, 1);
	assert_string_equal(last_info, "SMIs on CPU 0 since it came up: 12");
	msrs[6].exists = false;
	machine_of_signature(0x50657, 1u << 31); /* on a hypervisor */
	machine_of_signature(0x00f43, 0);        /* another family */
	config.machine.is_emulator = true;
	machine_of_signature(0x50657, 0);
	config.machine.is_emulator = false;
	intel = false;
	machine_of_signature(0x50657, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(firmwares_speed_is_left_as_it_is),
		cmocka_unit_test(the_most_is_asked_for_or_the_processor_chooses),
		cmocka_unit_test(nothing_is_touched_that_is_not_there),
		cmocka_unit_test(heat_is_told_once_and_its_log_cleared),
		cmocka_unit_test(heat_that_stays_does_not_fill_the_log),
		cmocka_unit_test(smis_are_counted_on_intels_processors_alone),
	};

	return cmocka_run_group_tests_name("cpu_power", tests, NULL, NULL);
}
