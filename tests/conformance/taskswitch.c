/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of task switches of L2 (SDM 25.4.2 "Treatment of Task Switches", 27.2.1 table
 * "Exit Qualification for Task Switches"): by JMP, CALL, IRET, task gates in GDT and IDT, by
 * exceptions and injected events; checks that come before the exit. The TSS stays as it is: the
 * exit comes first.
 */
#include "conf.h"

#define TASK_A    0x50
#define TASK_B    0x58
#define GATE      0x60 /* to TASK_B */
#define TSS16     0x68
#define ABSENT    0x70
#define GATE_ODD  0x78 /* a task gate that is not present */
#define SLOTS     16
#define BUSY      0x0000020000000000ull
#define PRESENT   0x0000800000000000ull
#define TASK_GATE 0x0000e50000000000ull
#define VEC_TASK  0x60
#define VEC_BAD   0x61

static uint64_t gdt[SLOTS] __attribute__((aligned(16)));
static uint64_t idt32[256] __attribute__((aligned(16)));
static uint8_t tss_a[0x68] __attribute__((aligned(128)));
static uint8_t tss_b[0x68] __attribute__((aligned(128)));
static struct ept ept;

#define CODE32(name, text) \
	void name(void);   \
	__asm__(".text\n.code32\n" #name ":\n\t" text "\n\tmov $1, %eax\n\tvmcall\n.code64\n")

CODE32(t_jmp, "nop\n\tljmpl $0x58, $0");
CODE32(t_call, "nop\n\tlcall $0x58, $0");
CODE32(t_call16, "nop\n\tlcall $0x68, $0");
CODE32(t_jmp_gate, "ljmpl $0x60, $0");
CODE32(t_call_gate, "lcall $0x60, $0");
CODE32(t_call_memory, "pushl $0x58\n\tpushl $0\n\tlcall *(%esp)");
CODE32(t_call_self, "lcall $0x50, $0");
CODE32(t_call_absent, "lcall $0x70, $0");
CODE32(t_call_odd, "lcall $0x78, $0");
CODE32(t_int, "int $0x60");
CODE32(t_int_bad, "int $0x61");
CODE32(t_int3, "int3");
CODE32(t_into, "movb $0x7f, %al\n\taddb $1, %al\n\tinto");
CODE32(t_icebp, ".byte 0xf1");
CODE32(t_ud, "ud2");
CODE32(t_gp, "mov $0xfff8, %eax\n\tmov %eax, %ds");
CODE32(t_tf, "pushfl\n\torl $0x100, (%esp)\n\tpopfl\n\tnop\n\tnop");
CODE32(t_iret, "pushfl\n\torl $0x4000, (%esp)\n\tpopfl\n\tiretl");
CODE32(t_none, "nop");

static uint64_t tss_descriptor(const void *tss, uint64_t type)
{
	uint64_t a = address_of(tss);

	return 0x67ull | type << 40 | (a & 0xffffff) << 16 | (a & 0xff000000) << 32;
}

static void make_tables(void)
{
	uint32_t link = TASK_B;

	memset(gdt, 0, sizeof(gdt));
	memcpy(gdt, rt_gdt, TASK_A);
	gdt[TASK_A / 8] = tss_descriptor(tss_a, 0x8b);
	gdt[TASK_B / 8] = tss_descriptor(tss_b, 0x89);
	gdt[GATE / 8] = TASK_GATE | (uint64_t)TASK_B << 16;
	gdt[TSS16 / 8] = tss_descriptor(tss_b, 0x81);
	gdt[ABSENT / 8] = tss_descriptor(tss_b, 0x09);
	gdt[GATE_ODD / 8] = (TASK_GATE & ~PRESENT) | (uint64_t)TASK_B << 16;
	memcpy(tss_a, &link, sizeof(link));
	for (unsigned i = 0; i < 256; i++)
		idt32[i] = TASK_GATE | (uint64_t)TASK_B << 16;
	idt32[VEC_BAD] = TASK_GATE | (uint64_t)ABSENT << 16;
}

static void begin(void (*code)(void))
{
	make_tables();
	l2_restart(&conf_l2, code);
	conf_handler = conf_default_handler;
	conf_base = vmread(VMCS_GUEST_RIP);
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
	l2_protected_mode();
	vmwrite(VMCS_GUEST_GDTR_BASE, address_of(gdt));
	vmwrite(VMCS_GUEST_GDTR_LIMIT, sizeof(gdt) - 1);
	vmwrite(VMCS_GUEST_TR_SELECTOR, TASK_A);
	vmwrite(VMCS_GUEST_TR_BASE, address_of(tss_a));
	vmwrite(VMCS_GUEST_IDTR_BASE, address_of(idt32));
	vmwrite(VMCS_GUEST_IDTR_LIMIT, sizeof(idt32) - 1);
}

/* Instruction length is defined for task switches by instructions, and by software events. */
static bool length_defined(void)
{
	uint64_t source = vmread(VMCS_EXIT_QUALIFICATION) >> 30 & 3;
	uint32_t vectoring = (uint32_t)vmread(VMCS_IDT_VECTORING_INFO);

	return source != 3 ||
	       (vectoring & INTR_INFO_VALID && INTR_INFO_TYPE(vectoring) >= INTR_SW_INTERRUPT);
}

static void run(const char *name)
{
	conf_state_save();
	conf_run(name);
	if (vmread(VMCS_EXIT_REASON) != EXIT_TASK_SWITCH)
		return;
	if (length_defined())
		print("%s: length %lu\n", name, vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	conf_state_diff(name);
}

static void p_none(void)
{
}

static void p_busy(void)
{
	gdt[TASK_B / 8] |= BUSY;
}

/* #GP, #TS and #NP end L2 before their own task gate would. */
static void p_faults(void)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_TS) | BIT(VEC_NP));
}

static void p_busy_faults(void)
{
	p_busy();
	p_faults();
}

static void p_short_gdt(void)
{
	p_faults();
	vmwrite(VMCS_GUEST_GDTR_LIMIT, TASK_B - 1);
}

static void p_sti_shadow(void)
{
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
}

static const struct conf_case cases[] = {
	{"jmp", t_jmp, p_none},
	{"call", t_call, p_none},
	{"call to 16-bit TSS", t_call16, p_none},
	{"call through memory", t_call_memory, p_none},
	{"jmp to gate", t_jmp_gate, p_none},
	{"call to gate", t_call_gate, p_none},
	{"call, in STI shadow", t_call_gate, p_sti_shadow},
	{"int n", t_int, p_none},
	{"int3", t_int3, p_none},
	{"into", t_into, p_none},
	{"int1", t_icebp, p_none},
	{"#UD", t_ud, p_none},
	{"#GP", t_gp, p_none},
	{"single step", t_tf, p_none},
	{"iret", t_iret, p_busy},
	{"iret to a task that is not busy", t_iret, p_faults},
	{"call to a busy task", t_call, p_busy_faults},
	{"call to itself", t_call_self, p_faults},
	{"call to an absent TSS", t_call_absent, p_faults},
	{"call to an absent gate", t_call_odd, p_faults},
	{"int n to an absent TSS", t_int_bad, p_faults},
	{"call beyond the GDT", t_call, p_short_gdt},
};

static void inject(const char *name, uint32_t info, uint32_t error, uint32_t length)
{
	begin(t_none);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_INFO_VALID);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error);
	vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, length);
	run(name);
}

static void injections(void)
{
	inject("injected interrupt", 0x50, 0, 0);
	inject("injected NMI", INTR_NMI << 8 | VEC_NMI, 0, 0);
	inject("injected #UD", INTR_HW_EXCEPTION << 8 | VEC_UD, 0, 0);
	inject("injected #GP", INTR_HW_EXCEPTION << 8 | VEC_GP | INTR_INFO_ERROR_CODE, 0x50, 0);
	inject("injected int n", INTR_SW_INTERRUPT << 8 | VEC_TASK, 0, 2);
	inject("injected int3", INTR_SW_EXCEPTION << 8 | VEC_BP, 0, 1);
	inject("injected int1", INTR_PRIV_SW_EXCEPTION << 8 | VEC_DB, 0, 1);
}

int payload_main(void)
{
	conf_start();
	ept_init(&ept);
	ept_identity(&ept, 0x4000000, 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(cases[i].code);
		cases[i].prepare();
		run(cases[i].name);
	}
	injections();
	return 0;
}
