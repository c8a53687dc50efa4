/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of instructions that access device memory, and their arithmetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emul/decode.h"
#include "spec/regs.h"
#include "spec/vmx.h"

static const struct emul_mode mode64 = {.long64 = true};
static const struct emul_mode mode32 = {.default32 = true};
static const struct emul_mode mode16;

struct row {
	struct emul_mode mode;
	uint8_t code[15];
	struct emul_insn want;
};

/* clang-format off */
static const struct row rows[] = {
	/* movbe (%rdi), %eax; movbe %rax, (%rdi) */
	{{.long64 = true}, {0x0f, 0x38, 0xf0, 0x07},
		{.kind = EMUL_READ, .length = 4, .size = 4, .reg_size = 4, .swap = true}},
	{{.long64 = true}, {0x48, 0x0f, 0x38, 0xf1, 0x07},
		{.kind = EMUL_WRITE, .length = 5, .size = 8, .reg_size = 8, .swap = true}},
	/* lock cmpxchg %ecx, (%rdi) */
	{{.long64 = true}, {0xf0, 0x0f, 0xb1, 0x0f},
		{.kind = EMUL_CMPXCHG, .length = 4, .size = 4, .reg_size = 4, .reg = 1}},
	/* xadd %ax, (%rdi) */
	{{.long64 = true}, {0x66, 0x0f, 0xc1, 0x07},
		{.kind = EMUL_XADD, .length = 4, .size = 2, .reg_size = 2}},
	/* bts %edx, (%rdi); btc $35, (%rdi) */
	{{.long64 = true}, {0x0f, 0xab, 0x17}, {.kind = EMUL_BIT, .op = BIT_SET, .length = 3,
		.size = 4, .reg_size = 4, .reg = 2}},
	{{.long64 = true}, {0x48, 0x0f, 0xba, 0x3f, 0x23}, {.kind = EMUL_BIT, .op = BIT_COMPLEMENT,
		.length = 5, .size = 8, .has_imm = true, .imm = 0x23}},
	/* notl, negl, incl, decb (%rdi) */
	{{.long64 = true}, {0xf7, 0x17}, {.kind = EMUL_UNARY, .op = ALU_NOT, .length = 2, .size = 4}},
	{{.long64 = true}, {0xf7, 0x1f}, {.kind = EMUL_UNARY, .op = ALU_NEG, .length = 2, .size = 4}},
	{{.long64 = true}, {0xff, 0x07}, {.kind = EMUL_UNARY, .op = ALU_INC, .length = 2, .size = 4}},
	{{.long64 = true}, {0xfe, 0x0f}, {.kind = EMUL_UNARY, .op = ALU_DEC, .length = 2, .size = 1}},
	/* sete (%rdi); cmovl (%rdi), %r8d; movnti %eax, (%rdi) */
	{{.long64 = true}, {0x0f, 0x94, 0x07},
		{.kind = EMUL_SETCC, .op = 4, .length = 3, .size = 1}},
	{{.long64 = true}, {0x44, 0x0f, 0x4c, 0x07}, {.kind = EMUL_CMOV, .op = 12, .length = 4, .size = 4,
		.reg_size = 4, .reg = 8}},
	{{.long64 = true}, {0x0f, 0xc3, 0x07},
		{.kind = EMUL_WRITE, .length = 3, .size = 4, .reg_size = 4}},
	/* mov (%rdi), %eax */
	{{.long64 = true}, {0x8b, 0x07}, {.kind = EMUL_READ, .length = 2, .size = 4, .reg_size = 4}},
	/* mov %eax, 0xffffffffff5fb0b0 */
	{{.long64 = true}, {0x89, 0x04, 0x25, 0xb0, 0xb0, 0x5f, 0xff},
		{.kind = EMUL_WRITE, .length = 7, .size = 4, .reg_size = 4}},
	/* mov %r9, 8(%r8, %r10, 4) */
	{{.long64 = true}, {0x4f, 0x89, 0x4c, 0x90, 0x08},
		{.kind = EMUL_WRITE, .length = 5, .size = 8, .reg_size = 8, .reg = 9}},
	/* movl $0x12345678, 0x10(%rbx) */
	{{.long64 = true}, {0xc7, 0x43, 0x10, 0x78, 0x56, 0x34, 0x12},
		{.kind = EMUL_WRITE, .length = 7, .size = 4, .has_imm = true, .imm = 0x12345678}},
	/* movq $-1, (%rax) */
	{{.long64 = true}, {0x48, 0xc7, 0x00, 0xff, 0xff, 0xff, 0xff},
		{.kind = EMUL_WRITE, .length = 7, .size = 8, .has_imm = true, .imm = UINT64_MAX}},
	/* movb %ah, (%rcx) */
	{{.long64 = true}, {0x88, 0x21},
		{.kind = EMUL_WRITE, .length = 2, .size = 1, .reg_size = 1, .reg_high = true}},
	/* movb %spl, (%rcx): with REX it is not AH */
	{{.long64 = true}, {0x40, 0x88, 0x21},
		{.kind = EMUL_WRITE, .length = 3, .size = 1, .reg_size = 1, .reg = 4}},
	/* movzbl 0x12345678(%rip), %r8d */
	{{.long64 = true}, {0x44, 0x0f, 0xb6, 0x05, 0x78, 0x56, 0x34, 0x12},
		{.kind = EMUL_READ, .length = 8, .size = 1, .reg_size = 4, .reg = 8}},
	/* movswl (%rdx), %eax */
	{{.long64 = true}, {0x0f, 0xbf, 0x02},
		{.kind = EMUL_READ, .length = 3, .size = 2, .reg_size = 4, .sign = true}},
	/* movslq (%rdx), %rax */
	{{.long64 = true}, {0x48, 0x63, 0x02},
		{.kind = EMUL_READ, .length = 3, .size = 4, .reg_size = 8, .sign = true}},
	/* orl $0x100, (%rax) */
	{{.long64 = true}, {0x81, 0x08, 0x00, 0x01, 0x00, 0x00},
		{.kind = EMUL_ALU, .op = ALU_OR, .length = 6, .size = 4, .has_imm = true, .imm = 0x100}},
	/* andl $-2, (%rax) */
	{{.long64 = true}, {0x83, 0x20, 0xfe},
		{.kind = EMUL_ALU, .op = ALU_AND, .length = 3, .size = 4, .has_imm = true,
			.imm = UINT64_MAX - 1}},
	/* add (%rax), %ecx */
	{{.long64 = true}, {0x03, 0x08},
		{.kind = EMUL_ALU_REG, .op = ALU_ADD, .length = 2, .size = 4, .reg_size = 4, .reg = 1}},
	/* testb $1, (%rax) */
	{{.long64 = true}, {0xf6, 0x00, 0x01},
		{.kind = EMUL_ALU, .op = ALU_TEST, .length = 3, .size = 1, .has_imm = true, .imm = 1}},
	/* lock xchg %eax, (%rdi) */
	{{.long64 = true}, {0xf0, 0x87, 0x07}, {.kind = EMUL_XCHG, .length = 3, .size = 4, .reg_size = 4}},
	/* rep stosl */
	{{.long64 = true}, {0xf3, 0xab},
		{.kind = EMUL_STOS, .length = 2, .size = 4, .rep = true, .address_size = 8, .segment = 3}},
	/* rep movsw %fs:(%esi), 32-bit code */
	{{.default32 = true}, {0xf3, 0x64, 0x66, 0xa5},
		{.kind = EMUL_MOVS, .length = 4, .size = 2, .rep = true, .address_size = 4, .segment = 4}},
	/* mov 0xfee00020, %eax, 32-bit code */
	{{.default32 = true}, {0xa1, 0x20, 0x00, 0xe0, 0xfe},
		{.kind = EMUL_READ, .length = 5, .size = 4, .reg_size = 4}},
	/* mov %ax, 4(%bx), 16-bit code */
	{{0}, {0x89, 0x47, 0x04}, {.kind = EMUL_WRITE, .length = 3, .size = 2, .reg_size = 2}},
	/* movl %eax, (%ebx), 16-bit code with both prefixes */
	{{0}, {0x66, 0x67, 0x89, 0x03}, {.kind = EMUL_WRITE, .length = 4, .size = 4, .reg_size = 4}},
};
/* clang-format on */

static void assert_same(const struct emul_insn *got, const struct emul_insn *want)
{
	assert_int_equal(got->kind, want->kind);
	assert_int_equal(got->op, want->op);
	assert_int_equal(got->length, want->length);
	assert_int_equal(got->size, want->size);
	assert_int_equal(got->reg, want->reg);
	assert_int_equal(got->reg_high, want->reg_high);
	if (want->reg_size != 0) /* where there is a destination */
		assert_int_equal(got->reg_size, want->reg_size);
	assert_int_equal(got->sign, want->sign);
	assert_int_equal(got->has_imm, want->has_imm);
	assert_int_equal(got->imm, want->imm);
	assert_int_equal(got->rep, want->rep);
	if (!emul_is_string(got->kind))
		return;
	assert_int_equal(got->address_size, want->address_size);
	assert_int_equal(got->segment, want->segment);
}

static void instructions_that_guests_use_are_decoded(void **state)
{
	struct emul_insn got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(emul_decode(rows[i].code, 15, rows[i].mode, &got));
		assert_same(&got, &rows[i].want);
	}
}

static void an_instruction_cut_short_is_refused_at_every_length(void **state)
{
	struct emul_insn got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned len = 0; len < rows[i].want.length; len++)
			assert_false(emul_decode(rows[i].code, len, rows[i].mode, &got));
	}
}

static void register_operands_and_unknown_opcodes_are_refused(void **state)
{
	static const uint8_t codes[][4] = {
		{0x89, 0xc0},       /* mov %eax, %eax */
		{0x0f, 0x05},       /* syscall */
		{0xc7, 0x48, 1, 2}, /* reserved /1 */
		{0xff, 0x38},       /* reserved /7 */
		{0xff, 0x28},       /* far jmp */
		{0x0f, 0x6f, 0x07}, /* movq (%rdi), %mm0 */
		{0x0f, 0xba, 0x00}, /* reserved /0 */
	};
	struct emul_insn got;

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_false(emul_decode(codes[i], 4, mode64, &got));
}

static void endless_prefixes_end_at_fifteen_bytes(void **state)
{
	struct emul_insn got;
	uint8_t code[64];

	(void)state;
	memset(code, 0x66, sizeof(code));
	assert_false(emul_decode(code, sizeof(code), mode32, &got));
	assert_false(emul_decode(code, sizeof(code), mode16, &got));
}

/* The host's own ALU is the reference. */
#define HOST_ALU(insn, type)                                              \
	do {                                                              \
		type r = (type)a;                                         \
		uint64_t f;                                               \
		__asm__("push %3; popfq; " insn " %2, %0; pushfq; pop %1" \
			: "+&r"(r), "=&r"(f)                              \
			: "r"((type)b), "r"(flags)                        \
			: "cc", "memory");                                \
		*result = r;                                              \
		return f;                                                 \
	} while (0)

#define HOST_FN(name)                                                                    \
	__attribute__((noinline)) static uint64_t host_##name(                           \
		uint64_t a, uint64_t b, unsigned size, uint64_t flags, uint64_t *result) \
	{                                                                                \
		if (size == 1)                                                           \
			HOST_ALU(#name, uint8_t);                                        \
		if (size == 2)                                                           \
			HOST_ALU(#name, uint16_t);                                       \
		if (size == 4)                                                           \
			HOST_ALU(#name, uint32_t);                                       \
		HOST_ALU(#name, uint64_t);                                               \
	}
HOST_FN(add)
HOST_FN(or)
HOST_FN(adc)
HOST_FN(sbb)
HOST_FN(and)
HOST_FN(sub)
HOST_FN(xor)
HOST_FN(cmp)

static void arithmetic_equals_the_cpu_s_own(void **state)
{
	static uint64_t (*const host[])(uint64_t, uint64_t, unsigned, uint64_t, uint64_t *) = {
		host_add, host_or, host_adc, host_sbb, host_and, host_sub, host_xor, host_cmp};
	static const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
		0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
		UINT64_MAX, 0x0123456789abcdef};
	static const unsigned sizes[] = {1, 2, 4, 8};
	const uint64_t n = sizeof(values) / sizeof(values[0]);

	(void)state;
	for (uint64_t k = 0; k < 8 * n * n * 4 * 2; k++) {
		unsigned op = k % 8, size = sizes[k / 8 % 4];
		uint64_t a = values[k / 32 % n], b = values[k / 32 / n % n], r;
		uint64_t flags = 0x202 | (k / 32 / n / n & 1), want_r = 0;
		uint64_t defined = RFLAGS_CF | RFLAGS_PF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;
		uint64_t want = host[op](a, b, size, flags, &want_r);

		if (op != ALU_OR && op != ALU_AND && op != ALU_XOR)
			defined |= RFLAGS_AF;
		r = emul_alu((enum emul_alu)op, a, b, size, &flags);
		assert_int_equal(r, want_r);
		assert_int_equal(flags & defined, want & defined);
	}
}

#define HOST_UNARY(name)                                                      \
	static uint64_t host1_##name(uint64_t a, uint64_t in, uint64_t *r)    \
	{                                                                     \
		uint64_t f;                                                   \
		uint32_t v = (uint32_t)a;                                     \
		__asm__("push %2\n\tpopf\n\t" #name "l %0\n\tpushf\n\tpop %1" \
			: "+r"(v), "=r"(f)                                    \
			: "r"(in)                                             \
			: "cc");                                              \
		*r = v;                                                       \
		return f;                                                     \
	}
HOST_UNARY(inc)
HOST_UNARY(dec)
HOST_UNARY(not )
HOST_UNARY(neg)

static void unary_operations_equal_the_cpu_s_own(void **state)
{
	static uint64_t (*const host[])(uint64_t, uint64_t, uint64_t *) = {
		host1_inc, host1_dec, host1_not, host1_neg};
	static const uint64_t values[] = {0, 1, 0x10, 0x7fffffff, 0x80000000, UINT32_MAX};
	const uint64_t all =
		RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;

	(void)state;
	for (unsigned k = 0; k < 4 * 6 * 2; k++) {
		uint64_t flags = 0x202 | (k / 24), start = flags, want_r, want;
		uint64_t a = values[k / 4 % 6];

		want = host[k % 4](a, start, &want_r);
		assert_int_equal(
			emul_alu((enum emul_alu)(ALU_INC + k % 4), a, 1, 4, &flags), want_r);
		assert_int_equal(flags & all, want & all);
	}
}

static void bits_are_taken_modulo_the_operand_size(void **state)
{
	uint64_t flags = 0x202;

	(void)state;
	assert_int_equal(emul_bit(BIT_SET, 0, 33, 4, &flags), 2);
	assert_false(flags & RFLAGS_CF);
	assert_int_equal(emul_bit(BIT_RESET, 0x30, UINT64_MAX - 11, 2, &flags), 0x20);
	assert_true(flags & RFLAGS_CF);
	assert_int_equal(emul_bit(BIT_COMPLEMENT, 1, 0, 8, &flags), 0);
	assert_int_equal(emul_bit(BIT_TEST, 4, 2, 8, &flags), 4);
	assert_true(flags & RFLAGS_CF);
}

static void conditions_follow_the_flags(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 32; f++) {
		bool cf = f & 1, zf = f & 2, sf = f & 4, of = f & 8, pf = f & 16;
		uint64_t flags = (cf ? RFLAGS_CF : 0) | (zf ? RFLAGS_ZF : 0) |
				 (sf ? RFLAGS_SF : 0) | (of ? RFLAGS_OF : 0) |
				 (pf ? RFLAGS_PF : 0);
		bool want[] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

		for (uint8_t c = 0; c < 16; c++)
			assert_int_equal(emul_condition(c, flags), want[c / 2] != (c & 1));
	}
}

static void swapping_reverses_the_bytes(void **state)
{
	(void)state;
	assert_int_equal(emul_swap(0x1122, 2), 0x2211);
	assert_int_equal(emul_swap(0x11223344, 4), 0x44332211);
	assert_int_equal(emul_swap(0x1122334455667788, 8), 0x8877665544332211);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_that_guests_use_are_decoded),
		cmocka_unit_test(an_instruction_cut_short_is_refused_at_every_length),
		cmocka_unit_test(register_operands_and_unknown_opcodes_are_refused),
		cmocka_unit_test(endless_prefixes_end_at_fifteen_bytes),
		cmocka_unit_test(arithmetic_equals_the_cpu_s_own),
		cmocka_unit_test(unary_operations_equal_the_cpu_s_own),
		cmocka_unit_test(bits_are_taken_modulo_the_operand_size),
		cmocka_unit_test(conditions_follow_the_flags),
		cmocka_unit_test(swapping_reverses_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
