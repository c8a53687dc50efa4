/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: what L1 is offered of a machine, and that it is consistent with itself.
 */
#include "derive_caps.h"

static const struct {
	uint32_t plain, true_msr, default1;
	uint32_t software; /* offered on machines that lack it, too */
} words[] = {
	{MSR_VMX_PIN, MSR_VMX_TRUE_PIN, 0x16, 0},
	{MSR_VMX_PROC, MSR_VMX_TRUE_PROC, 0x0401e172, PROC_TERTIARY},
	{MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT, 0x36dff, 0},
	{MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, 0x11ff, 0},
};

static struct vmx_caps derive_default(void)
{
	struct vmx_caps hw = fake_hardware_caps();

	return derive(&hw, caps_policy_default().features);
}

/* A machine that can do nothing optional. */
static struct vmx_caps bare_machine(void)
{
	struct vmx_caps hw = {.maxphyaddr = 36};

	hw.msr[0] = 4ull | 0x1000ull << 32 | 6ull << 50;
	hw.msr[MSR_VMX_PIN - MSR_VMX_BASIC] = 0x0000003f00000016;
	hw.msr[MSR_VMX_PROC - MSR_VMX_BASIC] = 0x77b9fffe0401e172;
	hw.msr[MSR_VMX_EXIT - MSR_VMX_BASIC] = 0x0003efff00036dff;
	hw.msr[MSR_VMX_ENTRY - MSR_VMX_BASIC] = 0x00001fff000011ff;
	hw.msr[MSR_VMX_MISC - MSR_VMX_BASIC] = 0x000403c0;
	hw.msr[MSR_VMX_CR0_FIXED0 - MSR_VMX_BASIC] = 0x80000021;
	hw.msr[MSR_VMX_CR0_FIXED1 - MSR_VMX_BASIC] = 0xffffffff;
	hw.msr[MSR_VMX_CR4_FIXED0 - MSR_VMX_BASIC] = 0x2000;
	hw.msr[MSR_VMX_CR4_FIXED1 - MSR_VMX_BASIC] = 0x27ff;
	return hw;
}

/* What SDM A.2 to A.6 and the entry checks make of any set of capabilities. */
static void expect_consistent(const struct vmx_caps *l1, const struct vmx_caps *hw)
{
	for (size_t i = 0; i < 4; i++) {
		uint32_t can = caps_allowed1(l1, words[i].plain);
		uint32_t hw_can = caps_allowed1(hw, caps_control_msr(hw, words[i].plain));
		uint32_t must = caps_fixed1(l1, words[i].true_msr);

		assert_int_equal(can, caps_allowed1(l1, words[i].true_msr));
		assert_int_equal(must & ~can, 0);
		assert_int_equal(can & ~(hw_can | words[i].default1 | words[i].software), 0);
		assert_int_equal(caps_fixed1(l1, words[i].plain), must | words[i].default1);
		assert_int_equal(caps_fixed1(l1, words[i].plain) & ~can, 0);
	}
	assert_int_equal(caps_fixed1(l1, MSR_VMX_PROC2), 0);
	assert_int_equal(
		caps_allowed1(l1, MSR_VMX_PROC2) & ~caps_allowed1(hw, MSR_VMX_PROC2), 0);
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (caps_field_exists(l1, (enum vmcs_fid)i))
			assert_true((vmcs_fields[i].encoding & 0x3feu) <=
				    caps_msr(l1, MSR_VMX_VMCS_ENUM));
}

static void expect_dependencies(const struct vmx_caps *l1)
{
	uint32_t proc2 = caps_allowed1(l1, MSR_VMX_PROC2);
	uint32_t need_ept = PROC2_UNRESTRICTED_GUEST | PROC2_ENABLE_PML |
			    PROC2_EPT_VIOLATION_VE | PROC2_ENABLE_VMFUNC |
			    PROC2_MODE_BASED_EXECUTE | PROC2_SUB_PAGE_WRITE;
	uint32_t need_tpr =
		PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY;
	uint32_t need_posting = PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT;

	if (!(caps_allowed1(l1, MSR_VMX_PROC) & PROC_SECONDARY))
		assert_int_equal(proc2, 0);
	if (!(proc2 & PROC2_ENABLE_EPT))
		assert_int_equal(proc2 & need_ept, 0);
	if (!(caps_allowed1(l1, MSR_VMX_PROC) & PROC_TPR_SHADOW))
		assert_int_equal(proc2 & need_tpr, 0);
	if (!(proc2 & PROC2_VIRT_INTR_DELIVERY))
		assert_int_equal(caps_allowed1(l1, MSR_VMX_PIN) & PIN_POSTED_INTR, 0);
	if (!(proc2 & (PROC2_ENABLE_EPT | PROC2_ENABLE_VPID)))
		assert_true(caps_msr(l1, MSR_VMX_EPT_VPID_CAP) == 0);
	/* The word is there where one of its bits is. */
	assert_true(!(caps_allowed1(l1, MSR_VMX_PROC) & PROC_TERTIARY) ==
		    !caps_msr(l1, MSR_VMX_PROC3));
	if (!(caps_allowed1(l1, MSR_VMX_PIN) & PIN_POSTED_INTR) ||
		(proc2 & need_posting) != need_posting)
		assert_false(caps_msr(l1, MSR_VMX_PROC3) & PROC3_IPI_VIRTUALIZATION);
	if (proc2 & PROC2_UNRESTRICTED_GUEST)
		assert_true(caps_msr(l1, MSR_VMX_MISC) & MISC_STORE_LMA);
}

static void l1_sees_our_own_vmcs_format(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct vmx_caps l1 = derive_default();
	uint64_t basic = caps_msr(&l1, MSR_VMX_BASIC);

	(void)state;
	assert_int_equal(caps_revision(&l1), 0x4e535431);
	assert_int_equal(basic >> 32 & 0x1fff, 4096);
	assert_int_equal(basic >> 50 & 15, 6);
	assert_true(basic & BASIC_TRUE_CONTROLS);
	assert_true(basic & BASIC_INS_OUTS);
	assert_false(basic & (BASIC_WIDTH_32 | BASIC_DUAL_MONITOR));
	assert_int_equal(basic >> 56, 0);
	hw.msr[0] |= BASIC_ANY_ERROR_CODE | BIT64(57);
	l1 = derive(&hw, caps_policy_default().features);
	assert_int_equal(caps_msr(&l1, MSR_VMX_BASIC) >> 56, 1);
}

static void default_policy_offers_what_nestor_implements(void **state)
{
	struct vmx_caps l1 = derive_default();
	uint32_t proc2 = caps_allowed1(&l1, MSR_VMX_PROC2);

	(void)state;
	assert_int_equal(proc2,
		PROC2_APIC_ACCESSES | PROC2_ENABLE_EPT | PROC2_DESC_TABLE_EXITING |
			PROC2_ENABLE_RDTSCP | PROC2_ENABLE_VPID | PROC2_WBINVD_EXITING |
			PROC2_UNRESTRICTED_GUEST | PROC2_PAUSE_LOOP_EXITING |
			PROC2_RDRAND_EXITING | PROC2_ENABLE_INVPCID | PROC2_ENCLS_EXITING |
			PROC2_RDSEED_EXITING | PROC2_ENABLE_XSAVES | PROC2_TSC_SCALING |
			PROC2_VMCS_SHADOWING | PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT |
			PROC2_VIRT_INTR_DELIVERY | PROC2_ENABLE_PML | PROC2_EPT_VIOLATION_VE |
			PROC2_ENABLE_VMFUNC | PROC2_MODE_BASED_EXECUTE | PROC2_SUB_PAGE_WRITE |
			PROC2_BUS_LOCK_EXITING);
	assert_int_equal(caps_allowed1(&l1, MSR_VMX_PIN) & ~0x16u,
		PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_POSTED_INTR |
			PIN_PREEMPTION_TIMER);
	assert_true(caps_allowed1(&l1, MSR_VMX_PROC) & PROC_TPR_SHADOW);
	/* Of no counters: the field exists, as hypervisors expect, and can be 0 only. */
	assert_true(caps_allowed1(&l1, MSR_VMX_EXIT) & EXIT_LOAD_PERF_GLOBAL_CTRL);
	assert_true(caps_allowed1(&l1, MSR_VMX_ENTRY) & ENTRY_LOAD_PERF_GLOBAL_CTRL);
	assert_true(l1.perf_global_valid == 0);
	assert_false(
		caps_allowed1(&l1, MSR_VMX_ENTRY) & (ENTRY_TO_SMM | ENTRY_DEACTIVATE_DUAL));
	assert_true(caps_msr(&l1, MSR_VMX_VMFUNC) == VMFUNC_EPTP_SWITCHING);
	assert_true(caps_msr(&l1, MSR_VMX_PROC3) ==
		    (PROC3_IPI_VIRTUALIZATION | PROC3_VIRTUALIZE_SPEC_CTRL));
}

static void user_waits_are_offered_where_the_machine_has_them(void **state)
{
	struct vmx_caps hw = fake_hardware_caps(), l1;

	(void)state;
	hw.msr[MSR_VMX_PROC2 - MSR_VMX_BASIC] |= (uint64_t)PROC2_USER_WAIT_PAUSE << 32;
	l1 = derive(&hw, caps_policy_default().features);
	assert_true(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_USER_WAIT_PAUSE);
	l1 = derive(&hw, caps_policy_default().features & ~feature("user_wait"));
	assert_false(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_USER_WAIT_PAUSE);
}

static void sub_page_permissions_are_offered_where_the_machine_has_them(void **state)
{
	struct vmx_caps hw = fake_hardware_caps(), l1 = derive_default();

	(void)state;
	assert_true(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_SUB_PAGE_WRITE);
	assert_true(caps_field_exists(&l1, FID_SPPTP));
	l1 = derive(&hw, caps_policy_default().features & ~feature("ept"));
	assert_false(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_SUB_PAGE_WRITE);
	hw.msr[MSR_VMX_PROC2 - MSR_VMX_BASIC] &= ~((uint64_t)PROC2_SUB_PAGE_WRITE << 32);
	l1 = derive(&hw, caps_policy_default().features);
	assert_false(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_SUB_PAGE_WRITE);
	assert_false(caps_field_exists(&l1, FID_SPPTP));
}

static void true_controls_free_what_the_machine_frees(void **state)
{
	struct vmx_caps l1 = derive_default();

	(void)state;
	assert_int_equal(caps_fixed1(&l1, MSR_VMX_TRUE_PROC),
		0x0401e172 & ~(PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING));
	assert_int_equal(caps_fixed1(&l1, MSR_VMX_TRUE_EXIT), 0x36dff & ~EXIT_SAVE_DEBUG);
	assert_int_equal(caps_fixed1(&l1, MSR_VMX_TRUE_ENTRY), 0x11ff & ~ENTRY_LOAD_DEBUG);
	assert_int_equal(caps_fixed1(&l1, MSR_VMX_TRUE_PIN), 0x16);
}

static void misc_tells_states_targets_and_lists(void **state)
{
	struct vmx_caps l1 = derive_default();
	uint64_t misc = caps_msr(&l1, MSR_VMX_MISC);

	(void)state;
	assert_int_equal(misc & MISC_TIMER_RATE, 7); /* slower than usual: the machine's */
	assert_int_equal(misc & 0x1e0, 0x1e0);
	assert_int_equal(caps_cr3_targets(&l1), 4);
	assert_int_equal(misc >> MISC_MSR_LIST_SHIFT & 7, 0);
	assert_true(misc & MISC_VMWRITE_ANY);
	assert_int_equal(misc >> 31, 0);
}

static void ept_and_vpid_types_follow_the_features(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct vmx_caps l1 = derive_default();
	uint64_t all = caps_policy_default().features;
	uint64_t cap = caps_msr(&l1, MSR_VMX_EPT_VPID_CAP);

	(void)state;
	assert_true(cap == (EPT_CAP_EXECUTE_ONLY | EPT_CAP_WALK_4 | EPT_CAP_UC | EPT_CAP_WB |
				   EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_INVEPT | EPT_CAP_AD |
				   EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_GLOBAL |
				   EPT_CAP_INVVPID | EPT_CAP_INVVPID_ADDR |
				   EPT_CAP_INVVPID_SINGLE | EPT_CAP_INVVPID_GLOBAL |
				   EPT_CAP_INVVPID_KEEP_G | (cap & EPT_CAP_ADVANCED_INFO)));
	l1 = derive(&hw, all & ~feature("ad") & ~feature("vpid"));
	cap = caps_msr(&l1, MSR_VMX_EPT_VPID_CAP);
	assert_false(cap & EPT_CAP_AD);
	assert_int_equal(cap >> 32, 0);
	l1 = derive(&hw, all & ~feature("ept"));
	assert_int_equal(caps_msr(&l1, MSR_VMX_EPT_VPID_CAP) & UINT32_MAX, 0);
	assert_false(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_UNRESTRICTED_GUEST);
	assert_true(caps_allowed1(&l1, MSR_VMX_PROC2) & PROC2_ENABLE_VPID);
}

static void masks_take_features_and_their_dependents_away(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();

	(void)state;
	for (unsigned i = 0; i < CAPS_FEATURE_COUNT; i++) {
		struct vmx_caps l1 = derive(&hw, UINT64_MAX & ~(1ull << i));
		struct vmx_caps only = derive(&hw, 1ull << i);

		expect_consistent(&l1, &hw);
		expect_dependencies(&l1);
		expect_consistent(&only, &hw);
		expect_dependencies(&only);
	}
}

static void everything_is_offered_when_asked_for(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct vmx_caps l1 = derive(&hw, UINT64_MAX);
	uint32_t proc2 = caps_allowed1(&l1, MSR_VMX_PROC2);

	(void)state;
	expect_consistent(&l1, &hw);
	expect_dependencies(&l1);
	assert_true(proc2 & PROC2_VIRT_INTR_DELIVERY);
	assert_true(proc2 & PROC2_VMCS_SHADOWING);
	assert_true(proc2 & PROC2_ENABLE_PML);
	assert_true(caps_allowed1(&l1, MSR_VMX_PIN) & PIN_POSTED_INTR);
	assert_true(caps_msr(&l1, MSR_VMX_VMFUNC) == VMFUNC_EPTP_SWITCHING);
	assert_true(caps_field_exists(&l1, FID_EPTP_LIST_ADDRESS));
	assert_false(proc2 & (PROC2_CONCEAL_FROM_PT | PROC2_PT_USES_GPA));
}

static void a_machine_without_options_gives_a_consistent_l1(void **state)
{
	struct vmx_caps hw = bare_machine();
	struct vmx_caps l1 = derive(&hw, UINT64_MAX);

	(void)state;
	expect_consistent(&l1, &hw);
	expect_dependencies(&l1);
	assert_true(caps_msr(&l1, MSR_VMX_PROC2) == 0);
	assert_true(caps_msr(&l1, MSR_VMX_EPT_VPID_CAP) == 0);
	assert_false(caps_allowed1(&l1, MSR_VMX_PIN) & PIN_PREEMPTION_TIMER);
	assert_int_equal(caps_msr(&l1, MSR_VMX_MISC) & MISC_TIMER_RATE, 0);
	/* Without TRUE MSRs on the machine, the default1 controls stay 1. */
	assert_int_equal(caps_fixed1(&l1, MSR_VMX_TRUE_PROC), 0x0401e172);
	assert_int_equal(l1.maxphyaddr, 36);
	assert_false(caps_field_exists(&l1, FID_EPT_POINTER));
	assert_false(caps_field_exists(&l1, FID_PROC2_CONTROLS));
	assert_false(caps_field_exists(&l1, FID_PROC3_CONTROLS));
	assert_true(caps_field_exists(&l1, FID_VMCS_LINK_POINTER));
}

static void zeroed_capabilities_do_no_harm(void **state)
{
	struct vmx_caps hw = {.maxphyaddr = 32};
	struct vmx_caps l1 = derive(&hw, UINT64_MAX);

	(void)state;
	expect_consistent(&l1, &hw);
	expect_dependencies(&l1);
}

static void fields_exist_by_their_control(void **state)
{
	struct vmx_caps l1 = derive_default();

	(void)state;
	assert_true(caps_field_exists(&l1, FID_GUEST_RIP));
	assert_true(caps_field_exists(&l1, FID_PREEMPTION_TIMER_VALUE));
	assert_true(caps_field_exists(&l1, FID_MSR_BITMAP));
	assert_true(caps_field_exists(&l1, FID_EPT_POINTER));
	assert_true(caps_field_exists(&l1, FID_HOST_EFER));
	assert_true(caps_field_exists(&l1, FID_GUEST_PAT));
	assert_true(caps_field_exists(&l1, FID_VMREAD_BITMAP));
	assert_true(caps_field_exists(&l1, FID_POSTED_INTR_NV));
	assert_true(caps_field_exists(&l1, FID_PML_ADDRESS));
	assert_true(caps_field_exists(&l1, FID_HOST_PERF_GLOBAL_CTRL));
	assert_false(caps_field_exists(&l1, FID_GUEST_BNDCFGS));
	assert_true(caps_field_exists(&l1, FID_EPTP_LIST_ADDRESS));
	assert_int_equal(caps_msr(&l1, MSR_VMX_VMCS_ENUM), VMCS_SPEC_CTRL_SHADOW & 0x3fe);
}

static void l2_may_have_cet_only_where_l1_has_it(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();
	struct vmx_caps l1;

	(void)state;
	caps_derive(&l1, &hw, &policy);
	assert_true(caps_allowed1(&l1, MSR_VMX_TRUE_ENTRY) & ENTRY_LOAD_CET);
	assert_true(caps_allowed1(&l1, MSR_VMX_TRUE_EXIT) & EXIT_LOAD_CET);
	assert_true(caps_field_exists(&l1, FID_GUEST_SSP));
	assert_true(l1.cet_valid == policy.cet_valid);
	policy.cr4_valid &= ~CR4_CET;
	caps_derive(&l1, &hw, &policy);
	assert_false(caps_allowed1(&l1, MSR_VMX_TRUE_ENTRY) & ENTRY_LOAD_CET);
	assert_false(caps_field_exists(&l1, FID_HOST_SSP));
}

static void policy_limits_addresses_and_cr4(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();
	struct vmx_caps l1;

	(void)state;
	hw.msr[MSR_VMX_CR4_FIXED1 - MSR_VMX_BASIC] |= CR4_KL;
	policy.maxphyaddr = 40;
	policy.cr4_valid &= ~CR4_SMAP;
	caps_derive(&l1, &hw, &policy);
	assert_int_equal(l1.maxphyaddr, 40);
	assert_true(
		(caps_msr(&l1, MSR_VMX_CR4_FIXED1) & (CR4_KL | CR4_CET | CR4_SMAP)) == CR4_CET);
	assert_true(caps_msr(&l1, MSR_VMX_CR4_FIXED1) & CR4_VMXE);
	policy.maxphyaddr = 50;
	policy.cr4_valid = 0;
	caps_derive(&l1, &hw, &policy);
	assert_int_equal(l1.maxphyaddr, 46);
	assert_true(caps_msr(&l1, MSR_VMX_CR4_FIXED1) == CR4_VMXE);
}

static void addresses_are_as_wide_as_the_processor_that_l1_sees(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();
	struct vmx_caps l1;

	(void)state;
	caps_derive(&l1, &hw, &policy);
	assert_int_equal(l1.linear_bits, 48);
	assert_false(caps_msr(&l1, MSR_VMX_CR4_FIXED1) & CR4_LA57);
	hw.msr[MSR_VMX_CR4_FIXED1 - MSR_VMX_BASIC] |= CR4_LA57;
	hw.linear_bits = 57;
	caps_derive(&l1, &hw, &policy);
	assert_int_equal(l1.linear_bits, 57);
	assert_true(caps_msr(&l1, MSR_VMX_CR4_FIXED1) & CR4_LA57);
	policy.cr4_valid &= ~CR4_LA57;
	caps_derive(&l1, &hw, &policy);
	assert_int_equal(l1.linear_bits, 48);
	assert_false(caps_msr(&l1, MSR_VMX_CR4_FIXED1) & CR4_LA57);
}

/* Whether L1 is offered LAM or not: CR3 is its own, and L2's. */
static void bits_of_lam_in_cr3_are_those_of_the_processor(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();
	struct vmx_caps l1;

	(void)state;
	caps_derive(&l1, &hw, &policy);
	assert_true(caps_cr3_ok(&l1, 0x3ffffffff018));
	assert_false(caps_cr3_ok(&l1, CR3_LAM_U57) || caps_cr3_ok(&l1, CR3_LAM_U48));
	hw.cr3_lam = CR3_LAM_U57 | CR3_LAM_U48;
	policy.maxphyaddr = 40;
	caps_derive(&l1, &hw, &policy);
	assert_true(caps_cr3_ok(&l1, CR3_LAM_U57 | CR3_LAM_U48 | 0xfffffff000));
	assert_false(caps_cr3_ok(&l1, CR3_LAM_U57 | 1ull << 40));
	assert_false(caps_cr3_ok(&l1, 1ull << 63) || caps_cr3_ok(&l1, 1ull << 60));
}

static void the_preemption_timer_has_the_usual_rate_or_a_slower_one_of_the_machine(void **state)
{
	static const struct {
		uint64_t machine, l1;
		uint8_t shift;
	} rates[] = {{0, 5, 5}, {4, 5, 1}, {5, 5, 0}, {6, 6, 0}, {31, 31, 0}};
	struct vmx_caps hw = fake_hardware_caps();

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t *misc = &hw.msr[MSR_VMX_MISC - MSR_VMX_BASIC];
		struct vmx_caps l1;

		*misc = (*misc & ~MISC_TIMER_RATE) | rates[i].machine;
		l1 = derive(&hw, UINT64_MAX);
		assert_int_equal(caps_msr(&l1, MSR_VMX_MISC) & MISC_TIMER_RATE, rates[i].l1);
		assert_int_equal(caps_timer_shift(&l1, &hw), rates[i].shift);
	}
}

static void features_have_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CAPS_FEATURE_COUNT; i++) {
		const char *name = caps_feature_name((enum caps_feature)i);

		assert_true(feature(name) == 1ull << i);
		/* Only rows before it: effective features are found in one pass. */
		assert_true(caps_feature_needs((enum caps_feature)i) < 1ull << i);
	}
	assert_true(feature("apicv") == (feature("x2apic_mode") | feature("apic_registers") |
						feature("virt_intr") | feature("posted_intr")));
	assert_true(caps_feature_by_name("eptx", 3) == feature("ept"));
	assert_true(caps_feature_by_name("ep", 2) == 0);
	assert_true(caps_feature_by_name("", 0) == 0);
}

static uint64_t parsed(const char *text)
{
	uint64_t mask;
	size_t bad, len;

	assert_true(features_parse(&vmx_feature_family, text, strlen(text), &mask, &bad, &len));
	return mask;
}

static void features_are_chosen_by_a_text(void **state)
{
	uint64_t all = caps_features_default();

	(void)state;
	assert_true(parsed("-ept,-vpid") == (all & ~(feature("ept") | feature("vpid"))));
	assert_true(parsed("-ept,+ept") == all);
	assert_true(parsed("-vmcs_shadowing") == (all & ~feature("shadow")));
	/* Not offered anyway. */
	assert_true(parsed("-bndcfgs") == all);
	assert_true(parsed("-apicv") == (all & ~feature("apicv")));
}

static void cpu_generations_grow(void **state)
{
	uint64_t nehalem = parsed("nehalem"), westmere = parsed("westmere");
	uint64_t haswell = parsed("haswell"), broadwell = parsed("broadwell");
	uint64_t skylake = parsed("skylake"), sapphire = parsed("sapphire_rapids");
	uint64_t all = caps_features_default();

	(void)state;
	assert_true((nehalem & feature("ept")) != 0 && (nehalem & feature("vpid")) != 0);
	assert_true((westmere & ~nehalem) ==
		    (feature("unrestricted") | feature("ple") | feature("ept_1g")));
	assert_true((haswell & feature("shadow")) != 0 && (haswell & feature("ad")) != 0);
	assert_true((westmere & feature("shadow")) == 0 && (westmere & feature("ad")) == 0);
	assert_true((broadwell & ~haswell & feature("rdseed")) != 0);
	assert_true((westmere & nehalem) == nehalem && (haswell & westmere) == westmere);
	assert_true((broadwell & haswell) == haswell && (skylake & broadwell) == broadwell);
	/* Every feature belongs to a generation; none brings what is not implemented. */
	assert_true((sapphire & ~skylake) ==
		    (feature("cet") | feature("user_wait") | feature("ipi_virt") |
			    feature("spec_ctrl") | feature("spp") | feature("bus_lock")));
	assert_true(sapphire == all);
	assert_true(parsed("haswell,-ept,+xsaves") ==
		    ((haswell & ~feature("ept")) | feature("xsaves")));
}

static void a_bad_word_among_features_is_told(void **state)
{
	static const struct {
		const char *text;
		size_t bad, len;
	} bad[] = {
		{"", 0, 0},
		{"ept", 0, 3},
		{"-ept,", 5, 0},
		{"-ept,-foo,-vpid", 5, 4},
		{"-ept,haswell", 5, 7},
		{"+bndcfgs", 0, 8},
		{"-base", 0, 5},
		{"-", 0, 1},
		{"pentium4", 0, 8},
	};
	uint64_t mask;
	size_t at, len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(features_parse(&vmx_feature_family, bad[i].text,
			strlen(bad[i].text), &mask, &at, &len));
		assert_int_equal(at, bad[i].bad);
		assert_int_equal(len, bad[i].len);
	}
}

static void the_list_of_features_fits_what_it_gets(void **state)
{
	char all[1024], cut[1024];

	(void)state;
	features_list(&vmx_feature_family, all, sizeof(all));
	assert_non_null(strstr(
		all, "presets: nehalem westmere haswell broadwell skylake sapphire_rapids;"));
	assert_non_null(strstr(all, " unrestricted "));
	assert_true(strlen(all) < 512);
	for (size_t size = 1; size <= strlen(all); size++) {
		features_list(&vmx_feature_family, cut, size);
		assert_int_equal(strlen(cut), size - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l1_sees_our_own_vmcs_format),
		cmocka_unit_test(default_policy_offers_what_nestor_implements),
		cmocka_unit_test(user_waits_are_offered_where_the_machine_has_them),
		cmocka_unit_test(sub_page_permissions_are_offered_where_the_machine_has_them),
		cmocka_unit_test(true_controls_free_what_the_machine_frees),
		cmocka_unit_test(misc_tells_states_targets_and_lists),
		cmocka_unit_test(ept_and_vpid_types_follow_the_features),
		cmocka_unit_test(masks_take_features_and_their_dependents_away),
		cmocka_unit_test(everything_is_offered_when_asked_for),
		cmocka_unit_test(a_machine_without_options_gives_a_consistent_l1),
		cmocka_unit_test(zeroed_capabilities_do_no_harm),
		cmocka_unit_test(fields_exist_by_their_control),
		cmocka_unit_test(policy_limits_addresses_and_cr4),
		cmocka_unit_test(addresses_are_as_wide_as_the_processor_that_l1_sees),
		cmocka_unit_test(l2_may_have_cet_only_where_l1_has_it),
		cmocka_unit_test(bits_of_lam_in_cr3_are_those_of_the_processor),
		cmocka_unit_test(
			the_preemption_timer_has_the_usual_rate_or_a_slower_one_of_the_machine),
		cmocka_unit_test(features_have_names),
		cmocka_unit_test(features_are_chosen_by_a_text),
		cmocka_unit_test(cpu_generations_grow),
		cmocka_unit_test(a_bad_word_among_features_is_told),
		cmocka_unit_test(the_list_of_features_fits_what_it_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
