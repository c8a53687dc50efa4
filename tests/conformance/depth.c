/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of what meets event delivery and single steps: EPT violations while events of
 * each type are delivered, and their delivery again; MTF with faults, events and REP; debug
 * traps, BTF, data breakpoints, pending debug exceptions and MOV SS; the shutdown state (SDM
 * 25.5.2, 26.6.3 "Delivery of Pending Debug Exceptions after VM Entry", 26.7.3, 27.2.4, vol. 3B
 * 17.4.4 "Single-Step on Branches").
 */
#include "vapic.h"

#define INFO(type, vector) (INTR_INFO_VALID | (uint32_t)(type) << 8 | (vector))

static struct ept ept;
static uint8_t *idt_page;
static uint64_t operand __attribute__((used, aligned(64)));
static uint8_t string_a[16] __attribute__((used)), string_b[16] __attribute__((used));
static uint64_t *missing; /* the EPT entry that a case took away */
static unsigned tries;

L2_CODE(d_ud, "ud2");
L2_CODE(d_gp, "mov $0xfff8, %eax\n\tmov %ax, %ds");
L2_CODE(d_pf, "mov $5, %eax\n\tshl $30, %rax\n\tmov %ebx, 0x123(%rax)");
L2_CODE(d_int, "int $0x50\n\tmov $0x77, %eax");
L2_CODE(d_int3, "int3");
L2_CODE(d_icebp, ".byte 0xf1");
L2_CODE(d_nop, "nop\n\tnop\n\tmov $0x33, %eax");
L2_CODE(d_tf, "pushf\n\torl $0x100, (%rsp)\n\tpopf\n\tnop\n\tnop");
L2_CODE(d_rep, "mov $3, %ecx\n\tmov $string_a, %esi\n\tmov $string_b, %edi\n\trep movsb\n\txor "
	       "%ecx, %ecx\n\trep movsb\n\tnop");
L2_CODE(d_mov_ss, "mov %ss, %eax\n\tmov %eax, %ss\n\tnop\n\tnop");
L2_CODE(d_popf, "pushf\n\tpopf\n\tsti\n\tcli");
L2_CODE(d_cpuid_tf, "pushf\n\torl $0x100, (%rsp)\n\tpopf\n\tcpuid\n\tnop");
L2_CODE(d_branch, "nop\n\tjmp 1f\n\tnop\n1:\tnop\n\tnop");
L2_CODE(d_btf, "mov $0x1d9, %ecx\n\tmov $2, %eax\n\txor %edx, %edx\n\twrmsr\n\tpushf\n\t"
	       "orl $0x100, (%rsp)\n\tpopf\n\tnop\n\tnop\n\tjmp 1f\n\tnop\n1:\tnop\n\tnop");
L2_CODE(d_data_mov_ss,
	"mov $operand, %eax\n\tmov %rax, %dr1\n\tmov $0xd00408, %eax\n\t"
	"mov %rax, %dr7\n\tmovl $0x10, 4(%rsp)\n\tmov operand, %ss\n\tnop\n\tnop");
L2_CODE(d_data_rep, "mov $string_b+1, %eax\n\tmov %rax, %dr1\n\tmov $0x100408, %eax\n\t"
		    "mov %rax, %dr7\n\tmov $4, %ecx\n\tmov $string_a, %esi\n\t"
		    "mov $string_b, %edi\n\trep movsb\n\tnop");
L2_CODE(d_dr7, "mov $0x455, %eax\n\tmov %rax, %dr7\n\tmov %dr7, %rax");
L2_CODE(d_hlt, "sti\n\thlt\n\tmov $1, %eax");

static bool to_done(struct trap_frame *f)
{
	f->rflags = (f->rflags | RFLAGS_FIXED) & ~(uint64_t)RFLAGS_TF;
	if (f->vector < 32 && f->vector != VEC_NMI)
		f->rip = address_of((void *)(uintptr_t)l2_done);
	print("L2 takes vector %lu error %lx flags %lx\n", f->vector, f->error,
		f->rflags & ~(uint64_t)RFLAGS_RF);
	return true;
}

static void begin(void (*code)(void))
{
	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	trap_hook = to_done;
}

/* ---- EPT violations during delivery ---- */

/* As a VMM does: makes the page present and lets the event be delivered again. */
static bool repair(uint32_t reason)
{
	uint32_t vectoring = (uint32_t)vmread(VMCS_IDT_VECTORING_INFO);

	if (reason != EXIT_EPT_VIOLATION)
		return conf_default_handler(reason);
	*missing |= EPT_RWX;
	if (vectoring & INTR_INFO_VALID) {
		vmwrite(VMCS_ENTRY_INTR_INFO, vectoring & ~INTR_INFO_NMI_UNBLOCKING);
		vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, vmread(VMCS_IDT_VECTORING_ERROR_CODE));
		vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	}
	return tries++ < 8;
}

static void take_away(uint64_t gpa, uint64_t rights)
{
	missing = ept_entry(&ept, gpa, 1);
	*missing &= ~rights;
	invept_global();
}

/* What begin() made, with the IDT or the stack away. */
static void meets(const char *name, unsigned where)
{
	char text[64];

	conf_handler = repair;
	tries = 0;
	ept_use(&ept);
	vmwrite(VMCS_GUEST_IDTR_BASE, address_of(idt_page));
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	if (where == 0)
		take_away(address_of(idt_page), EPT_RWX);
	else
		take_away(address_of(conf_l2.stack), where == 1 ? EPT_RWX : EPT_WRITE);
	format_text(text, sizeof(text), "%s, %s", name,
		where == 0   ? "IDT missing"
		: where == 1 ? "stack missing"
			     : "stack read-only");
	conf_run(text);
	*missing |= EPT_RWX;
}

static void delivery(const char *name, void (*code)(void), uint32_t inject, unsigned where)
{
	begin(code);
	vmwrite(VMCS_ENTRY_INTR_INFO, inject);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 4);
	vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, 2);
	meets(name, where);
}

static void virtual_delivery(unsigned where)
{
	const char *name = "virtual interrupt";

	if (conf_lacks(name, NEEDS(TPR_SHADOW) | NEEDS(APIC_REGISTERS) | NEEDS(VIRT_INTR) |
				     NEEDS(X2APIC_MODE)))
		return;
	begin(d_nop);
	memset(vapic, 0, sizeof(vapic));
	vapic_controls(X2APIC | REGISTERS | DELIVERY, true);
	vapic_set(APIC_IRR, 0x51);
	vmwrite(VMCS_GUEST_INTR_STATUS, 0x51);
	meets(name, where);
	print("%s: status %lx\n", name, vmread(VMCS_GUEST_INTR_STATUS));
}

static void deliveries(void)
{
	for (unsigned where = 0; where < 3; where++) {
		delivery("#UD", d_ud, 0, where);
		delivery("#GP", d_gp, 0, where);
		delivery("#PF", d_pf, 0, where);
		delivery("int n", d_int, 0, where);
		delivery("int3", d_int3, 0, where);
		delivery("int1", d_icebp, 0, where);
		delivery("injected interrupt", d_nop, INFO(INTR_EXTERNAL, 0x50), where);
		delivery("injected NMI", d_nop, INFO(INTR_NMI, VEC_NMI), where);
		delivery("injected #UD", d_nop, INFO(INTR_HW_EXCEPTION, VEC_UD), where);
		delivery("injected #PF", d_nop,
			INFO(INTR_HW_EXCEPTION, VEC_PF) | INTR_INFO_ERROR_CODE, where);
		delivery("injected int n", d_nop, INFO(INTR_SW_INTERRUPT, 0x50), where);
		delivery("injected int3", d_nop, INFO(INTR_SW_EXCEPTION, VEC_BP), where);
		delivery("injected int1", d_nop, INFO(INTR_PRIV_SW_EXCEPTION, VEC_DB), where);
		virtual_delivery(where);
	}
}

/* ---- monitor trap flag ---- */

static bool few_steps(uint32_t reason)
{
	if (reason == EXIT_MTF)
		return ++tries < 8 && vmread(VMCS_GUEST_RIP) - conf_base < 0x40;
	return conf_default_handler(reason);
}

static void stepping(const char *name, void (*code)(void), uint32_t inject, uint32_t exceptions)
{
	begin(code);
	conf_handler = few_steps;
	tries = 0;
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
	vmwrite(VMCS_EXCEPTION_BITMAP, exceptions);
	vmwrite(VMCS_ENTRY_INTR_INFO, inject);
	vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, 2);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	conf_run(name);
}

static void steppings(void)
{
	stepping("MTF, rep movsb", d_rep, 0, 0);
	stepping("MTF, mov ss", d_mov_ss, 0, 0);
	stepping("MTF, popf and sti", d_popf, 0, 0);
	stepping("MTF, #UD exits", d_ud, 0, BIT(VEC_UD));
	stepping("MTF, #GP exits", d_gp, 0, BIT(VEC_GP));
	stepping("MTF, injected interrupt", d_nop, INFO(INTR_EXTERNAL, 0x50), 0);
	stepping("MTF, injected NMI", d_nop, INFO(INTR_NMI, VEC_NMI), 0);
	stepping("MTF, injected int n", d_nop, INFO(INTR_SW_INTERRUPT, 0x50), 0);
	stepping("MTF, branch", d_branch, 0, 0);
}

/* ---- debug exceptions ---- */

static bool traps_go_on(uint32_t reason)
{
	if (reason != EXIT_EXCEPTION_NMI)
		return conf_default_handler(reason);
	/* A blocked L2 would need BS again (26.3.1.5). */
	return ++tries < 4 && !vmread(VMCS_GUEST_INTERRUPTIBILITY);
}

static void debug(const char *name, void (*code)(void), uint64_t pending, uint64_t flags,
	uint64_t blocking)
{
	begin(code);
	conf_handler = traps_go_on;
	tries = 0;
	operand = 0x10;
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | flags);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking);
	vmwrite(VMCS_GUEST_PENDING_DBG, pending);
	conf_run(name);
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ull));
}

static void debugs(void)
{
	debug("single steps", d_tf, 0, 0, 0);
	debug("single step over cpuid", d_cpuid_tf, 0, 0, 0);
	debug("single step by entry", d_nop, 0, RFLAGS_TF, 0);
	debug("pending BS", d_nop, PENDING_DBG_BS, 0, 0);
	debug("pending B0", d_nop, PENDING_DBG_ENABLED | 1, 0, 0);
	debug("pending B0 not enabled", d_nop, 1, 0, 0);
	debug("pending BS in MOV SS shadow", d_nop, PENDING_DBG_BS, RFLAGS_TF,
		INTERRUPTIBILITY_MOV_SS);
	debug("pending B1 in MOV SS shadow", d_nop, PENDING_DBG_ENABLED | 2, 0,
		INTERRUPTIBILITY_MOV_SS);
	debug("TF in STI shadow", d_nop, PENDING_DBG_BS, RFLAGS_TF | RFLAGS_IF,
		INTERRUPTIBILITY_STI);
	debug("data breakpoint by MOV SS", d_data_mov_ss, 0, 0, 0);
	debug("data breakpoint in rep movsb", d_data_rep, 0, 0, 0);
	debug("single step of branches", d_btf, 0, 0, 0);
}

static void debug_controls(const char *name, bool load, bool save)
{
	uint64_t dr7;

	begin(d_dr7);
	if (!load)
		ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
	if (load)
		ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
	if (save)
		ctl_set(VMCS_EXIT_CONTROLS, EXIT_SAVE_DEBUG);
	else
		ctl_clear(VMCS_EXIT_CONTROLS, EXIT_SAVE_DEBUG);
	vmwrite(VMCS_GUEST_DR7, 0x401);
	vmwrite(VMCS_GUEST_DEBUGCTL, load ? DEBUGCTL_BTF : 0);
	conf_run(name);
	__asm__ volatile("mov %%dr7, %0" : "=r"(dr7));
	print("%s: L1 %lx %lx, L2 %lx %lx\n", name, dr7, rdmsr(0x1d9), vmread(VMCS_GUEST_DR7),
		vmread(VMCS_GUEST_DEBUGCTL));
}

/* ---- activity states ---- */

static void activity(
	const char *name, uint64_t state, uint32_t inject, bool timer, uint64_t flags)
{
	begin(state == ACTIVITY_ACTIVE ? d_hlt : d_nop);
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, state);
	vmwrite(VMCS_ENTRY_INTR_INFO, inject);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | flags);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	if (timer) {
		ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 100);
	}
	conf_run(name);
}

static void activities(void)
{
	activity("hlt, timer", ACTIVITY_ACTIVE, 0, true, 0);
	activity("HLT, timer", ACTIVITY_HLT, 0, true, 0);
	activity("HLT, interrupt", ACTIVITY_HLT, INFO(INTR_EXTERNAL, 0x50), false, RFLAGS_IF);
	activity("HLT, NMI", ACTIVITY_HLT, INFO(INTR_NMI, VEC_NMI), false, 0);
	activity("HLT, #DB", ACTIVITY_HLT, INFO(INTR_HW_EXCEPTION, VEC_DB), false, 0);
	activity("HLT, #MC", ACTIVITY_HLT, INFO(INTR_HW_EXCEPTION, VEC_MC), false, 0);
	activity("HLT, MTF", ACTIVITY_HLT, INFO(INTR_OTHER_EVENT, 0), false, 0);
	activity("shutdown, timer", ACTIVITY_SHUTDOWN, 0, true, 0);
	activity("shutdown, NMI", ACTIVITY_SHUTDOWN, INFO(INTR_NMI, VEC_NMI), false, 0);
	activity("shutdown, #MC", ACTIVITY_SHUTDOWN, INFO(INTR_HW_EXCEPTION, VEC_MC), false, 0);
	activity("shutdown, interrupt", ACTIVITY_SHUTDOWN, INFO(INTR_EXTERNAL, 0x50), false,
		RFLAGS_IF);
	activity("wait for SIPI, NMI", ACTIVITY_WAIT_FOR_SIPI, INFO(INTR_NMI, VEC_NMI), false,
		0);
	activity("activity state 4", 4, 0, false, 0);
}

/* 4 KiB pages for the IDT's and the stack's 2 MiB, 2 MiB pages for the rest. */
static void make_ept(void)
{
	struct table_pointer idtr;
	uint64_t fine = address_of(conf_l2.stack) & ~(SIZE_2M - 1);

	__asm__ volatile("sidt %0" : "=m"(idtr));
	idt_page = page_alloc();
	memcpy(idt_page, (void *)(uintptr_t)idtr.base, 4096);
	ept_init(&ept);
	for (uint64_t a = 0; a < 0x4000000; a += SIZE_2M)
		if (a != fine)
			ept_map(&ept, a, a, 2, EPT_RWX | EPT_WB);
	for (uint64_t a = fine; a < fine + SIZE_2M; a += 4096)
		ept_map(&ept, a, a, 1, EPT_RWX | EPT_WB);
}

int payload_main(void)
{
	conf_start();
	make_ept();
	deliveries();
	steppings();
	debugs();
	debug_controls("debug controls loaded and saved", true, true);
	debug_controls("debug controls loaded", true, false);
	debug_controls("debug controls saved", false, true);
	debug_controls("debug controls neither", false, false);
	activities();
	return 0;
}
