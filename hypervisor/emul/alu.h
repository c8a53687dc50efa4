/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of instructions and its flags. Pure functions of their arguments.
 */
#ifndef NESTOR_EMUL_ALU_H
#define NESTOR_EMUL_ALU_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"

/* A value of 1, 2, 4 or 8 bytes as one of 8. */
static inline uint64_t emul_sign_extend(uint64_t v, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

/* Numbered as in opcodes 00 to 3f. TEST is AND without a result. */
enum emul_alu {
	ALU_ADD,
	ALU_OR,
	ALU_ADC,
	ALU_SBB,
	ALU_AND,
	ALU_SUB,
	ALU_XOR,
	ALU_CMP,
	ALU_TEST,
	ALU_INC,
	ALU_DEC,
	ALU_NOT,
	ALU_NEG
};

/* Numbered as in the ModRM byte of 0f ba, less 4. */
enum emul_bit {
	BIT_TEST,
	BIT_SET,
	BIT_RESET,
	BIT_COMPLEMENT
};

/* Numbered as in the ModRM byte of c0 to d3. */
enum emul_shift {
	SHIFT_ROL,
	SHIFT_ROR,
	SHIFT_RCL,
	SHIFT_RCR,
	SHIFT_SHL,
	SHIFT_SHR,
	SHIFT_SAL,
	SHIFT_SAR
};

enum emul_scan {
	SCAN_BSF,
	SCAN_BSR,
	SCAN_TZCNT,
	SCAN_LZCNT,
	SCAN_POPCNT
};

enum emul_bmi {
	BMI_ANDN,
	BMI_BLSR,
	BMI_BLSMSK,
	BMI_BLSI,
	BMI_BZHI,
	BMI_BEXTR,
	BMI_SHLX,
	BMI_SARX,
	BMI_SHRX,
	BMI_PEXT,
	BMI_PDEP,
	BMI_RORX
};

/*
 * a op b in `size` bytes; *flags in and out (other bits are kept). CMP and TEST give a back.
 * INC, DEC, NOT and NEG have no b.
 */
uint64_t emul_alu(enum emul_alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags);

/* The word after BT and its kin; CF is the old bit. */
uint64_t emul_bit(
	enum emul_bit op, uint64_t word, uint64_t bit, unsigned size, uint64_t *flags);

/* v shifted or rotated by count, of which the processor takes 5 or 6 bits. */
uint64_t emul_shift(
	enum emul_shift op, uint64_t v, uint64_t count, unsigned size, uint64_t *flags);

/* SHLD, or SHRD with `right`: bits of `fill` move into v. size: 2, 4, 8. */
uint64_t emul_shift_double(
	bool right, uint64_t v, uint64_t fill, uint64_t count, unsigned size, uint64_t *flags);

/* The low `size` bytes of a * b, and the high ones. */
uint64_t emul_multiply(
	uint64_t a, uint64_t b, unsigned size, bool sign, uint64_t *high, uint64_t *flags);

/*
 * high:low by a divisor: the quotient to *low, the remainder to *high. False: #DE, nothing
 * changes.
 */
bool emul_divide(uint64_t *high, uint64_t *low, uint64_t by, unsigned size, bool sign);

/* old: what BSF and BSR of 0 leave in the register. */
uint64_t emul_scan(enum emul_scan op, uint64_t v, uint64_t old, unsigned size, uint64_t *flags);

/*
 * memory: the operand from memory, of PEXT and PDEP the mask; reg: that of VEX.vvvv, or for
 * RORX the immediate.
 */
uint64_t emul_bmi(
	enum emul_bmi op, uint64_t memory, uint64_t reg, unsigned size, uint64_t *flags);

/* CRC32 of `size` more bytes. */
uint32_t emul_crc32(uint32_t crc, uint64_t v, unsigned size);

/* Does a condition code hold? */
bool emul_condition(uint8_t condition, uint64_t flags);

/* Bytes in reverse order. */
uint64_t emul_swap(uint64_t v, unsigned size);

#endif
