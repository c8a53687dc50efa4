/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM is not to see of its processor: the names, and the CPUID that comes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpuid_machine.h"
#include "spec/cpu_features.h"
#include "spec/regs.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct feature_family *const family = &cpu_feature_family;

static uint64_t features_of(const char *text)
{
	uint64_t mask;
	size_t bad, len;

	assert_true(features_parse(family, text, strlen(text), &mask, &bad, &len));
	return mask;
}

/* It has each flag, state of CET, and addresses of 57 bits. */
static struct cpuid_leaves machine(void)
{
	struct cpuid_leaves m = rich_machine();

	m.leafd[1].ecx = 0x1800;
	m.ext[8].eax = 52 | 57 << 8;
	return m;
}

static void build(struct cpuid_table *t, uint64_t features)
{
	const struct cpuid_leaves m = machine();
	const struct cpuid_config c = {.package = 1,
		.tsc_khz = 50000,
		.rdtscp = true,
		.invpcid = true,
		.xsaves = true,
		.user_wait = true,
		.cet = true,
		.fast_strings = true,
		.features = features};

	cpuid_policy_build(t, &m, &c);
}

static const enum cpuid_field chosen[] = {
#define FEATURE(id, name, needs)
#define FLAG(id, flag) CPUID_##flag,
#define STAYS(flag)
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/cpu_features.def"
};

static const enum cpuid_field stays[] = {
#define FEATURE(id, name, needs)
#define FLAG(id, flag)
#define STAYS(flag) CPUID_##flag,
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/cpu_features.def"
};

static unsigned times(const enum cpuid_field *rows, size_t count, enum cpuid_field field)
{
	unsigned n = 0;

	for (size_t i = 0; i < count; i++)
		n += rows[i] == field;
	return n;
}

static void each_flag_that_is_let_through_has_one_row(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CPUID_FIELD_COUNT; i++) {
		enum cpuid_field field = (enum cpuid_field)i;
		unsigned rows =
			times(chosen, COUNT(chosen), field) + times(stays, COUNT(stays), field);

		if (rows != cpuid_policy_lets(field))
			fail_msg("field %u has %u rows", i, rows);
	}
}

static void a_vm_of_which_nothing_is_said_sees_all(void **state)
{
	static struct cpuid_table all, usual;

	(void)state;
	build(&all, UINT64_MAX);
	build(&usual, features_default(family));
	assert_memory_equal(&all, &usual, sizeof(all));
	for (size_t i = 0; i < COUNT(chosen); i++)
		assert_true(cpuid_policy_has(&all, chosen[i]));
}

/* And nothing else changes but what is computed from it. */
static void a_feature_takes_its_flags_away_and_what_needs_it(void **state)
{
	static struct cpuid_table t;

	(void)state;
	for (unsigned f = 1; f < CPU_FEATURE_COUNT; f++) {
		uint64_t wanted = features_default(family) & ~(1ull << f);
		uint64_t seen = features_with_needs(family, wanted);
		static const uint8_t feature_of[] = {
#define FEATURE(id, name, needs)
#define FLAG(id, flag) CPU_FEATURE_##id,
#define STAYS(flag)
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/cpu_features.def"
		};

		build(&t, wanted);
		for (size_t i = 0; i < COUNT(chosen); i++)
			assert_int_equal(
				cpuid_policy_has(&t, chosen[i]), seen >> feature_of[i] & 1);
		for (size_t i = 0; i < COUNT(stays); i++)
			assert_true(cpuid_policy_has(&t, stays[i]));
		assert_false(seen >> f & 1);
	}
}

static void without_avx_there_is_none_of_its_children_nor_its_state(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, features_of("-avx"));
	assert_false(cpuid_policy_has(&t, CPUID_AVX2));
	assert_false(cpuid_policy_has(&t, CPUID_AVX512F));
	assert_false(cpuid_policy_has(&t, CPUID_AVX512_FP16));
	assert_false(cpuid_policy_has(&t, CPUID_VAES));
	assert_true(cpuid_policy_has(&t, CPUID_AES));
	assert_int_equal(t.xcr0_mask, XCR0_X87 | XCR0_SSE | XCR0_PKRU);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->eax, 0x203);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 2)->eax, 0);
	build(&t, features_of("-avx512,-pku"));
	assert_true(cpuid_policy_has(&t, CPUID_AVX2));
	assert_int_equal(t.xcr0_mask, XCR0_X87 | XCR0_SSE | XCR0_AVX);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ecx, 576 + 256);
	assert_int_equal(cpuid_policy_cr4(&t) & CR4_PKE, 0);
	build(&t, features_of("-xsave"));
	assert_int_equal(t.xcr0_mask, XCR0_X87);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->eax, 0);
	assert_int_equal(cpuid_policy_cr4(&t) & CR4_OSXSAVE, 0);
}

static void what_is_switched_does_not_depend_on_what_a_vm_sees(void **state)
{
	struct cpuid_leaves m = machine();

	(void)state;
	assert_int_equal(cpuid_policy_xcr0(&m), 0x2e7);
	m.basic[1].ecx &= ~BIT(26);
	assert_int_equal(cpuid_policy_xcr0(&m), XCR0_X87);
}

static void addresses_are_those_of_a_processor_without_la57(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, features_of("-la57"));
	assert_int_equal(cpuid_policy_linear_bits(&t), 48);
	assert_int_equal(cpuid_leaves_get(&t.l, CPUID_LINEAR_BITS), 48);
	assert_int_equal(cpuid_leaves_get(&t.l, CPUID_PHYSICAL_BITS), 52);
	assert_int_equal(cpuid_policy_cr4(&t) & CR4_LA57, 0);
	build(&t, features_of("-sha_ni"));
	assert_int_equal(cpuid_leaves_get(&t.l, CPUID_LINEAR_BITS), 57);
}

static void without_cet_there_is_no_state_of_it(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, UINT64_MAX);
	assert_int_equal(t.xss_mask, 0x1800);
	build(&t, features_of("-cet"));
	assert_int_equal(t.xss_mask, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ecx, 0);
	assert_int_equal(cpuid_policy_cr4(&t) & CR4_CET, 0);
}

/* Of generations: the newest flags of each, and the oldest of the next. */
static void a_generation_has_what_it_had(void **state)
{
	static const struct {
		const char *preset;
		enum cpuid_field has, lacks;
		uint64_t xcr0;
	} of[] = {
		{"nehalem", CPUID_SSE4_2, CPUID_PAGES_1G, 1},
		{"westmere", CPUID_AES, CPUID_XSAVE, 1},
		{"sandybridge", CPUID_AVX, CPUID_RDRAND, 7},
		{"ivybridge", CPUID_F16C, CPUID_AVX2, 7},
		{"haswell", CPUID_AVX2, CPUID_ADX, 7},
		{"broadwell", CPUID_SMAP, CPUID_XSAVES, 7},
		{"skylake", CPUID_XSAVES, CPUID_AVX512F, 7},
		{"skylake_server", CPUID_AVX512VL, CPUID_AVX512_VNNI, 0x2e7},
		{"cascade_lake", CPUID_AVX512_VNNI, CPUID_VAES, 0x2e7},
		{"ice_lake", CPUID_LA57, CPUID_AVX512_BF16, 0x2e7},
		{"sapphire_rapids", CPUID_CET_SS, CPUID_PREFETCHI, 0x2e7},
		{"granite_rapids", CPUID_PREFETCHI, CPUID_SHA512, 0x2e7},
	};
	static struct cpuid_table t;

	(void)state;
	assert_int_equal(COUNT(of), family->preset_count);
	for (size_t i = 0; i < COUNT(of); i++) {
		assert_string_equal(of[i].preset, family->presets[i].name);
		build(&t, features_of(of[i].preset));
		assert_true(cpuid_policy_has(&t, of[i].has));
		assert_false(cpuid_policy_has(&t, of[i].lacks));
		assert_int_equal(t.xcr0_mask, of[i].xcr0);
	}
	assert_true(features_of("granite_rapids,+sha512") != features_default(family));
}

static void texts_of_features_come_back(void **state)
{
	static const char *const texts[] = {"-avx512f", "haswell", "haswell,+pku",
		"sandybridge,+rdrand,-xsaveopt", "ice_lake,-la57"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		features_format(family, features_of(texts[i]), text, sizeof(text));
		assert_true(features_of(text) == features_of(texts[i]));
	}
	features_format(family, features_default(family), text, sizeof(text));
	assert_string_equal(text, "");
}

static void a_word_that_is_none_is_told(void **state)
{
	static const char *const bad[] = {
		"-avx1024", "+", "avx", "haswell,skylake", "-base", ""};
	char all[2048];
	uint64_t mask;
	size_t at, len;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(features_parse(family, bad[i], strlen(bad[i]), &mask, &at, &len));
	features_list(family, all, sizeof(all));
	assert_non_null(strstr(all, "presets: nehalem westmere"));
	assert_non_null(strstr(all, " avx512f "));
	assert_null(strstr(all, "not implemented"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_flag_that_is_let_through_has_one_row),
		cmocka_unit_test(a_vm_of_which_nothing_is_said_sees_all),
		cmocka_unit_test(a_feature_takes_its_flags_away_and_what_needs_it),
		cmocka_unit_test(without_avx_there_is_none_of_its_children_nor_its_state),
		cmocka_unit_test(what_is_switched_does_not_depend_on_what_a_vm_sees),
		cmocka_unit_test(addresses_are_those_of_a_processor_without_la57),
		cmocka_unit_test(without_cet_there_is_no_state_of_it),
		cmocka_unit_test(a_generation_has_what_it_had),
		cmocka_unit_test(texts_of_features_come_back),
		cmocka_unit_test(a_word_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
