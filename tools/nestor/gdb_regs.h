/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers as GDB wants them: which there are, in which order (the target description), and
 * their values from the items of the requests `regs` and `fpu` (docs/management.md). Pure.
 */
#ifndef NESTOR_GDB_REGS_H
#define NESTOR_GDB_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First those of `regs`, which a packet `g` has; GDB asks for the rest when it wants them. */
#define GDB_REGS_MAIN 32u
#define GDB_REGS      81u
#define GDB_REGS_HEX  456u /* digits of the first ones */
#define GDB_REG_BYTES 16u
#define GDB_XML       10240u

/* Zeros: none is known. */
struct gdb_regs {
	bool known[GDB_REGS];
	uint8_t value[GDB_REGS][GDB_REG_BYTES]; /* little-endian */
};

/* A piece of what `fpu` has, which is changed. */
struct gdb_fpu_piece {
	unsigned at, size;
	uint8_t data[GDB_REG_BYTES];
};

/* What `fpu` has: `at` is the offset in XSAVE's standard format, with AVX at GDB_FPU_AVX. */
#define GDB_FPU_LEGACY   416u
#define GDB_FPU_AVX      576u
#define GDB_FPU_AVX_SIZE 256u
struct gdb_fpu {
	bool legacy, avx; /* they are there */
	uint8_t data[GDB_FPU_AVX + GDB_FPU_AVX_SIZE];
};

/* Takes what an item tells. */
void gdb_regs_item(struct gdb_regs *r, const char *item);
/* The same for an item of `fpu`. */
void gdb_fpu_item(struct gdb_fpu *f, const char *item);
/* The registers that are in it. */
void gdb_regs_fpu(struct gdb_regs *r, const struct gdb_fpu *f);

/*
 * The vCPU is not at the level: RIP is 0, because GDB does nothing with a thread that has none,
 * and nothing else is known.
 */
void gdb_regs_absent(struct gdb_regs *r);

/*
 * One register, little-endian, in hexadecimal; `x` for each digit that is not known. Returns
 * how many digits.
 */
size_t gdb_reg_put(const struct gdb_regs *r, unsigned n, char *out);

/* Is it one of x87, SSE or AVX? */
bool gdb_reg_is_fpu(unsigned n);
/*
 * What has to be written, with all @digits of a register that is one of these, given what is
 * there; false: they are none.
 */
bool gdb_reg_piece(
	unsigned n, const char *digits, const struct gdb_fpu *f, struct gdb_fpu_piece *out);

/* The value of a register of up to 8 bytes, of all digits; false: it is none. */
bool gdb_reg_take(const char *digits, uint64_t *value);
/* What L0 calls a register that is to be changed. */
const char *gdb_reg_word(unsigned n);

/* The target description, with a 0 behind it. */
void gdb_regs_xml(char out[GDB_XML]);

#endif
