/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers as GDB wants them: which there are, in which order (the target description), and
 * their values from the items of a request `regs` (docs/management.md). Pure.
 */
#ifndef NESTOR_GDB_REGS_H
#define NESTOR_GDB_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_REGS     47u
#define GDB_REGS_HEX 664u /* digits of all of them */
#define GDB_XML      4096u

/* Zeros: none is known. */
struct gdb_regs {
	bool known[GDB_REGS];
	uint64_t value[GDB_REGS];
};

/* Takes what an item tells. */
void gdb_regs_item(struct gdb_regs *r, const char *item);

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

/* The value of a register of up to 8 bytes, of all digits; false: it is none. */
bool gdb_reg_take(const char *digits, uint64_t *value);
/* What L0 calls a register that is to be changed. */
const char *gdb_reg_word(unsigned n);

/* The target description, with a 0 behind it. */
void gdb_regs_xml(char out[GDB_XML]);

#endif
