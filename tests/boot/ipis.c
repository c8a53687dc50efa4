/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPI virtualization with real virtual processors: no emulator has it, so this payload knows
 * itself what must happen. Three L2s, each on a processor of L1, send each other interrupts by
 * the ICR of their x2APIC or, with virtualized memory accesses, of their xAPIC; L1 counts the
 * exits, of which there must be none. Then what must be an exit to L1 instead, what must fault,
 * and what a suppressed notification leaves behind. `x2apic`: L1's own APICs are in that mode.
 */
#include "cmdline.h"
#include "conf.h"
#include "smp.h"
#include "spec/posted.h"

#define CPUS   3u
#define ROUNDS 100u
#define VECTOR 0x61u
#define NOTIFY 0xf2u

#define ACCESS_PAGE 0x600000ull
#define LAST        7u /* index; 3 to 7 are no virtual processors */

static struct virtual_cpu {
	uint8_t page[4096] __attribute__((aligned(4096)));
	uint64_t posted[8] __attribute__((aligned(64)));
	struct l2 l2;
	volatile uint32_t taken, exits;
} cpus[CPUS];

static uint64_t table[LAST + 2] __attribute__((aligned(4096)));
static volatile uint32_t ready, finished;
static bool memory; /* L2's APICs are in xAPIC mode */
static unsigned bad;

static void expect(const char *what, bool holds)
{
	if (holds)
		return;
	print("WRONG: %s\n", what);
	bad++;
}

/* ---- L1 ---- */

static void set_up(struct virtual_cpu *c, void (*code)(void))
{
	uint64_t id = (uint64_t)(c - cpus);

	c->posted[PID_CONTROL] =
		NOTIFY << PID_NV_SHIFT |
		id << (x2apic ? PID_NDST_SHIFT : PID_NDST_SHIFT + PID_NDST_8BIT_SHIFT);
	__atomic_store_n(
		&table[id], address_of(c->posted) | PID_POINTER_VALID, __ATOMIC_SEQ_CST);
	l2_setup(&c->l2, code);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_POSTED_INTR);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_ACK_INTR);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW | PROC_TERTIARY);
	ctl_set(VMCS_PROC2_CONTROLS,
		PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY |
			(memory ? PROC2_APIC_ACCESSES : PROC2_X2APIC_MODE));
	vmwrite(VMCS_PROC3_CONTROLS, PROC3_IPI_VIRTUALIZATION);
	vmwrite(VMCS_APIC_ACCESS_ADDR, ACCESS_PAGE);
	vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(c->page));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2 * i, 0);
	vmwrite(VMCS_POSTED_INTR_NV, NOTIFY);
	vmwrite(VMCS_POSTED_INTR_DESC, address_of(c->posted));
	vmwrite(VMCS_PID_POINTER_TABLE, address_of(table));
	vmwrite(VMCS_LAST_PID_POINTER_INDEX, LAST);
}

/* What the exit tells, and what L2 left in its ICR. */
static void expect_apic_write(struct virtual_cpu *c)
{
	uint64_t icr = *(uint64_t *)(void *)(c->page + APIC_ICR);
	uint64_t high = *(uint32_t *)(void *)(c->page + APIC_ICR_HIGH);

	expect("the offset is that of the ICR", vmread(VMCS_EXIT_QUALIFICATION) == APIC_ICR);
	expect("RIP is behind the instruction", vmread(VMCS_GUEST_RIP) == c->l2.r12);
	expect("the page has the ICR",
		memory ? (uint32_t)icr == (uint32_t)c->l2.r13 && high == c->l2.r13 >> 32
		       : icr == c->l2.r13);
}

static void run(void *code)
{
	struct virtual_cpu *c = &cpus[cpu_index()];

	set_up(c, (void (*)(void))(uintptr_t)code);
	for (;;) {
		uint64_t reason;

		if (l2_run(&c->l2) != VMX_OK) {
			print("L1: entry failed, error %lu\n", vmread(VMCS_INSTRUCTION_ERROR));
			payload_exit(4);
		}
		reason = vmread(VMCS_EXIT_REASON);
		if (reason == EXIT_VMCALL)
			return;
		c->exits++;
		if (reason == EXIT_APIC_WRITE)
			expect_apic_write(c);
		else if (reason == EXIT_EXTERNAL_INTERRUPT) /* it met L1 */
			apic_eoi();
		else
			payload_exit(3);
	}
}

static void begin(void *unused)
{
	(void)unused;
	if (cmdline_flag("x2apic"))
		x2apic_on();
	expect("VMXON", vmx_enable());
}

/* ---- L2 ---- */

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	cpus[cpu_index()].taken++;
	if (memory)
		*(volatile uint32_t *)(ACCESS_PAGE + APIC_EOI) = 0;
	else
		wrmsr(MSR_X2APIC_EOI, 0);
	return true;
}

/* R12 and R13 tell L1 where the instruction ends and what it writes. */
static void write_icr(uint32_t to, uint32_t low)
{
	if (memory) {
		*(volatile uint32_t *)(ACCESS_PAGE + APIC_ICR_HIGH) = to << 24;
		__asm__ volatile(
			"lea 1f(%%rip), %%r12\n\tmov %1, %%r13\n\tmov %2, (%0)\n1:"
			:
			: "r"(ACCESS_PAGE + APIC_ICR), "r"((uint64_t)to << 56 | low), "r"(low)
			: "r12", "r13", "memory");
		return;
	}
	__asm__ volatile("lea 1f(%%rip), %%r12\n\tmov %3, %%r13\n\twrmsr\n1:"
			 :
			 : "c"(MSR_X2APIC_ICR), "a"(low), "d"(to), "r"((uint64_t)to << 32 | low)
			 : "r12", "r13", "memory");
}

static void send_rounds(void)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned to = i % CPUS; /* oneself, too */
		uint32_t before = load(&cpus[to].taken);

		write_icr(to, (i & 1 ? ICR_ASSERT : 0) | VECTOR);
		while (load(&cpus[to].taken) == before)
			pause();
	}
}

static uint32_t exits_of(uint32_t to, uint32_t low)
{
	uint32_t before = cpus[0].exits;

	write_icr(to, low);
	return cpus[0].exits - before;
}

static void expect_exits(void)
{
	static const uint32_t others[] = {15, ICR_LOWEST | VECTOR, ICR_NMI, ICR_INIT,
		ICR_STARTUP | 1, ICR_LOGICAL | VECTOR, ICR_BUSY | VECTOR, ICR_LEVEL | VECTOR,
		ICR_ALL | VECTOR, ICR_OTHERS | VECTOR};
	static const uint64_t entries[] = {0, 2, 0x3f, 1ull << 52, 1ull << 63};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect("another kind of interrupt is an exit", exits_of(1, others[i]) == 1);
	table[LAST + 1] = address_of(cpus[1].posted) | PID_POINTER_VALID;
	expect("an id behind the table is an exit", exits_of(LAST + 1, VECTOR) == 1);
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		table[LAST] = address_of(cpus[1].posted) | entries[i] | (i > 1);
		expect("a bad entry is an exit", exits_of(LAST, VECTOR) == 1);
	}
	table[LAST] = address_of(cpus[1].posted) | PID_POINTER_VALID;
	table[LAST - 1] = 0xfed80000 | PID_POINTER_VALID;
	expect("a descriptor that is nowhere is none", exits_of(LAST - 1, VECTOR) == 0);
}

static void expect_faults(void)
{
	static const uint8_t bits[] = {13, 16, 17, 20, 31};
	uint32_t exits = cpus[0].exits;

	for (unsigned i = 0; i < sizeof(bits); i++) {
		wrmsr_try(MSR_X2APIC_ICR, 1ull << 32 | 1u << bits[i] | VECTOR);
		expect("a reserved bit is #GP(0)", trap.vector == VEC_GP && trap.error == 0);
	}
	expect("and no exit", cpus[0].exits == exits);
}

/* Index LAST is another way to processor 1. */
static void expect_suppressed(void)
{
	uint64_t *pid = cpus[1].posted;
	uint32_t before = load(&cpus[1].taken);

	__atomic_fetch_or(&pid[PID_CONTROL], PID_SN, __ATOMIC_SEQ_CST);
	expect("who suppresses notifications is sent to", exits_of(LAST, VECTOR) == 0);
	for (unsigned i = 0; i < 20000; i++)
		pause();
	expect("but not notified", load(&cpus[1].taken) == before);
	expect("the request waits",
		__atomic_load_n(&pid[VECTOR / 64], __ATOMIC_SEQ_CST) == 1ull << VECTOR % 64);
	expect("and ON is clear",
		!(__atomic_load_n(&pid[PID_CONTROL], __ATOMIC_SEQ_CST) & PID_ON));
	__atomic_fetch_and(&pid[PID_CONTROL], ~PID_SN, __ATOMIC_SEQ_CST);
	write_icr(1, VECTOR);
	while (load(&cpus[1].taken) == before)
		pause();
}

static void first_code(void)
{
	uint32_t exits;

	interrupts_on();
	while (load(&ready) != CPUS - 1)
		pause();
	exits = cpus[0].exits + cpus[1].exits + cpus[2].exits;
	send_rounds();
	exits = cpus[0].exits + cpus[1].exits + cpus[2].exits - exits;
	print("%s: %u interrupts, %u exits\n", memory ? "xAPIC" : "x2APIC", ROUNDS, exits);
	expect_exits();
	if (!memory)
		expect_faults();
	expect_suppressed();
	interrupts_off();
	store(&finished, 1);
}

static void other_code(void)
{
	interrupts_on();
	add(&ready, 1);
	while (!load(&finished))
		pause();
	interrupts_off();
}

static void all(bool by_memory)
{
	memory = by_memory;
	store(&ready, 0);
	store(&finished, 0);
	for (unsigned i = 1; i < CPUS; i++)
		start_on(i, run, (void *)(uintptr_t)other_code);
	run((void *)(uintptr_t)first_code);
	for (unsigned i = 1; i < CPUS; i++)
		wait_for(i);
}

int payload_main(void)
{
	if (!vmx_supported() || !vmx_can(MSR_VMX_PROC3, PROC3_IPI_VIRTUALIZATION)) {
		print("L1: no IPI virtualization\n");
		return 2;
	}
	smp_start(CPUS);
	run_on_all(CPUS, begin, NULL);
	trap_hook = on_interrupt;
	all(false);
	all(true);
	print("ipis: %u wrong\n", bad);
	return bad != 0;
}
