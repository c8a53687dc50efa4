/*
 * Whole instructions with a device operand: their bytes and the registers go in, registers, flags, memory and
 * what the device saw come out.
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

static uint64_t any_value(void)
{
	static const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff,
		0x80000000, UINT32_MAX, INT64_MAX, 1ull << 63, UINT64_MAX};

	return random_below(&seed, 4) ? random_next(&seed) : edges[random_below(&seed, 13)];
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
		r[i] = any_value();
	r[REG_RBX] &= rbx_mask;
	r[REG_RCX] = any_value() % 5;
	r[REG_RDI] = fake.device_at + 512;
	r[REG_RSI] = fake.memory_at + 512;
	for (unsigned i = 448; i < 576; i += 8) {
		put_device(i, 8, any_value());
		memcpy(fake.memory + i, &(uint64_t){any_value()}, 8);
	}
	if (any_value() & 1) /* for CMPXCHG */
		put_device(512, 8, r[REG_RAX]);
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
	cpu.mode = MODE32;
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
