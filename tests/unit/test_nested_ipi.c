/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPI virtualization: each rule by which a write of L2's ICR is posted, or is an APIC-write
 * exit (SDM, "IPI Virtualization", "APIC-Write Emulation", "Virtualizing MSR-Based APIC
 * Accesses").
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "nested/state.h"
#include "spec/apic.h"
#include "spec/posted.h"
#include "vept_world.h"

#define TABLE  GOLDEN_PID_TABLE
#define LAST   7u
#define NO_RAM 0xfee00000u
#define LENGTH 2u
#define VICR   (GOLDEN_VIRTUAL_APIC + APIC_ICR)
#define NV     0xf3ull
#define NDST   0x12345678ull
#define OTHERS (NV << PID_NV_SHIFT | NDST << PID_NDST_SHIFT)

#define WRITE_BITS 0x800u /* of the MSR bitmap, of low MSRs */

/* The descriptor of virtual processor i: the last of a page, the first of one, ... */
static uint64_t descriptor(unsigned i)
{
	return 0x14fc0 + i * 0x40;
}

static void set_pointers(void)
{
	for (unsigned i = 0; i <= LAST; i++) {
		fake_write64(TABLE + i * 8, descriptor(i) | 1);
		for (unsigned w = 0; w < 8; w++)
			fake_write64(descriptor(i) + w * 8, 0);
		fake_write64(descriptor(i) + 32, OTHERS);
	}
}

static int setup_x2apic(void **state)
{
	world_setup(state);
	set_pointers();
	world_enter(golden_x2apic);
	world_02()[FID_EXIT_INSTRUCTION_LENGTH] = LENGTH;
	return 0;
}

static int setup_xapic(void **state)
{
	world_setup(state);
	set_pointers();
	world_enter(golden_apicv);
	return 0;
}

/* L2 changes: it was entered, and is again. */
static void change(enum vmcs_fid fid, uint64_t value)
{
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	world_write(fid, value);
	world_resume();
}

static void change_bits(enum vmcs_fid fid, uint64_t set, uint64_t clear)
{
	change(fid, (world_12()[fid] & ~clear) | set);
}

/* WRMSR of the ICR. */
static enum nested_verdict wrmsr(uint32_t low, uint32_t to)
{
	world.gpr[REG_RCX] = 0xabcd00000830;
	world.gpr[REG_RAX] = 0xffff000000000000 | low;
	world.gpr[REG_RDX] = 0x123400000000 | to;
	fake.call_count = 0;
	return nested_l2_exit(&world.n, EXIT_WRMSR);
}

/* A write to the ICR's lower half in memory, behind it. */
static enum nested_verdict apic_write(uint32_t low, uint32_t high)
{
	fake_write32(VICR, low);
	fake_write32(GOLDEN_VIRTUAL_APIC + APIC_ICR_HIGH, high);
	world_02()[FID_EXIT_QUALIFICATION] = 0xabcd300;
	fake.call_count = 0;
	return nested_l2_exit(&world.n, EXIT_APIC_WRITE);
}

static bool requested(unsigned i, unsigned vector)
{
	return fake_read64(descriptor(i) + vector / 64 * 8) == 1ull << vector % 64;
}

static void expect_nothing_posted(void)
{
	for (unsigned i = 0; i <= LAST; i++)
		for (unsigned w = 0; w < 8; w++)
			assert_true(
				fake_read64(descriptor(i) + w * 8) == (w == 4 ? OTHERS : 0));
	assert_int_equal(fake_called("seam_notify"), 0);
}

static void expect_notified(uint64_t ndst, unsigned vector)
{
	const struct fake_call *c = fake_last("seam_notify");

	assert_int_equal(fake_called("seam_notify"), 1);
	assert_true(c->a == ndst);
	assert_int_equal(c->b, vector);
}

/* L1 got an APIC-write exit; RIP of L2 is behind the instruction. */
static void expect_exit(uint64_t rip)
{
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_APIC_WRITE);
	assert_int_equal(world_12()[FID_EXIT_QUALIFICATION], 0x300);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], 0);
	assert_int_equal(world_12()[FID_IDT_VECTORING_INFO], 0);
	assert_true(world_12()[FID_GUEST_RIP] == rip);
	expect_nothing_posted();
}

static void expect_x2apic_exit(uint32_t low, uint32_t to)
{
	uint64_t rip = world_02()[FID_GUEST_RIP];

	assert_int_equal(wrmsr(low, to), NESTED_L1);
	expect_exit(rip + LENGTH);
	assert_true(fake_read64(VICR) == ((uint64_t)to << 32 | low));
	world_resume();
}

static void expect_xapic_exit(uint32_t low, uint32_t high)
{
	uint64_t rip = world_02()[FID_GUEST_RIP];

	assert_int_equal(apic_write(low, high), NESTED_L1);
	expect_exit(rip);
	world_resume();
}

/* ---- what is posted ---- */

static void a_fixed_interrupt_is_posted_and_notified_without_l1(void **state)
{
	uint64_t rip = world_02()[FID_GUEST_RIP], exits = nested_exits_to_l1(&world.n.stats);

	(void)state;
	assert_int_equal(wrmsr(0x61, 1), NESTED_RESUME);
	assert_true(world.n.in_l2);
	assert_true(world_02()[FID_GUEST_RIP] == rip + LENGTH);
	assert_true(fake_read64(VICR) == (1ull << 32 | 0x61));
	assert_true(requested(1, 0x61));
	assert_true(fake_read64(descriptor(1) + 32) == (OTHERS | PID_ON));
	expect_notified(NDST, NV);
	assert_int_equal(world.n.stats.ipis, 1);
	assert_int_equal(nested_exits_to_l1(&world.n.stats), exits);
}

static void each_vector_and_each_index_has_its_bit_and_its_descriptor(void **state)
{
	(void)state;
	for (unsigned v = 16; v < 256; v++) {
		unsigned to = v % (LAST + 1);

		set_pointers();
		assert_int_equal(wrmsr(v, to), NESTED_RESUME);
		assert_true(requested(to, v));
		assert_int_equal(fake_called("seam_notify"), 1);
	}
}

/* The assert bit means nothing for a fixed interrupt (10.6.1). */
static void the_level_bit_is_not_looked_at(void **state)
{
	(void)state;
	assert_int_equal(wrmsr(ICR_ASSERT | 0x61, 0), NESTED_RESUME);
	assert_true(requested(0, 0x61));
}

static void who_is_notified_already_or_suppresses_it_is_not_notified(void **state)
{
	static const uint64_t states[] = {PID_ON, PID_SN, PID_ON | PID_SN};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		set_pointers();
		fake_write64(descriptor(2) + 32, OTHERS | states[i]);
		assert_int_equal(wrmsr(0x61, 2), NESTED_RESUME);
		assert_true(requested(2, 0x61));
		assert_true(fake_read64(descriptor(2) + 32) == (OTHERS | states[i]));
		assert_int_equal(fake_called("seam_notify"), 0);
	}
}

static void requests_add_up(void **state)
{
	(void)state;
	fake_write64(descriptor(3) + 8, 1);
	assert_int_equal(wrmsr(0x41, 3), NESTED_RESUME);
	assert_int_equal(wrmsr(0x42, 3), NESTED_RESUME);
	assert_int_equal(fake_read64(descriptor(3) + 8), 7);
	assert_int_equal(fake_called("seam_notify"), 0); /* ON since the first */
}

static void in_xapic_mode_the_id_is_in_the_upper_byte_of_the_other_register(void **state)
{
	uint64_t rip = world_02()[FID_GUEST_RIP];

	(void)state;
	assert_int_equal(apic_write(0x71, 0x05ffffff), NESTED_RESUME);
	assert_true(world.n.in_l2);
	assert_true(world_02()[FID_GUEST_RIP] == rip); /* it is behind the write already */
	assert_true(requested(5, 0x71));
	expect_notified(NDST, NV);
}

/* ---- what is an exit instead ---- */

#define OF_OTHER_KINDS(expect)                         \
	do {                                           \
		expect(ICR_LOWEST | 0x61, 0);          \
		expect(2u << DELIVER_SHIFT | 0x61, 0); \
		expect(ICR_NMI | 0x61, 0);             \
		expect(ICR_INIT | 0x61, 0);            \
		expect(ICR_STARTUP | 0x61, 0);         \
		expect(ICR_LOGICAL | 0x61, 0);         \
		expect(ICR_BUSY | 0x61, 0);            \
		expect(ICR_LEVEL | 0x61, 0);           \
		expect(ICR_ALL | 0x61, 0);             \
		expect(ICR_OTHERS | 0x61, 0);          \
		expect(ICR_SELF | 0x61, 0);            \
		expect(0x0f, 0);                       \
		expect(0, 0);                          \
	} while (0)

static void other_interrupts_are_exits(void **state)
{
	(void)state;
	OF_OTHER_KINDS(expect_x2apic_exit);
}

static void other_interrupts_are_exits_in_xapic_mode(void **state)
{
	(void)state;
	OF_OTHER_KINDS(expect_xapic_exit);
	for (unsigned bit = 20; bit < 32; bit++)
		expect_xapic_exit(1u << bit | 0x61, 0);
	expect_xapic_exit(1u << 16 | 0x61, 0);
	expect_xapic_exit(1u << 17 | 0x61, 0);
	expect_xapic_exit(1u << 13 | 0x61, 0);
}

static void an_id_behind_the_table_is_an_exit(void **state)
{
	(void)state;
	fake_write64(TABLE + 8 * (LAST + 1), descriptor(0) | 1);
	expect_x2apic_exit(0x61, LAST + 1);
	fake_write64(TABLE + 8 * 0x10000, descriptor(0) | 1);
	expect_x2apic_exit(0x61, 0x10000); /* the index has 16 bits, the id 32 */
	expect_x2apic_exit(0x61, UINT32_MAX);
	assert_int_equal(wrmsr(0x61, LAST), NESTED_RESUME);
}

static void an_entry_that_is_not_valid_is_an_exit(void **state)
{
	(void)state;
	fake_write64(TABLE, descriptor(0));
	expect_x2apic_exit(0x61, 0);
	for (unsigned bit = 1; bit < 6; bit++) {
		fake_write64(TABLE, descriptor(0) | 1 | 1ull << bit);
		expect_x2apic_exit(0x61, 0);
	}
	for (unsigned bit = 46; bit < 64; bit++) { /* MAXPHYADDR is 46 */
		fake_write64(TABLE, descriptor(0) | 1 | 1ull << bit);
		expect_x2apic_exit(0x61, 0);
	}
}

static void a_table_that_is_no_ram_reads_as_ones(void **state)
{
	(void)state;
	change(FID_PID_POINTER_TABLE, NO_RAM);
	expect_x2apic_exit(0x61, 0);
}

/* Written nowhere; what is read there says that a notification is under way. */
static void a_descriptor_that_is_no_ram_takes_all_and_notifies_nobody(void **state)
{
	(void)state;
	fake_write64(TABLE, NO_RAM | 1);
	assert_int_equal(wrmsr(0x61, 0), NESTED_RESUME);
	expect_nothing_posted();
}

static void a_virtual_apic_page_that_is_no_ram_does_not_keep_the_interrupt(void **state)
{
	(void)state;
	change(FID_VIRTUAL_APIC_ADDR, NO_RAM);
	assert_int_equal(wrmsr(0x61, 1), NESTED_RESUME);
	assert_true(requested(1, 0x61));
}

/* ---- WRMSR ---- */

static void reserved_bits_fault_and_write_nothing(void **state)
{
	static const uint8_t bits[] = {13, 16, 17, 20, 25, 31};
	uint64_t rip = world_02()[FID_GUEST_RIP];

	(void)state;
	world.vm.explaining = true;
	fake_write64(VICR, 0x1111);
	for (unsigned i = 0; i < sizeof(bits); i++) {
		assert_int_equal(wrmsr(1u << bits[i] | 0x61, 1), NESTED_RESUME);
		assert_int_equal(fake_last("seam_inject")->a, VEC_GP);
		assert_int_equal(fake_last("seam_inject")->b, 0);
		assert_true(world_02()[FID_GUEST_RIP] == rip);
		assert_int_equal(fake_read64(VICR), 0x1111);
		assert_int_equal(fake_called("seam_report"), 1);
		expect_nothing_posted();
	}
}

static void what_l1_intercepts_is_its_exit(void **state)
{
	(void)state;
	fake.ram[0x3000 + WRITE_BITS + 0x830 / 8] |= 1;
	assert_int_equal(wrmsr(0x61, 1), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_WRMSR);
	expect_nothing_posted();
}

static void expect_not_ours(void)
{
	assert_int_equal(wrmsr(0x61, 1), NESTED_L0);
	expect_nothing_posted();
}

static void without_one_of_its_controls_it_is_l1s_own_icr(void **state)
{
	(void)state;
	change(FID_PROC3_CONTROLS, 0);
	expect_not_ours();
	change(FID_PROC3_CONTROLS, PROC3_IPI_VIRTUALIZATION);
	change_bits(FID_PROC_CONTROLS, 0, PROC_TERTIARY);
	expect_not_ours();
	change_bits(FID_PROC_CONTROLS, PROC_TERTIARY, 0);
	change_bits(FID_PROC2_CONTROLS, 0, PROC2_X2APIC_MODE);
	expect_not_ours();
	change_bits(FID_PROC2_CONTROLS, PROC2_X2APIC_MODE, 0);
	assert_int_equal(wrmsr(0x61, 1), NESTED_RESUME);
}

static void other_msrs_are_none_of_its(void **state)
{
	(void)state;
	world.gpr[REG_RCX] = MSR_STAR;
	fake.ram[0x3000 + WRITE_BITS + 1024 + (MSR_STAR & 0x1fff) / 8] = 0;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_WRMSR), NESTED_L0);
}

/* ---- APIC-write exits ---- */

static void writes_of_other_registers_are_l1s(void **state)
{
	(void)state;
	fake_write32(VICR, 0x61);
	world_02()[FID_EXIT_QUALIFICATION] = APIC_SVR;
	fake.call_count = 0;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_APIC_WRITE), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_QUALIFICATION], APIC_SVR);
	expect_nothing_posted();
}

static void without_the_control_the_write_is_l1s(void **state)
{
	(void)state;
	change(FID_PROC3_CONTROLS, 0);
	assert_int_equal(apic_write(0x61, 0), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_APIC_WRITE);
	expect_nothing_posted();
}

/* ---- around it ---- */

static void the_monitor_trap_flag_counts_it_as_an_instruction(void **state)
{
	(void)state;
	change_bits(FID_PROC_CONTROLS, PROC_MTF, 0);
	assert_int_equal(wrmsr(0x61, 1), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_MTF);
	assert_true(requested(1, 0x61));
	expect_notified(NDST, NV);
}

static void vmcs02_has_no_tertiary_controls_and_writes_of_icr_exit(void **state)
{
	(void)state;
	assert_false(world_02()[FID_PROC_CONTROLS] & PROC_TERTIARY);
	assert_true(world.msr_bitmap02[(WRITE_BITS + 0x830 / 8) / 8] >> 0x30 & 1);
}

/* ---- a descriptor in a table of EPT12: what L0 writes there INVEPT must see ---- */

#define PIR_ENTRY 1u /* maps page 1 of L2, and has the requests for vectors 64 to 127 */

/* L2 has page 1, by the descriptor of the first processor behind a page's start. */
static void map_by_descriptor(uint64_t eptp)
{
	fake_write64(eptp & EPT_ADDRESS, 0x70000 | EPT_RWX);
	fake_write64(0x70000, 0x71000 | EPT_RWX);
	fake_write64(0x71000, descriptor(1) | EPT_RWX);
	fake_write64(descriptor(1) + PIR_ENTRY * 8, 0x801000 | EPT_WB | EPT_RWX);
	world_02()[FID_EXIT_QUALIFICATION] = 1;
	world_02()[FID_GUEST_PHYSICAL_ADDRESS] = 0x1000;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_EPT_VIOLATION), NESTED_RESUME);
	for (unsigned i = 0; i < 2; i++)
		assert_true(vept_invalidate(&world.n, eptp));
	assert_true((ept02_leaf(&world.vm.vept, world.n.cur->root, 0x1000) & EPT_ADDRESS) ==
		    FAKE_HPA_BASE + 0x801000);
}

static void a_request_in_a_table_of_ept12_is_seen(void **state)
{
	uint64_t eptp = world_12()[FID_EPT_POINTER];

	(void)state;
	map_by_descriptor(eptp);
	assert_int_equal(wrmsr(PIR_ENTRY * 64 + 20, 1), NESTED_RESUME);
	assert_true((fake_read64(descriptor(1) + PIR_ENTRY * 8) & EPT_ADDRESS) == 0x901000);
	assert_true(vept_invalidate(&world.n, eptp));
	assert_int_equal(ept02_leaf(&world.vm.vept, world.n.cur->root, 0x1000), 0);
}

static void requests_that_are_taken_from_a_table_of_ept12_are_seen(void **state)
{
	uint64_t eptp = world_12()[FID_EPT_POINTER];

	(void)state;
	change(FID_POSTED_INTR_DESC, descriptor(1));
	map_by_descriptor(eptp);
	fake_hw.irq = (int)world_12()[FID_POSTED_INTR_NV];
	assert_true(world_arrives(NESTED_INTERRUPT));
	assert_true(world.n.in_l2);
	assert_int_equal(fake_read64(descriptor(1) + PIR_ENTRY * 8), 0);
	assert_true(vept_invalidate(&world.n, eptp));
	assert_int_equal(ept02_leaf(&world.vm.vept, world.n.cur->root, 0x1000), 0);
}

static void the_fields_are_part_of_the_state(void **state)
{
	static struct nested_state s;
	const uint64_t *f;
	uint64_t last;

	(void)state;
	nested_get(&world.n, &s);
	assert_int_equal(s.vmcs_count, 2); /* and the shadow VMCS */
	f = s.vmcs[s.vmcs[0].is_shadow].f;
	assert_int_equal(f[FID_PROC3_CONTROLS], PROC3_IPI_VIRTUALIZATION);
	assert_int_equal(f[FID_PID_POINTER_TABLE], TABLE);
	assert_int_equal(f[FID_LAST_PID_POINTER_INDEX], LAST);
	assert_true(nested_state_begin_fields(&world.n));
	assert_true(nested_state_field(&world.n, FID_LAST_PID_POINTER_INDEX, &last));
	assert_int_equal(last, LAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define X2(name) cmocka_unit_test_setup(name, setup_x2apic)
#define X1(name) cmocka_unit_test_setup(name, setup_xapic)
		X2(a_fixed_interrupt_is_posted_and_notified_without_l1),
		X2(each_vector_and_each_index_has_its_bit_and_its_descriptor),
		X2(the_level_bit_is_not_looked_at),
		X2(who_is_notified_already_or_suppresses_it_is_not_notified),
		X2(requests_add_up),
		X1(in_xapic_mode_the_id_is_in_the_upper_byte_of_the_other_register),
		X2(other_interrupts_are_exits),
		X1(other_interrupts_are_exits_in_xapic_mode),
		X2(an_id_behind_the_table_is_an_exit),
		X2(an_entry_that_is_not_valid_is_an_exit),
		X2(a_table_that_is_no_ram_reads_as_ones),
		X2(a_descriptor_that_is_no_ram_takes_all_and_notifies_nobody),
		X2(a_virtual_apic_page_that_is_no_ram_does_not_keep_the_interrupt),
		X2(reserved_bits_fault_and_write_nothing),
		X2(what_l1_intercepts_is_its_exit),
		X2(without_one_of_its_controls_it_is_l1s_own_icr),
		X2(other_msrs_are_none_of_its),
		X1(writes_of_other_registers_are_l1s),
		X1(without_the_control_the_write_is_l1s),
		X2(the_monitor_trap_flag_counts_it_as_an_instruction),
		X2(vmcs02_has_no_tertiary_controls_and_writes_of_icr_exit),
		X2(a_request_in_a_table_of_ept12_is_seen),
		X2(requests_that_are_taken_from_a_table_of_ept12_are_seen),
		X2(the_fields_are_part_of_the_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
