/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VM entry and VM exit of L2: what VMCS02 gets, who gets an exit, what L1 sees afterwards.
 */
#include "nested_vcpu.h"

#include "random.h"
#include "spec/cet.h"
#include "spec/apic.h"

static uint64_t golden[FID_COUNT];

static void launch(void)
{
	enter_vmx();
	become(golden);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs02[n.cur->hw]);
}

static int run_setup(void **state)
{
	vcpu_setup(state);
	golden_offered(golden);
	return 0;
}

static uint64_t vmcs02(enum vmcs_fid fid)
{
	return fake_hw.vmcs02[n.cur->hw][fid];
}

static void set02(enum vmcs_fid fid, uint64_t value)
{
	fake_hw.vmcs02[n.cur->hw][fid] = value;
}

/* ---- the theorem ---- */

/* VMCS02 must pass the processor's checks and keep what L0 requires. */
static void expect_sound_vmcs02(const char *what)
{
	struct vmx_caps hw = fake_hardware_caps();
	uint64_t f[FID_COUNT];
	struct check_env e = {.f = f, .caps = &hw, .l1_long_mode = true, .n = &n};
	enum check_id id;

	hw.efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	hw.debugctl_valid = 0xffff;
	hw.cet_valid = CET_OF_SS | CET_OF_IBT;
	memcpy(f, fake_hw.vmcs02[n.cur->hw], sizeof(f));
	f[FID_VMCS_LINK_POINTER] = UINT64_MAX;
	id = nested_check_controls(&e);
	id = id ? id : nested_check_entry_events(&e);
	id = id ? id : nested_check_host(&e);
	id = id ? id : nested_check_guest_state(&e);
	id = id ? id : nested_check_guest_events(&e);
	if (id != CHECK_OK)
		fail_msg("%s: the processor would refuse VMCS02: %s, %s = 0x%lx", what,
			check_rows[id].name, vmcs_fields[check_rows[id].field].name,
			f[check_rows[id].field]);
	assert_true((f[FID_PIN_CONTROLS] &
			    (PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_PREEMPTION_TIMER)) ==
		    (PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_PREEMPTION_TIMER));
	assert_true(f[FID_PROC_CONTROLS] & PROC_UNCOND_IO_EXITING);
	assert_false(f[FID_PROC_CONTROLS] & PROC_USE_IO_BITMAPS);
	assert_true(f[FID_PROC_CONTROLS] & PROC_USE_MSR_BITMAPS);
	assert_true(f[FID_PROC_CONTROLS] & PROC_MWAIT_EXITING);
	assert_true(f[FID_PROC2_CONTROLS] & PROC2_ENABLE_EPT);
	assert_true(f[FID_PROC2_CONTROLS] & PROC2_WBINVD_EXITING);
	assert_true(f[FID_EXIT_CONTROLS] & EXIT_HOST_64);
	assert_true(
		(f[FID_EXCEPTION_BITMAP] & vm.l0.exception_bitmap) == vm.l0.exception_bitmap);
	assert_int_not_equal(f[FID_VPID], 0);
	assert_int_not_equal(f[FID_VPID], n.vpid01);
}

static uint64_t seed;

/* Values that are likely to pass and to matter: single bits, borders, small numbers. */
static uint64_t mutate(uint64_t old)
{
	uint64_t r = random_next(&seed);

	switch (r % 6) {
	case 0:
		return old ^ 1ull << (r >> 8 & 63);
	case 1:
		return old ^ 1ull << (r >> 8 & 31);
	case 2:
		return 0;
	case 3:
		return UINT64_MAX;
	case 4:
		return r >> 8 & 0xff;
	default:
		return old + (r >> 8 & 0x1fff) - 0x1000;
	}
}

static void every_vmcs12_that_passes_makes_a_sound_vmcs02(void **state)
{
	void (*const goldens[])(uint64_t *) = {
		golden_64bit, golden_32bit, golden_real, golden_v86, golden_shadow_paging};
	unsigned entered = 0;

	(void)state;
	seed = 42;
	enter_vmx();
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t f[FID_COUNT];
		unsigned mutations = i % 3;

		golden_offered(f);
		goldens[i % 5](f);
		f[FID_EXIT_CONTROLS] &= ~(uint64_t)EXIT_LOAD_PERF_GLOBAL_CTRL;
		f[FID_ENTRY_CONTROLS] &=
			~(uint64_t)(ENTRY_LOAD_PERF_GLOBAL_CTRL | ENTRY_LOAD_BNDCFGS);
		f[FID_EXIT_MSR_STORE_COUNT] = f[FID_EXIT_MSR_LOAD_COUNT] = 0;
		f[FID_ENTRY_MSR_LOAD_COUNT] = 0;
		for (unsigned k = 0; k < mutations; k++) {
			unsigned fid = random_below(&seed, FID_COUNT);

			if (fid == FID_ENTRY_MSR_LOAD_COUNT || fid == FID_EXIT_MSR_LOAD_COUNT ||
				fid == FID_EXIT_MSR_STORE_COUNT)
				continue;
			f[fid] = mutate(f[fid]) & vmcs_value_mask(vmcs_fields[fid].encoding);
		}
		become(f);
		restore_l1();
		fake.call_count = 0;
		if (execute(EXIT_VMLAUNCH, 0) != OUTCOME_L2)
			continue;
		entered++;
		expect_sound_vmcs02("mutation");
		fake_hw.current[FID_EXIT_INTR_INFO] = 0;
		fake_hw.current[FID_ENTRY_INTR_INFO] = 0; /* as the exit does (27.2) */
		assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	}
	assert_true(entered > 10000);
}

/* ---- exits ---- */

struct reflection {
	uint32_t reason;
	enum vmcs_fid word;
	uint32_t bit; /* L1 gets the exit if this control is set */
};

static const struct reflection conditional[] = {
	{EXIT_INTERRUPT_WINDOW, FID_PROC_CONTROLS, PROC_INTR_WINDOW},
	{EXIT_NMI_WINDOW, FID_PROC_CONTROLS, PROC_NMI_WINDOW},
	{EXIT_HLT, FID_PROC_CONTROLS, PROC_HLT_EXITING},
	{EXIT_INVLPG, FID_PROC_CONTROLS, PROC_INVLPG_EXITING},
	{EXIT_INVPCID, FID_PROC_CONTROLS, PROC_INVLPG_EXITING},
	{EXIT_RDPMC, FID_PROC_CONTROLS, PROC_RDPMC_EXITING},
	{EXIT_RDTSC, FID_PROC_CONTROLS, PROC_RDTSC_EXITING},
	{EXIT_RDTSCP, FID_PROC_CONTROLS, PROC_RDTSC_EXITING},
	{EXIT_MOV_DR, FID_PROC_CONTROLS, PROC_MOV_DR_EXITING},
	{EXIT_MWAIT, FID_PROC_CONTROLS, PROC_MWAIT_EXITING},
	{EXIT_MONITOR, FID_PROC_CONTROLS, PROC_MONITOR_EXITING},
	{EXIT_PAUSE, FID_PROC_CONTROLS, PROC_PAUSE_EXITING},
	{EXIT_TPR_BELOW_THRESHOLD, FID_PROC_CONTROLS, PROC_TPR_SHADOW},
	{EXIT_APIC_ACCESS, FID_PROC2_CONTROLS, PROC2_APIC_ACCESSES},
	{EXIT_GDTR_IDTR, FID_PROC2_CONTROLS, PROC2_DESC_TABLE_EXITING},
	{EXIT_LDTR_TR, FID_PROC2_CONTROLS, PROC2_DESC_TABLE_EXITING},
	{EXIT_WBINVD, FID_PROC2_CONTROLS, PROC2_WBINVD_EXITING},
	{EXIT_RDRAND, FID_PROC2_CONTROLS, PROC2_RDRAND_EXITING},
	{EXIT_RDSEED, FID_PROC2_CONTROLS, PROC2_RDSEED_EXITING},
	{EXIT_ENCLS, FID_PROC2_CONTROLS, PROC2_ENCLS_EXITING},
};

/* The control is changed behind the entry's back: reflection asks VMCS12 alone. */
static enum nested_verdict exit_with(const struct reflection *r, bool set)
{
	uint64_t saved = n.cur->f[r->word];
	enum nested_verdict v;

	n.cur->f[r->word] = set ? saved | r->bit : saved & ~(uint64_t)r->bit;
	v = nested_l2_exit(&n, r->reason);
	n.cur->f[r->word] = saved;
	return v;
}

static void exits_go_to_l1_if_it_asked_and_else_to_l0(void **state)
{
	(void)state;
	launch();
	for (size_t i = 0; i < sizeof(conditional) / sizeof(conditional[0]); i++) {
		assert_int_equal(exit_with(&conditional[i], false), NESTED_L0);
		assert_true(n.in_l2);
		assert_int_equal(exit_with(&conditional[i], true), NESTED_L1);
		assert_false(n.in_l2);
		assert_int_equal(n.cur->f[FID_EXIT_REASON], conditional[i].reason);
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	}
}

static void unconditional_exits_go_to_l1(void **state)
{
	static const uint32_t reasons[] = {EXIT_TRIPLE_FAULT, EXIT_TASK_SWITCH, EXIT_CPUID,
		EXIT_GETSEC, EXIT_INVD, EXIT_VMCALL, EXIT_VMCLEAR, EXIT_VMLAUNCH, EXIT_VMPTRLD,
		EXIT_VMPTRST, EXIT_VMREAD, EXIT_VMRESUME, EXIT_VMWRITE, EXIT_VMXOFF, EXIT_VMXON,
		EXIT_INVEPT, EXIT_INVVPID, EXIT_XSETBV, EXIT_MTF, EXIT_VMFUNC};

	(void)state;
	launch();
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		assert_int_equal(nested_l2_exit(&n, reasons[i]), NESTED_L1);
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	}
}

static void what_is_the_machines_stays_with_l0(void **state)
{
	static const uint32_t reasons[] = {EXIT_EXTERNAL_INTERRUPT, EXIT_PREEMPTION_TIMER,
		EXIT_PML_FULL, EXIT_OTHER_SMI, 69};

	(void)state;
	launch();
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		assert_int_equal(nested_l2_exit(&n, reasons[i]), NESTED_L0);
	set02(FID_EXIT_INTR_INFO, INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI);
	assert_int_equal(nested_l2_exit(&n, EXIT_EXCEPTION_NMI), NESTED_L0);
}

static enum nested_verdict exception(uint8_t vector, uint32_t error)
{
	enum nested_verdict v;

	set02(FID_EXIT_INTR_INFO,
		INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE | vector);
	set02(FID_EXIT_INTR_ERROR_CODE, error);
	v = nested_l2_exit(&n, EXIT_EXCEPTION_NMI);
	if (v == NESTED_L1) {
		assert_int_equal(n.cur->f[FID_EXIT_INTR_ERROR_CODE], error);
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	}
	return v;
}

static void exceptions_follow_bitmap_mask_and_match(void **state)
{
	(void)state;
	golden[FID_EXCEPTION_BITMAP] = BIT(VEC_GP);
	golden[FID_PF_ERROR_MASK] = 1;
	golden[FID_PF_ERROR_MATCH] = 1;
	launch();
	assert_int_equal(vmcs02(FID_EXCEPTION_BITMAP), BIT(VEC_GP) | vm.l0.exception_bitmap);
	assert_int_equal(exception(VEC_GP, 8), NESTED_L1);
	assert_int_equal(exception(VEC_AC, 0), NESTED_L0);
	assert_int_equal(exception(VEC_PF, 0), NESTED_L1); /* no match, bit clear */
	assert_int_equal(exception(VEC_PF, 1), NESTED_L0);
	n.cur->f[FID_EXCEPTION_BITMAP] |= BIT(VEC_PF);
	assert_int_equal(exception(VEC_PF, 1), NESTED_L1);
	assert_int_equal(exception(VEC_PF, 0), NESTED_L0);
}

static enum nested_verdict io(uint32_t port, uint32_t size)
{
	enum nested_verdict v;

	set02(FID_EXIT_QUALIFICATION, (uint64_t)port << 16 | (size - 1));
	v = nested_l2_exit(&n, EXIT_IO);
	if (v == NESTED_L1)
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	return v;
}

static void ports_follow_l1s_bitmaps(void **state)
{
	(void)state;
	fake.ram[0x1000 + 0x80 / 8] = 1;
	fake.ram[0x2000 + 0x10 / 8] = 1;
	launch();
	assert_int_equal(io(0x80, 1), NESTED_L1);
	assert_int_equal(io(0x7f, 1), NESTED_L0);
	assert_int_equal(io(0x7e, 4), NESTED_L1);
	assert_int_equal(io(0x8010, 1), NESTED_L1);
	assert_int_equal(io(0x8011, 1), NESTED_L0);
	assert_int_equal(io(0xfffe, 4), NESTED_L1); /* wraps */
	n.cur->f[FID_PROC_CONTROLS] &= ~(uint64_t)PROC_USE_IO_BITMAPS;
	assert_int_equal(io(0x80, 1), NESTED_L0);
	n.cur->f[FID_PROC_CONTROLS] |= PROC_UNCOND_IO_EXITING;
	assert_int_equal(io(0x7f, 1), NESTED_L1);
}

static enum nested_verdict msr(uint32_t reason, uint32_t index)
{
	enum nested_verdict v;

	gpr[1] = index;
	v = nested_l2_exit(&n, reason);
	if (v == NESTED_L1)
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	return v;
}

static void msrs_follow_l1s_bitmap(void **state)
{
	(void)state;
	fake.ram[0x3000 + 0x10 / 8] = 1;
	fake.ram[0x3000 + 2048 + 1024 + 0x80 / 8] = 1;
	launch();
	assert_int_equal(msr(EXIT_RDMSR, 0x10), NESTED_L1);
	assert_int_equal(msr(EXIT_WRMSR, 0x10), NESTED_L0);
	assert_int_equal(msr(EXIT_WRMSR, 0xc0000080), NESTED_L1);
	assert_int_equal(msr(EXIT_RDMSR, 0xc0000080), NESTED_L0);
	assert_int_equal(msr(EXIT_RDMSR, 0x40000000), NESTED_L1);
	n.cur->f[FID_PROC_CONTROLS] &= ~(uint64_t)PROC_USE_MSR_BITMAPS;
	assert_int_equal(msr(EXIT_RDMSR, 0xc0000080), NESTED_L1);
}

static void the_msr_bitmap_of_l2_passes_only_what_both_pass(void **state)
{
	uint64_t bitmap01[512];

	(void)state;
	memset(bitmap01, 0xff, sizeof(bitmap01));
	bitmap01[0xc0000100 % 0x2000 / 64 + 128] =
		~0x3ull; /* L0 passes reads of FS and GS bases */
	bitmap01[0xc0000080 % 0x2000 / 64 + 128] = ~0x3ull; /* these are never L2's */
	nested_pass_msrs(&vm, bitmap01);
	memset(fake.ram + 0x3000, 0xff, PAGE_SIZE);
	fake_write64(
		0x3000 + 1024 + 0x100 / 8, ~0x6ull); /* L1 passes those of GS and kernel GS */
	fake_write64(0x3000 + 1024 + 0x80 / 8, 0);
	launch();
	for (unsigned w = 0; w < 512; w++)
		assert_int_equal(bitmap02[w], w == 0x100 / 64 + 128 ? ~0x2ull : UINT64_MAX);
}

static void cr4_bits_that_l1_lacks_stay_with_l0(void **state)
{
	(void)state;
	vm.l0.cr4_hidden = CR4_LA57;
	golden[FID_CR4_GUEST_HOST_MASK] = CR4_VMXE;
	golden[FID_CR4_READ_SHADOW] = 0;
	launch();
	assert_int_equal(vmcs02(FID_CR4_GUEST_HOST_MASK), CR4_VMXE | CR4_MCE | CR4_LA57);
	set02(FID_EXIT_QUALIFICATION, 4); /* MOV to CR4 from RAX */
	gpr[0] = CR4_LA57;
	assert_int_equal(nested_l2_exit(&n, EXIT_CR_ACCESS), NESTED_L0);
	gpr[0] = CR4_VMXE;
	assert_int_equal(nested_l2_exit(&n, EXIT_CR_ACCESS), NESTED_L1);
}

static void machine_checks_are_l0s_whatever_l1s_host_state_says(void **state)
{
	(void)state;
	golden[FID_HOST_CR4] &= ~CR4_MCE;
	launch();
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	assert_true(fake_hw.vmcs01[FID_GUEST_CR4] == (golden[FID_HOST_CR4] | CR4_MCE));
	assert_true(fake_hw.vmcs01[FID_CR4_READ_SHADOW] == golden[FID_HOST_CR4]);
}

static void an_exit_saves_what_its_controls_say(void **state)
{
	(void)state;
	golden[FID_EXIT_CONTROLS] &= ~(uint64_t)EXIT_SAVE_DEBUG;
	golden[FID_EXIT_CONTROLS] |= EXIT_SAVE_EFER;
	golden[FID_ENTRY_INTR_INFO] = INTR_INFO_VALID | 0x30;
	launch();
	set02(FID_GUEST_RIP, 0x1234);
	set02(FID_GUEST_DR7, 0x777);
	set02(FID_GUEST_EFER, 0x501);
	set02(FID_GUEST_CS_BASE, 0x9999);
	set02(FID_EXIT_INSTRUCTION_LENGTH, 2);
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(n.cur->f[FID_GUEST_RIP], 0x1234);
	assert_int_equal(n.cur->f[FID_GUEST_DR7], 0x400);
	assert_int_equal(n.cur->f[FID_GUEST_EFER], 0x501);
	assert_int_equal(n.cur->f[FID_EXIT_INSTRUCTION_LENGTH], 2);
	assert_false(n.cur->f[FID_ENTRY_INTR_INFO] & INTR_INFO_VALID);
	{
		uint64_t base;

		assert_int_equal(vmread12(VMCS_GUEST_CS_BASE, &base), OUTCOME_SUCCEED);
		assert_int_equal(base, 0x9999);
		assert_int_equal(vmwrite12(VMCS_GUEST_CS_BASE, 0x1111), OUTCOME_SUCCEED);
		assert_int_equal(vmread12(VMCS_GUEST_CS_BASE, &base), OUTCOME_SUCCEED);
		assert_int_equal(base, 0x1111);
	}
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	assert_int_equal(vmcs02(FID_GUEST_CS_BASE), 0x1111);
	assert_int_equal(vmcs02(FID_GUEST_DR7), 0x400);
}

static void l1s_preemption_timer_counts_while_l2_runs(void **state)
{
	(void)state;
	golden[FID_PIN_CONTROLS] |= PIN_PREEMPTION_TIMER;
	golden[FID_EXIT_CONTROLS] |= EXIT_SAVE_PREEMPTION_TIMER;
	golden[FID_PREEMPTION_TIMER_VALUE] = 1000;
	launch();
	assert_int_equal(nested_timer_value(&n, 300), 300);
	set02(FID_PREEMPTION_TIMER_VALUE, 0);
	assert_int_equal(nested_l2_exit(&n, EXIT_PREEMPTION_TIMER), NESTED_L0);
	assert_int_equal(nested_timer_value(&n, 5000), 700);
	set02(FID_PREEMPTION_TIMER_VALUE, 250);
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(n.cur->f[FID_PREEMPTION_TIMER_VALUE], 250);
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	assert_int_equal(nested_timer_value(&n, UINT32_MAX), 250);
	set02(FID_PREEMPTION_TIMER_VALUE, 0);
	assert_int_equal(nested_l2_exit(&n, EXIT_PREEMPTION_TIMER), NESTED_L1);
	assert_int_equal(n.cur->f[FID_PREEMPTION_TIMER_VALUE], 0);
}

static void put_msr_entry(uint64_t at, uint32_t index, uint64_t value)
{
	fake_write64(at, index);
	fake_write64(at + 8, value);
}

static void a_bad_entry_of_the_load_list_fails_the_entry(void **state)
{
	(void)state;
	fake_set_msr(0x174, 0);
	put_msr_entry(0x6020, 0x174, 7);
	put_msr_entry(0x6030, MSR_FS_BASE, 7);
	golden[FID_ENTRY_MSR_LOAD_COUNT] = 2;
	enter_vmx();
	become(golden);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_RELOADED);
	assert_int_equal(
		n.cur->f[FID_EXIT_REASON], EXIT_MSR_LOADING | EXIT_REASON_ENTRY_FAILURE);
	assert_int_equal(n.cur->f[FID_EXIT_QUALIFICATION], 2);
	assert_false(n.cur->launched);
}

static void exit_lists_store_and_load_or_abort(void **state)
{
	(void)state;
	fake_set_msr(0x174, 0x99);
	put_msr_entry(0x6000, 0x174, 0);
	put_msr_entry(0x6010, 0x174, 0x55);
	golden[FID_EXIT_MSR_STORE_COUNT] = 1;
	golden[FID_EXIT_MSR_LOAD_COUNT] = 1;
	launch();
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(fake_read64(0x6008), 0x99);
	assert_int_equal(fake_last("seam_wrmsr")->b, 0x55);
	assert_int_equal(fake_called("seam_l1_shutdown"), 0);
	fake_write64(0x6010, MSR_GS_BASE);
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	nested_l2_exit(&n, EXIT_CPUID);
	assert_int_equal(fake_called("seam_l1_shutdown"), 1);
}

static void bad_guest_state_is_a_failed_entry(void **state)
{
	(void)state;
	enter_vmx();
	golden[FID_GUEST_RFLAGS] = 0;
	become(golden);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_RELOADED);
	assert_int_equal(n.cur->f[FID_EXIT_REASON],
		EXIT_INVALID_GUEST_STATE | EXIT_REASON_ENTRY_FAILURE);
	assert_int_equal(n.cur->f[FID_EXIT_QUALIFICATION], 0);
	assert_int_equal(fake_called("seam_report"), 1);
	assert_false(n.cur->launched);
}

static void ept_violations_are_filled_or_delivered(void **state)
{
	(void)state;
	fake_write64(0x8000, 0x50000 | 7);
	fake_write64(0x50000, 0x51000 | 7);
	fake_write64(0x51000, 0x800000 | 0xb0 | 7);
	launch();
	set02(FID_GUEST_PHYSICAL_ADDRESS, 0x1000);
	set02(FID_EXIT_QUALIFICATION, 0x181);
	assert_int_equal(nested_l2_exit(&n, EXIT_EPT_VIOLATION), NESTED_RESUME);
	assert_int_equal(n.stats.vept_fills, 1);
	set02(FID_GUEST_PHYSICAL_ADDRESS, 0x400000);
	assert_int_equal(nested_l2_exit(&n, EXIT_EPT_VIOLATION), NESTED_L1);
	assert_int_equal(n.cur->f[FID_EXIT_REASON], EXIT_EPT_VIOLATION);
	assert_int_equal(n.cur->f[FID_GUEST_PHYSICAL_ADDRESS], 0x400000);
	assert_int_equal(n.cur->f[FID_EXIT_QUALIFICATION], 0x181);
}

/* ---- the hardware refuses VMCS02 by a VMfail ---- */

static void golden_with_threshold(void)
{
	golden[FID_PROC_CONTROLS] |= PROC_TPR_SHADOW;
	golden[FID_PROC2_CONTROLS] &=
		~(uint64_t)(PROC2_APIC_ACCESSES | PROC2_VIRT_INTR_DELIVERY |
			    PROC2_APIC_REGISTER_VIRT | PROC2_X2APIC_MODE);
	golden[FID_PIN_CONTROLS] &= ~(uint64_t)PIN_POSTED_INTR;
	golden[FID_TPR_THRESHOLD] = 3;
	fake_write32(golden[FID_VIRTUAL_APIC_ADDR] + APIC_TPR, 0xf0);
}

static void a_vmfail_of_the_first_entry_is_a_vmfail_of_l1s_instruction(void **state)
{
	uint64_t rip;

	(void)state;
	golden_with_threshold();
	golden[FID_ENTRY_INTR_INFO] = INTR_INFO_VALID | INTR_EXTERNAL << 8 | 0x55;
	golden[FID_GUEST_RFLAGS] |= RFLAGS_IF;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	rip = fake_hw.vmcs01[FID_GUEST_RIP];
	launch();
	set02(FID_ENTRY_INTR_INFO, golden[FID_ENTRY_INTR_INFO]);
	fake_hw.vmcs01[FID_EXIT_REASON] = EXIT_VMLAUNCH;
	nested_entry_vmfailed(&n, VMERR_ENTRY_CONTROLS);
	assert_false(n.in_l2);
	assert_false(n.cur->launched);
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
	assert_int_equal(n.cur->f[FID_INSTRUCTION_ERROR], VMERR_ENTRY_CONTROLS);
	assert_int_equal(n.cur->f[FID_EXIT_REASON], golden[FID_EXIT_REASON]);
	assert_true(n.cur->f[FID_ENTRY_INTR_INFO] & INTR_INFO_VALID);
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_RFLAGS] & RFLAGS_STATUS, RFLAGS_ZF);
	assert_true(fake_hw.vmcs01[FID_GUEST_RIP] > rip);
	assert_int_equal(vmcs02(FID_ENTRY_INTR_INFO), 0);
	/* VTPR fits again */
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
}

static void a_vmfail_of_a_later_entry_is_an_exit_for_the_threshold(void **state)
{
	(void)state;
	golden_with_threshold();
	launch();
	n.run_pending = false; /* L2 has run, and exited to L0 */
	set02(FID_GUEST_RIP, 0x4321);
	set02(FID_ENTRY_INTR_INFO,
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_PF);
	set02(FID_ENTRY_EXCEPTION_ERROR_CODE, 6);
	nested_entry_vmfailed(&n, VMERR_ENTRY_CONTROLS);
	assert_false(n.in_l2);
	assert_int_equal(n.cur->f[FID_EXIT_REASON], EXIT_TPR_BELOW_THRESHOLD);
	assert_int_equal(n.cur->f[FID_GUEST_RIP], 0x4321);
	assert_int_equal(n.cur->f[FID_IDT_VECTORING_INFO],
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_PF);
	assert_int_equal(n.cur->f[FID_IDT_VECTORING_ERROR_CODE], 6);
	assert_int_equal(vmcs02(FID_ENTRY_INTR_INFO), 0);
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_RIP], golden[FID_HOST_RIP]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, run_setup, vcpu_teardown)
		T(every_vmcs12_that_passes_makes_a_sound_vmcs02),
		T(exits_go_to_l1_if_it_asked_and_else_to_l0),
		T(unconditional_exits_go_to_l1),
		T(what_is_the_machines_stays_with_l0),
		T(exceptions_follow_bitmap_mask_and_match),
		T(ports_follow_l1s_bitmaps),
		T(msrs_follow_l1s_bitmap),
		T(the_msr_bitmap_of_l2_passes_only_what_both_pass),
		T(cr4_bits_that_l1_lacks_stay_with_l0),
		T(machine_checks_are_l0s_whatever_l1s_host_state_says),
		T(an_exit_saves_what_its_controls_say),
		T(l1s_preemption_timer_counts_while_l2_runs),
		T(a_bad_entry_of_the_load_list_fails_the_entry),
		T(exit_lists_store_and_load_or_abort),
		T(a_vmfail_of_the_first_entry_is_a_vmfail_of_l1s_instruction),
		T(a_vmfail_of_a_later_entry_is_an_exit_for_the_threshold),
		T(bad_guest_state_is_a_failed_entry),
		T(ept_violations_are_filled_or_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
