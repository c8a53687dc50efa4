#include "emul/decode.h"

#include "spec/regs.h"

#include "lib/bits.h"

struct cursor {
	const uint8_t *code;
	unsigned len, at;
	bool cut;
	uint8_t rex;
	bool opsize, addrsize, rep;
	uint8_t segment;
	struct emul_mode mode;
	uint8_t modrm;
};

#define REX_W 8u
#define REX_R 4u

static uint8_t next(struct cursor *c)
{
	if (c->at >= c->len || c->at >= EMUL_MAX_INSN) {
		c->cut = true;
		return 0;
	}
	return c->code[c->at++];
}

/* True when the byte was a legacy prefix. */
static bool take_prefix(struct cursor *c, uint8_t b)
{
	static const uint8_t overrides[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};

	for (uint8_t i = 0; i < sizeof(overrides); i++) {
		if (b == overrides[i]) {
			c->segment = i;
			return true;
		}
	}
	switch (b) {
	case 0x66:
		c->opsize = true;
		return true;
	case 0x67:
		c->addrsize = true;
		return true;
	case 0xf2:
	case 0xf3:
		c->rep = true;
		return true;
	case 0xf0:
		return true;
	default:
		return false;
	}
}

static uint8_t take_prefixes(struct cursor *c)
{
	uint8_t b = next(c);

	while (!c->cut && take_prefix(c, b))
		b = next(c);
	if (c->mode.long64 && (b & 0xf0) == 0x40) {
		c->rex = b;
		b = next(c);
	}
	return b;
}

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

static void skip(struct cursor *c, unsigned n)
{
	while (n-- > 0)
		next(c);
}

static void skip_address16(struct cursor *c)
{
	unsigned mod = c->modrm >> 6;

	if (mod == 1)
		skip(c, 1);
	else if (mod == 2 || (c->modrm & 7) == 6)
		skip(c, 2);
}

/* ModRM with a memory operand, its SIB and displacement. False for a register operand. */
static bool take_modrm(struct cursor *c)
{
	unsigned mod, rm, base;

	c->modrm = next(c);
	mod = c->modrm >> 6;
	rm = base = c->modrm & 7;
	if (mod == 3)
		return false;
	if (address_size(c) == 2) {
		skip_address16(c);
		return true;
	}
	if (rm == 4)
		base = next(c) & 7;
	if (mod == 1)
		skip(c, 1);
	else if (mod == 2 || base == 5)
		skip(c, 4);
	return true;
}

static uint8_t modrm_reg(const struct cursor *c)
{
	return c->modrm >> 3 & 7;
}

static void set_reg(const struct cursor *c, struct emul_insn *i, unsigned size)
{
	i->reg = (uint8_t)(modrm_reg(c) | (c->rex & REX_R ? 8 : 0));
	i->reg_high = size == 1 && c->rex == 0 && i->reg >= 4;
	if (i->reg_high)
		i->reg &= 3;
}

static uint64_t immediate(struct cursor *c, unsigned size)
{
	unsigned bytes = size == 8 ? 4 : size, bits = bytes * 8;
	uint64_t v = 0;

	for (unsigned k = 0; k < bytes; k++)
		v |= (uint64_t)next(c) << 8 * k;
	return v & 1ull << (bits - 1) ? v | ~((1ull << bits) - 1) : v;
}

static bool with_imm(struct cursor *c, struct emul_insn *i, unsigned imm_size)
{
	i->has_imm = true;
	i->imm = immediate(c, imm_size);
	return true;
}

/* MOV and XCHG between register and memory. */
static bool decode_mov(struct cursor *c, struct emul_insn *i, enum emul_kind kind)
{
	i->kind = kind;
	i->reg_size = i->size;
	if (!take_modrm(c))
		return false;
	set_reg(c, i, i->size);
	return true;
}

/* MOVZX, MOVSX, MOVSXD */
static bool decode_extend(struct cursor *c, struct emul_insn *i, uint8_t memory_size, bool sign)
{
	i->kind = EMUL_READ;
	i->reg_size = operand_size(c);
	i->size = memory_size;
	i->sign = sign;
	if (!take_modrm(c))
		return false;
	set_reg(c, i, i->reg_size);
	return true;
}

/* Opcodes 00 to 3b: four forms with memory each. */
static bool decode_alu(struct cursor *c, struct emul_insn *i, uint8_t op)
{
	if ((op & 7) > 3)
		return false;
	i->alu = (enum emul_alu)(op >> 3);
	return decode_mov(c, i, op & 2 ? EMUL_ALU_REG : EMUL_ALU);
}

static bool decode_alu_imm(struct cursor *c, struct emul_insn *i, uint8_t op)
{
	i->kind = EMUL_ALU;
	if (!take_modrm(c))
		return false;
	i->alu = (enum emul_alu)modrm_reg(c);
	return with_imm(c, i, op == 0x81 ? i->size : 1);
}

static bool decode_mov_imm(struct cursor *c, struct emul_insn *i)
{
	i->kind = EMUL_WRITE;
	return take_modrm(c) && modrm_reg(c) == 0 && with_imm(c, i, i->size);
}

static bool unary(struct emul_insn *i, enum emul_alu alu)
{
	i->kind = EMUL_UNARY;
	i->alu = alu;
	return true;
}

/* f6, f7: TEST, NOT, NEG */
static bool decode_group3(struct cursor *c, struct emul_insn *i)
{
	if (!take_modrm(c))
		return false;
	switch (modrm_reg(c)) {
	case 0:
	case 1:
		i->kind = EMUL_ALU;
		i->alu = ALU_TEST;
		return with_imm(c, i, i->size);
	case 2:
		return unary(i, ALU_NOT);
	case 3:
		return unary(i, ALU_NEG);
	default:
		return false;
	}
}

/* fe, ff: INC, DEC */
static bool decode_group4(struct cursor *c, struct emul_insn *i)
{
	return take_modrm(c) && modrm_reg(c) <= 1 && unary(i, modrm_reg(c) ? ALU_DEC : ALU_INC);
}

static bool decode_moffs(struct cursor *c, struct emul_insn *i, uint8_t op)
{
	i->kind = op & 2 ? EMUL_WRITE : EMUL_READ;
	i->reg_size = i->size;
	skip(c, address_size(c));
	return true;
}

static bool decode_string(struct cursor *c, struct emul_insn *i, enum emul_kind kind)
{
	i->kind = kind;
	i->rep = c->rep;
	i->address_size = address_size(c);
	i->segment = c->segment;
	return true;
}

/* BT, BTS, BTR, BTC with a register; the exit's address is that of the word the offset leads to. */
static bool decode_bit(struct cursor *c, struct emul_insn *i, uint8_t op)
{
	i->size = operand_size(c);
	i->bit = (enum emul_bit)(op >> 3 & 3);
	return decode_mov(c, i, EMUL_BIT);
}

static bool decode_bit_imm(struct cursor *c, struct emul_insn *i)
{
	i->size = operand_size(c);
	i->kind = EMUL_BIT;
	if (!take_modrm(c) || modrm_reg(c) < 4)
		return false;
	i->bit = (enum emul_bit)(modrm_reg(c) - 4);
	return with_imm(c, i, 1);
}

/* 0f 38: MOVBE */
static bool decode_movbe(struct cursor *c, struct emul_insn *i)
{
	uint8_t op = next(c);

	if ((op != 0xf0 && op != 0xf1) || c->rep)
		return false;
	i->size = operand_size(c);
	i->swap = true;
	return decode_mov(c, i, op == 0xf0 ? EMUL_READ : EMUL_WRITE);
}

static bool decode_two_byte(struct cursor *c, struct emul_insn *i)
{
	uint8_t op = next(c);

	i->condition = op & 15;
	if ((op & 0xf0) == 0x40) {
		i->size = operand_size(c);
		return decode_mov(c, i, EMUL_CMOV);
	}
	if ((op & 0xf0) == 0x90) {
		i->size = 1;
		i->kind = EMUL_SETCC;
		return take_modrm(c);
	}
	i->size = op & 1 ? operand_size(c) : 1;
	switch (op) {
	case 0x38:
		return decode_movbe(c, i);
	case 0xa3:
	case 0xab:
	case 0xb3:
	case 0xbb:
		return decode_bit(c, i, op);
	case 0xb0:
	case 0xb1:
		return decode_mov(c, i, EMUL_CMPXCHG);
	case 0xba:
		return decode_bit_imm(c, i);
	case 0xc0:
	case 0xc1:
		return decode_mov(c, i, EMUL_XADD);
	case 0xc3: /* MOVNTI */
		return operand_size(c) > 2 && decode_mov(c, i, EMUL_WRITE);
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		return decode_extend(c, i, op & 1 ? 2 : 1, op & 8);
	default:
		return false;
	}
}

static bool decode_opcode(struct cursor *c, struct emul_insn *i, uint8_t op)
{
	if (op == 0x0f)
		return decode_two_byte(c, i);
	i->size = op & 1 ? operand_size(c) : 1;
	if (op < 0x40)
		return decode_alu(c, i, op);
	switch (op) {
	case 0x63:
		return c->mode.long64 && decode_extend(c, i, 4, true);
	case 0x80:
	case 0x81:
		return decode_alu_imm(c, i, op);
	case 0x83:
		return decode_alu_imm(c, i, op);
	case 0x84:
	case 0x85:
		i->alu = ALU_TEST;
		return decode_mov(c, i, EMUL_ALU);
	case 0x86:
	case 0x87:
		return decode_mov(c, i, EMUL_XCHG);
	case 0x88:
	case 0x89:
		return decode_mov(c, i, EMUL_WRITE);
	case 0x8a:
	case 0x8b:
		return decode_mov(c, i, EMUL_READ);
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		return decode_moffs(c, i, op);
	case 0xa4:
	case 0xa5:
		return decode_string(c, i, EMUL_MOVS);
	case 0xaa:
	case 0xab:
		return decode_string(c, i, EMUL_STOS);
	case 0xc6:
	case 0xc7:
		return decode_mov_imm(c, i);
	case 0xf6:
	case 0xf7:
		return decode_group3(c, i);
	case 0xfe:
	case 0xff:
		return decode_group4(c, i);
	default:
		return false;
	}
}

bool emul_decode(const uint8_t *code, unsigned len, struct emul_mode mode, struct emul_insn *i)
{
	struct cursor c = {.code = code, .len = len, .mode = mode, .segment = SEG_DS};
	uint8_t op = take_prefixes(&c);

	*i = (struct emul_insn){0};
	if (c.cut || !decode_opcode(&c, i, op) || c.cut)
		return false;
	i->length = (uint8_t)c.at;
	return true;
}
