/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of NMIs and L2 (SDM 25.3 "Changes to Instruction Behavior", IRET; 25.5.3, 26.6.7,
 * 26.7.1, 27.2.2, 27.3.3): virtual NMIs and real ones, blocking by NMI, IRET in L2 with and
 * without a fault, the NMI window, injected NMIs, and NMIs that L1 sends itself.
 */
#include "apic.h"
#include "conf.h"

#define SELF_NMI   \
	(ICR_NMI | \
		ICR_ASSERT) /* to APIC ID 0; the shorthand "self" allows fixed delivery only */
#define INJECT_NMI (INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI)

static unsigned nmis; /* taken, by L1's or L2's handler */

static bool count_nmi(struct trap_frame *f)
{
	if (f->vector != VEC_NMI)
		return false;
	nmis++;
	return true;
}

static void self_nmi(void)
{
	apic_write(APIC_ICR, SELF_NMI);
}

static bool go_on(uint32_t reason)
{
	if (reason == EXIT_NMI_WINDOW)
		ctl_clear(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
	if (reason == EXIT_EXCEPTION_NMI) {
		uint32_t info = (uint32_t)vmread(VMCS_EXIT_INTR_INFO);

		print("unblocking %d\n", (info & INTR_INFO_NMI_UNBLOCKING) != 0);
		return INTR_INFO_TYPE(info) == INTR_NMI;
	}
	return reason == EXIT_NMI_WINDOW || reason == EXIT_MTF || conf_default_handler(reason);
}

static void nmi_exiting(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING);
}

static void virtual_nmis(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
}

static void blocked(void)
{
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
}

static void inject_nmi(void)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, INJECT_NMI);
}

static void window(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
}

/* IRET to the next instruction, and IRET that faults. */
#define IRET_ON                                                                                   \
	"mov %rsp, %rax\n\tmov %ss, %ecx\n\tpush %rcx\n\tpush %rax\n\tpushf\n\tmov %cs, %ecx\n\t" \
	"push %rcx\n\tlea 1f(%rip), %rcx\n\tpush %rcx\n\tiretq\n1:\n\t"

L2_CODE(c_plain, "cpuid\n\tnop\n\tmov $1, %eax");
L2_CODE(c_iret, "cpuid\n\t" IRET_ON "cpuid\n\tmov $1, %eax");
L2_CODE(c_iret_fault, "push $0\n\tpush $0\n\tpush $2\n\tpush $0xf8\n\tpush $0\n\tiretq");
L2_CODE(c_sti, "sti\n\tcpuid\n\tcli");
L2_CODE(c_mov_ss, "mov %ss, %eax\n\tmov %eax, %ss\n\tcpuid");
L2_CODE(c_hlt, "hlt\n\tmov $1, %eax");
L2_CODE(c_send,
	"mov $0xfee00300, %eax\n\tmovl $0x4400, (%rax)\n\tnop\n\tnop\n\tcpuid\n\tmov $1, %eax");
L2_CODE(c_send_iret, "mov $0xfee00300, %eax\n\tmovl $0x4400, (%rax)\n\tnop\n\tcpuid\n\t" IRET_ON
		     "nop\n\tcpuid");

static void p_blocked(void)
{
	blocked();
}

static void p_exiting_blocked(void)
{
	nmi_exiting();
	blocked();
}

static void p_virtual_blocked(void)
{
	virtual_nmis();
	blocked();
}

static void p_virtual_blocked_window(void)
{
	p_virtual_blocked();
	window();
}

static void p_window_sti(void)
{
	virtual_nmis();
	window();
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
}

static void p_window_mov_ss(void)
{
	virtual_nmis();
	window();
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_MOV_SS);
}

static void p_window_hlt(void)
{
	virtual_nmis();
	window();
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
}

static void p_window_iret_fault(void)
{
	p_virtual_blocked();
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
}

static void p_iret_fault(void)
{
	blocked();
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
}

static void p_exiting_iret_fault(void)
{
	p_iret_fault();
	nmi_exiting();
}

static void p_exiting_inject(void)
{
	nmi_exiting();
	inject_nmi();
}

static void p_iret_fault_injected(void)
{
	p_window_iret_fault();
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_UD));
}

static void p_inject(void)
{
	inject_nmi();
}

static void p_inject_virtual(void)
{
	virtual_nmis();
	inject_nmi();
}

static void p_inject_window(void)
{
	p_inject_virtual();
	window();
}

static void p_inject_mov_ss(void)
{
	p_inject_virtual();
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_MOV_SS);
}

static void p_inject_no_idt(void)
{
	p_inject_virtual();
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_PF));
	vmwrite(VMCS_GUEST_IDTR_BASE, 0x140000000ull);
}

static void p_inject_mtf(void)
{
	p_inject_virtual();
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
}

static void p_real(void)
{
}

static const struct conf_case cases[] = {
	{"blocked", c_plain, p_blocked},
	{"blocked, IRET", c_iret, p_blocked},
	{"blocked, NMI exiting, IRET", c_iret, p_exiting_blocked},
	{"virtual blocked", c_plain, p_virtual_blocked},
	{"virtual blocked, IRET", c_iret, p_virtual_blocked},
	{"virtual blocked, window", c_plain, p_virtual_blocked_window},
	{"virtual blocked, window, IRET", c_iret, p_virtual_blocked_window},
	{"window in STI shadow", c_sti, p_window_sti},
	{"window in MOV SS shadow", c_mov_ss, p_window_mov_ss},
	{"window in HLT", c_hlt, p_window_hlt},
	{"virtual blocked, IRET faults", c_iret_fault, p_window_iret_fault},
	{"blocked, IRET faults", c_iret_fault, p_iret_fault},
	{"blocked, NMI exiting, IRET faults", c_iret_fault, p_exiting_iret_fault},
	{"not blocked, IRET faults", c_iret_fault, p_iret_fault_injected},
	{"inject", c_plain, p_inject},
	{"inject, NMI exiting", c_plain, p_exiting_inject},
	{"inject, virtual NMIs", c_plain, p_inject_virtual},
	{"inject, window", c_plain, p_inject_window},
	{"inject in MOV SS shadow", c_plain, p_inject_mov_ss},
	{"inject, IDT unmapped", c_plain, p_inject_no_idt},
	{"inject, MTF", c_plain, p_inject_mtf},
	{"sent by L2", c_send, p_real},
	{"sent by L2 while blocked", c_send, p_blocked},
	{"sent by L2 while blocked, IRET", c_send_iret, p_blocked},
	{"sent by L2, NMI exiting", c_send, nmi_exiting},
	{"sent by L2, NMI exiting, blocked", c_send, p_exiting_blocked},
	{"sent by L2, NMI exiting, blocked, IRET", c_send_iret, p_exiting_blocked},
	{"sent by L2, virtual NMIs", c_send, virtual_nmis},
	{"sent by L2, virtual NMIs, blocked", c_send, p_virtual_blocked},
};

/* IRET of L1 opens NMIs again, after an exit by an NMI (27.5.5). */
static void unblock_l1(void)
{
	uint64_t rsp;

	__asm__ volatile("mov %%rsp, %0\n\tpushq %1\n\tpushq %0\n\tpushfq\n\tpushq %2\n\t"
			 "pushq $1f\n\tiretq\n1:"
			 : "=&r"(rsp)
			 : "i"(SEL_DATA), "i"(SEL_CODE64)
			 : "memory", "cc");
}

static void run(const struct conf_case *c)
{
	l2_restart(&conf_l2, c->code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = go_on;
	nmis = 0;
	c->prepare();
	conf_run(c->name);
	print("%s: taken %u", c->name, nmis);
	unblock_l1();
	print(", then %u\n", nmis);
}

/* An NMI that L1 sends itself while it blocks NMIs is taken after its IRET, not lost. */
static void in_l1(void)
{
	nmis = 0;
	self_nmi();
	print("L1: taken %u\n", nmis);
	nmi_exiting();
	l2_restart(&conf_l2, c_send);
	nmi_exiting();
	conf_base = vmread(VMCS_GUEST_RIP);
	if (l2_run(&conf_l2) == VMX_OK)
		conf_exit("L1 blocks");
	self_nmi();
	print("L1 blocks: taken %u", nmis);
	unblock_l1();
	print(", then %u\n", nmis);
}

int payload_main(void)
{
	conf_start();
	trap_hook = count_nmi;
	apic_write(APIC_SVR, SVR_ON);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run(&cases[i]);
	in_l1();
	return 0;
}
