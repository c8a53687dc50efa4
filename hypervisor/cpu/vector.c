/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/vector.h"

#include "cpu/asm.h"
#include "spec/regs.h"

bool vector_wide(void)
{
	return read_cr4() & CR4_OSXSAVE && xgetbv(0) & XCR0_AVX;
}

/* clang-format off */
/* An instruction names its register: one for each. */
#define EACH(ROW)                                                          \
	ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8)     \
	ROW(9) ROW(10) ROW(11) ROW(12) ROW(13) ROW(14) ROW(15)
#define MOVE(n, insn)                                                      \
	case n:                                                            \
		__asm__ volatile(insn : : "r"(v) : "memory");              \
		break;
#define GET_XMM(n) MOVE(n, "movdqu %%xmm" #n ", (%0)")
#define GET_YMM(n) MOVE(n, "vmovdqu %%ymm" #n ", (%0)")
#define SET_XMM(n) MOVE(n, "movdqu (%0), %%xmm" #n)
#define SET_YMM(n) MOVE(n, "vmovdqu (%0), %%ymm" #n)
/* clang-format on */

void vector_get(unsigned reg, uint64_t v[4], bool wide)
{
	switch (wide ? reg + 16 : reg) {
		EACH(GET_XMM)
	default:
		break;
	}
	switch (wide ? reg : 16) {
		EACH(GET_YMM)
	default:
		break;
	}
}

void vector_set(unsigned reg, const uint64_t v[4], bool wide)
{
	switch (wide ? reg + 16 : reg) {
		EACH(SET_XMM)
	default:
		break;
	}
	switch (wide ? reg : 16) {
		EACH(SET_YMM)
	default:
		break;
	}
}
