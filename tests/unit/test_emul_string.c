/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String instructions and string I/O between a device and memory: bounds, pages, faults,
 * address sizes, segments.
 */
#include "emul_world.h"

static void a_repetition_stops_at_the_bound_and_goes_on(void **state)
{
	(void)state;
	r[REG_RCX] = 2 * EMUL_MAX_MOVES + 3;
	for (unsigned i = 1; i <= 2; i++) {
		fake.count = 0;
		assert_int_equal(RUN(0xf3, 0xaa), EMUL_AGAIN);
		assert_int_equal(fake.count, EMUL_MAX_MOVES);
		assert_int_equal(r[REG_RDI], DEVICE + i * EMUL_MAX_MOVES);
		assert_int_equal(r[REG_RCX], (2 - i) * EMUL_MAX_MOVES + 3);
		assert_int_equal(rip, 0x1000);
	}
	assert_int_equal(RUN(0xf3, 0xaa), EMUL_COMPLETE);
	assert_int_equal(r[REG_RCX], 0);
	assert_int_equal(rip, 0x1002);
}

/* For single steps, the monitor trap flag and breakpoints. */
static void one_iteration_at_a_time_when_asked(void **state)
{
	(void)state;
	cpu.one = true;
	r[REG_RCX] = 2;
	assert_int_equal(RUN(0xf3, 0xab), EMUL_AGAIN);
	assert_int_equal(r[REG_RCX], 1);
	assert_int_equal(fake.count, 1);
	assert_int_equal(RUN(0xf3, 0xab), EMUL_COMPLETE);
	assert_int_equal(fake.accesses[1].at, DEVICE + 4);
	assert_int_equal(rip, 0x1002);
}

static void a_repetition_goes_on_into_the_next_page(void **state)
{
	(void)state;
	r[REG_RCX] = 10;
	r[REG_RDI] = DEVICE + 0xff4;
	assert_int_equal(RUN(0xf3, 0xab), EMUL_COMPLETE);
	assert_int_equal(fake.accesses[3].at, DEVICE + 0x1000);
	assert_int_equal(fake.count, 10);
}

/* Its address goes back to the start of the segment, wherever in a page that is. */
static void an_index_of_16_bits_wraps(void **state)
{
	(void)state;
	cpu.mode = MODE16;
	fake.segment[SEG_ES].base = DEVICE - 0xf000;
	fake.memory_at = DEVICE - 0xf000;
	r[REG_RDI] = 0x1234fffe;
	r[REG_RCX] = 4;
	r[REG_RAX] = 0x77;
	assert_int_equal(RUN(0xf3, 0xaa), EMUL_COMPLETE);
	assert_int_equal(r[REG_RDI], 0x12340002);
	assert_int_equal(fake.count, 2);
	assert_int_equal(device(0xffe, 2), 0x7777);
	assert_memory_equal(fake.memory, "\x77\x77\0", 3);
}

static void a_fault_in_the_middle_keeps_what_was_done(void **state)
{
	(void)state;
	memcpy(fake.memory, "0123456789abcdef", 16);
	fake.mapped = 12;
	r[REG_RCX] = 4;
	r[REG_RSI] = MEMORY;
	assert_int_equal(RUN(0xf3, 0xa5), EMUL_FAULT);
	assert_int_equal(fake.fault_at, MEMORY + 12);
	assert_int_equal(fake.count, 3);
	assert_memory_equal(fake.device, "0123456789ab\0\0", 14);
	assert_int_equal(r[REG_RCX], 1);
	assert_int_equal(r[REG_RSI], MEMORY + 12);
	assert_int_equal(r[REG_RDI], DEVICE + 12);
	assert_int_equal(rip, 0x1000);
	fake.mapped = 16; /* the guest's handler returns to the instruction */
	assert_int_equal(RUN(0xf3, 0xa5), EMUL_COMPLETE);
	assert_memory_equal(fake.device, "0123456789abcdef", 16);
	assert_int_equal(rip, 0x1002);
}

static void a_device_is_not_read_when_memory_cannot_take_it(void **state)
{
	(void)state;
	fake.mapped = 8;
	r[REG_RCX] = 3;
	r[REG_RSI] = DEVICE;
	r[REG_RDI] = MEMORY;
	assert_int_equal(RUN(0xf3, 0xa5), EMUL_FAULT);
	assert_int_equal(fake_count(false, false), 2);
	assert_int_equal(r[REG_RCX], 1);
	r[REG_RSI] = MEMORY + 0x100000; /* neither is there: the source's fault comes first */
	assert_int_equal(RUN(0xf3, 0xa5), EMUL_FAULT);
	assert_int_equal(fake.fault_at, MEMORY + 0x100000);
}

static void a_device_can_be_both_operands(void **state)
{
	(void)state;
	memcpy(fake.device, "01234567", 8);
	r[REG_RSI] = DEVICE;
	r[REG_RDI] = DEVICE + 8;
	r[REG_RCX] = 2;
	assert_int_equal(RUN(0xf3, 0xa5), EMUL_COMPLETE);
	assert_memory_equal(fake.device, "0123456701234567", 16);
	assert_int_equal(fake_count(false, false), 2);
	assert_int_equal(fake_count(false, true), 2);
}

static void lods_fills_rax_from_a_device(void **state)
{
	(void)state;
	put_device(0, 8, 0x1122334455667788);
	r[REG_RSI] = DEVICE;
	assert_int_equal(RUN(0xad), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 0x55667788);
	assert_int_equal(r[REG_RSI], DEVICE + 4);
	assert_int_equal(r[REG_RDI], DEVICE);
}

static void scas_and_cmps_end_by_the_zero_flag(void **state)
{
	(void)state;
	memcpy(fake.device, "aaab", 4);
	memcpy(fake.memory, "aabb", 4);
	r[REG_RAX] = 'b';
	r[REG_RCX] = 9;
	assert_int_equal(RUN(0xf2, 0xae), EMUL_COMPLETE); /* repne scasb */
	assert_int_equal(r[REG_RCX], 5);
	assert_int_equal(r[REG_RDI], DEVICE + 4);
	assert_true(cpu.rflags & RFLAGS_ZF);
	r[REG_RSI] = MEMORY;
	r[REG_RDI] = DEVICE;
	assert_int_equal(RUN(0xf3, 0xa6), EMUL_COMPLETE); /* repe cmpsb */
	assert_int_equal(r[REG_RCX], 2);
	assert_false(cpu.rflags & (RFLAGS_ZF | RFLAGS_CF)); /* b - a */
}

static void a_repetition_of_none_touches_nothing(void **state)
{
	(void)state;
	cpu.mode = MODE16;
	r[REG_RCX] = 0xffff0000; /* CX counts */
	assert_int_equal(RUN(0xf3, 0xa4), EMUL_COMPLETE);
	assert_int_equal(fake.count, 0);
	assert_int_equal(r[REG_RCX], 0xffff0000);
	assert_int_equal(rip, 0x1002);
}

/* 16 bits keep the rest of a register, 32 bits of an address clear the upper half. */
static void counters_and_indexes_have_the_address_size(void **state)
{
	(void)state;
	cpu.mode = MODE16;
	r[REG_RCX] = 0xabcd0002;
	r[REG_RSI] = 0x1234ffff;
	r[REG_RDI] = 0x56780000;
	fake.segment[SEG_DS].base = 0xffff8000; /* the sum wraps */
	fake.segment[SEG_ES].base = DEVICE;
	fake.memory_at = 0x7fff;
	assert_int_equal(RUN(0xa4), EMUL_COMPLETE);
	assert_int_equal(r[REG_RSI], 0x12340000);
	assert_int_equal(r[REG_RDI], 0x56780001);
	assert_int_equal(r[REG_RCX], 0xabcd0002);

	cpu.mode = MODE64;
	fake.device_at = 0xffffff00;
	r[REG_RCX] = 0xa0a0a0a000000001;
	r[REG_RDI] = 0xa0a0a0a0ffffffff;
	assert_int_equal(RUN(0x67, 0xf3, 0xaa), EMUL_COMPLETE);
	assert_int_equal(r[REG_RDI], 0);
	assert_int_equal(r[REG_RCX], 0);
	assert_int_equal(fake.accesses[1].at, 0xffffffff);
}

static void the_source_has_the_segment_of_the_prefix(void **state)
{
	(void)state;
	cpu.mode = MODE32;
	fake.segment[SEG_SS].base = 0x10000;
	r[REG_RSI] = MEMORY - 0x10000;
	fake.memory[0] = 0x77;
	assert_int_equal(RUN(0x36, 0xa4), EMUL_COMPLETE);
	assert_int_equal(device(0, 1), 0x77);
	cpu.mode = MODE64; /* has FS and GS only */
	fake.segment[SEG_GS].base = 0x123400000000;
	fake.memory_at = 0x123400000000 + MEMORY;
	r[REG_RSI] = MEMORY + 1;
	fake.memory[1] = 0x88;
	assert_int_equal(RUN(0x65, 0xa4), EMUL_COMPLETE);
	assert_int_equal(device(1, 1), 0x88);
	fake.segment[SEG_FS].base = fake.segment[SEG_GS].base + 2;
	fake.memory[4] = 0x99;
	assert_int_equal(RUN(0x64, 0x36, 0xa4), EMUL_COMPLETE); /* SS does not count */
	assert_int_equal(device(2, 1), 0x99);
	assert_int_equal(fake.segment_asked[SEG_SS], 1);
}

static void the_destination_is_always_in_es(void **state)
{
	(void)state;
	cpu.mode = MODE32;
	fake.segment[SEG_ES].base = 0x10000;
	r[REG_RSI] = DEVICE;
	r[REG_RDI] = MEMORY - 0x10000;
	put_device(0, 4, 0x55667788);
	assert_int_equal(RUN(0x36, 0xa5), EMUL_COMPLETE);
	assert_memory_equal(fake.memory, "\x88\x77\x66\x55", 4);
}

/* ---- INS and OUTS ---- */

static struct emul_string_io string_io(uint8_t size, bool in, bool rep)
{
	return (struct emul_string_io){.port = 0x1f0,
		.size = size,
		.in = in,
		.rep = rep,
		.address_size = 8,
		.segment = SEG_DS,
		.length = 2};
}

static void ins_fills_memory_and_outs_empties_it(void **state)
{
	struct emul_string_io io = string_io(2, true, true);

	(void)state;
	fake.port_value = 0x4141;
	r[REG_RCX] = 3;
	r[REG_RDI] = MEMORY;
	cpu.rip = 0x1000;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_memory_equal(fake.memory, "AABACA\0", 7);
	assert_int_equal(r[REG_RCX], 0);
	assert_int_equal(r[REG_RDI], MEMORY + 6);
	assert_int_equal(cpu.rip, 0x1002);
	io.in = io.rep = false;
	cpu.rflags |= RFLAGS_DF;
	r[REG_RSI] = MEMORY + 4;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_int_equal(fake.count, 4);
	assert_int_equal(fake.accesses[3].at, 0x1f0);
	assert_int_equal(fake.accesses[3].size, 2);
	assert_true(fake.accesses[3].write);
	assert_int_equal(fake.accesses[3].value, 0x4143);
	assert_int_equal(r[REG_RSI], MEMORY + 2);
	assert_int_equal(r[REG_RCX], 0);
	io.rep = true;
	r[REG_RCX] = 2;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_int_equal(fake.accesses[4].value, 0x4142);
	assert_int_equal(fake.accesses[5].value, 0x4141);
}

static void string_io_moves_between_two_devices(void **state)
{
	struct emul_string_io in = string_io(4, true, false), out = string_io(4, false, false);

	(void)state;
	fake.port_value = 0x11223344;
	assert_int_equal(emul_string_io(&cpu, &in), EMUL_COMPLETE);
	assert_int_equal(device(0, 4), 0x11223344);
	r[REG_RSI] = DEVICE;
	assert_int_equal(emul_string_io(&cpu, &out), EMUL_COMPLETE);
	assert_int_equal(fake.accesses[fake.count - 1].value, 0x11223344);
	assert_true(fake.accesses[fake.count - 1].port);
}

static void string_io_stops_at_the_bound_and_goes_on(void **state)
{
	struct emul_string_io io = string_io(1, false, true);

	(void)state;
	io.address_size = 2;
	fake.memory_at = 0;
	r[REG_RCX] = 0xabcd0000 + EMUL_MAX_IO + 1;
	r[REG_RSI] = 0x10000;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_AGAIN);
	assert_int_equal(fake.count, EMUL_MAX_IO);
	assert_int_equal(r[REG_RCX], 0xabcd0001);
	assert_int_equal(cpu.rip, 0);
	cpu.one = true;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_int_equal(r[REG_RCX], 0xabcd0000);
	assert_int_equal(r[REG_RSI], 0x10000 + EMUL_MAX_IO + 1);
	r[REG_RCX] = 2;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_AGAIN);
	assert_int_equal(r[REG_RCX], 1);
}

static void string_io_goes_on_where_its_register_wraps(void **state)
{
	struct emul_string_io io = string_io(1, false, true);

	(void)state;
	cpu.mode = MODE16;
	io.address_size = 2;
	fake.segment[SEG_DS].base = fake.memory_at = 0x7fff;
	fake.mapped = 1;
	r[REG_RCX] = 2;
	cpu.rflags |= RFLAGS_DF;
	r[REG_RSI] = 0;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(r[REG_RCX], 1);
	assert_int_equal(fake.fault_at, 0x7fff + 0xffff);
	cpu.mode = MODE32;
	cpu.rflags = 2;
	io.address_size = 4;
	r[REG_RCX] = 2;
	r[REG_RSI] = UINT32_MAX;
	fake.segment[SEG_DS].base = 0;
	fake.memory_at = UINT32_MAX;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(fake.fault_at, 0);
}

static void a_port_is_not_read_when_memory_cannot_take_it(void **state)
{
	struct emul_string_io io = string_io(4, true, true);

	(void)state;
	fake.mapped = 10;
	r[REG_RCX] = 5;
	r[REG_RDI] = MEMORY;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(fake_count(true, false), 2);
	assert_int_equal(fake.fault_at, MEMORY + 8);
	assert_int_equal(r[REG_RCX], 3);
	assert_int_equal(r[REG_RDI], MEMORY + 8);
	io.in = false;
	r[REG_RSI] = MEMORY + 8;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(fake_count(true, true), 0);
	assert_int_equal(r[REG_RCX], 3);
}

/* ---- what is checked before an address is translated ---- */

static enum emul_end out_from(uint64_t rsi, uint8_t segment)
{
	struct emul_string_io io = string_io(2, false, false);

	io.segment = segment;
	r[REG_RSI] = rsi;
	if (!cpu.mode.long64)
		io.address_size = 4;
	cpu.vector = 0;
	return emul_string_io(&cpu, &io);
}

static void addresses_that_are_not_canonical_raise_gp(void **state)
{
	(void)state;
	fake.memory_at = 0x7fffffffe000;
	assert_int_equal(out_from(0x7ffffffffffe, SEG_DS), EMUL_COMPLETE);
	assert_int_equal(out_from(0x7fffffffffff, SEG_DS), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_GP);
	assert_int_equal(out_from(1ull << 63, SEG_SS), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_SS);
	assert_int_equal(fake.count, 1);
}

static void five_level_paging_makes_57_bits_canonical(void **state)
{
	(void)state;
	cpu.la57 = true;
	fake.memory_at = 0xffffffffffe000;
	assert_int_equal(out_from(0xfffffffffffffe, SEG_DS), EMUL_COMPLETE);
	assert_int_equal(out_from(0xffffffffffffff, SEG_DS), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_GP);
	cpu.la57 = false;
	assert_int_equal(out_from(0xfffffffffffffe, SEG_DS), EMUL_EXCEPTION);
	assert_int_equal(fake.count, 1);
}

static void addresses_beyond_the_limit_raise_gp_or_ss(void **state)
{
	(void)state;
	cpu.mode = MODE32;
	cpu.types = true;
	fake.segment[SEG_DS].limit = fake.segment[SEG_SS].limit = MEMORY + 3;
	assert_int_equal(out_from(MEMORY + 2, SEG_DS), EMUL_COMPLETE);
	assert_int_equal(out_from(MEMORY + 3, SEG_DS), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_GP);
	assert_int_equal(out_from(MEMORY + 3, SEG_SS), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_SS);
	fake.segment[SEG_DS].ar |= SEG_TYPE_DOWN; /* what is valid is above the limit */
	assert_int_equal(out_from(MEMORY + 3, SEG_DS), EMUL_EXCEPTION);
	assert_int_equal(out_from(MEMORY + 4, SEG_DS), EMUL_COMPLETE);
	fake.segment[SEG_DS].ar &= ~SEG_AR_DB;
	assert_int_equal(out_from(MEMORY + 4, SEG_DS), EMUL_EXCEPTION); /* 64 KiB */
}

static void segments_allow_what_their_type_says(void **state)
{
	struct emul_string_io in = string_io(1, true, false);

	(void)state;
	cpu.mode = MODE32;
	cpu.types = true;
	in.address_size = 4;
	fake.segment[SEG_ES].ar &= ~SEG_TYPE_WRITABLE;
	assert_int_equal(emul_string_io(&cpu, &in), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_GP);
	assert_int_equal(out_from(MEMORY, SEG_CS), EMUL_COMPLETE);
	fake.segment[SEG_CS].ar &= ~SEG_TYPE_READABLE;
	assert_int_equal(out_from(MEMORY, SEG_CS), EMUL_EXCEPTION);
	fake.segment[SEG_DS].ar |= SEG_AR_UNUSABLE;
	assert_int_equal(out_from(MEMORY, SEG_DS), EMUL_EXCEPTION);
	fake.count = 0;
	cpu.types = false; /* real mode */
	assert_int_equal(emul_string_io(&cpu, &in), EMUL_COMPLETE);
	assert_int_equal(fake_count(true, false), 1);
}

static void unaligned_accesses_raise_ac_when_asked(void **state)
{
	(void)state;
	assert_int_equal(out_from(MEMORY + 1, SEG_DS), EMUL_COMPLETE);
	cpu.aligned = true;
	assert_int_equal(out_from(MEMORY + 1, SEG_DS), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_AC);
	assert_int_equal(out_from(MEMORY + 2, SEG_DS), EMUL_COMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_repetition_stops_at_the_bound_and_goes_on, setup),
		cmocka_unit_test_setup(one_iteration_at_a_time_when_asked, setup),
		cmocka_unit_test_setup(a_repetition_goes_on_into_the_next_page, setup),
		cmocka_unit_test_setup(an_index_of_16_bits_wraps, setup),
		cmocka_unit_test_setup(a_fault_in_the_middle_keeps_what_was_done, setup),
		cmocka_unit_test_setup(a_device_is_not_read_when_memory_cannot_take_it, setup),
		cmocka_unit_test_setup(a_device_can_be_both_operands, setup),
		cmocka_unit_test_setup(lods_fills_rax_from_a_device, setup),
		cmocka_unit_test_setup(scas_and_cmps_end_by_the_zero_flag, setup),
		cmocka_unit_test_setup(a_repetition_of_none_touches_nothing, setup),
		cmocka_unit_test_setup(counters_and_indexes_have_the_address_size, setup),
		cmocka_unit_test_setup(the_source_has_the_segment_of_the_prefix, setup),
		cmocka_unit_test_setup(the_destination_is_always_in_es, setup),
		cmocka_unit_test_setup(ins_fills_memory_and_outs_empties_it, setup),
		cmocka_unit_test_setup(string_io_moves_between_two_devices, setup),
		cmocka_unit_test_setup(string_io_stops_at_the_bound_and_goes_on, setup),
		cmocka_unit_test_setup(string_io_goes_on_where_its_register_wraps, setup),
		cmocka_unit_test_setup(a_port_is_not_read_when_memory_cannot_take_it, setup),
		cmocka_unit_test_setup(addresses_that_are_not_canonical_raise_gp, setup),
		cmocka_unit_test_setup(five_level_paging_makes_57_bits_canonical, setup),
		cmocka_unit_test_setup(addresses_beyond_the_limit_raise_gp_or_ss, setup),
		cmocka_unit_test_setup(segments_allow_what_their_type_says, setup),
		cmocka_unit_test_setup(unaligned_accesses_raise_ac_when_asked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
