/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of event delivery: exceptions and their bitmap, event injection, IDT vectoring,
 * windows, NMIs, external interrupts, preemption timer, monitor trap flag (SDM 24.6.3, 25.2,
 * 25.5, 26.6, 26.7, 27.2.2 to 27.2.4).
 */
#include "apic.h"
#include "cmdline.h"
#include "conf.h"
#include "spec/vmx_caps.h"

#define UNMAPPED           0x140000000ull
#define INFO(type, vector) (INTR_INFO_VALID | (uint32_t)(type) << 8 | (vector))

static void exceptions(uint32_t bitmap)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, bitmap);
}

static void p_all(void)
{
	exceptions(0xffffffff);
}

static void p_none(void)
{
	exceptions(0);
	trap_resume = vmread(VMCS_GUEST_RIP) + 0x40;
}

L2_CODE(c_ud, "ud2\n\t.skip 0x3e, 0x90\n\tmov trap, %eax");
L2_CODE(c_cpuid_twice,
	".rept 4000\n\tnop\n\t.endr\n\tcpuid\n\t.rept 4000\n\tnop\n\t.endr\n\tcpuid");
L2_CODE(c_de, "xor %ecx, %ecx\n\tdiv %ecx");
L2_CODE(c_bp, "int3\n\tmov $1, %eax");
L2_CODE(c_icebp, ".byte 0xf1\n\tmov $1, %eax");
L2_CODE(c_gp, "mov $0xfff8, %eax\n\tmov %ax, %ds");
L2_CODE(c_gp_canonical, "mov $1, %rax\n\tshl $63, %rax\n\tmov (%rax), %rbx");
L2_CODE(c_gp_msr, "mov $0xc0000080, %ecx\n\trdmsr\n\tor $2, %eax\n\twrmsr");
L2_CODE(c_gp_cr4, "mov %cr4, %rax\n\tor $0x80000000, %eax\n\tmov %rax, %cr4");
L2_CODE(c_ss, "mov $1, %rax\n\tshl $63, %rax\n\tmov %rax, %rsp\n\tpush %rbx");
L2_CODE(c_nm, "mov %cr0, %rax\n\tor $8, %rax\n\tmov %rax, %cr0\n\tfninit");
L2_CODE(c_tf, "pushf\n\torl $0x100, (%rsp)\n\tpopf\n\tnop\n\tnop");
L2_CODE(c_tf_out, "pushf\n\torl $0x100, (%rsp)\n\tpopf\n\tout %al, $0x80\n\tnop");
L2_CODE(c_db, "mov $c_db_here, %eax\n\tmov %rax, %dr0\n\tmov $0x402, %eax\n\tmov %rax, %dr7\n\t"
	      "nop\nc_db_here:\n\tnop");
L2_CODE(c_db_data, "mov $operand, %eax\n\tmov %rax, %dr1\n\tmov $0xd00408, %eax\n\t"
		   "mov %rax, %dr7\n\tmov %eax, operand\n\tnop");
L2_CODE(c_gd, "mov $0x2400, %eax\n\tmov %rax, %dr7\n\tmov %dr3, %rbx");
L2_CODE(c_pf_read, "mov $5, %eax\n\tshl $30, %rax\n\tmov 0x123(%rax), %ebx");
L2_CODE(c_pf_write, "mov $5, %eax\n\tshl $30, %rax\n\tmov %ebx, 0x123(%rax)");
L2_CODE(c_pf_fetch, "mov $5, %eax\n\tshl $30, %rax\n\tjmp *%rax");
L2_CODE(c_int, "int $0x50\n\tmov $0x77, %eax");

static uint64_t operand __attribute__((used));

/* #PF with bitmap bit 14 set: exits when (error & mask) == match. */
static void p_pf_match(void)
{
	exceptions(BIT(VEC_PF));
	vmwrite(VMCS_PF_ERROR_MASK, 2);
	vmwrite(VMCS_PF_ERROR_MATCH, 2);
	trap_resume = address_of((void *)(uintptr_t)l2_done);
}

static void p_pf_mismatch_inverted(void)
{
	exceptions(0);
	vmwrite(VMCS_PF_ERROR_MASK, 2);
	vmwrite(VMCS_PF_ERROR_MATCH, 2);
	trap_resume = address_of((void *)(uintptr_t)l2_done);
}

static void p_gp_resume(void)
{
	exceptions(0);
	trap_resume = address_of((void *)(uintptr_t)l2_done);
}

static const struct conf_case exception_cases[] = {
	{"#UD", c_ud, p_all},
	{"#UD in L2", c_ud, p_none},
	{"#DE", c_de, p_all},
	{"#BP", c_bp, p_all},
	{"icebp", c_icebp, p_all},
	{"#GP selector", c_gp, p_all},
	{"#GP non-canonical", c_gp_canonical, p_all},
	{"#GP by WRMSR", c_gp_msr, p_all},
	{"#GP by MOV to CR4", c_gp_cr4, p_all},
	{"#GP by WRMSR in L2", c_gp_msr, p_gp_resume},
	{"#GP in L2", c_gp_canonical, p_gp_resume},
	{"#SS", c_ss, p_all},
	{"#NM", c_nm, p_all},
	{"#DB single step", c_tf, p_all},
	{"#DB single step over out", c_tf_out, p_all},
	{"#DB breakpoint", c_db, p_all},
	{"#DB data", c_db_data, p_all},
	{"#DB general detect", c_gd, p_all},
	{"#PF read", c_pf_read, p_all},
	{"#PF write", c_pf_write, p_all},
	{"#PF fetch", c_pf_fetch, p_all},
	{"#PF match write", c_pf_write, p_pf_match},
	{"#PF match read", c_pf_read, p_pf_match},
	{"#PF inverted write", c_pf_write, p_pf_mismatch_inverted},
	{"#PF inverted read", c_pf_read, p_pf_mismatch_inverted},
	{"int n", c_int, p_all},
};

static void no_idt(void)
{
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
}

static void p_triple(void)
{
	exceptions(0);
	no_idt();
}

static void p_double(void)
{
	exceptions(BIT(VEC_DF));
	no_idt();
}

static void p_second_gp(void)
{
	exceptions(BIT(VEC_GP));
	no_idt();
}

static void p_idt_unmapped(void)
{
	exceptions(BIT(VEC_PF));
	vmwrite(VMCS_GUEST_IDTR_BASE, UNMAPPED);
}

static void p_idt_short(void)
{
	exceptions(BIT(VEC_GP));
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0x4ff);
}

static const struct conf_case vectoring_cases[] = {
	{"triple fault", c_ud, p_triple},
	{"double fault exit", c_ud, p_double},
	{"#GP while delivering #UD", c_ud, p_second_gp},
	{"#PF while delivering #UD", c_ud, p_idt_unmapped},
	{"#PF while delivering #GP", c_gp, p_idt_unmapped},
	{"#PF while delivering int n", c_int, p_idt_unmapped},
	{"#PF while delivering #BP", c_bp, p_idt_unmapped},
	{"#PF while delivering icebp", c_icebp, p_idt_unmapped},
	{"int n beyond IDT", c_int, p_idt_short},
};

/* L2 tells how it saw the event: the vector, RIP and error code, via VMCALL. */
static struct trap_frame seen;

static bool record_event(struct trap_frame *f)
{
	seen = *f;
	f->rflags |= RFLAGS_FIXED;
	if (f->vector != 0x50 && f->vector != VEC_NMI)
		f->rip = address_of((void *)(uintptr_t)l2_done);
	return true;
}

L2_CODE(c_event, "nop\n\tnop\n\tmov $0x33, %eax");

/* VM entry tells, unless another machine's outcome is the reference ("common"). */
static bool zero_length_tried(void)
{
	return !cmdline_flag("common") || rdmsr(MSR_VMX_MISC) & MISC_ZERO_LENGTH;
}

static void inject(const char *name, uint32_t info, uint32_t error, uint32_t length)
{
	char text[64];

	format_text(text, sizeof(text), "inject %s", name);
	if (length == 0 && INTR_INFO_TYPE(info) >= INTR_SW_INTERRUPT &&
		INTR_INFO_TYPE(info) <= INTR_SW_EXCEPTION && !zero_length_tried()) {
		conf_skipped(text, "injection with length 0");
		return;
	}
	l2_restart(&conf_l2, c_event);
	conf_base = vmread(VMCS_GUEST_RIP);
	memset(&seen, 0, sizeof(seen));
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_ENTRY_INTR_INFO, info);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error);
	vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, length);
	trap_hook = record_event;
	conf_run(text);
	trap_hook = NULL;
	print("%s: vector %lu error %lx at %lx flags %lx, info after %lx\n", text, seen.vector,
		seen.error, seen.rip ? seen.rip - conf_base : 0xbad, seen.rflags,
		vmread(VMCS_ENTRY_INTR_INFO));
}

static void injections(void)
{
	inject("nothing", 0x50, 0, 0);
	inject("external interrupt", INFO(INTR_EXTERNAL, 0x50), 0, 0);
	inject("NMI", INFO(INTR_NMI, 2), 0, 0);
	inject("#UD", INFO(INTR_HW_EXCEPTION, VEC_UD), 0, 0);
	inject("#GP", INFO(INTR_HW_EXCEPTION, VEC_GP) | INTR_INFO_ERROR_CODE, 0x1230, 0);
	inject("#PF", INFO(INTR_HW_EXCEPTION, VEC_PF) | INTR_INFO_ERROR_CODE, 6, 0);
	inject("int n", INFO(INTR_SW_INTERRUPT, 0x50), 0, 2);
	inject("#BP", INFO(INTR_SW_EXCEPTION, VEC_BP), 0, 1);
	inject("icebp", INFO(INTR_PRIV_SW_EXCEPTION, VEC_DB), 0, 1);
	inject("MTF", INFO(INTR_OTHER_EVENT, 0), 0, 0);
	inject("#GP without error code", INFO(INTR_HW_EXCEPTION, VEC_GP), 0, 0);
	inject("#UD with error code", INFO(INTR_HW_EXCEPTION, VEC_UD) | INTR_INFO_ERROR_CODE, 0,
		0);
	inject("int n length 0", INFO(INTR_SW_INTERRUPT, 0x50), 0, 0);
	inject("int n length 16", INFO(INTR_SW_INTERRUPT, 0x50), 0, 16);
	inject("NMI with wrong vector", INFO(INTR_NMI, 3), 0, 0);
	inject("exception vector 32", INFO(INTR_HW_EXCEPTION, 32), 0, 0);
	inject("reserved type", INFO(1, 0x50), 0, 0);
	inject("reserved bits", INFO(INTR_EXTERNAL, 0x50) | BIT(13), 0, 0);
	inject("error code high bits", INFO(INTR_HW_EXCEPTION, VEC_GP) | INTR_INFO_ERROR_CODE,
		0x10000, 0);
}

static void p_inject_unmapped(void)
{
	p_idt_unmapped();
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_HW_EXCEPTION, VEC_GP) | INTR_INFO_ERROR_CODE);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0x50);
}

static void p_inject_int_unmapped(void)
{
	p_idt_unmapped();
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_SW_INTERRUPT, 0x60));
	vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, 2);
}

static void p_inject_not_intercepted(void)
{
	exceptions(0xffffffff);
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_HW_EXCEPTION, VEC_UD));
	trap_resume = address_of((void *)(uintptr_t)l2_done);
}

static void p_inject_hlt(void)
{
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_EXTERNAL, 0x50));
}

static void p_inject_blocked(void)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_EXTERNAL, 0x50));
}

static void p_inject_sti(void)
{
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_EXTERNAL, 0x50));
}

static const struct conf_case injection_cases[] = {
	{"inject #GP, IDT unmapped", c_event, p_inject_unmapped},
	{"inject int n, IDT unmapped", c_event, p_inject_int_unmapped},
	{"inject ignores bitmap", c_event, p_inject_not_intercepted},
	{"inject into HLT", c_event, p_inject_hlt},
	{"inject interrupt with IF clear", c_event, p_inject_blocked},
	{"inject interrupt in STI shadow", c_event, p_inject_sti},
};

L2_CODE(c_sti, "nop\n\tsti\n\tnop\n\tnop\n\tcli\n\tmov $1, %eax");
L2_CODE(c_mov_ss, "sti\n\tnop\n\tmov %ss, %eax\n\tmov %eax, %ss\n\tnop\n\tnop\n\tcli");
L2_CODE(c_hlt_sti, "sti\n\thlt\n\tnop\n\tcli");
L2_CODE(c_nmi_iret, "nop\n\tnop\n\tnop");
L2_CODE(c_loop, "1: jmp 1b");
L2_CODE(c_steps, "nop\n\tmov $1, %eax\n\tcpuid\n\tmov $7, %ecx\n\tmov $operand, %esi\n\t"
		 "mov $2, %ecx\n\trep lodsb\n\tnop");

L2_CODE(c_out, "nop\n\tout %al, $0x80\n\tin $0x80, %al\n\txor %eax, %eax");

static bool close_window(uint32_t reason)
{
	if (reason == EXIT_INTERRUPT_WINDOW)
		ctl_clear(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	if (reason == EXIT_NMI_WINDOW)
		ctl_clear(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
	if (reason == EXIT_HLT)
		return conf_default_handler(reason);
	return reason == EXIT_INTERRUPT_WINDOW || reason == EXIT_NMI_WINDOW;
}

static void p_window(void)
{
	conf_handler = close_window;
	ctl_set(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
}

static void p_window_open(void)
{
	p_window();
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
}

static void p_window_sti(void)
{
	p_window_open();
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
}

static void p_nmi_window(void)
{
	conf_handler = close_window;
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	ctl_set(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
}

/* The injected NMI blocks NMIs until the handler's IRET; then the window opens. */
static void p_nmi_window_after(void)
{
	p_nmi_window();
	trap_hook = record_event;
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_NMI, 2));
}

static void p_nmi_window_blocked(void)
{
	p_nmi_window();
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
}

static void p_nmi_window_bad(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
}

static void p_timer_zero(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
}

static void p_timer_some(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 500);
}

static void p_timer_with_event(void)
{
	p_timer_zero();
	trap_hook = record_event;
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_EXTERNAL, 0x50));
}

static bool step_handler(uint32_t reason)
{
	if (reason == EXIT_MTF)
		return true;
	return conf_default_handler(reason);
}

static void p_mtf(void)
{
	conf_handler = step_handler;
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
}

static void p_mtf_event(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_HW_EXCEPTION, VEC_UD));
	conf_base = address_of(trap_stubs);
}

static void p_mtf_pending(void)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, INFO(INTR_OTHER_EVENT, 0));
	conf_handler = step_handler;
}

static const struct conf_case window_cases[] = {
	{"interrupt window by sti", c_sti, p_window},
	{"interrupt window at entry", c_sti, p_window_open},
	{"interrupt window in STI shadow", c_sti, p_window_sti},
	{"interrupt window and MOV SS", c_mov_ss, p_window},
	{"interrupt window, sti hlt", c_hlt_sti, p_window},
	{"NMI window at entry", c_nmi_iret, p_nmi_window},
	{"NMI window after NMI", c_nmi_iret, p_nmi_window_after},
	{"NMI window while blocked", c_nmi_iret, p_nmi_window_blocked},
	{"NMI window without virtual NMIs", c_nmi_iret, p_nmi_window_bad},
	{"preemption timer 0", c_loop, p_timer_zero},
	{"preemption timer", c_loop, p_timer_some},
	{"preemption timer 0 with event", c_loop, p_timer_with_event},
	{"MTF", c_steps, p_mtf},
	{"MTF and I/O", c_out, p_mtf},
	{"MTF after injection", c_steps, p_mtf_event},
	{"pending MTF", c_steps, p_mtf_pending},
};

static void interrupt_to_l1(const char *name, uint32_t exit_controls)
{
	l2_restart(&conf_l2, c_loop);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	ctl_set(VMCS_EXIT_CONTROLS, exit_controls);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	self_ipi(0x61);
	conf_run(name);
	if (!(exit_controls & EXIT_ACK_INTR))
		__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
	apic_eoi();
	print("%s: delivered to L1 %u times\n", name, interrupt_count[0x61]);
}

/* Without exiting, the interrupt reaches L2 through L2's own IDT. */
static void interrupt_to_l2(void)
{
	l2_restart(&conf_l2, c_sti);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	interrupt_count[0x62] = 0;
	self_ipi(0x62);
	conf_run("interrupt without exiting");
	apic_eoi();
	print("interrupt without exiting: L2 got %u\n", interrupt_count[0x62]);
}

static void interrupts(void)
{
	apic_write(APIC_SVR, SVR_ON);
	interrupt_to_l1("external interrupt", 0);
	interrupt_to_l1("external interrupt acknowledged", EXIT_ACK_INTR);
	interrupt_to_l2();
}

static void run_events(const struct conf_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		memset(&seen, 0, sizeof(seen));
		trap.vector = -1;
		conf_run_case(&cases[i]);
		if (seen.vector || trap.vector >= 0)
			print("%s: L2 saw %lu, trap %d(%x)\n", cases[i].name, seen.vector,
				trap.vector, trap.error);
		trap_hook = NULL;
		trap_resume = 0;
	}
}

/* Where the timer stands after an exit of L2 that it did not cause; how far it came is the
 * machine's matter. */
static void timer_at_exit(const char *name, bool save, uint32_t start)
{
	uint64_t left;

	l2_restart(&conf_l2, c_cpuid_twice);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	if (save)
		ctl_set(VMCS_EXIT_CONTROLS, EXIT_SAVE_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, start);
	for (unsigned i = 0; i < 2; i++) {
		l2_run(&conf_l2);
		left = vmread(VMCS_PREEMPTION_TIMER_VALUE);
		print("%s, exit %lu: %s\n", name, vmread(VMCS_EXIT_REASON),
			left == start                              ? "as written"
			: left < start && start - left < 0x1000000 ? "a little less"
								   : "wrong");
		if (vmread(VMCS_EXIT_REASON) != EXIT_CPUID)
			return;
		l2_skip();
	}
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
	l2_run(&conf_l2);
	/* DEVIATIONS.md: what is saved then */
	print("%s, then 0: exit %lu\n", name, vmread(VMCS_EXIT_REASON));
}

static void timers(void)
{
	if (conf_lacks("timer", NEEDS(PREEMPTION_TIMER)))
		return;
	timer_at_exit("timer saved", true, 0xf0000000);
	timer_at_exit("timer not saved", false, 0xf0000000);
}

int payload_main(void)
{
	conf_start();
	run_events(CASES(exception_cases));
	run_events(CASES(vectoring_cases));
	injections();
	run_events(CASES(injection_cases));
	run_events(CASES(window_cases));
	interrupts();
	timers();
	return 0;
}
