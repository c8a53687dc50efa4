/* SPDX-License-Identifier: Apache-2.0 */
#include "emul/decode.h"

#include <stddef.h>

#include "lib/bits.h"
#include "spec/regs.h"

struct cursor {
	const uint8_t *code;
	unsigned len, at;
	bool cut;
	uint8_t rex; /* of VEX, too */
	bool opsize, addrsize;
	enum emul_rep rep;
	uint8_t segment;
	bool segment_named;
	bool vex, vex_long;
	uint8_t vvvv;
	struct emul_mode mode;
	uint8_t map, opcode, modrm;
};

#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

/* ---- the table ---- */

enum {
	PREFIX_NONE = 1,
	PREFIX_P66 = 2,
	PREFIX_PF3 = 4,
	PREFIX_PF2 = 8
};

enum size {
	SIZE_B,
	SIZE_W,
	SIZE_D,
	SIZE_Q,
	SIZE_V,     /* the operand size */
	SIZE_BV,    /* a byte for even opcodes, the operand size for odd ones */
	SIZE_Y,     /* 8 with REX.W, else 4 */
	SIZE_STACK, /* the operand size of PUSH and POP */
	SIZE_NEAR,  /* the operand size of near branches */
	SIZE_VECTOR
};

enum imm {
	IMM_NO,
	IMM_B,
	IMM_W,      /* not sign-extended */
	IMM_Z,      /* as wide as the operand, at most 4 */
	IMM_ONE,    /* no byte: it is 1 */
	IMM_ADDRESS /* no immediate, but the whole address */
};

/* Of the column "op": above all the ops of a kind. */
enum {
	OP_SIGNED = 0x80,
	OP_SWAPPED = 0x81,
	OP_FROM_REG = 0x82,
	OP_FROM_OPCODE = 0x83,
	OP_REG_IN_OPCODE = 0x84
};

struct row {
	uint16_t first, last; /* map << 8 | opcode */
	uint8_t regs;
	uint8_t prefixes;
	bool modrm;
	uint8_t kind, size, imm, op;
};

/* clang-format off */
#define NONE PREFIX_NONE
#define P66 PREFIX_P66
#define PF3 PREFIX_PF3
#define PF2 PREFIX_PF2
#define ANY 0xff
#define NO_MODRM 0x1ff
#define SIGNED OP_SIGNED
#define SWAPPED OP_SWAPPED
#define FROM_REG OP_FROM_REG
#define FROM_OPCODE OP_FROM_OPCODE
#define REG_IN_OPCODE OP_REG_IN_OPCODE
static const struct row rows[] = {
#define I(map, a, b, regs, prefixes, kind, size, imm, op)                                  \
	{(map) << 8 | (a), (map) << 8 | (b), (regs) & 0xff, (prefixes) & 0xff,             \
		(regs) != NO_MODRM, EMUL_##kind, SIZE_##size, IMM_##imm, op},
#include "emul/insns.def"
#undef I
};
/* clang-format on */

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *find(uint16_t key, unsigned reg, unsigned prefix)
{
	unsigned low = 0, high = ROWS;

	while (low < high) { /* the first row that ends at the key or behind it */
		unsigned middle = (low + high) / 2;

		if (rows[middle].last < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < ROWS && rows[low].first <= key; low++)
		if (rows[low].regs >> reg & 1 && rows[low].prefixes & prefix)
			return &rows[low];
	return NULL;
}

/* ---- bytes ---- */

static uint8_t next(struct cursor *c)
{
	if (c->at >= c->len || c->at >= EMUL_MAX_INSN) {
		c->cut = true;
		return 0;
	}
	return c->code[c->at++];
}

static uint8_t peek(struct cursor *c)
{
	unsigned at = c->at;
	uint8_t b = next(c);

	c->at = at;
	return b;
}

/* `bytes` of them, sign-extended. */
static uint64_t signed_number(struct cursor *c, unsigned bytes)
{
	unsigned shift = 64 - bytes * 8;
	uint64_t v = 0;

	for (unsigned k = 0; k < bytes; k++)
		v |= (uint64_t)next(c) << 8 * k;
	return (uint64_t)((int64_t)(v << shift) >> shift);
}

/* ---- prefixes ---- */

static void take_segment(struct cursor *c, uint8_t segment)
{
	/* 64-bit mode ignores the others (SDM 2.2.1 "REX Prefixes", 3.3.7.1) */
	if (c->mode.long64 && segment < SEG_FS)
		return;
	c->segment = segment;
	c->segment_named = true;
}

/* True when the byte was a legacy prefix. */
static bool take_prefix(struct cursor *c, uint8_t b)
{
	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		take_segment(c, b >> 3 & 3);
		return true;
	case 0x64:
	case 0x65:
		take_segment(c, (uint8_t)(b - 0x64 + SEG_FS));
		return true;
	case 0x66:
		c->opsize = true;
		return true;
	case 0x67:
		c->addrsize = true;
		return true;
	case 0xf2:
	case 0xf3:
		c->rep = b == 0xf3 ? REP_F3 : REP_F2;
		return true;
	case 0xf0:
		return true;
	default:
		return false;
	}
}

/* A REX prefix that is not the last one before the opcode does not count (SDM 2.2.1). */
static uint8_t take_prefixes(struct cursor *c)
{
	for (;;) {
		uint8_t b = next(c);

		if (c->cut)
			return 0;
		if (c->mode.long64 && (b & 0xf0) == 0x40)
			c->rex = b;
		else if (take_prefix(c, b))
			c->rex = 0;
		else
			return b;
	}
}

/* ---- opcode ---- */

/*
 * The last byte of the prefix: W, vvvv, L and the mandatory prefix. SDM 2.3 "Intel Advanced
 * Vector Extensions (Intel AVX)".
 */
static void take_vex_tail(struct cursor *c, uint8_t b)
{
	static const enum emul_rep rep[4] = {REP_NONE, REP_NONE, REP_F3, REP_F2};

	c->vvvv = ~b >> 3 & 15;
	c->vex_long = b & 4;
	c->opsize = (b & 3) == 1;
	c->rep = rep[b & 3];
}

/* False: LDS or LES, or prefixes that VEX may not have. */
static bool take_vex(struct cursor *c, bool three)
{
	uint8_t b = peek(c);

	if (!c->mode.long64 && b < 0xc0)
		return false;
	if (c->rex != 0 || c->opsize || c->rep != REP_NONE)
		return false;
	c->vex = true;
	next(c);
	c->map = 1;
	c->rex = 0x40 | (b & 0x80 ? 0 : REX_R);
	if (three) {
		c->map = b & 31;
		c->rex |= (uint8_t)((b & 0x40 ? 0 : REX_X) | (b & 0x20 ? 0 : REX_B));
		b = next(c);
		c->rex |= b & 0x80 ? REX_W : 0;
	}
	if (!c->mode.long64)
		c->rex = 0x40;
	take_vex_tail(c, b);
	if (!c->mode.long64)
		c->vvvv &= 7;
	c->opcode = next(c);
	return c->map >= 1 && c->map <= 3;
}

static bool take_opcode(struct cursor *c, uint8_t b)
{
	if (b == 0xc4 || b == 0xc5)
		return take_vex(c, b == 0xc4);
	if (b == 0x0f) {
		c->map = 1;
		b = next(c);
		if (b == 0x38 || b == 0x3a) {
			c->map = b == 0x38 ? 2 : 3;
			b = next(c);
		}
	}
	c->opcode = b;
	return true;
}

static unsigned mandatory_prefix(const struct cursor *c)
{
	if (c->rep != REP_NONE)
		return c->rep == REP_F3 ? PREFIX_PF3 : PREFIX_PF2;
	return c->opsize ? PREFIX_P66 : PREFIX_NONE;
}

static const struct row *find_row(struct cursor *c)
{
	uint16_t key = (uint16_t)(c->map << 8 | c->opcode);
	unsigned reg = peek(c) >> 3 & 7, prefix = mandatory_prefix(c);
	const struct row *row;

	if (!c->vex) {
		row = find(key, reg, prefix);
		if (row == NULL || (c->cut && row->modrm))
			return NULL;
		c->cut = false;
		return row;
	}
	if (c->cut)
		return NULL;
	row = find(key | 0x400, reg, prefix);
	if (row != NULL)
		return row;
	row = find(key, reg, prefix);
	return row != NULL && emul_is_vector((enum emul_kind)row->kind) ? row : NULL;
}

/* ---- sizes ---- */

static uint8_t operand_size(const struct cursor *c)
{
	if (c->rex & REX_W)
		return 8;
	return (c->mode.long64 || c->mode.default32) != c->opsize ? 4 : 2;
}

static uint8_t address_size(const struct cursor *c)
{
	if (c->mode.long64)
		return c->addrsize ? 4 : 8;
	return c->mode.default32 != c->addrsize ? 4 : 2;
}

static uint8_t size_of(const struct cursor *c, enum size size)
{
	switch (size) {
	case SIZE_B:
		return 1;
	case SIZE_W:
		return 2;
	case SIZE_D:
		return 4;
	case SIZE_Q:
		return 8;
	case SIZE_V:
		return operand_size(c);
	case SIZE_BV:
		return c->opcode & 1 ? operand_size(c) : 1;
	case SIZE_STACK:
		return c->mode.long64 ? (c->opsize && !(c->rex & REX_W) ? 2 : 8)
				      : operand_size(c);
	case SIZE_NEAR: /* 64-bit mode has no other size (SDM vol. 2A "CALL") */
		return c->mode.long64 ? 8 : operand_size(c);
	case SIZE_VECTOR:
		return c->vex_long ? 32 : 16;
	default:
		return c->rex & REX_W ? 8 : 4;
	}
}

/* ---- operands ---- */

static uint8_t extended(const struct cursor *c, unsigned reg, unsigned rex_bit)
{
	return (uint8_t)(reg | (c->rex & rex_bit ? 8 : 0));
}

/* SDM table 2-1 "16-Bit Addressing Forms with the ModR/M Byte" */
static void take_address16(struct cursor *c, struct emul_insn *i)
{
	static const uint8_t base[8] = {
		REG_RBX, REG_RBX, REG_RBP, REG_RBP, REG_RSI, REG_RDI, REG_RBP, REG_RBX};
	static const uint8_t index[8] = {REG_RSI, REG_RDI, REG_RSI, REG_RDI, EMUL_NO_REG,
		EMUL_NO_REG, EMUL_NO_REG, EMUL_NO_REG};
	unsigned mod = c->modrm >> 6, rm = c->modrm & 7;

	i->base = mod == 0 && rm == 6 ? EMUL_NO_REG : base[rm];
	i->index = index[rm];
	if (mod == 1)
		i->displacement = signed_number(c, 1);
	else if (mod == 2 || i->base == EMUL_NO_REG)
		i->displacement = signed_number(c, 2);
	if (i->base == REG_RBP)
		i->segment = SEG_SS;
}

static void take_sib(struct cursor *c, struct emul_insn *i)
{
	uint8_t sib = next(c);

	i->scale = sib >> 6;
	i->index = extended(c, sib >> 3 & 7, REX_X);
	if (i->index == REG_RSP)
		i->index = EMUL_NO_REG;
	i->base = extended(c, sib & 7, REX_B);
	if ((sib & 7) == 5 && c->modrm >> 6 == 0)
		i->base = EMUL_NO_REG;
}

/* SDM 2.1.5 "Addressing-Mode Encoding of ModR/M and SIB Bytes" */
static void take_address(struct cursor *c, struct emul_insn *i)
{
	unsigned mod = c->modrm >> 6, rm = c->modrm & 7;

	if (i->address_size == 2) {
		take_address16(c, i);
		return;
	}
	i->base = extended(c, rm, REX_B);
	if (rm == 4)
		take_sib(c, i);
	else if (rm == 5 && mod == 0) {
		i->base = EMUL_NO_REG;
		i->rip = c->mode.long64;
	}
	if (mod == 1)
		i->displacement = signed_number(c, 1);
	else if (mod == 2 || i->base == EMUL_NO_REG)
		i->displacement = signed_number(c, 4);
	if (i->base == REG_RSP || i->base == REG_RBP)
		i->segment = SEG_SS;
}

static void take_reg(const struct cursor *c, struct emul_insn *i)
{
	i->reg = extended(c, c->modrm >> 3 & 7, REX_R);
	i->reg2 = c->vvvv;
	i->reg_high =
		i->reg_size == 1 && c->rex == 0 && i->reg >= 4 && !emul_is_vector(i->kind);
	if (i->reg_high)
		i->reg &= 3;
}

/* ModRM with a memory operand. False for a register operand. */
static bool take_operands(struct cursor *c, struct emul_insn *i)
{
	c->modrm = next(c);
	if (c->modrm >= 0xc0)
		return false;
	take_address(c, i);
	take_reg(c, i);
	return true;
}

static void take_immediate(struct cursor *c, struct emul_insn *i, enum imm imm)
{
	switch (imm) {
	case IMM_ADDRESS:
		i->displacement = signed_number(c, i->address_size);
		return;
	case IMM_NO:
		return;
	case IMM_ONE:
		i->imm = 1;
		break;
	case IMM_W:
		i->imm = signed_number(c, 2) & 0xffff;
		break;
	default:
		i->imm = signed_number(c, imm == IMM_B || i->size == 1 ? 1
					  : i->size == 2               ? 2
								       : 4);
		break;
	}
	i->has_imm = true;
}

/* ---- instructions ---- */

static void take_op(const struct cursor *c, struct emul_insn *i, uint8_t op)
{
	i->sign = op == OP_SIGNED;
	i->swap = op == OP_SWAPPED;
	if (op == OP_FROM_REG)
		i->op = c->modrm >> 3 & 7;
	else if (op == OP_FROM_OPCODE)
		i->op = c->opcode & 15;
	else if (op == OP_REG_IN_OPCODE)
		i->reg = extended(c, c->opcode & 7, REX_B);
	else if (op < OP_SIGNED)
		i->op = op;
}

/* The destination is as wide as the memory operand, but for these. */
static uint8_t destination_size(const struct cursor *c, const struct emul_insn *i)
{
	if (i->kind == EMUL_CRC32)
		return c->rex & REX_W ? 8 : 4;
	if (i->kind == EMUL_READ && (c->map == 1 || c->opcode == 0x63))
		return operand_size(c);
	return i->size;
}

/* Rows that count in some modes only, and what VEX asks for besides. */
static bool valid(const struct cursor *c, const struct emul_insn *i)
{
	if (c->map == 0 && (c->opcode == 0x63 || c->opcode == 0x82))
		return c->mode.long64 == (c->opcode == 0x63);
	if (!c->vex)
		return true;
	/* 256 bits are for whole vectors; MOVSS and MOVSD ignore the bit */
	if (c->vex_long && i->size != 32 && c->opcode != 0x10 && c->opcode != 0x11)
		return false;
	return i->kind == EMUL_BMI || i->kind == EMUL_MULX ||
	       i->kind == EMUL_VECTOR_READ_HALF || c->vvvv == 0;
}

static bool take_insn(struct cursor *c, struct emul_insn *i)
{
	const struct row *row;

	if (!take_opcode(c, take_prefixes(c)) || c->cut)
		return false;
	row = find_row(c);
	if (row == NULL)
		return false;
	i->kind = (enum emul_kind)row->kind;
	i->size = size_of(c, (enum size)row->size);
	i->reg_size = destination_size(c, i);
	i->vex = c->vex;
	i->rep = c->rep;
	i->address_size = address_size(c);
	if (row->modrm && !take_operands(c, i))
		return false;
	if (c->segment_named)
		i->segment = c->segment;
	if (row->regs != 0xff || row->op == OP_FROM_REG) /* ModRM.reg is a part of the opcode */
		i->reg = i->reg_high = 0;
	take_immediate(c, i, (enum imm)row->imm);
	take_op(c, i, row->op);
	return !c->cut && valid(c, i);
}

bool emul_decode(const uint8_t *code, unsigned len, struct emul_mode mode, struct emul_insn *i)
{
	struct cursor c = {.code = code, .len = len, .mode = mode};

	*i = (struct emul_insn){.segment = SEG_DS, .base = EMUL_NO_REG, .index = EMUL_NO_REG};
	if (!take_insn(&c, i))
		return false;
	i->length = (uint8_t)c.at;
	return true;
}
