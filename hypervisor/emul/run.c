/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one instruction with a memory operand does.
 */
#include "emul/emul_int.h"

#include <stddef.h>

#include "spec/addr.h"
#include "spec/cet.h"
#include "spec/regs.h"
#include "spec/vmx.h"

#define MOVDIR64B_BYTES 64u

/* ---- operands ---- */

static uint64_t get_reg(const struct emul_cpu *cpu, unsigned reg, bool high)
{
	return high ? cpu->r[reg] >> 8 & 0xff : cpu->r[reg];
}

static uint64_t source(const struct emul_access *a)
{
	if (a->insn->has_imm)
		return a->insn->imm;
	return get_reg(a->cpu, a->insn->reg, a->insn->reg_high);
}

/* Of shifts: CL, unless it is immediate. */
static uint64_t count(const struct emul_access *a)
{
	return a->insn->has_imm ? a->insn->imm : a->cpu->r[REG_RCX] & 0xff;
}

static void set_destination(struct emul_access *a, unsigned size, uint64_t v)
{
	uint64_t *r = &a->cpu->r[a->insn->reg];

	if (a->insn->reg_high)
		*r = (*r & ~0xff00ull) | (v & 0xff) << 8;
	else
		emul_set_reg(r, size, v);
}

/*
 * ---- instructions with one operand in memory: v is what is there, and what is to be there
 * ----
 */

static void run_read(struct emul_access *a, uint64_t *v)
{
	if (a->insn->swap)
		*v = emul_swap(*v, a->insn->size);
	if (a->insn->sign)
		*v = emul_sign_extend(*v, a->insn->size);
	set_destination(a, a->insn->reg_size, *v);
}

static void run_write(struct emul_access *a, uint64_t *v)
{
	*v = source(a);
	if (a->insn->swap)
		*v = emul_swap(*v, a->insn->size);
}

static void run_alu(struct emul_access *a, uint64_t *v)
{
	*v = emul_alu(
		(enum emul_alu)a->insn->op, *v, source(a), a->insn->size, &a->cpu->rflags);
}

static void run_alu_reg(struct emul_access *a, uint64_t *v)
{
	uint64_t r = emul_alu(
		(enum emul_alu)a->insn->op, source(a), *v, a->insn->size, &a->cpu->rflags);

	if (a->insn->op != ALU_CMP)
		set_destination(a, a->insn->size, r);
}

static void run_unary(struct emul_access *a, uint64_t *v)
{
	*v = emul_alu((enum emul_alu)a->insn->op, *v, 1, a->insn->size, &a->cpu->rflags);
}

static void run_shift(struct emul_access *a, uint64_t *v)
{
	*v = emul_shift(
		(enum emul_shift)a->insn->op, *v, count(a), a->insn->size, &a->cpu->rflags);
}

static void run_shift_double(struct emul_access *a, uint64_t *v)
{
	*v = emul_shift_double(a->insn->op, *v, a->cpu->r[a->insn->reg], count(a),
		a->insn->size, &a->cpu->rflags);
}

static void run_xchg(struct emul_access *a, uint64_t *v)
{
	uint64_t old = *v;

	*v = source(a);
	set_destination(a, a->insn->size, old);
}

static void run_xadd(struct emul_access *a, uint64_t *v)
{
	uint64_t old = *v;

	*v = emul_alu(ALU_ADD, old, source(a), a->insn->size, &a->cpu->rflags);
	set_destination(a, a->insn->size, old);
}

/* The memory is written in any case, as the processor does. */
static void run_cmpxchg(struct emul_access *a, uint64_t *v)
{
	struct emul_cpu *cpu = a->cpu;

	emul_alu(ALU_CMP, cpu->r[REG_RAX], *v, a->insn->size, &cpu->rflags);
	if (cpu->rflags & RFLAGS_ZF)
		*v = source(a);
	else
		emul_set_reg(&cpu->r[REG_RAX], a->insn->size, *v);
}

static void run_bit(struct emul_access *a, uint64_t *v)
{
	*v = emul_bit(
		(enum emul_bit)a->insn->op, *v, source(a), a->insn->size, &a->cpu->rflags);
}

static void run_setcc(struct emul_access *a, uint64_t *v)
{
	*v = emul_condition(a->insn->op, a->cpu->rflags);
}

/* Reads the memory in any case, and clears the upper half of a 32-bit register. */
static void run_cmov(struct emul_access *a, uint64_t *v)
{
	if (!emul_condition(a->insn->op, a->cpu->rflags))
		*v = get_reg(a->cpu, a->insn->reg, false);
	set_destination(a, a->insn->size, *v);
}

/* Of bytes, both halves of the product are in AX; so are quotient and remainder. */
static void set_pair(struct emul_cpu *cpu, unsigned size, uint64_t high, uint64_t low)
{
	if (size == 1) {
		emul_set_reg(&cpu->r[REG_RAX], 2, high << 8 | low);
		return;
	}
	emul_set_reg(&cpu->r[REG_RAX], size, low);
	emul_set_reg(&cpu->r[REG_RDX], size, high);
}

static void run_multiply(struct emul_access *a, uint64_t *v)
{
	struct emul_cpu *cpu = a->cpu;
	uint64_t high, low = emul_multiply(cpu->r[REG_RAX], *v, a->insn->size, a->insn->sign,
			       &high, &cpu->rflags);

	set_pair(cpu, a->insn->size, high, low);
}

static void run_imul(struct emul_access *a, uint64_t *v)
{
	uint64_t high;

	set_destination(a, a->insn->size,
		emul_multiply(*v, source(a), a->insn->size, true, &high, &a->cpu->rflags));
}

static enum emul_scan scan_of(const struct emul_access *a)
{
	enum emul_scan op = (enum emul_scan)a->insn->op;

	if (op == SCAN_TZCNT && a->cpu->no_tzcnt)
		return SCAN_BSF;
	return op == SCAN_LZCNT && a->cpu->no_lzcnt ? SCAN_BSR : op;
}

static void run_scan(struct emul_access *a, uint64_t *v)
{
	uint64_t *r = &a->cpu->r[a->insn->reg];
	enum emul_scan op = scan_of(a);
	bool kept = *v == 0 && op <= SCAN_BSR; /* the register stays as it is */
	uint64_t found = emul_scan(op, *v, *r, a->insn->size, &a->cpu->rflags);

	if (!kept)
		emul_set_reg(r, a->insn->size, found);
}

static void run_crc32(struct emul_access *a, uint64_t *v)
{
	uint64_t *r = &a->cpu->r[a->insn->reg];

	*r = emul_crc32((uint32_t)*r, *v, a->insn->size);
}

static void run_bmi(struct emul_access *a, uint64_t *v)
{
	const struct emul_insn *insn = a->insn;
	bool group = insn->op >= BMI_BLSR && insn->op <= BMI_BLSI;
	uint64_t second = insn->has_imm ? insn->imm : a->cpu->r[insn->reg2];
	uint64_t r = emul_bmi((enum emul_bmi)insn->op, *v, second, insn->size, &a->cpu->rflags);

	/* one row of them has its destination in VEX.vvvv */
	emul_set_reg(&a->cpu->r[group ? insn->reg2 : insn->reg], insn->size, r);
}

/* One register for both halves has the high one. */
static void run_mulx(struct emul_access *a, uint64_t *v)
{
	const struct emul_insn *insn = a->insn;
	struct emul_cpu *cpu = a->cpu;
	uint64_t no_flags = 0, high;
	uint64_t low = emul_multiply(cpu->r[REG_RDX], *v, insn->size, false, &high, &no_flags);

	emul_set_reg(&cpu->r[insn->reg2], insn->size, low);
	emul_set_reg(&cpu->r[insn->reg], insn->size, high);
}

/* ---- the others ---- */

/* Nothing is cached of a device. Faults are those of a load (SDM volume 2A, CLFLUSH). */
static enum emul_end run_touch(struct emul_access *a)
{
	return emul_can_load(a->cpu, a->linear, a->insn->size);
}

static enum emul_end run_divide(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	uint64_t high = cpu->r[size == 1 ? REG_RAX : REG_RDX] >> (size == 1 ? 8 : 0), v;
	uint64_t low = cpu->r[REG_RAX];
	enum emul_end end = emul_load(cpu, a->linear, size, &v);

	if (end != EMUL_COMPLETE)
		return end;
	if (!emul_divide(&high, &low, v, size, a->insn->sign))
		return emul_raise(cpu, VEC_DE);
	set_pair(cpu, size, high, low);
	return EMUL_COMPLETE;
}

/* CMPXCHG8B and CMPXCHG16B: two halves, each a register. */
static enum emul_end run_cmpxchg_pair(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	uint8_t v[16] = {0};
	uint64_t low = 0, high = 0;
	bool equal;

	if (!seam_memory_can_write(cpu->env, a->linear, 2 * size) ||
		!seam_memory_read(cpu->env, a->linear, v, 2 * size))
		return EMUL_FAULT;
	__builtin_memcpy(&low, v, size);
	__builtin_memcpy(&high, v + size, size);
	equal = ((low ^ cpu->r[REG_RAX]) & mask_of(size)) == 0 &&
		((high ^ cpu->r[REG_RDX]) & mask_of(size)) == 0;
	if (equal) {
		__builtin_memcpy(v, &cpu->r[REG_RBX], size);
		__builtin_memcpy(v + size, &cpu->r[REG_RCX], size);
	}
	if (!seam_memory_write(cpu->env, a->linear, v, 2 * size))
		return EMUL_FAULT;
	cpu->rflags = equal ? cpu->rflags | RFLAGS_ZF : cpu->rflags & ~RFLAGS_ZF;
	if (!equal)
		set_pair(cpu, size, high, low);
	return EMUL_COMPLETE;
}

/*
 * Its bytes are read whole, and written whole to an address that is aligned (SDM vol. 2B
 * "MOVDIR64B"); a device sees 8 at a time.
 */
static enum emul_end run_movdir64b(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	uint64_t v[8], to = cpu->r[a->insn->reg] & mask_of(a->insn->address_size);
	enum emul_end end = emul_linear(cpu, SEG_ES, to, MOVDIR64B_BYTES, true, &to);

	if (end != EMUL_COMPLETE)
		return end;
	if (to & (MOVDIR64B_BYTES - 1))
		return emul_raise(cpu, VEC_GP);
	if (!seam_memory_can_write(cpu->env, to, sizeof(v)) ||
		!seam_memory_read(cpu->env, a->linear, v, sizeof(v)) ||
		!seam_memory_write(cpu->env, to, v, sizeof(v)))
		return EMUL_FAULT;
	return EMUL_COMPLETE;
}

/* Bytes of the stack pointer: SDM vol. 1 6.2.3 "Address-Size Attributes for Stack". */
static unsigned stack_width(struct emul_cpu *cpu)
{
	if (cpu->mode.long64)
		return 8;
	return seam_segment(cpu->env, SEG_SS).ar & SEG_AR_DB ? 4 : 2;
}

/* RSP moves by `by`, within its width. */
static void move_stack(struct emul_cpu *cpu, uint64_t by)
{
	unsigned width = stack_width(cpu);
	uint64_t m = mask_of(width), rsp = cpu->r[REG_RSP];

	cpu->r[REG_RSP] = (rsp & ~m) | ((rsp + by) & m);
}

static enum emul_end push_at(struct emul_cpu *cpu, unsigned size, uint64_t *linear)
{
	uint64_t offset = (cpu->r[REG_RSP] - size) & mask_of(stack_width(cpu));
	enum emul_end end = emul_linear(cpu, SEG_SS, offset, size, true, linear);

	return end == EMUL_COMPLETE ? emul_can_store(cpu, *linear, size) : end;
}

/* The stack is known to take the value before a device is read. */
static enum emul_end run_push(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	uint64_t to, v;
	enum emul_end end = emul_can_load(cpu, a->linear, size);

	if (end == EMUL_COMPLETE)
		end = push_at(cpu, size, &to);
	if (end == EMUL_COMPLETE)
		end = emul_load(cpu, a->linear, size, &v);
	if (end == EMUL_COMPLETE)
		end = emul_store(cpu, to, size, v);
	if (end == EMUL_COMPLETE)
		move_stack(cpu, -(uint64_t)size);
	return end;
}

static enum emul_end load_top(struct emul_cpu *cpu, unsigned size, uint64_t *v)
{
	uint64_t from, offset = cpu->r[REG_RSP] & mask_of(stack_width(cpu));
	enum emul_end end = emul_linear(cpu, SEG_SS, offset, size, false, &from);

	return end == EMUL_COMPLETE ? emul_load(cpu, from, size, v) : end;
}

static enum emul_end run_pop(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	uint64_t v;
	enum emul_end end = load_top(cpu, size, &v);

	if (end == EMUL_COMPLETE)
		end = emul_store(cpu, a->linear, size, v);
	if (end == EMUL_COMPLETE)
		move_stack(cpu, size);
	return end;
}

/* SDM vol. 2A "CALL", "JMP": a near target. */
static enum emul_end check_target(struct emul_cpu *cpu, uint64_t to)
{
	if (cpu->mode.long64 ? !canonical_with(to, cpu->la57)
			     : to > seam_segment(cpu->env, SEG_CS).limit)
		return emul_raise(cpu, VEC_GP);
	return EMUL_COMPLETE;
}

/* Shadow stacks and branches that are tracked are not emulated: as an instruction that is not
 * known. */
static enum emul_end refuse_if(struct emul_cpu *cpu, uint64_t control_flow)
{
	return seam_control_flow(cpu->env) & control_flow ? emul_raise(cpu, VEC_UD)
							  : EMUL_COMPLETE;
}

/* cpu->rip is behind the instruction. */
static enum emul_end run_branch(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	bool call = a->insn->kind == EMUL_CALL;
	uint64_t to, stack;
	enum emul_end end = refuse_if(cpu, CET_ENDBR_EN | (call ? CET_SH_STK_EN : 0));

	if (end == EMUL_COMPLETE)
		end = emul_can_load(cpu, a->linear, size);
	if (end == EMUL_COMPLETE && call)
		end = push_at(cpu, size, &stack);
	if (end == EMUL_COMPLETE)
		end = emul_load(cpu, a->linear, size, &to);
	if (end == EMUL_COMPLETE)
		end = check_target(cpu, to);
	if (end == EMUL_COMPLETE && call)
		end = emul_store(cpu, stack, size, cpu->rip + a->insn->length);
	if (end != EMUL_COMPLETE)
		return end;
	if (call)
		move_stack(cpu, -(uint64_t)size);
	cpu->rip = to - a->insn->length;
	return EMUL_COMPLETE;
}

/* ---- no memory but the stack ---- */

static enum emul_end run_stack_push(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	uint64_t to, v = source(a);
	enum emul_end end = push_at(cpu, size, &to);

	if (end == EMUL_COMPLETE)
		end = emul_store(cpu, to, size, v);
	if (end == EMUL_COMPLETE)
		move_stack(cpu, -(uint64_t)size);
	return end;
}

/* POP of RSP leaves what was popped there (SDM vol. 2B "POP"). */
static enum emul_end run_stack_pop(struct emul_access *a)
{
	uint64_t v;
	enum emul_end end = load_top(a->cpu, a->insn->size, &v);

	if (end != EMUL_COMPLETE)
		return end;
	move_stack(a->cpu, a->insn->size);
	emul_set_reg(&a->cpu->r[a->insn->reg], a->insn->size, v);
	return EMUL_COMPLETE;
}

static enum emul_end run_stack_call(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	unsigned size = a->insn->size;
	uint64_t stack, next = cpu->rip + a->insn->length;
	uint64_t to = (next + a->insn->imm) & mask_of(size);
	enum emul_end end = refuse_if(cpu, CET_SH_STK_EN);

	if (end == EMUL_COMPLETE)
		end = push_at(cpu, size, &stack);
	if (end == EMUL_COMPLETE)
		end = check_target(cpu, to);
	if (end == EMUL_COMPLETE)
		end = emul_store(cpu, stack, size, next);
	if (end != EMUL_COMPLETE)
		return end;
	move_stack(cpu, -(uint64_t)size);
	cpu->rip = to - a->insn->length;
	return EMUL_COMPLETE;
}

static enum emul_end run_stack_ret(struct emul_access *a)
{
	struct emul_cpu *cpu = a->cpu;
	uint64_t to;
	enum emul_end end = refuse_if(cpu, CET_SH_STK_EN);

	if (end == EMUL_COMPLETE)
		end = load_top(cpu, a->insn->size, &to);
	if (end == EMUL_COMPLETE)
		end = check_target(cpu, to);
	if (end != EMUL_COMPLETE)
		return end;
	move_stack(cpu, a->insn->size + a->insn->imm);
	cpu->rip = to - a->insn->length;
	return EMUL_COMPLETE;
}

/* ---- all ---- */

#define READS  1u
#define WRITES 2u

static const struct {
	unsigned access;
	void (*simple)(struct emul_access *, uint64_t *);
	enum emul_end (*other)(struct emul_access *); /* makes its accesses itself */
} kinds[] = {
	[EMUL_READ] = {READS, run_read, NULL},
	[EMUL_WRITE] = {WRITES, run_write, NULL},
	[EMUL_ALU] = {READS | WRITES, run_alu, NULL},
	[EMUL_ALU_REG] = {READS, run_alu_reg, NULL},
	[EMUL_XCHG] = {READS | WRITES, run_xchg, NULL},
	[EMUL_XADD] = {READS | WRITES, run_xadd, NULL},
	[EMUL_CMPXCHG] = {READS | WRITES, run_cmpxchg, NULL},
	[EMUL_CMPXCHG_PAIR] = {READS | WRITES, NULL, run_cmpxchg_pair},
	[EMUL_UNARY] = {READS | WRITES, run_unary, NULL},
	[EMUL_SHIFT] = {READS | WRITES, run_shift, NULL},
	[EMUL_SHIFT_DOUBLE] = {READS | WRITES, run_shift_double, NULL},
	[EMUL_BIT] = {READS | WRITES, run_bit, NULL},
	[EMUL_SETCC] = {WRITES, run_setcc, NULL},
	[EMUL_CMOV] = {READS, run_cmov, NULL},
	[EMUL_MULTIPLY] = {READS, run_multiply, NULL},
	[EMUL_DIVIDE] = {READS, NULL, run_divide},
	[EMUL_IMUL] = {READS, run_imul, NULL},
	[EMUL_SCAN] = {READS, run_scan, NULL},
	[EMUL_CRC32] = {READS, run_crc32, NULL},
	[EMUL_BMI] = {READS, run_bmi, NULL},
	[EMUL_MULX] = {READS, run_mulx, NULL},
	[EMUL_PUSH] = {READS, NULL, run_push},
	[EMUL_POP] = {WRITES, NULL, run_pop},
	[EMUL_CALL] = {READS, NULL, run_branch},
	[EMUL_JUMP] = {READS, NULL, run_branch},
	[EMUL_MOVDIR64B] = {READS, NULL, run_movdir64b},
	[EMUL_TOUCH] = {READS, NULL, run_touch},
	[EMUL_STACK_PUSH] = {0, NULL, run_stack_push},
	[EMUL_STACK_POP] = {0, NULL, run_stack_pop},
	[EMUL_STACK_CALL] = {0, NULL, run_stack_call},
	[EMUL_STACK_RET] = {0, NULL, run_stack_ret},
	[EMUL_STOS] = {0, NULL, emul_string},
	[EMUL_MOVS] = {0, NULL, emul_string},
	[EMUL_LODS] = {0, NULL, emul_string},
	[EMUL_CMPS] = {0, NULL, emul_string},
	[EMUL_SCAS] = {0, NULL, emul_string},
	[EMUL_VECTOR_READ] = {READS, NULL, emul_vector},
	[EMUL_VECTOR_WRITE] = {WRITES, NULL, emul_vector},
	[EMUL_VECTOR_READ_HALF] = {READS, NULL, emul_vector},
	[EMUL_VECTOR_WRITE_HIGH] = {WRITES, NULL, emul_vector},
};

static unsigned access_of(const struct emul_insn *insn)
{
	bool compares = insn->op == ALU_CMP || insn->op == ALU_TEST;

	if ((insn->kind == EMUL_ALU && compares) ||
		(insn->kind == EMUL_BIT && insn->op == BIT_TEST))
		return READS;
	return kinds[insn->kind].access;
}

/* A device is not read when what it holds could not be written. */
static enum emul_end run_simple(struct emul_access *a, unsigned access)
{
	unsigned size = a->insn->size;
	enum emul_end end = EMUL_COMPLETE;
	uint64_t v = 0;

	if (access == (READS | WRITES))
		end = emul_can_store(a->cpu, a->linear, size);
	if (end == EMUL_COMPLETE && access & READS)
		end = emul_load(a->cpu, a->linear, size, &v);
	if (end != EMUL_COMPLETE)
		return end;
	kinds[a->insn->kind].simple(a, &v);
	return access & WRITES ? emul_store(a->cpu, a->linear, size, v & mask_of(size))
			       : EMUL_COMPLETE;
}

static unsigned bytes_of(const struct emul_insn *insn)
{
	if (insn->kind == EMUL_MOVDIR64B)
		return MOVDIR64B_BYTES;
	return insn->size * (insn->kind == EMUL_CMPXCHG_PAIR ? 2u : 1u);
}

static enum emul_end run(struct emul_access *a, unsigned access)
{
	const struct emul_insn *insn = a->insn;
	unsigned size = bytes_of(insn);
	enum emul_end end;

	if (!emul_is_string(insn->kind) && !emul_is_stack(insn->kind)) {
		end = emul_linear(a->cpu, insn->segment, emul_offset(a->cpu, insn), size,
			access & WRITES, &a->linear);
		if (end != EMUL_COMPLETE)
			return end;
	}
	if (kinds[insn->kind].simple != NULL)
		return run_simple(a, access);
	return kinds[insn->kind].other(a);
}

enum emul_end emul_run(struct emul_cpu *cpu, const struct emul_insn *insn)
{
	struct emul_access a = {.cpu = cpu, .insn = insn};
	enum emul_end end = run(&a, access_of(insn));

	if (end == EMUL_COMPLETE)
		cpu->rip += insn->length;
	return end;
}
