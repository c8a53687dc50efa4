/*
 * Decodes the instructions with which guests access device memory. Pure. It is told that the
 * instruction accesses memory at an address known otherwise (the exit says it), so it decodes what
 * happens with the value, not the address.
 */
#ifndef NESTOR_EMUL_DECODE_H
#define NESTOR_EMUL_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#define MMIO_MAX_INSN 15u

enum mmio_kind {
	MMIO_READ,    /* register = memory, extended */
	MMIO_WRITE,   /* memory = source */
	MMIO_ALU,     /* memory = memory op source, flags */
	MMIO_ALU_REG, /* register = register op memory, flags */
	MMIO_XCHG,
	MMIO_XADD,
	MMIO_CMPXCHG,
	MMIO_UNARY, /* memory = op memory, flags */
	MMIO_BIT,   /* BT and its kin: the exit's address is that of the word */
	MMIO_SETCC,
	MMIO_CMOV,
	MMIO_STOS,
	MMIO_MOVS
};

/* Numbered as in opcodes 00 to 3f. TEST is AND without a result. */
enum mmio_alu {
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
enum mmio_bit {
	BIT_TEST,
	BIT_SET,
	BIT_RESET,
	BIT_COMPLEMENT
};

struct mmio_insn {
	enum mmio_kind kind;
	enum mmio_alu alu;
	enum mmio_bit bit;
	uint8_t condition; /* MMIO_SETCC, MMIO_CMOV: as in the opcode */
	bool swap;         /* MOVBE */
	uint8_t length;    /* bytes of the instruction */
	uint8_t size;      /* bytes of memory accessed: 1, 2, 4, 8 */
	uint8_t reg;       /* 0 to 15 */
	bool reg_high;     /* AH, CH, DH, BH: reg is 0 to 3 */
	uint8_t reg_size;  /* MMIO_READ: bytes of the destination */
	bool sign;         /* MMIO_READ: sign-extend */
	bool has_imm;      /* source is imm, not reg */
	uint64_t imm;      /* sign-extended */
	bool rep;
	uint8_t address_size; /* 2, 4, 8: of the counter and index registers */
	uint8_t segment;      /* MMIO_MOVS source: 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS */
};

struct mmio_mode {
	bool long64;
	bool default32; /* CS.D outside 64-bit mode */
};

/* `len` bytes of code are readable. False: not an instruction it knows, or cut. */
bool mmio_decode(const uint8_t *code, unsigned len, struct mmio_mode mode, struct mmio_insn *i);

#define FLAG_CF (1u << 0)
#define FLAG_PF (1u << 2)
#define FLAG_AF (1u << 4)
#define FLAG_ZF (1u << 6)
#define FLAG_SF (1u << 7)
#define FLAG_OF (1u << 11)

/* a op b in `size` bytes; *flags in and out (other bits are kept). CMP and TEST give a back. */
/* MMIO_UNARY operations take b as 1. */
uint64_t mmio_alu(enum mmio_alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags);

/* The word after BT and its kin; CF is the old bit. */
uint64_t mmio_bit(
	enum mmio_bit op, uint64_t word, uint64_t bit, unsigned size, uint64_t *flags);

/* Does a condition code hold? */
bool mmio_condition(uint8_t condition, uint64_t flags);

/* Bytes in reverse order. */
uint64_t mmio_swap(uint64_t v, unsigned size);

#endif
