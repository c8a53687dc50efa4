/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of local APICs that are firmware's, on a machine with simulated x2APICs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "spec/apic.h"
#include "spec/msr.h"

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
uint32_t tsc_khz = 1000;

static uint64_t base, reg[64];
static const char *said;
static bool warned;

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)leaf;
	(void)subleaf;
	return (struct cpuid_regs){.ecx = 1u << 21 | 1u << 24 | 1u << 31};
}

uint64_t hw_rdmsr(uint32_t msr)
{
	if (msr == MSR_APIC_BASE)
		return base;
	assert_in_range(msr, 0x800, 0x83f);
	return reg[msr - 0x800];
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	if (msr == MSR_APIC_BASE)
		base = value;
	else if (msr >= 0x800 && msr <= 0x83f)
		reg[msr - 0x800] = value;
}

void hw_pause(void)
{
}

void tsc_delay_us(uint64_t us)
{
	(void)us;
}

const struct l0_config *l0_config(void)
{
	static const struct l0_config none;

	return &none;
}

void log_line(enum log_level level, const char *format, ...)
{
	warned = level == LOG_WARN;
	said = format;
}

static void power_on(void)
{
	for (unsigned i = 0; i < 64; i++)
		reg[i] = 0;
	reg[APIC_VERSION >> 4] = 6u << 16;
	for (uint32_t r = APIC_LVT_TIMER; r <= 0x370; r += 16)
		reg[r >> 4] = LVT_MASKED;
	reg[APIC_LVT_CMCI >> 4] = LVT_MASKED;
}

static bool starts(struct percpu *c, unsigned index)
{
	*c = (struct percpu){.self = c, .index = index};
	hw_cpu = c;
	assert_true(apic_init());
	return apic_take_cmci();
}

static struct percpu cpu;

/* The start-up of other CPUs begins with INIT, which masks them all (SDM 10.4.7.3). */
static void corrected_errors_that_are_firmwares_are_so_on_all_cpus(void **state)
{
	(void)state;
	power_on();
	reg[APIC_LVT_CMCI >> 4] = DELIVER_SMI << DELIVER_SHIFT;
	assert_false(starts(&cpu, 0));
	power_on();
	assert_false(starts(&cpu, 1));
	assert_true(reg[APIC_LVT_CMCI >> 4] == DELIVER_SMI << DELIVER_SHIFT);
}

static void else_they_are_l0s(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		power_on();
		assert_true(starts(&cpu, i));
		assert_true(reg[APIC_LVT_CMCI >> 4] == VECTOR_CMCI);
	}
}

/* VT-d 8.1: what firmware asks for. Identifiers from 255 up need x2APIC mode. */
static void xapic_mode_stays_where_firmware_asks_for_it_and_all_cpus_are_reached(void **state)
{
	static const struct {
		uint64_t base;
		uint32_t last_id;
		bool stays;
	} rows[] = {
		{APIC_BASE_ENABLE, 254, true},
		{APIC_BASE_ENABLE, 255, false},
		{APIC_BASE_ENABLE, 0x1000, false},
		{APIC_BASE_ENABLE | APIC_BASE_X2APIC, 7, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t ids[] = {0, 2, rows[i].last_id};

		base = rows[i].base;
		apic_prefer_legacy(ids, 3);
		assert_int_equal(warned, !rows[i].stays);
		assert_non_null(strstr(said, rows[i].stays ? "stay in it" : ", but %s"));
		if (rows[i].stays)
			continue; /* its registers are in memory that no host has */
		power_on();
		(void)starts(&cpu, 0);
		assert_true(base & APIC_BASE_X2APIC);
		assert_true(apic_is_extended());
	}
}

static void vectors_that_are_not_l0s_are_held_back_and_all_of_its_own_are_not(void **state)
{
	static const unsigned own[] = {VECTOR_MESSAGES, VECTOR_MESSAGES + MESSAGE_VECTORS - 1,
		VECTOR_LINES, VECTOR_TIMER, VECTOR_KICK, VECTOR_POSTED, VECTOR_IOMMU,
		VECTOR_ARRIVED, VECTOR_CMCI};
	uint64_t held;

	(void)state;
	power_on();
	(void)starts(&cpu, 0);
	held = reg[APIC_TPR >> 4] >> 4; /* classes up to this one (SDM 10.8.3.1) */
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_true(own[i] >> 4 > held);
	assert_int_equal(held, (VECTOR_MESSAGES >> 4) - 1);
	assert_true(held >= 1); /* none that would be taken for an exception */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corrected_errors_that_are_firmwares_are_so_on_all_cpus),
		cmocka_unit_test(else_they_are_l0s),
		cmocka_unit_test(
			xapic_mode_stays_where_firmware_asks_for_it_and_all_cpus_are_reached),
		cmocka_unit_test(
			vectors_that_are_not_l0s_are_held_back_and_all_of_its_own_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
