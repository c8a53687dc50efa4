/*
 * Shared by run.c and string.c.
 */
#ifndef NESTOR_EMUL_EMUL_INT_H
#define NESTOR_EMUL_EMUL_INT_H

#include "emul/emul.h"

/* One instruction on its way. */
struct emul_access {
	struct emul_cpu *cpu;
	const struct emul_insn *insn;
	uint64_t gpa; /* of the device; that of the next element */
};

/* STOS and MOVS. */
enum emul_end emul_string(struct emul_access *a, bool device_is_destination);

static inline uint64_t emul_device_read(struct emul_access *a)
{
	return seam_device_read(a->cpu->env, a->gpa, a->insn->size) & emul_mask(a->insn->size);
}

static inline void emul_device_write(struct emul_access *a, uint64_t v)
{
	seam_device_write(a->cpu->env, a->gpa, a->insn->size, v & emul_mask(a->insn->size));
}

#endif
