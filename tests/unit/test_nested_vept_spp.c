/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sub-page write permissions of an L2: what the processor finds in EPT02 and SPPT02, and what
 * L1 is told, against L1's tables.
 */
#include "nested/nested_int.h"
#include "nested/paging.h"

#include "l2_ept.h"

#include "random.h"

#define SPP4    0x124000ull
#define SPP3    0x125000ull
#define SPP2    0x126000ull
#define SPP1    0x127000ull
#define SPPE(i) (SPP1 + (i)*8) /* of page i */
#define ALL     UINT64_C(0x5555555555555555)
#define ASKS    (EPT_READ | EPT_EXEC | EPT_USER_EXEC | EPT_WB | EPT_SUB_PAGE)
#define NMI     BIT64(12)

static void protect(uint64_t page, uint64_t rights)
{
	fake_write64(PTE(page), (TARGET + page * PAGE_SIZE) | ASKS);
	fake_write64(SPPE(page), rights);
}

/* Pages 0 to 7: with all rights but page 0, which has that of its sub-page 2. */
static int start(void **state)
{
	l2_ept_setup(state);
	golden[FID_EPT_POINTER] = EPT12;
	golden[FID_SPPTP] = SPP4;
	fake_write64(SPP4, SPP3 | SPP_VALID);
	fake_write64(SPP3, SPP2 | SPP_VALID);
	fake_write64(SPP2, SPP1 | SPP_VALID);
	for (uint64_t i = 0; i < 8; i++)
		protect(i, i == 0 ? SPP_RIGHT(0x100) : ALL);
	launch(PROC2_SUB_PAGE_WRITE);
	return 0;
}

/* ---- the processor ---- */

enum met {
	WRITES,
	VIOLATES,
	MISSES
};

static uint64_t *entry_of(uint64_t table, uint64_t gpa, unsigned level)
{
	uint64_t t = ((table & EPT_ADDRESS) - vm.vept.pages_hpa) / sizeof(struct vept_pages);

	assert_true(t < vm.vept.count && vm.vept.table[t].in_use && vm.vept.table[t].spp);
	return &vm.vept.pages[t].entry[gpa >> (12 + 9 * (level - 1)) & 511];
}

static enum met processor(uint64_t gpa)
{
	uint64_t entry = leaf(gpa), table = f02()[FID_SPPTP];

	if (entry & EPT_WRITE)
		return WRITES;
	if (!(entry & EPT_READ) || !(entry & EPT_SUB_PAGE))
		return VIOLATES;
	for (unsigned level = 4; level > 1; level--) {
		table = *entry_of(table, gpa, level);
		if (!(table & SPP_VALID))
			return MISSES;
		assert_int_equal(table & SPP_RESERVED, 0);
	}
	return *entry_of(table, gpa, 1) & SPP_RIGHT(gpa) ? WRITES : VIOLATES;
}

static enum nested_verdict miss(uint64_t gpa, uint64_t qualification)
{
	enum nested_verdict v;

	f02()[FID_EXIT_QUALIFICATION] = qualification;
	f02()[FID_GUEST_PHYSICAL_ADDRESS] = gpa;
	f02()[FID_GUEST_LINEAR_ADDRESS] = gpa + 0x7000000;
	v = nested_l2_exit(&n, EXIT_SPP_EVENT);
	vept_check(&vm.vept);
	return v;
}

/* L2 writes until it has or L1 runs. True: it has. */
static bool writes(uint64_t gpa)
{
	for (unsigned tries = 0;; tries++) {
		enum met m = processor(gpa);
		enum nested_verdict v;

		assert_true(tries < 4);
		if (m == WRITES)
			return true;
		v = m == MISSES ? miss(gpa, QUAL_SPP_MISS) : violate(gpa, EPT_WRITE | LINEAR);
		if (v == NESTED_L1)
			return false;
		assert_int_equal(v, NESTED_RESUME);
	}
}

static void resume(void)
{
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
}

static void told(uint32_t reason, uint64_t qualification, uint64_t gpa)
{
	assert_false(n.in_l2);
	assert_int_equal(f12(FID_EXIT_REASON), reason);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), qualification);
	assert_int_equal(f12(FID_GUEST_PHYSICAL_ADDRESS), gpa);
	assert_int_equal(f12(FID_GUEST_LINEAR_ADDRESS), gpa + 0x7000000);
	resume();
}

/* ---- what is allowed ---- */

static void the_processor_has_l1s_rights(void **state)
{
	(void)state;
	assert_true(f02()[FID_PROC2_CONTROLS] & PROC2_SUB_PAGE_WRITE);
	assert_true(writes(0x128));
	assert_int_equal(
		leaf(0) & (EPT_RWX | EPT_SUB_PAGE), EPT_READ | EPT_EXEC | EPT_SUB_PAGE);
	assert_int_equal(f02()[FID_SPPTP] & PAGE_MASK, 0);
	assert_true(writes(0x17f));
	assert_false(writes(0x180));
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0x180);
	assert_false(writes(0xff));
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0xff);
}

static void without_the_control_bit_61_means_nothing(void **state)
{
	(void)state;
	n.cur->f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_SUB_PAGE_WRITE;
	merge_controls_all(&n, n.cur);
	assert_false(f02()[FID_PROC2_CONTROLS] & PROC2_SUB_PAGE_WRITE);
	assert_false(writes(0x128));
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0x128);
	assert_int_equal(leaf(0) & EPT_SUB_PAGE, 0);
	assert_int_equal(miss(0x128, QUAL_SPP_MISS), NESTED_L0);
}

/* The processor's own accesses to paging structures; large pages; pages that are not read. */
static void other_writes_are_not_eligible(void **state)
{
	(void)state;
	expect_l1(violate(0x128, EPT_READ | EPT_WRITE | BIT64(7)), EXIT_EPT_VIOLATION);
	resume();
	fake_write64(EPT12_PD + 8, 0x400000 | ASKS | EPT_LARGE);
	expect_l1(violate(0x200128, EPT_WRITE | LINEAR), EXIT_EPT_VIOLATION);
	resume();
	violate(0x200128, EPT_READ | LINEAR);
	assert_int_equal(leaf(0x200128) & EPT_SUB_PAGE, 0);
	fake_write64(PTE(1), TARGET | EPT_EXEC | EPT_WB | EPT_SUB_PAGE);
	expect_l1(violate(0x1128, EPT_WRITE | LINEAR), EXIT_EPT_VIOLATION);
}

static void a_directory_may_be_what_forbids(void **state)
{
	(void)state;
	fake_write64(PTE(1), (TARGET + PAGE_SIZE) | ASKS | EPT_WRITE);
	fake_write64(SPPE(1), SPP_RIGHT(0));
	assert_true(writes(0x1128)); /* is not asked for */
	fake_write64(EPT12_PD, EPT12_PT | EPT_READ | EPT_EXEC);
	assert_true(vept_invalidate(&n, EPT12));
	assert_int_equal(violate(0x1028, EPT_WRITE | LINEAR), NESTED_RESUME);
	expect_l1(violate(0x1128, EPT_WRITE | LINEAR), EXIT_EPT_VIOLATION);
}

/* ---- events ---- */

static void what_l1s_table_lacks_is_l1s(void **state)
{
	static const uint64_t at[] = {SPP4, SPP3, SPP2};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t good = fake_read64(at[i]);

		fake_write64(at[i], good & ~SPP_VALID);
		assert_true(vept_invalidate(&n, EPT12));
		assert_false(writes(0x128));
		told(EXIT_SPP_EVENT, QUAL_SPP_MISS, 0x128);
		fake_write64(at[i], good);
		assert_true(writes(0x128)); /* no INVEPT for what was absent */
	}
}

static void a_malformed_entry_is_l1s(void **state)
{
	static const struct {
		uint64_t at, bits;
	} bad[] = {{SPP4, 2}, {SPP4, BIT64(63)}, {SPP3, EPT_LARGE}, {SPP3, BIT64(46)},
		{SPP2, BIT64(52)}, {SPP2, BIT64(11)}, {SPPE(0), 2}, {SPPE(0), BIT64(63)}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t good = fake_read64(bad[i].at);

		fake_write64(bad[i].at, good | bad[i].bits);
		assert_true(vept_invalidate(&n, EPT12));
		assert_false(writes(0x128));
		told(EXIT_SPP_EVENT, 0, 0x128);
		fake_write64(bad[i].at, good);
		assert_true(writes(0x128));
	}
	fake_write64(SPP3, 0x3000000000 | SPP_VALID); /* no RAM: ones */
	assert_true(vept_invalidate(&n, EPT12));
	assert_false(writes(0x128));
	told(EXIT_SPP_EVENT, 0, 0x128);
}

/* Found by a violation as by a miss of SPPT02; and nothing is delivered as #VE. */
static void an_event_tells_of_iret_and_vectoring(void **state)
{
	(void)state;
	n.cur->f[FID_PROC2_CONTROLS] |= PROC2_EPT_VIOLATION_VE;
	fake_write64(SPP2, 0);
	f02()[FID_IDT_VECTORING_INFO] = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD;
	expect_l1(violate(0x128, EPT_WRITE | LINEAR | NMI | BIT64(11)), EXIT_SPP_EVENT);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), QUAL_SPP_MISS | NMI);
	assert_int_equal(
		f12(FID_IDT_VECTORING_INFO), INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD);
	resume();
	fake_write64(SPP2, SPP1 | SPP_VALID | 8);
	expect_l1(miss(0x128, QUAL_SPP_MISS | NMI), EXIT_SPP_EVENT);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), NMI);
	resume();
	/* what SPPT02 alone lacked leaves NMIs as they were before IRET */
	fake_write64(SPP2, SPP1 | SPP_VALID);
	f02()[FID_IDT_VECTORING_INFO] = 0;
	f02()[FID_GUEST_INTERRUPTIBILITY] = 0;
	assert_int_equal(miss(0x128, QUAL_SPP_MISS | NMI), NESTED_RESUME);
	assert_int_equal(f02()[FID_GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_NMI);
	assert_int_equal(violate(0x128, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_true(writes(0x128));
}

static void a_denied_write_may_be_a_ve(void **state)
{
	(void)state;
	n.cur->f[FID_PROC2_CONTROLS] |= PROC2_EPT_VIOLATION_VE;
	assert_int_equal(violate(0x180, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_int_equal(
		f02()[FID_ENTRY_INTR_INFO], INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_VE);
}

/* SPPT02 is never malformed: what the processor says of that is no event of L1's. */
static void our_own_table_is_not_l1s(void **state)
{
	(void)state;
	assert_int_equal(miss(0x128, 0), NESTED_L0);
}

/* ---- flags, changes ---- */

static void a_page_that_is_not_dirty_is_not_written(void **state)
{
	(void)state;
	n.cur->f[FID_EPT_POINTER] = EPT12_AD;
	merge_root(&n, n.cur);
	assert_int_equal(violate(0x128, EPT_READ | LINEAR), NESTED_RESUME);
	assert_int_equal(leaf(0) & (EPT_WRITE | EPT_SUB_PAGE), 0);
	assert_false(writes(0x180));
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0x180);
	assert_int_equal(fake_read64(PTE(0)) & EPT_DIRTY, 0);
	assert_true(writes(0x128));
	assert_int_equal(fake_read64(PTE(0)) & EPT_DIRTY, EPT_DIRTY);
	assert_int_equal(leaf(0) & (EPT_WRITE | EPT_SUB_PAGE), EPT_SUB_PAGE);
}

static void invept_takes_rights_away(void **state)
{
	(void)state;
	assert_true(writes(0x128));
	assert_true(writes(0x1128));
	fake_write64(SPPE(0), SPP_RIGHT(0));
	assert_int_equal(processor(0x128), WRITES); /* as cached */
	assert_true(vept_invalidate(&n, EPT12));
	assert_int_equal(processor(0x128), VIOLATES);
	assert_int_equal(processor(0x1128), WRITES); /* others stay */
	assert_false(writes(0x128));
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0x128);
	assert_true(writes(0x28));
	fake_write64(SPPE(0), ALL);
	assert_true(writes(0x128)); /* given without */
	fake_write64(PTE(0), (TARGET | ASKS) & ~EPT_SUB_PAGE);
	assert_true(vept_invalidate(&n, EPT12));
	assert_false(writes(0x128));
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0x128);
}

static void each_table_of_l1s_has_a_root(void **state)
{
	const struct vept_root *first = n.cur->root;

	(void)state;
	assert_true(writes(0x128));
	n.cur->f[FID_SPPTP] = SPP4 + 0x8000; /* of zeros */
	merge_root(&n, n.cur);
	assert_ptr_not_equal(n.cur->root, first);
	assert_false(writes(0x128));
	told(EXIT_SPP_EVENT, QUAL_SPP_MISS, 0x128);
	n.cur->f[FID_SPPTP] = SPP4;
	merge_root(&n, n.cur);
	assert_ptr_equal(n.cur->root, first);
	assert_int_equal(processor(0x128), WRITES);
}

static void tables_that_run_out_are_the_oldest_roots(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 60; i++) {
		n.cur->f[FID_SPPTP] = SPP4 + 0x8000 + (i % 30) * PAGE_SIZE;
		fake_write64(n.cur->f[FID_SPPTP], SPP3 | SPP_VALID);
		merge_root(&n, n.cur);
		assert_true(writes(0x128));
		assert_true(writes(0x7128));
		assert_true(vm.vept.in_use <= TABLES);
	}
}

/* Ways of SPPT12 for each 512 GiB; one root whose tables are all that there are. */
static void a_root_alone_has_enough(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		fake_write64(EPT12_PML4 + i * 8, EPT12_PDPT | EPT_RWX);
		fake_write64(SPP4 + i * 8, SPP3 | SPP_VALID);
		assert_true(writes(i << 39 | 0x128));
		assert_true(vm.vept.in_use <= TABLES);
	}
}

static void after_forgetting_l1s_table_is_found_again(void **state)
{
	(void)state;
	assert_true(writes(0x128));
	vept_forget(&n);
	vept_check(&vm.vept);
	assert_true(writes(0x128));
	fake_write64(SPP4, 0);
	assert_true(vept_invalidate(&n, EPT12));
	assert_false(writes(0x128));
	told(EXIT_SPP_EVENT, QUAL_SPP_MISS, 0x128);
}

/* ---- what L0 completes ---- */

static struct paging_state flat(void)
{
	return (struct paging_state){.cr0 = CR0_PE, .maxphyaddr = 46, .eptp12 = EPT12};
}

static void l0_writes_what_l2_may(void **state)
{
	struct paging_state s = flat();
	struct paging_fault fault;
	uint64_t data[64] = {1};

	(void)state;
	assert_true(paging_write(&n, &s, 0x128, data, 8, &fault));
	assert_int_equal(fake_read64(TARGET + 0x128), 1);
	assert_false(paging_can_write(&n, &s, 0x180, 1, &fault));
	assert_true(fault.ept && fault.gpa == 0x180);
	/* the second one may not be written: nothing is */
	data[0] = 2;
	assert_false(paging_write(&n, &s, 0x178, data, 16, &fault));
	assert_true(fault.ept && fault.gpa == 0x180 && fault.address == 0x180);
	assert_int_equal(fake_read64(TARGET + 0x178), 0);
	nested_deliver_ept_fault(&n, &fault);
	assert_int_equal(f12(FID_EXIT_REASON), EXIT_EPT_VIOLATION);
	assert_int_equal(f12(FID_GUEST_PHYSICAL_ADDRESS), 0x180);
	resume();
	assert_true(paging_write(&n, &s, 0x1010, data, 512, &fault));
	assert_true(paging_can_write(&n, &s, 0x1ff0, 32, &fault));
	fake_write64(SPPE(1), ALL & ~SPP_RIGHT(0x100));
	assert_false(paging_write(&n, &s, 0x1010, data, 512, &fault));
	assert_true(fault.gpa == 0x1110 - 0x10);
}

static void l0_tells_l1_what_its_table_lacks(void **state)
{
	struct paging_state s = flat();
	struct paging_fault fault;
	uint64_t data = 1;

	(void)state;
	fake_write64(SPP2, 0);
	assert_false(paging_write(&n, &s, 0x128, &data, 8, &fault));
	nested_deliver_ept_fault(&n, &fault);
	assert_int_equal(f12(FID_EXIT_REASON), EXIT_SPP_EVENT);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), QUAL_SPP_MISS);
	assert_int_equal(f12(FID_GUEST_PHYSICAL_ADDRESS), 0x128);
	assert_int_equal(f12(FID_GUEST_LINEAR_ADDRESS), 0x128);
}

/* Of a device page one write says nothing of the next. */
static void each_write_to_a_device_is_judged(void **state)
{
	(void)state;
	fake_write64(PTE(0), 0xfe000000 | ASKS);
	assert_int_equal(violate(0x128, EPT_WRITE | LINEAR), NESTED_L0);
	assert_int_equal(violate(0x128, EPT_WRITE | LINEAR), NESTED_L0);
	expect_l1(violate(0x180, EPT_WRITE | LINEAR), EXIT_EPT_VIOLATION);
}

static void a_page_of_ours_has_the_rights_of_l1s(void **state)
{
	const struct vept_void at = {{0x128}, {0xfe000128}};

	(void)state;
	fake_write64(PTE(0), 0xfe000000 | ASKS);
	assert_int_equal(violate(0x128, EPT_WRITE | LINEAR), NESTED_L0);
	assert_true(vept_map_ones(&n, n.cur->root, &at));
	assert_int_equal(processor(0x128), VIOLATES);
	assert_true(vept_map_scratch(&n, n.cur->root, &at));
	assert_int_equal(processor(0x128), WRITES);
	assert_int_equal(processor(0x180), VIOLATES);
}

/* The processor tells of the first byte; the other sub-page is what forbids. */
static void a_write_that_the_processor_refuses_again_is_l1s(void **state)
{
	unsigned tries = 0;

	(void)state;
	while (violate(0x17c, EPT_WRITE | LINEAR) == NESTED_RESUME)
		assert_true(++tries < 4);
	told(EXIT_EPT_VIOLATION, 0x2a | LINEAR, 0x17c);
	/* behind anything else it is tried anew */
	assert_int_equal(violate(0x17c, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_int_equal(violate(0x1000, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_int_equal(violate(0x17c, EPT_WRITE | LINEAR), NESTED_RESUME);
	fake_write64(SPPE(0), SPP_RIGHT(0x100) | SPP_RIGHT(0x180));
	assert_int_equal(violate(0x17c, EPT_WRITE | LINEAR), NESTED_RESUME);
}

/* L1 looks for what L2 writes: the same write finds a page that is not dirty any more. */
static void a_write_behind_a_dirty_flag_that_went_is_tried_again(void **state)
{
	(void)state;
	n.cur->f[FID_EPT_POINTER] = EPT12_AD;
	merge_root(&n, n.cur);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(violate(0x128, EPT_WRITE | LINEAR), NESTED_RESUME);
		assert_int_equal(processor(0x128), WRITES);
		fake_write64(PTE(0), fake_read64(PTE(0)) & ~EPT_DIRTY);
		assert_true(vept_invalidate(&n, EPT12));
		assert_int_equal(processor(0x128), VIOLATES);
	}
}

/* RAM that came later (of a reserve). */
static void a_table_that_was_not_there_is_compared_too(void **state)
{
	(void)state;
	n.cur->f[FID_SPPTP] = SPP4 + 0x8000;
	fake_write64(SPP4 + 0x8000, SPP3 | SPP_VALID);
	fake.gone = SPP4 + 0x8000;
	merge_root(&n, n.cur);
	assert_false(writes(0x128));
	told(EXIT_SPP_EVENT, 0, 0x128);
	fake.gone = 0;
	assert_true(writes(0x128));
	fake_write64(SPP4 + 0x8000, 0);
	assert_true(vept_invalidate(&n, EPT12));
	assert_false(writes(0x128));
	told(EXIT_SPP_EVENT, QUAL_SPP_MISS, 0x128);
}

/* ---- any tables ---- */

/* Whether L1's own allow it; else the reason. */
static uint32_t refused(uint64_t gpa)
{
	uint64_t pte = fake_read64(PTE(gpa >> 12)), spp2 = fake_read64(SPP2), rights;

	if (pte & EPT_WRITE)
		return 0;
	if (!(pte & EPT_READ) || !(pte & EPT_SUB_PAGE))
		return EXIT_EPT_VIOLATION;
	if (!(spp2 & SPP_VALID))
		return EXIT_SPP_EVENT;
	rights = fake_read64(SPPE(gpa >> 12));
	if (rights & SPP_RIGHTS_RESERVED)
		return EXIT_SPP_EVENT;
	return rights & SPP_RIGHT(gpa) ? 0 : EXIT_EPT_VIOLATION;
}

static void change(uint64_t *seed)
{
	uint64_t page = random_next(seed) % 8, target = TARGET + page * PAGE_SIZE;
	static const uint64_t flags[] = {ASKS, ASKS | EPT_WRITE, ASKS & ~EPT_SUB_PAGE,
		EPT_EXEC | EPT_WB | EPT_SUB_PAGE, ASKS, ASKS};

	switch (random_next(seed) % 8) {
	case 0:
		fake_write64(PTE(page), target | flags[random_next(seed) % 6]);
		break;
	case 1:
		fake_write64(SPP2, random_next(seed) % 4 ? SPP1 | SPP_VALID : 0);
		break;
	case 2:
		fake_write64(SPPE(page), random_next(seed));
		break;
	default:
		fake_write64(SPPE(page), random_next(seed) & random_next(seed) & ALL);
		break;
	}
}

static void l2_may_write_what_l1s_tables_say(void **state)
{
	uint64_t seed = 4711, allowed = 0, events = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t gpa = random_next(&seed) % 0x8000;
		uint32_t reason;

		if (random_next(&seed) % 3 == 0)
			change(&seed);
		assert_true(vept_invalidate(&n, EPT12));
		reason = refused(gpa);
		if (writes(gpa)) {
			assert_int_equal(reason, 0);
			allowed++;
			continue;
		}
		assert_int_equal(f12(FID_EXIT_REASON), reason);
		events += reason == EXIT_SPP_EVENT;
		resume();
	}
	assert_true(allowed > 2000 && events > 2000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, vcpu_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_processor_has_l1s_rights),
		T(without_the_control_bit_61_means_nothing),
		T(other_writes_are_not_eligible),
		T(a_directory_may_be_what_forbids),
		T(what_l1s_table_lacks_is_l1s),
		T(a_malformed_entry_is_l1s),
		T(an_event_tells_of_iret_and_vectoring),
		T(a_denied_write_may_be_a_ve),
		T(our_own_table_is_not_l1s),
		T(a_page_that_is_not_dirty_is_not_written),
		T(invept_takes_rights_away),
		T(each_table_of_l1s_has_a_root),
		T(tables_that_run_out_are_the_oldest_roots),
		T(a_root_alone_has_enough),
		T(after_forgetting_l1s_table_is_found_again),
		T(l0_writes_what_l2_may),
		T(l0_tells_l1_what_its_table_lacks),
		T(each_write_to_a_device_is_judged),
		T(a_page_of_ours_has_the_rights_of_l1s),
		T(a_write_that_the_processor_refuses_again_is_l1s),
		T(a_write_behind_a_dirty_flag_that_went_is_tried_again),
		T(a_table_that_was_not_there_is_compared_too),
		T(l2_may_write_what_l1s_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
