/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local APICs of a machine with simulated ones in x2APIC mode: sources that are firmware's,
 * which CPU has the machine's NMI, and timers whose deadlines microcode has wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

#define X2APIC     (1u << 21)
#define DEADLINE   (1u << 24)
#define HYPERVISOR (1u << 31)
#define HASWELL    0x306c3u /* spec/errata.def: revision 22H has no erratum */

static uint64_t base, reg[64];
static uint32_t features, signature, revision, id;
static bool signature_asked;
static struct l0_config config;
static char last[200], warning[200];
static unsigned warnings;

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = 0xb};
	case 1:
		signature_asked = true;
		return (struct cpuid_regs){.eax = signature, .ebx = id << 24, .ecx = features};
	default:
		assert_int_equal(leaf, 0xb);
		return (struct cpuid_regs){.ebx = 1, .edx = id};
	}
}

uint64_t hw_rdmsr(uint32_t msr)
{
	if (msr == MSR_APIC_BASE)
		return base;
	if (msr == MSR_BIOS_SIGN_ID) {
		assert_true(signature_asked); /* CPUID puts it there: SDM 9.11.7.1 */
		return (uint64_t)revision << 32;
	}
	assert_in_range(msr, 0x800, 0x83f);
	return reg[msr - 0x800];
}

/* The highest one in service ends (SDM 10.8.5). */
static void end_of_interrupt(void)
{
	for (unsigned i = 8; i-- > 0;)
		if (reg[(APIC_ISR >> 4) + i] != 0) {
			uint32_t word = (uint32_t)reg[(APIC_ISR >> 4) + i];

			reg[(APIC_ISR >> 4) + i] = word & ~(1u << (31 - __builtin_clz(word)));
			return;
		}
}

/* SDM 10.5.2: an illegal vector is an error, masked or not; NMI, SMI and INIT have none. */
static void check_vector(uint32_t at, uint64_t value)
{
	uint64_t delivery = at == APIC_LVT_TIMER ? 0 : value >> 8 & 7;

	if ((at >= APIC_LVT_TIMER && at <= APIC_LVT_TIMER + 0x50) || at == APIC_LVT_CMCI)
		assert_true(delivery != 0 || (value & 0xff) >= 16);
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	if (msr >= 0x800 && msr <= 0x83f)
		check_vector((msr - 0x800) << 4, value);
	if (msr == 0x800 + (APIC_EOI >> 4)) {
		assert_int_equal(value, 0);
		end_of_interrupt();
		return;
	}
	if (msr == MSR_APIC_BASE)
		base = value;
	else if (msr == MSR_BIOS_SIGN_ID)
		signature_asked = false;
	else if (msr >= 0x800 && msr <= 0x83f)
		reg[msr - 0x800] = value;
}

void hw_pause(void)
{
}

/* The timer counts at half of the TSC's rate. */
void tsc_delay_us(uint64_t us)
{
	uint64_t passed = us * tsc_khz / 1000;

	hw_now += passed;
	reg[APIC_CURRENT_COUNT >> 4] = reg[APIC_INITIAL_COUNT >> 4] - passed / 2;
}

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > LOG_INFO)
		return;
	va_start(args, format);
	vsnprintf(last, sizeof(last), format, args);
	va_end(args);
	if (level > LOG_WARN)
		return;
	memcpy(warning, last, sizeof(warning));
	warnings++;
}

static void power_on(void)
{
	for (unsigned i = 0; i < 64; i++)
		reg[i] = 0;
	reg[APIC_VERSION >> 4] = 6u << 16;
	for (uint32_t r = APIC_LVT_TIMER; r <= 0x370; r += 16)
		reg[r >> 4] = LVT_MASKED;
	reg[APIC_LVT_CMCI >> 4] = LVT_MASKED;
	reg[APIC_ID >> 4] = id;
}

static int begin(void **state)
{
	(void)state;
	features = X2APIC | DEADLINE | HYPERVISOR;
	signature = HASWELL;
	revision = 0;
	id = 0;
	config = (struct l0_config){0};
	warnings = 0;
	power_on();
	apic_take_nmi(NULL);
	return 0;
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

/* The entries of one CPU's inputs, as they are when it has come up. */
static void comes_up(uint32_t as, unsigned index)
{
	id = as;
	power_on();
	(void)starts(&cpu, index);
}

#define LINT0_IS (reg[APIC_LVT_LINT0 >> 4])
#define LINT1_IS (reg[APIC_LVT_LINT1 >> 4])
#define NMI      (DELIVER_NMI << DELIVER_SHIFT)

static void the_machines_nmi_meets_one_cpu(void **state)
{
	(void)state;
	id = 4;
	apic_take_nmi(NULL);
	comes_up(4, 0);
	assert_true(LINT1_IS == NMI && LINT0_IS & LVT_MASKED);
	for (unsigned i = 1; i < 4; i++) {
		comes_up(4 + i, i);
		assert_true(LINT0_IS & LVT_MASKED && LINT1_IS & LVT_MASKED);
	}
}

static void firmware_may_have_it_at_another_cpu_and_input(void **state)
{
	(void)state;
	apic_take_nmi(&(struct madt_nmi){.id = 6, .lint = 0, .active_low = true});
	comes_up(0, 0);
	assert_true(LINT0_IS & LVT_MASKED && LINT1_IS & LVT_MASKED);
	comes_up(6, 3);
	assert_true(LINT0_IS == (NMI | 1u << 13) && LINT1_IS & LVT_MASKED);
}

/* What the timer is armed with says which kind it is. */
static bool uses_deadlines(void)
{
	power_on();
	(void)starts(&cpu, 0);
	hw_now = 1000;
	apic_timer_arm(3000, 1000);
	if (reg[APIC_LVT_TIMER >> 4] == (TIMER_DEADLINE | VECTOR_TIMER))
		return true;
	assert_int_equal(reg[APIC_LVT_TIMER >> 4], VECTOR_TIMER);
	/* at half of the rate, rounded up */
	assert_int_equal(reg[APIC_INITIAL_COUNT >> 4], 1001);
	return false;
}

static void microcode_that_may_miss_deadlines_is_gone_around(void **state)
{
	static const struct {
		uint32_t signature, revision;
		bool works;
	} rows[] = {
		{HASWELL, 0x21, false},
		{HASWELL, 0x22, true},
		{HASWELL, 0x23, true},
		{0x50654, 0x02000013, false}, /* of two steppings each has its own */
		{0x50654, 0x02000014, true},
		{0x50653, 0x02000014, true},
		{0x50653, 0x01000135, false},
		{0x50657, 0, true}, /* a later one has no erratum */
		{0x806f8, 0, true},
	};

	(void)state;
	features &= ~HYPERVISOR;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		signature = rows[i].signature;
		revision = rows[i].revision;
		warnings = 0;
		assert_int_equal(uses_deadlines(), rows[i].works);
		assert_int_equal(warnings, !rows[i].works);
	}
	signature = HASWELL;
	revision = 0x1e;
	assert_false(uses_deadlines());
	assert_non_null(strstr(warning, "with microcode 0x1e (0x22 has none"));
}

static void revisions_of_hypervisors_and_emulators_mean_nothing(void **state)
{
	(void)state;
	revision = 1;
	assert_true(uses_deadlines());
	features &= ~HYPERVISOR;
	assert_false(uses_deadlines());
	config.machine.is_emulator = true;
	assert_true(uses_deadlines());
}

static void a_processor_without_deadlines_counts(void **state)
{
	(void)state;
	features = X2APIC;
	signature = 0x206a7;
	assert_false(uses_deadlines());
	assert_int_equal(warnings, 0);
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
		warnings = 0;
		apic_prefer_legacy(ids, 3);
		assert_int_equal(warnings, !rows[i].stays);
		assert_non_null(strstr(last, rows[i].stays ? "stay in it" : ", but "));
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

static void what_firmware_left_in_service_is_ended(void **state)
{
	(void)state;
	power_on();
	for (unsigned i = 0; i < 8; i++)
		reg[(APIC_ISR >> 4) + i] = i == 0 ? 0xffff0000u : 0xffffffffu;
	(void)starts(&cpu, 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(reg[(APIC_ISR >> 4) + i], 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(corrected_errors_that_are_firmwares_are_so_on_all_cpus),
		TEST(else_they_are_l0s),
		TEST(xapic_mode_stays_where_firmware_asks_for_it_and_all_cpus_are_reached),
		TEST(vectors_that_are_not_l0s_are_held_back_and_all_of_its_own_are_not),
		TEST(what_firmware_left_in_service_is_ended),
		TEST(the_machines_nmi_meets_one_cpu),
		TEST(firmware_may_have_it_at_another_cpu_and_input),
		TEST(microcode_that_may_miss_deadlines_is_gone_around),
		TEST(revisions_of_hypervisors_and_emulators_mean_nothing),
		TEST(a_processor_without_deadlines_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
