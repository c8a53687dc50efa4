/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a debugger: an L2 that counts until a flag is set from outside, then works in a few turns
 * with an exit to L1 in each; L1 and L2 use debug registers of their own all the time, and say
 * at the end what they saw of them. `turns` says how many. With `two` a second processor of L1
 * takes as many turns meanwhile.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "smp.h"
#include "vmx.h"

#define TURNS 5u
/* Breakpoint 0 for both: 8 bytes that are written. */
#define OWN_DR7 0x000b0401ul
#define DB      1u

#define IOAPIC_SELECT 0xfec00000ul

static struct l2 l2;
static struct ept ept;
volatile uint64_t counter, flag;
volatile uint64_t watched; /* written once a turn */
volatile uint64_t seen;    /* exits in L1 */
volatile uint64_t others;  /* turns of the other processor */
static volatile uint64_t own __attribute__((aligned(8)));
static volatile uint64_t traps[3], sum, turns; /* by level */
static unsigned level = 1;
static bool wrong;

#define DEFINE_READ_DR(n)                                                   \
	static uint64_t read_dr##n(void)                                    \
	{                                                                   \
		uint64_t v;                                                 \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(v)::"memory"); \
		return v;                                                   \
	}
DEFINE_READ_DR(0)
DEFINE_READ_DR(2)
DEFINE_READ_DR(3)
DEFINE_READ_DR(6)
DEFINE_READ_DR(7)
#define WRITE_DR(n, v) __asm__ volatile("mov %0, %%dr" #n : : "r"((uint64_t)(v)) : "memory")

static bool on_trap(struct trap_frame *f)
{
	if (f->vector != DB)
		return false;
	traps[level]++;
	wrong |= (read_dr6() & 0xe00f) != 1;
	WRITE_DR(6, 0);
	return true;
}

/* What is left in debug registers comes back, and what is written to `own` traps. */
static void use_own(uint64_t mark)
{
	wrong |= read_dr0() != (uint64_t)(uintptr_t)&own;
	WRITE_DR(2, mark);
	WRITE_DR(3, ~mark);
	own = mark;
	wrong |= read_dr2() != mark || read_dr3() != ~mark || read_dr7() != OWN_DR7;
}

void l2_turn(uint64_t turn);
void l1_exit(void);
void other_turn(void);

__attribute__((noinline, noclone)) void l2_turn(uint64_t turn)
{
	uint32_t a = (uint32_t)turn, b, c, d;

	watched = turn * 7;
	use_own(turn);
	__asm__ volatile(".globl l2_asks\nl2_asks:\n\tcpuid" /* L1 answers */
			 : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	sum += a;
}

static void in_l2(void)
{
	__asm__("1:\n\tincq counter(%rip)\n\tcmpq $0, flag(%rip)\n\tjz 1b");
	level = 2;
	for (uint64_t turn = 1; turn <= turns; turn++)
		l2_turn(turn);
}

__attribute__((noinline)) void l1_exit(void)
{
	level = 1;
	WRITE_DR(7, OWN_DR7); /* the exit has cleared it */
	seen++;
	use_own(0x1000 + seen);
	l2.rax = 100 * seen;
	*(volatile uint32_t *)IOAPIC_SELECT = (uint32_t)seen; /* L0 completes it */
	l2_skip();
	level = 2;
}

__attribute__((noinline)) void other_turn(void)
{
	others++;
}

static void on_other(void *arg)
{
	(void)arg;
	while (flag == 0)
		counter++;
	for (uint64_t turn = 0; turn < turns; turn++)
		other_turn();
}

int payload_main(void)
{
	bool two = cmdline_flag("two");

	trap_hook = on_trap;
	turns = cmdline_number("turns", TURNS);
	if (two) {
		smp_start(2);
		start_on(1, on_other, NULL);
	}
	if (!vmx_supported() || !vmx_enable())
		return 1;
	WRITE_DR(0, (uint64_t)(uintptr_t)&own);
	l2_setup(&l2, in_l2);
	ept_init(&ept);
	ept_identity(&ept, 16ul << 20, 2);
	ept_use(&ept);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_SAVE_DEBUG);
	vmwrite(VMCS_GUEST_DR7, OWN_DR7);
	print("debugged: begins\n");
	while (l2_run(&l2) == VMX_OK && vmread(VMCS_EXIT_REASON) == EXIT_CPUID)
		l1_exit();
	if (two)
		wait_for(1);
	print("debugged: exit %lu, %lu turns, sum %lu, watched %lu, traps %lu and %lu, others "
	      "%lu%s\n",
		vmread(VMCS_EXIT_REASON), seen, sum, watched, traps[1], traps[2], others,
		wrong ? ", wrong" : "");
	return 0;
}
