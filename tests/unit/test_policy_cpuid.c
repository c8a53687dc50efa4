/*
 * CPUID as L1 sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/cpuid.h"

/* A machine that has every feature bit there is. */
struct cpuid_leaf cpuid_machine(uint32_t leaf, uint32_t subleaf)
{
	static const struct cpuid_leaf xsave[] = {{0x2ff, 0xa88, 0xa88, 0}, {0xf, 0, 0x100, 0},
		{256, 576, 0, 0}, {64, 960, 0, 0}, {64, 1024, 0, 0}, {64, 1088, 0, 0},
		{512, 1152, 0, 0}, {1024, 1664, 0, 0}, {128, 0, 1, 0}, {8, 2688, 0, 0}};

	if (leaf == 0)
		return (struct cpuid_leaf){0x1f, 0x756e6547, 0x6c65746e, 0x49656e69};
	if (leaf == 0x80000000)
		return (struct cpuid_leaf){0x80000008, 0, 0, 0};
	if (leaf == 4)
		return subleaf < 3 ? (struct cpuid_leaf){0xfc004121, 1, 2, 3}
				   : (struct cpuid_leaf){0};
	if (leaf == 0xd)
		return subleaf < 10 ? xsave[subleaf] : (struct cpuid_leaf){0};
	return (struct cpuid_leaf){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
}

static const struct cpuid_config config = {
	.vcpus = 2,
	.index = 1,
	.tsc_khz = 50000,
	.vmx = true,
	.rdtscp = true,
	.invpcid = true,
	.xsaves = true,
};

static void features_without_a_row_are_hidden(void **state)
{
	static struct cpuid_table t;

	(void)state;
	cpuid_policy_build(&t, &config);
	assert_int_equal(t.basic[1].ecx & (1u << 3), 0);      /* MONITOR */
	assert_int_equal(t.basic[1].ecx & (1u << 6), 0);      /* SMX */
	assert_int_equal(t.basic[7].ebx & (1u << 2), 0);      /* SGX */
	assert_int_equal(t.basic[7].ebx & (1u << 14), 0);     /* MPX */
	assert_int_equal(t.basic[7].ecx & (1u << 16), 0);     /* LA57 */
	assert_int_equal(t.basic[0xa].eax, 0);                /* PMU */
	assert_int_equal(t.basic[0x14].eax, 0);               /* PT */
	assert_int_not_equal(t.basic[1].ecx & (1u << 31), 0); /* hypervisor */
	assert_int_not_equal(t.basic[1].ecx & CPUID1_ECX_VMX, 0);
}

static void vt_x_is_seen_only_where_it_is_offered(void **state)
{
	struct cpuid_config without = config;
	static struct cpuid_table t;

	(void)state;
	without.vmx = false;
	cpuid_policy_build(&t, &without);
	assert_int_equal(t.basic[1].ecx & CPUID1_ECX_VMX, 0);
}

static void xsave_sizes_follow_xcr0_and_hide_what_is_not_offered(void **state)
{
	static struct cpuid_table t;

	(void)state;
	cpuid_policy_build(&t, &config);
	assert_int_equal(t.xcr0_mask, 0xe7);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->eax, 0xe7);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ecx, 2688); /* not PKRU's 2696 */
	assert_int_equal(cpuid_policy_get(&t, 0xd, 3)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 9)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 576);
	cpuid_policy_update(&t, true, 7, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 832);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ebx, 832);
	cpuid_policy_update(&t, true, 0xe7, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 2688);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ebx, 576 + 256 + 64 + 512 + 1024);
	assert_int_not_equal(cpuid_policy_get(&t, 1, 0)->ecx & CPUID1_ECX_OSXSAVE, 0);
}

static void the_topology_walk_ends(void **state)
{
	static struct cpuid_table t;

	(void)state;
	cpuid_policy_build(&t, &config);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 0)->ecx >> 8, 1);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->ecx >> 8, 2);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->eax, 1);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 2)->ecx >> 8, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 77)->ebx, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->edx, 1);
	assert_int_equal(cpuid_policy_get(&t, 4, 3)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 4, UINT32_MAX)->eax, 0);
}

static void frequencies_need_no_calibration(void **state)
{
	static struct cpuid_table t;
	const struct cpuid_leaf *l;

	(void)state;
	cpuid_policy_build(&t, &config);
	l = cpuid_policy_get(&t, 0x15, 0);
	assert_int_equal((uint64_t)l->ecx * l->ebx / l->eax, 50000000);
	assert_int_equal(cpuid_policy_get(&t, 0x40000010, 0)->eax, 50000);
}

static void the_signature_reads_nestor_twice(void **state)
{
	static struct cpuid_table t;
	const struct cpuid_leaf *l;
	char text[13] = "";

	(void)state;
	cpuid_policy_build(&t, &config);
	l = cpuid_policy_get(&t, 0x40000000, 0);
	memcpy(text, &l->ebx, 4);
	memcpy(text + 4, &l->ecx, 4);
	memcpy(text + 8, &l->edx, 4);
	assert_string_equal(text, "NestorNestor");
	assert_int_equal(l->eax, 0x40000010);
}

static void leaves_beyond_the_range_give_the_highest_basic_one(void **state)
{
	static const uint32_t leaves[] = {
		0x17, 0x3fffffff, 0x40000011, 0x80000009, UINT32_MAX, 0x20000000};
	static struct cpuid_table t;

	(void)state;
	cpuid_policy_build(&t, &config);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		assert_ptr_equal(cpuid_policy_get(&t, leaves[i], 0),
			cpuid_policy_get(&t, CPUID_BASIC_MAX, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_without_a_row_are_hidden),
		cmocka_unit_test(vt_x_is_seen_only_where_it_is_offered),
		cmocka_unit_test(xsave_sizes_follow_xcr0_and_hide_what_is_not_offered),
		cmocka_unit_test(the_topology_walk_ends),
		cmocka_unit_test(frequencies_need_no_calibration),
		cmocka_unit_test(the_signature_reads_nestor_twice),
		cmocka_unit_test(leaves_beyond_the_range_give_the_highest_basic_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
