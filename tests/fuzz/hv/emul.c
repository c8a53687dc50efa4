/*
 * Fuzzer of the MMIO instruction decoder: what it decodes is well-formed, has a length within the
 * bytes given, and depends on these bytes only.
 */
#include "emul/decode.h"
#include "spec/regs.h"
#include "spec/vmx.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool power_of_2_bytes(uint8_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static void check_insn(const struct emul_insn *i, unsigned len, struct emul_mode mode)
{
	check(i->length >= 1 && i->length <= len && i->length <= EMUL_MAX_INSN);
	check(power_of_2_bytes(i->size));
	check(i->reg < 16 && (!i->reg_high || i->reg < 4));
	check(i->kind <= EMUL_MOVS && i->alu <= ALU_NEG && i->bit <= BIT_COMPLEMENT &&
		i->condition < 16);
	check(i->kind != EMUL_READ || power_of_2_bytes(i->reg_size));
	check(mode.long64 || (i->size <= 4 && i->reg < 8));
	if (i->kind == EMUL_STOS || i->kind == EMUL_MOVS)
		check(i->address_size == 2 || i->address_size == 4 || i->address_size == 8);
	check(i->segment <= 5);
}

static void check_alu(const uint8_t *data)
{
	uint64_t a, b, flags, before, result, mask;
	unsigned size = 1u << (data[1] & 3);
	enum emul_alu op = (enum emul_alu)(data[0] % 13);

	memcpy(&a, data, 8);
	memcpy(&b, data + 4, 8);
	memcpy(&flags, data + 2, 8);
	before = flags;
	mask = size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
	result = emul_alu(op, a & mask, b & mask, size, &flags);
	check((result & ~mask) == 0);
	check(((flags ^ before) & ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF |
					  RFLAGS_OF)) == 0);
	if (op == ALU_CMP || op == ALU_TEST)
		check(result == (a & mask));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t code[EMUL_MAX_INSN] = {0};
	struct emul_mode mode;
	struct emul_insn i, again;
	unsigned len;

	if (size < 2)
		return 0;
	mode = (struct emul_mode){.long64 = data[0] & 1, .default32 = data[0] & 2};
	len = size - 1 < EMUL_MAX_INSN ? (unsigned)size - 1 : EMUL_MAX_INSN;
	memcpy(code, data + 1, len);
	if (size >= 13)
		check_alu(data);
	memset(&i, 0, sizeof(i));
	if (!emul_decode(code, len, mode, &i))
		return 0;
	check_insn(&i, len, mode);
	memset(&again, 0, sizeof(again));
	check(emul_decode(code, i.length, mode, &again) && again.length == i.length);
	check(again.kind == i.kind && again.size == i.size && again.imm == i.imm);
	check(!emul_decode(code, i.length - 1u, mode, &again));
	return 0;
}
