/*
 * Whole instructions with a device operand: their bytes and the registers go in, registers, flags, memory and
 * what the device saw come out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emul/emul.h"
#include "fake_emul.h"
#include "host_cpu.h"
#include "spec/vmx.h"

#define ALL_FLAGS \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_DF)
#define LOGIC_FLAGS (ALL_FLAGS & ~RFLAGS_AF) /* what logical operations define */
#define BIT_FLAGS   (RFLAGS_CF | RFLAGS_ZF)  /* BT and its kin */
#define DEVICE      0xfe000000u
#define MEMORY      0x20000u

static const struct emul_mode mode64 = {.long64 = true};
static const struct emul_mode mode32 = {.default32 = true};
static const struct emul_mode mode16;

static uint64_t r[REG_COUNT], rip;
static struct emul_cpu cpu;

static int setup(void **state)
{
	(void)state;
	fake_emul_reset();
	fake.memory_at = MEMORY;
	fake.device_at = DEVICE;
	for (unsigned i = 0; i < REG_COUNT; i++)
		r[i] = 0xa0a0a0a0a0a0a000 + i;
	rip = 0x1000;
	cpu = (struct emul_cpu){.env = &fake_env, .mode = mode64, .r = r, .rflags = 2};
	return 0;
}

/* RIP moves on when the instruction is complete, as the caller of emul_run has it. */
static enum emul_end run_at(const uint8_t *code, unsigned len, uint64_t gpa, bool write)
{
	struct emul_insn insn;
	enum emul_end end;

	assert_true(emul_decode(code, len, cpu.mode, &insn));
	assert_int_equal(insn.length, len);
	end = emul_run(&cpu, &insn, gpa, write);
	if (end == EMUL_COMPLETE)
		rip += insn.length;
	return end;
}

#define RUN(write, ...)                                                                        \
	run_at((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), DEVICE, \
		write)

static void put_device(unsigned offset, unsigned size, uint64_t v)
{
	memcpy(fake.device + offset, &v, size);
}

static uint64_t device(unsigned offset, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, fake.device + offset, size);
	return v;
}

/* ---- against the host's CPU ---- */

static uint64_t seed;

static uint64_t next_random(void)
{
	static const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff,
		0x80000000, UINT32_MAX, INT64_MAX, 1ull << 63, UINT64_MAX};

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 62 == 0 ? edges[(seed >> 32) % 13] : seed ^ seed >> 29;
}

/* An instruction of 64-bit code with its operand at (%rdi), and MOVS with its other one at (%rsi). */
static void assert_like_host(
	const uint8_t *code, unsigned len, uint64_t flags, uint64_t rbx_mask, bool write)
{
	static uint8_t device_before[FAKE_DEVICE_SIZE], memory_before[FAKE_MEMORY_SIZE];
	static uint8_t device_host[FAKE_DEVICE_SIZE], memory_host[FAKE_MEMORY_SIZE];
	struct host_cpu host;
	enum emul_end end;

	fake.device_at = (uintptr_t)fake.device;
	fake.memory_at = (uintptr_t)fake.memory;
	for (unsigned i = 0; i < REG_COUNT; i++)
		r[i] = next_random();
	r[REG_RBX] &= rbx_mask;
	r[REG_RCX] = next_random() % 5;
	r[REG_RDI] = fake.device_at + 512;
	r[REG_RSI] = fake.memory_at + 512;
	for (unsigned i = 448; i < 576; i += 8) {
		put_device(i, 8, next_random());
		memcpy(fake.memory + i, &(uint64_t){next_random()}, 8);
	}
	if (next_random() & 1) /* for CMPXCHG */
		put_device(512, 8, r[REG_RAX]);
	cpu.rflags = 2 | (next_random() & ALL_FLAGS);
	memcpy(host.r, r, sizeof(r));
	host.rflags = cpu.rflags;
	memcpy(device_before, fake.device, sizeof(device_before));
	memcpy(memory_before, fake.memory, sizeof(memory_before));
	host_run(&host, code, len);
	memcpy(device_host, fake.device, sizeof(device_host));
	memcpy(memory_host, fake.memory, sizeof(memory_host));
	memcpy(fake.device, device_before, sizeof(device_before));
	memcpy(fake.memory, memory_before, sizeof(memory_before));

	fake.count = 0;
	end = run_at(code, len, r[REG_RDI], write);
	assert_int_equal(end, EMUL_COMPLETE);
	host.r[REG_RSP] = r[REG_RSP];
	assert_memory_equal(r, host.r, sizeof(r));
	assert_int_equal(cpu.rflags & flags, host.rflags & flags);
	assert_memory_equal(fake.device, device_host, sizeof(device_host));
	assert_memory_equal(fake.memory, memory_host, sizeof(memory_host));
}

struct prefix {
	uint8_t byte;
	unsigned size; /* of operands that are not bytes */
};

static const struct prefix prefixes[] = {{0, 4}, {0x66, 2}, {0x48, 8}, {0x40, 4}, {0x44, 4}};

/* What the device sees: each access has the operand's size, reads before writes. */
static void assert_accesses(unsigned size, unsigned reads, unsigned writes)
{
	assert_int_equal(fake.count, reads + writes);
	for (unsigned i = 0; i < fake.count; i++) {
		assert_int_equal(fake.accesses[i].size, size);
		assert_int_equal(fake.accesses[i].write, i >= reads);
		if (fake.accesses[i].write && size < 8)
			assert_int_equal(fake.accesses[i].value >> size * 8, 0);
	}
}

/*
 * One row: opcode bytes (0x0f first for two-byte ones), the reg field of ModRM, bytes of an immediate (-1: the
 * operand size, at most 4); size of the memory operand (0: the operand size), its accesses.
 */
struct row {
	uint8_t opcode[2];
	unsigned field;
	int immediate;
	unsigned size, reads, writes;
	uint64_t flags;
	uint64_t rbx_mask;
};

static unsigned assemble(uint8_t *code, const struct row *row, const struct prefix *p)
{
	unsigned n = 0, immediate = (unsigned)row->immediate;

	if (row->immediate < 0)
		immediate = p->size == 2 ? 2 : 4;
	if (p->byte != 0)
		code[n++] = p->byte;
	if (row->opcode[0] == 0x0f)
		code[n++] = 0x0f;
	code[n++] = row->opcode[row->opcode[0] == 0x0f];
	code[n++] = (uint8_t)(row->field << 3 | REG_RDI);
	for (unsigned i = 0; i < immediate; i++)
		code[n++] = (uint8_t)next_random();
	return n;
}

static void assert_row_like_host(const struct row *row)
{
	uint8_t code[EMUL_MAX_INSN];

	for (unsigned k = 0; k < sizeof(prefixes) / sizeof(prefixes[0]); k++) {
		for (unsigned n = 0; n < 24; n++) {
			unsigned len = assemble(code, row, &prefixes[k]);
			uint64_t mask = row->rbx_mask ? row->rbx_mask : UINT64_MAX;

			/* a bit number is one of the operand's word; R11 of REX.R has none */
			if (row->rbx_mask && prefixes[k].byte == 0x44)
				break;
			assert_like_host(code, len, row->flags, mask, row->writes != 0);
			assert_accesses(row->size ? row->size : prefixes[k].size, row->reads,
				row->writes);
		}
	}
}

static void assert_rows_like_host(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_row_like_host(&rows[i]);
}

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])
#define BX         REG_RBX

static void moves_are_like_the_cpu_s(void **state)
{
	static const struct row rows[] = {
		{{0x8a}, BX, 0, 1, 1, 0, ALL_FLAGS, 0},
		{{0x8b}, BX, 0, 0, 1, 0, ALL_FLAGS, 0},
		{{0x88}, BX, 0, 1, 0, 1, ALL_FLAGS, 0},
		{{0x89}, BX, 0, 0, 0, 1, ALL_FLAGS, 0},
		{{0xc6}, 0, 1, 1, 0, 1, ALL_FLAGS, 0},
		{{0xc7}, 0, -1, 0, 0, 1, ALL_FLAGS, 0},
		{{0x0f, 0xb6}, BX, 0, 1, 1, 0, ALL_FLAGS, 0},
		{{0x0f, 0xb7}, BX, 0, 2, 1, 0, ALL_FLAGS, 0},
		{{0x0f, 0xbe}, BX, 0, 1, 1, 0, ALL_FLAGS, 0},
		{{0x0f, 0xbf}, BX, 0, 2, 1, 0, ALL_FLAGS, 0},
		{{0x86}, BX, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0x87}, BX, 0, 0, 1, 1, ALL_FLAGS, 0},
	};

	(void)state;
	assert_rows_like_host(ROWS(rows));
}

static void arithmetic_is_like_the_cpu_s(void **state)
{
	(void)state;
	for (uint8_t op = 0; op < 8; op++) {
		unsigned stores = op != ALU_CMP;
		bool logic = op == ALU_OR || op == ALU_AND || op == ALU_XOR;
		uint64_t flags = logic ? LOGIC_FLAGS : ALL_FLAGS;
		const struct row rows[] = {
			{{(uint8_t)(op << 3)}, BX, 0, 1, 1, stores, flags, 0},
			{{(uint8_t)(op << 3 | 1)}, BX, 0, 0, 1, stores, flags, 0},
			{{(uint8_t)(op << 3 | 2)}, BX, 0, 1, 1, 0, flags, 0},
			{{(uint8_t)(op << 3 | 3)}, BX, 0, 0, 1, 0, flags, 0},
			{{0x80}, op, 1, 1, 1, stores, flags, 0},
			{{0x81}, op, -1, 0, 1, stores, flags, 0},
			{{0x83}, op, 1, 0, 1, stores, flags, 0},
		};

		assert_rows_like_host(ROWS(rows));
	}
}

static void other_operations_are_like_the_cpu_s(void **state)
{
	static const struct row rows[] = {
		{{0x84}, BX, 0, 1, 1, 0, LOGIC_FLAGS, 0},
		{{0x85}, BX, 0, 0, 1, 0, LOGIC_FLAGS, 0},
		{{0xf6}, 0, 1, 1, 1, 0, LOGIC_FLAGS, 0},
		{{0xf7}, 0, -1, 0, 1, 0, LOGIC_FLAGS, 0},
		{{0xf6}, 2, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0xf7}, 2, 0, 0, 1, 1, ALL_FLAGS, 0},
		{{0xf6}, 3, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0xf7}, 3, 0, 0, 1, 1, ALL_FLAGS, 0},
		{{0xfe}, 0, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0xff}, 0, 0, 0, 1, 1, ALL_FLAGS, 0},
		{{0xfe}, 1, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0xff}, 1, 0, 0, 1, 1, ALL_FLAGS, 0},
		{{0x0f, 0xb0}, BX, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0x0f, 0xb1}, BX, 0, 0, 1, 1, ALL_FLAGS, 0},
		{{0x0f, 0xc0}, BX, 0, 1, 1, 1, ALL_FLAGS, 0},
		{{0x0f, 0xc1}, BX, 0, 0, 1, 1, ALL_FLAGS, 0},
		{{0x0f, 0xa3}, BX, 0, 0, 1, 0, BIT_FLAGS, 15},
		{{0x0f, 0xab}, BX, 0, 0, 1, 1, BIT_FLAGS, 15},
		{{0x0f, 0xb3}, BX, 0, 0, 1, 1, BIT_FLAGS, 15},
		{{0x0f, 0xbb}, BX, 0, 0, 1, 1, BIT_FLAGS, 15},
		{{0x0f, 0xba}, 4, 1, 0, 1, 0, BIT_FLAGS, 0},
		{{0x0f, 0xba}, 5, 1, 0, 1, 1, BIT_FLAGS, 0},
		{{0x0f, 0xba}, 6, 1, 0, 1, 1, BIT_FLAGS, 0},
		{{0x0f, 0xba}, 7, 1, 0, 1, 1, BIT_FLAGS, 0},
	};

	(void)state;
	assert_rows_like_host(ROWS(rows));
}

static void conditions_are_like_the_cpu_s(void **state)
{
	(void)state;
	for (uint8_t condition = 0; condition < 16; condition++) {
		const struct row rows[] = {
			{{0x0f, 0x40 | condition}, BX, 0, 0, 1, 0, ALL_FLAGS, 0},
			{{0x0f, 0x90 | condition}, 0, 0, 1, 0, 1, ALL_FLAGS, 0},
		};

		assert_rows_like_host(ROWS(rows));
	}
}

static void high_bytes_are_like_the_cpu_s(void **state)
{
	static const uint8_t codes[][3] = {
		{0x8a, 0x27}, {0x88, 0x27}, {0x86, 0x3f}, {0x00, 0x37}, {0x02, 0x2f}};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned n = 0; n < 24; n++)
			assert_like_host(codes[i], 2, ALL_FLAGS, UINT64_MAX, true);
}

/* Up and down, counts from none on. */
static void string_instructions_are_like_the_cpu_s(void **state)
{
	static const struct prefix widths[] = {{0, 4}, {0x66, 2}, {0x48, 8}};

	(void)state;
	for (unsigned n = 0; n < 600; n++) {
		const struct prefix *p = &widths[n % 3];
		uint8_t code[4], op = n & 8 ? 0xa4 : 0xaa;
		unsigned len = 0;

		if (n & 16)
			code[len++] = 0xf3;
		if (p->byte != 0)
			code[len++] = p->byte;
		code[len++] = n & 32 ? op : op | 1;
		assert_like_host(code, len, ALL_FLAGS, UINT64_MAX, true);
	}
}

/* ---- what the host cannot show ---- */

static void rsp_is_a_register_like_others(void **state)
{
	(void)state;
	put_device(0, 4, 0x87654321);
	assert_int_equal(RUN(false, 0x8b, 0x27), EMUL_COMPLETE); /* mov (%rdi), %esp */
	assert_int_equal(r[REG_RSP], 0x87654321);
	assert_int_equal(rip, 0x1002);
	r[REG_RSP] = 0x1234;
	assert_int_equal(RUN(true, 0x40, 0x88, 0x27), EMUL_COMPLETE); /* mov %spl, (%rdi) */
	assert_int_equal(device(0, 4), 0x87654334);
}

static void movbe_swaps_movnti_does_not(void **state)
{
	(void)state;
	put_device(0, 8, 0x1122334455667788);
	RUN(false, 0x0f, 0x38, 0xf0, 0x07); /* movbe (%rdi), %eax */
	assert_int_equal(r[REG_RAX], 0x88776655);
	RUN(true, 0x48, 0x0f, 0x38, 0xf1, 0x07);
	assert_int_equal(device(0, 8), 0x5566778800000000);
	RUN(true, 0x0f, 0xc3, 0x07); /* movnti %eax, (%rdi) */
	assert_int_equal(device(0, 8), 0x5566778888776655);
}

static void absolute_addresses_take_the_accumulator(void **state)
{
	(void)state;
	put_device(0, 4, 0x87654321);
	cpu.mode = mode32;
	RUN(false, 0xa1, 0, 0, 0, 0xfe);
	assert_int_equal(r[REG_RAX], 0x87654321);
	RUN(true, 0xa2, 2, 0, 0, 0xfe);
	assert_int_equal(device(0, 4), 0x87654321);
	assert_int_equal(rip, 0x100a);
}

static void absent_devices_read_as_ones_of_the_operand_s_size(void **state)
{
	static const uint8_t mov[] = {0x0f, 0xb7, 0x07}; /* movzwl (%rdi), %eax */

	(void)state;
	assert_int_equal(run_at(mov, sizeof(mov), 0xd0000000, false), EMUL_COMPLETE);
	assert_int_equal(r[REG_RAX], 0xffff);
}

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
	cpu.mode = mode16;
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
	cpu.mode = mode16;
	r[REG_RCX] = 0xabcd0002;
	r[REG_RSI] = 0x1234ffff;
	r[REG_RDI] = 0x56780000;
	fake.base[SEG_DS] = 0xffff8000; /* the sum wraps */
	fake.memory_at = 0x7fff;
	assert_int_equal(RUN(true, 0xa4), EMUL_COMPLETE);
	assert_int_equal(r[REG_RSI], 0x12340000);
	assert_int_equal(r[REG_RDI], 0x56780001);
	assert_int_equal(r[REG_RCX], 0xabcd0002);

	cpu.mode = mode64;
	r[REG_RCX] = 0xa0a0a0a000000002;
	r[REG_RDI] = 0xa0a0a0a0ffffffff;
	assert_int_equal(RUN(true, 0x67, 0xf3, 0xaa), EMUL_COMPLETE);
	assert_int_equal(r[REG_RDI], 1);
	assert_int_equal(r[REG_RCX], 0);
}

static void the_source_has_the_segment_of_the_prefix(void **state)
{
	(void)state;
	cpu.mode = mode32;
	fake.base[SEG_SS] = 0x10000;
	r[REG_RSI] = MEMORY - 0x10000;
	fake.memory[0] = 0x77;
	assert_int_equal(RUN(true, 0x36, 0xa4), EMUL_COMPLETE);
	assert_int_equal(device(0, 1), 0x77);
	cpu.mode = mode64; /* has FS and GS only */
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
	cpu.mode = mode32;
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
	cpu.mode = mode16;
	fake.memory_at = 0x7fff; /* the segment's base */
	fake.mapped = 1;
	r[REG_RCX] = 2;
	cpu.rflags |= RFLAGS_DF;
	r[REG_RSI] = 0;
	io.linear = 0x7fff;
	assert_int_equal(emul_string_io(&cpu, &io), EMUL_FAULT);
	assert_int_equal(r[REG_RCX], 1);
	assert_int_equal(fake.fault_at, 0x7fff + 0xffff);
	cpu.mode = mode32;
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
		cmocka_unit_test_setup(moves_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(arithmetic_is_like_the_cpu_s, setup),
		cmocka_unit_test_setup(other_operations_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(conditions_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(high_bytes_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(string_instructions_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(rsp_is_a_register_like_others, setup),
		cmocka_unit_test_setup(movbe_swaps_movnti_does_not, setup),
		cmocka_unit_test_setup(absolute_addresses_take_the_accumulator, setup),
		cmocka_unit_test_setup(
			absent_devices_read_as_ones_of_the_operand_s_size, setup),
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
