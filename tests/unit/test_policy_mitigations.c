/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vulnerabilities of speculative execution a processor has, what L0 does about each, and
 * which MSRs L1 has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/cpuid.h"
#include "policy/mitigations.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* CPUID.(7,0).EDX */
#define SRBDS_CTRL (1u << 9)
#define MD_CLEAR   (1u << 10)
#define IBRS_IBPB  (1u << 26)
#define STIBP      (1u << 27)
#define L1D_FLUSH  (1u << 28)
#define CAPS       (1u << 29)
#define SSBD       (1u << 31)
#define MICROCODE  (MD_CLEAR | IBRS_IBPB | STIBP | L1D_FLUSH | SSBD)

#define SKYLAKE_SERVER 0x00050654u
#define CASCADE_LAKE   0x00050657u
#define ICE_LAKE       0x000606a6u
#define SAPPHIRE       0x000806f8u
#define GOLDMONT       0x000506c9u
#define HASWELL        0x000306c3u
#define ALDER_LAKE     0x00090672u

static struct mitigations judge(uint32_t signature, uint32_t features, uint64_t caps)
{
	struct speculation_facts f = {.signature = signature,
		.features = features | (caps != 0 ? CAPS : 0),
		.arch_caps = caps,
		.intel = true,
		.gather = true};
	struct mitigations m;

	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	return m;
}

static void expect(
	const struct mitigations *m, enum speculation_issue issue, enum mitigation_state state)
{
	if (m->issue[issue].state != state)
		fail_msg("%s: %s%s", speculation_name(issue),
			mitigation_state_text((enum mitigation_state)m->issue[issue].state),
			m->issue[issue].what);
}

static void microcode_of_before_leaves_a_skylake_server_open(void **state)
{
	struct mitigations m = judge(SKYLAKE_SERVER, 0, 0);

	(void)state;
	expect(&m, SPECULATION_L1TF, MITIGATION_OPEN);
	expect(&m, SPECULATION_MDS, MITIGATION_OPEN);
	expect(&m, SPECULATION_MMIO, MITIGATION_OPEN);
	expect(&m, SPECULATION_SPECTRE_V2, MITIGATION_OPEN);
	expect(&m, SPECULATION_GDS, MITIGATION_OPEN);
	expect(&m, SPECULATION_SRBDS, MITIGATION_NOT_AFFECTED);
	expect(&m, SPECULATION_TAA, MITIGATION_NOT_AFFECTED);
	assert_int_equal(m.actions, MITIGATION_SMALL_CODE); /* needs none */
	assert_int_equal(mitigations_host_spec_ctrl(&m), 0);
}

static void with_microcode_it_does_all_that_it_needs(void **state)
{
	struct mitigations m =
		judge(SKYLAKE_SERVER, MICROCODE, ARCH_CAP_RSBA | ARCH_CAP_GDS_CTRL);

	(void)state;
	expect(&m, SPECULATION_L1TF, MITIGATION_DONE);
	expect(&m, SPECULATION_MDS, MITIGATION_DONE);
	expect(&m, SPECULATION_MMIO, MITIGATION_DONE);
	expect(&m, SPECULATION_SPECTRE_V2, MITIGATION_DONE);
	expect(&m, SPECULATION_RETBLEED, MITIGATION_DONE);
	expect(&m, SPECULATION_GDS, MITIGATION_DONE);
	expect(&m, SPECULATION_ITLB_MULTIHIT, MITIGATION_DONE);
	assert_int_equal(m.actions, MITIGATION_FLUSH_L1D | MITIGATION_CLEAR_BUFFERS |
					    MITIGATION_BARRIER | MITIGATION_NESTED_BARRIER |
					    MITIGATION_HOST_IBRS | MITIGATION_IBRS_AT_EXIT |
					    MITIGATION_FILL_RSB | MITIGATION_CLEAR_REGS |
					    MITIGATION_MCU_OPT | MITIGATION_SMALL_CODE);
	assert_int_equal(mitigations_host_spec_ctrl(&m), SPEC_CTRL_IBRS);
}

static void a_cascade_lake_keeps_ibrs_on_and_turns_tsx_off(void **state)
{
	struct mitigations m = judge(CASCADE_LAKE, MICROCODE,
		ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SKIP_L1D | ARCH_CAP_MDS_NO |
			ARCH_CAP_TSX_CTRL | ARCH_CAP_FB_CLEAR);

	(void)state;
	expect(&m, SPECULATION_MELTDOWN, MITIGATION_NOT_AFFECTED);
	expect(&m, SPECULATION_L1TF, MITIGATION_NOT_AFFECTED);
	expect(&m, SPECULATION_MDS, MITIGATION_NOT_AFFECTED);
	expect(&m, SPECULATION_TAA, MITIGATION_DONE);
	expect(&m, SPECULATION_ITS, MITIGATION_DONE);
	assert_true(m.actions & MITIGATION_THUNKS);
	expect(&m, SPECULATION_BHI, MITIGATION_DONE);
	assert_true(m.actions & MITIGATION_CLEAR_HISTORY);
	assert_true(m.actions & MITIGATION_TSX_OFF);
	assert_true(m.actions & MITIGATION_HOST_IBRS);
	assert_false(m.actions & MITIGATION_IBRS_AT_EXIT);
	assert_false(m.actions & MITIGATION_FLUSH_L1D);
}

static void steppings_of_one_model_differ(void **state)
{
	struct mitigations before = judge(0x00050655, MICROCODE, 0);
	struct mitigations after = judge(0x00050656, MICROCODE, 0);

	(void)state;
	expect(&before, SPECULATION_ITS, MITIGATION_NOT_AFFECTED);
	expect(&after, SPECULATION_ITS, MITIGATION_DONE);
}

/* Intel, "Indirect Target Selection": affected at all, and between a guest and its host. */
static void indirect_target_selection_is_of_these_processors(void **state)
{
	static const struct {
		uint32_t signature;
		bool affected, thunks;
	} rows[] = {
		{SKYLAKE_SERVER, false, false},
		{0x00050655, false, false},
		{0x00050656, true, true},
		{CASCADE_LAKE, true, true},
		{0x0005065b, true, true},
		{0x000806eb, false, false},
		{0x000806ec, true, true},
		{0x000906ec, false, false},
		{0x000906ed, true, true},
		{0x000a0652, true, true},
		{0x000a0660, true, true},
		{0x000a0661, true, true},
		{ICE_LAKE, true, false},
		{0x000606c1, true, false},
		{0x000706e5, true, false},
		{0x000806c1, true, false},
		{0x000806d1, true, false},
		{0x000a0671, true, false},
		{HASWELL, false, false},
		{GOLDMONT, false, false},
		{ALDER_LAKE, false, false},
		{SAPPHIRE, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mitigations m = judge(rows[i].signature, MICROCODE, ARCH_CAP_IBRS_ALL);

		expect(&m, SPECULATION_ITS,
			rows[i].affected ? MITIGATION_DONE : MITIGATION_NOT_AFFECTED);
		assert_int_equal((m.actions & MITIGATION_THUNKS) != 0, rows[i].thunks);
		assert_int_equal((m.free_of & ARCH_CAP_ITS_NO) == 0, rows[i].affected);
	}
}

static void on_a_hypervisor_any_model_may_have_it_but_one_with_bhi_ctrl(void **state)
{
	struct speculation_facts f = {.signature = ICE_LAKE,
		.features = MICROCODE | CAPS,
		.arch_caps = ARCH_CAP_IBRS_ALL,
		.intel = true,
		.on_hypervisor = true};
	struct mitigations m;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	assert_true(m.actions & MITIGATION_THUNKS);
	f.signature = HASWELL;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	assert_true(m.actions & MITIGATION_THUNKS);
	f.bhi_ctrl = true;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	expect(&m, SPECULATION_ITS, MITIGATION_NOT_AFFECTED);
	f.bhi_ctrl = false;
	f.arch_caps |= ARCH_CAP_ITS_NO;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	expect(&m, SPECULATION_ITS, MITIGATION_NOT_AFFECTED);
	assert_false(m.actions & MITIGATION_THUNKS);
}

static void what_a_processor_has_not_is_told_of_intels_only(void **state)
{
	struct speculation_facts f = {.signature = HASWELL, .intel = true};
	struct mitigations m;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_OFF, &m);
	assert_true(m.free_of == (ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_ITS_NO));
	f.arch_caps = ARCH_CAP_MDS_NO | ARCH_CAP_SSB_NO;
	mitigations_judge(&f, MITIGATIONS_OFF, &m);
	assert_true(m.free_of == (ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_ITS_NO |
					 ARCH_CAP_MDS_NO | ARCH_CAP_SSB_NO));
	f.on_hypervisor = true; /* of Haswell, it says */
	f.arch_caps |= ARCH_CAP_ITS_NO;
	mitigations_judge(&f, MITIGATIONS_OFF, &m);
	assert_true(m.free_of == ARCH_CAP_ITS_NO);
	f.on_hypervisor = false;
	f.intel = false;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	assert_true(m.free_of == 0);
}

static void a_processor_that_has_nothing_needs_nothing_but_what_all_need(void **state)
{
	struct mitigations m = judge(SAPPHIRE, MICROCODE,
		ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO |
			ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO |
			ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_BHI_NO |
			ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO |
			ARCH_CAP_ITS_NO);

	(void)state;
	for (unsigned i = 0; i < SPECULATION_COUNT; i++)
		if (i != SPECULATION_SPECTRE_V1 && i != SPECULATION_SPECTRE_V2 &&
			i != SPECULATION_VMSCAPE)
			expect(&m, (enum speculation_issue)i, MITIGATION_NOT_AFFECTED);
	assert_int_equal(m.actions, MITIGATION_HOST_IBRS | MITIGATION_BARRIER |
					    MITIGATION_NESTED_BARRIER | MITIGATION_CLEAR_REGS);
}

static void each_bit_of_the_msr_frees_from_its_vulnerability(void **state)
{
	static const struct {
		uint32_t signature;
		uint64_t bit, beside;
		enum speculation_issue issue;
	} rows[] = {
		{HASWELL, ARCH_CAP_RDCL_NO, 0, SPECULATION_L1TF},
		{HASWELL, ARCH_CAP_RDCL_NO, 0, SPECULATION_MELTDOWN},
		{HASWELL, ARCH_CAP_MDS_NO, 0, SPECULATION_MDS},
		{HASWELL, ARCH_CAP_SSB_NO, 0, SPECULATION_SSB},
		{HASWELL, ARCH_CAP_PSCHANGE_MC_NO, 0, SPECULATION_ITLB_MULTIHIT},
		{HASWELL, ARCH_CAP_TAA_NO, ARCH_CAP_TSX_CTRL, SPECULATION_TAA},
		{ICE_LAKE, ARCH_CAP_GDS_NO, 0, SPECULATION_GDS},
		{ICE_LAKE, ARCH_CAP_ITS_NO, 0, SPECULATION_ITS},
		{ICE_LAKE, ARCH_CAP_BHI_NO, ARCH_CAP_IBRS_ALL, SPECULATION_BHI},
		{ICE_LAKE, ARCH_CAP_PBRSB_NO, ARCH_CAP_IBRS_ALL, SPECULATION_PBRSB},
		{ALDER_LAKE, ARCH_CAP_RFDS_NO, 0, SPECULATION_RFDS},
		{ICE_LAKE, ARCH_CAP_PSDP_NO, ARCH_CAP_FBSDP_NO | ARCH_CAP_SBDR_SSDP_NO,
			SPECULATION_MMIO},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mitigations with =
			judge(rows[i].signature, 0, rows[i].bit | rows[i].beside);
		struct mitigations without = judge(rows[i].signature, 0, rows[i].beside);

		expect(&with, rows[i].issue, MITIGATION_NOT_AFFECTED);
		assert_int_not_equal(
			without.issue[rows[i].issue].state, MITIGATION_NOT_AFFECTED);
	}
}

static void a_processor_that_nobody_listed_has_what_all_have(void **state)
{
	struct mitigations m = judge(0x00060ff0, 0, 0), other = judge(0x00000f00, 0, 0);

	(void)state;
	expect(&m, SPECULATION_L1TF, MITIGATION_OPEN);
	expect(&m, SPECULATION_MDS, MITIGATION_OPEN);
	expect(&m, SPECULATION_ITLB_MULTIHIT, MITIGATION_DONE);
	expect(&m, SPECULATION_GDS, MITIGATION_NOT_AFFECTED);
	expect(&other, SPECULATION_L1TF, MITIGATION_OPEN);
	m = judge(GOLDMONT, 0, 0);
	expect(&m, SPECULATION_L1TF, MITIGATION_NOT_AFFECTED);
	expect(&m, SPECULATION_RFDS, MITIGATION_OPEN);
}

static void threads_of_a_core_are_told_of_where_they_matter(void **state)
{
	struct speculation_facts f = {.signature = SKYLAKE_SERVER,
		.features = MICROCODE,
		.intel = true,
		.threads = true};
	struct mitigations m;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	expect(&m, SPECULATION_SMT, MITIGATION_OPEN);
	mitigations_judge(&f, MITIGATIONS_NOSMT, &m);
	expect(&m, SPECULATION_SMT, MITIGATION_DONE);
	assert_true(m.actions & MITIGATION_FLUSH_L1D);
	f.threads = false;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	expect(&m, SPECULATION_SMT, MITIGATION_NOT_AFFECTED);
}

static void executable_large_pages_are_split_unless_told_or_an_emulators(void **state)
{
	struct speculation_facts f = {.signature = SKYLAKE_SERVER, .intel = true};
	struct mitigations m;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	assert_true(m.actions & MITIGATION_SMALL_CODE);
	f.large_code = true;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	expect(&m, SPECULATION_ITLB_MULTIHIT, MITIGATION_OPEN);
	assert_false(m.actions & MITIGATION_SMALL_CODE);
	f.software_tlb = true;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	expect(&m, SPECULATION_ITLB_MULTIHIT, MITIGATION_DONE);
	assert_false(m.actions & MITIGATION_SMALL_CODE);
}

static void off_does_nothing_and_says_so(void **state)
{
	struct speculation_facts f = {
		.signature = SKYLAKE_SERVER, .features = MICROCODE, .intel = true};
	struct mitigations m;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_OFF, &m);
	assert_int_equal(m.actions, 0);
	expect(&m, SPECULATION_L1TF, MITIGATION_OPEN);
	assert_string_equal(m.issue[SPECULATION_L1TF].what, "mitigations=off");
	expect(&m, SPECULATION_SRBDS, MITIGATION_NOT_AFFECTED);
}

/* The first row decides what L0 names, whatever comes behind it. */
static void what_is_open_keeps_a_second_vm_out_with_strict(void **state)
{
	struct speculation_facts f = {.signature = SKYLAKE_SERVER,
		.features = MICROCODE,
		.arch_caps = ARCH_CAP_RSBA | ARCH_CAP_GDS_CTRL,
		.intel = true,
		.threads = true,
		.one_vm = true};
	struct mitigations m, same;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_STRICT, &m);
	mitigations_judge(&f, MITIGATIONS_AUTO, &same);
	assert_memory_equal(&m, &same, sizeof(m)); /* it does what auto does */
	assert_int_equal(mitigations_open(&m), SPECULATION_COUNT);
	f.one_vm = false;
	mitigations_judge(&f, MITIGATIONS_STRICT, &m);
	assert_int_equal(mitigations_open(&m), SPECULATION_SMT);
	f.features = 0;
	mitigations_judge(&f, MITIGATIONS_STRICT, &m);
	assert_int_equal(mitigations_open(&m), SPECULATION_L1TF);
}

/* Whatever a machine says: what is open has a reason, what is done a text. */
static void whatever_a_machine_says_is_told_in_words(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct speculation_facts f = {.signature = (uint32_t)random_next(&seed),
			.features = (uint32_t)random_next(&seed),
			.arch_caps = random_next(&seed),
			.intel = true,
			.rtm = i & 1,
			.gather = i & 2,
			.bhi_ctrl = i & 4,
			.threads = i & 8};
		struct mitigations m;

		f.signature = (f.signature & 0xf00ff) | 0x600;
		mitigations_judge(&f, (enum mitigation_mode)(i % 3), &m);
		for (unsigned k = 0; k < SPECULATION_COUNT; k++)
			assert_int_equal(m.issue[k].what[0] == '\0',
				m.issue[k].state == MITIGATION_NOT_AFFECTED);
	}
}

static void facts_are_where_cpuid_has_them(void **state)
{
	struct cpuid_leaf vendor = {1, 0x756e6547, 0x6c65746e, 0x49656e69};
	struct cpuid_leaf one = {SAPPHIRE, 0, 1u << 31, 0},
			  seven = {2, 1u << 11 | 1u << 5, 0, MICROCODE};
	struct cpuid_leaf more = {0, 0, 0, 1u << 4}, topology = {1, 2, 0x100, 0}, none = {0};
	struct speculation_facts f =
		speculation_facts_of(&vendor, &one, &seven, &more, &topology, 77);

	(void)state;
	assert_true(f.intel && f.rtm && f.gather && f.bhi_ctrl && f.threads);
	assert_true(f.on_hypervisor);
	assert_int_equal(f.signature, SAPPHIRE);
	assert_int_equal(f.features, MICROCODE);
	assert_int_equal(f.arch_caps, 77);
	vendor.ecx = one.ecx = 0;
	topology.ebx = 1;
	f = speculation_facts_of(&vendor, &one, &none, &none, &topology, 0);
	assert_false(f.intel || f.rtm || f.gather || f.bhi_ctrl || f.threads);
	assert_false(f.on_hypervisor);
}

/* CPUID without AVX2 hides the instruction from nobody where there is AVX: XCR0 does. */
static void gather_is_there_with_avx(void **state)
{
	struct cpuid_leaf vendor = {7, 0x756e6547, 0x6c65746e, 0x49656e69};
	struct cpuid_leaf one = {0x000506e3, 0, 1u << 31 | 1u << 28, 0}, none = {0};
	struct speculation_facts f =
		speculation_facts_of(&vendor, &one, &none, &none, &none, 0);
	struct mitigations m;

	(void)state;
	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	assert_false(m.free_of & ARCH_CAP_GDS_NO);
}

/* ---- what L1 sees ---- */

/* more: CPUID.(7,2).EDX */
static struct speculation_offer offer_with(uint32_t features, uint32_t more, uint64_t caps)
{
	static struct cpuid_table t;
	struct speculation_offer o;

	memset(&t, 0, sizeof(t));
	t.l.basic[CPUID_LEAF_FEATURES].edx = features;
	t.l.features[1].edx = more;
	speculation_offer_make(&o, &t, caps);
	return o;
}

static struct speculation_offer offer_of(uint32_t features, uint64_t caps)
{
	return offer_with(features, 0, caps);
}

static void an_msr_exists_where_cpuid_has_its_flag(void **state)
{
	static const uint32_t msrs[] = {
		MSR_SPEC_CTRL, MSR_PRED_CMD, MSR_FLUSH_CMD, MSR_ARCH_CAPABILITIES};
	struct speculation_offer none = offer_of(0, UINT64_MAX);
	struct speculation_offer all = offer_of(MICROCODE | CAPS, UINT64_MAX);

	(void)state;
	for (size_t i = 0; i < COUNT(msrs); i++) {
		assert_true(is_speculation_msr(msrs[i]));
		assert_false(speculation_readable(&none, msrs[i]));
		assert_false(speculation_takes(&none, msrs[i], 0));
		assert_int_equal(speculation_denial(&none, msrs[i], true), DENIAL_MSR_UNKNOWN);
		assert_int_equal(speculation_readable(&all, msrs[i]),
			msrs[i] == MSR_SPEC_CTRL || msrs[i] == MSR_ARCH_CAPABILITIES);
		assert_int_equal(
			speculation_takes(&all, msrs[i], 0), msrs[i] != MSR_ARCH_CAPABILITIES);
	}
	assert_int_equal(
		speculation_denial(&all, MSR_ARCH_CAPABILITIES, true), DENIAL_MSR_READ_ONLY);
	assert_int_equal(speculation_denial(&all, MSR_PRED_CMD, false), DENIAL_MSR_SPECULATION);
}

static void a_bit_is_taken_where_its_flag_is_offered(void **state)
{
	static const struct {
		uint32_t msr, features, more;
		uint64_t bits;
	} rows[] = {
		{MSR_SPEC_CTRL, IBRS_IBPB, 0, 1},
		{MSR_SPEC_CTRL, STIBP, 0, 2},
		{MSR_SPEC_CTRL, SSBD, 0, 4},
		{MSR_SPEC_CTRL, 0, 1 << 0, 1 << 7},    /* PSFD */
		{MSR_SPEC_CTRL, 0, 1 << 1, 3 << 3},    /* IPRED_DIS_U, _S */
		{MSR_SPEC_CTRL, 0, 1 << 2, 3 << 5},    /* RRSBA_DIS_U, _S */
		{MSR_SPEC_CTRL, 0, 1 << 3, 1 << 8},    /* DDPD_U */
		{MSR_SPEC_CTRL, 0, 1 << 4, 1 << 10},   /* BHI_DIS_S */
		{MSR_SPEC_CTRL, 0, UINT32_MAX, 0x5f8}, /* MCDT_NO and others have none */
		{MSR_SPEC_CTRL, IBRS_IBPB | STIBP | SSBD, 0, 7},
		{MSR_PRED_CMD, IBRS_IBPB, 0, 1},
		{MSR_FLUSH_CMD, L1D_FLUSH, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct speculation_offer o = offer_with(rows[i].features, rows[i].more, 0);

		for (unsigned bit = 0; bit < 64; bit++)
			assert_int_equal(speculation_takes(&o, rows[i].msr, 1ull << bit),
				rows[i].bits >> bit & 1);
	}
}

/* The others say which MSRs there are that L1 has not. */
static void l1_is_told_what_the_processor_is_not_what_else_it_has(void **state)
{
	struct speculation_offer o = offer_of(CAPS, UINT64_MAX);

	(void)state;
	assert_true(
		o.arch_caps == (0x3full | 7ull << 13 | 0x40 | 0x100 | 1ull << 17 | 1ull << 19 |
				       1ull << 20 | 1ull << 24 | 7ull << 26 | 1ull << 62));
	assert_int_equal(offer_of(0, UINT64_MAX).arch_caps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(microcode_of_before_leaves_a_skylake_server_open),
		cmocka_unit_test(with_microcode_it_does_all_that_it_needs),
		cmocka_unit_test(a_cascade_lake_keeps_ibrs_on_and_turns_tsx_off),
		cmocka_unit_test(steppings_of_one_model_differ),
		cmocka_unit_test(indirect_target_selection_is_of_these_processors),
		cmocka_unit_test(on_a_hypervisor_any_model_may_have_it_but_one_with_bhi_ctrl),
		cmocka_unit_test(what_a_processor_has_not_is_told_of_intels_only),
		cmocka_unit_test(a_processor_that_has_nothing_needs_nothing_but_what_all_need),
		cmocka_unit_test(each_bit_of_the_msr_frees_from_its_vulnerability),
		cmocka_unit_test(a_processor_that_nobody_listed_has_what_all_have),
		cmocka_unit_test(threads_of_a_core_are_told_of_where_they_matter),
		cmocka_unit_test(executable_large_pages_are_split_unless_told_or_an_emulators),
		cmocka_unit_test(what_is_open_keeps_a_second_vm_out_with_strict),
		cmocka_unit_test(off_does_nothing_and_says_so),
		cmocka_unit_test(whatever_a_machine_says_is_told_in_words),
		cmocka_unit_test(gather_is_there_with_avx),
		cmocka_unit_test(facts_are_where_cpuid_has_them),
		cmocka_unit_test(an_msr_exists_where_cpuid_has_its_flag),
		cmocka_unit_test(a_bit_is_taken_where_its_flag_is_offered),
		cmocka_unit_test(l1_is_told_what_the_processor_is_not_what_else_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
