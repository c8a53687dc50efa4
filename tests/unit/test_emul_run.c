/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole instructions with a device operand: their bytes and the registers go in, registers,
 * flags, memory and what the device saw come out.
 */
#include "emul_world.h"
#include "host_cpu.h"
#include "random.h"

#define ALL_FLAGS \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_DF)
#define LOGIC_FLAGS (ALL_FLAGS & ~RFLAGS_AF) /* what logical operations define */
#define BIT_FLAGS   (RFLAGS_CF | RFLAGS_ZF)  /* BT and its kin */

/* ---- against the host's CPU ---- */

static uint64_t seed;
static bool keep_operand; /* what the test put there */

static uint64_t any_value(void)
{
	static const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff,
		0x80000000, UINT32_MAX, INT64_MAX, 1ull << 63, UINT64_MAX};

	return random_below(&seed, 4) ? random_next(&seed) : edges[random_below(&seed, 13)];
}

/*
 * An instruction of 64-bit code with its operand at (%rdi), and MOVS with its other one at
 * (%rsi).
 */
static void assert_like_host(
	const uint8_t *code, unsigned len, uint64_t flags, uint64_t rbx_mask)
{
	static uint8_t device_before[FAKE_DEVICE_SIZE], memory_before[FAKE_MEMORY_SIZE];
	static uint8_t device_host[FAKE_DEVICE_SIZE], memory_host[FAKE_MEMORY_SIZE];
	struct host_cpu host;
	enum emul_end end;

	fake.device_at = (uintptr_t)fake.device;
	fake.memory_at = (uintptr_t)fake.memory;
	for (unsigned i = 0; i < REG_COUNT; i++)
		r[i] = any_value();
	r[REG_RBX] &= rbx_mask;
	r[REG_RCX] = any_value() % 5;
	r[REG_RDI] = fake.device_at + 512;
	r[REG_RSI] = fake.memory_at + 512;
	for (unsigned i = 448; i < 576; i += 8) {
		if (!keep_operand || i != 512)
			put_device(i, 8, any_value());
		memcpy(fake.memory + i, &(uint64_t){any_value()}, 8);
	}
	if (!keep_operand && any_value() & 1) { /* for CMPXCHG and its kin */
		put_device(512, 8, r[REG_RAX]);
		put_device(code[0] == 0x48 ? 520 : 516, 4, r[REG_RDX]);
		if (code[0] == 0x48)
			put_device(520, 8, r[REG_RDX]);
	}
	cpu.rflags = 2 | (any_value() & ALL_FLAGS);
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
	end = run_code(code, len);
	assert_int_equal(end, EMUL_COMPLETE);
	host.r[REG_RSP] = r[REG_RSP];
	assert_memory_equal(r, host.r, sizeof(r));
	assert_int_equal(cpu.rflags & flags, host.rflags & flags);
	assert_memory_equal(fake.device, device_host, sizeof(device_host));
	assert_memory_equal(fake.memory, memory_host, sizeof(memory_host));
}

/* BSF or BSR, unless the operand is 0. */
static void assert_scan_like_host(const uint8_t *code, unsigned len)
{
	keep_operand = true;
	put_device(512, 8, any_value() | 0x8000);
	assert_like_host(code, len, RFLAGS_ZF, UINT64_MAX);
	keep_operand = false;
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
 * One row: opcode bytes (0x0f first for two-byte ones), the reg field of ModRM, bytes of an
 * immediate (-1: the operand size, at most 4); size of the memory operand (0: the operand
 * size), its accesses.
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
		code[n++] = (uint8_t)any_value();
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
			assert_like_host(code, len, row->flags, mask);
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

#define CF_OF (RFLAGS_CF | RFLAGS_OF)

/* Flags that are defined for any count; rotations leave the others. */
static void shifts_are_like_the_cpu_s(void **state)
{
	(void)state;
	for (uint8_t op = 0; op < 8; op++) {
		bool rotates = op < SHIFT_SHL;
		uint64_t one = rotates ? ALL_FLAGS : LOGIC_FLAGS;
		uint64_t any = rotates ? ALL_FLAGS & ~RFLAGS_OF
				       : RFLAGS_PF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_DF;
		const struct row rows[] = {
			{{0xd0}, op, 0, 1, 1, 1, one, 0},
			{{0xd1}, op, 0, 0, 1, 1, one, 0},
			{{0xc0}, op, 1, 1, 1, 1, any, 0},
			{{0xc1}, op, 1, 0, 1, 1, any, 0},
			{{0xd2}, op, 0, 1, 1, 1, any | RFLAGS_CF, 0}, /* CL is 0 to 4 */
			{{0xd3}, op, 0, 0, 1, 1, any | RFLAGS_CF, 0},
		};

		assert_rows_like_host(ROWS(rows));
	}
}

static void double_shifts_are_like_the_cpu_s(void **state)
{
	const uint64_t flags = LOGIC_FLAGS & ~RFLAGS_OF;
	const struct row rows[] = {
		{{0x0f, 0xa5}, BX, 0, 0, 1, 1, flags, 0},
		{{0x0f, 0xad}, BX, 0, 0, 1, 1, flags, 0},
	};

	(void)state;
	assert_rows_like_host(ROWS(rows));
	for (uint8_t n = 0; n < 64; n++) { /* counts beyond 16 bits are undefined there */
		const uint8_t left[] = {0x48, 0x0f, 0xa4, 0x1f, n};
		const uint8_t right[] = {0x0f, 0xac, 0x1f, n};

		assert_like_host(left, 5, flags, UINT64_MAX);
		assert_like_host(right, 4, flags, UINT64_MAX);
	}
}

static void multiplication_is_like_the_cpu_s(void **state)
{
	static const struct row rows[] = {
		{{0xf6}, 4, 0, 1, 1, 0, CF_OF, 0},
		{{0xf7}, 4, 0, 0, 1, 0, CF_OF, 0},
		{{0xf6}, 5, 0, 1, 1, 0, CF_OF, 0},
		{{0xf7}, 5, 0, 0, 1, 0, CF_OF, 0},
		{{0x0f, 0xaf}, BX, 0, 0, 1, 0, CF_OF, 0},
		{{0x69}, BX, -1, 0, 1, 0, CF_OF, 0},
		{{0x6b}, BX, 1, 0, 1, 0, CF_OF, 0},
	};

	(void)state;
	assert_rows_like_host(ROWS(rows));
}

/* BSF and BSR of 0 are left out: what their register is then differs between processors. */
static void scans_are_like_the_cpu_s(void **state)
{
	static const uint8_t prefixes_of[][2] = {{0, 0}, {0x66, 0}, {0, 0x48}};
	static const uint8_t ops[][2] = {
		{0xf3, 0xb8}, {0xf3, 0xbc}, {0xf3, 0xbd}, {0, 0xbc}, {0, 0xbd}};

	(void)state;
	for (unsigned n = 0; n < 600; n++) {
		const uint8_t *p = prefixes_of[n % 3], *op = ops[n / 3 % 5];
		uint8_t code[8], len = 0;
		uint64_t flags = op[1] == 0xb8 ? ALL_FLAGS
				 : op[0] == 0  ? RFLAGS_ZF
					       : RFLAGS_ZF | RFLAGS_CF;

		if (p[0])
			code[len++] = p[0];
		if (op[0])
			code[len++] = op[0];
		if (p[1])
			code[len++] = p[1];
		code[len++] = 0x0f;
		code[len++] = op[1];
		code[len++] = 0x1f;
		if (op[0] != 0)
			assert_like_host(code, len, flags, UINT64_MAX);
		else
			assert_scan_like_host(code, len);
	}
}

static void crc32_is_like_the_cpu_s(void **state)
{
	static const uint8_t codes[][6] = {
		{0xf2, 0x0f, 0x38, 0xf0, 0x1f}, {0xf2, 0x0f, 0x38, 0xf1, 0x1f}};
	static const uint8_t wide[] = {0xf2, 0x48, 0x0f, 0x38, 0xf1, 0x1f};
	static const uint8_t narrow[] = {0x66, 0xf2, 0x0f, 0x38, 0xf1, 0x1f};

	(void)state;
	for (unsigned n = 0; n < 40; n++) {
		assert_like_host(codes[n & 1], 5, ALL_FLAGS, UINT64_MAX);
		assert_like_host(wide, 6, ALL_FLAGS, UINT64_MAX);
		assert_like_host(narrow, 6, ALL_FLAGS, UINT64_MAX);
	}
}

static void bmi_is_like_the_cpu_s(void **state)
{
	/* VEX with W = 0; vvvv is RCX, the register RBX */
	static const uint8_t codes[][7] = {{0xc4, 0xe2, 0x70, 0xf2, 0x1f},
		{0xc4, 0xe2, 0x70, 0xf3, 0x0f}, {0xc4, 0xe2, 0x70, 0xf3, 0x17},
		{0xc4, 0xe2, 0x70, 0xf3, 0x1f}, {0xc4, 0xe2, 0x70, 0xf5, 0x1f},
		{0xc4, 0xe2, 0x70, 0xf7, 0x1f}, {0xc4, 0xe2, 0x71, 0xf7, 0x1f},
		{0xc4, 0xe2, 0x72, 0xf7, 0x1f}, {0xc4, 0xe2, 0x73, 0xf7, 0x1f},
		{0xc4, 0xe2, 0x72, 0xf5, 0x1f}, {0xc4, 0xe2, 0x73, 0xf5, 0x1f},
		{0xc4, 0xe2, 0x73, 0xf6, 0x1f}, {0xc4, 0xe2, 0x63, 0xf6, 0x1f},
		{0xc4, 0xe3, 0x7b, 0xf0, 0x1f, 7}};
	const unsigned count = sizeof(codes) / sizeof(codes[0]);
	const uint64_t flags = RFLAGS_CF | RFLAGS_OF | RFLAGS_ZF;

	(void)state;
	if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
		skip();
	for (unsigned n = 0; n < 80 * count; n++) {
		unsigned k = n % count, len = k == count - 1 ? 6 : 5;
		uint8_t code[7];

		memcpy(code, codes[k], sizeof(code));
		if (n / count & 1)
			code[2] |= 0x80;
		assert_like_host(code, len, flags, UINT64_MAX);
	}
}

static void comparing_pairs_is_like_the_cpu_s(void **state)
{
	static const uint8_t eight[] = {0x0f, 0xc7, 0x0f}, sixteen[] = {0x48, 0x0f, 0xc7, 0x0f};

	(void)state;
	for (unsigned n = 0; n < 100; n++) {
		assert_like_host(eight, 3, ALL_FLAGS, UINT64_MAX);
		assert_like_host(sixteen, 4, ALL_FLAGS, UINT64_MAX);
	}
}

/* 8, 16 and 32 bits of code that the host runs, too: bases, indexes, displacements. */
static void addresses_are_like_the_cpu_s(void **state)
{
	static const uint8_t codes[][9] = {
		{4, 0x8b, 0x5f, 0xf0},                         /* -16(%rdi) */
		{7, 0x8b, 0x9f, 0xf4, 0xff, 0xff, 0xff, 0xff}, /* disp32 */
		{4, 0x8b, 0x1c, 0x0f},                         /* (%rdi, %rcx) */
		{5, 0x89, 0x5c, 0xcf, 0xe0},                   /* -32(%rdi, %rcx, 8) */
		{4, 0x8b, 0x1c, 0x27},                         /* (%rdi), no index */
	};

	(void)state;
	for (unsigned n = 0; n < 100; n++) {
		const uint8_t *code = codes[n % 5];
		unsigned len = n % 5 == 1 ? 6 : code[0] - 1u;

		assert_like_host(code + 1, len, ALL_FLAGS, UINT64_MAX);
	}
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
			assert_like_host(codes[i], 2, ALL_FLAGS, UINT64_MAX);
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
		assert_like_host(code, len, ALL_FLAGS, UINT64_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(moves_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(arithmetic_is_like_the_cpu_s, setup),
		cmocka_unit_test_setup(other_operations_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(shifts_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(double_shifts_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(multiplication_is_like_the_cpu_s, setup),
		cmocka_unit_test_setup(scans_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(crc32_is_like_the_cpu_s, setup),
		cmocka_unit_test_setup(bmi_is_like_the_cpu_s, setup),
		cmocka_unit_test_setup(comparing_pairs_is_like_the_cpu_s, setup),
		cmocka_unit_test_setup(addresses_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(conditions_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(high_bytes_are_like_the_cpu_s, setup),
		cmocka_unit_test_setup(string_instructions_are_like_the_cpu_s, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
