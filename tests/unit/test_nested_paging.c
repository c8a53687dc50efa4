/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks of L1's own paging: each mode, rights, reserved bits, flags, and accesses across pages.
 */
#include "fake_seam.h"
#include "nested/paging.h"

#define P  0x1ull
#define W  0x2ull
#define U  0x4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define XD (1ull << 63)

/* Tables in L1's RAM. */
#define ROOT 0x10000ull
#define PDPT 0x11000ull
#define PD   0x12000ull
#define PT   0x13000ull
#define DATA 0x200000ull

#define LINEAR 0xffff888000403010ull /* slots 273, 0, 2, 3 */

static struct nested_vm vm;
static struct nested n = {.vm = &vm};
static struct paging_state s;
static struct gpa_l1 out;
static struct paging_fault found;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_hw.current = fake_hw.vmcs01;
	s = (struct paging_state){
		.cr0 = CR0_PG | CR0_PE | CR0_WP,
		.cr3 = ROOT | 0x18 | CR3_LAM_U57, /* PWT, PCD and LAM are ignored */
		.cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA | EFER_NXE,
		.maxphyaddr = 46,
	};
	fake_write64(ROOT + 273 * 8, PDPT | P | W | U);
	fake_write64(PDPT, PD | P | W | U);
	fake_write64(PD + 2 * 8, PT | P | W | U);
	fake_write64(PT + 3 * 8, DATA | P | W | U);
	return 0;
}

/* 32-bit paging: 0x00c03010 is slots 3, 3. */
static void use_32bit(void)
{
	fake_reset();
	s.cr4 = 0;
	s.efer = 0;
	s.cr3 = ROOT | CR3_LAM_U48; /* from IA-32e mode */
	fake_write32(ROOT + 3 * 4, (uint32_t)(PT | P | W | U));
	fake_write32(PT + 3 * 4, (uint32_t)(DATA | P | W | U));
}

/* PAE paging: 0x40403010 is slots 1, 2, 3. */
static void use_pae(void)
{
	fake_reset();
	s.cr4 = CR4_PAE;
	s.efer = EFER_NXE;
	s.cr3 = ROOT + 0x20;
	fake_hw.current[FID_GUEST_PDPTE1] = PD | P;
	fake_write64(PD + 2 * 8, PT | P | W | U);
	fake_write64(PT + 3 * 8, DATA | P | W | U);
}

static void expect_mapped(uint64_t linear, uint32_t access, uint64_t gpa)
{
	if (!paging_walk(&n, &s, linear, access, &out, &found))
		fail_msg("fault %#x at %#lx", found.error_code, linear);
	assert_true(out.v == gpa);
}

static void expect_fault(uint64_t linear, uint32_t access, uint32_t code)
{
	assert_false(paging_walk(&n, &s, linear, access, &out, &found));
	assert_int_equal(found.error_code, code);
	assert_false(found.ept);
}

static void without_paging_addresses_are_physical(void **state)
{
	(void)state;
	s.cr0 = CR0_PE;
	s.cr3 = 0xdead;
	expect_mapped(0x123456, PAGING_WRITE, 0x123456);
	expect_mapped(0xfffffff0, PAGING_READ, 0xfffffff0);
	assert_int_equal(fake.reads, 0);
}

static void four_level_paging_maps_pages_of_three_sizes(void **state)
{
	(void)state;
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
	fake_write64(PD + 2 * 8, 0x600000 | P | W | PS);
	expect_mapped(LINEAR, PAGING_READ, 0x603010);
	fake_write64(PDPT, 0x40000000 | P | W | PS);
	expect_mapped(LINEAR, PAGING_READ, 0x40403010);
}

/* With a table more: LINEAR57 is slots 401, then as LINEAR. */
#define PML5     0x14000ull
#define LINEAR57 0xff91888000403010ull

static void use_5level(void)
{
	s.cr4 |= CR4_LA57;
	s.cr3 = PML5 | CR3_LAM_U57 | CR3_LAM_U48;
	fake_write64(PML5 + 401 * 8, ROOT | P | W | U);
}

static void five_level_paging_has_a_table_more(void **state)
{
	(void)state;
	use_5level();
	expect_mapped(LINEAR57, PAGING_WRITE, DATA + 0x10);
	assert_true(fake_read64(PML5 + 401 * 8) == (ROOT | P | W | U | A));
	expect_mapped(LINEAR57, PAGING_WRITE, DATA + 0x10); /* by the quick walk now */
	fake_write64(PDPT, 0x40000000 | P | W | PS | A | D);
	expect_mapped(LINEAR57, PAGING_WRITE, 0x40403010);
	expect_fault(LINEAR, PAGING_READ, 0); /* of slot 511 */
	fake_write64(PML5 + 401 * 8, ROOT | P | U | A);
	expect_fault(LINEAR57, PAGING_WRITE, PF_WRITE | PF_PRESENT);
	fake_write64(PML5 + 401 * 8, ROOT | P | W | U | A | PS);
	expect_fault(LINEAR57, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(PML5 + 401 * 8, ROOT | P | W | U | A);
	fake_write64(PDPT, 0x40000000 | P | W | U | PS | A | D);
	s.cr4 |= CR4_PKE;
	fake_hw.pkru = 1; /* key 0 */
	expect_fault(LINEAR57, PAGING_READ, PF_PRESENT | PF_KEY);
}

static void la57_is_nothing_outside_ia32e_mode(void **state)
{
	(void)state;
	use_pae();
	s.cr4 |= CR4_LA57;
	expect_mapped(0x40403010, PAGING_READ, DATA + 0x10);
	use_32bit();
	s.cr4 = CR4_LA57;
	expect_mapped(0x00c03010, PAGING_READ, DATA + 0x10);
}

static void a_large_pages_pat_bit_is_no_address_bit(void **state)
{
	(void)state;
	fake_write64(PD + 2 * 8, 0x600000 | P | W | PS | 1ull << 12);
	expect_mapped(LINEAR, PAGING_READ, 0x603010);
}

static void absent_entries_fault_without_the_present_bit(void **state)
{
	(void)state;
	fake_write64(PT + 3 * 8, DATA | W | U);
	expect_fault(LINEAR, PAGING_READ, 0);
	expect_fault(LINEAR, PAGING_WRITE, PF_WRITE);
	expect_fault(LINEAR, PAGING_FETCH, PF_FETCH);
	s.cpl = 3;
	expect_fault(LINEAR, PAGING_READ, PF_USER);
	fake_write64(ROOT + 273 * 8, 0);
	expect_fault(LINEAR, PAGING_READ, PF_USER);
}

static void reserved_bits_fault(void **state)
{
	(void)state;
	fake_write64(PT + 3 * 8, DATA | P | 1ull << 46);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(PT + 3 * 8, DATA | P | 1ull << 52);
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
	s.efer &= ~EFER_NXE;
	fake_write64(PT + 3 * 8, DATA | P | XD);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(PD + 2 * 8, 0x602000 | P | PS);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(PDPT, 0x40200000 | P | PS);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(ROOT + 273 * 8, PDPT | P | PS);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
}

static void write_protection_binds_the_supervisor_with_wp(void **state)
{
	(void)state;
	fake_write64(PDPT, PD | P | U);
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_WRITE);
	s.cr0 &= ~CR0_WP;
	expect_mapped(LINEAR, PAGING_WRITE, DATA + 0x10);
	s.cpl = 3;
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_WRITE | PF_USER);
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
}

static void users_need_user_rights_at_every_level(void **state)
{
	(void)state;
	s.cpl = 3;
	expect_mapped(LINEAR, PAGING_WRITE, DATA + 0x10);
	fake_write64(PD + 2 * 8, PT | P | W);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_USER);
	expect_mapped(LINEAR, PAGING_IMPLICIT, DATA + 0x10);
	s.cpl = 2;
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
}

static void smap_guards_user_pages_unless_ac_is_set(void **state)
{
	(void)state;
	s.cr4 |= CR4_SMAP;
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT);
	s.cr0 &= ~CR0_WP;
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_WRITE);
	s.rflags_ac = true;
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
	expect_fault(LINEAR, PAGING_IMPLICIT, PF_PRESENT);
	s.rflags_ac = false;
	expect_mapped(LINEAR, PAGING_FETCH, DATA + 0x10);
	s.cpl = 3;
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
}

static void smep_and_execute_disable_stop_fetches(void **state)
{
	(void)state;
	s.cr4 |= CR4_SMEP;
	expect_fault(LINEAR, PAGING_FETCH, PF_PRESENT | PF_FETCH);
	s.cpl = 3;
	expect_mapped(LINEAR, PAGING_FETCH, DATA + 0x10);
	fake_write64(PDPT, PD | P | W | U | XD);
	expect_fault(LINEAR, PAGING_FETCH, PF_PRESENT | PF_FETCH | PF_USER);
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
}

static void fetches_are_told_only_where_the_cpu_can_refuse_them(void **state)
{
	(void)state;
	fake_write64(PT + 3 * 8, 0);
	s.efer &= ~EFER_NXE;
	expect_fault(LINEAR, PAGING_FETCH, 0);
	s.cr4 |= CR4_SMEP;
	expect_fault(LINEAR, PAGING_FETCH, PF_FETCH);
}

static void accesses_set_accessed_and_dirty_flags(void **state)
{
	(void)state;
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
	assert_true(fake_read64(ROOT + 273 * 8) == (PDPT | P | W | U | A));
	assert_true(fake_read64(PDPT) == (PD | P | W | U | A));
	assert_true(fake_read64(PD + 2 * 8) == (PT | P | W | U | A));
	assert_true(fake_read64(PT + 3 * 8) == (DATA | P | W | U | A));
	expect_mapped(LINEAR, PAGING_WRITE, DATA + 0x10);
	assert_true(fake_read64(PD + 2 * 8) == (PT | P | W | U | A));
	assert_true(fake_read64(PT + 3 * 8) == (DATA | P | W | U | A | D));
}

#define KEY(k)      ((uint64_t)(k) << 59)
#define DENY(k)     (1u << 2 * (k))
#define NO_WRITE(k) (2u << 2 * (k))

/* What a key forbids is told beside what the entries forbid; fetches are not ruled. */
static void protection_keys_rule_data_of_user_pages(void **state)
{
	(void)state;
	s.cr4 |= CR4_PKE;
	fake_hw.pkru = DENY(5) | NO_WRITE(6);
	fake_write64(PT + 3 * 8, DATA | P | W | U | A | D | KEY(4));
	expect_mapped(LINEAR, PAGING_WRITE, DATA + 0x10);
	fake_write64(PT + 3 * 8, DATA | P | W | U | A | D | KEY(5));
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_KEY);
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_KEY | PF_WRITE);
	expect_mapped(LINEAR, PAGING_FETCH, DATA + 0x10);
	expect_mapped(LINEAR, PAGING_CODE, DATA + 0x10);
	s.cpl = 3;
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_KEY | PF_USER);
	expect_fault(LINEAR, PAGING_READ | PAGING_IMPLICIT, PF_PRESENT | PF_KEY);
	fake_write64(PT + 3 * 8, DATA | P | U | A | D | KEY(6));
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_KEY | PF_WRITE | PF_USER);
	fake_write64(PT + 3 * 8, DATA | W | U | KEY(5));
	expect_fault(LINEAR, PAGING_READ, PF_USER); /* not present: there is no key */
}

static void without_write_protection_a_supervisor_writes_whatever_the_key(void **state)
{
	(void)state;
	s.cr4 |= CR4_PKE;
	fake_hw.pkru = DENY(5) | NO_WRITE(6);
	fake_write64(PD + 2 * 8, 0x600000 | P | W | U | PS | KEY(6));
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_KEY | PF_WRITE);
	s.cr0 &= ~CR0_WP;
	expect_mapped(LINEAR, PAGING_WRITE, 0x603010);
	fake_write64(PD + 2 * 8, 0x600000 | P | W | U | PS | KEY(5));
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_KEY | PF_WRITE);
	fake_write64(PD + 2 * 8, 0x600000 | P | W | PS | KEY(5));
	expect_mapped(LINEAR, PAGING_WRITE, 0x603010); /* a supervisor's page */
}

static void who_looks_sets_no_flags(void **state)
{
	(void)state;
	s.looks = true;
	expect_mapped(LINEAR, PAGING_READ, DATA + 0x10);
	expect_mapped(LINEAR, PAGING_FETCH, DATA + 0x10);
	assert_true(fake_read64(ROOT + 273 * 8) == (PDPT | P | W | U));
	assert_true(fake_read64(PT + 3 * 8) == (DATA | P | W | U));
}

static void refused_accesses_set_no_flags(void **state)
{
	(void)state;
	fake_write64(PT + 3 * 8, DATA | P);
	expect_fault(LINEAR, PAGING_WRITE, PF_PRESENT | PF_WRITE);
	assert_true(fake_read64(ROOT + 273 * 8) == (PDPT | P | W | U));
	assert_true(fake_read64(PT + 3 * 8) == (DATA | P));
}

static void tables_outside_ram_read_as_ones(void **state)
{
	(void)state;
	s.cr3 = FAKE_RAM_SIZE;
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
	use_32bit();
	s.cr3 = FAKE_RAM_SIZE;
	expect_mapped(0x00c03010, PAGING_READ, 0xfffff010);
	s.cr4 = CR4_PSE;
	expect_fault(0x00c03010, PAGING_READ, PF_PRESENT | PF_RESERVED);
}

static void paging_32bit_maps_pages_of_two_sizes(void **state)
{
	(void)state;
	use_32bit();
	expect_mapped(0x00c03010, PAGING_WRITE, DATA + 0x10);
	assert_true(fake_read32(ROOT + 3 * 4) == (PT | P | W | U | A));
	assert_true(fake_read32(PT + 3 * 4) == (DATA | P | W | U | A | D));
	/* Without PSE bit 7 of a PDE is ignored. */
	fake_write32(ROOT + 3 * 4, (uint32_t)(PT | P | W | PS));
	expect_mapped(0x00c03010, PAGING_READ, DATA + 0x10);
	s.cr4 = CR4_PSE;
	fake_write32(ROOT + 3 * 4, (uint32_t)(0x00800000 | P | W | PS));
	expect_mapped(0x00c03010, PAGING_READ, 0x00803010);
}

static void pse36_gives_40_bits(void **state)
{
	(void)state;
	use_32bit();
	s.cr4 = CR4_PSE;
	fake_write32(ROOT + 3 * 4, (uint32_t)(0x00800000 | P | PS | 0xa5u << 13));
	expect_mapped(0x00c03010, PAGING_READ, 0xa500803010);
	fake_write32(ROOT + 3 * 4, (uint32_t)(0x00800000 | P | PS | 1u << 21));
	expect_fault(0x00c03010, PAGING_READ, PF_PRESENT | PF_RESERVED);
	s.maxphyaddr = 36;
	fake_write32(ROOT + 3 * 4, (uint32_t)(0x00800000 | P | PS | 1u << 16));
	expect_mapped(0x00c03010, PAGING_READ, 0x800803010);
	fake_write32(ROOT + 3 * 4, (uint32_t)(0x00800000 | P | PS | 1u << 17));
	expect_fault(0x00c03010, PAGING_READ, PF_PRESENT | PF_RESERVED);
}

static void pae_takes_its_pdptes_from_registers(void **state)
{
	(void)state;
	use_pae();
	expect_mapped(0x40403010, PAGING_WRITE, DATA + 0x10);
	/* PDPTEs have neither rights nor flags. */
	assert_true(fake_hw.current[FID_GUEST_PDPTE1] == (PD | P));
	assert_true(fake_read64(PD + 2 * 8) == (PT | P | W | U | A));
	assert_true(fake_read64(PT + 3 * 8) == (DATA | P | W | U | A | D));
	fake_write64(PD + 2 * 8, 0x600000 | P | PS);
	expect_mapped(0x40403010, PAGING_READ, 0x603010);
	expect_fault(0x00403010, PAGING_READ, 0);
	/* The table that CR3 names counts when it is loaded, not now. */
	fake_write64(ROOT + 0x20, PD | P);
	expect_fault(0x00603010, PAGING_READ, 0);
	fake_hw.current[FID_GUEST_PDPTE1] = 0;
	fake_write64(ROOT + 0x28, PD | P);
	expect_fault(0x40603010, PAGING_READ, 0);
}

static void pae_reserves_bits_62_to_52(void **state)
{
	(void)state;
	use_pae();
	fake_write64(PT + 3 * 8, DATA | P | 1ull << 52);
	expect_fault(0x40403010, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(PT + 3 * 8, DATA | P | XD);
	expect_mapped(0x40403010, PAGING_READ, DATA + 0x10);
	expect_fault(0x40403010, PAGING_FETCH, PF_PRESENT | PF_FETCH);
}

/* SDM 4.6.1: SMEP; 4.5: bit 7 of a PML4E is reserved, bit 12 of a large page is PAT. */
static void smep_and_reserved_bits_of_large_pages(void **state)
{
	(void)state;
	expect_mapped(LINEAR, PAGING_FETCH, DATA + 0x10);
	s.cr4 |= CR4_SMEP;
	expect_fault(LINEAR, PAGING_FETCH, PF_PRESENT | PF_FETCH);
	s.cr4 = CR4_PAE;
	fake_write64(PD + 2 * 8, 0x600000 | P | W | PS | BIT64(12));
	expect_mapped(LINEAR, PAGING_WRITE, 0x603010);
	fake_write64(PD + 2 * 8, 0x600000 | P | W | PS | BIT64(13) | A | D);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
	fake_write64(ROOT + 273 * 8, PDPT | P | W | PS);
	expect_fault(LINEAR, PAGING_READ, PF_PRESENT | PF_RESERVED);
}

static void a_pdpte_has_reserved_bits_when_present(void **state)
{
	const uint64_t good[4] = {0, PD | P, PD | P | 0xe18, W | PS};
	uint64_t pdpte[4];

	(void)state;
	assert_true(paging_pdptes_ok(good, 46));
	for (unsigned i = 0; i < 4 * 64; i++) {
		unsigned bit = i % 64;
		bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 46;

		memcpy(pdpte, good, sizeof(pdpte));
		pdpte[i / 64] = PD | P | 1ull << bit;
		assert_int_equal(paging_pdptes_ok(pdpte, 46), !reserved);
	}
}

static void accesses_may_cross_pages(void **state)
{
	unsigned char bytes[16];
	struct paging_fault fault;

	(void)state;
	fake_write64(PT + 4 * 8, 0x300000 | P | W);
	memset(fake.ram + DATA + 0xff8, 0x11, 8);
	memset(fake.ram + 0x300000, 0x22, 8);
	assert_true(paging_read(&n, &s, (LINEAR | 0xfff) - 7, bytes, 16, &fault));
	assert_int_equal(bytes[0] << 8 | bytes[15], 0x1122);
	memset(bytes, 0x33, sizeof(bytes));
	assert_true(paging_write(&n, &s, (LINEAR | 0xfff) - 3, bytes, 16, &fault));
	assert_int_equal(fake.ram[DATA + 0xffb], 0x11);
	assert_int_equal(fake.ram[DATA + 0xffc], 0x33);
	assert_int_equal(fake.ram[0x30000b], 0x33);
	assert_int_equal(fake.ram[0x30000c], 0);
}

static void a_fault_in_the_second_page_writes_nothing(void **state)
{
	unsigned char bytes[16];
	struct paging_fault fault;
	uint64_t start = (LINEAR | 0xfff) - 7;

	(void)state;
	memset(bytes, 0x33, sizeof(bytes));
	fake_write64(PT + 4 * 8, 0x300000 | P);
	assert_false(paging_write(&n, &s, start, bytes, 16, &fault));
	assert_true(fault.address == start + 8);
	assert_int_equal(fault.error_code, PF_PRESENT | PF_WRITE);
	assert_int_equal(fake.writes, 0);
	assert_true(paging_write(&n, &s, start, bytes, 8, &fault));
	fake_write64(PT + 3 * 8, 0);
	assert_false(paging_read(&n, &s, start, bytes, 16, &fault));
	assert_true(fault.address == start);
	assert_int_equal(fault.error_code, 0);
}

static void linear_addresses_wrap_at_4_gib_outside_long_mode(void **state)
{
	unsigned char bytes[4] = {0};
	struct paging_fault fault;

	(void)state;
	s.cr0 = CR0_PE;
	s.efer = 0;
	fake.ram[0] = 0x77;
	assert_true(paging_read(&n, &s, 0xfffffffe, bytes, 4, &fault));
	assert_int_equal(bytes[1], 0xff); /* no RAM there */
	assert_int_equal(bytes[2], 0x77);
}

static void data_outside_ram_reads_as_ones_and_loses_writes(void **state)
{
	uint64_t value = 0;
	struct paging_fault fault;

	(void)state;
	fake_write64(PT + 3 * 8, 0xfee00000 | P | W);
	assert_true(paging_read(&n, &s, LINEAR, &value, sizeof(value), &fault));
	assert_true(value == UINT64_MAX);
	assert_true(paging_write(&n, &s, LINEAR, &value, sizeof(value), &fault));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_paging_addresses_are_physical),
		TEST(four_level_paging_maps_pages_of_three_sizes),
		TEST(five_level_paging_has_a_table_more),
		TEST(la57_is_nothing_outside_ia32e_mode),
		TEST(a_large_pages_pat_bit_is_no_address_bit),
		TEST(absent_entries_fault_without_the_present_bit),
		TEST(reserved_bits_fault),
		TEST(write_protection_binds_the_supervisor_with_wp),
		TEST(users_need_user_rights_at_every_level),
		TEST(smap_guards_user_pages_unless_ac_is_set),
		TEST(smep_and_execute_disable_stop_fetches),
		TEST(fetches_are_told_only_where_the_cpu_can_refuse_them),
		TEST(accesses_set_accessed_and_dirty_flags),
		TEST(protection_keys_rule_data_of_user_pages),
		TEST(without_write_protection_a_supervisor_writes_whatever_the_key),
		TEST(who_looks_sets_no_flags),
		TEST(refused_accesses_set_no_flags),
		TEST(tables_outside_ram_read_as_ones),
		TEST(paging_32bit_maps_pages_of_two_sizes),
		TEST(pse36_gives_40_bits),
		TEST(pae_takes_its_pdptes_from_registers),
		TEST(pae_reserves_bits_62_to_52),
		TEST(a_pdpte_has_reserved_bits_when_present),
		TEST(smep_and_reserved_bits_of_large_pages),
		TEST(accesses_may_cross_pages),
		TEST(a_fault_in_the_second_page_writes_nothing),
		TEST(linear_addresses_wrap_at_4_gib_outside_long_mode),
		TEST(data_outside_ram_reads_as_ones_and_loses_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
