/*
 * Arithmetic of instructions and its flags. Pure functions of their arguments.
 */
#ifndef NESTOR_EMUL_ALU_H
#define NESTOR_EMUL_ALU_H

#include <stdbool.h>
#include <stdint.h>

/* The bits of a value of 1, 2, 4 or 8 bytes. */
static inline uint64_t emul_mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;
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

/*
 * a op b in `size` bytes; *flags in and out (other bits are kept). CMP and TEST give a back. INC, DEC, NOT
 * and NEG have no b.
 */
uint64_t emul_alu(enum emul_alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags);

/* The word after BT and its kin; CF is the old bit. */
uint64_t emul_bit(
	enum emul_bit op, uint64_t word, uint64_t bit, unsigned size, uint64_t *flags);

/* Does a condition code hold? */
bool emul_condition(uint8_t condition, uint64_t flags);

/* Bytes in reverse order. */
uint64_t emul_swap(uint64_t v, unsigned size);

#endif
