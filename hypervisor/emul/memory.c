/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory operands: where they are, and what the processor checks before it translates the
 * address.
 */
#include "emul/emul_int.h"

#include "spec/addr.h"
#include "spec/regs.h"
#include "spec/vmx.h"

enum emul_end emul_raise(struct emul_cpu *cpu, uint8_t vector)
{
	cpu->vector = vector;
	return EMUL_EXCEPTION;
}

static uint64_t register_or_0(const struct emul_cpu *cpu, uint8_t reg)
{
	return reg == EMUL_NO_REG ? 0 : cpu->r[reg];
}

/* BT and its kin with a register: bits beyond the word lead to other words. */
static uint64_t bit_displacement(const struct emul_cpu *cpu, const struct emul_insn *insn)
{
	unsigned shift = 64u - insn->size * 8u, word = insn->size == 2   ? 4
						       : insn->size == 4 ? 5
									 : 6;
	int64_t bit = (int64_t)(cpu->r[insn->reg] << shift) >> shift;

	return (uint64_t)(bit >> word) * insn->size;
}

uint64_t emul_offset(const struct emul_cpu *cpu, const struct emul_insn *insn)
{
	uint64_t offset = register_or_0(cpu, insn->base) +
			  (register_or_0(cpu, insn->index) << insn->scale) +
			  insn->displacement + (insn->rip ? cpu->rip + insn->length : 0);

	if (insn->kind == EMUL_BIT && !insn->has_imm)
		offset += bit_displacement(cpu, insn);
	/* the address is made after the pop: SDM vol. 2B "POP" */
	if (insn->kind == EMUL_POP && insn->base == REG_RSP)
		offset += insn->size;
	return offset & mask_of(insn->address_size);
}

/* SDM 5.3 "Limit Checking", 5.5 "Privilege Levels": what the segment's type allows. */
static bool segment_allows(const struct emul_cpu *cpu, const struct emul_segment *s, bool write)
{
	bool code = s->ar & SEG_TYPE_CODE;

	if (!cpu->types)
		return true;
	if (s->ar & SEG_AR_UNUSABLE)
		return false;
	if (write)
		return !code && s->ar & SEG_TYPE_WRITABLE;
	return !code || s->ar & SEG_TYPE_READABLE;
}

static bool within_limit(const struct emul_cpu *cpu, const struct emul_segment *s,
	uint64_t offset, unsigned size)
{
	uint64_t last = offset + size - 1;
	bool down = cpu->types && !(s->ar & SEG_TYPE_CODE) && s->ar & SEG_TYPE_DOWN;

	if (down)
		return offset > s->limit &&
		       last <= (s->ar & SEG_AR_DB ? UINT32_MAX : UINT16_MAX);
	return last <= s->limit;
}

/* The address in 64-bit mode, where segments have at most a base. */
static bool linear_64(
	struct emul_cpu *cpu, uint8_t segment, uint64_t offset, unsigned size, uint64_t *linear)
{
	if (segment >= SEG_FS)
		offset += seam_segment(cpu->env, (enum sreg)segment).base;
	*linear = offset;
	return canonical_with(offset, cpu->la57) &&
	       canonical_with(offset + size - 1, cpu->la57);
}

static bool linear_32(struct emul_cpu *cpu, uint8_t segment, uint64_t offset, unsigned size,
	bool write, uint64_t *linear)
{
	struct emul_segment s = seam_segment(cpu->env, (enum sreg)segment);

	*linear = (uint32_t)(s.base + offset);
	return segment_allows(cpu, &s, write) && within_limit(cpu, &s, offset, size);
}

enum emul_end emul_linear(struct emul_cpu *cpu, uint8_t segment, uint64_t offset, unsigned size,
	bool write, uint64_t *linear)
{
	bool ok = cpu->mode.long64 ? linear_64(cpu, segment, offset, size, linear)
				   : linear_32(cpu, segment, offset, size, write, linear);

	if (!ok)
		return emul_raise(cpu, segment == SEG_SS ? VEC_SS : VEC_GP);
	if (cpu->aligned && size <= 8 && *linear & (size - 1))
		return emul_raise(cpu, VEC_AC);
	return EMUL_COMPLETE;
}

static enum emul_end end_of(bool ok)
{
	return ok ? EMUL_COMPLETE : EMUL_FAULT;
}

enum emul_end emul_load(struct emul_cpu *cpu, uint64_t linear, unsigned size, uint64_t *v)
{
	*v = 0;
	return end_of(seam_memory_read(cpu->env, linear, v, size));
}

enum emul_end emul_store(struct emul_cpu *cpu, uint64_t linear, unsigned size, uint64_t v)
{
	return end_of(seam_memory_write(cpu->env, linear, &v, size));
}

enum emul_end emul_can_load(struct emul_cpu *cpu, uint64_t linear, unsigned size)
{
	return end_of(seam_memory_can_read(cpu->env, linear, size));
}

enum emul_end emul_can_store(struct emul_cpu *cpu, uint64_t linear, unsigned size)
{
	return end_of(seam_memory_can_write(cpu->env, linear, size));
}
