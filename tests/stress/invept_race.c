/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor 0 remaps pages of an EPT and makes all others INVEPT by an interrupt, while their
 * L2s read the pages. Invariant: once all have acknowledged, no L2 sees an old page. Each page
 * holds its generation.
 */
#include "stress.h"

#define GPA   0x80000000ull
#define PAGES 8u

static struct l2 g[CPUS_MAX];
static struct ept ept;
static uint64_t *backing[PAGES][2];
static volatile uint64_t epoch[PAGES]; /* the least generation that may be seen */
static volatile uint32_t acknowledged, stop, reads;

/* RDI: pages, RSI: epochs, RCX: how many. Ends with RAX = 0, or 1, the generation in RBX and
 * the epoch in RDX. */
void read_code(void);
__asm__(".text\nread_code:\n1:\tmov (%rsi), %rdx\n\tmov (%rdi), %rbx\n\tcmp %rdx, %rbx\n\tjb 2f\n\t"
	"add $8, %rsi\n\tadd $4096, %rdi\n\tdec %rcx\n\tjnz 1b\n\txor %eax, %eax\n\tret\n"
	"2:\tmov $1, %eax\n\tret\n");

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != 0x41)
		return false;
	invept_single(&ept);
	add(&acknowledged, 1);
	apic_eoi();
	return true;
}

static void read_once(struct l2 *mine)
{
	l2_restart(mine, read_code);
	ept_use(&ept);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	mine->rdi = GPA;
	mine->rsi = address_of((const void *)(uintptr_t)epoch);
	mine->rcx = PAGES;
	for (;;) {
		uint32_t reason;

		if (l2_run(mine) != VMX_OK)
			stress_broke("entry", 1, 0);
		reason = (uint32_t)vmread(VMCS_EXIT_REASON);
		if (reason == EXIT_VMCALL)
			break;
		if (reason != EXIT_EXTERNAL_INTERRUPT)
			stress_broke("exit reason", reason, EXIT_VMCALL);
		interrupts_on();
		interrupts_off();
	}
	if (mine->rax)
		stress_broke("old page seen: generation", mine->rbx, mine->rdx);
	add(&reads, 1);
}

static void reader(void)
{
	while (!load(&stop)) {
		read_once(&g[cpu_index()]);
		interrupts_on();
		interrupts_off();
	}
	interrupts_on();
	interrupts_off();
}

static void remap(unsigned page, uint64_t generation)
{
	uint64_t *to = backing[page][generation & 1];

	*to = generation;
	*ept_entry(&ept, GPA + page * 4096ull, 1) = address_of(to) | EPT_RWX | EPT_WB;
	store(&acknowledged, 0);
	ipi(0, ICR_ASSERT | ICR_OTHERS | 0x41);
	invept_single(&ept);
	if (!wait_until(&acknowledged, stress.cpus - 1, LONG_TIME))
		stress_broke("acknowledged", acknowledged, stress.cpus - 1);
	__atomic_store_n(&epoch[page], generation, __ATOMIC_SEQ_CST);
	*backing[page][~generation & 1] = 0;
}

static void remapper(void)
{
	uint64_t random = stress_seed(0), generation = 1;

	for (uint64_t i = 0; i < stress.count; i++) {
		remap((unsigned)(random_next(&random) % PAGES), ++generation);
		if ((random_next(&random) & 3) == 0)
			read_once(&g[0]);
	}
	store(&stop, 1);
}

static void race(void *arg)
{
	if (!vmx_enable())
		stress_broke("VMXON", 1, 0);
	l2_setup(&g[cpu_index()], read_code);
	barrier_wait(arg, stress.cpus);
	if (cpu_index() == 0)
		remapper();
	else
		reader();
}

static void make_pages(void)
{
	ept_init(&ept);
	ept_identity(&ept, 64ull << 20, 2);
	for (unsigned i = 0; i < PAGES; i++) {
		backing[i][0] = page_alloc();
		backing[i][1] = page_alloc();
		*backing[i][1] = 1;
		epoch[i] = 1;
		ept_map(&ept, GPA + i * 4096ull, address_of(backing[i][1]), 1,
			EPT_RWX | EPT_WB);
	}
}

int payload_main(void)
{
	static struct barrier start;

	stress_start(30);
	trap_hook = on_interrupt;
	make_pages();
	run_on_all(stress.cpus, race, &start);
	if (!reads)
		stress_broke("reads", 0, 1);
	return stress_ok();
}
