/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shifts, scans, multiplication and division. Flags that the SDM calls undefined are as for a
 * count of one.
 */
#include "emul/alu.h"

#include "spec/regs.h"

__extension__ typedef unsigned __int128 uint128;
__extension__ typedef __int128 int128;

static void set_flag(uint64_t *flags, uint64_t flag, bool on)
{
	*flags = on ? *flags | flag : *flags & ~flag;
}

/* ZF, SF and PF of a result; the others stay. */
static void set_result_flags(uint64_t r, unsigned size, uint64_t *flags)
{
	uint64_t carry = *flags & (RFLAGS_CF | RFLAGS_OF | RFLAGS_AF);

	emul_alu(ALU_TEST, r, r, size, flags);
	*flags = (*flags & ~(RFLAGS_CF | RFLAGS_OF | RFLAGS_AF)) | carry;
}

/* ---- rotations and shifts ---- */

static uint64_t rotate_left(uint64_t v, unsigned count, unsigned bits)
{
	count %= bits;
	return count == 0 ? v : v << count | v >> (bits - count);
}

/* Through CF: a rotation of one bit more. */
static uint64_t rotate_carry_left(uint64_t v, unsigned count, unsigned bits, bool *carry)
{
	uint128 wide = (uint128)*carry << bits | v;

	count %= bits + 1;
	if (count != 0)
		wide = wide << count | wide >> (bits + 1 - count);
	*carry = wide >> bits & 1;
	return (uint64_t)wide;
}

static bool bit(uint64_t v, unsigned n)
{
	return v >> n & 1;
}

/* The value, of `bits` bits, for a count that is not 0; *carry becomes CF. */
static uint64_t shifted(
	enum emul_shift op, uint64_t v, unsigned count, unsigned bits, bool *carry)
{
	uint64_t r;

	switch (op) {
	case SHIFT_ROL:
		r = rotate_left(v, count, bits);
		*carry = r & 1;
		return r;
	case SHIFT_ROR:
		r = rotate_left(v, bits - count % bits, bits);
		*carry = bit(r, bits - 1);
		return r;
	case SHIFT_RCL:
		return rotate_carry_left(v, count, bits, carry);
	case SHIFT_RCR:
		return rotate_carry_left(v, bits + 1 - count % (bits + 1), bits, carry);
	case SHIFT_SHR:
		*carry = bit(v, count - 1);
		return v >> count;
	case SHIFT_SAR:
		v = emul_sign_extend(v, bits / 8);
		*carry = bit(v, count - 1);
		return (uint64_t)((int64_t)v >> count);
	default: /* a count beyond the operand leaves nothing */
		*carry = count <= bits && bit(v, bits - count);
		return v << count;
	}
}

uint64_t emul_shift(
	enum emul_shift op, uint64_t v, uint64_t count, unsigned size, uint64_t *flags)
{
	unsigned bits = size * 8, n = (unsigned)count & (size == 8 ? 63 : 31);
	bool carry = *flags & RFLAGS_CF,
	     left = op == SHIFT_ROL || op == SHIFT_RCL || op == SHIFT_SHL || op == SHIFT_SAL;
	uint64_t r;

	v &= mask_of(size);
	if (n == 0)
		return v;
	r = shifted(op, v, n, bits, &carry) & mask_of(size);
	set_flag(flags, RFLAGS_CF, carry);
	set_flag(flags, RFLAGS_OF, bit(r, bits - 1) != (left ? carry : bit(r, bits - 2)));
	if (op >= SHIFT_SHL)
		set_result_flags(r, size, flags);
	return r;
}

uint64_t emul_shift_double(
	bool right, uint64_t v, uint64_t fill, uint64_t count, unsigned size, uint64_t *flags)
{
	unsigned bits = size * 8, n = (unsigned)count & (size == 8 ? 63 : 31);
	uint64_t m = mask_of(size), r;
	uint128 wide;
	bool carry;

	v &= m;
	fill &= m;
	if (n == 0)
		return v;
	if (n > bits) /* 16 bits: undefined; as if the operand came again */
		fill = v;
	n = n > bits ? n - bits : n;
	wide = right ? (uint128)fill << bits | v : (uint128)v << bits | fill;
	r = (uint64_t)(right ? wide >> n : wide >> (bits - n)) & m;
	carry = right ? bit(v, n - 1) : bit(v, bits - n);
	set_flag(flags, RFLAGS_CF, carry);
	set_flag(flags, RFLAGS_OF, bit(r ^ v, bits - 1));
	set_result_flags(r, size, flags);
	return r;
}

/* ---- multiplication and division ---- */

uint64_t emul_multiply(
	uint64_t a, uint64_t b, unsigned size, bool sign, uint64_t *high, uint64_t *flags)
{
	uint64_t m = mask_of(size), low;
	uint128 product;
	bool wide;

	if (sign)
		product = (uint128)((int128)(int64_t)emul_sign_extend(a, size) *
				    (int64_t)emul_sign_extend(b, size));
	else
		product = (uint128)(a & m) * (b & m);
	low = (uint64_t)product & m;
	*high = (uint64_t)(product >> size * 8) & m;
	wide = *high != (sign && bit(low, size * 8 - 1) ? m : 0);
	set_flag(flags, RFLAGS_CF, wide);
	set_flag(flags, RFLAGS_OF, wide);
	return low;
}

/* Bit by bit: there is no 128-bit division without a library. */
static uint128 divide(uint128 n, uint64_t by, uint64_t *remainder)
{
	uint128 q = 0, r = 0;

	for (unsigned i = 128; i-- > 0;) {
		r = r << 1 | (n >> i & 1);
		q <<= 1;
		if (r >= by) {
			r -= by;
			q |= 1;
		}
	}
	*remainder = (uint64_t)r;
	return q;
}

bool emul_divide(uint64_t *high, uint64_t *low, uint64_t by, unsigned size, bool sign)
{
	unsigned bits = size * 8;
	uint64_t m = mask_of(size), r;
	uint128 n = (uint128)(*high & m) << bits | (*low & m), q, most = m;
	bool n_negative = sign && bit(*high, bits - 1), by_negative = sign && bit(by, bits - 1);

	by &= m;
	if (by == 0)
		return false;
	if (n_negative) /* its magnitude, of twice the bits */
		n = bits == 64 ? -n : -n & (((uint128)1 << 2 * bits) - 1);
	if (by_negative)
		by = -by & m;
	q = divide(n, by, &r);
	if (sign)
		most = (m >> 1) + (n_negative != by_negative);
	if (q > most)
		return false;
	*low = (n_negative != by_negative ? -(uint64_t)q : (uint64_t)q) & m;
	*high = (n_negative ? -r : r) & m;
	return true;
}

/* ---- bits ---- */

static unsigned lowest(uint64_t v)
{
	return (unsigned)__builtin_ctzll(v);
}

static unsigned highest(uint64_t v)
{
	return 63u - (unsigned)__builtin_clzll(v);
}

static unsigned ones(uint64_t v)
{
	unsigned n = 0;

	for (; v != 0; v &= v - 1)
		n++;
	return n;
}

uint64_t emul_scan(enum emul_scan op, uint64_t v, uint64_t old, unsigned size, uint64_t *flags)
{
	unsigned bits = size * 8;
	uint64_t r;

	v &= mask_of(size);
	if (op == SCAN_BSF || op == SCAN_BSR) {
		set_flag(flags, RFLAGS_ZF, v == 0);
		if (v == 0)
			return old;
		return op == SCAN_BSF ? lowest(v) : highest(v);
	}
	if (op == SCAN_POPCNT) {
		*flags &= ~RFLAGS_STATUS;
		set_flag(flags, RFLAGS_ZF, v == 0);
		return ones(v);
	}
	if (v == 0)
		r = bits;
	else
		r = op == SCAN_TZCNT ? lowest(v) : bits - 1 - highest(v);
	set_flag(flags, RFLAGS_CF, v == 0);
	set_flag(flags, RFLAGS_ZF, r == 0);
	return r;
}

static uint64_t low_bits(uint64_t v, unsigned n)
{
	return n >= 64 ? v : v & ((1ull << n) - 1);
}

/* The bits of v that a mask has, one behind the other. */
static uint64_t extract(uint64_t v, uint64_t mask)
{
	uint64_t r = 0;

	for (unsigned n = 0; mask != 0; mask &= mask - 1, n++)
		r |= (v >> lowest(mask) & 1) << n;
	return r;
}

/* The low bits of v, one to each bit that a mask has. */
static uint64_t deposit(uint64_t v, uint64_t mask)
{
	uint64_t r = 0;

	for (; mask != 0; mask &= mask - 1, v >>= 1)
		r |= (v & 1) << lowest(mask);
	return r;
}

static uint64_t bmi(enum emul_bmi op, uint64_t v, uint64_t reg, unsigned size, bool *carry)
{
	unsigned bits = size * 8, count = (unsigned)reg & (bits - 1);

	switch (op) {
	case BMI_ANDN:
		return ~reg & v;
	case BMI_BLSR:
		*carry = v == 0;
		return v & (v - 1);
	case BMI_BLSMSK:
		*carry = v == 0;
		return v ^ (v - 1);
	case BMI_BLSI:
		*carry = v != 0;
		return v & -v;
	case BMI_BZHI:
		*carry = (reg & 0xff) >= bits;
		return low_bits(v, (unsigned)reg & 0xff);
	case BMI_BEXTR:
		v = (reg & 0xff) >= bits ? 0 : v >> (reg & 0xff);
		return low_bits(v, (unsigned)(reg >> 8 & 0xff));
	case BMI_SHLX:
		return v << count;
	case BMI_SARX:
		return (uint64_t)((int64_t)emul_sign_extend(v, size) >> count);
	case BMI_SHRX:
		return v >> count;
	case BMI_PEXT:
		return extract(reg, v);
	case BMI_PDEP:
		return deposit(reg, v);
	default:
		return rotate_left(v, bits - count, bits);
	}
}

uint64_t emul_bmi(
	enum emul_bmi op, uint64_t memory, uint64_t reg, unsigned size, uint64_t *flags)
{
	uint64_t m = mask_of(size), r, f = *flags;
	bool carry = false;

	r = bmi(op, memory & m, reg & m, size, &carry) & m;
	if (op >= BMI_SHLX)
		return r;
	emul_alu(ALU_TEST, r, r, size, &f); /* clears OF */
	set_flag(&f, RFLAGS_CF, carry);
	if (op == BMI_BLSMSK)
		f &= ~RFLAGS_ZF;
	*flags = f;
	return r;
}

/* The polynomial of iSCSI, bits reversed (SDM vol. 2A "CRC32"). */
uint32_t emul_crc32(uint32_t crc, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size * 8; i++, v >>= 1)
		crc = crc >> 1 ^ ((crc ^ v) & 1 ? 0x82f63b78u : 0);
	return crc;
}
