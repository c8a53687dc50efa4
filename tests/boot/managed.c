/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody who manages its VM can see and change: in L1, or with `l2` in L2, a counter
 * goes on until a flag is set from outside; with `busy`, too, L2 executes CPUID for each, which
 * L1 passes over; with `button` the power button turns the VM off; with `nmi` NMIs are counted;
 * with `exits` L2, once the flag is set, has so many exits that L1 handles, and ends when it is
 * set to something else.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

#define PM1_EVENT   0x600 /* status, and in the upper half what is enabled */
#define PM1_CONTROL 0x604
#define BUTTON      0x100u
#define ENABLED     (BUTTON << 16)
#define EXITS       100
#define TURN_OFF    0x2000u /* SLP_EN, and 0 as SLP_TYP */

static struct l2 l2;
volatile uint64_t counter, flag, nmis, left = EXITS;

__attribute__((naked)) static void counts(void)
{
	__asm__("1:\n\tincq counter(%rip)\n\tcmpq $0, flag(%rip)\n\tjz 1b\n\tret");
}

__attribute__((naked)) static void exits(void)
{
	__asm__("1:\n\tincq counter(%rip)\n\tcmpq $0, flag(%rip)\n\tjz 1b\n"
		"2:\n\txor %eax, %eax\n\tcpuid\n\tdecq left(%rip)\n\tjnz 2b\n"
		"3:\n\tincq counter(%rip)\n\tcmpq $1, flag(%rip)\n\tjz 3b\n\tret");
}

__attribute__((naked)) static void asks(void)
{
	__asm__("1:\n\tcpuid\n\tincq counter(%rip)\n\tcmpq $0, flag(%rip)\n\tjz 1b\n\tret");
}

static void run_l2(void (*fn)(void))
{
	l2_setup(&l2, fn);
	l2_restart(&l2, fn);
	while (l2_run(&l2) == VMX_OK && vmread(VMCS_EXIT_REASON) == 10 /* CPUID */)
		l2_skip();
}

static bool on_trap(struct trap_frame *f)
{
	if (f->vector != 2)
		return false;
	nmis++;
	return true;
}

static void wait_for_button(void)
{
	outl(PM1_EVENT, ENABLED);
	while (!(inl(PM1_EVENT) & BUTTON))
		counter++;
	outl(PM1_EVENT, ENABLED | BUTTON);
	print("managed: the button, status %x\n", inl(PM1_EVENT) & BUTTON);
	outl(PM1_CONTROL, TURN_OFF);
}

int payload_main(void)
{
	trap_hook = on_trap;
	print("managed: counter=0x%lx flag=0x%lx\n", (uint64_t)(uintptr_t)&counter,
		(uint64_t)(uintptr_t)&flag);
	if (cmdline_flag("button"))
		wait_for_button();
	if (cmdline_flag("nmi")) {
		while (nmis < 2)
			counter++;
		print("managed: %lu NMIs\n", nmis);
		return 0;
	}
	if (cmdline_flag("l2") || cmdline_flag("exits")) {
		if (!vmx_supported() || !vmx_enable())
			return 1;
		run_l2(cmdline_flag("busy") ? asks : cmdline_flag("exits") ? exits : counts);
		print("managed: exit %lu\n", vmread(VMCS_EXIT_REASON));
	} else {
		counts();
	}
	print("managed: flag %lx\n", flag);
	return 0;
}
