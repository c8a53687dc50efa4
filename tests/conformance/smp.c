/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of several processors: their start (SDM volume 3A 8.4, 9.1.1), interrupts between
 * them (10.6, 10.12), and what each has for itself. What is printed does not depend on who
 * comes first.
 */
/* cpus: 3 */
#include "conf.h"
#include "smp.h"

#define CPUS     3u
#define RECORDER 0x9000u
#define OTHER    0xa000u /* a second copy of it */
#define RECORD   0x9800u
#define RUNS     0x9ffcu
#define MARKER   0x21u /* below all vectors under test */
#define SHORT    20000u

#define STR2(x) #x
#define STR(x)  STR2(x)

/* What a processor has when its first instruction runs. */
struct record {
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp, esp, flags;
	uint32_t cr0, cr2, cr3, cr4, dr0, dr6, dr7;
	uint16_t cs, ds, es, ss, fs, gs, ip, gdt_limit;
	uint32_t gdt_base;
	uint16_t idt_limit;
	uint32_t idt_base;
	uint32_t efer, pat, lstar, sysenter;
} __attribute__((packed));

/* CS and IP as they are there: the code is position-independent within its segment. */
__asm__(".text\n.code16\nrecorder:\n\t"
	"movl %eax, %cs:rec - recorder\n\tmovl %esp, %cs:rec - recorder + 4\n\t"
	"movw $" STR(
		RECORD) " >> 4, %ax\n\tmovw %ds, %cs:rec - recorder + 8\n\tmovw %ax, %ds\n\t"
			"movl %ebx, 4\n\tmovl %ecx, 8\n\tmovl %edx, 12\n\tmovl %esi, 16\n\tmovl %edi, 20\n\t"
			"movl %ebp, 24\n\t"
			"movl %cs:rec - recorder, %eax\n\tmovl %eax, 0\n\t"
			"movl %cs:rec - recorder + 4, %eax\n\tmovl %eax, 28\n\t"
			"movw %cs:rec - recorder + 8, %ax\n\tmovw %ax, 66\n\t"
			"movw %cs, 64\n\tmovw %es, 68\n\tmovw %ss, 70\n\tmovw %fs, 72\n\tmovw %gs, 74\n\t"
			"sgdtl 78\n\tsidtl 84\n\t"
			"movl %cr0, %eax\n\tmovl %eax, 36\n\tmovl %cr2, %eax\n\tmovl %eax, 40\n\t"
			"movl %cr3, %eax\n\tmovl %eax, 44\n\tmovl %cr4, %eax\n\tmovl %eax, 48\n\t"
			"movl %dr0, %eax\n\tmovl %eax, 52\n\tmovl %dr6, %eax\n\tmovl %eax, 56\n\t"
			"movl %dr7, %eax\n\tmovl %eax, 60\n\t"
			"movw %ax, %ss\n\tmovw %ds, %ax\n\tmovw %ax, %ss\n\tmovl $0x700, %esp\n\t"
			"pushfl\n\tpopl 32\n\t"
			"call 1f\n1:\tpopw %ax\n\tsubw $1b - recorder, %ax\n\tmovw %ax, 76\n\t"
			"movl $0xc0000080, %ecx\n\trdmsr\n\tmovl %eax, 90\n\t"
			"movl $0x277, %ecx\n\trdmsr\n\tmovl %eax, 94\n\t"
			"movl $0xc0000082, %ecx\n\trdmsr\n\tmovl %eax, 98\n\t"
			"movl $0x176, %ecx\n\trdmsr\n\tmovl %eax, 102\n\t"
			"lock incl " STR(RUNS) " - " STR(
				RECORD) "\n2:\thlt\n\tjmp 2b\n"
					"rec:\t.long 0, 0, 0\nrecorder_end:\n.code64\n");

extern char recorder[], recorder_end[];

static struct record *const record = (struct record *)RECORD;
static volatile uint32_t *const runs = (uint32_t *)RUNS;
static volatile uint32_t seen[CPUS][256];
static volatile uint32_t stop, order[CPUS][8], order_count[CPUS];

/* ---- start ---- */

static void show_record(const char *name)
{
	const struct record *r = record;

	print("%s: cs=%x ip=%x ds=%x es=%x ss=%x fs=%x gs=%x flags=%x\n", name, r->cs, r->ip,
		r->ds, r->es, r->ss, r->fs, r->gs, r->flags);
	print("%s: eax=%x ebx=%x ecx=%x esi=%x edi=%x ebp=%x esp=%x\n", name, r->eax, r->ebx,
		r->ecx, r->esi, r->edi, r->ebp, r->esp);
	print("%s: cr0=%x cr3=%x cr4=%x dr0=%x dr6=%x dr7=%x\n", name, r->cr0 & 0x9fffffff,
		r->cr3, r->cr4, r->dr0, r->dr6, r->dr7);
	print("%s: gdt %x/%x idt %x/%x efer=%x pat=%x lstar=%x sysenter=%x\n", name,
		r->gdt_base, r->gdt_limit, r->idt_base, r->idt_limit, r->efer, r->pat, r->lstar,
		r->sysenter);
}

/* For what must not happen: gives it time. */
static bool stays(uint32_t count)
{
	return !wait_until(runs, count + 1, SHORT) && load(runs) == count;
}

static void sipi(unsigned cpu, uint32_t address)
{
	ipi(cpu, ICR_STARTUP | ICR_ASSERT | address >> 12);
}

static void change_state(void *arg)
{
	(void)arg;
	__asm__ volatile("mov %0, %%dr0" : : "r"(0x5678ull));
	wrmsr(MSR_PAT, 0x0006060606060606ull);
	wrmsr(MSR_LSTAR, 0x11223344);
	wrmsr(MSR_SYSENTER_EIP, 0x55667788);
}

static void start(void)
{
	size_t size = (size_t)(recorder_end - recorder);

	memcpy((void *)RECORDER, recorder, size);
	memcpy((void *)OTHER, recorder, size);
	apic_write(APIC_SVR, SVR_ON);
	ipi(2, ICR_INIT | ICR_ASSERT);
	print("after INIT: %s\n", stays(0) ? "waits" : "runs");
	sipi(2, RECORDER);
	print("SIPI: %s\n", wait_until(runs, 1, LONG_TIME) ? "runs" : "waits");
	show_record("SIPI 9");
	sipi(2, OTHER);
	print("second SIPI: %s\n", stays(1) ? "ignored" : "starts again");
	ipi(2, ICR_INIT | ICR_ASSERT);
	print("INIT again: %s\n", stays(1) ? "waits" : "runs");
	sipi(2, OTHER);
	print("SIPI: %s\n", wait_until(runs, 2, LONG_TIME) ? "runs" : "waits");
	show_record("SIPI a");
	smp_start(CPUS);
	run_on(2, change_state, NULL);
	ipi(2, ICR_INIT | ICR_ASSERT);
	sipi(2, RECORDER);
	print("SIPI: %s\n", wait_until(runs, 3, LONG_TIME) ? "runs" : "waits");
	show_record("INIT after use");
	smp_restart(2);
	print("all started\n");
}

/* ---- interrupts ---- */

static bool on_interrupt(struct trap_frame *f)
{
	unsigned cpu = cpu_index();

	if (f->vector != VEC_NMI && f->vector < 32)
		return false;
	seen[cpu][f->vector]++;
	if (order_count[cpu] < 8)
		order[cpu][order_count[cpu]++] = (uint32_t)f->vector;
	if (f->vector == VEC_NMI)
		return true;
	apic_eoi();
	return true;
}

static void serve(void *arg)
{
	(void)arg;
	while (!load(&stop))
		halt();
}

static bool reaches(unsigned cpu, unsigned vector, uint32_t count)
{
	return wait_until(&seen[cpu][vector], count, LONG_TIME);
}

/* All have taken what was sent before: the marker comes last. */
static void settle(void)
{
	static uint32_t markers;

	markers++;
	for (unsigned i = 1; i < CPUS; i++) {
		ipi(i, ICR_ASSERT | MARKER);
		if (!reaches(i, MARKER, markers))
			print("processor %u takes no interrupt\n", i);
	}
}

static uint32_t received(unsigned cpu, unsigned vector)
{
	uint32_t n = seen[cpu][vector];

	seen[cpu][vector] = 0;
	return n;
}

/* Sends, and prints who got it. */
static void try(const char *name, uint32_t destination, uint32_t low)
{
	unsigned vector = (low & 0x700) == ICR_NMI ? VEC_NMI : low & 0xff;

	ipi(destination, low | ICR_ASSERT);
	interrupts_on();
	settle();
	interrupts_off();
	print("%s:", name);
	for (unsigned i = 0; i < CPUS; i++)
		print(" %u", received(i, vector));
	print("\n");
}

/* One of those addressed gets it, whoever that is. */
static void try_lowest(const char *name, uint32_t destination, uint32_t low)
{
	uint32_t sum = 0;

	ipi(destination, low | ICR_ASSERT | ICR_LOWEST);
	interrupts_on();
	settle();
	interrupts_off();
	for (unsigned i = 0; i < CPUS; i++)
		sum += received(i, low & 0xff);
	print("%s: %u in all\n", name, sum);
}

static void set_logical(void *arg)
{
	const uint32_t *v = arg;

	apic_write(APIC_DFR, v[0]);
	apic_write(APIC_LDR, v[1 + cpu_index()] << 24);
}

static void serve_all(void)
{
	stop = 0;
	for (unsigned i = 1; i < CPUS; i++)
		start_on(i, serve, NULL);
}

static void serve_end(void)
{
	store(&stop, 1);
	for (unsigned i = 1; i < CPUS; i++) {
		ipi(i, ICR_ASSERT | 0x22);
		wait_for(i);
	}
}

static void destinations(void)
{
	static uint32_t flat[] = {0xffffffff, 1, 2, 4},
			cluster[] = {0x0fffffff, 0x11, 0x12, 0x21};

	serve_all();
	try("fixed to 1", 1, 0x41);
	try("fixed to 2", 2, 0xf1);
	try("fixed to 0", 0, 0x41);
	try("fixed to nobody", 7, 0x41);
	try("fixed to all", 0xff, 0x42);
	try("self", 0, ICR_SELF | 0x43);
	try("all", 0, ICR_ALL | 0x44);
	try("all but self", 0, ICR_OTHERS | 0x45);
	try("NMI to 1", 1, ICR_NMI);
	try("NMI to all but self", 0, ICR_OTHERS | ICR_NMI);
	try("SIPI to 1, which runs", 1, ICR_STARTUP | 9);
	serve_end();
	run_on_all(CPUS, set_logical, flat);
	serve_all();
	try("flat 2", 2, ICR_LOGICAL | 0x51);
	try("flat 6", 6, ICR_LOGICAL | 0x52);
	try("flat 8", 8, ICR_LOGICAL | 0x53);
	try("flat ff", 0xff, ICR_LOGICAL | 0x54);
	try_lowest("lowest of flat 6", 6, ICR_LOGICAL | 0x55);
	try_lowest("lowest of flat 7", 7, ICR_LOGICAL | 0x55);
	try("NMI to flat 6", 6, ICR_LOGICAL | ICR_NMI);
	serve_end();
	run_on_all(CPUS, set_logical, cluster);
	serve_all();
	try("cluster 12", 0x12, ICR_LOGICAL | 0x56);
	try("cluster 13", 0x13, ICR_LOGICAL | 0x57);
	try("cluster 21", 0x21, ICR_LOGICAL | 0x58);
	try("cluster 22", 0x22, ICR_LOGICAL | 0x59);
	try("cluster ff", 0xff, ICR_LOGICAL | 0x5a);
	serve_end();
	run_on_all(CPUS, set_logical, flat);
}

static void read_irr(void *arg)
{
	uint32_t *map = arg;

	for (unsigned i = 0; i < 8; i++)
		map[i] = apic_read(APIC_IRR + 16 * i);
}

static void window(void *arg)
{
	(void)arg;
	order_count[cpu_index()] = 0;
	interrupts_on();
	interrupts_off();
}

static void show_order(const char *name)
{
	print("%s:", name);
	for (unsigned i = 0; i < order_count[1]; i++)
		print(" %x", order[1][i]);
	print("\n");
}

static void set_tpr(void *arg)
{
	apic_write(APIC_TPR, *(uint32_t *)arg);
}

static void priorities(void)
{
	uint32_t map[8], tpr = 0x50;

	ipi(1, ICR_ASSERT | 0x41);
	ipi(1, ICR_ASSERT | 0x51);
	ipi(1, ICR_ASSERT | 0x41);
	ipi(1, ICR_ASSERT | 0xef);
	run_on(1, read_irr, map);
	print("waiting: irr %x %x %x\n", map[2], map[7], map[0]);
	run_on(1, window, NULL);
	show_order("taken in order");
	run_on(1, set_tpr, &tpr);
	ipi(1, ICR_ASSERT | 0x51);
	ipi(1, ICR_ASSERT | 0x61);
	ipi(1, ICR_ASSERT | 0x31);
	run_on(1, window, NULL);
	show_order("TPR 50");
	tpr = 0x30;
	run_on(1, set_tpr, &tpr);
	run_on(1, window, NULL);
	show_order("TPR 30");
	tpr = 0;
	run_on(1, set_tpr, &tpr);
	run_on(1, window, NULL);
	show_order("TPR 0");
}

static void enable_x2apic(void *arg)
{
	(void)arg;
	x2apic_on();
}

static void x2apic_ids(void *arg)
{
	uint64_t *ids = arg;

	ids[2 * cpu_index()] = rdmsr(apic_msr(APIC_ID));
	ids[2 * cpu_index() + 1] = rdmsr(apic_msr(APIC_LDR));
}

static void x2apic_mode(void)
{
	uint64_t ids[2 * CPUS];

	if (!(cpuid(1, 0).ecx & BIT(21))) {
		conf_skipped("x2APIC", "x2APIC mode");
		return;
	}
	run_on_all(CPUS, enable_x2apic, NULL);
	run_on_all(CPUS, x2apic_ids, ids);
	for (unsigned i = 0; i < CPUS; i++)
		print("x2APIC: id %lx logical %lx\n", ids[2 * i], ids[2 * i + 1]);
	serve_all();
	try("x2APIC fixed to 1", 1, 0x61);
	try("x2APIC fixed to 0", 0, 0x61);
	try("x2APIC fixed to all", 0xffffffff, 0x62);
	try("x2APIC logical 2", 2, ICR_LOGICAL | 0x63);
	try("x2APIC logical 6", 6, ICR_LOGICAL | 0x64);
	try("x2APIC logical 10002", 0x10002, ICR_LOGICAL | 0x65);
	try("x2APIC self shorthand", 0, ICR_SELF | 0x66);
	try("x2APIC all but self", 0, ICR_OTHERS | 0x67);
	try("x2APIC NMI to 2", 2, ICR_NMI);
	wrmsr(MSR_X2APIC_SELF_IPI, 0x68);
	try("x2APIC self IPI with another to 1", 1, 0x68);
	serve_end();
}

/* ---- time, identity, registers, memory ---- */

static volatile uint64_t stamp;
static volatile uint32_t turn, backwards;

static void stamps(void *arg)
{
	unsigned me = cpu_index();

	for (unsigned i = 0; i < 6; i++) {
		uint64_t now;

		if (!wait_until(&turn, i * CPUS + me, LONG_TIME))
			return;
		now = rdtsc_exact();
		if (now < stamp)
			add(&backwards, 1);
		stamp = now;
		add(&turn, 1);
	}
	(void)arg;
}

static void identity(void *arg)
{
	uint32_t *wrong = arg;
	unsigned me = cpu_index();

	if (cpuid(1, 0).ebx >> 24 != me || apic_read(APIC_ID) >> 24 != me)
		add(wrong, 1);
	if (cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).edx != me)
		add(wrong, 0x100);
	if ((rdmsr(MSR_APIC_BASE) >> 8 & 1) != (me == 0))
		add(wrong, 0x10000);
}

static const uint32_t own_msrs[] = {
	MSR_LSTAR, MSR_SYSENTER_EIP, MSR_KERNEL_GS_BASE, MSR_TSC_AUX, MSR_FS_BASE};

static void set_own(void *arg)
{
	uint64_t v = 0x100 * (cpu_index() + 1);

	(void)arg;
	for (unsigned i = 0; i < sizeof(own_msrs) / sizeof(own_msrs[0]); i++)
		wrmsr(own_msrs[i], v);
	write_cr2(v);
	__asm__ volatile("mov %0, %%dr1" : : "r"(v));
	if (cpu_index() == 1)
		write_cr4(read_cr4() | 1u << 2); /* TSD */
}

static void show_own(void *arg)
{
	uint64_t dr1;

	(void)arg;
	__asm__ volatile("mov %%dr1, %0" : "=r"(dr1));
	print("own registers of %u:", cpu_index());
	for (unsigned i = 0; i < sizeof(own_msrs) / sizeof(own_msrs[0]); i++)
		print(" %lx", rdmsr(own_msrs[i]));
	print(" cr2=%lx dr1=%lx tsd=%lu\n", read_cr2(), dr1, read_cr4() >> 2 & 1);
}

static volatile uint32_t guard, plain, atomic;

static void count(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 100; i++) {
		add(&atomic, 1);
		lock(&guard);
		plain = plain + 1;
		unlock(&guard);
	}
}

int payload_main(void)
{
	uint32_t wrong = 0;

	start();
	trap_hook = on_interrupt;
	run_on_all(CPUS, identity, &wrong);
	print("identities wrong: %x\n", wrong);
	run_on_all(CPUS, stamps, NULL);
	print("TSC: %u turns, %u backwards\n", turn, backwards);
	run_on_all(CPUS, set_own, NULL);
	for (unsigned i = 0; i < CPUS; i++)
		run_on(i, show_own, NULL);
	run_on_all(CPUS, count, NULL);
	print("counted %u under a lock, %u by LOCK\n", plain, atomic);
	destinations();
	priorities();
	x2apic_mode();
	return 0;
}
