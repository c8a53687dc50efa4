/* SPDX-License-Identifier: Apache-2.0 */
/* cpus: 2 */
/*
 * A hypervisor that is started late and lets its guest keep the machine: L2 has L1's own local
 * APIC, IOAPIC, PIC, PIT, MSRs and HLT; without EPT, and with an EPT that maps each address to
 * itself.
 */
#include "apic.h"
#include "conf.h"
#include "smp.h"

#define IOAPIC       ((volatile uint32_t *)(uintptr_t)0xfec00000)
#define PIC_FIRST    0x40u
#define SELF         0x61u
#define TIMER        0x62u
#define CALL         0x63u /* to the other processor */
#define ANSWER       0x64u
#define DEADLINE     0x65u
#define TIMES        3
#define SHORT        100000u
#define ALL_MEMORY   0x100000000ull
#define MSR_DEADLINE 0x6e0u

static struct ept ept;
static volatile uint32_t got[256], calls;

static struct {
	uint32_t version, id, tpr, ioapic, base;
	uint32_t self, timer, pit, ipi, deadline;
} seen;

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	got[f->vector]++;
	if (f->vector >= PIC_FIRST && f->vector < PIC_FIRST + 8)
		outb(0x20, 0x20);
	else
		apic_eoi();
	if (f->vector == CALL) {
		calls++;
		ipi(0, ICR_ASSERT | ANSWER);
	}
	return true;
}

static uint32_t wait_for_vector(unsigned vector)
{
	for (int i = 0; i < TIMES && !got[vector]; i++)
		__asm__ volatile("sti; hlt; cli");
	return got[vector];
}

static void read_devices(void)
{
	seen.version = apic_read(APIC_VERSION);
	seen.id = apic_read(APIC_ID);
	apic_write(APIC_TPR, 0x20);
	seen.tpr = apic_read(APIC_TPR);
	apic_write(APIC_TPR, 0);
	IOAPIC[0] = 1;
	seen.ioapic = IOAPIC[4];
	seen.base = (uint32_t)rdmsr(MSR_APIC_BASE);
}

static void take_interrupts(void)
{
	self_ipi(SELF);
	__asm__ volatile("sti; nop; nop; cli");
	seen.self = got[SELF];
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, TIMER);
	apic_write(APIC_INITIAL_COUNT, SHORT);
	seen.timer = wait_for_vector(TIMER);
	outb(0x43, 0x30);
	outb(0x40, 0x40);
	outb(0x40, 1);
	seen.pit = wait_for_vector(PIC_FIRST);
	ipi(1, ICR_ASSERT | CALL);
	seen.ipi = wait_for_vector(ANSWER);
	apic_write(APIC_LVT_TIMER, 0x40000 | DEADLINE);
	wrmsr(MSR_DEADLINE, rdmsr(0x10) + SHORT);
	seen.deadline = wait_for_vector(DEADLINE);
}

static void guest(void)
{
	read_devices();
	take_interrupts();
}

static void other(void *unused)
{
	(void)unused;
	apic_write(APIC_SVR, SVR_ON);
	while (!calls)
		__asm__ volatile("sti; hlt; cli");
}

static void run(const char *name, bool with_ept)
{
	uint64_t reason;

	memset((void *)(uintptr_t)got, 0, sizeof(got));
	memset(&seen, 0, sizeof(seen));
	calls = 0;
	start_on(1, other, NULL);
	l2_restart(&conf_l2, guest);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	if (with_ept)
		ept_use(&ept);
	do {
		conf_status(name, l2_run(&conf_l2));
		reason = vmread(VMCS_EXIT_REASON);
		if (reason == EXIT_CPUID)
			l2_skip();
	} while (reason == EXIT_CPUID);
	print("%s: exit %lu; version %x id %x tpr %x ioapic %x base %x\n", name, reason,
		seen.version, seen.id, seen.tpr, seen.ioapic, seen.base);
	print("%s: self %u timer %u pit %u ipi %u deadline %u\n", name, seen.self, seen.timer,
		seen.pit, seen.ipi, seen.deadline);
	if (!calls)
		ipi(1, ICR_ASSERT | CALL);
	wait_for(1);
}

/* Vectors from 40H on; the timer alone may interrupt. */
static void start_pics(void)
{
	static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, PIC_FIRST}, {0x21, 4},
		{0x21, 1}, {0xa0, 0x11}, {0xa1, PIC_FIRST + 8}, {0xa1, 2}, {0xa1, 1},
		{0x21, 0xfe}, {0xa1, 0xff}};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		outb(words[i][0], words[i][1]);
}

int payload_main(void)
{
	smp_start(2);
	conf_start();
	trap_hook = on_interrupt;
	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_LVT_LINT0, 0x700);
	start_pics();
	ept_init(&ept);
	ept_identity(&ept, ALL_MEMORY, 2);
	run("no EPT", false);
	run("identity EPT", true);
	return 0;
}
