/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug exceptions that nobody but L0 intercepts, in L1 and in L2 without and with exits:
 * single steps, breakpoints, MOV DR under DR7.GD, INT1, blocking by STI and MOV SS.
 */
#include "conf.h"

#define RECORDS   16
#define DR7_GD    BIT64(13)
#define DR7_WATCH 0x000d0402ull /* DR0: 4 bytes, written */
#define DR7_CODE  0x00000402ull

static uint64_t watched __attribute__((used, aligned(8)));
static uint64_t ss_operand __attribute__((used)) = 0x10;

#define TF_ON  "pushf\n\torl $0x100,(%rsp)\n\tpopf\n\t"
#define TF_OFF "\n\tpushf\n\tandl $~0x100,(%rsp)\n\tpopf"

L2_CODE(d_step, TF_ON "nop\n\tnop" TF_OFF);
L2_CODE(d_step_int, TF_ON "int $0x80\n\tnop" TF_OFF);
L2_CODE(d_step_sti, TF_ON "sti\n\tnop\n\tcli" TF_OFF);
L2_CODE(d_step_mov_ss, TF_ON "mov ss_operand,%ss\n\tnop\n\tnop" TF_OFF);
L2_CODE(d_step_fault, TF_ON "ud2\n\tnop" TF_OFF);
L2_CODE(d_step_branch, TF_ON "jmp 1f\n\tnop\n1:\tnop" TF_OFF);
L2_CODE(d_write, "movl $1,watched\n\tnop\n\tnop");
L2_CODE(d_write_step, TF_ON "movl $1,watched\n\tnop" TF_OFF);
L2_CODE(d_read_ss, "mov ss_operand,%ss\n\tnop\n\tnop");
L2_CODE(d_strings, "mov $watched-8,%edi\n\tmov $4,%ecx\n\trep stosl\n\tnop");
L2_CODE(d_code, "nop\n\tnop\n\tnop");
L2_CODE(d_general, "mov %dr0,%rax\n\tnop");
L2_CODE(d_int1, ".byte 0xf1\n\tnop");
L2_CODE(d_int1_step, TF_ON ".byte 0xf1\n\tnop" TF_OFF);
struct debug_case {
	const char *name;
	void (*code)(void);
	uint64_t dr0, dr7;
};

static struct {
	uint8_t vector;
	uint64_t rip, dr6, dr7, rflags;
} seen[RECORDS];
static unsigned count;
static uint64_t start;

static uint64_t read_dr6(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

static uint64_t read_dr7(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr7, %0" : "=r"(v));
	return v;
}

static void write_dr7(uint64_t v)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(v));
}

static bool record(struct trap_frame *f)
{
	if (f->vector != 1 && f->vector != 6 && f->vector != 0x80)
		return false;
	if (count < RECORDS) {
		seen[count].vector = (uint8_t)f->vector;
		seen[count].rip = f->rip - start;
		seen[count].dr7 = read_dr7();
		seen[count].dr6 = read_dr6();
		seen[count].rflags = f->rflags & (RFLAGS_TF | RFLAGS_RF | RFLAGS_IF);
	}
	count++;
	if (f->vector == 6)
		f->rip += 2;
	else if (f->vector == 1)
		f->rflags |= RFLAGS_RF;
	return true;
}

static void begin(const struct debug_case *c)
{
	start = address_of((void *)(uintptr_t)c->code);
	count = 0;
	trap_hook = record;
	__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
	__asm__ volatile("mov %0, %%dr0" : : "r"(c->code == d_code ? start + 1 : c->dr0));
	__asm__ volatile("mov %0, %%dr1" : : "r"(address_of(&watched)));
}

static void show(const char *where, const struct debug_case *c)
{
	trap_hook = NULL;
	print("%s in %s: %u times, dr6 %lx\n", c->name, where, count, read_dr6());
	for (unsigned i = 0; i < count && i < RECORDS; i++)
		print("   vector %d at +%lx, dr6 %lx dr7 %lx flags %lx\n", (int)seen[i].vector,
			seen[i].rip, seen[i].dr6, seen[i].dr7, seen[i].rflags);
}

static void in_l1(const struct debug_case *c)
{
	begin(c);
	write_dr7(c->dr7);
	__asm__ volatile(
		"call *%0"
		:
		: "r"(c->code)
		: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
	write_dr7(0x400);
	show("L1", c);
}

static unsigned exits;

/* Of an intercepted #DB nothing has happened: L1 lets L2 go on. */
static bool go_on(uint32_t reason)
{
	uint32_t info = (uint32_t)vmread(VMCS_EXIT_INTR_INFO);

	if (++exits > RECORDS)
		return false;
	if (reason != EXIT_EXCEPTION_NMI)
		return reason == EXIT_MTF || conf_default_handler(reason);
	print("   dr6 %lx dr7 %lx pending %lx blocking %lx\n", read_dr6(),
		vmread(VMCS_GUEST_DR7), vmread(VMCS_GUEST_PENDING_DBG),
		vmread(VMCS_GUEST_INTERRUPTIBILITY));
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
	vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
	if ((info & 0x700) == INTR_PRIV_SW_EXCEPTION << 8)
		vmwrite(VMCS_GUEST_RIP,
			vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	return true;
}

static void in_l2(const struct debug_case *c, const char *where, uint32_t exceptions, bool mtf)
{
	l2_restart(&conf_l2, c->code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = go_on;
	exits = 0;
	begin(c);
	vmwrite(VMCS_EXCEPTION_BITMAP, exceptions);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_SAVE_DEBUG);
	if (mtf)
		ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
	vmwrite(VMCS_GUEST_DR7, c->dr7);
	conf_run(c->name);
	print("   guest dr7 %lx\n", vmread(VMCS_GUEST_DR7));
	show(where, c);
}

int payload_main(void)
{
	const struct debug_case cases[] = {
		{"step", d_step, 0, 0x400},
		{"step INT", d_step_int, 0, 0x400},
		{"step STI", d_step_sti, 0, 0x400},
		{"step MOV SS", d_step_mov_ss, 0, 0x400},
		{"step a fault", d_step_fault, 0, 0x400},
		{"step a branch", d_step_branch, 0, 0x400},
		{"write", d_write, address_of(&watched), DR7_WATCH},
		{"step a write", d_write_step, address_of(&watched), DR7_WATCH},
		{"MOV SS", d_read_ss, address_of(&ss_operand), 0x000f0402},
		{"strings", d_strings, address_of(&watched), DR7_WATCH},
		{"code", d_code, 0, DR7_CODE},
		{"general detect", d_general, 0, 0x400 | DR7_GD},
		{"INT1", d_int1, 0, 0x400},
		{"step INT1", d_int1_step, 0, 0x400},
	};

	conf_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		in_l1(&cases[i]);
		in_l2(&cases[i], "L2", 0, false);
		in_l2(&cases[i], "L2 with MTF", 0, true);
		in_l2(&cases[i], "L2 with exits", BIT(VEC_DB), false);
	}
	return 0;
}
