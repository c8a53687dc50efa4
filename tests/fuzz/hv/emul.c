/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of instructions that access devices: what is decoded is well-formed, has a length
 * within the bytes given and depends on these bytes only; run to its end on a faked device it
 * stays within its bounds, touches the device in whole operands only, and changes no register
 * but its own.
 */
#include "emul/emul.h"
#include "fake_emul.h"
#include "input.h"
#include "spec/vmx.h"

static bool power_of_2_bytes(uint8_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static uint8_t highest_op(enum emul_kind kind)
{
	switch (kind) {
	case EMUL_ALU:
	case EMUL_ALU_REG:
	case EMUL_UNARY:
		return ALU_NEG;
	case EMUL_SHIFT:
		return SHIFT_SAR;
	case EMUL_SHIFT_DOUBLE:
	case EMUL_VECTOR_READ_HALF:
		return 1;
	case EMUL_BIT:
		return BIT_COMPLEMENT;
	case EMUL_SCAN:
		return SCAN_POPCNT;
	case EMUL_BMI:
		return BMI_RORX;
	case EMUL_SETCC:
	case EMUL_CMOV:
		return 15;
	default:
		return 0;
	}
}

static void check_insn(const struct emul_insn *i, unsigned len, struct emul_mode mode)
{
	bool vector = emul_is_vector(i->kind);

	check(i->length >= 1 && i->length <= len && i->length <= EMUL_MAX_INSN);
	check(power_of_2_bytes(i->size) || (vector && (i->size == 16 || i->size == 32)));
	check(i->reg < 16 && i->reg2 < 16 && (!i->reg_high || i->reg < 4));
	check(i->kind <= EMUL_VECTOR_WRITE_HIGH && i->op <= highest_op(i->kind));
	check(i->kind != EMUL_READ || power_of_2_bytes(i->reg_size));
	check(mode.long64 || (i->reg < 8 && i->reg2 < 8));
	check(mode.long64 || vector || i->size <= 4);
	check(i->address_size == 2 || i->address_size == 4 || i->address_size == 8);
	check(mode.long64 ? i->address_size != 2 : i->address_size != 8);
	check(i->segment < SEG_NAMED && i->scale < 4);
	check(i->base < REG_COUNT || i->base == EMUL_NO_REG);
	check(i->index < REG_COUNT || i->index == EMUL_NO_REG);
	check(!mode.long64 || i->segment >= SEG_SS);
}

static void check_alu(const uint8_t *data)
{
	uint64_t a, b, flags, before, result, mask;
	unsigned size = 1u << (data[1] & 3);
	enum emul_alu op = (enum emul_alu)(data[0] % 13);

	memcpy(&a, data, 8);
	memcpy(&b, data + 4, 8);
	memcpy(&flags, data + 2, 8);
	before = flags;
	mask = size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
	result = emul_alu(op, a & mask, b & mask, size, &flags);
	check((result & ~mask) == 0);
	check(((flags ^ before) & ~RFLAGS_STATUS) == 0);
	if (op == ALU_CMP || op == ALU_TEST)
		check(result == (a & mask));
}

/*
 * Shifts, scans and the like give results of their size, and change no flag but those of
 * status.
 */
static void check_bits(const uint8_t *data)
{
	uint64_t a, b, flags, before, high, low, by;
	unsigned size = 1u << (data[1] & 3);

	memcpy(&a, data, 8);
	memcpy(&b, data + 3, 8);
	memcpy(&flags, data + 2, 8);
	before = flags;
	check((emul_shift((enum emul_shift)(data[0] & 7), a, b, size, &flags) &
		      ~mask_of(size)) == 0);
	if (size > 1) {
		check((emul_shift_double(data[0] & 1, a, b, data[3], size, &flags) &
			      ~mask_of(size)) == 0);
		check(emul_scan((enum emul_scan)(SCAN_TZCNT + data[0] % 3), a, b, size,
			      &flags) <= size * 8);
	}
	if (size > 2)
		check((emul_bmi((enum emul_bmi)(data[0] % (BMI_RORX + 1)), a, b, size, &flags) &
			      ~mask_of(size)) == 0);
	check(((flags ^ before) & ~RFLAGS_STATUS) == 0);
	/* what a multiplication made a division takes apart */
	by = b & mask_of(size);
	low = emul_multiply(a, by, size, false, &high, &flags);
	check(emul_divide(&high, &low, by, size, false) == (by != 0));
	check(by == 0 || (low == (a & mask_of(size)) && high == 0));
}

/* ---- what runs ---- */

/* The start of the input; the code follows. */
struct setting {
	uint8_t mode;  /* bit 0: 64-bit, bit 1: 32-bit; others: prepare() */
	uint8_t count; /* RCX, if it is less than 128 */
	uint16_t device, memory, mapped;
	uint16_t rflags;
	uint8_t registers; /* seed of the others */
	uint8_t io;        /* of the string I/O instruction */
};

#define DEVICE 0xfee00000u

static uint64_t r[REG_COUNT], r_before[REG_COUNT];
static struct emul_cpu cpu;

static void prepare(const struct setting *s)
{
	fake_emul_reset();
	for (unsigned i = 0; i < REG_COUNT; i++)
		r[i] = (s->registers + i) * 0x9e3779b97f4a7c15u;
	if (s->count < 128)
		r[REG_RCX] = s->count;
	if (s->registers & 1) { /* into the memory, which is around the end of 32 bits */
		fake.memory_at = 0xfffff800;
		r[REG_RSI] = fake.memory_at + (s->memory & 0xfff);
		r[REG_RSP] = fake.memory_at + (s->memory >> 4 & 0xff8);
	}
	if (s->mode & 4)
		r[REG_RDI] = DEVICE + (s->device & 0xfff);
	if (s->mode & 8)
		r[REG_RSI] = DEVICE + (s->device >> 4);
	fake.mapped = s->mapped % (FAKE_MEMORY_SIZE + 1);
	fake.device_at = DEVICE;
	fake.device_read_only = s->mode & 16;
	memset(fake.device, s->registers, sizeof(fake.device));
	for (unsigned i = 0; i < SEG_NAMED; i++) {
		if (!(s->registers & 2))
			fake.segment[i].base = (uint32_t)(i * 0x31415926u);
		if (s->registers & 4)
			fake.segment[i].limit = s->memory;
		if (s->registers & 8)
			fake.segment[i].ar ^= 1u << (s->mapped + i) % 17;
	}
	cpu = (struct emul_cpu){.env = &fake_env,
		.mode = {.long64 = s->mode & 1, .default32 = s->mode & 2},
		.r = r,
		.rip = 0x1000,
		.types = s->mode & 32,
		.aligned = s->mode & 64,
		.one = s->mode & 128,
		.rflags = s->rflags};
	memcpy(r_before, r, sizeof(r));
}

/* Of a device: whole operands, and no more of them than there may be. */
static void check_accesses(unsigned size, unsigned most)
{
	check(fake.count <= most && most <= FAKE_ACCESSES_MAX);
	for (unsigned i = 0; i < fake.count; i++) {
		check(fake.accesses[i].size == size);
		if (fake.accesses[i].write && size < 8)
			check(fake.accesses[i].value >> size * 8 == 0);
	}
	check(cpu.mode.long64 || fake.highest <= UINT32_MAX);
}

/* Only these change; bits are enum reg. */
static void check_registers(uint32_t may_change)
{
	for (unsigned i = 0; i < REG_COUNT; i++)
		check(r[i] == r_before[i] || may_change >> i & 1);
}

static uint32_t changed_by(const struct emul_insn *i)
{
	if (emul_is_vector(i->kind))
		return 0;
	switch (i->kind) {
	case EMUL_STOS:
	case EMUL_MOVS:
	case EMUL_CMPS:
	case EMUL_SCAS:
		return 1u << REG_RCX | 1u << REG_RSI | 1u << REG_RDI;
	case EMUL_LODS:
		return 1u << REG_RCX | 1u << REG_RSI | 1u << REG_RAX;
	case EMUL_MULTIPLY:
	case EMUL_DIVIDE:
	case EMUL_CMPXCHG_PAIR:
		return 1u << REG_RAX | 1u << REG_RDX;
	case EMUL_PUSH:
	case EMUL_POP:
	case EMUL_CALL:
	case EMUL_STACK_PUSH:
	case EMUL_STACK_CALL:
	case EMUL_STACK_RET:
		return 1u << REG_RSP;
	case EMUL_STACK_POP:
		return 1u << REG_RSP | 1u << i->reg;
	case EMUL_BMI:
	case EMUL_MULX:
		return 1u << i->reg | 1u << i->reg2;
	case EMUL_CMPXCHG:
		return 1u << i->reg | 1u << REG_RAX;
	default:
		return 1u << i->reg;
	}
}

static void check_end(enum emul_end end, unsigned length)
{
	check(end <= EMUL_EXCEPTION);
	if (end == EMUL_EXCEPTION)
		check(cpu.vector == VEC_DE || cpu.vector == VEC_SS || cpu.vector == VEC_GP ||
			cpu.vector == VEC_AC);
	check(end == EMUL_COMPLETE || cpu.rip == 0x1000);
	check(length == 0 || end != EMUL_COMPLETE || cpu.rip == 0x1000u + length);
}

/* Repetitions end by their counter, or for CMPS and SCAS by ZF. */
static void check_string(const struct emul_insn *i, enum emul_end end)
{
	bool compares = i->kind == EMUL_CMPS || i->kind == EMUL_SCAS;
	uint64_t mask = mask_of(i->address_size), count = r[REG_RCX] & mask;

	check(end != EMUL_AGAIN || (i->rep && count != 0));
	check(end != EMUL_COMPLETE || !i->rep || compares || count == 0);
	check(i->rep || r[REG_RCX] == r_before[REG_RCX]);
	check(((r_before[REG_RCX] - count) & mask) <= (cpu.one ? 1 : EMUL_MAX_MOVES));
}

static void check_run(const struct emul_insn *i, const struct setting *s)
{
	bool string = emul_is_string(i->kind),
	     branch = i->kind == EMUL_CALL || i->kind == EMUL_JUMP ||
		      i->kind == EMUL_STACK_CALL || i->kind == EMUL_STACK_RET;
	uint64_t rflags;
	enum emul_end end;

	prepare(s);
	rflags = cpu.rflags;
	end = emul_run(&cpu, i);
	check_accesses(i->size * (i->kind == EMUL_CMPXCHG_PAIR ? 2u : 1u),
		string ? 2 * EMUL_MAX_MOVES : 2);
	check_registers(changed_by(i));
	check(((rflags ^ cpu.rflags) & ~RFLAGS_STATUS) == 0);
	check(string || end != EMUL_AGAIN);
	check_end(end, branch ? 0 : i->length);
	if (string)
		check_string(i, end);
	else if (end != EMUL_COMPLETE) /* nothing was done */
		for (unsigned k = 0; k < REG_COUNT; k++)
			check(r[k] == r_before[k]);
}

static void check_string_io(const struct setting *s)
{
	struct emul_string_io io = {
		.port = s->device,
		.size = (uint8_t)(1u << (s->io & 3) % 3),
		.in = s->io & 4,
		.rep = s->io & 8,
		.address_size = (uint8_t)(2u << (s->io >> 4 & 3) % 3),
		.segment = s->mapped % SEG_NAMED,
		.length = 2,
	};
	unsigned ports;
	uint64_t count;
	enum emul_end end;

	prepare(s);
	if (!cpu.mode.long64 && io.address_size == 8)
		io.address_size = 4;
	if (cpu.mode.long64 && io.segment < SEG_FS)
		io.segment = SEG_DS;
	end = emul_string_io(&cpu, &io);
	check_accesses(io.size, 2 * EMUL_MAX_IO);
	check_registers(1u << REG_RCX | 1u << (io.in ? REG_RDI : REG_RSI));
	check_end(end, io.length);
	count = r[REG_RCX] & mask_of(io.address_size);
	ports = fake_count(true, !io.in);
	check(end != EMUL_COMPLETE || !io.rep || count == 0);
	check(end != EMUL_AGAIN || (io.rep && ports == (cpu.one ? 1 : EMUL_MAX_IO)));
	if (io.rep)
		check(((r_before[REG_RCX] - ports) & mask_of(io.address_size)) == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t code[EMUL_MAX_INSN] = {0};
	struct setting setting;
	struct emul_mode mode;
	struct emul_insn i, again;
	unsigned len;

	if (size <= sizeof(setting))
		return 0;
	memcpy(&setting, data, sizeof(setting));
	mode = (struct emul_mode){.long64 = setting.mode & 1, .default32 = setting.mode & 2};
	size -= sizeof(setting);
	len = size < EMUL_MAX_INSN ? (unsigned)size : EMUL_MAX_INSN;
	memcpy(code, data + sizeof(setting), len);
	check_alu(data);
	check_bits(data);
	check_string_io(&setting);
	memset(&i, 0, sizeof(i));
	if (!emul_decode(code, len, mode, &i))
		return 0;
	check_insn(&i, len, mode);
	memset(&again, 0, sizeof(again));
	check(emul_decode(code, i.length, mode, &again) && again.length == i.length);
	check(again.kind == i.kind && again.size == i.size && again.imm == i.imm);
	check(!emul_decode(code, i.length - 1u, mode, &again));
	check_run(&i, &setting);
	return 0;
}
