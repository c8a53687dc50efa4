/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory operands of VMX instructions: addresses, segments, L1's paging (SDM 27.2.5, 30.3).
 */
#include "nested_world.h"

static void an_address_is_base_plus_scaled_index_plus_displacement(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	for (unsigned scale = 0; scale < 4; scale++) {
		world.gpr[3] = WORLD_OPERAND;
		world.gpr[9] = 0x10;
		f[FID_EXIT_QUALIFICATION] = 0x20 - (0x10ull << scale);
		f[FID_EXIT_INSTRUCTION_INFO] = scale | 2u << 7 | 3u << 15 | 9u << 18 | 3u << 23;
		fake_write64(WORLD_OPERAND + 0x20, WORLD_VMCS_N(scale));
		assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
		expect_current(WORLD_VMCS_N(scale));
	}
	/* RSP as the base, no index */
	f[FID_GUEST_RSP] = WORLD_OPERAND;
	f[FID_EXIT_QUALIFICATION] = 0x20;
	f[FID_EXIT_INSTRUCTION_INFO] = 2u << 7 | 2u << 15 | BIT(22) | REG_RSP << 23;
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
}

static void the_address_size_cuts_the_offset(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	fake_write64(WORLD_OPERAND, WORLD_VMCS_N(1));
	f[FID_EXIT_QUALIFICATION] = 0x100000000 | WORLD_OPERAND;
	f[FID_EXIT_INSTRUCTION_INFO] = 1u << 7 | 3u << 15 | BIT(22) | BIT(27);
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	expect_current(WORLD_VMCS_N(1));
	fake_write64(0x2000, WORLD_VMCS_N(2));
	f[FID_EXIT_QUALIFICATION] = 0x12340000 | 0x2000;
	f[FID_EXIT_INSTRUCTION_INFO] = 0u << 7 | 3u << 15 | BIT(22) | BIT(27);
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	expect_current(WORLD_VMCS_N(2));
}

static void in_64_bit_mode_only_fs_and_gs_have_a_base(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	for (unsigned s = 0; s < 6; s++) {
		f[FID_GUEST_ES_BASE + s] = 0x1000;
		fake_write64(WORLD_OPERAND, WORLD_VMCS_N(0));
		fake_write64(WORLD_OPERAND + 0x1000, WORLD_VMCS_N(1));
		f[FID_EXIT_QUALIFICATION] = WORLD_OPERAND;
		f[FID_EXIT_INSTRUCTION_INFO] = 2u << 7 | s << 15 | BIT(22) | BIT(27);
		assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
		f[FID_GUEST_ES_BASE + s] = 0;
		expect_current(s < 4 ? WORLD_VMCS_N(0) : WORLD_VMCS_N(1));
	}
}

static void addresses_that_are_not_canonical_fault(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	world_operand(1ull << 47);
	expect_fault(world_insn(EXIT_VMPTRLD), VEC_GP);
	world_operand((1ull << 47) - 4); /* the last bytes are beyond */
	expect_fault(world_insn(EXIT_VMPTRLD), VEC_GP);
	f[FID_EXIT_INSTRUCTION_INFO] = 2u << 7 | 2u << 15 | BIT(22) | BIT(27); /* SS */
	expect_fault(world_insn(EXIT_VMPTRLD), VEC_SS);
}

static void segment_limits_and_types_hold_outside_64_bit_mode(void **state)
{
	static const struct {
		uint32_t ar, limit, offset;
		bool read, write;
	} cases[] = {
		{0xc093, UINT32_MAX, WORLD_OPERAND, true, true},
		{0xc093, WORLD_OPERAND + 7, WORLD_OPERAND, true, true},
		{0xc093, WORLD_OPERAND + 6, WORLD_OPERAND, false, false},
		{0xc093, WORLD_OPERAND - 1, WORLD_OPERAND, false, false},
		{0xc091, UINT32_MAX, WORLD_OPERAND, true, false},       /* read-only data */
		{0xc09b, UINT32_MAX, WORLD_OPERAND, true, false},       /* code, readable */
		{0xc099, UINT32_MAX, WORLD_OPERAND, false, false},      /* code, execute-only */
		{0x1c093, UINT32_MAX, WORLD_OPERAND, false, false},     /* unusable */
		{0xc097, WORLD_OPERAND - 1, WORLD_OPERAND, true, true}, /* expand-down */
		{0xc097, WORLD_OPERAND, WORLD_OPERAND, false, false},
		{0x8097, 0x1000, 0x2000, true, true}, /* of 64 KiB */
		{0x8097, 0x1000, 0xfffc, false, false},
		{0xc093, UINT32_MAX, 0xfffffffc, false, false}, /* beyond 4 GiB */
	};
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	world_l1_32();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned segment = 2; segment < 4; segment++) {
			uint8_t vector = segment == 2 ? VEC_SS : VEC_GP;
			uint64_t at = cases[i].offset & (WORLD_RAM_END - 1) & ~7ull;

			world_segment(segment, 0x18, cases[i].ar);
			f[FID_GUEST_ES_LIMIT + segment] = cases[i].limit;
			f[FID_EXIT_QUALIFICATION] = cases[i].offset;
			f[FID_EXIT_INSTRUCTION_INFO] =
				1u << 7 | segment << 15 | BIT(22) | BIT(27);
			fake_write64(at, WORLD_VMCS_N(0));
			f[FID_GUEST_SS_AR] = segment == 2 ? cases[i].ar : 0xc093;
			if (cases[i].read)
				assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
			else
				expect_fault(world_insn(EXIT_VMPTRLD), vector);
			if (cases[i].write)
				assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
			else
				expect_fault(world_insn(EXIT_VMPTRST), vector);
			world_segment(segment, 0x18, 0xc093);
		}
}

static void outside_64_bit_mode_bases_count_and_addresses_wrap(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	world_l1_32();
	f[FID_GUEST_DS_BASE] = 0xfffff000;
	f[FID_EXIT_QUALIFICATION] = WORLD_OPERAND + 0x1000;
	f[FID_EXIT_INSTRUCTION_INFO] = INFO_MEMORY32;
	fake_write64(WORLD_OPERAND, WORLD_VMCS_N(3));
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	f[FID_GUEST_DS_BASE] = 0;
	expect_current(WORLD_VMCS_N(3));
}

/* Linear 0x40000000: PD, with two 4 KiB pages at its start that lead to different places. */
static void map_two_pages(uint64_t first, uint64_t second)
{
	fake_write64(WORLD_PDPT + 8, 0x23000 | 7);
	fake_write64(0x23000, 0x24000 | 7);
	fake_write64(0x24000, first);
	fake_write64(0x24008, second);
}

static void an_operand_may_cross_into_another_page(void **state)
{
	(void)state;
	map_two_pages(0x61000 | 7, 0x70000 | 7);
	fake_write32(0x61ffc, (uint32_t)WORLD_VMCS_N(1));
	fake_write32(0x70000, 0);
	world_operand(0x40000ffc);
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	expect_current(WORLD_VMCS_N(1));
	fake_write32(0x61ffc, 0);
	world_operand(0x40000ffc);
	assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
	assert_int_equal(fake_read32(0x61ffc), WORLD_VMCS_N(1));
}

static void page_faults_tell_address_and_access(void **state)
{
	(void)state;
	world_operand(0x80000000); /* no PDPT entry */
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x80000000, 0);
	expect_page_fault(world_insn(EXIT_VMPTRST), 0x80000000, 2);
	map_two_pages(0x61000 | 7, 0x70000 | 5); /* the second: read-only */
	world_operand(0x40000ffc);
	fake_write32(0x61ffc, 0x5555);
	expect_page_fault(world_insn(EXIT_VMPTRST), 0x40001000, 3);
	assert_int_equal(fake_read32(0x61ffc), 0x5555); /* nothing was written */
	map_two_pages(0x61000 | 7, 0);
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x40001000, 0);
	/* without CR0.WP the supervisor writes to read-only pages */
	map_two_pages(0x61000 | 7, 0x70000 | 5);
	fake_hw.vmcs01[FID_GUEST_CR0] &= ~CR0_WP;
	assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
}

static void a_fault_of_vmwrite_comes_before_its_field_is_looked_at(void **state)
{
	(void)state;
	world.gpr[REG_RCX] = UINT64_MAX;
	world_operand(0x80000000);
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] |= REG_RCX << 28;
	expect_page_fault(world_insn(EXIT_VMWRITE), 0x80000000, 0);
	expect_fail(world_insn(EXIT_VMREAD), VMERR_BAD_FIELD);
}

static void a_fault_on_the_operand_ends_every_instruction(void **state)
{
	static const uint32_t reads[] = {
		EXIT_VMCLEAR, EXIT_VMPTRLD, EXIT_VMWRITE, EXIT_INVEPT, EXIT_INVVPID};
	struct nvmcs *cur = world.n.cur;

	(void)state;
	world_operand(0x80000000); /* the register operand is RCX: a type, a field */
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] |= REG_RCX << 28;
	world.gpr[REG_RCX] = 2;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		expect_page_fault(world_insn(reads[i]), 0x80000000, 0);
	world.gpr[REG_RCX] = VMCS_GUEST_RIP;
	expect_page_fault(world_insn(EXIT_VMREAD), 0x80000000, 2);
	expect_page_fault(world_insn(EXIT_VMPTRST), 0x80000000, 2);
	assert_ptr_equal(world.n.cur, cur);
	world.n.vmxon = false;
	expect_page_fault(world_insn(EXIT_VMXON), 0x80000000, 0);
	assert_false(world.n.vmxon);
}

static void with_pae_paging_operands_go_by_the_pdpte_registers(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	world_l1_32();
	f[FID_GUEST_CR0] |= CR0_PG;
	f[FID_GUEST_CR4] |= CR4_PAE;
	f[FID_GUEST_CR3] = 0x26000; /* empty memory: nothing is read from there */
	f[FID_GUEST_PDPTE1] = 0x23000 | 1;
	map_two_pages(0x61000 | 7, 0);
	fake_write64(0x61008, WORLD_VMCS_N(2));
	f[FID_EXIT_QUALIFICATION] = 0x40000008;
	f[FID_EXIT_INSTRUCTION_INFO] = INFO_MEMORY32;
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	assert_true(world.n.cur->gpa == WORLD_VMCS_N(2));
	f[FID_EXIT_QUALIFICATION] = 0x8;
	f[FID_EXIT_INSTRUCTION_INFO] = INFO_MEMORY32;
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x8, 0);
}

static void operands_where_l1_has_no_ram_read_as_ones(void **state)
{
	(void)state;
	map_two_pages(WORLD_RAM_END | 7, WORLD_RAM_END | 7);
	world_operand(0x40000000);
	expect_fail(world_insn(EXIT_VMPTRLD), VMERR_VMPTRLD_BAD_ADDRESS);
	assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
}

static void operands_meet_breakpoints_where_any_is_enabled(void **state)
{
	const struct fake_call *call;

	(void)state;
	world_operand(WORLD_OPERAND);
	assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
	assert_int_equal(fake_called("seam_operand"), 0);
	fake_hw.vmcs01[FID_GUEST_DR7] = 0x402;
	assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
	call = fake_last("seam_operand");
	assert_non_null(call);
	assert_true(call->a == WORLD_OPERAND && call->b == (8 << 1 | 1));
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	assert_true(fake_last("seam_operand")->b == 8 << 1);
}

/* An operand at linear 0x40000008, read twice: the second time the page is known. */
static void known_operand(uint64_t found)
{
	map_two_pages(0x61000 | 0x63, 0x61000 | 0x63); /* pages of the supervisor */
	fake_write64(0x61008, WORLD_VMCS_N(1));
	fake_write64(0x62008, WORLD_VMCS_N(2));
	world_operand(0x40000008);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	expect_current(WORLD_VMCS_N(1));
	fake_write64(0x61008, found);
	world_operand(0x40000008);
}

static void expect_second_vmcs(void)
{
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	expect_current(WORLD_VMCS_N(2));
}

static void a_known_operand_is_read_anew_and_without_a_walk(void **state)
{
	unsigned reads;

	(void)state;
	known_operand(WORLD_VMCS_N(1));
	reads = fake.reads;
	assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	assert_int_equal(fake.reads, reads);
	fake_write64(0x61008, WORLD_VMCS_N(2));
	expect_second_vmcs();
}

/* Whatever level's entry L1 changes, and without an INVLPG. */
static void a_known_operand_goes_where_the_tables_lead_now(void **state)
{
	(void)state;
	known_operand(WORLD_VMCS_N(1));
	fake_write64(0x24000, 0x62000 | 0x63);
	expect_second_vmcs();
	known_operand(WORLD_VMCS_N(1)); /* another page table, */
	fake_write64(0x25000, 0x62000 | 0x63);
	fake_write64(0x23000, 0x25000 | 0x63);
	expect_second_vmcs();
	known_operand(WORLD_VMCS_N(1)); /* page directory, */
	fake_write64(0x26000, 0x25000 | 0x63);
	fake_write64(WORLD_PDPT + 8, 0x26000 | 0x63);
	expect_second_vmcs();
	known_operand(WORLD_VMCS_N(1)); /* PDPT, */
	fake_write64(0x27000, 0x87);
	fake_write64(0x27008, 0x26000 | 0x63);
	fake_write64(WORLD_PML4, 0x27000 | 0x63);
	expect_second_vmcs();
	fake_write64(WORLD_PML4, WORLD_PDPT | 7);
	known_operand(WORLD_VMCS_N(1)); /* and PML4 */
	fake_write64(0x28000, 0x27000 | 0x63);
	fake_hw.vmcs01[FID_GUEST_CR3] = 0x28000;
	expect_second_vmcs();
	fake_hw.vmcs01[FID_GUEST_CR3] = WORLD_PML4;
	known_operand(WORLD_VMCS_N(1)); /* nowhere */
	fake_write64(0x24000, 0);
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x40000008, 0);
}

/* Each at a known page, which the registers no longer allow. */
static void a_known_operand_goes_by_the_registers_as_they_are(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	map_two_pages(0x61000 | 0x67, 0); /* a page of users */
	fake_write64(0x61008, WORLD_VMCS_N(1));
	world_operand(0x40000008);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	f[FID_GUEST_CR4] |= CR4_SMAP;
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x40000008, 1);
	f[FID_GUEST_CR4] &= ~CR4_SMAP;
	fake_write64(0x24000, 0x61000 | 0x63 | PT_XD);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(world_insn(EXIT_VMPTRLD), VMSUCCEED);
	f[FID_GUEST_EFER] &= ~(uint64_t)EFER_NXE; /* the bit is reserved now */
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x40000008, 9);
}

/* It may have gone: L0 asks for a page before each access. */
static void a_known_operand_in_ram_that_does_not_stay_is_walked_to(void **state)
{
	(void)state;
	known_operand(WORLD_VMCS_N(1));
	fake.gone = 0x24000; /* what is no RAM reads as ones */
	expect_page_fault(world_insn(EXIT_VMPTRLD), 0x40000008, 9);
}

static void a_known_page_ends_where_it_ends(void **state)
{
	(void)state;
	known_operand(WORLD_VMCS_N(1));
	fake_write64(0x24008, 0x70000 | 0x63);
	fake_write32(0x61ffc, (uint32_t)WORLD_VMCS_N(2));
	fake_write32(0x62000, UINT32_MAX);
	fake_write32(0x70000, 0);
	world_operand(0x40000ffc);
	expect_second_vmcs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define R(name) cmocka_unit_test_setup(name, world_setup_root)
#define C(name) cmocka_unit_test_setup(name, world_setup_current)
		R(an_address_is_base_plus_scaled_index_plus_displacement),
		R(the_address_size_cuts_the_offset),
		R(in_64_bit_mode_only_fs_and_gs_have_a_base),
		C(addresses_that_are_not_canonical_fault),
		R(segment_limits_and_types_hold_outside_64_bit_mode),
		R(outside_64_bit_mode_bases_count_and_addresses_wrap),
		R(an_operand_may_cross_into_another_page),
		C(page_faults_tell_address_and_access),
		C(a_fault_of_vmwrite_comes_before_its_field_is_looked_at),
		C(a_fault_on_the_operand_ends_every_instruction),
		R(with_pae_paging_operands_go_by_the_pdpte_registers),
		C(operands_where_l1_has_no_ram_read_as_ones),
		C(operands_meet_breakpoints_where_any_is_enabled),
		R(a_known_operand_is_read_anew_and_without_a_walk),
		R(a_known_operand_goes_where_the_tables_lead_now),
		R(a_known_operand_goes_by_the_registers_as_they_are),
		R(a_known_operand_in_ram_that_does_not_stay_is_walked_to),
		R(a_known_page_ends_where_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
