/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a debugger with many breakpoints: L1 and L2 have the same code each, of thirteen places
 * in three pages; one instruction reaches from a page into the next one, one reads its own
 * page, and one is changed each turn. Both look at each turn whether their code is what it was.
 * L2 counts until a flag is set from outside, then takes turns, behind each an exit to L1,
 * which takes one, too. With `two` a second processor takes turns on L1's code meanwhile, with
 * `invalidates`, too, it changes a table and executes INVEPT all the time instead.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "smp.h"
#include "vmx.h"

#define TURNS   2u
#define PLACES  13u
#define PAGES   3u
#define CHANGED 5u /* the place that is */

/* At 4 bytes before the end of the first page an instruction of 10 bytes. */
__asm__(".macro place level, n\n"
	".globl l\\level\\()_p\\n\n"
	"l\\level\\()_p\\n:\n\tmovl $\\n, %eax\n\tret\n"
	".endm\n"
	".macro code level\n"
	".balign 4096\n"
	"l\\level\\()_code:\n"
	".irp n, 0, 1, 2, 3\n\tplace \\level, \\n\n.endr\n"
	".globl l\\level\\()_p4\n"
	"l\\level\\()_p4:\n\tmovl l\\level\\()_p4(%rip), %eax\n\tret\n"
	"\tplace \\level, 5\n"
	".org l\\level\\()_code + 4092\n"
	".globl l\\level\\()_cross\n"
	"l\\level\\()_cross:\n\tmovabs $0x1122334455667788, %rax\n\tret\n"
	".irp n, 6, 7, 8, 9\n\tplace \\level, \\n\n.endr\n"
	".balign 4096\n"
	".irp n, 10, 11\n\tplace \\level, \\n\n.endr\n"
	".org l\\level\\()_code + 12288\n"
	".endm\n"
	".pushsection .text.points, \"ax\"\n\tcode 1\n\tcode 2\n.popsection");

#define DECLARE(level)                                                           \
	extern uint8_t l##level##_code[PAGES * 4096];                            \
	uint64_t l##level##_p0(void), l##level##_p1(void), l##level##_p2(void),  \
		l##level##_p3(void), l##level##_p4(void), l##level##_p5(void),   \
		l##level##_p6(void), l##level##_p7(void), l##level##_p8(void),   \
		l##level##_p9(void), l##level##_p10(void), l##level##_p11(void), \
		l##level##_cross(void)
DECLARE(1);
DECLARE(2);

struct code {
	uint8_t *at;
	uint8_t copy[PAGES * 4096];
	uint64_t (*place[PLACES])(void);
};

#define CODE_OF(level)                            \
	{                                         \
		.at = l##level##_code, .place = { \
			l##level##_p0,            \
			l##level##_p1,            \
			l##level##_p2,            \
			l##level##_p3,            \
			l##level##_p4,            \
			l##level##_p5,            \
			l##level##_cross,         \
			l##level##_p6,            \
			l##level##_p7,            \
			l##level##_p8,            \
			l##level##_p9,            \
			l##level##_p10,           \
			l##level##_p11            \
		}                                 \
	}

static struct code code[2] = {CODE_OF(1), CODE_OF(2)};
static struct l2 l2;
static struct ept ept;
volatile uint64_t counter, flag;
volatile uint64_t taken[3]; /* turns of L1, L2, the other processor */
static uint64_t turns;
static volatile bool wrong;

void turn_ends(void);

/* For a breakpoint that is not in these pages. */
__attribute__((noinline, used)) void turn_ends(void)
{
	__asm__ volatile("" ::: "memory");
}

static uint64_t word_at(const uint8_t *p)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v |= (uint32_t)p[i] << 8 * i;
	return v;
}

static uint64_t expected(const struct code *c, unsigned n)
{
	uintptr_t offset = (uintptr_t)c->place[n] - (uintptr_t)c->at;

	if (n == 6)
		return 0x1122334455667788;
	return word_at(&c->copy[offset + (n == 4 ? 0 : 1)]);
}

static void calls_all(const struct code *c)
{
	for (unsigned n = 0; n < PLACES; n++)
		wrong |= c->place[n]() != expected(c, n);
}

static void is_as_it_was(const struct code *c)
{
	for (unsigned i = 0; i < sizeof(c->copy); i++)
		wrong |= ((volatile uint8_t *)c->at)[i] != c->copy[i];
}

/* A constant in the middle of the code is another one. */
static void changes(struct code *c, uint8_t to)
{
	uintptr_t offset = (uintptr_t)c->place[CHANGED] + 1 - (uintptr_t)c->at;

	((volatile uint8_t *)c->at)[offset] = c->copy[offset] = to;
}

static void take_turn(unsigned level, bool writes)
{
	struct code *c = &code[level - 1];

	calls_all(c);
	if (writes)
		changes(c, (uint8_t)(0x40 + taken[level - 1]));
	is_as_it_was(c);
	turn_ends();
}

static void in_l2(void)
{
	__asm__("1:\n\tincq counter(%rip)\n\tcmpq $0, flag(%rip)\n\tjz 1b");
	for (uint64_t turn = 0; turn < turns; turn++) {
		take_turn(2, true);
		taken[1]++;
		(void)cpuid(0, 0);
	}
}

static void invalidates(void)
{
	volatile uint64_t *entry = ept_entry(&ept, 8ul << 20, 2);

	(void)vmx_enable();
	for (;;) {
		*entry ^= 1ul << 52; /* ignored */
		(void)invept_single(&ept);
		taken[2]++;
	}
}

static void on_other(void *arg)
{
	(void)arg;
	if (cmdline_flag("invalidates"))
		invalidates();
	while (flag == 0)
		counter++;
	for (uint64_t turn = 0; turn < turns; turn++) {
		take_turn(1, false);
		taken[2]++;
	}
}

int payload_main(void)
{
	bool two = cmdline_flag("two");

	turns = cmdline_number("turns", TURNS);
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < sizeof(code[k].copy); i++)
			code[k].copy[i] = code[k].at[i];
	if (!vmx_supported() || !vmx_enable())
		return 1;
	l2_setup(&l2, in_l2);
	if (!cmdline_flag("no_ept")) {
		ept_init(&ept);
		ept_identity(&ept, 16ul << 20, 2);
		ept_use(&ept);
	}
	if (two) {
		smp_start(2);
		start_on(1, on_other, NULL);
	}
	print("points: begins\n");
	while (l2_run(&l2) == VMX_OK && vmread(VMCS_EXIT_REASON) == EXIT_CPUID) {
		take_turn(1, !two); /* what the other processor executes stays */
		taken[0]++;
		l2_skip();
	}
	if (two)
		wait_for(1);
	print("points: exit %lu, turns %lu, %lu, %lu%s\n", vmread(VMCS_EXIT_REASON), taken[0],
		taken[1], taken[2], wrong ? ", wrong" : "");
	return 0;
}
