/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of L1's MSRs, the bitmap that follows from them, and the MTRRs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/msr.h"
#include "spec/addr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WB           0x0606060606060606ull

static const uint32_t registers[] = {MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
	MSR_PAT, MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_FS_BASE, MSR_GS_BASE,
	MSR_KERNEL_GS_BASE, MSR_TSC_AUX};

static const struct {
	uint32_t msr;
	uint64_t value;
} constants[] = {{0x2a, 0}, {0x79, 0}, {0x8b, 0x0200700600000000}, {0x1a0, 0x1801}, {0x17a, 0},
	{0x1d9, 0}, {0xe7, 0}, {0xe8, 0}},
  fixed[] = {{0x17, 0}, {0x34, 0}, {0x179, 0}};

static struct msr_offer all; /* of a vCPU that sees all flags */

static void see_all(struct cpuid_table *t)
{
	memset(t, 0xff, sizeof(*t));
}

static void take(struct cpuid_table *t, enum cpuid_field field)
{
	const struct cpuid_place *p = &cpuid_places[field];
	struct cpuid_leaf *leaf = p->leaf >= CPUID_EXT_BASE
					  ? &t->l.ext[p->leaf - CPUID_EXT_BASE]
					  : &t->l.basic[p->leaf];

	assert_int_equal(p->subleaf, 0);
	(&leaf->eax)[p->reg] &= ~cpuid_mask(field);
	assert_false(cpuid_policy_has(t, field));
}

static int begin(void **state)
{
	struct cpuid_table t;

	(void)state;
	see_all(&t);
	take(&t, CPUID_LA57);
	msr_offer_make(&all, &t);
	return 0;
}

static void expect_constant(uint32_t msr, uint64_t want)
{
	uint64_t value = ~want;

	assert_int_equal(msr_policy_read(&all, msr, &value), MSR_ANSWER_DONE);
	assert_true(value == want);
}

static void registers_that_pass_through_are_left_to_the_register(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(registers); i++) {
		uint64_t value = 77;

		assert_true(msr_policy_has(&all, registers[i]));
		assert_int_equal(
			msr_policy_read(&all, registers[i], &value), MSR_ANSWER_REGISTER);
		assert_int_equal(value, 77);
		assert_int_equal(msr_policy_write(&all, registers[i], 0), MSR_ANSWER_REGISTER);
	}
}

static void the_time_stamp_counter_is_the_vcpus(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(msr_policy_read(&all, MSR_TSC, &value), MSR_ANSWER_TSC);
	assert_int_equal(msr_policy_write(&all, MSR_TSC, UINT64_MAX), MSR_ANSWER_TSC);
}

static void constants_ignore_what_is_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(constants); i++) {
		expect_constant(constants[i].msr, constants[i].value);
		assert_int_equal(
			msr_policy_write(&all, constants[i].msr, UINT64_MAX), MSR_ANSWER_DONE);
		expect_constant(constants[i].msr, constants[i].value);
	}
}

static void fixed_msrs_take_their_own_value_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fixed); i++) {
		expect_constant(fixed[i].msr, fixed[i].value);
		assert_int_equal(
			msr_policy_write(&all, fixed[i].msr, fixed[i].value), MSR_ANSWER_DONE);
		assert_int_equal(msr_policy_write(&all, fixed[i].msr, ~fixed[i].value),
			MSR_ANSWER_REFUSED);
	}
}

static void a_read_only_msr_refuses_even_its_own_value(void **state)
{
	(void)state;
	expect_constant(MSR_MTRR_CAP, 0x508);
	assert_int_equal(msr_policy_write(&all, MSR_MTRR_CAP, 0x508), MSR_ANSWER_REFUSED);
	assert_int_equal(msr_policy_write(&all, MSR_MTRR_CAP, 0), MSR_ANSWER_REFUSED);
}

static void an_msr_without_a_rule_is_refused(void **state)
{
	static const uint32_t unknown[] = {0, MSR_FEATURE_CONTROL, MSR_APIC_BASE,
		MSR_TSC_DEADLINE, MSR_TSC_ADJUST, MSR_PERF_CAPABILITIES, MSR_PERF_GLOBAL_CTRL,
		MSR_VMX_BASIC, MSR_X2APIC_TPR, MSR_MTRR_DEF_TYPE, 0x48, 0x49, 0x10a, 0xc0000104,
		UINT32_MAX};
	uint64_t value = 77;

	(void)state;
	for (size_t i = 0; i < COUNT(unknown); i++) {
		assert_false(msr_policy_has(&all, unknown[i]));
		assert_int_equal(msr_policy_read(&all, unknown[i], &value), MSR_ANSWER_REFUSED);
		assert_int_equal(msr_policy_write(&all, unknown[i], 0), MSR_ANSWER_REFUSED);
	}
	assert_int_equal(value, 77);
}

static bool takes(uint32_t msr, uint64_t value)
{
	enum msr_answer answer = msr_policy_write(&all, msr, value);

	assert_true(answer == MSR_ANSWER_REGISTER || answer == MSR_ANSWER_REFUSED);
	return answer == MSR_ANSWER_REGISTER;
}

static void a_register_takes_what_wrmsr_takes(void **state)
{
	static const uint32_t addresses[] = {MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_LSTAR,
		MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE};

	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		assert_true(takes(addresses[i], 0x00007fffffffffff));
		assert_true(takes(addresses[i], 0xffff800000000000));
		assert_false(takes(addresses[i], 0x0000800000000000));
		assert_false(takes(addresses[i], 0xffff7fffffffffff));
	}
	assert_true(takes(MSR_STAR, UINT64_MAX >> 1));
	assert_true(takes(MSR_SYSENTER_CS, UINT64_MAX >> 1));
	assert_true(takes(MSR_FMASK, UINT32_MAX));
	assert_false(takes(MSR_FMASK, 1ull << 32));
	assert_true(takes(MSR_TSC_AUX, UINT32_MAX));
	assert_false(takes(MSR_TSC_AUX, 1ull << 63));
	assert_true(takes(MSR_EFER, 0xd01));
	for (unsigned bit = 0; bit < 64; bit++)
		assert_int_equal(takes(MSR_EFER, 1ull << bit), 0xd01ull >> bit & 1);
}

static void the_pat_takes_each_type_in_each_entry_but_the_reserved_ones(void **state)
{
	(void)state;
	for (unsigned entry = 0; entry < 64; entry += 8)
		for (uint64_t type = 0; type < 256; type++)
			assert_int_equal(
				takes(MSR_PAT, (WB & ~(0xffull << entry)) | type << entry),
				type < 8 && type != 2 && type != 3);
}

static void what_is_refused_has_its_rule(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
		enum denial why;
	} writes[] = {
		{MSR_PAT, 2, DENIAL_MSR_PAT_TYPES},
		{MSR_PAT, WB, DENIAL_NONE},
		{MSR_EFER, 2, DENIAL_MSR_EFER_RESERVED},
		{MSR_FMASK, 1ull << 32, DENIAL_MSR_HIGH_BITS},
		{MSR_LSTAR, 1ull << 63, DENIAL_MSR_CANONICAL},
		{MSR_STAR, UINT64_MAX, DENIAL_NONE},
		{MSR_MTRR_CAP, 0, DENIAL_MSR_READ_ONLY},
		{MSR_MCG_STATUS, 9, DENIAL_NONE},
		{MSR_TSC, 9, DENIAL_NONE},
		{0x12345, 0, DENIAL_MSR_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(writes); i++) {
		enum denial why = msr_policy_denial(&all, writes[i].msr, true, writes[i].value);

		assert_int_equal(why, writes[i].why);
		assert_int_equal(why != DENIAL_NONE,
			msr_policy_write(&all, writes[i].msr, writes[i].value) ==
				MSR_ANSWER_REFUSED);
	}
	assert_int_equal(msr_policy_denial(&all, MSR_MTRR_CAP, false, 0), DENIAL_NONE);
	assert_int_equal(msr_policy_denial(&all, 0x12345, false, 0), DENIAL_MSR_UNKNOWN);
}

static void efer_keeps_lme_under_paging_and_writes_of_lma_are_ignored(void **state)
{
	(void)state;
	assert_true(msr_policy_efer_change_valid(0, EFER_LME | EFER_SCE | EFER_NXE, false));
	assert_false(msr_policy_efer_change_valid(0, EFER_LME, true));
	assert_false(msr_policy_efer_change_valid(EFER_LME | EFER_LMA, EFER_LMA, true));
	assert_true(msr_policy_efer_change_valid(0, EFER_LMA, false));
	assert_true(msr_policy_efer_change_valid(EFER_LME | EFER_LMA, EFER_LME, true));
	assert_true(msr_policy_efer_change_valid(
		EFER_LME | EFER_LMA, EFER_LME | EFER_LMA | EFER_NXE, true));
}

/* The number of an MSR by its place in the bitmap: 24.6.9, four parts of 1 KiB. */
static bool exits(const uint64_t *bitmap, uint32_t msr, bool write)
{
	const uint8_t *part =
		(const uint8_t *)bitmap + (msr >> 31 ? 1024 : 0) + (write ? 2048 : 0);

	return part[(msr & 0x1fff) / 8] >> (msr & 7) & 1;
}

static bool contains(const uint32_t *list, size_t count, uint32_t msr)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == msr)
			return true;
	return false;
}

static void the_bitmap_lets_only_registers_of_l1_through(void **state)
{
	static const uint32_t ranges[] = {0, 0xc0000000};
	static uint64_t bitmap[512];

	(void)state;
	msr_bitmap_fill(bitmap);
	msr_policy_allow(&all, bitmap);
	for (size_t range = 0; range < COUNT(ranges); range++)
		for (uint32_t i = 0; i < 0x2000; i++) {
			uint32_t msr = ranges[range] + i;
			bool own = contains(registers, COUNT(registers), msr);
			bool read = own || msr == MSR_TSC || msr == MSR_DEBUGCTL;

			if (exits(bitmap, msr, false) == read ||
				exits(bitmap, msr, true) == own)
				fail_msg("MSR %#x", msr);
		}
}

/* SDM vol. 4, table 2-2: flags of which one brings it. */
static void an_msr_is_there_with_what_brings_it(void **state)
{
	static const struct {
		uint32_t msr;
		enum cpuid_field by[2];
	} rows[] = {
		{MSR_TSC_AUX, {CPUID_RDTSCP, CPUID_RDPID}},
		{MSR_EFER, {CPUID_LM, CPUID_NX}},
		{MSR_STAR, {CPUID_LM, CPUID_LM}},
		{MSR_FMASK, {CPUID_LM, CPUID_LM}},
		{MSR_KERNEL_GS_BASE, {CPUID_LM, CPUID_LM}},
		{MSR_SYSENTER_CS, {CPUID_SEP, CPUID_SEP}},
		{MSR_PAT, {CPUID_PAT, CPUID_PAT}},
		{MSR_MTRR_CAP, {CPUID_MTRR, CPUID_MTRR}},
		{MSR_MCG_CAP, {CPUID_MCA, CPUID_MCA}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (unsigned gone = 0; gone < 4; gone++) {
			bool there = rows[i].by[0] == rows[i].by[1] ? gone == 0 : gone != 3;
			uint64_t bitmap[512], value = 77;
			struct cpuid_table t;
			struct msr_offer o;

			see_all(&t);
			for (unsigned k = 0; k < 2; k++)
				if (gone >> k & 1)
					take(&t, rows[i].by[k]);
			msr_offer_make(&o, &t);
			msr_bitmap_fill(bitmap);
			msr_policy_allow(&o, bitmap);
			assert_int_equal(msr_policy_has(&o, rows[i].msr), there);
			if (there)
				continue;
			assert_int_equal(
				msr_policy_read(&o, rows[i].msr, &value), MSR_ANSWER_REFUSED);
			assert_int_equal(
				msr_policy_write(&o, rows[i].msr, 0), MSR_ANSWER_REFUSED);
			assert_int_equal(msr_policy_denial(&o, rows[i].msr, false, 0),
				DENIAL_MSR_UNKNOWN);
			assert_true(exits(bitmap, rows[i].msr, false));
			assert_true(exits(bitmap, rows[i].msr, true));
			assert_int_equal(value, 77);
		}
}

static void allowing_one_access_changes_one_bit(void **state)
{
	static const struct {
		uint32_t msr;
		bool write;
		unsigned byte;
		uint8_t left;
	} known[] = {{0, false, 0, 0xfe}, {0x1fff, false, 1023, 0x7f},
		{0xc0000000, false, 1024, 0xfe}, {0xc0001fff, false, 2047, 0x7f},
		{0x808, true, 2048 + 0x101, 0xfe}, {0xc0000082, true, 3072 + 0x10, 0xfb}};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		uint64_t bitmap[512];
		const uint8_t *bytes = (const uint8_t *)bitmap;

		for (unsigned k = 0; k < 512; k++)
			bitmap[k] = UINT64_MAX;
		msr_bitmap_allow(bitmap, known[i].msr, known[i].write);
		for (unsigned k = 0; k < 4096; k++)
			assert_int_equal(bytes[k], k == known[i].byte ? known[i].left : 0xff);
	}
}

static void mtrrs_start_as_write_back(void **state)
{
	struct mtrr_state m;

	(void)state;
	mtrr_reset(&m);
	assert_int_equal(*mtrr_slot(&m, 0x2ff), 0xc06);
	for (uint32_t msr = 0x200; msr < 0x210; msr++)
		assert_true(*mtrr_slot(&m, msr) == 0);
	for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
		assert_true(m.fixed[i] == WB);
}

static void each_mtrr_has_a_slot_of_its_own_and_no_other_msr_has_one(void **state)
{
	struct mtrr_state m = {0};
	uint64_t *slots = (uint64_t *)&m;
	unsigned found = 0;

	(void)state;
	for (uint32_t msr = 0; msr < 0x2000; msr++) {
		uint64_t *slot = mtrr_slot(&m, msr);
		bool is_mtrr = (msr >= 0x200 && msr <= 0x20f) || msr == 0x250 || msr == 0x258 ||
			       msr == 0x259 || (msr >= 0x268 && msr <= 0x26f) || msr == 0x2ff;

		assert_int_equal(slot != NULL, is_mtrr);
		if (slot == NULL)
			continue;
		assert_true(slot >= slots && slot < slots + sizeof(m) / sizeof(*slots));
		assert_true(*slot == 0); /* nobody else's */
		*slot = msr;
		found++;
	}
	assert_int_equal(found, sizeof(m) / sizeof(*slots));
	assert_null(mtrr_slot(&m, 0xc0000200));
}

/* UC, WC, WT, WP, WB */
static bool is_type(uint64_t type)
{
	return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

static void mtrrs_take_memory_types_only(void **state)
{
	(void)state;
	for (uint64_t type = 0; type < 256; type++) {
		assert_int_equal(mtrr_valid(0x2ff, type, 40), is_type(type));
		assert_int_equal(mtrr_valid(0x200, type, 40), is_type(type));
		assert_int_equal(mtrr_valid(0x20e, type, 40), is_type(type));
		for (unsigned entry = 0; entry < 64; entry += 8) {
			uint64_t v = (WB & ~(0xffull << entry)) | type << entry;

			assert_int_equal(mtrr_valid(0x250, v, 40), is_type(type));
			assert_int_equal(mtrr_valid(0x259, v, 40), is_type(type));
			assert_int_equal(mtrr_valid(0x26f, v, 40), is_type(type));
		}
	}
}

static void mtrrs_refuse_reserved_bits_and_addresses_that_the_cpu_lacks(void **state)
{
	static const uint8_t widths[] = {36, 40, 46, 52};

	(void)state;
	for (size_t w = 0; w < COUNT(widths); w++)
		for (unsigned bit = 8; bit < 64; bit++) {
			uint64_t v = 1ull << bit;
			bool address = bit >= 12 && bit < widths[w];

			assert_int_equal(mtrr_valid(0x200, v, widths[w]), address);
			assert_int_equal(mtrr_valid(0x20e, v, widths[w]), address);
			assert_int_equal(mtrr_valid(0x201, v, widths[w]), address || bit == 11);
			assert_int_equal(mtrr_valid(0x20f, v, widths[w]), address || bit == 11);
			assert_int_equal(
				mtrr_valid(0x2ff, v, widths[w]), bit == 10 || bit == 11);
		}
	for (unsigned bit = 0; bit < 8; bit++)
		assert_false(mtrr_valid(0x201, 1ull << bit, 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_that_pass_through_are_left_to_the_register),
		cmocka_unit_test(the_time_stamp_counter_is_the_vcpus),
		cmocka_unit_test(constants_ignore_what_is_written),
		cmocka_unit_test(fixed_msrs_take_their_own_value_only),
		cmocka_unit_test(a_read_only_msr_refuses_even_its_own_value),
		cmocka_unit_test(an_msr_without_a_rule_is_refused),
		cmocka_unit_test(a_register_takes_what_wrmsr_takes),
		cmocka_unit_test(the_pat_takes_each_type_in_each_entry_but_the_reserved_ones),
		cmocka_unit_test(what_is_refused_has_its_rule),
		cmocka_unit_test(efer_keeps_lme_under_paging_and_writes_of_lma_are_ignored),
		cmocka_unit_test(the_bitmap_lets_only_registers_of_l1_through),
		cmocka_unit_test(an_msr_is_there_with_what_brings_it),
		cmocka_unit_test(allowing_one_access_changes_one_bit),
		cmocka_unit_test(mtrrs_start_as_write_back),
		cmocka_unit_test(each_mtrr_has_a_slot_of_its_own_and_no_other_msr_has_one),
		cmocka_unit_test(mtrrs_take_memory_types_only),
		cmocka_unit_test(mtrrs_refuse_reserved_bits_and_addresses_that_the_cpu_lacks),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
