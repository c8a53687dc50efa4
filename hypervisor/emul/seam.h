/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What emul/ needs from outside: a guest's memory by linear address, and its devices. vm/
 * implements it on the current VMCS, tests and fuzzers in memory. It is resolved at link time.
 */
#ifndef NESTOR_EMUL_SEAM_H
#define NESTOR_EMUL_SEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/regs.h"

/*
 * Whose memory and devices, and with what rights. The provider of the seam embeds it, with what
 * else it needs, and fills it from the guest's state.
 */
struct emul_env {
	uint64_t cr3;
	uint8_t cpl;
	bool ac; /* RFLAGS.AC */
};

/* ---- memory ---- */

/*
 * Data accesses of up to a page, which may cross into the next: both are translated before a
 * byte is moved. linear: below 2^32 outside 64-bit mode. False: a fault, which env remembers;
 * nothing was moved. Where a device is, it is accessed in whole operands of 1, 2, 4 or 8 bytes;
 * where nothing is, reads give ones and writes are lost.
 */
bool seam_memory_read(struct emul_env *env, uint64_t linear, void *dst, uint32_t len);
bool seam_memory_write(struct emul_env *env, uint64_t linear, const void *src, uint32_t len);
/* Would they succeed? */
bool seam_memory_can_read(struct emul_env *env, uint64_t linear, uint32_t len);
bool seam_memory_can_write(struct emul_env *env, uint64_t linear, uint32_t len);

struct emul_segment {
	uint64_t base;
	uint32_t limit;
	uint32_t ar; /* as the VMCS has it */
};

/* One that instructions name. 64-bit mode has FS and GS only: it is not asked for others. */
struct emul_segment seam_segment(struct emul_env *env, enum sreg segment);

/*
 * The PDPTE registers (SDM 4.4.1): from the table that a new CR3 names, and into the vCPU.
 * False: the table is no memory, or an entry has a reserved bit.
 */
bool seam_read_pdptes(struct emul_env *env, uint32_t cr3, uint64_t pdpte[4]);
void seam_set_pdptes(struct emul_env *env, const uint64_t pdpte[4]);

/*
 * What of control-flow enforcement is on at env->cpl: CET_SH_STK_EN, CET_ENDBR_EN (spec/cet.h).
 */
uint64_t seam_control_flow(struct emul_env *env);

/* ---- ports ---- */

/*
 * size: 1, 2 or 4. Values written have no bit above the size; of those read they do not count.
 * Where no device is, reads give ones and writes are lost.
 */
uint32_t seam_port_read(struct emul_env *env, uint16_t port, unsigned size);
void seam_port_write(struct emul_env *env, uint16_t port, unsigned size, uint32_t value);

/* ---- vector registers ---- */

/* May they be used; those of 256 bits? */
bool seam_vectors(struct emul_env *env, bool wide);
/*
 * One of them. wide: all 32 bytes, else the low 16; setting 16 leaves the others as they are.
 */
void seam_vector_get(struct emul_env *env, unsigned reg, uint64_t v[4], bool wide);
void seam_vector_set(struct emul_env *env, unsigned reg, const uint64_t v[4], bool wide);

#endif
