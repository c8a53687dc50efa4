/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is reported of refusals that have no number: faults of VMX instructions, entries of
 * MSR lists, EPT misconfigurations and VMX aborts; and that the frequent ones are reported only
 * when somebody listens.
 */
#include "nested_world.h"

#include "nested/vept_int.h"
#include "random.h"

#define LIST 0x200000ull
#define PML4 0x18000ull /* EPT12, a table a page */
#define PDPT 0x19000ull
#define PD   0x1a000ull
#define PT   0x1b000ull
#define ROW  (EPT_RWX | EPT_WB)

static int setup(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	world_reset();
	world.vm.explaining = true;
	golden_64bit(f);
	world_host(f);
	f[FID_EXIT_MSR_STORE_COUNT] = f[FID_EXIT_MSR_LOAD_COUNT] = 0;
	f[FID_ENTRY_MSR_LOAD_COUNT] = 0;
	f[FID_EXIT_MSR_STORE_ADDR] = f[FID_EXIT_MSR_LOAD_ADDR] = LIST;
	f[FID_ENTRY_MSR_LOAD_ADDR] = LIST;
	f[FID_EPT_POINTER] = PML4 | EPTP_WALK_4 | MEMTYPE_WB;
	fake_write64(PML4, PDPT | EPT_RWX);
	fake_write64(PDPT, PD | EPT_RWX);
	fake_write64(PD, PT | EPT_RWX);
	fake_write64(PT, 0x16000 | ROW);
	world_vmptrld(0);
	world_write_all(f);
	return 0;
}

static void expect_report(enum report_kind kind, enum denial why)
{
	assert_int_equal(fake_called("seam_report"), 1);
	assert_int_equal(fake_hw.report.kind, kind);
	assert_int_equal(fake_hw.report.why, why);
}

/* ---- faults ---- */

static void expect_reported_fault(enum world_outcome outcome, uint8_t vector, enum denial why)
{
	expect_fault(outcome, vector);
	expect_report(REPORT_FAULT, why);
	assert_int_equal(fake_hw.report.error, vector);
	assert_true(fake_hw.report.rip == fake_hw.vmcs01[FID_GUEST_RIP]);
	assert_false(fake_hw.report.l2);
}

static enum world_outcome execute(uint32_t reason)
{
	fake_hw.vmcs01[FID_EXIT_REASON] = reason;
	world_operand(WORLD_OPERAND);
	return world_insn(reason);
}

static void each_fault_has_its_rule(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	f[FID_GUEST_SS_AR] |= 3u << 5;
	expect_reported_fault(execute(EXIT_VMPTRLD), VEC_GP, DENIAL_INSN_CPL);
	assert_int_equal(fake_hw.report.instruction, EXIT_VMPTRLD);
	assert_int_equal(fake_hw.report.value, 3);
	f[FID_GUEST_SS_AR] &= ~(3u << 5);
	expect_reported_fault(execute(EXIT_VMFUNC), VEC_UD, DENIAL_INSN_NOT_OFFERED);
	f[FID_GUEST_RFLAGS] |= RFLAGS_VM;
	expect_reported_fault(execute(EXIT_VMXOFF), VEC_UD, DENIAL_INSN_MODE);
	f[FID_GUEST_RFLAGS] &= ~(uint64_t)RFLAGS_VM;
	assert_int_equal(execute(EXIT_VMXOFF), VMSUCCEED);
	expect_reported_fault(execute(EXIT_VMREAD), VEC_UD, DENIAL_INSN_NOT_IN_VMX);
	f[FID_GUEST_CR0] &= ~CR0_NE;
	expect_reported_fault(execute(EXIT_VMXON), VEC_GP, DENIAL_INSN_CR0_FIXED);
	assert_true(fake_hw.report.value == f[FID_GUEST_CR0]);
	f[FID_GUEST_CR0] |= CR0_NE;
	f[FID_GUEST_CR4] |= BIT64(31);
	expect_reported_fault(execute(EXIT_VMXON), VEC_GP, DENIAL_INSN_CR4_FIXED);
	f[FID_GUEST_CR4] &= ~(BIT64(31) | CR4_VMXE);
	expect_reported_fault(execute(EXIT_VMXON), VEC_UD, DENIAL_INSN_VMXE);
	f[FID_GUEST_CR4] |= CR4_VMXE;
	world.n.feature_control = 1;
	expect_reported_fault(execute(EXIT_VMXON), VEC_GP, DENIAL_INSN_FEATURE_CONTROL);
	assert_int_equal(fake_hw.report.value, 1);
}

static void an_operand_that_cannot_be_reached_has_its_address(void **state)
{
	(void)state;
	world_operand(0x8000000000000000);
	expect_reported_fault(world_insn(EXIT_VMPTRST), VEC_GP, DENIAL_INSN_OPERAND_CANONICAL);
	assert_true(fake_hw.report.value == 0x8000000000000000);
	world_l1_32();
	fake_hw.vmcs01[FID_GUEST_ES_LIMIT + SEG_DS] = 0xfff;
	world_operand(0xffa);
	expect_reported_fault(world_insn(EXIT_VMPTRST), VEC_GP, DENIAL_INSN_OPERAND_SEGMENT);
	assert_true(fake_hw.report.value == 0xffa);
}

static void invept_and_invvpid_that_are_not_offered_have_a_rule(void **state)
{
	uint64_t *cap = &world.vm.caps.msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC];

	(void)state;
	*cap &= ~(EPT_CAP_INVEPT | EPT_CAP_INVVPID);
	expect_reported_fault(execute(EXIT_INVEPT), VEC_UD, DENIAL_INSN_NOT_OFFERED);
	expect_reported_fault(execute(EXIT_INVVPID), VEC_UD, DENIAL_INSN_NOT_OFFERED);
}

/* ---- MSR lists ---- */

static void put(uint64_t index, uint64_t value)
{
	fake_write64(LIST + 16, index);
	fake_write64(LIST + 24, value);
}

static const struct {
	uint64_t index;
	enum denial why;
} bad[] = {
	{1ull << 32 | MSR_STAR, DENIAL_LIST_RESERVED},
	{0x8ff, DENIAL_LIST_X2APIC},
	{MSR_GS_BASE, DENIAL_LIST_SEGMENT_BASE},
	{0x9b, DENIAL_LIST_SMM},
	{0x8b, DENIAL_LIST_MICROCODE},
	{0x12345678, DENIAL_LIST_MSR_ACCESS},
};

static void an_entry_that_cannot_be_loaded_has_its_rule(void **state)
{
	(void)state;
	fake_write64(LIST, MSR_STAR);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i].index, 0x99);
		assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
		expect_report(REPORT_MSR_LOAD, bad[i].why);
		assert_int_equal(fake_hw.report.value, 2);
		assert_true(fake_hw.report.found[0] == bad[i].index);
		assert_int_equal(fake_hw.report.found[1], 0x99);
		world_l1_64();
	}
	world_write(FID_ENTRY_MSR_LOAD_ADDR, FAKE_RAM_SIZE - 16);
	fake_write64(FAKE_RAM_SIZE - 16, MSR_STAR);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
	expect_report(REPORT_MSR_LOAD, DENIAL_LIST_NOT_RAM);
	world_l1_64();
	world_write(FID_ENTRY_MSR_LOAD_ADDR, LIST);
	for (unsigned i = 0; i <= 512; i++)
		fake_write64(LIST + i * 16, MSR_STAR);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 513);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
	expect_report(REPORT_MSR_LOAD, DENIAL_LIST_TOO_LONG);
	assert_int_equal(fake_hw.report.found[0], 512);
}

static void expect_l1_ends(void)
{
	world.n.run_pending = false;
	fake_hw.current[FID_GUEST_RIP] = 0x7654;
	fake.call_count = 0;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(fake_called("seam_l1_shutdown"), 1);
}

static void expect_abort(enum vmx_abort number, enum denial why)
{
	expect_report(REPORT_ABORT, why);
	assert_int_equal(fake_hw.report.error, number);
	assert_int_equal(fake_hw.report.instruction, EXIT_CPUID);
	assert_true(fake_hw.report.l2);
	assert_int_equal(fake_hw.report.rip, 0x7654);
}

static void a_vmx_abort_by_a_list_has_number_entry_and_rule(void **state)
{
	(void)state;
	fake_write64(LIST, MSR_STAR);
	world_write(FID_EXIT_MSR_LOAD_COUNT, 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i].index, 0x99);
		assert_int_equal(world_insn(i == 0 ? EXIT_VMLAUNCH : EXIT_VMRESUME), ENTERED);
		expect_l1_ends();
		expect_abort(VMX_ABORT_LOAD_MSRS, bad[i].why);
		assert_int_equal(fake_hw.report.value, 2);
		assert_true(fake_hw.report.found[0] == bad[i].index);
		world_l1_64();
	}
	world_write(FID_EXIT_MSR_LOAD_COUNT, 0);
	world_write(FID_EXIT_MSR_STORE_COUNT, 2);
	put(0x9e, 0);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	expect_l1_ends();
	expect_abort(VMX_ABORT_SAVE_MSRS, DENIAL_LIST_SMM);
	assert_int_equal(fake_hw.report.value, 2);
}

/* ---- EPT ---- */

static const struct {
	uint64_t at, entry;
	uint8_t level;
	enum denial why;
} malformed[] = {
	{PML4, PDPT | EPT_WRITE, 4, DENIAL_EPT_WRITE_WITHOUT_READ},
	{PT, 0x16000 | EPT_WB | EPT_WRITE | EPT_EXEC, 1, DENIAL_EPT_WRITE_WITHOUT_READ},
	{PML4, PDPT | EPT_RWX | BIT(7), 4, DENIAL_EPT_PML4E_RESERVED},
	{PDPT, PD | EPT_RWX | 0x20, 3, DENIAL_EPT_TABLE_RESERVED},
	{PD, PT | EPT_RWX | BIT64(50), 2, DENIAL_EPT_ADDRESS_WIDTH},
	{PT, BIT64(47) | ROW, 1, DENIAL_EPT_ADDRESS_WIDTH},
	{PD, 0x1000 | ROW | EPT_LARGE, 2, DENIAL_EPT_PAGE_ALIGNMENT},
	{PDPT, 0x200000 | ROW | EPT_LARGE, 3, DENIAL_EPT_PAGE_ALIGNMENT},
	{PT, 0x16000 | EPT_RWX | 2 << 3, 1, DENIAL_EPT_MEMORY_TYPE},
	{PT, 0x16000 | EPT_RWX | 3 << 3, 1, DENIAL_EPT_MEMORY_TYPE},
	{PD, EPT_RWX | EPT_LARGE | 7 << 3, 2, DENIAL_EPT_MEMORY_TYPE},
	{PT, 0x16000 | EPT_WB | EPT_EXEC, 1, DENIAL_EPT_EXECUTE_ONLY},
	{PDPT, ROW | EPT_LARGE, 3, DENIAL_EPT_1G_PAGE},
};

static void violate(bool first)
{
	assert_int_equal(world_insn(first ? EXIT_VMLAUNCH : EXIT_VMRESUME), ENTERED);
	world.n.run_pending = false;
	fake_hw.current[FID_GUEST_PHYSICAL_ADDRESS] = 0x456;
	fake_hw.current[FID_GUEST_RIP] = 0x7654;
	fake_hw.current[FID_EXIT_QUALIFICATION] = 0x181;
	fake.call_count = 0;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_EPT_VIOLATION), NESTED_L1);
	world_l1_64();
}

static void a_malformed_entry_has_level_value_and_rule(void **state)
{
	(void)state;
	world.vm.vept.execute_only = false;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		uint64_t good = fake_read64(malformed[i].at);

		world.vm.vept.no_1g = malformed[i].why == DENIAL_EPT_1G_PAGE;
		fake_write64(malformed[i].at, malformed[i].entry);
		violate(i == 0);
		expect_report(REPORT_EPT_MISCONFIG, malformed[i].why);
		assert_int_equal(fake_hw.report.level, malformed[i].level);
		assert_true(fake_hw.report.value == malformed[i].entry);
		assert_int_equal(fake_hw.report.found[0], 0x456);
		assert_int_equal(fake_hw.report.rip, 0x7654);
		assert_true(fake_hw.report.l2);
		fake_write64(malformed[i].at, good);
	}
}

/* Any entry, at any level: the walk finds it malformed where a rule is broken, nowhere else. */
static void the_walk_and_the_rules_say_the_same_of_any_entry(void **state)
{
	static const uint64_t at[] = {0, PT, PD, PDPT, PML4};
	static const uint32_t controls[] = {0, PROC2_MODE_BASED_EXECUTE};
	struct vept *e = &world.vm.vept;
	uint64_t seed = 1, counts[DENIAL_COUNT] = {0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		unsigned level = 1 + i % 4;
		uint64_t good = fake_read64(at[level]), entry = good;
		enum denial why;
		struct vept_walk w;
		bool present, found;

		for (unsigned bits = i / 4 % 4; bits > 0; bits--)
			entry ^= BIT64(random_next(&seed) % (i & 64 ? 12 : 52));
		e->execute_only = i & 128;
		e->no_1g = i & 256;
		fake_write64(at[level], entry);
		found = vept_walk_ept12(&world.n, NULL, PML4, 0x456, controls[i >> 9 & 1],
				&w) == VEPT_MISCONFIG &&
			w.leaf == level;
		fake_write64(at[level], good);
		present = entry & (EPT_RWX | (i >> 9 & 1 ? EPT_USER_EXEC : 0));
		why = present ? vept_misconfiguration(e, entry, level) : DENIAL_NONE;
		counts[why]++;
		if (found != (why != DENIAL_NONE))
			fail_msg("level %u entry %#lx: %u", level, entry, why);
	}
	for (unsigned why = DENIAL_EPT_WRITE_WITHOUT_READ; why <= DENIAL_EPT_MEMORY_TYPE; why++)
		assert_true(counts[why] > 0);
	assert_true(counts[DENIAL_NONE] > 10000);
}

static void a_violation_is_not_reported(void **state)
{
	(void)state;
	fake_write64(PT, 0);
	violate(true);
	assert_int_equal(world_read(FID_EXIT_REASON), EXIT_EPT_VIOLATION);
	assert_int_equal(fake_called("seam_report"), 0);
}

static void what_is_frequent_is_not_reported_when_nobody_listens(void **state)
{
	(void)state;
	world.vm.explaining = false;
	fake_write64(PT, 0x16000 | EPT_WRITE);
	violate(true);
	assert_int_equal(fake_called("seam_report"), 0);
	assert_int_equal(world_read(FID_EXIT_REASON), EXIT_EPT_MISCONFIG);
	expect_fault(execute(EXIT_VMFUNC), VEC_UD);
	assert_int_equal(fake_called("seam_report"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(each_fault_has_its_rule),
		T(an_operand_that_cannot_be_reached_has_its_address),
		T(invept_and_invvpid_that_are_not_offered_have_a_rule),
		T(an_entry_that_cannot_be_loaded_has_its_rule),
		T(a_vmx_abort_by_a_list_has_number_entry_and_rule),
		T(a_malformed_entry_has_level_value_and_rule),
		T(the_walk_and_the_rules_say_the_same_of_any_entry),
		T(a_violation_is_not_reported),
		T(what_is_frequent_is_not_reported_when_nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
