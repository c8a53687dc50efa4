/*
 * Fuzzer of instructions that access devices: what is decoded is well-formed, has a length within the bytes
 * given and depends on these bytes only; run to its end on a faked device it stays within its bounds, touches the
 * device in whole operands only, and changes no register but its own.
 */
#include "emul/emul.h"
#include "fake_emul.h"
#include "input.h"
#include "spec/vmx.h"

static bool power_of_2_bytes(uint8_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static void check_insn(const struct emul_insn *i, unsigned len, struct emul_mode mode)
{
	check(i->length >= 1 && i->length <= len && i->length <= EMUL_MAX_INSN);
	check(power_of_2_bytes(i->size));
	check(i->reg < 16 && (!i->reg_high || i->reg < 4));
	check(i->kind <= EMUL_MOVS && i->alu <= ALU_NEG && i->bit <= BIT_COMPLEMENT &&
		i->condition < 16);
	check(i->kind != EMUL_READ || power_of_2_bytes(i->reg_size));
	check(mode.long64 || (i->size <= 4 && i->reg < 8));
	if (i->kind == EMUL_STOS || i->kind == EMUL_MOVS)
		check(i->address_size == 2 || i->address_size == 4 || i->address_size == 8);
	check(i->segment < SEG_NAMED);
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
	check(((flags ^ before) & ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF |
					  RFLAGS_OF)) == 0);
	if (op == ALU_CMP || op == ALU_TEST)
		check(result == (a & mask));
}

/* ---- what runs ---- */

/* The start of the input; the code follows. */
struct setting {
	uint8_t mode;  /* bit 0: 64-bit, bit 1: 32-bit, bit 2: the device is the destination */
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
		r[REG_RDI] = fake.memory_at + (s->memory >> 4);
	}
	fake.mapped = s->mapped % (FAKE_MEMORY_SIZE + 1);
	fake.device_at = DEVICE;
	memset(fake.device, s->registers, sizeof(fake.device));
	for (unsigned i = 0; i < SEG_NAMED; i++)
		fake.base[i] = s->registers & 2 ? 0 : (uint32_t)(i * 0x31415926u);
	cpu = (struct emul_cpu){.env = &fake_env,
		.mode = {.long64 = s->mode & 1, .default32 = s->mode & 2},
		.r = r,
		.rflags = s->rflags};
	memcpy(r_before, r, sizeof(r));
}

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
	if (i->kind == EMUL_STOS || i->kind == EMUL_MOVS)
		return 1u << REG_RCX | 1u << REG_RSI | 1u << REG_RDI;
	return 1u << i->reg | (i->kind == EMUL_CMPXCHG ? 1u << REG_RAX : 0);
}

static void check_run(const struct emul_insn *i, const struct setting *s)
{
	bool string = i->kind == EMUL_STOS || i->kind == EMUL_MOVS;
	uint64_t gpa = DEVICE + (s->device & 0xfff), rflags, count;
	enum emul_end end;

	prepare(s);
	rflags = cpu.rflags;
	end = emul_run(&cpu, i, gpa, s->mode & 4);
	check_accesses(i->size, string ? EMUL_MAX_MOVES : 2);
	check_registers(changed_by(i));
	check(((rflags ^ cpu.rflags) & ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF |
					       RFLAGS_SF | RFLAGS_OF)) == 0);
	check(string || end == EMUL_COMPLETE);
	if (!string)
		return;
	check(rflags == cpu.rflags);
	for (unsigned k = 0; k < fake.count; k++)
		check((fake.accesses[k].at ^ gpa) >> 12 == 0);
	count = r[REG_RCX] & emul_mask(i->address_size);
	check(end == EMUL_COMPLETE || end == EMUL_FAULT || i->rep);
	check(end != EMUL_COMPLETE || !i->rep || count == 0);
	if (i->rep && end != EMUL_FAULT) /* each element is one access, and counts */
		check(((r_before[REG_RCX] - fake.count) & emul_mask(i->address_size)) == count);
}

static void check_string_io(const struct setting *s)
{
	struct emul_string_io io = {
		.port = s->device,
		.size = (uint8_t)(1u << (s->io & 3) % 3),
		.in = s->io & 4,
		.rep = s->io & 8,
		.address_size = (uint8_t)(2u << (s->io >> 4 & 3) % 3),
	};
	uint64_t count;
	enum emul_end end;

	prepare(s);
	if (!cpu.mode.long64 && io.address_size == 8)
		io.address_size = 4;
	io.linear = r[io.in ? REG_RDI : REG_RSI] & emul_mask(io.address_size);
	end = emul_string_io(&cpu, &io);
	check_accesses(io.size, EMUL_MAX_IO);
	check_registers(1u << REG_RCX | 1u << (io.in ? REG_RDI : REG_RSI));
	count = r[REG_RCX] & emul_mask(io.address_size);
	check(end != EMUL_COMPLETE || !io.rep || count == 0);
	check(end != EMUL_AGAIN || (io.rep && fake.count == EMUL_MAX_IO));
	if (io.rep)
		check(((r_before[REG_RCX] - fake.count) & emul_mask(io.address_size)) == count);
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
