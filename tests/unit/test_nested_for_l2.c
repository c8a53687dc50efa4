/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does in L2's place: bits of CR0 that stay with it, the TSC, accesses to L2's memory,
 * faults on faults.
 */
#include "nested_vcpu.h"

#include "nested/paging.h"

static uint64_t golden[FID_COUNT];

static int start(void **state)
{
	vcpu_setup(state);
	golden_offered(golden);
	return 0;
}

static void launch(void)
{
	enter_vmx();
	become(golden);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
}

static uint64_t vmcs02(enum vmcs_fid fid)
{
	return fake_hw.vmcs02[n.cur->hw][fid];
}

static void set02(enum vmcs_fid fid, uint64_t value)
{
	fake_hw.vmcs02[n.cur->hw][fid] = value;
}

static void cr0_cd_and_nw_stay_with_l0(void **state)
{
	(void)state;
	n.cr0_cache = CR0_CD;
	golden[FID_CR0_GUEST_HOST_MASK] = CR0_TS | CR0_NW;
	golden[FID_CR0_READ_SHADOW] = CR0_TS;
	launch();
	assert_int_equal(vmcs02(FID_CR0_GUEST_HOST_MASK), CR0_TS | CR0_NW | CR0_CD);
	assert_int_equal(vmcs02(FID_CR0_READ_SHADOW), CR0_TS | CR0_CD);
	set02(FID_EXIT_QUALIFICATION, 0); /* MOV to CR0 from RAX */
	gpr[0] = CR0_TS;
	assert_int_equal(nested_l2_exit(&n, EXIT_CR_ACCESS), NESTED_L0);
	gpr[0] = CR0_CD | CR0_TS | CR0_NW;
	assert_int_equal(nested_l2_exit(&n, EXIT_CR_ACCESS), NESTED_L1);
	assert_int_equal(n.cur->f[FID_GUEST_CR0] & (CR0_CD | CR0_NW), CR0_CD);
}

static void lmsw_and_clts_are_l1s(void **state)
{
	(void)state;
	launch();
	set02(FID_EXIT_QUALIFICATION, 2 << 4);
	assert_int_equal(nested_l2_exit(&n, EXIT_CR_ACCESS), NESTED_L1);
}

static void leave_and_enter(void)
{
	nested_deliver(&n, &(struct nested_event){.kind = NESTED_MTF});
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
}

/* For each MCE that L1 wrote, each mask and each shadow: what L2 has, and what it reads. */
static void cr4_mce_stays_set_whatever_l1_and_l2_want(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t own = i & 1 ? CR4_MCE : 0, real = i & 2 ? CR4_MCE : 0;
		uint64_t shadow = i & 4 ? CR4_MCE : 0;
		uint64_t seen = own ? shadow : real;

		vcpu_teardown(state);
		assert_int_equal(start(state), 0);
		golden[FID_GUEST_CR4] = (golden[FID_GUEST_CR4] & ~(uint64_t)CR4_MCE) | real;
		golden[FID_CR4_GUEST_HOST_MASK] = own | CR4_VMXE;
		golden[FID_CR4_READ_SHADOW] = shadow;
		launch();
		for (unsigned k = 0; k < 3; k++) {
			assert_true(vmcs02(FID_GUEST_CR4) == (golden[FID_GUEST_CR4] | CR4_MCE));
			assert_true(vmcs02(FID_CR4_GUEST_HOST_MASK) & CR4_MCE);
			assert_int_equal(vmcs02(FID_CR4_READ_SHADOW), seen);
			assert_true(nested_l2_cr4(&n) == golden[FID_GUEST_CR4]);
			leave_and_enter();
			assert_true(n.cur->f[FID_GUEST_CR4] == golden[FID_GUEST_CR4]);
		}
	}
}

static void l2_writes_cr4_mce_where_l1_does_not_own_it(void **state)
{
	uint64_t cr4 = golden[FID_GUEST_CR4] & ~(uint64_t)CR4_MCE;

	(void)state;
	golden[FID_GUEST_CR4] = cr4;
	golden[FID_CR4_GUEST_HOST_MASK] = CR4_TSD;
	golden[FID_CR4_READ_SHADOW] = CR4_TSD | CR4_MCE;
	launch();
	assert_int_equal(vmcs02(FID_CR4_READ_SHADOW), CR4_TSD);
	set02(FID_EXIT_QUALIFICATION, 4); /* MOV to CR4 from RAX */
	gpr[0] = cr4 | CR4_TSD | CR4_MCE;
	assert_int_equal(nested_l2_exit(&n, EXIT_CR_ACCESS), NESTED_L0);
	nested_set_l2_cr4(&n, cr4 | CR4_MCE);
	assert_true(vmcs02(FID_GUEST_CR4) == (cr4 | CR4_MCE));
	assert_int_equal(vmcs02(FID_CR4_READ_SHADOW), CR4_TSD | CR4_MCE);
	leave_and_enter();
	assert_true(n.cur->f[FID_GUEST_CR4] == (cr4 | CR4_MCE));
	assert_int_equal(vmcs02(FID_CR4_READ_SHADOW), CR4_TSD | CR4_MCE);
	nested_set_l2_cr4(&n, cr4);
	assert_true(vmcs02(FID_GUEST_CR4) == (cr4 | CR4_MCE));
	leave_and_enter();
	assert_true(n.cur->f[FID_GUEST_CR4] == cr4);
	assert_true(vmcs02(FID_GUEST_CR4) == (cr4 | CR4_MCE));
	assert_int_equal(vmcs02(FID_CR4_READ_SHADOW), CR4_TSD);
}

static void a_new_tsc_of_l1_reaches_l2(void **state)
{
	(void)state;
	golden[FID_PROC_CONTROLS] |= PROC_TSC_OFFSETTING;
	golden[FID_TSC_OFFSET] = 50;
	launch();
	assert_int_equal(vmcs02(FID_TSC_OFFSET), 1050);
	n.tsc_offset = 7000;
	nested_tsc_changed(&n, true);
	assert_int_equal(vmcs02(FID_TSC_OFFSET), 7050);
	nested_deliver(&n, &(struct nested_event){.kind = NESTED_MTF});
	restore_l1();
	n.tsc_offset = 8000;
	nested_tsc_changed(&n, false);
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	assert_int_equal(vmcs02(FID_TSC_OFFSET), 8050);
}

/* It is where L1 says, and wrong: VMCS02 does not lead there any more at the next entry. */
static void a_virtual_apic_page_that_is_lost_is_not_used_any_more(void **state)
{
	uint64_t hpa;

	(void)state;
	golden[FID_PROC_CONTROLS] |= PROC_TPR_SHADOW;
	launch();
	hpa = vmcs02(FID_VIRTUAL_APIC_ADDR);
	assert_true(hpa == FAKE_HPA_BASE + golden[FID_VIRTUAL_APIC_ADDR]);
	set02(FID_VIRTUAL_APIC_ADDR, 0);
	nested_memory_lost(&n);
	assert_true(vmcs02(FID_VIRTUAL_APIC_ADDR) == hpa); /* looked up at once */
	fake.gone = golden[FID_VIRTUAL_APIC_ADDR];
	nested_memory_lost(&n);
	nested_deliver(&n, &(struct nested_event){.kind = NESTED_MTF});
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	assert_true(n.cur->no_virtual_apic);
	assert_false(vmcs02(FID_PROC_CONTROLS) & PROC_TPR_SHADOW);
}

/* Linear 0x5000 is L2's 0x5000, by tables at 0x1000 to 0x4000; EPT12 maps these pages below 2
 * MiB. */
static struct paging_state small_paging(void)
{
	fake_write64(0x8000, 0x50000 | 7);
	fake_write64(0x50000, 0x51000 | 7);
	fake_write64(0x51000, 0x52000 | 7);
	for (uint64_t i = 1; i < 8; i++)
		fake_write64(0x52000 + i * 8, (0x60000 + i * 0x1000) | 0x37);
	fake_write64(0x61000, 0x2000 | 3);
	fake_write64(0x62000, 0x3000 | 3);
	fake_write64(0x63000, 0x4000 | 3);
	fake_write64(0x64000 + 5 * 8, 0x5000 | 3);
	fake_write64(0x64000 + 6 * 8, 0x100000 | 3);
	launch();
	return (struct paging_state){.cr0 = CR0_PE | CR0_PG | CR0_WP,
		.cr3 = 0x1000,
		.cr4 = CR4_PAE,
		.efer = EFER_LMA | EFER_LME,
		.maxphyaddr = 46,
		.eptp12 = n.cur->root->eptp12};
}

static void expect_ept_fault(const struct paging_state *s, uint64_t linear, bool write,
	uint64_t gpa, uint64_t qualification)
{
	struct paging_fault fault;
	uint32_t data = 1;

	assert_false(write ? paging_write(&n, s, linear, &data, 4, &fault)
			   : paging_read(&n, s, linear, &data, 4, &fault));
	assert_true(fault.ept);
	assert_int_equal(fault.gpa, gpa);
	assert_int_equal(fault.qualification, qualification);
	assert_int_equal(fault.address, linear);
}

static void accesses_for_l2_that_ept12_forbids_are_ept_violations(void **state)
{
	struct paging_state s = small_paging();
	struct paging_fault fault;
	uint32_t data = 0x1234;
	bool ad = s.eptp12 & EPTP_AD;

	(void)state;
	assert_true(paging_write(&n, &s, 0x5000, &data, 4, &fault));
	assert_int_equal(fake_read64(0x65000), 0x1234);
	expect_ept_fault(&s, 0x6010, false, 0x100010, 0x581);
	expect_ept_fault(&s, 0x6010, true, 0x100010, 0x582);
	fake_write64(0x52000 + 5 * 8, 0x65000 | 0x35); /* read only */
	expect_ept_fault(&s, 0x5000, true, 0x5000, 0x582);
	assert_int_equal(fake_read64(0x65000), 0x1234);
	/* a table that may not be written, with an accessed flag to be set */
	fake_write64(0x52000 + 5 * 8, 0x65000 | 0x37);
	fake_write64(0x64000 + 5 * 8, 0x5000 | 3);
	fake_write64(0x52000 + 4 * 8, 0x64000 | 0x35);
	expect_ept_fault(&s, 0x5000, false, 0x4028, ad ? 0x83 : 0x82);
	fake_write64(0x52000 + 3 * 8, 0);
	expect_ept_fault(&s, 0x5000, false, 0x3000, ad ? 0x83 : 0x81);
}

static void l1_gets_the_ept_violation_of_an_access_by_l0(void **state)
{
	struct paging_state s = small_paging();
	struct paging_fault fault;
	uint32_t data;

	(void)state;
	assert_false(paging_read(&n, &s, 0x6010, &data, 4, &fault));
	nested_deliver_ept_fault(&n, &fault);
	assert_false(n.in_l2);
	assert_int_equal(n.cur->f[FID_EXIT_REASON], EXIT_EPT_VIOLATION);
	assert_int_equal(n.cur->f[FID_EXIT_QUALIFICATION], 0x581);
	assert_int_equal(n.cur->f[FID_GUEST_PHYSICAL_ADDRESS], 0x100010);
	assert_int_equal(n.cur->f[FID_GUEST_LINEAR_ADDRESS], 0x6010);
}

static void l2_tries_again_when_ept12_has_changed(void **state)
{
	struct paging_state s = small_paging();
	struct paging_fault fault;
	uint32_t data;

	(void)state;
	assert_false(paging_read(&n, &s, 0x6010, &data, 4, &fault));
	fake_write64(0x50000, 0x51000 | 7);
	fake_write64(0x51000, 0 | 0xb7);
	nested_deliver_ept_fault(&n, &fault);
	assert_true(n.in_l2);
}

/* ---- code of L2, which is found again ---- */

static struct paging_state code_paging(void)
{
	struct paging_state s = small_paging();

	s.rflags_ac = true;
	for (uint64_t i = 5; i < 8; i++) {
		fake_write64(0x60000 + i * 0x1000, 0x1111111111111111 * i);
		fake_write64(0x64000 + i * 8, (i << 12) | 3);
	}
	return s;
}

static uint64_t code_at(const struct paging_state *s, uint64_t linear)
{
	struct paging_fault fault;
	uint64_t data = 0;

	assert_true(paging_read_code(&n, s, linear, &data, sizeof(data), &fault));
	return data;
}

static void code_of_l2_follows_its_own_tables_at_once(void **state)
{
	struct paging_state s = code_paging();
	struct paging_fault fault;
	uint64_t data;

	(void)state;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	assert_int_equal(fake_read64(0x64000 + 5 * 8), 0x5023); /* accessed */
	fake_write64(0x65000, 0x1234);                          /* bytes are read anew */
	assert_int_equal(code_at(&s, 0x5000), 0x1234);
	fake_write64(0x64000 + 5 * 8, 0x6003);
	assert_int_equal(code_at(&s, 0x5000), 0x6666666666666666);
	assert_int_equal(fake_read64(0x64000 + 5 * 8), 0x6023);
	fake_write64(
		0x64000 + 5 * 8, 0x6003); /* without its accessed flag, which is set again */
	assert_int_equal(code_at(&s, 0x5000), 0x6666666666666666);
	assert_int_equal(fake_read64(0x64000 + 5 * 8), 0x6023);
	assert_int_equal(code_at(&s, 0x7ff8), 0); /* another page has another place */
	s.cr3 = 0x2000;
	assert_false(paging_read_code(&n, &s, 0x5000, &data, sizeof(data), &fault));
	s.cr3 = 0x1000;
	fake_write64(0x64000 + 5 * 8, 0);
	assert_false(paging_read_code(&n, &s, 0x5000, &data, sizeof(data), &fault));
	assert_false(fault.ept);
	assert_int_equal(fault.error_code, 0);
}

/* SDM 28.3.3.1 "Operations that Invalidate Cached Mappings" */
static void code_of_l2_follows_ept12_after_an_invalidation(void **state)
{
	struct paging_state s = code_paging();

	(void)state;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	fake_write64(0x52000 + 5 * 8, 0x66000 | 0x37);
	paging_forget_code(&n);
	assert_int_equal(code_at(&s, 0x5000), 0x6666666666666666);
	/* a violation is an invalidation of what it is about */
	fake_write64(0x52000 + 5 * 8, 0x67000 | 0x37);
	nested_deliver_ept_fault(
		&n, &(struct paging_fault){
			    .ept = true, .gpa = 0x5000, .qualification = QUAL_WRITE});
	assert_int_equal(code_at(&s, 0x5000), 0x7777777777777777);
	/* another EPT12 at once */
	fake_write64(0x9000, fake_read64(0x8000));
	fake_write64(0x52000 + 5 * 8, 0x65000 | 0x37);
	s.eptp12 = (s.eptp12 & 0xfff) | 0x9000;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
}

/* What is another process's is found by its own root, each time. */
static void code_of_l2_is_known_to_all_processes_of_a_kernel(void **state)
{
	struct paging_state s = code_paging();
	uint64_t entry = fake_read64(0x61000);

	(void)state;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	fake_write64(0x67000, entry | 0x20);
	s.cr3 = 0x7000;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555); /* 0x7000 is new: a walk */
	s.cr3 = 0x1000;
	fake_write64(0x52000 + 5 * 8, 0x66000 | 0x37); /* a walk would find another page */
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	s.cr3 = 0x7000;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	fake_write64(0x67000, 0x3023); /* this process has other tables now */
	fake_write64(0x63000, 0x4003);
	fake_write64(0x64000, 0x2003);
	fake_write64(0x62000 + 5 * 8, 0x7003);
	assert_int_equal(code_at(&s, 0x5000), fake_read64(0x67000));
	s.cr3 = 0x1000;
	assert_int_equal(code_at(&s, 0x5000), 0x6666666666666666);
}

/* Of two L2s with the same CR3 each has its own root; it moves when its L1 invalidates. */
static void a_root_of_l2_is_known_by_its_ept12_and_until_an_invalidation(void **state)
{
	struct paging_state s = code_paging(), other = s;

	(void)state;
	fake_write64(0x67000, fake_read64(0x61000) | 0x20);
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	s.cr3 = 0x7000;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	fake_write64(0x9000, fake_read64(0x8000));
	other.eptp12 = (s.eptp12 & 0xfff) | 0x9000;
	assert_int_equal(code_at(&other, 0x5000), 0x5555555555555555);
	/* by the other EPT12 this root is in another page, and leads to another one */
	fake_write64(0x52000 + 7 * 8, 0x66000 | 0x37);
	fake_write64(0x66000, 0x3023);
	fake_write64(0x63000, 0x4023);
	fake_write64(0x64000, 0x2023);
	fake_write64(0x62000 + 5 * 8, 0x7023);
	other.cr3 = 0x7000;
	assert_int_equal(code_at(&other, 0x5000), 0x3023);
	/* L1 moves it, and invalidates */
	paging_forget_code(&n);
	fake_write64(0x52000 + 7 * 8, 0x67000 | 0x37);
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	s.cr3 = 0x1000;
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	fake_write64(0x52000 + 7 * 8, 0x66000 | 0x37);
	paging_forget_code(&n);
	assert_int_equal(code_at(&s, 0x5000), 0x5555555555555555);
	s.cr3 = 0x7000;
	assert_int_equal(code_at(&s, 0x5000), 0x3023);
}

/* A root above 4 GiB: 32-bit paging takes the lower half of CR3 for it. */
static void a_root_of_l2_is_known_in_its_mode(void **state)
{
	struct paging_state s = code_paging(), narrow = s;

	(void)state;
	fake_write64(0x50000 + 4 * 8, 0x53000 | 7); /* EPT12: 4 GiB + 0x1000 is at 0x67000 */
	fake_write64(0x53000, 0x54000 | 7);
	fake_write64(0x54000 + 8, 0x67000 | 0x37);
	fake_write64(0x67000, 0x2023);
	fake_write64(0x64000 + 6 * 8, 0x6023);
	s.cr3 = 0x100001000;
	assert_int_equal(code_at(&s, 0x6000), 0x6666666666666666);
	narrow.cr4 = 0;
	narrow.efer = 0;
	narrow.cr3 = 0x6000;
	fake_write64(0x66000, 0x2023); /* the entry that the other mode's root has, too */
	fake_write64(0x62000 + 5 * 4, 0x5023);
	assert_int_equal(code_at(&narrow, 0x5000), 0x5555555555555555);
	fake_write64(0x61000, 0x3023);
	fake_write64(0x63000 + 5 * 4, 0x7023);
	fake_write64(0x67000, 0x7777000000002023);
	narrow.cr3 = s.cr3;
	assert_int_equal(code_at(&narrow, 0x5000), 0x7777000000002023);
}

static uint64_t random_entry(void)
{
	static const uint64_t pages[] = {
		0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000, 0x100000, 1ull << 50};
	static const uint64_t flags[] = {3, 7, 0x27, 0x63, 1, 0, 0x83, 3 | 1ull << 63};

	return pages[rand() % 8] | flags[rand() % (rand() % 4 ? 4 : 8)];
}

/* Two answers to one question: with what is known, and without. */
static void code_is_found_as_a_walk_finds_it(void **state)
{
	struct paging_state s = code_paging();
	static const uint64_t tables[] = {0x61000, 0x62000, 0x63000, 0x64000};
	/* Processes: what their roots have for this address. */
	static const uint64_t roots[] = {0x1000, 0x6000, 0x7000};
	static const uint64_t root_entries[] = {0x2003, 0x2023, 0x3023, 0x2027};
	unsigned found = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t linear = 0x4ff0 + (uint64_t)(rand() % 0x3020), known = 0, walked = 0;
		struct paging_fault fault = {0}, again = {0};
		uint64_t table = tables[rand() % 4];
		struct paging_code kept;
		bool ok;

		if (rand() % 4 == 0)
			fake_write64(
				table + (table == 0x64000 ? 8 * (uint64_t)(4 + rand() % 4) : 0),
				table == 0x64000
					? random_entry()
					: ((table - 0x60000 + 0x1000) | (rand() % 16 ? 3 : 0)));
		if (rand() % 8 == 0)
			s.cr3 = roots[rand() % 3] | (uint64_t)(rand() % 2);
		if (rand() % 8 == 0)
			fake_write64(0x60000 + roots[rand() % 3], root_entries[rand() % 4]);
		if (rand() % 16 == 0)
			s.efer ^= EFER_NXE;
		if (rand() % 16 == 0)
			s.cr4 ^= CR4_SMAP;
		ok = paging_read_code(&n, &s, linear, &known, sizeof(known), &fault);
		kept = n.code;
		paging_forget_code(&n);
		assert_int_equal(
			paging_read_code(&n, &s, linear, &walked, sizeof(walked), &again), ok);
		assert_int_equal(known, walked);
		if (!ok) {
			assert_int_equal(fault.ept, again.ept);
			assert_int_equal(fault.error_code, again.error_code);
			assert_int_equal(fault.gpa, again.gpa);
		}
		n.code = kept;
		found += ok;
	}
	assert_true(found > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, start, vcpu_teardown)
		T(cr0_cd_and_nw_stay_with_l0),
		T(lmsw_and_clts_are_l1s),
		T(cr4_mce_stays_set_whatever_l1_and_l2_want),
		T(l2_writes_cr4_mce_where_l1_does_not_own_it),
		T(a_new_tsc_of_l1_reaches_l2),
		T(accesses_for_l2_that_ept12_forbids_are_ept_violations),
		T(l1_gets_the_ept_violation_of_an_access_by_l0),
		T(l2_tries_again_when_ept12_has_changed),
		T(code_of_l2_follows_its_own_tables_at_once),
		T(code_of_l2_follows_ept12_after_an_invalidation),
		T(code_of_l2_is_known_to_all_processes_of_a_kernel),
		T(a_root_of_l2_is_known_by_its_ept12_and_until_an_invalidation),
		T(a_root_of_l2_is_known_in_its_mode),
		T(code_is_found_as_a_walk_finds_it),
		T(a_virtual_apic_page_that_is_lost_is_not_used_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
