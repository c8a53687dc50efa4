/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by run.c, string.c, vector.c and memory.c.
 */
#ifndef NESTOR_EMUL_EMUL_INT_H
#define NESTOR_EMUL_EMUL_INT_H

#include "emul/emul.h"

/* One instruction on its way. */
struct emul_access {
	struct emul_cpu *cpu;
	const struct emul_insn *insn;
	uint64_t linear; /* of its memory operand, which is checked; strings: not used */
};

/*
 * What follows returns EMUL_COMPLETE when it is done, or the end of the instruction: a fault.
 */

enum emul_end emul_raise(struct emul_cpu *cpu, uint8_t vector);

/* The linear address of an operand: segment limit and type, canonical form, alignment. */
enum emul_end emul_linear(struct emul_cpu *cpu, uint8_t segment, uint64_t offset, unsigned size,
	bool write, uint64_t *linear);

/* At an address that emul_linear gave; size: 1 to 8. */
enum emul_end emul_load(struct emul_cpu *cpu, uint64_t linear, unsigned size, uint64_t *v);
enum emul_end emul_store(struct emul_cpu *cpu, uint64_t linear, unsigned size, uint64_t v);
/* Would they succeed? */
enum emul_end emul_can_load(struct emul_cpu *cpu, uint64_t linear, unsigned size);
enum emul_end emul_can_store(struct emul_cpu *cpu, uint64_t linear, unsigned size);

/*
 * The memory operand of an instruction that is no string instruction: its offset in the
 * segment.
 */
uint64_t emul_offset(const struct emul_cpu *cpu, const struct emul_insn *insn);

/* Writes of 4 bytes clear the upper half; smaller ones keep the rest. */
static inline void emul_set_reg(uint64_t *r, unsigned size, uint64_t v)
{
	uint64_t m = mask_of(size);

	*r = size < 4 ? (*r & ~m) | (v & m) : v & m;
}

enum emul_end emul_string(struct emul_access *a);
enum emul_end emul_vector(struct emul_access *a);

#endif
