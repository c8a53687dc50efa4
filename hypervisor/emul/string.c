/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String instructions, and INS and OUTS: an element at a time, so that a fault in the middle
 * leaves the registers as the elements before it made them, and no more elements than an exit
 * may take.
 */
#include "emul/emul_int.h"

#include "spec/regs.h"

/* A counter or index register of 2, 4 or 8 bytes. */
static void advance(uint64_t *r, uint64_t by, unsigned size)
{
	uint64_t m = mask_of(size), v = (*r + by) & m;

	*r = size == 2 ? (*r & ~m) | v : v;
}

static uint64_t step_of(const struct emul_cpu *cpu, unsigned size)
{
	return cpu->rflags & RFLAGS_DF ? -(uint64_t)size : size;
}

/* The operand at (E)SI or (E)DI. */
struct element {
	struct emul_cpu *cpu;
	unsigned size, address_size;
};

static enum emul_end at(
	const struct element *e, uint8_t segment, enum reg index, bool write, uint64_t *linear)
{
	return emul_linear(e->cpu, segment, e->cpu->r[index] & mask_of(e->address_size),
		e->size, write, linear);
}

static enum emul_end load(const struct element *e, uint8_t segment, enum reg index, uint64_t *v)
{
	uint64_t linear;
	enum emul_end end = at(e, segment, index, false, &linear);

	return end == EMUL_COMPLETE ? emul_load(e->cpu, linear, e->size, v) : end;
}

/* The destination is known to take the value before a device or port is read. */
static enum emul_end destination(const struct element *e, uint64_t *linear)
{
	enum emul_end end = at(e, SEG_ES, REG_RDI, true, linear);

	return end == EMUL_COMPLETE ? emul_can_store(e->cpu, *linear, e->size) : end;
}

/* ---- STOS, MOVS, LODS, CMPS, SCAS ---- */

/* Faults of the source come first, but both operands are checked before a device is read. */
static enum emul_end move(const struct element *e, uint8_t segment)
{
	uint64_t from, to = 0, v; /* to: for cppcheck, which does not see that it is set */
	enum emul_end end = at(e, segment, REG_RSI, false, &from);

	if (end == EMUL_COMPLETE)
		end = emul_can_load(e->cpu, from, e->size);
	if (end == EMUL_COMPLETE)
		end = destination(e, &to);
	if (end == EMUL_COMPLETE)
		end = emul_load(e->cpu, from, e->size, &v);
	return end == EMUL_COMPLETE ? emul_store(e->cpu, to, e->size, v) : end;
}

static enum emul_end store(const struct element *e)
{
	uint64_t to;
	enum emul_end end = at(e, SEG_ES, REG_RDI, true, &to);

	if (end != EMUL_COMPLETE)
		return end;
	return emul_store(e->cpu, to, e->size, e->cpu->r[REG_RAX] & mask_of(e->size));
}

/* CMPS compares with what is at (E)SI, SCAS with RAX. */
static enum emul_end compare(const struct element *e, const struct emul_insn *insn)
{
	uint64_t a = e->cpu->r[REG_RAX], b;
	enum emul_end end = EMUL_COMPLETE;

	if (insn->kind == EMUL_CMPS)
		end = load(e, insn->segment, REG_RSI, &a);
	if (end == EMUL_COMPLETE)
		end = load(e, SEG_ES, REG_RDI, &b);
	if (end == EMUL_COMPLETE)
		emul_alu(ALU_CMP, a, b, e->size, &e->cpu->rflags);
	return end;
}

static enum emul_end string_element(const struct element *e, const struct emul_insn *insn)
{
	enum emul_end end;
	uint64_t v;

	switch (insn->kind) {
	case EMUL_MOVS:
		return move(e, insn->segment);
	case EMUL_STOS:
		return store(e);
	case EMUL_LODS:
		end = load(e, insn->segment, REG_RSI, &v);
		if (end == EMUL_COMPLETE)
			emul_set_reg(&e->cpu->r[REG_RAX], e->size, v);
		return end;
	default:
		return compare(e, insn);
	}
}

static void advance_indexes(const struct element *e, enum emul_kind kind)
{
	uint64_t *r = e->cpu->r, step = step_of(e->cpu, e->size);

	if (kind != EMUL_LODS)
		advance(&r[REG_RDI], step, e->address_size);
	if (kind == EMUL_MOVS || kind == EMUL_LODS || kind == EMUL_CMPS)
		advance(&r[REG_RSI], step, e->address_size);
}

/* REPE and REPNE end by ZF, too. */
static bool condition_ends(const struct emul_cpu *cpu, const struct emul_insn *insn)
{
	if (insn->kind != EMUL_CMPS && insn->kind != EMUL_SCAS)
		return false;
	return !(cpu->rflags & RFLAGS_ZF) == (insn->rep == REP_F3);
}

enum emul_end emul_string(struct emul_access *a)
{
	const struct emul_insn *insn = a->insn;
	const struct element e = {a->cpu, insn->size, insn->address_size};
	uint64_t *rcx = &a->cpu->r[REG_RCX];

	for (unsigned n = 0; n < (a->cpu->one ? 1 : EMUL_MAX_MOVES); n++) {
		enum emul_end end;

		if (insn->rep && (*rcx & mask_of(e.address_size)) == 0)
			return EMUL_COMPLETE;
		end = string_element(&e, insn);
		if (end != EMUL_COMPLETE)
			return end;
		advance_indexes(&e, insn->kind);
		if (!insn->rep)
			return EMUL_COMPLETE;
		advance(rcx, UINT64_MAX, e.address_size);
		if (condition_ends(a->cpu, insn))
			return EMUL_COMPLETE;
	}
	return *rcx & mask_of(e.address_size) ? EMUL_AGAIN : EMUL_COMPLETE;
}

/* ---- INS and OUTS ---- */

static enum emul_end io_element(const struct element *e, const struct emul_string_io *io)
{
	struct emul_env *env = e->cpu->env;
	uint64_t to, v;
	enum emul_end end;

	if (io->in) {
		end = destination(e, &to);
		if (end != EMUL_COMPLETE)
			return end;
		v = seam_port_read(env, io->port, io->size) & mask_of(io->size);
		return emul_store(e->cpu, to, io->size, v);
	}
	end = load(e, io->segment, REG_RSI, &v);
	if (end == EMUL_COMPLETE)
		seam_port_write(env, io->port, io->size, (uint32_t)v);
	return end;
}

enum emul_end emul_string_io(struct emul_cpu *cpu, const struct emul_string_io *io)
{
	const struct element e = {cpu, io->size, io->address_size};
	uint64_t *index = &cpu->r[io->in ? REG_RDI : REG_RSI], *rcx = &cpu->r[REG_RCX];
	uint64_t count = io->rep ? *rcx & mask_of(io->address_size) : 1, done = 0;
	uint64_t step = step_of(cpu, io->size), most = cpu->one ? 1 : EMUL_MAX_IO;
	enum emul_end end = EMUL_COMPLETE;

	for (; done < count && done < most; done++) {
		end = io_element(&e, io);
		if (end != EMUL_COMPLETE)
			break;
		advance(index, step, io->address_size);
	}
	if (io->rep && done != 0) /* a register is written only when an element was done */
		advance(rcx, -done, io->address_size);
	if (end != EMUL_COMPLETE)
		return end;
	if (done < count)
		return EMUL_AGAIN;
	cpu->rip += io->length;
	return EMUL_COMPLETE;
}
