/*
 * What emul/ needs from outside: a guest's memory by linear address, and its devices. vm/ implements it on
 * the current VMCS, tests and fuzzers in memory. It is resolved at link time.
 */
#ifndef NESTOR_EMUL_SEAM_H
#define NESTOR_EMUL_SEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/regs.h"

/*
 * Whose memory and devices, and with what rights. The provider of the seam embeds it, with what else it
 * needs, and fills it from the guest's state.
 */
struct emul_env {
	uint64_t cr3;
	uint8_t cpl;
	bool ac; /* RFLAGS.AC */
};

/* ---- memory ---- */

/*
 * Data accesses of up to a page, which may cross into the next: both are translated before a byte is
 * moved. linear: below 2^32 outside 64-bit mode. False: a fault, which env remembers; nothing was moved.
 */
bool seam_memory_read(struct emul_env *env, uint64_t linear, void *dst, uint32_t len);
bool seam_memory_write(struct emul_env *env, uint64_t linear, const void *src, uint32_t len);
/* Would seam_memory_write succeed? */
bool seam_memory_can_write(struct emul_env *env, uint64_t linear, uint32_t len);

/* Of a segment that instructions name. 64-bit mode has FS and GS only: it is not asked for others. */
uint64_t seam_segment_base(struct emul_env *env, enum sreg segment);

/*
 * The PDPTE registers (SDM 4.4.1): from the table that a new CR3 names, and into the vCPU. False: the
 * table is no memory, or an entry has a reserved bit.
 */
bool seam_read_pdptes(struct emul_env *env, uint32_t cr3, uint64_t pdpte[4]);
void seam_set_pdptes(struct emul_env *env, const uint64_t pdpte[4]);

/* ---- devices ---- */

/*
 * size: 1, 2, 4 or 8; 1, 2 or 4 for ports. Values written have no bit above the size; of those read they do
 * not count. Where no device is, reads give ones and writes are lost.
 */
uint64_t seam_device_read(struct emul_env *env, uint64_t gpa, unsigned size);
void seam_device_write(struct emul_env *env, uint64_t gpa, unsigned size, uint64_t value);
uint32_t seam_port_read(struct emul_env *env, uint16_t port, unsigned size);
void seam_port_write(struct emul_env *env, uint16_t port, unsigned size, uint32_t value);

#endif
