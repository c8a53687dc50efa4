/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware task switches: what is saved and loaded, the checks of the two TSSs, and page
 * faults.
 */
#include "task_world.h"

#include "random.h"

static void with_control_flow_enforcement_the_tss_counts_as_too_small(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		control_flow[i] = 1;
		assert_early(VEC_TS, SEL_NEW);
		control_flow[i] = 0;
	}
	assert_done();
}

/* ---- what is saved and loaded ---- */

static void the_old_task_is_saved(void **state)
{
	(void)state;
	assert_done();
	assert_int_equal(fake_read32(OLD + 0x1c), 0xeeeeeeee);
	assert_int_equal(fake_read32(OLD + 0x20), 0xabcd1234);
	assert_int_equal(fake_read32(OLD + 0x24), 0x10202 | NT);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(fake_read32(OLD + 0x28 + 4 * i), 0x100 + i);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(fake_read32(OLD + 0x48 + 4 * i), 0xeeee0040 + 8 * i);
	assert_int_equal(fake_read32(OLD + 0x60), 0xeeeeeeee);
}

static void the_old_task_is_saved_in_16_bits(void **state)
{
	(void)state;
	cpu.seg[SEG_TR].ar = 0x83;
	assert_done();
	assert_int_equal(read16(OLD + 0x0c), 0xeeee);
	assert_int_equal(read16(OLD + 0x0e), 0x1234);
	assert_int_equal(read16(OLD + 0x10), 0x4202);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(read16(OLD + 0x12 + 2 * i), 0x100 + i);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(read16(OLD + 0x22 + 2 * i), 0x40 + 8 * i);
	assert_int_equal(read16(OLD + 0x2a), 0xeeee);
}

static void the_new_task_is_loaded(void **state)
{
	(void)state;
	assert_done();
	assert_int_equal(cpu.eip, 0x123456);
	assert_int_equal(cpu.eflags, 0xd7 | NT);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(cpu.r[i], i == 4 ? STACK : 0x70000000 + i);
	assert_int_equal(cpu.seg[SEG_CS].selector, SEL_CODE);
	assert_int_equal(cpu.seg[SEG_CS].ar, 0xc09b);
	assert_int_equal(cpu.seg[SEG_GS].ar, 0xc093);
	assert_int_equal(cpu.seg[SEG_GS].limit, UINT32_MAX);
	assert_int_equal(cpu.seg[SEG_LDTR].ar, SEG_AR_UNUSABLE);
	assert_int_equal(cpu.seg[SEG_TR].selector, SEL_NEW);
	assert_int_equal(cpu.seg[SEG_TR].base, NEW);
	assert_int_equal(cpu.seg[SEG_TR].ar, 0x8b);
	assert_int_equal(cpu.dr7, 0x6aa);
	assert_int_equal(cpu.cr3, PD); /* without paging it stays */
}

static void a_16_bit_task_is_loaded(void **state)
{
	(void)state;
	request.selector = SEL_NEW16;
	cpu.cr0 |= CR0_PG;
	use_paging();
	assert_done();
	assert_int_equal(cpu.eip, 0x123);
	assert_int_equal(cpu.eflags, 0xd7 | NT);
	assert_int_equal(cpu.r[0], 0xffff6000);
	assert_int_equal(cpu.r[7], 0xffff6777);
	assert_int_equal(cpu.seg[SEG_FS].selector, 0);
	assert_int_equal(cpu.seg[SEG_FS].ar, SEG_AR_UNUSABLE);
	assert_int_equal(cpu.seg[SEG_TR].ar, 0x83);
	assert_int_equal(cpu.cr3, PD); /* has none */
}

static void busy_flags_links_and_nt(void **state)
{
	static const struct {
		enum task_source source;
		bool old_busy, new_busy, linked, nt, nt_saved;
	} rows[] = {
		{TASK_CALL, true, true, true, true, true},
		{TASK_GATE, true, true, true, true, true},
		{TASK_JMP, false, true, false, false, true},
		{TASK_IRET, false, true, false, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		request.source = rows[i].source;
		if (request.source == TASK_IRET)
			describe(SEL_NEW, tss(NEW, 0x67, 0x8b));
		assert_done();
		assert_int_equal(!!(descriptor(SEL_OLD) & BUSY), rows[i].old_busy);
		assert_int_equal(!!(descriptor(SEL_NEW) & BUSY), rows[i].new_busy);
		assert_int_equal(
			fake_read32(NEW), 0xdddd0000 | (rows[i].linked ? SEL_OLD : 0xdddd));
		assert_int_equal(!!(cpu.eflags & NT), rows[i].nt);
		assert_int_equal(!!(fake_read32(OLD + 0x24) & NT), rows[i].nt_saved);
	}
}

static void iret_to_itself_loads_what_it_saved(void **state)
{
	(void)state;
	fake_write32(OLD + 0x60, 0);
	memset(fake.ram + OLD + 0x64, 0, 4);
	for (unsigned i = 0; i < SEG_NAMED; i++)
		cpu.seg[i].selector = i == SEG_CS ? SEL_CODE : SEL_DATA;
	request = (struct task_request){.selector = SEL_OLD, .source = TASK_IRET};
	assert_done();
	assert_int_equal(cpu.eip, before.eip);
	assert_int_equal(cpu.eflags, before.eflags & ~NT);
	assert_memory_equal(cpu.r, before.r, sizeof(cpu.r));
	assert_false(descriptor(SEL_OLD) & BUSY);
	assert_int_equal(cpu.seg[SEG_TR].ar, 0x8b);
}

static void the_accessed_flag_is_set_in_memory(void **state)
{
	(void)state;
	describe(SEL_DATA, DATA & ~(1ull << 40));
	describe(SEL_CODE, CODE & ~(1ull << 40));
	assert_done();
	assert_int_equal(descriptor(SEL_DATA), DATA);
	assert_int_equal(descriptor(SEL_CODE), CODE);
}

static void segments_come_from_the_new_ldt(void **state)
{
	(void)state;
	fake_write32(NEW + 0x60, SEL_LDT);
	fake_write32(NEW + 0x58, 0x0c);
	assert_done();
	assert_int_equal(cpu.seg[SEG_LDTR].base, LDT_AT);
	assert_int_equal(cpu.seg[SEG_LDTR].ar, 0x82);
	assert_int_equal(cpu.seg[SEG_FS].ar, 0xc093);
}

static void a_v86_task_has_the_segments_of_one(void **state)
{
	(void)state;
	fake_write32(NEW + 0x24, VM | 0x3202);
	fake_write32(NEW + 0x20, 0xffff);
	fake_write32(NEW + 0x4c, 0xf000);
	fake_write32(NEW + 0x50, 0);
	assert_done();
	assert_int_equal(cpu.seg[SEG_CS].base, 0xf0000);
	assert_int_equal(cpu.eflags, VM | 0x3202 | NT);
}

static void the_t_flag_is_a_debug_exception(void **state)
{
	(void)state;
	fake_write32(NEW + 0x64, 1);
	assert_done();
	assert_true(result.debug);
	reset();
	fake_write32(NEW + 0x64, 0x10000);
	assert_done();
	assert_false(result.debug);
	reset();
	fake_write32(NEW + 0x64, 1);
	fake_write32(NEW + 0x54, 0xfff8);
	assert_fault(true, VEC_TS, 0xfff8);
}

/* ---- paging ---- */

static void cr3_changes_with_paging(void **state)
{
	(void)state;
	use_paging();
	assert_done();
	assert_int_equal(cpu.cr3, PD_NEW);
	reset();
	use_pae();
	fake_hw.current[FID_GUEST_PDPTE0 + 3] = 5;
	assert_done();
	assert_int_equal(cpu.cr3, PDPT);
	assert_int_equal(fake_hw.current[FID_GUEST_PDPTE0], PT | 1);
	assert_int_equal(fake_hw.current[FID_GUEST_PDPTE0 + 3], 0);
}

static void pdptes_are_loaded_when_cr3_differs(void **state)
{
	(void)state;
	use_pae();
	cpu.cr3 = PDPT;
	fake_write64(PDPT + 8, 3); /* has a reserved bit, but nobody looks */
	assert_done();
	reset();
	use_pae();
	fake_write64(PDPT + 8, 3);
	assert_early(VEC_TS, SEL_NEW);
	assert_int_equal(fake_hw.current[FID_GUEST_PDPTE0], PT | 1);
	reset();
	use_pae();
	fake_write32(NEW + 0x1c, 0xfffffff8); /* no RAM */
	assert_early(VEC_TS, SEL_NEW);
}

static void page_faults_before_the_switch_change_nothing(void **state)
{
	static const struct {
		uint32_t page, flags;
		enum task_source source;
		uint32_t error;
	} rows[] = {
		{GDT, 0, TASK_CALL, 0},
		{NEW, 0, TASK_CALL, 0},
		{NEW, 0x65, TASK_CALL, PF_PRESENT | PF_WRITE},
		{OLD, 0, TASK_CALL, PF_WRITE},
		{OLD, 0x65, TASK_JMP, PF_PRESENT | PF_WRITE},
		{GDT, 0x65, TASK_CALL, PF_PRESENT | PF_WRITE},
		{GDT, 0x65, TASK_JMP, PF_PRESENT | PF_WRITE},
		{GDT, 0x65, TASK_IRET, PF_PRESENT | PF_WRITE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		use_paging();
		map(rows[i].page, rows[i].flags);
		request.source = rows[i].source;
		if (request.source == TASK_IRET)
			describe(SEL_NEW, tss(NEW, 0x67, 0x8b));
		env.cpl = 3; /* does not count */
		assert_early(VEC_PF, rows[i].error);
		assert_int_equal(fault.address & ~0xfffull, rows[i].page);
	}
}

/* Both busy flags are read and written. */
static void the_old_descriptor_may_be_on_another_page(void **state)
{
	(void)state;
	use_paging();
	cpu.gdt_base = GDT - SEL_NEW;
	memmove(fake.ram + cpu.gdt_base, fake.ram + GDT, GDT_LIMIT + 1);
	map(0, 0);
	request.source = TASK_JMP;
	assert_early(VEC_PF, PF_WRITE);
	assert_int_equal(fault.address, GDT - 4);
}

static void page_faults_of_the_new_task_are_in_its_tables(void **state)
{
	(void)state;
	use_paging();
	fake_write32(NEW + 0x60, SEL_LDT);
	fake_write32(NEW + 0x58, 0x0c);
	describe(SEL_LDT, tss(0x800000 + LDT_AT, 0x0f, 0x82));
	fake_write32(PD_NEW + 8, 0);
	assert_fault(true, VEC_PF, 0);
	assert_int_equal(fault.address, 0x800008 + LDT_AT);
	assert_int_equal(cpu.cr3, PD_NEW);
}

/* ---- checks ---- */

static void the_tss_is_checked_again(void **state)
{
	static const struct {
		uint16_t selector;
		enum task_source source;
		uint64_t descriptor;
		uint8_t vector;
		uint16_t error;
	} rows[] = {
		{SEL_NEW | 4, TASK_CALL, 0, VEC_GP, SEL_NEW | 4},
		{0x50, TASK_JMP, 0, VEC_GP, 0x50},
		{0x50, TASK_IRET, 0, VEC_TS, 0x50},
		{SEL_ANY, TASK_CALL, DATA, VEC_GP, SEL_ANY},
		{SEL_ANY, TASK_GATE, 0, VEC_GP, SEL_ANY},
		{SEL_ANY, TASK_CALL, 0x8b0000000067, VEC_GP, SEL_ANY},
		{SEL_ANY, TASK_JMP, 0x830000000067, VEC_GP, SEL_ANY},
		{SEL_ANY, TASK_IRET, 0x890000000067, VEC_TS, SEL_ANY},
		{SEL_ANY, TASK_CALL, 0x090000000067, VEC_NP, SEL_ANY},
		{SEL_ANY | 3, TASK_CALL, 0x890000000066, VEC_TS, SEL_ANY},
		{SEL_ANY, TASK_CALL, 0x81000000002a, VEC_TS, SEL_ANY},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		request.selector = rows[i].selector;
		request.source = rows[i].source;
		describe(SEL_ANY, rows[i].descriptor);
		assert_early(rows[i].vector, rows[i].error);
	}
}

static void the_old_tss_must_be_long_enough(void **state)
{
	(void)state;
	cpu.seg[SEG_TR].limit = 0x5e;
	assert_early(VEC_TS, SEL_OLD);
	cpu.seg[SEG_TR].limit = 0x5f;
	assert_done();
	reset();
	cpu.seg[SEG_TR] = (struct task_segment){SEL_OLD, OLD, 0x28, 0x83};
	assert_early(VEC_TS, SEL_OLD);
	cpu.seg[SEG_TR].limit = UINT32_MAX;
	assert_done();
}

static void ext_is_set_for_events_from_outside(void **state)
{
	(void)state;
	request.external = true;
	cpu.seg[SEG_TR].limit = 0x5e;
	assert_early(VEC_TS, SEL_OLD | 1);
	cpu.seg[SEG_TR].limit = 0x67;
	fake_write32(NEW + 0x54, 0xfff8);
	assert_fault(true, VEC_TS, 0xfff9);
}

/* ---- anything ---- */

/* Bits of descriptors, TSSs and tables flip at random: what is switched to can be entered (see
 * go). */
static void any_memory_gives_a_state_that_can_be_entered(void **state)
{
	static const uint32_t at[] = {GDT, NEW, NEW16, LDT_AT, OLD, PDPT};
	uint64_t seed = 1;
	uint32_t switched = 0, faults = 0;

	(void)state;
	fake_seam_reset();
	for (unsigned i = 0; i < 60000; i++) {
		memset(fake.ram + GDT, 0, 0x3000);
		make_memory();
		make_cpu();
		if (i % 3 == 1)
			use_paging();
		if (i % 3 == 2)
			use_pae();
		request = (struct task_request){.selector = i & 4 ? SEL_NEW : SEL_NEW16,
			.source = (enum task_source)(random_below(&seed, 4)),
			.has_error = i & 8,
			.external = i & 16};
		if (request.source == TASK_IRET)
			describe(request.selector, descriptor(request.selector) | BUSY);
		for (unsigned k = random_below(&seed, 4) + 1; k > 0; k--)
			fake.ram[at[random_below(&seed, 6)] + random_below(&seed, 0x68)] ^=
				(unsigned char)(1u << random_below(&seed, 8));
		go();
		switched += result.switched;
		faults += result.switched && result.fault;
	}
	assert_true(switched > 30000 && faults > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_old_task_is_saved, setup),
		cmocka_unit_test_setup(the_old_task_is_saved_in_16_bits, setup),
		cmocka_unit_test_setup(the_new_task_is_loaded, setup),
		cmocka_unit_test_setup(a_16_bit_task_is_loaded, setup),
		cmocka_unit_test_setup(busy_flags_links_and_nt, setup),
		cmocka_unit_test_setup(iret_to_itself_loads_what_it_saved, setup),
		cmocka_unit_test_setup(the_accessed_flag_is_set_in_memory, setup),
		cmocka_unit_test_setup(segments_come_from_the_new_ldt, setup),
		cmocka_unit_test_setup(a_v86_task_has_the_segments_of_one, setup),
		cmocka_unit_test_setup(the_t_flag_is_a_debug_exception, setup),
		cmocka_unit_test_setup(cr3_changes_with_paging, setup),
		cmocka_unit_test_setup(pdptes_are_loaded_when_cr3_differs, setup),
		cmocka_unit_test_setup(page_faults_before_the_switch_change_nothing, setup),
		cmocka_unit_test_setup(the_old_descriptor_may_be_on_another_page, setup),
		cmocka_unit_test_setup(page_faults_of_the_new_task_are_in_its_tables, setup),
		cmocka_unit_test_setup(the_tss_is_checked_again, setup),
		cmocka_unit_test_setup(
			with_control_flow_enforcement_the_tss_counts_as_too_small, setup),
		cmocka_unit_test_setup(the_old_tss_must_be_long_enough, setup),
		cmocka_unit_test_setup(ext_is_set_for_events_from_outside, setup),
		cmocka_unit_test_setup(any_memory_gives_a_state_that_can_be_entered, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
