/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks for the payloads of task switches; see l1task.h.
 */
#include "l1task/l1task.h"

uint64_t gdt[SLOTS] __attribute__((aligned(16)));
uint64_t ldt[4] __attribute__((aligned(16)));
uint8_t task32[0x68] __attribute__((aligned(128)));
uint8_t task16[0x2c] __attribute__((aligned(64)));
uint8_t handler[0x68] __attribute__((aligned(128)));
uint8_t stack32[4096] __attribute__((aligned(16)));
static uint8_t stack0[4096] __attribute__((aligned(16)));
static uint8_t stack_handler[4096] __attribute__((aligned(16)));
uint64_t *idt;
static uint64_t idt_saved[256];
unsigned mode;
bool brief;
static const char *name;
uint32_t cr3_main, cr3_alt;
uint32_t *pd_main, *pd_alt;

struct seen seen;
uint32_t seen_count, skip_fault, leave_by_jmp, window_at, nmis_to_send, switch_op, back[8],
	back_flags;
void switch_by(void (*op)(void));

/*
 * One task's code, whatever its segments: all it has into `seen`, then back by IRET or by JMP.
 */
__asm__(".text\n\t.globl task_entry, v86_code, v86_code_end\n"
	"task_entry:\n\t"
	"pushfl\n\tpushal\n\tpushl %ds\n\tpushl %es\n\tpushl %fs\n\tpushl %gs\n\tpushl %ss\n\t"
	"pushl %cs\n\tcld\n\tmovl $0x23, %eax\n\tmovl %eax, %ds\n\tmovl %eax, %es\n\t"
	"movl %esp, %esi\n\tmovl %ss, %eax\n\tcmpl $0x48, %eax\n\tjne 0f\n\tmovzwl %si, %esi\n"
	"0:\tmovl $seen, %edi\n\tmovl $16, %ecx\n"
	"1:\tmovl %ss:(%esi), %eax\n\taddl $4, %esi\n\tstosl\n\tloop 1b\n\t"
	"xorl %eax, %eax\n\tstr %ax\n\tstosl\n\tsldt %ax\n\tstosl\n\t"
	"testl $3, seen\n\tjnz 2f\n\t"
	"movl %cr0, %eax\n\tstosl\n\tmovl %cr3, %eax\n\tstosl\n\tmovl %dr7, %eax\n\tstosl\n\t"
	"2:\tmovl window_at, %eax\n\ttestl %eax, %eax\n\tjz 3f\n\tmovl (%eax), %eax\n"
	"3:\tmovl %eax, seen+84\n\tincl seen_count\n\t"
	"cmpl $0, nmis_to_send\n\tjz 4f\n\tdecl nmis_to_send\n\tmovl $0, 0xfee00310\n\t"
	"movl $0x4400, 0xfee00300\n\tnop\n\tnop\n"
	"4:\tcmpl $0, skip_fault\n\tjz 6f\n\tmovl trap_resume, %eax\n\tmovl %eax, rt_tss+0x20\n"
	"6:\taddl $60, %esp\n\tcmpl $0, leave_by_jmp\n\tjne 5f\n\tiretl\n\tjmp task_entry\n"
	"5:\tljmpl $0x30, $0\n\tjmp task_entry\n"
	/* switch_by: calls op with a pattern in the registers, and keeps what comes back */
	"switch_by:\n\tpushal\n\tmovl 36(%esp), %eax\n\tmovl %eax, switch_op\n\t"
	"movl $0xa1a1a1a1, %eax\n\tmovl $0xb2b2b2b2, %ebx\n\tmovl $0xc3c3c3c3, %ecx\n\t"
	"movl $0xd4d4d4d4, %edx\n\tmovl $0xe5e5e5e5, %esi\n\tmovl $0xf6f6f6f6, %edi\n\t"
	"movl $0x17171717, %ebp\n\tcall *switch_op\n\t"
	"pushfl\n\tpopl back_flags\n\tpushl $2\n\tpopfl\n\tpushal\n\tcld\n\tmovl $0x10, %eax\n\t"
	"movl %eax, %ds\n\tmovl %eax, %es\n\tmovl %esp, %esi\n\tmovl $back, %edi\n\tmovl $8, %ecx\n\t"
	"rep movsl\n\tpopal\n\tpopal\n\tret\n"
	".code16\n"
	"v86_code:\n\tmov $0x1234, %bx\n\tpush %ds\n\tpop %cx\n\tint $0x62\n\thlt\n"
	"v86_code_end:\n.code32\n");

#define OP(name, text) \
	__asm__(".text\n\t.globl " #name "\n" #name ":\n\t" TRY_BEGIN text TRY_END "ret\n")

OP(o_call, "lcall $0x50, $0");
OP(o_call16, "lcall $0x58, $0");
OP(o_jmp, "ljmpl $0x50, $0");
OP(o_jmp16, "ljmpl $0x58, $0");
OP(o_call_gate, "lcall $0x60, $0");
OP(o_jmp_gate16, "ljmpl $0x68, $0");
OP(o_call_memory, "pushl $0x50\n\tpushl $0\n\tlcall *(%esp)\n\taddl $8, %esp\n\t");
OP(o_int, "int $0x60");
OP(o_int16, "int $0x61");
OP(o_int3, "int3");
OP(o_ud, "ud2");
OP(o_gp, "movl $0xfff8, %eax\n\tmovl %eax, %fs");
OP(o_icebp, ".byte 0xf1");
OP(o_iret, "pushfl\n\torl $0x4000, (%esp)\n\tpopfl\n\tiretl");
OP(o_call_tf, "pushfl\n\torl $0x100, (%esp)\n\tpopfl\n\tlcall $0x50, $0");
OP(o_df, "movl $0xfff8, %eax\n\tmovl %eax, %fs");
OP(o_interrupt, "movl $0x00040050, 0xfee00300\n\tsti\n\tnop\n\tnop\n\tcli");
OP(o_nmi, "movl $0, 0xfee00310\n\tmovl $0x4400, 0xfee00300\n\tnop\n\tnop");

/* ---- tables ---- */

uint64_t system_descriptor(const void *at, uint32_t limit, uint64_t type)
{
	uint64_t a = address_of(at);

	return limit | type << 40 | (a & 0xffffff) << 16 | (a & 0xff000000) << 32;
}

void put32(uint8_t *tss, unsigned at, uint32_t v)
{
	memcpy(tss + at, &v, 4);
}

static uint32_t get32(const uint8_t *tss, unsigned at)
{
	uint32_t v;

	memcpy(&v, tss + at, 4);
	return v;
}

static void make_task32(uint8_t *tss, void (*entry)(void), uint8_t *stack)
{
	memset(tss, 0, 0x68);
	put32(tss, T_ESP0, (uint32_t)address_of(stack0 + sizeof(stack0)));
	put32(tss, T_SS0, SEL_DATA);
	put32(tss, T_CR3, cr3_main);
	put32(tss, T_EIP, (uint32_t)address_of((const void *)(uintptr_t)entry));
	put32(tss, T_EFLAGS, 0x8d7); /* the arithmetic flags */
	for (unsigned i = 0; i < 8; i++)
		put32(tss, T_REGS + 4 * i, 0x01010101u * (i + 0x21));
	put32(tss, T_ESP, (uint32_t)address_of(stack));
	for (unsigned i = T_ES; i <= T_GS; i += 4)
		put32(tss, i, SEL_DATA);
	put32(tss, T_CS, SEL_CODE32);
	put32(tss, T_TRAP, 0x680000);
}

/* SP is 16 bits wide: the stack is near the top of the first 64 KiB. */
static void make_task16(void)
{
	static const uint16_t values[] = {0, 0, 0, 0, 0, 0, 0, 0, 0x8d7, 0x2121, 0x2222, 0x2323,
		0x2424, 0x7f00, 0x2626, 0x2727, 0x2828, SEL_DATA, CODE_AT, SEL_DATA16, SEL_DATA,
		0};

	memcpy(task16, values, sizeof(values));
}

static void handler_task(void);

static void make_tables(void)
{
	memcpy(gdt, rt_gdt, TASK32);
	gdt[TASK_MAIN / 8] = system_descriptor(rt_tss, 0x67, 0x8b);
	gdt[TASK32 / 8] = system_descriptor(task32, 0x67, 0x89);
	gdt[TASK16 / 8] = system_descriptor(task16, 0x2b, 0x81);
	gdt[GATE32 / 8] = TASK_GATE | (uint64_t)TASK32 << 16;
	gdt[GATE16 / 8] = TASK_GATE | (uint64_t)TASK16 << 16;
	gdt[HANDLER / 8] = system_descriptor(handler, 0x67, 0x89);
	gdt[LDT / 8] = system_descriptor(ldt, sizeof(ldt) - 1, 0x82);
	gdt[SCRATCH / 8] = 0;
	gdt[CODE_AT / 8] = (CODE32_FLAT & ~0xfull) |
			   system_descriptor((const void *)(uintptr_t)task_entry, 0xffff, 0);
	ldt[1] = DATA_FLAT & ~0x0000010000000000ull; /* not accessed yet */
	make_task32(task32, task_entry, stack32 + sizeof(stack32));
	make_task32(handler, handler_task, stack_handler + sizeof(stack_handler));
	make_task16();
	memset(rt_tss + T_EIP, 0, T_LDT - T_EIP);
	put32(rt_tss, T_CR3, cr3_main);
	put32(rt_tss, T_LINK, 0);
	memcpy(idt, idt_saved, sizeof(idt_saved));
	idt[VEC_TASK] = TASK_GATE | (uint64_t)TASK32 << 16;
	idt[VEC_TO_16] = TASK_GATE | (uint64_t)TASK16 << 16;
	idt[VEC_MAIN] = TASK_GATE | (uint64_t)TASK_MAIN << 16;
	pd_main[0] = WINDOW | 0x87;
	pd_alt[0] = WINDOW_ALT | 0x87;
	write_cr3(read_cr3());
}

/* The running code is the main task; everything else is new. */
static void reset(void)
{
	make_tables();
	gdt[TASK_MAIN / 8] &= ~BUSY;
	__asm__ volatile("lldt %w0\n\tltr %w1" : : "r"(0), "r"(TASK_MAIN) : "memory");
}

void task_gate(unsigned vector)
{
	idt[vector] = TASK_GATE | (uint64_t)TASK32 << 16;
}

/* ---- out of a task that is not what it should be ---- */

static uint16_t task_register(void)
{
	uint32_t tr = 0;

	__asm__ volatile("str %w0" : "+r"(tr));
	return (uint16_t)tr;
}

static void escape(void)
{
	put32(rt_tss, T_EIP, (uint32_t)trap_resume);
	if (gdt[TASK_MAIN / 8] & BUSY) {
		uint8_t *tss = task_register() == HANDLER ? handler : task32;

		if (task_register() == TASK16)
			tss = task16;
		*(uint16_t *)(void *)tss = TASK_MAIN;
		__asm__ volatile("pushfl\n\torl $0x4000, (%%esp)\n\tpopfl\n\tiretl"
				 :
				 :
				 : "memory");
	} else {
		__asm__ volatile("ljmpl $0x30, $0" : : : "memory");
	}
}

static uint32_t relative(uint32_t eip)
{
	return eip - (uint32_t)address_of((const void *)(uintptr_t)task_entry);
}

/* Where the main task was left. */
static uint32_t main_eip(void)
{
	return get32(rt_tss, T_EIP) - switch_op;
}

/* Exceptions in the new task, through ordinary gates. */
static bool hook(struct trap_frame *f)
{
	bool old = task_register() == TASK_MAIN;

	if (old && f->vector != VEC_DB)
		return false;
	print("%s: in task %x vector %u error %x cs %x eip %x flags %x main eip %x", name,
		task_register(), f->vector, f->error, f->cs & 0xffff, relative(f->rip),
		f->rflags, old ? 0 : main_eip());
	if (f->cs & 3 || f->rflags & FLAGS_VM)
		print(" ss %x esp %d", f->ss & 0xffff, f->rsp == get32(task32, T_ESP));
	if (f->vector == VEC_PF)
		print(" at %x", (uint32_t)read_cr2() & ~0xfffu);
	print("\n");
	if (f->rflags & FLAGS_VM)
		print("%s: v86 bx %x cx %x\n", name, f->rbx & 0xffff, f->rcx & 0xffff);
	if (f->vector == VEC_DB) {
		uint32_t dr6;

		__asm__ volatile("movl %%dr6, %0" : "=r"(dr6));
		print("%s: dr6 %x\n", name, dr6);
		__asm__ volatile("movl %0, %%dr6" : : "r"(0xffff0ff0));
		f->rflags &= ~0x100u;
		return true;
	}
	escape();
	return true;
}

/* Exceptions, through a task gate. ESP tells whether there is an error code. */
static void report_in_handler(const uint32_t *esp)
{
	bool error = (const uint8_t *)esp != stack_handler + sizeof(stack_handler);
	const uint8_t *from = get32(handler, T_LINK) == TASK32 ? task32 : rt_tss;

	print("%s: handler task, link %x error %x tr %x main eip %x\n", name,
		get32(handler, T_LINK), error ? *esp : 0xffffffff, task_register(), main_eip());
	print("%s: saved cs %x ss %x ds %x es %x fs %x gs %x flags %x eip %x\n", name,
		get32(from, T_CS), get32(from, T_SS), get32(from, T_DS), get32(from, T_ES),
		get32(from, T_FS), get32(from, T_GS), get32(from, T_EFLAGS),
		from == task32 ? relative(get32(from, T_EIP)) : 0);
	escape();
}

__attribute__((naked)) static void handler_task(void)
{
	__asm__ volatile(
		"movl %%esp, %%eax\n\tandl $-16, %%esp\n\tpushl %%eax\n\tcall %P0\n\thlt"
		:
		: "i"(report_in_handler));
}

/* ---- cases ---- */

static void print_seen(void)
{
	const struct seen *s = &seen;

	print("%s: task %x ldt %x cs %x ss %x ds %x es %x fs %x gs %x flags %x\n", name, s->tr,
		s->ldtr, s->cs & 0xffff, s->ss & 0xffff, s->ds & 0xffff, s->es & 0xffff,
		s->fs & 0xffff, s->gs & 0xffff, s->eflags);
	print("%s: eax %x ecx %x edx %x ebx %x ebp %x esi %x edi %x\n", name, s->regs[7],
		s->regs[6], s->regs[5], s->regs[4], s->regs[2], s->regs[1], s->regs[0]);
	print("%s: esp %x stack %x cr0 %x cr3 %d dr7 %x window %x\n", name,
		s->regs[3] + 4 - (s->tr == TASK32 ? (uint32_t)address_of(stack32) : 0),
		(s->tr == TASK32 ? (uint32_t)address_of(stack32 + sizeof(stack32)) - 4 : 0) ==
				s->regs[3]
			? 0
			: s->stack,
		s->cr0, s->cr3 == cr3_alt, s->dr7, s->window);
}

static void print_old(const char *what, const uint8_t *tss, void (*op)(void))
{
	print("%s: %s eip %x flags %x", name, what,
		get32(tss, T_EIP) - (uint32_t)address_of((const void *)(uintptr_t)op),
		get32(tss, T_EFLAGS));
	for (unsigned i = T_REGS; i <= T_GS; i += 4)
		if (i != T_ESP)
			print(" %x", get32(tss, i));
	print("\n");
}

static void print_links(void)
{
	print("%s: runs %u busy %d %d %d handler %d links %x %x\n", name, seen_count,
		(gdt[TASK_MAIN / 8] & BUSY) != 0, (gdt[TASK32 / 8] & BUSY) != 0,
		(gdt[TASK16 / 8] & BUSY) != 0, (gdt[HANDLER / 8] & BUSY) != 0,
		get32(task32, T_LINK), task16[0] | task16[1] << 8);
}

static void quiet_restore(void)
{
	__asm__ volatile("clts\n\tmovl %0, %%dr7" : : "r"(0x400));
}

static void restore(void)
{
	uint32_t cr0 = (uint32_t)read_cr0();

	quiet_restore();
	print("%s: back tr %x ts %d flags %x eax %x ebx %x ecx %x edx %x esi %x edi %x ebp %x\n",
		name, task_register(), (cr0 & CR0_TS) != 0, back_flags, back[7], back[4],
		back[6], back[5], back[1], back[0], back[2]);
}

void run(const char *what, void (*op)(void))
{
	char text[96];

	format_text(text, sizeof(text), "%s, %s", MODE_NAME, what);
	name = text;
	seen_count = 0;
	memset(&seen, 0, sizeof(seen));
	__asm__ volatile("movl %0, %%dr7" : : "r"(DR7_ALL));
	switch_by(op);
	if (brief)
		quiet_restore();
	else
		restore();
	if (trap.vector >= 0 && task_register() == TASK_MAIN) {
		print("%s: vector %d error %x", name, trap.vector, trap.error);
		if (trap.vector == VEC_PF)
			print(" at %x", (uint32_t)trap.cr2 & ~0xfffu);
		print("\n");
	}
	if (seen_count != 0)
		print_seen();
	if (!brief)
		print_old("old task", rt_tss, op);
	print_links();
	leave_by_jmp = 0;
	nmis_to_send = 0;
	skip_fault = 0;
	reset();
}

/* ---- modes ---- */

static void set_mode(unsigned m)
{
	uint32_t cr0 = (uint32_t)read_cr0() & ~(uint32_t)CR0_PG;
	uint32_t cr4 = (uint32_t)read_cr4() & ~(uint32_t)CR4_PAE;

	mode = m;
	write_cr0(cr0);
	write_cr4(m == 2 ? cr4 | CR4_PAE : cr4);
	write_cr3(cr3_main);
	if (m != 0)
		write_cr0(cr0 | CR0_PG);
}

static uint32_t *alt32(void)
{
	uint32_t *pd = page_alloc();

	memcpy(pd, boot_pd32, 4096);
	cr3_alt = (uint32_t)address_of(pd);
	return &pd[WINDOW >> 22];
}

static uint32_t *alt_pae(void)
{
	uint64_t *pdpt = page_alloc(), *pd = page_alloc();

	memcpy(pdpt, boot_pdpt32, 32);
	memcpy(pd, (const void *)(uintptr_t)(boot_pdpt32[0] & ~0xfffull), 4096);
	pdpt[0] = address_of(pd) | 1;
	cr3_alt = (uint32_t)address_of(pdpt);
	return (uint32_t *)(void *)&pd[WINDOW >> 21];
}

static void choose_tables(unsigned m)
{
	if (m == 2) {
		uint64_t *pd = (uint64_t *)(uintptr_t)(boot_pdpt32[0] & ~0xfffull);

		cr3_main = (uint32_t)address_of(boot_pdpt32);
		pd_main = (uint32_t *)(void *)&pd[WINDOW >> 21];
		pd_alt = alt_pae();
	} else {
		cr3_main = (uint32_t)address_of(boot_pd32);
		pd_main = &boot_pd32[WINDOW >> 22];
		pd_alt = alt32();
	}
}

void in_all_modes(void (*cases)(void))
{
	struct table_pointer idtr, gdtr = {sizeof(gdt) - 1, (uintptr_t)gdt};

	__asm__ volatile("sidt %0" : "=m"(idtr));
	idt = (uint64_t *)idtr.base;
	memcpy(idt_saved, idt, sizeof(idt_saved));
	*(volatile uint32_t *)WINDOW = 0x11111111;
	*(volatile uint32_t *)WINDOW_ALT = 0x22222222;
	trap_hook = hook;
	for (unsigned m = 0; m < 3; m++) {
		choose_tables(m);
		set_mode(m);
		make_tables();
		__asm__ volatile("lgdt %0" : : "m"(gdtr));
		reset();
		cases();
	}
}
