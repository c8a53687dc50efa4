/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions with a device operand that the host's CPU cannot show, or shows too seldom.
 */
#include "emul_world.h"
#include "spec/cet.h"

static void division_is_exact_or_raises_de(void **state)
{
	(void)state;
	put_device(0, 8, 7);
	r[REG_RAX] = 100;
	r[REG_RDX] = 0;
	assert_int_equal(RUN(0xf7, 0x37), EMUL_COMPLETE); /* divl (%rdi) */
	assert_int_equal(r[REG_RAX], 14);
	assert_int_equal(r[REG_RDX], 2);
	r[REG_RAX] = -100ull;
	r[REG_RDX] = UINT64_MAX;
	assert_int_equal(RUN(0x48, 0xf7, 0x3f), EMUL_COMPLETE); /* idivq (%rdi) */
	assert_int_equal(r[REG_RAX], -14ull);
	assert_int_equal(r[REG_RDX], -2ull);
	r[REG_RAX] = 0x1234567800000765;
	assert_int_equal(RUN(0xf6, 0x37), EMUL_EXCEPTION); /* divb: 0x765 / 7 is no byte */
	assert_int_equal(cpu.vector, VEC_DE);
	assert_int_equal(r[REG_RAX], 0x1234567800000765);
	put_device(0, 1, 100);
	assert_int_equal(RUN(0xf6, 0x37), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 0x1234567800005d12); /* 1893 = 18 * 100 + 93 */
	put_device(0, 8, 0);
	assert_int_equal(RUN(0xf7, 0x37), EMUL_EXCEPTION);
	put_device(0, 8, UINT64_MAX);
	r[REG_RAX] = 1ull << 63;
	r[REG_RDX] = UINT64_MAX;
	assert_int_equal(RUN(0x48, 0xf7, 0x3f), EMUL_EXCEPTION); /* 2^63 does not fit */
}

static void a_scan_of_nothing_keeps_the_register(void **state)
{
	(void)state;
	r[REG_RAX] = 0x123456789a;
	assert_int_equal(RUN(0x0f, 0xbc, 0x07), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 0x123456789a);
	assert_true(cpu.rflags & RFLAGS_ZF);
}

static void scans_that_a_processor_lacks_are_those_without_their_prefix(void **state)
{
	(void)state;
	put_device(0, 4, 0xf0);
	cpu.no_tzcnt = cpu.no_lzcnt = true;
	assert_int_equal(RUN(0xf3, 0x0f, 0xbd, 0x07), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 7);
	assert_false(cpu.rflags & RFLAGS_ZF);
	assert_int_equal(RUN(0xf3, 0x0f, 0xbc, 0x07), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 4);
	put_device(0, 4, 0);
	r[REG_RAX] = 0x123456789a;
	cpu.rflags |= RFLAGS_CF;
	assert_int_equal(RUN(0xf3, 0x0f, 0xbc, 0x07), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 0x123456789a);
	assert_true(cpu.rflags & RFLAGS_ZF);
	cpu.no_tzcnt = cpu.no_lzcnt = false;
	assert_int_equal(RUN(0xf3, 0x0f, 0xbc, 0x07), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 32);
	put_device(0, 4, 0xf0);
	assert_int_equal(RUN(0xf3, 0x0f, 0xbd, 0x07), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 24);
}

static void the_stack_and_a_device_exchange_values(void **state)
{
	(void)state;
	put_device(0, 8, 0x1122334455667788);
	r[REG_RSP] = MEMORY + 0x100;
	assert_int_equal(RUN(0xff, 0x37), EMUL_COMPLETE); /* push (%rdi) */
	assert_int_equal(r[REG_RSP], MEMORY + 0xf8);
	assert_memory_equal(fake.memory + 0xf8, fake.device, 8);
	r[REG_RDI] = DEVICE + 8;
	assert_int_equal(RUN(0x8f, 0x07), EMUL_COMPLETE); /* pop (%rdi) */
	assert_int_equal(device(8, 8), 0x1122334455667788);
	assert_int_equal(r[REG_RSP], MEMORY + 0x100);
	r[REG_RSP] = 0x1000; /* no memory: the device is not read */
	fake.count = 0;
	assert_int_equal(RUN(0xff, 0x37), EMUL_FAULT);
	assert_int_equal(fake.count, 0);
	assert_int_equal(r[REG_RSP], 0x1000);
}

static void calls_lead_where_a_device_says(void **state)
{
	(void)state;
	put_device(0, 8, 0x5000);
	r[REG_RSP] = MEMORY + 0x100;
	rip = 0x1000;
	assert_int_equal(RUN(0xff, 0x17), EMUL_COMPLETE); /* call *(%rdi) */
	assert_int_equal(rip, 0x5000);
	assert_int_equal(fake.memory[0xf8] | fake.memory[0xf9] << 8, 0x1002);
	put_device(0, 8, 1ull << 62);
	assert_int_equal(RUN(0xff, 0x27), EMUL_EXCEPTION); /* jmp *(%rdi) */
	assert_int_equal(cpu.vector, VEC_GP);
	assert_int_equal(rip, 0x5000);
	cpu.mode = MODE32;
	put_device(0, 8, 0x6000);
	r[REG_RDI] = DEVICE;
	assert_int_equal(RUN(0xff, 0x27), EMUL_COMPLETE);
	assert_int_equal(rip, 0x6000);
}

static void a_stack_in_a_device_is_read_and_written(void **state)
{
	(void)state;
	r[REG_RSP] = DEVICE + 0x10;
	r[9] = 0x1122334455667788;
	assert_int_equal(RUN(0x41, 0x51), EMUL_COMPLETE); /* push %r9 */
	assert_int_equal(device(8, 8), 0x1122334455667788);
	assert_int_equal(RUN(0x6a, 0xfe), EMUL_COMPLETE); /* push $-2 */
	assert_int_equal(device(0, 8), UINT64_MAX - 1);
	assert_int_equal(r[REG_RSP], DEVICE);
	assert_int_equal(RUN(0x58), EMUL_COMPLETE); /* pop %rax */
	assert_int_equal(r[REG_RAX], UINT64_MAX - 1);
	assert_int_equal(RUN(0x66, 0x59), EMUL_COMPLETE); /* pop %cx */
	assert_int_equal(r[REG_RCX] & 0xffff, 0x7788);
	assert_int_equal(r[REG_RSP], DEVICE + 10);
	r[REG_RSP] = DEVICE + 0x10;
	assert_int_equal(RUN(0x68, 0x00, 0x00, 0x00, 0x80), EMUL_COMPLETE);
	assert_int_equal(device(8, 8), 0xffffffff80000000);
	put_device(8, 8, 0x4242);
	assert_int_equal(RUN(0x5c), EMUL_COMPLETE); /* pop %rsp */
	assert_int_equal(r[REG_RSP], 0x4242);
}

static void calls_and_returns_by_a_stack_in_a_device(void **state)
{
	(void)state;
	rip = 0x1000;
	r[REG_RSP] = DEVICE + 0x10;
	assert_int_equal(RUN(0xe8, 0xfb, 0xff, 0xff, 0xff), EMUL_COMPLETE);
	assert_int_equal(rip, 0x1000); /* itself: 5 back */
	assert_int_equal(device(8, 8), 0x1005);
	assert_int_equal(r[REG_RSP], DEVICE + 8);
	assert_int_equal(RUN(0xc2, 0xf0, 0xff), EMUL_COMPLETE); /* ret $0xfff0 */
	assert_int_equal(rip, 0x1005);
	assert_int_equal(r[REG_RSP], DEVICE + 0x10 + 0xfff0);
	put_device(0, 8, 1ull << 62);
	r[REG_RSP] = DEVICE;
	assert_int_equal(RUN(0xc3), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_GP);
	assert_int_equal(r[REG_RSP], DEVICE);
	rip = 0xfffe;
	cpu.mode = MODE16;
	r[REG_RSP] = 0; /* wraps in 16 bits; no memory there */
	assert_int_equal(RUN(0xe8, 0x10, 0x00), EMUL_FAULT);
	assert_int_equal(r[REG_RSP], 0);
	r[REG_RSP] = 0x1000; /* no memory */
	assert_int_equal(RUN(0xc3), EMUL_FAULT);
}

static void branches_are_refused_where_shadow_stacks_or_tracking_watch_them(void **state)
{
	(void)state;
	r[REG_RSP] = DEVICE + 0x10;
	r[REG_RAX] = DEVICE;
	fake.control_flow[0] = CET_SH_STK_EN;
	assert_int_equal(RUN(0xe8, 0, 0, 0, 0), EMUL_EXCEPTION); /* call */
	assert_int_equal(cpu.vector, VEC_UD);
	assert_int_equal(RUN(0xc3), EMUL_EXCEPTION);       /* ret */
	assert_int_equal(RUN(0xff, 0x10), EMUL_EXCEPTION); /* call *(%rax) */
	assert_int_equal(RUN(0xff, 0x20), EMUL_COMPLETE);  /* jmp *(%rax) */
	fake.control_flow[0] = CET_ENDBR_EN;
	assert_int_equal(RUN(0xff, 0x20), EMUL_EXCEPTION);
	assert_int_equal(RUN(0xff, 0x10), EMUL_EXCEPTION);
	assert_int_equal(r[REG_RSP], DEVICE + 0x10);
	assert_int_equal(RUN(0xe8, 0, 0, 0, 0), EMUL_COMPLETE);
	fake.control_flow[0] = 0;
	fake.control_flow[1] = CET_ENDBR_EN; /* of users */
	assert_int_equal(RUN(0xff, 0x20), EMUL_COMPLETE);
}

static void vector_registers_move_to_and_from_devices(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 32; i += 8)
		put_device(i, 8, 0x0101010101010101 * (i + 1));
	memset(fake.vector, 0xee, sizeof(fake.vector));
	RUN(0x66, 0x44, 0x0f, 0x6f, 0x2f); /* movdqa (%rdi), %xmm13 */
	assert_memory_equal(fake.vector[13], fake.device, 16);
	assert_int_equal(fake.vector[13][2], 0xeeeeeeeeeeeeeeee);
	RUN(0xc5, 0xfe, 0x6f, 0x17); /* vmovdqu (%rdi), %ymm2 */
	assert_memory_equal(fake.vector[2], fake.device, 32);
	RUN(0xc5, 0xf9, 0x6e, 0x17); /* vmovd (%rdi), %xmm2 */
	assert_int_equal(fake.vector[2][0], 0x01010101);
	assert_int_equal(fake.vector[2][1] | fake.vector[2][2] | fake.vector[2][3], 0);
	RUN(0x0f, 0x16, 0x17); /* movhps (%rdi), %xmm2 */
	assert_int_equal(fake.vector[2][0], 0x01010101);
	assert_int_equal(fake.vector[2][1], 0x0101010101010101);
	r[REG_RDI] += 64;
	RUN(0x66, 0x0f, 0x7f, 0x17); /* movdqa %xmm2, (%rdi) */
	assert_memory_equal(fake.device + 64, fake.vector[2], 16);
	RUN(0x66, 0x48, 0x0f, 0x7e, 0x17); /* movq %xmm2, (%rdi) */
	RUN(0x0f, 0x17, 0x17);             /* movhps %xmm2, (%rdi) */
	assert_int_equal(device(64, 8), 0x0101010101010101);
	RUN(0xc5, 0xf8, 0x12, 0x1f); /* vmovlps (%rdi), %xmm0, %xmm3: the high half of XMM0 */
	assert_int_equal(fake.vector[3][0], 0x0101010101010101);
	assert_int_equal(fake.vector[3][1], 0xeeeeeeeeeeeeeeee);
	assert_int_equal(fake.vector[3][2], 0);
	fake.no_vectors = true;
	assert_int_equal(RUN(0x66, 0x0f, 0x7f, 0x17), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_UD);
}

static void a_device_is_not_read_when_it_cannot_be_written(void **state)
{
	(void)state;
	fake.device_read_only = true;
	assert_int_equal(RUN(0x01, 0x07), EMUL_FAULT); /* add %eax, (%rdi) */
	assert_int_equal(fake.count, 0);
	assert_int_equal(cpu.rflags, 2);
}

static void bits_lead_to_other_words(void **state)
{
	(void)state;
	r[REG_RDI] = DEVICE + 8;
	r[REG_RAX] = 0x1234567800000000 | (uint32_t)-27;
	assert_int_equal(RUN(0x0f, 0xab, 0x07), EMUL_COMPLETE); /* bts %eax, (%rdi) */
	assert_int_equal(device(4, 4), 1u << 5);
	r[REG_RAX] = 100;
	assert_int_equal(RUN(0x66, 0x0f, 0xab, 0x07), EMUL_COMPLETE);
	assert_int_equal(device(8 + 12, 2), 1u << 4);
}

static void rsp_is_a_register_like_others(void **state)
{
	(void)state;
	put_device(0, 4, 0x87654321);
	assert_int_equal(RUN(0x8b, 0x27), EMUL_COMPLETE); /* mov (%rdi), %esp */
	assert_int_equal(r[REG_RSP], 0x87654321);
	assert_int_equal(rip, 0x1002);
	r[REG_RSP] = 0x1234;
	assert_int_equal(RUN(0x40, 0x88, 0x27), EMUL_COMPLETE); /* mov %spl, (%rdi) */
	assert_int_equal(device(0, 4), 0x87654334);
}

static void movbe_swaps_movnti_does_not(void **state)
{
	(void)state;
	put_device(0, 8, 0x1122334455667788);
	RUN(0x0f, 0x38, 0xf0, 0x07); /* movbe (%rdi), %eax */
	assert_int_equal(r[REG_RAX], 0x88776655);
	RUN(0x48, 0x0f, 0x38, 0xf1, 0x07);
	assert_int_equal(device(0, 8), 0x5566778800000000);
	RUN(0x0f, 0xc3, 0x07); /* movnti %eax, (%rdi) */
	assert_int_equal(device(0, 8), 0x5566778888776655);
}

static void movdir64b_moves_64_bytes_to_where_a_register_leads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		put_device(8 * i, 8, 0x0101010101010101 * (i + 1));
	r[REG_RCX] = MEMORY + 0x40;
	assert_int_equal(RUN(0x66, 0x0f, 0x38, 0xf8, 0x0f), EMUL_COMPLETE); /* (%rdi), %rcx */
	assert_memory_equal(fake.memory + 0x40, fake.device, 64);
	r[REG_RDI] = MEMORY + 0x41; /* the source may lie anywhere */
	r[REG_RCX] = 0xabcd00000000 | DEVICE;
	assert_int_equal(RUN(0x67, 0x66, 0x0f, 0x38, 0xf8, 0x0f), EMUL_COMPLETE);
	assert_memory_equal(fake.device, fake.memory + 0x41, 64);
	r[REG_RCX] = MEMORY + 0x48;
	assert_int_equal(RUN(0x66, 0x0f, 0x38, 0xf8, 0x0f), EMUL_EXCEPTION);
	assert_int_equal(cpu.vector, VEC_GP);
	r[REG_RCX] = 0x40000000; /* nothing is there */
	assert_int_equal(RUN(0x66, 0x0f, 0x38, 0xf8, 0x0f), EMUL_FAULT);
}

static void absolute_addresses_take_the_accumulator(void **state)
{
	(void)state;
	put_device(0, 4, 0x87654321);
	cpu.mode = MODE32;
	RUN(0xa1, 0, 0, 0, 0xfe);
	assert_int_equal(r[REG_RAX], 0x87654321);
	RUN(0xa2, 0, 0, 0, 0xfe);
	assert_int_equal(device(0, 4), 0x87654321);
	assert_int_equal(rip, 0x100a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(division_is_exact_or_raises_de, setup),
		cmocka_unit_test_setup(a_scan_of_nothing_keeps_the_register, setup),
		cmocka_unit_test_setup(
			scans_that_a_processor_lacks_are_those_without_their_prefix, setup),
		cmocka_unit_test_setup(the_stack_and_a_device_exchange_values, setup),
		cmocka_unit_test_setup(a_stack_in_a_device_is_read_and_written, setup),
		cmocka_unit_test_setup(calls_and_returns_by_a_stack_in_a_device, setup),
		cmocka_unit_test_setup(calls_lead_where_a_device_says, setup),
		cmocka_unit_test_setup(
			branches_are_refused_where_shadow_stacks_or_tracking_watch_them, setup),
		cmocka_unit_test_setup(vector_registers_move_to_and_from_devices, setup),
		cmocka_unit_test_setup(a_device_is_not_read_when_it_cannot_be_written, setup),
		cmocka_unit_test_setup(bits_lead_to_other_words, setup),
		cmocka_unit_test_setup(rsp_is_a_register_like_others, setup),
		cmocka_unit_test_setup(movbe_swaps_movnti_does_not, setup),
		cmocka_unit_test_setup(
			movdir64b_moves_64_bytes_to_where_a_register_leads, setup),
		cmocka_unit_test_setup(absolute_addresses_take_the_accumulator, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
