/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes the instructions with which guests access device memory: insns.def has them all.
 * Pure.
 */
#ifndef NESTOR_EMUL_DECODE_H
#define NESTOR_EMUL_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "emul/alu.h"

#define EMUL_MAX_INSN 15u

enum emul_kind {
	EMUL_READ,    /* register = memory, extended */
	EMUL_WRITE,   /* memory = source */
	EMUL_ALU,     /* memory = memory op source, flags */
	EMUL_ALU_REG, /* register = register op memory, flags */
	EMUL_XCHG,
	EMUL_XADD,
	EMUL_CMPXCHG,
	EMUL_CMPXCHG_PAIR, /* CMPXCHG8B, CMPXCHG16B */
	EMUL_UNARY,        /* memory = op memory, flags */
	EMUL_SHIFT,        /* memory = memory shifted by imm or CL */
	EMUL_SHIFT_DOUBLE, /* SHLD, SHRD, by imm or CL */
	EMUL_BIT,          /* BT and its kin */
	EMUL_SETCC,
	EMUL_CMOV,
	EMUL_MULTIPLY, /* RDX:RAX = RAX * memory */
	EMUL_DIVIDE,   /* of RDX:RAX by memory */
	EMUL_IMUL,     /* register = register or imm * memory */
	EMUL_SCAN,     /* register = BSF and its kin of memory */
	EMUL_CRC32,
	EMUL_BMI,  /* register = op of memory and a second register */
	EMUL_MULX, /* register:second register = RDX * memory, without flags */
	EMUL_PUSH,
	EMUL_POP,
	EMUL_CALL,
	EMUL_JUMP,
	EMUL_MOVDIR64B, /* 64 bytes of memory to those at ES:register */
	EMUL_TOUCH,     /* CLFLUSH and its kin: an address that must be readable */
	/* the stack is their only memory */
	EMUL_STACK_PUSH, /* a register or imm */
	EMUL_STACK_POP,  /* to a register */
	EMUL_STACK_CALL, /* imm bytes from the next instruction */
	EMUL_STACK_RET,  /* imm: bytes of arguments */
	/* string instructions */
	EMUL_STOS,
	EMUL_MOVS,
	EMUL_LODS,
	EMUL_CMPS,
	EMUL_SCAS,
	/* between a vector register and memory */
	EMUL_VECTOR_READ,      /* the rest of the register becomes 0 */
	EMUL_VECTOR_WRITE,     /* from the low end */
	EMUL_VECTOR_READ_HALF, /* 8 bytes; op: 0 the low, 1 the high half of 16 */
	EMUL_VECTOR_WRITE_HIGH /* bytes 8 to 15 */
};

static inline bool emul_is_stack(enum emul_kind kind)
{
	return kind >= EMUL_STACK_PUSH && kind <= EMUL_STACK_RET;
}

static inline bool emul_is_string(enum emul_kind kind)
{
	return kind >= EMUL_STOS && kind <= EMUL_SCAS;
}

static inline bool emul_is_vector(enum emul_kind kind)
{
	return kind >= EMUL_VECTOR_READ;
}

enum emul_rep {
	REP_NONE,
	REP_F3, /* REP, REPE */
	REP_F2  /* REPNE */
};

#define EMUL_NO_REG 0xffu

struct emul_insn {
	enum emul_kind kind;
	uint8_t op;     /* of the kind: enum emul_alu, _bit, _shift, _scan, _bmi; a condition */
	bool swap;      /* MOVBE */
	uint8_t length; /* bytes of the instruction */
	uint8_t size;   /* bytes of memory accessed: a power of 2, 1 to 8; of vectors to 32 */
	uint8_t reg;    /* enum reg, or the number of a vector register */
	uint8_t reg2;   /* that VEX names besides: BMI, MULX, vectors of which a half stays */
	bool reg_high;  /* AH, CH, DH, BH: reg is 0 to 3 */
	uint8_t reg_size; /* bytes of the destination */
	bool sign;        /* EMUL_READ: sign-extend; EMUL_MULTIPLY, EMUL_DIVIDE: signed */
	bool vex; /* a vector register becomes 0 above what is loaded, beyond 16 bytes, too */
	bool has_imm; /* source is imm, not reg */
	uint64_t imm; /* sign-extended */
	enum emul_rep rep;
	/* the address: base + (index << scale) + displacement, modulo its size */
	uint8_t address_size; /* 2, 4, 8: of the counter and index registers of strings, too */
	uint8_t segment;      /* enum sreg; of strings: that of the source */
	uint8_t base, index;  /* enum reg or EMUL_NO_REG */
	uint8_t scale;
	bool rip; /* relative to the end of the instruction */
	uint64_t displacement;
};

struct emul_mode {
	bool long64;
	bool default32; /* CS.D outside 64-bit mode */
};

/* `len` bytes of code are readable. False: not an instruction it knows, or cut. */
bool emul_decode(const uint8_t *code, unsigned len, struct emul_mode mode, struct emul_insn *i);

#endif
