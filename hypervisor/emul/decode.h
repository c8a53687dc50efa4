/*
 * Decodes the instructions with which guests access device memory. Pure. It is told that the
 * instruction accesses memory at an address known otherwise (the exit says it), so it decodes what
 * happens with the value, not the address.
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
	EMUL_UNARY, /* memory = op memory, flags */
	EMUL_BIT,   /* BT and its kin: the exit's address is that of the word */
	EMUL_SETCC,
	EMUL_CMOV,
	EMUL_STOS,
	EMUL_MOVS
};

struct emul_insn {
	enum emul_kind kind;
	enum emul_alu alu;
	enum emul_bit bit;
	uint8_t condition; /* EMUL_SETCC, EMUL_CMOV: as in the opcode */
	bool swap;         /* MOVBE */
	uint8_t length;    /* bytes of the instruction */
	uint8_t size;      /* bytes of memory accessed: 1, 2, 4, 8 */
	uint8_t reg;       /* enum reg */
	bool reg_high;     /* AH, CH, DH, BH: reg is 0 to 3 */
	uint8_t reg_size;  /* EMUL_READ: bytes of the destination */
	bool sign;         /* EMUL_READ: sign-extend */
	bool has_imm;      /* source is imm, not reg */
	uint64_t imm;      /* sign-extended */
	bool rep;
	uint8_t address_size; /* 2, 4, 8: of the counter and index registers */
	uint8_t segment;      /* EMUL_MOVS: enum sreg of the source */
};

struct emul_mode {
	bool long64;
	bool default32; /* CS.D outside 64-bit mode */
};

/* `len` bytes of code are readable. False: not an instruction it knows, or cut. */
bool emul_decode(const uint8_t *code, unsigned len, struct emul_mode mode, struct emul_insn *i);

#endif
