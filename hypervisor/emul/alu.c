/* SPDX-License-Identifier: Apache-2.0 */
#include "emul/alu.h"

#include "spec/vmx.h"

static bool even_parity(uint8_t v)
{
	v ^= (uint8_t)(v >> 4);
	v ^= (uint8_t)(v >> 2);
	v ^= (uint8_t)(v >> 1);
	return !(v & 1);
}

/* CF, OF and AF of an addition (of the complement, for subtractions). */
static uint64_t carry_flags(uint64_t a, uint64_t b, uint64_t r, unsigned size, bool subtract)
{
	unsigned top = size * 8 - 1;
	uint64_t carries = subtract ? (~a & b) | ((~a | b) & r) : (a & b) | ((a | b) & ~r);
	uint64_t overflow = subtract ? (a ^ b) & (a ^ r) : (a ^ r) & (b ^ r);

	return (carries >> top & 1 ? RFLAGS_CF : 0) | (overflow >> top & 1 ? RFLAGS_OF : 0) |
	       ((a ^ b ^ r) & 0x10 ? RFLAGS_AF : 0);
}

uint64_t emul_alu(enum emul_alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
	uint64_t all = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;
	uint64_t m = mask_of(size), carry = *flags & RFLAGS_CF, r, f = 0;

	a &= m;
	b &= m;
	if (op == ALU_NOT)
		return ~a & m;
	if (op == ALU_INC || op == ALU_DEC) {
		all &= ~RFLAGS_CF;
		b = 1;
	}
	if (op == ALU_NEG) {
		b = a;
		a = 0;
	}
	switch (op) {
	case ALU_ADD:
	case ALU_ADC:
	case ALU_INC:
		r = (a + b + (op == ALU_ADC ? carry : 0)) & m;
		f = carry_flags(a, b, r, size, false);
		break;
	case ALU_SUB:
	case ALU_DEC:
	case ALU_NEG:
	case ALU_CMP:
	case ALU_SBB:
		r = (a - b - (op == ALU_SBB ? carry : 0)) & m;
		f = carry_flags(a, b, r, size, true);
		break;
	case ALU_OR:
		r = a | b;
		break;
	case ALU_XOR:
		r = a ^ b;
		break;
	default:
		r = a & b;
		break;
	}
	f |= (r == 0 ? RFLAGS_ZF : 0) | (r >> (size * 8 - 1) & 1 ? RFLAGS_SF : 0) |
	     (even_parity((uint8_t)r) ? RFLAGS_PF : 0);
	*flags = (*flags & ~all) | (f & all);
	return op == ALU_CMP || op == ALU_TEST ? a : r;
}

uint64_t emul_bit(enum emul_bit op, uint64_t word, uint64_t bit, unsigned size, uint64_t *flags)
{
	uint64_t mask = 1ull << (bit & (size * 8 - 1));

	*flags = word & mask ? *flags | RFLAGS_CF : *flags & ~RFLAGS_CF;
	switch (op) {
	case BIT_SET:
		return word | mask;
	case BIT_RESET:
		return word & ~mask;
	case BIT_COMPLEMENT:
		return word ^ mask;
	default:
		return word;
	}
}

bool emul_condition(uint8_t condition, uint64_t flags)
{
	bool cf = flags & RFLAGS_CF, zf = flags & RFLAGS_ZF, sf = flags & RFLAGS_SF;
	bool of = flags & RFLAGS_OF, pf = flags & RFLAGS_PF;
	const bool holds[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

	return holds[condition >> 1 & 7] != (condition & 1);
}

uint64_t emul_swap(uint64_t v, unsigned size)
{
	return __builtin_bswap64(v) >> (64 - size * 8);
}
