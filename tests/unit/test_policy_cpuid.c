/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID as L1 sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpuid_machine.h"
#include "spec/regs.h"

static const struct cpuid_config config = {
	.package = 2,
	.index = 1,
	.tsc_khz = 50000,
	.vmx = true,
	.rdtscp = true,
	.invpcid = true,
	.xsaves = true,
	.user_wait = true,
	.cet = true,
	.fast_strings = true,
	.features = UINT64_MAX,
};

static void build(struct cpuid_table *t, const struct cpuid_config *c)
{
	const struct cpuid_leaves m = rich_machine();

	cpuid_policy_build(t, &m, c);
}

static void what_is_not_virtualized_is_hidden(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, &config);
	assert_false(cpuid_policy_has(&t, CPUID_MONITOR));
	assert_false(cpuid_policy_has(&t, CPUID_SMX));
	assert_false(cpuid_policy_has(&t, CPUID_SGX));
	assert_false(cpuid_policy_has(&t, CPUID_MPX));
	assert_int_equal(cpuid_policy_get(&t, 0xa, 0)->eax, 0);  /* PMU */
	assert_int_equal(cpuid_policy_get(&t, 0x14, 0)->eax, 0); /* PT */
	assert_true(cpuid_policy_has(&t, CPUID_HYPERVISOR));
	assert_true(cpuid_policy_has(&t, CPUID_VMX));
}

/* It exits as WRMSR does and has no control: L1 may have it where the machine does. */
static void writes_of_msrs_that_do_not_serialize_are_as_the_machine_has_them(void **state)
{
	static struct cpuid_table t;
	struct cpuid_leaves m = rich_machine();

	(void)state;
	build(&t, &config);
	assert_true(cpuid_policy_has(&t, CPUID_WRMSRNS));
	assert_false(cpuid_policy_has(&t, CPUID_MSRLIST)); /* has a control of VT-x */
	m.features[0].eax &= ~(1u << 19);
	cpuid_policy_build(&t, &m, &config);
	assert_false(cpuid_policy_has(&t, CPUID_WRMSRNS));
}

static void addresses_are_as_wide_as_the_machines(void **state)
{
	static struct cpuid_table t;
	struct cpuid_leaves m = rich_machine();

	(void)state;
	cpuid_policy_build(&t, &m, &config);
	assert_int_equal(cpuid_policy_linear_bits(&t), 57);
	m.basic[7].ecx &= ~(1u << 16);
	cpuid_policy_build(&t, &m, &config);
	assert_int_equal(cpuid_policy_linear_bits(&t), 48);
}

static void vt_x_is_seen_only_where_it_is_offered(void **state)
{
	struct cpuid_config without = config;
	static struct cpuid_table t;

	(void)state;
	without.vmx = false;
	build(&t, &without);
	assert_false(cpuid_policy_has(&t, CPUID_VMX));
}

static void xsave_sizes_follow_xcr0_and_hide_what_is_not_offered(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, &config);
	assert_int_equal(t.xcr0_mask, 0x2e7);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->eax, 0x2e7);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ecx, 2696);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 3)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 8)->eax, 0); /* PT */
	assert_int_equal(cpuid_policy_get(&t, 0xd, 9)->eax, 8);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 576);
	cpuid_policy_update(&t, CR4_OSXSAVE, 7, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 832);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ebx, 832);
	cpuid_policy_update(&t, CR4_OSXSAVE, 0xe7, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 2688);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ebx, 576 + 256 + 64 + 512 + 1024);
	assert_true(cpuid_policy_has(&t, CPUID_OSXSAVE));
	assert_false(cpuid_policy_has(&t, CPUID_OSPKE));
	cpuid_policy_update(&t, CR4_PKE, 0x2e7, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 2696);
	assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ebx, 576 + 256 + 64 + 512 + 1024 + 8);
	assert_false(cpuid_policy_has(&t, CPUID_OSXSAVE));
	assert_true(cpuid_policy_has(&t, CPUID_OSPKE));
}

static void the_topology_walk_ends(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, &config);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 0)->ecx >> 8, 1);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->ecx >> 8, 2);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->eax, 1);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 2)->ecx >> 8, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 77)->ebx, 0);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 77)->ecx, 77);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 2)->ecx, 2);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->edx, 1);
	assert_int_equal(cpuid_policy_get(&t, 4, 3)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 4, UINT32_MAX)->eax, 0);
}

static void fields_that_are_too_small_for_many_vcpus_say_as_many_as_they_can(void **state)
{
	struct cpuid_config c = config;
	static struct cpuid_table t;

	(void)state;
	c.package = 288;
	c.index = 287;
	build(&t, &c);
	assert_int_equal(cpuid_policy_get(&t, 1, 0)->ebx >> 24, 287 & 0xff);
	assert_int_equal(cpuid_policy_get(&t, 1, 0)->ebx >> 16 & 0xff, 255);
	assert_int_equal(cpuid_policy_get(&t, 4, 0)->eax >> 26, 63);
	assert_int_equal(cpuid_policy_get(&t, 4, 0)->eax >> 14 & 0xfff, 0); /* private */
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->eax, 9);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->ebx, 288);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 0)->edx, 287);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->edx, 287);
	c.package = 64;
	c.index = 63;
	build(&t, &c);
	assert_int_equal(cpuid_policy_get(&t, 1, 0)->ebx >> 16, 63 << 8 | 64);
	assert_int_equal(cpuid_policy_get(&t, 4, 0)->eax >> 26, 63);
}

static void packages_have_their_own_vcpus(void **state)
{
	static struct cpuid_table t;
	struct cpuid_config c = config;

	(void)state;
	c.package = 4;
	c.index = 6; /* the third of the second package */
	build(&t, &c);
	assert_int_equal(cpuid_policy_get(&t, 1, 0)->ebx >> 16, 6 << 8 | 4);
	assert_true(cpuid_policy_has(&t, CPUID_HTT));
	assert_int_equal(cpuid_policy_get(&t, 4, 0)->eax >> 26, 3);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->eax, 2);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->ebx, 4);
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->edx, 6);
	c.package = 1;
	build(&t, &c);
	assert_false(cpuid_policy_has(&t, CPUID_HTT));
	assert_int_equal(cpuid_policy_get(&t, 0xb, 1)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 4, 0)->eax >> 26, 0);
}

static void frequencies_need_no_calibration(void **state)
{
	static struct cpuid_table t;
	const struct cpuid_leaf *l;

	(void)state;
	build(&t, &config);
	l = cpuid_policy_get(&t, 0x15, 0);
	assert_int_equal((uint64_t)l->ecx * l->ebx / l->eax, 50000000);
	assert_int_equal(cpuid_policy_get(&t, 0x40000010, 0)->eax, 50000);
}

static void a_frequency_beyond_32_bits_in_hertz_is_not_told_in_hertz(void **state)
{
	static struct cpuid_table t;
	struct cpuid_config fast = config;

	(void)state;
	fast.tsc_khz = 5000000;
	build(&t, &fast);
	assert_int_equal(cpuid_policy_get(&t, 0x15, 0)->ecx, 0);
	assert_int_equal(cpuid_policy_get(&t, 0x15, 0)->eax, 0);
	assert_int_equal(cpuid_policy_get(&t, 0x16, 0)->eax, 5000);
}

static void the_signature_reads_nestor_twice(void **state)
{
	static struct cpuid_table t;
	const struct cpuid_leaf *l;
	char text[13] = "";

	(void)state;
	build(&t, &config);
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
	build(&t, &config);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		assert_ptr_equal(cpuid_policy_get(&t, leaves[i], 0),
			cpuid_policy_get(&t, CPUID_BASIC_MAX, 0));
}

/* What each register lets through of the machine's answer, and sets, bit by bit. */
struct mask {
	uint32_t leaf, subleaf, let[4], set[4];
};

static const struct mask masks[] = {
	{0x1, 0, {0x0fff3fff, 0x0000ff00, 0x76da3203, 0x0f8bfbff},
		{0, 0, 0x81200000, 0x00001200}},
	{0x6, 0, {0}, {0x00000004}},
	{0x7, 0, {0, 0xf1bf07a9, 0x1a415fee, 0xbc904510}, {0, 0x00000002}},
	{0x7, 1, {0x00881cbf, 0, 0, 0x00004430}, {0}},
	{0x7, 2, {0, 0, 0, 0x000000bf}, {0}},
	{0xd, 1, {0x0000000f, 0, 0x00001800}, {0}},
	{0x80000001, 0, {0, 0, 0x00000121, 0x2c100800}, {0}},
	{0x80000002, 0, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},
	{0x80000003, 0, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},
	{0x80000004, 0, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},
	{0x80000006, 0, {0, 0, UINT32_MAX}, {0}},
	{0x80000007, 0, {0}, {0, 0, 0, 0x00000100}},
	{0x80000008, 0, {0x0000ffff}, {0}},
};

/* Neither VT-x nor a second vCPU, which set bits of their own; all that VT-x lets through. */
static const struct cpuid_config plain = {
	.package = 1,
	.tsc_khz = 50000,
	.rdtscp = true,
	.invpcid = true,
	.xsaves = true,
	.user_wait = true,
	.cet = true,
	.fast_strings = true,
	.features = UINT64_MAX,
};

static uint32_t reg_of(const struct cpuid_leaf *l, unsigned reg)
{
	const uint32_t regs[] = {l->eax, l->ebx, l->ecx, l->edx};

	return regs[reg];
}

/* Leaves of which the policy computes more than flags. */
static bool is_computed(uint32_t leaf, uint32_t subleaf, unsigned reg)
{
	switch (leaf) {
	case 0:
	case 2:
	case 4:
	case 0xb:
	case 0x15:
	case 0x16:
		return true;
	case 7:
		return subleaf == 0 && reg == CPUID_REG_EAX;
	case 0xd:
		return subleaf != 1 || reg == CPUID_REG_EBX; /* the size for XCR0 */
	case 0x80000000:
		return reg == CPUID_REG_EAX;
	default:
		return false;
	}
}

static void check_leaf(struct cpuid_table *t, uint32_t leaf, uint32_t subleaf, uint32_t machine)
{
	static const struct mask none;
	const struct mask *m = &none;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		if (masks[i].leaf == leaf && masks[i].subleaf == subleaf)
			m = &masks[i];
	for (unsigned reg = 0; reg < 4; reg++) {
		uint32_t want = (machine & m->let[reg]) | m->set[reg];
		uint32_t got = reg_of(cpuid_policy_get(t, leaf, subleaf), reg);

		if (leaf == 1 && reg == CPUID_REG_EBX)
			want |= 1u << 16; /* one vCPU */
		if (!is_computed(leaf, subleaf, reg) && got != want)
			fail_msg("leaf %#x.%u register %u: %#x, not %#x", leaf, subleaf, reg,
				got, want);
	}
}

static void check_masks(uint32_t machine)
{
	const struct cpuid_leaves m = filled_with(machine);
	static struct cpuid_table t;

	cpuid_policy_build(&t, &m, &plain);
	for (uint32_t leaf = 0; leaf <= CPUID_BASIC_MAX; leaf++)
		for (uint32_t subleaf = 0; subleaf < 4; subleaf++)
			if (leaf == 7 || subleaf == 0 || (leaf == 0xd && subleaf == 1))
				check_leaf(&t, leaf, subleaf, machine);
	for (uint32_t leaf = CPUID_EXT_BASE; leaf <= CPUID_EXT_MAX; leaf++)
		check_leaf(&t, leaf, 0, machine);
}

/* Subleaf 2 of leaf 7 is where the machine has it; further ones L1 has not. */
static void l1_has_as_many_subleaves_as_the_machine_and_no_more_than_have_names(void **state)
{
	static const uint32_t rows[][2] = {{0, 0}, {1, 1}, {2, 2}, {3, 2}, {UINT32_MAX, 2}};
	static struct cpuid_table t;
	struct cpuid_leaves m = rich_machine();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m.basic[7].eax = rows[i][0];
		cpuid_policy_build(&t, &m, &config);
		assert_int_equal(cpuid_policy_get(&t, 7, 0)->eax, rows[i][1]);
	}
}

static void a_machine_of_ones_shows_what_is_let_through_and_no_more(void **state)
{
	(void)state;
	check_masks(UINT32_MAX);
}

static void a_machine_of_zeros_shows_what_is_set_and_no_more(void **state)
{
	(void)state;
	check_masks(0);
}

/* The flags that differ between two configurations on a rich machine are those named. */
static void expect_difference(const struct cpuid_config *c, const enum cpuid_field *fields)
{
	static struct cpuid_table full, less;

	build(&full, &config);
	build(&less, c);
	for (unsigned i = 0; i < CPUID_FIELD_COUNT; i++) {
		enum cpuid_field field = (enum cpuid_field)i;
		bool named = false;

		for (unsigned k = 0; fields[k] != CPUID_FIELD_COUNT; k++)
			named = named || fields[k] == field;
		if (cpuid_places[i].width == 1 &&
			named != (cpuid_policy_has(&full, field) !=
					 cpuid_policy_has(&less, field)))
			fail_msg("field %u", i);
		if (named)
			assert_true(cpuid_policy_has(&full, field));
	}
}

static void each_condition_rules_its_own_flags(void **state)
{
	static const enum cpuid_field vmx[] = {CPUID_VMX, CPUID_FIELD_COUNT},
				      smp[] = {CPUID_HTT, CPUID_FIELD_COUNT},
				      rdtscp[] = {CPUID_RDTSCP, CPUID_RDPID, CPUID_FIELD_COUNT},
				      invpcid[] = {CPUID_INVPCID, CPUID_FIELD_COUNT},
				      xsaves[] = {CPUID_XSAVES, CPUID_FIELD_COUNT},
				      cet[] = {CPUID_CET_SS, CPUID_CET_IBT, CPUID_FIELD_COUNT},
				      wait[] = {CPUID_WAITPKG, CPUID_FIELD_COUNT},
				      fast[] = {CPUID_FSRM, CPUID_FZRM, CPUID_FSRS, CPUID_FSRCS,
					      CPUID_FIELD_COUNT};
	struct cpuid_config c = config;

	(void)state;
	c.vmx = false;
	expect_difference(&c, vmx);
	c = config;
	c.package = 1;
	expect_difference(&c, smp);
	c = config;
	c.rdtscp = false;
	expect_difference(&c, rdtscp);
	c = config;
	c.invpcid = false;
	expect_difference(&c, invpcid);
	c = config;
	c.xsaves = false;
	expect_difference(&c, xsaves);
	c = config;
	c.cet = false;
	expect_difference(&c, cet);
	c = config;
	c.user_wait = false;
	expect_difference(&c, wait);
	c = config;
	c.fast_strings = false;
	expect_difference(&c, fast);
}

static void expect_no_xsave(const struct cpuid_leaves *m)
{
	static struct cpuid_table t;

	cpuid_policy_build(&t, m, &config);
	assert_false(cpuid_policy_has(&t, CPUID_XSAVE));
	assert_false(cpuid_policy_has(&t, CPUID_AVX));
	assert_true(cpuid_policy_has(&t, CPUID_AES));
	assert_int_equal(t.xcr0_mask, 1);
	for (unsigned i = 0; i < CPUID_LEAFD; i++)
		for (unsigned reg = 0; reg < 4; reg++)
			assert_int_equal(reg_of(cpuid_policy_get(&t, 0xd, i), reg), 0);
}

static void without_xsave_there_is_no_avx_and_the_leaf_is_zero(void **state)
{
	struct cpuid_leaves m = rich_machine();

	(void)state;
	m.basic[0].eax = 0xb;
	memset(m.leafd, 0, sizeof(m.leafd));
	expect_no_xsave(&m);
	m = rich_machine();
	m.basic[1].ecx &= ~(1u << 26);
	expect_no_xsave(&m);
}

static uint64_t cr4_with_only(uint32_t leaf, unsigned reg, unsigned bit)
{
	struct cpuid_leaves m = filled_with(0);
	struct cpuid_leaf *l = &m.basic[leaf];
	uint32_t *regs[] = {&l->eax, &l->ebx, &l->ecx, &l->edx};
	static struct cpuid_table t;

	*regs[reg] = 1u << bit;
	cpuid_policy_build(&t, &m, &plain);
	return cpuid_policy_cr4(&t);
}

static void cr4_bits_follow_their_cpuid_flags(void **state)
{
	static const struct {
		uint64_t cr4;
		uint32_t leaf;
		unsigned reg, bit;
	} known[] = {{0x3, 1, 3, 1}, {0x4, 1, 3, 4}, {0x8, 1, 3, 2}, {0x10, 1, 3, 3},
		{0x20, 1, 3, 6}, {0x40, 1, 3, 7}, {0x80, 1, 3, 13}, {0x200, 1, 3, 24},
		{0x400, 1, 3, 25}, {0x800, 7, 2, 2}, {0x1000, 7, 2, 16}, {0x10000, 7, 1, 0},
		{0x20000, 1, 2, 17}, {0x40000, 1, 2, 26}, {0x100000, 7, 1, 7},
		{0x200000, 7, 1, 20}, {0, 7, 2, 3 /* PKU needs XSAVE */},
		{0, 1, 2, 5 /* VMX is the VM's */}};
	static struct cpuid_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(cr4_with_only(known[i].leaf, known[i].reg, known[i].bit) ==
			    (known[i].cr4 | 0x100)); /* PCE always */
	build(&t, &config);
	assert_true(cpuid_policy_cr4(&t) == 0xf73fff);
	build(&t, &plain);
	assert_true(cpuid_policy_cr4(&t) == 0xf71fff);
}

/* Each of them without the reference to leaf 4, which costs a reader an exit a time. */
static void caches_have_descriptors_of_their_own(void **state)
{
	static const struct cpuid_leaf caches[CPUID_LEAF4] = {
		{0x1c004121, 0x01c0003f, 63, 0},   /* data, 32 KiB */
		{0x1c004122, 0x01c0003f, 63, 0},   /* instructions, 32 KiB */
		{0x1c004143, 0x03c0003f, 1023, 0}, /* 1 MiB */
		{0x1c03c163, 0x0280003f, 2047, 0}, /* 1,408 KiB: the next below is 1 MiB */
	};
	struct cpuid_leaves m = rich_machine();
	static struct cpuid_table t;

	(void)state;
	memcpy(m.leaf4, caches, sizeof(caches));
	cpuid_policy_build(&t, &m, &config);
	assert_int_equal(cpuid_policy_get(&t, 2, 0)->eax, 0x87302c01);
	assert_int_equal(cpuid_policy_get(&t, 2, 0)->ebx, 0xfed6);
	assert_int_equal(cpuid_policy_get(&t, 2, 0)->ecx, 0);
	assert_int_equal(cpuid_policy_get(&t, 2, 0)->edx, 0);
	memset(m.leaf4, 0, sizeof(m.leaf4));
	cpuid_policy_build(&t, &m, &config);
	assert_int_equal(cpuid_policy_get(&t, 2, 0)->eax, 0xff01);
}

static void the_apic_flag_follows_the_apic(void **state)
{
	static struct cpuid_table t;

	(void)state;
	build(&t, &config);
	assert_true(cpuid_policy_has(&t, CPUID_APIC));
	cpuid_policy_apic(&t, false);
	assert_false(cpuid_policy_has(&t, CPUID_APIC));
	assert_true(cpuid_policy_has(&t, CPUID_CX8) && cpuid_policy_has(&t, CPUID_SEP));
	cpuid_policy_apic(&t, true);
	assert_true(cpuid_policy_has(&t, CPUID_APIC));
}

/* PKRU is switched between vCPUs by XSAVE: no keys where it has no place for them. */
static void without_its_state_there_are_no_protection_keys(void **state)
{
	struct cpuid_leaves m = rich_machine();
	struct cpuid_table t;

	(void)state;
	m.leafd[0].eax &= ~(uint32_t)XCR0_PKRU;
	cpuid_policy_build(&t, &m, &config);
	assert_false(cpuid_policy_has(&t, CPUID_PKU));
	assert_int_equal(cpuid_policy_cr4(&t) & CR4_PKE, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_virtualized_is_hidden),
		cmocka_unit_test(caches_have_descriptors_of_their_own),
		cmocka_unit_test(the_apic_flag_follows_the_apic),
		cmocka_unit_test(vt_x_is_seen_only_where_it_is_offered),
		cmocka_unit_test(
			writes_of_msrs_that_do_not_serialize_are_as_the_machine_has_them),
		cmocka_unit_test(addresses_are_as_wide_as_the_machines),
		cmocka_unit_test(xsave_sizes_follow_xcr0_and_hide_what_is_not_offered),
		cmocka_unit_test(the_topology_walk_ends),
		cmocka_unit_test(
			fields_that_are_too_small_for_many_vcpus_say_as_many_as_they_can),
		cmocka_unit_test(packages_have_their_own_vcpus),
		cmocka_unit_test(frequencies_need_no_calibration),
		cmocka_unit_test(a_frequency_beyond_32_bits_in_hertz_is_not_told_in_hertz),
		cmocka_unit_test(the_signature_reads_nestor_twice),
		cmocka_unit_test(leaves_beyond_the_range_give_the_highest_basic_one),
		cmocka_unit_test(
			l1_has_as_many_subleaves_as_the_machine_and_no_more_than_have_names),
		cmocka_unit_test(a_machine_of_ones_shows_what_is_let_through_and_no_more),
		cmocka_unit_test(a_machine_of_zeros_shows_what_is_set_and_no_more),
		cmocka_unit_test(each_condition_rules_its_own_flags),
		cmocka_unit_test(without_xsave_there_is_no_avx_and_the_leaf_is_zero),
		cmocka_unit_test(cr4_bits_follow_their_cpuid_flags),
		cmocka_unit_test(without_its_state_there_are_no_protection_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
