/*
 * What one instruction with a device operand does.
 */
#include "emul/emul_int.h"

#include "spec/vmx.h"

/* ---- registers ---- */

static uint64_t get_reg(const struct emul_cpu *cpu, unsigned reg, bool high)
{
	return high ? cpu->r[reg] >> 8 & 0xff : cpu->r[reg];
}

/* Writes of 4 bytes clear the upper half; smaller ones keep the rest. */
static void set_reg(struct emul_cpu *cpu, unsigned reg, bool high, unsigned size, uint64_t v)
{
	uint64_t old = cpu->r[reg], m = emul_mask(size);

	if (high)
		v = (old & ~0xff00ull) | (v & 0xff) << 8;
	else if (size < 4)
		v = (old & ~m) | (v & m);
	else
		v &= m;
	cpu->r[reg] = v;
}

static uint64_t source(const struct emul_access *a)
{
	if (a->insn->has_imm)
		return a->insn->imm;
	return get_reg(a->cpu, a->insn->reg, a->insn->reg_high);
}

static void set_destination(struct emul_access *a, unsigned size, uint64_t v)
{
	set_reg(a->cpu, a->insn->reg, a->insn->reg_high, size, v);
}

/* ---- instructions ---- */

static uint64_t sign_extend(uint64_t v, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

static void run_read(struct emul_access *a)
{
	uint64_t v = emul_device_read(a);

	if (a->insn->swap)
		v = emul_swap(v, a->insn->size);
	if (a->insn->sign)
		v = sign_extend(v, a->insn->size);
	set_destination(a, a->insn->reg_size, v);
}

static void run_write(struct emul_access *a)
{
	uint64_t v = source(a);

	emul_device_write(a, a->insn->swap ? emul_swap(v, a->insn->size) : v);
}

static void run_alu(struct emul_access *a)
{
	uint64_t r = emul_alu(
		a->insn->alu, emul_device_read(a), source(a), a->insn->size, &a->cpu->rflags);

	if (a->insn->alu != ALU_CMP && a->insn->alu != ALU_TEST)
		emul_device_write(a, r);
}

static void run_alu_reg(struct emul_access *a)
{
	uint64_t memory = emul_device_read(a);
	uint64_t r = emul_alu(a->insn->alu, source(a), memory, a->insn->size, &a->cpu->rflags);

	if (a->insn->alu != ALU_CMP)
		set_destination(a, a->insn->size, r);
}

static void run_unary(struct emul_access *a)
{
	uint64_t old = emul_device_read(a);

	emul_device_write(a, emul_alu(a->insn->alu, old, 1, a->insn->size, &a->cpu->rflags));
}

static void run_xchg(struct emul_access *a)
{
	uint64_t old = emul_device_read(a);

	emul_device_write(a, source(a));
	set_destination(a, a->insn->size, old);
}

static void run_xadd(struct emul_access *a)
{
	uint64_t old = emul_device_read(a);

	emul_device_write(a, emul_alu(ALU_ADD, old, source(a), a->insn->size, &a->cpu->rflags));
	set_destination(a, a->insn->size, old);
}

/* The memory is written in any case, as the processor does. */
static void run_cmpxchg(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	uint64_t old = emul_device_read(a);
	bool equal;

	emul_alu(ALU_CMP, cpu->r[REG_RAX], old, a->insn->size, &cpu->rflags);
	equal = cpu->rflags & RFLAGS_ZF;
	emul_device_write(a, equal ? source(a) : old);
	if (!equal)
		set_reg(cpu, REG_RAX, false, a->insn->size, old);
}

static void run_bit(struct emul_access *a)
{
	uint64_t old = emul_device_read(a);
	uint64_t v = emul_bit(a->insn->bit, old, source(a), a->insn->size, &a->cpu->rflags);

	if (a->insn->bit != BIT_TEST)
		emul_device_write(a, v);
}

static void run_setcc(struct emul_access *a)
{
	emul_device_write(a, emul_condition(a->insn->condition, a->cpu->rflags));
}

/* Reads the memory in any case, and clears the upper half of a 32-bit register. */
static void run_cmov(struct emul_access *a)
{
	uint64_t v = emul_device_read(a);

	if (!emul_condition(a->insn->condition, a->cpu->rflags))
		v = get_reg(a->cpu, a->insn->reg, false);
	set_destination(a, a->insn->size, v);
}

enum emul_end emul_run(
	struct emul_cpu *cpu, const struct emul_insn *insn, uint64_t gpa, bool write)
{
	static void (*const run[])(struct emul_access *) = {
		[EMUL_READ] = run_read,
		[EMUL_WRITE] = run_write,
		[EMUL_ALU] = run_alu,
		[EMUL_ALU_REG] = run_alu_reg,
		[EMUL_XCHG] = run_xchg,
		[EMUL_XADD] = run_xadd,
		[EMUL_CMPXCHG] = run_cmpxchg,
		[EMUL_UNARY] = run_unary,
		[EMUL_BIT] = run_bit,
		[EMUL_SETCC] = run_setcc,
		[EMUL_CMOV] = run_cmov,
	};
	struct emul_access a = {.cpu = cpu, .insn = insn, .gpa = gpa};

	if (insn->kind == EMUL_STOS || insn->kind == EMUL_MOVS)
		return emul_string(&a, write);
	run[insn->kind](&a);
	return EMUL_COMPLETE;
}
