/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware task switches: the segments of the new task and its error code, and in what state
 * faults leave it.
 */
#include "task_world.h"

/* ---- the error code ---- */

static void the_error_code_is_pushed(void **state)
{
	(void)state;
	request = (struct task_request){
		.selector = SEL_NEW, .source = TASK_GATE, .has_error = true, .error = 0x1234};
	assert_done();
	assert_int_equal(cpu.r[REG_RSP], STACK - 4);
	assert_int_equal(fake_read32(STACK - 4), 0x1234);
	reset();
	request = (struct task_request){
		.selector = SEL_NEW16, .source = TASK_GATE, .has_error = true, .error = 0x1234};
	describe(SEL_DATA, DATA & ~(1ull << 54)); /* SP, not ESP */
	assert_done();
	assert_int_equal(cpu.r[REG_RSP], 0xffff6442);
	assert_int_equal(read16(0x6442), 0x1234);
}

static void push_onto(uint64_t data, uint32_t esp)
{
	reset();
	request = (struct task_request){.selector = SEL_NEW,
		.source = TASK_GATE,
		.external = true,
		.has_error = true,
		.error = 2};
	describe(SEL_ANY, data);
	fake_write32(NEW + 0x50, SEL_ANY);
	fake_write32(NEW + 0x38, esp);
}

static void the_error_code_must_fit_the_stack(void **state)
{
	(void)state;
	push_onto(0x0040930000000fffull, 0x1000);
	assert_done();
	push_onto(0x0040930000000fffull, 0x1001);
	assert_fault(true, VEC_SS, 1);
	push_onto(0x0040930000000fffull, 0);
	assert_fault(true, VEC_SS, 1);
	push_onto(0x0040970000000fffull, 0x1004); /* expand-down */
	assert_done();
	push_onto(0x0040970000000fffull, 0x1003);
	assert_fault(true, VEC_SS, 1);
	push_onto(0x0000970000000fffull, 2); /* 64 KiB: wraps */
	assert_fault(true, VEC_SS, 1);
	push_onto(0x0000970000000fffull, 0);
	assert_done();
	assert_int_equal(fake_read32(0xfffc), 2);
}

static void the_error_code_is_a_write_at_the_new_cpl(void **state)
{
	(void)state;
	push_onto(0x00cff3000000ffffull, 0x800010);
	use_paging();
	fake_write32(PD_NEW + 8, 0x800000 | 0xe3);
	describe(SEL_DATA, 0x00cffb000000ffffull); /* as code of users */
	for (uint32_t i = 0x48; i <= 0x5c; i += 4)
		fake_write32(NEW + i, SEL_ANY | 3);
	fake_write32(NEW + 0x4c, SEL_DATA | 3);
	assert_fault(true, VEC_PF, PF_PRESENT | PF_WRITE | PF_USER);
	assert_int_equal(fault.address, 0x80000c);
	assert_int_equal(cpu.r[REG_RSP], 0x800010);
}

static void push_of_user(uint32_t esp)
{
	push_onto(0x00cff3000000ffffull, esp);
	describe(SEL_DATA, 0x00cffb000000ffffull); /* as code of users */
	for (uint32_t i = 0x48; i <= 0x5c; i += 4)
		fake_write32(NEW + i, SEL_ANY | 3);
	fake_write32(NEW + 0x4c, SEL_DATA | 3);
	fake_write32(NEW + 0x24, 0x40002);
	cpu.cr0 |= CR0_AM;
}

static void the_error_code_may_be_misaligned(void **state)
{
	(void)state;
	push_of_user(STACK);
	assert_done();
	push_of_user(STACK + 2);
	assert_fault(true, VEC_AC, 0);
	push_of_user(STACK + 2);
	fake_write32(NEW + 0x24, 2);
	assert_done();
	push_of_user(STACK + 2);
	cpu.cr0 &= ~CR0_AM;
	assert_done();
}

static void eip_is_checked_last(void **state)
{
	(void)state;
	describe(SEL_CODE, 0x00409b000000ffffull);
	assert_fault(true, VEC_GP, 0);
	assert_int_equal(cpu.seg[SEG_CS].limit, 0xffff);
	reset();
	describe(SEL_CODE, 0x00409b000000ffffull);
	fake_write32(NEW + 0x20, 0xffff);
	assert_done();
}

/* Each check of table 7-1 on a selector of the new TSS; SEL_ANY has the descriptor. */
static const struct row {
	uint32_t field;
	uint16_t selector;
	uint64_t descriptor;
	uint8_t vector; /* 0: it is loaded */
} rows[] = {
	{0x60, 0x0c, 0, VEC_TS},
	{0x60, 0x50, 0, VEC_TS},
	{0x60, SEL_ANY, DATA, VEC_TS},
	{0x60, SEL_ANY, 0x020000000017, VEC_TS},
	{0x60, SEL_ANY, 0x890000000067, VEC_TS},
	{0x60, SEL_ANY | 3, 0x820000000017, 0},
	{0x60, 3, 0, 0},
	{0x50, 0, 0, VEC_TS},
	{0x50, 3, 0, VEC_TS},
	{0x50, 0x0c, 0, VEC_TS},
	{0x50, 0x50, 0, VEC_TS},
	{0x50, SEL_ANY, 0x00cf91000000ffff, VEC_TS},
	{0x50, SEL_ANY, CODE, VEC_TS},
	{0x50, SEL_ANY, 0x820000000017, VEC_TS},
	{0x50, SEL_ANY, DATA & ~PRESENT, VEC_SS},
	{0x50, SEL_ANY, 0x00cf13000000ffff | 3ull << 45, VEC_SS},
	{0x50, SEL_ANY, DATA | 3ull << 45, VEC_TS},
	{0x50, SEL_ANY | 1, DATA, VEC_TS},
	{0x50, SEL_ANY, 0x00cf96000000ffff, 0},
	{0x54, 0x53, 0, VEC_TS},
	{0x54, 0x0c, 0, VEC_TS},
	{0x54, SEL_ANY, 0x00cf99000000ffff, VEC_TS},
	{0x54, SEL_ANY, 0x820000000017, VEC_TS},
	{0x48, SEL_ANY, DATA & ~PRESENT, VEC_NP},
	{0x48, SEL_ANY | 3, DATA, VEC_TS},
	{0x48, SEL_ANY | 3, DATA & ~PRESENT, VEC_TS},
	{0x58, SEL_ANY | 3, DATA | 3ull << 45, 0},
	{0x58, SEL_ANY | 3, 0x00cf9e000000ffff, 0},
	{0x58, SEL_ANY | 3, CODE, VEC_TS},
	{0x5c, SEL_ANY | 1, DATA | 1ull << 45, 0},
	{0x5c, SEL_ANY | 2, DATA | 1ull << 45, VEC_TS},
	{0x5c, 2, 0, 0},
	{0x4c, 0, 0, VEC_TS},
	{0x4c, 0x50, 0, VEC_TS},
	{0x4c, 0x0c, 0, VEC_TS},
	{0x4c, SEL_ANY, DATA, VEC_TS},
	{0x4c, SEL_ANY, 0x820000000017, VEC_TS},
	{0x4c, SEL_ANY, CODE | 3ull << 45, VEC_TS},
	{0x4c, SEL_ANY, 0x00cf9f000000ffff | 1ull << 45, VEC_TS},
	{0x4c, SEL_ANY, 0x00cf9e000000ffff, 0},
	{0x4c, SEL_ANY, CODE & ~PRESENT, VEC_NP},
	{0x4c, SEL_ANY, 0x00cf98000000ffff, 0},
};

static void segments_are_checked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		describe(SEL_ANY, rows[i].descriptor);
		write16(NEW + rows[i].field, rows[i].selector);
		if (rows[i].vector == 0)
			assert_done();
		else
			assert_fault(true, rows[i].vector, rows[i].selector & 0xfffc);
		assert_int_equal(cpu.seg[SEG_TR].selector, SEL_NEW);
		assert_int_equal(cpu.eip, 0x123456);
	}
}

static void a_fault_leaves_selectors_and_no_descriptors(void **state)
{
	(void)state;
	write16(NEW + 0x48, 0xfff8); /* ES, which comes after SS and DS */
	assert_fault(true, VEC_TS, 0xfff8);
	assert_int_equal(cpu.seg[SEG_SS].ar, 0xc093);
	assert_int_equal(cpu.seg[SEG_DS].ar, 0xc093);
	assert_int_equal(cpu.seg[SEG_ES].ar, SEG_AR_UNUSABLE);
	assert_int_equal(cpu.seg[SEG_FS].ar, SEG_AR_UNUSABLE);
	assert_int_equal(cpu.seg[SEG_FS].selector, SEL_DATA);
	assert_int_equal(SEG_AR_DPL(cpu.seg[SEG_SS].ar), 0);
}

static void without_a_stack_the_cpl_is_3(void **state)
{
	(void)state;
	write16(NEW + 0x50, 0);
	assert_fault(true, VEC_TS, 0);
	assert_int_equal(SEG_AR_DPL(cpu.seg[SEG_SS].ar), 3);
	assert_int_equal(SEG_AR_DPL(cpu.seg[SEG_CS].ar), 3);
	assert_int_equal(cpu.seg[SEG_CS].selector, SEL_CODE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_error_code_is_pushed, setup),
		cmocka_unit_test_setup(the_error_code_must_fit_the_stack, setup),
		cmocka_unit_test_setup(the_error_code_is_a_write_at_the_new_cpl, setup),
		cmocka_unit_test_setup(the_error_code_may_be_misaligned, setup),
		cmocka_unit_test_setup(eip_is_checked_last, setup),
		cmocka_unit_test_setup(segments_are_checked, setup),
		cmocka_unit_test_setup(a_fault_leaves_selectors_and_no_descriptors, setup),
		cmocka_unit_test_setup(without_a_stack_the_cpl_is_3, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
