/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM that does one thing without end, which costs L0 as much as it can: `NAME cpus=N`.
 * tests/fairness/run.sh has it run beside victim.c.
 */
#include "apic.h"
#include "cmdline.h"
#include "stress.h"
#include "virtio_net.h"

#define PORT_MARK    0xf5
#define PORT_CONSOLE 0x3f8
#define PORT_NOTHING 0x80

static struct l2 guest[CPUS_MAX];

static bool on_trap(struct trap_frame *f)
{
	if (f->vector == 2)
		return true;
	if (f->vector < 0x40)
		return false;
	apic_eoi();
	return true;
}

static void string_out(uint16_t port, unsigned bytes)
{
	static char text[4096];
	const char *from = text;
	uint64_t count = bytes;

	if (text[0] == 0)
		for (unsigned i = 0; i < sizeof(text); i++)
			text[i] = 'x';
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static void call(void)
{
	__asm__ volatile("1: vmcall\n\tjmp 1b");
}

static void stop(void)
{
	__asm__ volatile("1: cli\n\thlt\n\tjmp 1b");
}

static void vmx_ready(unsigned cpu)
{
	if (!vmx_enable())
		stress_broke("VMXON", 0, 1);
	l2_setup(&guest[cpu], call);
}

/* ---- patterns; each is run by all processors ---- */

/* Interrupts and NMIs to the last processor. */
static void kicks(unsigned cpu)
{
	unsigned target = stress.cpus - 1;

	if (cpu == target) {
		interrupts_on();
		for (;;)
			pause();
	}
	for (;;) {
		apic_write(APIC_ICR_HIGH, target << 24);
		apic_write(APIC_ICR, ICR_ASSERT | 0x40);
		apic_write(APIC_ICR, ICR_ASSERT | 0x51);
		apic_write(APIC_ICR, ICR_ASSERT | ICR_NMI);
	}
}

/* The last processor halts, the others wake it. */
static void wakes(unsigned cpu)
{
	unsigned target = stress.cpus - 1;

	for (;;)
		if (cpu == target)
			halt();
		else
			ipi(target, ICR_ASSERT | 0x40);
}

/* All but the last are started again and again; one that is being started does nothing. */
static void starts(unsigned cpu)
{
	while (cpu != 0)
		pause();
	for (unsigned i = 0;; i++) {
		unsigned target = 1 + i % (stress.cpus - 1);

		ipi(target, ICR_INIT | ICR_ASSERT);
		smp_restart(target);
	}
}

static void exits(unsigned cpu)
{
	(void)cpu;
	for (;;) {
		uint32_t a = 0, b, c = 0, d;

		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	}
}

static void long_exits(unsigned cpu)
{
	(void)cpu;
	for (;;)
		string_out(PORT_NOTHING, 4096);
}

/* All want the lock of the devices. */
static void locks(unsigned cpu)
{
	(void)cpu;
	for (;;) {
		(void)*(volatile uint32_t *)(uintptr_t)0xfec00010;
		outb(0x43, 0);
	}
}

static void console(unsigned cpu)
{
	(void)cpu;
	for (;;) {
		string_out(PORT_CONSOLE, 4096);
		outb(PORT_MARK, 0);
	}
}

/* By a VMfail, by a failed entry, and by an operand. */
static void refused(unsigned cpu)
{
	vmx_ready(cpu);
	for (;;) {
		vmwrite(VMCS_CR3_TARGET_COUNT, 99);
		(void)l2_run(&guest[cpu]);
		vmwrite(VMCS_CR3_TARGET_COUNT, 0);
		vmwrite(VMCS_GUEST_RFLAGS, 0);
		(void)l2_run(&guest[cpu]);
		(void)vmx_vmptrld(1);
	}
}

static void invept(unsigned cpu)
{
	const uint64_t all[2] = {0};

	vmx_ready(cpu);
	for (;;) {
		(void)vmx_invept(2, all);
		(void)vmx_invvpid(2, all);
	}
}

static void entries(unsigned cpu)
{
	vmx_ready(cpu);
	for (;;) {
		l2_restart(&guest[cpu], call);
		(void)l2_run(&guest[cpu]);
	}
}

/* A timer that is always due, of processors that sleep. */
static void timers(unsigned cpu)
{
	(void)cpu;
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, 0x20000 | 0x40);
	apic_write(APIC_INITIAL_COUNT, 1);
	for (;;)
		halt();
}

/* An L2 that halts for ever, by HLT or by the VM entry; L1 does not intercept HLT. */
static void halted_l2(unsigned cpu)
{
	vmx_ready(cpu);
	for (;;) {
		l2_restart(&guest[cpu], stop);
		ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
		vmwrite(VMCS_GUEST_ACTIVITY_STATE,
			cpu % 2 == 0 ? ACTIVITY_ACTIVE : ACTIVITY_HLT);
		(void)l2_run(&guest[cpu]);
	}
}

/* The script has it started again. */
static void restarts(unsigned cpu)
{
	struct table_pointer none = {0, 0};

	(void)cpu;
	__asm__ volatile("lidt %0\n\tud2" : : "m"(none) : "memory");
}

/* Frames to the victim, as fast as it can. */
static void net_flood(unsigned cpu)
{
	static uint8_t frame[VNET_HDR + 64];
	static struct vnet net;

	while (cpu != 0)
		pause();
	if (!vnet_open(&net, 0, 1, 4096))
		stress_broke("network device", 0, 1);
	memcpy(frame + VNET_HDR, "\x52\0\0\0\0\x1\x52\0\0\0\0\x2\x8", 13);
	for (;;)
		vnet_send(&net, frame, sizeof(frame));
}

/* A delivery of #DB that raises the next one, as in tests/boot/debug_loop.c. */
static void debug_loop(unsigned cpu)
{
	static uint64_t word __attribute__((used, aligned(8)));
	static uint8_t stack[4096] __attribute__((aligned(4096)));
	struct table_pointer idtr;

	while (cpu != 0)
		pause();
	__asm__ volatile("sidt %0" : "=m"(idtr));
	((uint8_t *)idtr.base)[16 + 4] = 1;
	*(uint64_t *)(void *)(rt_tss + 0x24) = address_of(stack + sizeof(stack));
	__asm__ volatile("mov %0, %%dr0" : : "r"(address_of(stack + sizeof(stack) - 40)));
	__asm__ volatile("mov %0, %%dr1" : : "r"(address_of(&word)));
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x0099040aul));
	__asm__ volatile("movq $1, %0\n\tnop" : "=m"(word) : : "memory");
	stress_broke("endless #DB", 0, 1);
}

static void caches(unsigned cpu)
{
	static uint64_t line[64][8] __attribute__((aligned(64)));

	for (unsigned i = 0;; i++) {
		line[i % 64][0] = cpu;
		__asm__ volatile("clflush %0" : "+m"(line[i % 64][0]));
		__asm__ volatile("wbinvd\n\tinvd" : : : "memory");
	}
}

static const struct {
	const char *name;
	void (*run)(unsigned cpu);
} patterns[] = {{"kicks", kicks}, {"wakes", wakes}, {"starts", starts}, {"exits", exits},
	{"long-exits", long_exits}, {"locks", locks}, {"console", console},
	{"refused", refused}, {"invept", invept}, {"entries", entries}, {"timers", timers},
	{"restarts", restarts}, {"halted-l2", halted_l2}, {"net-flood", net_flood},
	{"debug-loop", debug_loop}, {"caches", caches}};

static void run(void *pattern)
{
	trap_hook = on_trap;
	patterns[(uintptr_t)pattern].run(cpu_index());
}

int payload_main(void)
{
	stress_start(0);
	for (uintptr_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (cmdline_flag(patterns[i].name))
			run_on_all(stress.cpus, run, (void *)i);
	stress_broke("pattern", 0, 1);
}
