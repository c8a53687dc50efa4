/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits of L2: for every exit reason whose it is, by the SDM's own lists (25.1.2, 25.1.3, 25.2)
 * and not by ours; and what L1 finds in VMCS12. Events that arrive for L2 are in
 * test_nested_door.c.
 */
#include "nested_world.h"

#include "nested/nested_int.h"

enum asked {
	ALWAYS_L1,
	NEVER_L1,
	PIN_BIT,
	PROC_BIT,
	PROC2_BIT,
	SPECIAL /* has a test of its own */
};

struct expectation {
	uint32_t reason;
	enum asked asked;
	uint32_t bit;
};

/* clang-format off */
static const struct expectation expectations[] = {
	{EXIT_EXCEPTION_NMI, SPECIAL, 0},
	{EXIT_EXTERNAL_INTERRUPT, NEVER_L1, 0}, /* the machine's */
	{EXIT_TRIPLE_FAULT, ALWAYS_L1, 0},
	{EXIT_INIT, NEVER_L1, 0}, {EXIT_SIPI, NEVER_L1, 0},
	{EXIT_IO_SMI, NEVER_L1, 0}, {EXIT_OTHER_SMI, NEVER_L1, 0},
	{EXIT_INTERRUPT_WINDOW, PROC_BIT, PROC_INTR_WINDOW},
	{EXIT_NMI_WINDOW, PROC_BIT, PROC_NMI_WINDOW},
	{EXIT_TASK_SWITCH, ALWAYS_L1, 0}, {EXIT_CPUID, ALWAYS_L1, 0},
	{EXIT_GETSEC, ALWAYS_L1, 0},
	{EXIT_HLT, PROC_BIT, PROC_HLT_EXITING},
	{EXIT_INVD, ALWAYS_L1, 0},
	{EXIT_INVLPG, PROC_BIT, PROC_INVLPG_EXITING},
	{EXIT_RDPMC, PROC_BIT, PROC_RDPMC_EXITING},
	{EXIT_RDTSC, PROC_BIT, PROC_RDTSC_EXITING},
	{EXIT_RSM, NEVER_L1, 0},
	{EXIT_VMCALL, ALWAYS_L1, 0}, {EXIT_VMCLEAR, ALWAYS_L1, 0},
	{EXIT_VMLAUNCH, ALWAYS_L1, 0}, {EXIT_VMPTRLD, ALWAYS_L1, 0},
	{EXIT_VMPTRST, ALWAYS_L1, 0}, {EXIT_VMREAD, ALWAYS_L1, 0},
	{EXIT_VMRESUME, ALWAYS_L1, 0}, {EXIT_VMWRITE, ALWAYS_L1, 0},
	{EXIT_VMXOFF, ALWAYS_L1, 0}, {EXIT_VMXON, ALWAYS_L1, 0},
	{EXIT_CR_ACCESS, SPECIAL, 0},
	{EXIT_MOV_DR, PROC_BIT, PROC_MOV_DR_EXITING},
	{EXIT_IO, SPECIAL, 0}, {EXIT_RDMSR, SPECIAL, 0}, {EXIT_WRMSR, SPECIAL, 0},
	{EXIT_INVALID_GUEST_STATE, NEVER_L1, 0}, {EXIT_MSR_LOADING, NEVER_L1, 0},
	{EXIT_MWAIT, PROC_BIT, PROC_MWAIT_EXITING},
	{EXIT_MTF, ALWAYS_L1, 0},
	{EXIT_MONITOR, PROC_BIT, PROC_MONITOR_EXITING},
	{EXIT_PAUSE, PROC_BIT, PROC_PAUSE_EXITING},
	{EXIT_PAUSE, PROC2_BIT, PROC2_PAUSE_LOOP_EXITING},
	{EXIT_MACHINE_CHECK_ENTRY, NEVER_L1, 0},
	{EXIT_TPR_BELOW_THRESHOLD, PROC_BIT, PROC_TPR_SHADOW},
	{EXIT_APIC_ACCESS, PROC2_BIT, PROC2_APIC_ACCESSES},
	{EXIT_VIRTUALIZED_EOI, PROC2_BIT, PROC2_VIRT_INTR_DELIVERY},
	{EXIT_GDTR_IDTR, PROC2_BIT, PROC2_DESC_TABLE_EXITING},
	{EXIT_LDTR_TR, PROC2_BIT, PROC2_DESC_TABLE_EXITING},
	{EXIT_EPT_VIOLATION, SPECIAL, 0},
	{EXIT_EPT_MISCONFIG, NEVER_L1, 0}, /* of EPT02: ours */
	{EXIT_INVEPT, ALWAYS_L1, 0},
	{EXIT_RDTSCP, PROC_BIT, PROC_RDTSC_EXITING},
	{EXIT_PREEMPTION_TIMER, SPECIAL, 0},
	{EXIT_INVVPID, ALWAYS_L1, 0},
	{EXIT_WBINVD, PROC2_BIT, PROC2_WBINVD_EXITING},
	{EXIT_XSETBV, ALWAYS_L1, 0},
	{EXIT_APIC_WRITE, PROC2_BIT, PROC2_APIC_REGISTER_VIRT},
	{EXIT_APIC_WRITE, PROC2_BIT, PROC2_VIRT_INTR_DELIVERY},
	{EXIT_RDRAND, PROC2_BIT, PROC2_RDRAND_EXITING},
	{EXIT_INVPCID, PROC_BIT, PROC_INVLPG_EXITING},
	{EXIT_VMFUNC, ALWAYS_L1, 0},
	{EXIT_ENCLS, PROC2_BIT, PROC2_ENCLS_EXITING},
	{EXIT_RDSEED, PROC2_BIT, PROC2_RDSEED_EXITING},
	{EXIT_PML_FULL, NEVER_L1, 0},
	{EXIT_XSAVES, ALWAYS_L1, 0}, {EXIT_XRSTORS, ALWAYS_L1, 0},
	{EXIT_PCONFIG, NEVER_L1, 0}, {EXIT_SPP_EVENT, NEVER_L1, 0},
	{EXIT_UMWAIT, NEVER_L1, 0}, {EXIT_TPAUSE, NEVER_L1, 0}, {EXIT_LOADIWKEY, NEVER_L1, 0},
	{EXIT_ENCLV, NEVER_L1, 0}, {EXIT_ENQCMD_PASID, NEVER_L1, 0},
	{EXIT_ENQCMDS_PASID, NEVER_L1, 0},
	{EXIT_BUS_LOCK, PROC2_BIT, PROC2_BUS_LOCK_EXITING},
	{EXIT_NOTIFY, NEVER_L1, 0}, {EXIT_SEAMCALL, NEVER_L1, 0}, {EXIT_TDCALL, NEVER_L1, 0},
	{71, NEVER_L1, 0}, {EXIT_REASON_COUNT, NEVER_L1, 0}, {200, NEVER_L1, 0}, {0xffff, NEVER_L1, 0},
};
/* clang-format on */

#define EXPECTATIONS (sizeof(expectations) / sizeof(expectations[0]))

static void expect_exit(uint32_t reason, bool to_l1)
{
	enum nested_verdict verdict = nested_l2_exit(&world.n, reason);

	if (verdict != (to_l1 ? NESTED_L1 : NESTED_L0))
		fail_msg("reason %u: verdict %d", reason, verdict);
	if (to_l1) {
		assert_int_equal(world_12()[FID_EXIT_REASON], reason);
		assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
		world_resume();
	} else {
		assert_true(world.n.in_l2);
		assert_ptr_equal(fake_hw.current, world_02());
	}
}

static bool is_l1s(const struct expectation *x, bool on)
{
	enum vmcs_fid word = x->asked == PIN_BIT    ? FID_PIN_CONTROLS
			     : x->asked == PROC_BIT ? FID_PROC_CONTROLS
						    : FID_PROC2_CONTROLS;

	if (x->asked == ALWAYS_L1 || x->asked == NEVER_L1)
		return x->asked == ALWAYS_L1;
	world_12()[word] =
		on ? world_12()[word] | x->bit : world_12()[word] & ~(uint64_t)x->bit;
	return on;
}

static void each_reason_goes_to_l1_exactly_if_it_asked(void **state)
{
	uint64_t proc2 = PROC2_ENABLE_EPT | PROC2_ENABLE_VPID;

	(void)state;
	for (size_t i = 0; i < EXPECTATIONS; i++)
		for (unsigned on = 0; on < 2; on++) {
			const struct expectation *x = &expectations[i];
			uint64_t proc = world_12()[FID_PROC_CONTROLS];
			bool to_l1;

			if (x->asked == SPECIAL)
				continue;
			world_12()[FID_PROC2_CONTROLS] = proc2;
			to_l1 = is_l1s(x, on);
			/* The controls are put back before L1 enters again. */
			if (to_l1)
				assert_int_equal(
					nested_l2_exit(&world.n, x->reason), NESTED_L1);
			else
				expect_exit(x->reason, false);
			world_12()[FID_PROC_CONTROLS] = proc;
			world_12()[FID_PROC2_CONTROLS] = proc2;
			if (to_l1) {
				assert_int_equal(EXIT_REASON_BASIC(world_12()[FID_EXIT_REASON]),
					x->reason);
				world_resume();
			}
		}
}

static void secondary_controls_count_only_when_activated(void **state)
{
	(void)state;
	world_12()[FID_PROC2_CONTROLS] |= PROC2_WBINVD_EXITING;
	world_12()[FID_PROC_CONTROLS] &= ~(uint64_t)PROC_SECONDARY;
	expect_exit(EXIT_WBINVD, false);
}

static void every_row_of_the_table_is_expected_here(void **state)
{
	static const uint32_t rows[] = {
#define R(name, if_l1) EXIT_##name,
#include "nested/reflect.def"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool found = false;

		for (size_t k = 0; k < EXPECTATIONS; k++)
			found |= expectations[k].reason == rows[i];
		if (!found)
			fail_msg("reason %u", rows[i]);
	}
}

/* ---- locks of the bus ---- */

static void exit_tells(uint32_t reason, uint32_t told)
{
	assert_int_equal(nested_l2_exit(&world.n, reason), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_REASON], told);
	world_resume();
}

static void a_bus_lock_counts_whoever_handles_it(void **state)
{
	(void)state;
	expect_exit(EXIT_BUS_LOCK, false);
	assert_int_equal(fake_called("seam_bus_locked"), 1);
	world_12()[FID_PROC2_CONTROLS] |= PROC2_BUS_LOCK_EXITING;
	world_02()[FID_IDT_VECTORING_INFO] = INTR_INFO_VALID | INTR_EXTERNAL << 8 | 0x31;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_BUS_LOCK), NESTED_L1);
	assert_int_equal(fake_called("seam_bus_locked"), 2);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_BUS_LOCK | EXIT_REASON_BUS_LOCKED);
	assert_int_equal(world_12()[FID_IDT_VECTORING_INFO],
		INTR_INFO_VALID | INTR_EXTERNAL << 8 | 0x31);
	world_02()[FID_IDT_VECTORING_INFO] = 0;
	world_resume();
	exit_tells(EXIT_CPUID, EXIT_CPUID);
}

/* 27.2.1: bit 26. The rate has counted it before. */
static void another_exit_tells_of_a_bus_lock_if_l1_asks(void **state)
{
	(void)state;
	nested_bus_locked(&world.n);
	exit_tells(EXIT_CPUID, EXIT_CPUID);
	world_12()[FID_PROC2_CONTROLS] |= PROC2_BUS_LOCK_EXITING;
	exit_tells(EXIT_CPUID, EXIT_CPUID);
	nested_bus_locked(&world.n);
	exit_tells(EXIT_CPUID, EXIT_CPUID | EXIT_REASON_BUS_LOCKED);
	exit_tells(EXIT_CPUID, EXIT_CPUID);
	/* L0's own exit: L1's next one tells */
	nested_bus_locked(&world.n);
	expect_exit(EXIT_EXTERNAL_INTERRUPT, false);
	exit_tells(EXIT_CPUID, EXIT_CPUID | EXIT_REASON_BUS_LOCKED);
	exit_tells(EXIT_CPUID, EXIT_CPUID);
}

/* ---- the special ones ---- */

static void mov_cr(uint64_t qualification, bool to_l1)
{
	world_02()[FID_EXIT_QUALIFICATION] = qualification;
	expect_exit(EXIT_CR_ACCESS, to_l1);
}

static void control_registers_follow_the_controls_of_l1(void **state)
{
	(void)state;
	mov_cr(0x003, true);  /* VMCS02 intercepts what L1 asked for */
	mov_cr(0x020, true);  /* CLTS */
	mov_cr(0x000, false); /* MOV to CR0: a bit of L0's */
	world_12()[FID_CR0_GUEST_HOST_MASK] = CR0_TS;
	world_12()[FID_CR0_READ_SHADOW] = CR0_TS;
	mov_cr(0x000, true);
	mov_cr(0x008, false); /* MOV to CR8 */
	mov_cr(0x018, false);
	world_12()[FID_PROC_CONTROLS] |= PROC_CR8_LOAD_EXITING;
	mov_cr(0x018, false);
	mov_cr(0x008, true);
	world_12()[FID_PROC_CONTROLS] =
		(world_12()[FID_PROC_CONTROLS] & ~(uint64_t)PROC_CR8_LOAD_EXITING) |
		PROC_CR8_STORE_EXITING;
	mov_cr(0x008, false);
	mov_cr(0x018, true);
}

static void cr4_exits_follow_mask_and_shadow_of_l1(void **state)
{
	(void)state;
	world_12()[FID_CR4_GUEST_HOST_MASK] = CR4_VMXE;
	world_12()[FID_CR4_READ_SHADOW] = 0;
	world.gpr[0] = CR4_PAE;
	mov_cr(0x004, false); /* a bit of L0 */
	world.gpr[0] = CR4_PAE | CR4_VMXE;
	mov_cr(0x004, true);
	world_12()[FID_CR4_READ_SHADOW] = CR4_VMXE;
	world.gpr[0] = CR4_PAE | CR4_VMXE;
	mov_cr(0x004, false);
	world_02()[FID_GUEST_RSP] = 0; /* MOV CR4, RSP */
	mov_cr(0x404, true);
}

/* Where L0 has the processor raise #AC for split locks, L1 gets those of its L2 that L2 itself
 * has asked for: at CPL 3, with CR0.AM and EFLAGS.AC, and on a processor that lets split locks
 * pass. */
static void alignment_checks_are_l1s_and_split_locks_are_not(void **state)
{
	(void)state;
	world_02()[FID_EXIT_INTR_INFO] =
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_AC;
	world_12()[FID_EXCEPTION_BITMAP] = BIT(VEC_AC);
	for (unsigned i = 0; i < 64; i++) {
		bool asked = (i & 7) == 7, told = i & 8, wanted = i & 16, pass = i & 32;

		world.vm.l0.split_locks = told;
		world.n.locks_pass = pass;
		world_12()[FID_EXCEPTION_BITMAP] = wanted ? BIT(VEC_AC) : 0;
		world_02()[FID_GUEST_CR0] =
			(world_02()[FID_GUEST_CR0] & ~CR0_AM) | (i & 1 ? CR0_AM : 0);
		world_02()[FID_GUEST_RFLAGS] =
			(world_02()[FID_GUEST_RFLAGS] & ~RFLAGS_AC) | (i & 2 ? RFLAGS_AC : 0);
		world_02()[FID_GUEST_SS_AR] =
			(world_02()[FID_GUEST_SS_AR] & ~0x60ull) | (i & 4 ? 0x60 : 0);
		expect_exit(EXIT_EXCEPTION_NMI, wanted && ((asked && pass) || !told));
		world_02()[FID_EXIT_INTR_INFO] = INTR_INFO_VALID | INTR_INFO_ERROR_CODE |
						 INTR_HW_EXCEPTION << 8 | VEC_AC;
	}
	world.vm.l0.split_locks = world.n.locks_pass = false;
}

static void page_faults_follow_mask_and_match(void **state)
{
	(void)state;
	world_02()[FID_EXIT_INTR_INFO] =
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_PF;
	world_12()[FID_PF_ERROR_MASK] = 5;
	world_12()[FID_PF_ERROR_MATCH] = 4;
	for (unsigned bit = 0; bit < 2; bit++)
		for (uint64_t error = 0; error < 32; error++) {
			bool match = (error & 5) == 4;

			world_12()[FID_EXCEPTION_BITMAP] = bit ? BIT(VEC_PF) : 0;
			world_02()[FID_EXIT_INTR_ERROR_CODE] = error;
			assert_int_equal(door_intercepts(&world.n, VEC_PF, (uint32_t)error),
				match == bit);
			expect_exit(EXIT_EXCEPTION_NMI, match == bit);
		}
	assert_int_equal(world_12()[FID_EXIT_INTR_ERROR_CODE], 31 - 1);
}

static void nmis_and_machine_checks_are_l0s(void **state)
{
	(void)state;
	world_12()[FID_EXCEPTION_BITMAP] = UINT32_MAX;
	world_02()[FID_EXIT_INTR_INFO] = INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI;
	expect_exit(EXIT_EXCEPTION_NMI, false);
	world_02()[FID_EXIT_INTR_INFO] = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_MC;
	expect_exit(EXIT_EXCEPTION_NMI, false);
	world_02()[FID_EXIT_INTR_INFO] = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD;
	expect_exit(EXIT_EXCEPTION_NMI, true);
	assert_false(door_intercepts(&world.n, 40, 0));
}

static void io(uint32_t port, unsigned size, bool to_l1)
{
	world_02()[FID_EXIT_QUALIFICATION] = port << 16 | (size - 1);
	expect_exit(EXIT_IO, to_l1);
}

static void ports_follow_the_bitmaps_or_the_unconditional_control(void **state)
{
	(void)state;
	fake.ram[0x1000 + 0x60 / 8] = 1;
	fake.ram[0x2000 + 0x7ff8 / 8] = 0x80; /* port 0xffff */
	io(0x60, 1, true);
	io(0x5f, 2, true);
	io(0x5d, 4, true);
	io(0x5c, 4, false);
	io(0x61, 4, false);
	io(0xffff, 1, true);
	io(0xfffe, 1, false);
	io(0xfffe, 4, true);                         /* wraps around */
	world_12()[FID_IO_BITMAP_A] = FAKE_RAM_SIZE; /* no RAM: ones */
	io(0x10, 1, true);
	world_12()[FID_PROC_CONTROLS] &= ~(uint64_t)PROC_USE_IO_BITMAPS;
	io(0x60, 1, false);
	world_12()[FID_PROC_CONTROLS] |= PROC_UNCOND_IO_EXITING;
	io(0x61, 1, true);
}

static void msr(uint32_t index, bool read_to_l1, bool write_to_l1)
{
	world.gpr[1] = 0xffffffff00000000 | index;
	expect_exit(EXIT_RDMSR, read_to_l1);
	world.gpr[1] = index;
	expect_exit(EXIT_WRMSR, write_to_l1);
}

/* SDM, "WRMSRNS": the exit is WRMSR's; its qualification is 1 and the length 3. */
static void wrmsrns_of_l2_exits_as_wrmsr_and_tells_its_name(void **state)
{
	(void)state;
	world.gpr[1] = 0x2000; /* beyond the bitmap */
	world_02()[FID_EXIT_QUALIFICATION] = 1;
	world_02()[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	expect_exit(EXIT_WRMSR, true);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_WRMSR);
	assert_int_equal(world_12()[FID_EXIT_QUALIFICATION], 1);
	assert_int_equal(world_12()[FID_EXIT_INSTRUCTION_LENGTH], 3);
}

static void msrs_follow_the_bitmap(void **state)
{
	(void)state;
	fake.ram[0x3000 + 0x10 / 8] = 1;             /* read 0x10 */
	fake.ram[0x3000 + 1024 + 0x80 / 8] = 1;      /* read 0xc0000080 */
	fake.ram[0x3000 + 2048 + 0x1fff / 8] = 0x80; /* write 0x1fff */
	fake.ram[0x3000 + 3072 + 0x1fff / 8] = 0x80; /* write 0xc0001fff */
	msr(0x10, true, false);
	msr(0x11, false, false);
	msr(0x1fff, false, true);
	msr(0x2000, true, true);
	msr(0xbfffffff, true, true);
	msr(0xc0000080, true, false);
	msr(0xc0001fff, false, true);
	msr(0xc0002000, true, true);
	world_12()[FID_MSR_BITMAP] = FAKE_RAM_SIZE;
	msr(0x11, true, true);
	world_12()[FID_MSR_BITMAP] = 0x3000;
	world_12()[FID_PROC_CONTROLS] &= ~(uint64_t)PROC_USE_MSR_BITMAPS;
	msr(0x11, true, true);
}

/* ---- what L1 finds ---- */

static void instruction_information_comes_with_the_reasons_that_define_it(void **state)
{
	/* SDM 27.2.5, without those for which L1 gets no exit here */
	static const uint32_t defined[] = {EXIT_VMCLEAR, EXIT_VMPTRLD, EXIT_VMPTRST,
		EXIT_VMREAD, EXIT_VMWRITE, EXIT_VMXON, EXIT_INVEPT, EXIT_INVVPID, EXIT_XSAVES,
		EXIT_XRSTORS};

	(void)state;
	for (uint32_t i = 0; i < sizeof(defined) / sizeof(defined[0]); i++) {
		world_02()[FID_EXIT_INSTRUCTION_INFO] = 0x1000 + i;
		world_02()[FID_EXIT_INSTRUCTION_LENGTH] = i;
		world_02()[FID_EXIT_QUALIFICATION] = 0x2000 + i;
		expect_exit(defined[i], true);
		assert_int_equal(world_12()[FID_EXIT_INSTRUCTION_INFO], 0x1000 + i);
		assert_int_equal(world_12()[FID_EXIT_INSTRUCTION_LENGTH], i);
		assert_int_equal(world_12()[FID_EXIT_QUALIFICATION], 0x2000 + i);
	}
}

static void idt_vectoring_information_reaches_l1(void **state)
{
	(void)state;
	world_02()[FID_IDT_VECTORING_INFO] = 0x80000b0e;
	world_02()[FID_IDT_VECTORING_ERROR_CODE] = 7;
	expect_exit(EXIT_TASK_SWITCH, true);
	assert_int_equal(world_12()[FID_IDT_VECTORING_INFO], 0x80000b0e);
	assert_int_equal(world_12()[FID_IDT_VECTORING_ERROR_CODE], 7);
	world_02()[FID_IDT_VECTORING_INFO] = 0;
	expect_exit(EXIT_CPUID, true);
	assert_int_equal(world_12()[FID_IDT_VECTORING_INFO], 0);
}

static void all_guest_state_of_l2_can_be_read_after_an_exit(void **state)
{
	(void)state;
	world_12()[FID_EXIT_CONTROLS] |= EXIT_SAVE_PAT | EXIT_SAVE_EFER;
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (i != FID_GUEST_INTR_STATUS && /* test_nested_posted.c */
			vmcs_fields[i].group & (GROUP_HOT | GROUP_RARE | GROUP_LOADED))
			seam_vmwrite((enum vmcs_fid)i, 0x4000 + i);
	nested_set_l2_cr4(&world.n, 0x4000 + FID_GUEST_CR4); /* L0 keeps MCE */
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (i != FID_GUEST_INTR_STATUS && /* test_nested_posted.c */
			vmcs_fields[i].group & (GROUP_HOT | GROUP_RARE | GROUP_LOADED))
			assert_int_equal(world_read((enum vmcs_fid)i), 0x4000 + i);
	/* ... and what L1 writes then is what L2 gets */
	world_write(FID_GUEST_GS_BASE, 0x5000);
	assert_int_equal(world_read(FID_GUEST_GS_BASE), 0x5000);
	assert_int_equal(world_read(FID_GUEST_FS_BASE), 0x4000 + FID_GUEST_FS_BASE);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS), VMSUCCEED);
	world_vmptrld(0);
	assert_int_equal(world_read(FID_GUEST_GS_BASE), 0x5000);
	assert_int_equal(world_read(FID_GUEST_FS_BASE), 0x4000 + FID_GUEST_FS_BASE);
}

static void what_the_exit_does_not_load_stays_as_l2_left_it(void **state)
{
	(void)state;
	world_02()[FID_GUEST_PAT] = 0x0606060606060606;
	world_02()[FID_GUEST_EFER] = EFER_LME | EFER_LMA;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_true(fake_hw.vmcs01[FID_GUEST_PAT] == GOLDEN_PAT);
	world_l1_64();
	world_write(FID_EXIT_CONTROLS,
		world_read(FID_EXIT_CONTROLS) & ~(uint64_t)(EXIT_LOAD_PAT | EXIT_LOAD_EFER));
	world_resume();
	world_02()[FID_GUEST_PAT] = 0x0505050505050505;
	world_02()[FID_GUEST_EFER] = EFER_LME | EFER_LMA | EFER_SCE;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_true(fake_hw.vmcs01[FID_GUEST_PAT] == 0x0505050505050505);
	assert_true(fake_hw.vmcs01[FID_GUEST_EFER] == (EFER_LME | EFER_LMA | EFER_SCE));
}

/* It cannot happen; if it does, L1 sees a failed entry, and what L2 had is not lost. */
static void an_entry_that_hardware_refuses_is_a_failed_entry_of_l1(void **state)
{
	(void)state;
	fake_hw.bug_expected = true;
	assert_int_equal(nested_l2_exit(&world.n, 0x80000021), NESTED_L1);
	assert_int_equal(fake_called("seam_bug"), 1);
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], 0x80000021);
	world_resume();
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
}

/* ---- MSRs ---- */

static void capability_msrs_are_readable_and_never_writable(void **state)
{
	uint64_t value;

	(void)state;
	for (uint32_t i = 0; i < CAPS_MSR_COUNT; i++) {
		assert_true(nested_rdmsr(&world.n, MSR_VMX_BASIC + i, &value));
		assert_true(value == world.vm.caps.msr[i]);
		assert_false(nested_wrmsr(&world.n, MSR_VMX_BASIC + i, value));
	}
	assert_true(nested_rdmsr(&world.n, MSR_FEATURE_CONTROL, &value));
	assert_int_equal(value, 5);
	assert_false(nested_wrmsr(&world.n, MSR_FEATURE_CONTROL, value));
	assert_false(nested_rdmsr(&world.n, MSR_VMX_BASIC + CAPS_MSR_COUNT, &value));
	assert_false(nested_rdmsr(&world.n, MSR_VMX_BASIC - 1, &value));
	world.vm.caps.msr[MSR_VMX_VMFUNC - MSR_VMX_BASIC] = 0;
	assert_false(nested_rdmsr(&world.n, MSR_VMX_VMFUNC, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, world_setup_l2)
		T(each_reason_goes_to_l1_exactly_if_it_asked),
		T(secondary_controls_count_only_when_activated),
		T(every_row_of_the_table_is_expected_here),
		T(a_bus_lock_counts_whoever_handles_it),
		T(another_exit_tells_of_a_bus_lock_if_l1_asks),
		T(control_registers_follow_the_controls_of_l1),
		T(cr4_exits_follow_mask_and_shadow_of_l1),
		T(alignment_checks_are_l1s_and_split_locks_are_not),
		T(page_faults_follow_mask_and_match),
		T(nmis_and_machine_checks_are_l0s),
		T(ports_follow_the_bitmaps_or_the_unconditional_control),
		T(wrmsrns_of_l2_exits_as_wrmsr_and_tells_its_name),
		T(msrs_follow_the_bitmap),
		T(instruction_information_comes_with_the_reasons_that_define_it),
		T(idt_vectoring_information_reaches_l1),
		T(all_guest_state_of_l2_can_be_read_after_an_exit),
		T(what_the_exit_does_not_load_stays_as_l2_left_it),
		T(an_entry_that_hardware_refuses_is_a_failed_entry_of_l1),
		T(capability_msrs_are_readable_and_never_writable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
