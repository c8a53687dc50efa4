/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves between vector registers and memory.
 */
#include "emul/emul_int.h"

#include "spec/vmx.h"

/* Vectors are read and written whole: a device sees 8 bytes at a time. */
static enum emul_end load(struct emul_access *a, uint64_t v[4])
{
	return seam_memory_read(a->cpu->env, a->linear, v, a->insn->size) ? EMUL_COMPLETE
									  : EMUL_FAULT;
}

static enum emul_end read_vector(struct emul_access *a)
{
	uint64_t v[4] = {0};
	enum emul_end end = load(a, v);

	if (end == EMUL_COMPLETE)
		seam_vector_set(a->cpu->env, a->insn->reg, v, a->insn->vex);
	return end;
}

/* Without VEX the other half is the destination's own. */
static enum emul_end read_half(struct emul_access *a)
{
	uint64_t v[4], half;
	enum emul_end end;

	seam_vector_get(a->cpu->env, a->insn->vex ? a->insn->reg2 : a->insn->reg, v, false);
	end = emul_load(a->cpu, a->linear, 8, &half);
	if (end != EMUL_COMPLETE)
		return end;
	v[a->insn->op] = half;
	v[2] = v[3] = 0;
	seam_vector_set(a->cpu->env, a->insn->reg, v, a->insn->vex);
	return EMUL_COMPLETE;
}

static enum emul_end write_vector(struct emul_access *a)
{
	uint64_t v[4];
	bool high = a->insn->kind == EMUL_VECTOR_WRITE_HIGH;

	seam_vector_get(a->cpu->env, a->insn->reg, v, a->insn->size == 32);
	return seam_memory_write(a->cpu->env, a->linear, &v[high], a->insn->size)
		       ? EMUL_COMPLETE
		       : EMUL_FAULT;
}

enum emul_end emul_vector(struct emul_access *a)
{
	if (!seam_vectors(a->cpu->env, a->insn->vex))
		return emul_raise(a->cpu, VEC_UD);
	switch (a->insn->kind) {
	case EMUL_VECTOR_READ:
		return read_vector(a);
	case EMUL_VECTOR_READ_HALF:
		return read_half(a);
	default:
		return write_vector(a);
	}
}
