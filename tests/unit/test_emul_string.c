/*
 * String instructions and string I/O between a device and memory: bounds, pages, faults, address sizes, segments.
 */
#include "emul_world.h"

static void a_repetition_stops_at_the_bound_and_goes_on(void **state)
{
	(void)state;
	r[REG_RCX] = 2 * EMUL_MAX_MOVES + 3;
	r[REG_RDI] = 0x7000;
	for (unsigned i = 1; i <= 2; i++) {
		fake.count = 0;
		assert_int_equal(RUN(true, 0xf3, 0xaa), EMUL_AGAIN);
		assert_int_equal(fake.count, EMUL_MAX_MOVES);
		assert_int_equal(r[REG_RDI], 0x7000 + i * EMUL_MAX_MOVES);
		assert_int_equal(r[REG_RCX], (2 - i) * EMUL_MAX_MOVES + 3);
		assert_int_equal(rip, 0x1000);
	}
	assert_int_equal(RUN(true, 0xf3, 0xaa), EMUL_COMPLETE);
	assert_int_equal(r[REG_RCX], 0);
	assert_int_equal(rip, 0x1002);
}

static void a_repetition_stops_at_the_end_of_the_page(void **state)
{
	static const uint8_t stos[] = {0xf3, 0xab}, stosb[] = {0xf3, 0xaa};

	(void)state;
	r[REG_RCX] = 10;
	assert_int_equal(run_at(stos, 2, DEVICE + 0xff4, true), EMUL_AGAIN);
	assert_int_equal(r[REG_RCX], 7);
	assert_int_equal(fake.accesses[2].at, DEVICE + 0xffc);
	cpu.rflags |= RFLAGS_DF;
	assert_int_equal(run_at(stosb, 2, DEVICE + 0x1001, true), EMUL_AGAIN);
	assert_int_equal(r[REG_RCX], 5);
	assert_int_equal(fake.count, 5);
}

static void a_fault_in_the_middle_keeps_what_was_done(void **state)
{
	(void)state;
	memcpy(fake.memory, "0123456789abcdef", 16);
	fake.mapped = 12;
	r[REG_RCX] = 4;
	r[REG_RSI] = MEMORY;
	r[REG_RDI] = 0x7000;
	assert_int_equal(RUN(true, 0xf3, 0xa5), EMUL_FAULT);
	assert_int_equal(fake.fault_at, MEMORY + 12);
	assert_int_equal(fake.count, 3);
	assert_memory_equal(fake.device, "0123456789ab\0\0", 14);
	assert_int_equal(r[REG_RCX], 1);
	assert_int_equal(r[REG_RSI], MEMORY + 12);
	assert_int_equal(r[REG_RDI], 0x700c);
	assert_int_equal(rip, 0x1000);
	fake.mapped = 16; /* the guest's handler returns to the instruction */
	assert_int_equal(
		run_at((const uint8_t[]){0xf3, 0xa5}, 2, DEVICE + 12, true), EMUL_COMPLETE);
	assert_memory_equal(fake.device, "0123456789abcdef", 16);
	assert_int_equal(rip, 0x1002);
}

static void a_device_is_not_read_when_memory_cannot_take_it(void **state)
{
	(void)state;
	fake.mapped = 8;
	r[REG_RCX] = 3;
	r[REG_RDI] = MEMORY;
	assert_int_equal(RUN(false, 0xf3, 0xa5), EMUL_FAULT);
	assert_int_equal(fake_count(false, false), 2);
	assert_int_equal(r[REG_RCX], 1);
}

static void a_repetition_of_none_touches_nothing(void **state)
{
	(void)state;
	cpu.mode = MODE16;
	r[REG_RCX] = 0xffff0000; /* CX counts */
	assert_int_equal(RUN(true, 0xf3, 0xa4), EMUL_COMPLETE);
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
	fake.base[SEG_DS] = 0xffff8000; /* the sum wraps */
	fake.memory_at = 0x7fff;
	assert_int_equal(RUN(true, 0xa4), EMUL_COMPLETE);
	assert_int_equal(r[REG_RSI], 0x12340000);
	assert_int_equal(r[REG_RDI], 0x56780001);
	assert_int_equal(r[REG_RCX], 0xabcd0002);

	cpu.mode = MODE64;
	r[REG_RCX] = 0xa0a0a0a000000002;
	r[REG_RDI] = 0xa0a0a0a0ffffffff;
	assert_int_equal(RUN(true, 0x67, 0xf3, 0xaa), EMUL_COMPLETE);
	assert_int_equal(r[REG_RDI], 1);
	assert_int_equal(r[REG_RCX], 0);
}

static void the_source_has_the_segment_of_the_prefix(void **state)
{
	(void)state;
	cpu.mode = MODE32;
	fake.base[SEG_SS] = 0x10000;
	r[REG_RSI] = MEMORY - 0x10000;
	fake.memory[0] = 0x77;
	assert_int_equal(RUN(true, 0x36, 0xa4), EMUL_COMPLETE);
	assert_int_equal(device(0, 1), 0x77);
	cpu.mode = MODE64; /* has FS and GS only */
	fake.base[SEG_GS] = 0x123400000000;
	fake.memory_at = 0x123400000000 + MEMORY;
	r[REG_RSI] = MEMORY + 1;
	fake.memory[1] = 0x88;
	assert_int_equal(RUN(true, 0x65, 0xa4), EMUL_COMPLETE);
	assert_int_equal(device(0, 1), 0x88);
	fake.base[SEG_FS] = fake.base[SEG_GS] + 2;
	fake.memory[4] = 0x99;
	assert_int_equal(RUN(true, 0x64, 0xa4), EMUL_COMPLETE);
	assert_int_equal(device(0, 1), 0x99);
	fake.memory_at = MEMORY;
	assert_int_equal(RUN(true, 0x36, 0xa4), EMUL_COMPLETE);
	assert_int_equal(fake.base_asked[SEG_SS], 1);
}

static void the_destination_is_always_in_es(void **state)
{
	(void)state;
	cpu.mode = MODE32;
	fake.base[SEG_ES] = 0x10000;
	r[REG_RDI] = MEMORY - 0x10000;
	put_device(0, 4, 0x55667788);
	assert_int_equal(RUN(false, 0x36, 0xa5), EMUL_COMPLETE);
	assert_memory_equal(fake.memory, "\x88\x77\x66\x55", 4);
	assert_int_equal(fake.base_asked[SEG_SS], 0);
}

/* ---- INS and OUTS ---- */

static void ins_fills_memory_and_outs_empties_it(void **state)
{
	struct emul_string_io io = {.port = 0x1f0,
		.size = 2,
		.in = true,
		.rep = true,
		.address_size = 8,
		.linear = MEMORY};

	(void)state;
	fake.port_value = 0x4141;
	r[REG_RCX] = 3;
	r[REG_RDI] = 0x7000;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_memory_equal(fake.memory, "AABACA\0", 7);
	assert_int_equal(r[REG_RCX], 0);
	assert_int_equal(r[REG_RDI], 0x7006);
	io.in = io.rep = false;
	cpu.rflags |= RFLAGS_DF;
	r[REG_RSI] = 0x7000;
	io.linear = MEMORY + 4;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_int_equal(fake.count, 4);
	assert_int_equal(fake.accesses[3].at, 0x1f0);
	assert_int_equal(fake.accesses[3].size, 2);
	assert_true(fake.accesses[3].write);
	assert_int_equal(fake.accesses[3].value, 0x4143);
	assert_int_equal(r[REG_RSI], 0x6ffe);
	assert_int_equal(r[REG_RCX], 0);
	io.rep = true;
	io.linear = MEMORY + 2;
	r[REG_RCX] = 2;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_int_equal(fake.accesses[4].value, 0x4142);
	assert_int_equal(fake.accesses[5].value, 0x4141);
}

static void string_io_stops_at_the_bound_and_goes_on(void **state)
{
	struct emul_string_io io = {
		.port = 0x80, .size = 1, .rep = true, .address_size = 2, .linear = MEMORY};

	(void)state;
	r[REG_RCX] = 0xabcd0000 + EMUL_MAX_IO + 1;
	r[REG_RSI] = 0x10000;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_AGAIN);
	assert_int_equal(fake.count, EMUL_MAX_IO);
	assert_int_equal(r[REG_RCX], 0xabcd0001);
	io.linear += EMUL_MAX_IO;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_COMPLETE);
	assert_int_equal(r[REG_RCX], 0xabcd0000);
	assert_int_equal(r[REG_RSI], 0x10000 + EMUL_MAX_IO + 1);
}

/* The exit tells the address of the first element; the others follow the register. */
static void string_io_goes_on_where_its_register_wraps(void **state)
{
	struct emul_string_io io = {.port = 0x80, .size = 1, .rep = true, .address_size = 2};

	(void)state;
	cpu.mode = MODE16;
	fake.memory_at = 0x7fff; /* the segment's base */
	fake.mapped = 1;
	r[REG_RCX] = 2;
	cpu.rflags |= RFLAGS_DF;
	r[REG_RSI] = 0;
	io.linear = 0x7fff;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(r[REG_RCX], 1);
	assert_int_equal(fake.fault_at, 0x7fff + 0xffff);
	cpu.mode = MODE32;
	cpu.rflags = 2;
	io.address_size = 4;
	r[REG_RCX] = 2;
	r[REG_RSI] = 0x100;
	io.linear = fake.memory_at = UINT32_MAX;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(fake.fault_at, 0);
}

static void a_port_is_not_read_when_memory_cannot_take_it(void **state)
{
	struct emul_string_io io = {.port = 0x1f0,
		.size = 4,
		.in = true,
		.rep = true,
		.address_size = 4,
		.linear = MEMORY};

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
	io.linear = MEMORY + 8;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(fake_count(true, true), 0);
	assert_int_equal(r[REG_RCX], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_repetition_stops_at_the_bound_and_goes_on, setup),
		cmocka_unit_test_setup(a_repetition_stops_at_the_end_of_the_page, setup),
		cmocka_unit_test_setup(a_fault_in_the_middle_keeps_what_was_done, setup),
		cmocka_unit_test_setup(a_device_is_not_read_when_memory_cannot_take_it, setup),
		cmocka_unit_test_setup(a_repetition_of_none_touches_nothing, setup),
		cmocka_unit_test_setup(counters_and_indexes_have_the_address_size, setup),
		cmocka_unit_test_setup(the_source_has_the_segment_of_the_prefix, setup),
		cmocka_unit_test_setup(the_destination_is_always_in_es, setup),
		cmocka_unit_test_setup(ins_fills_memory_and_outs_empties_it, setup),
		cmocka_unit_test_setup(string_io_stops_at_the_bound_and_goes_on, setup),
		cmocka_unit_test_setup(string_io_goes_on_where_its_register_wraps, setup),
		cmocka_unit_test_setup(a_port_is_not_read_when_memory_cannot_take_it, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
