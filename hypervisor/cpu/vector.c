#include "cpu/vector.h"

#include "cpu/asm.h"
#include "spec/regs.h"

bool vector_wide(void)
{
	return read_cr4() & CR4_OSXSAVE && xgetbv(0) & XCR0_AVX;
}

/* An instruction names its register: one for each. */
#define EACH(ROW)                                                                       \
	ROW(0)                                                                          \
	ROW(1)                                                                          \
	ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8) ROW(9) ROW(10) ROW(11) ROW(12) \
		ROW(13) ROW(14) ROW(15)
#define GET_XMM(n)                                                                  \
	case n:                                                                     \
		__asm__ volatile("movdqu %%xmm" #n ", (%0)" : : "r"(v) : "memory"); \
		break;
#define GET_YMM(n)                                                                   \
	case n:                                                                      \
		__asm__ volatile("vmovdqu %%ymm" #n ", (%0)" : : "r"(v) : "memory"); \
		break;
#define SET_XMM(n)                                                               \
	case n:                                                                  \
		__asm__ volatile("movdqu (%0), %%xmm" #n : : "r"(v) : "memory"); \
		break;
#define SET_YMM(n)                                                                \
	case n:                                                                   \
		__asm__ volatile("vmovdqu (%0), %%ymm" #n : : "r"(v) : "memory"); \
		break;

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
