/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of virtual interrupts (SDM 29.1, 29.2, 29.6): delivery at VM entry, behind STI
 * and in the HLT state, TPR, EOI and self-IPI virtualization, the interrupt status after exits,
 * posted interrupts.
 */
#include "apic.h"
#include "vapic.h"

#define NV 0xf2u

#define EXTERNAL(vector) (INTR_INFO_VALID | INTR_EXTERNAL << 8 | (vector))

enum how {
	NO_EOI = 1,           /* the handlers in L2 write no EOI */
	EPT = 2,              /* L2 on a fresh EPT */
	MSRS = 32,            /* x2APIC mode */
	NO_VIRR = 64,         /* RVI has no request in VIRR behind it */
	INJECTED = 256,       /* L1 injects an external interrupt, 0x44 */
	TIMER_ZERO = 512,     /* L1's preemption timer ends L2 at once */
	EXTERNAL_EXITS = 1024 /* L1's own interrupts end L2 */
};

struct icase {
	const char *name;
	void (*code)(void);
	uint8_t rvi, other, svi; /* requested: rvi and other; in service: svi */
	uint8_t tpr;
	bool interrupts; /* RFLAGS.IF */
	uint32_t blocking, activity, proc;
	uint8_t eoi_exit; /* a vector of the EOI-exit bitmap */
	unsigned how;
};

L2_CODE(i_nop, "nop\n\tnop\n\tmov $0x33, %eax\n\tcli");
L2_CODE(i_sti, "nop\n\tsti\n\tnop\n\tnop\n\tmov $0x34, %eax\n\tcli");
/* STI and CLI: the emulator asks what is masked when RFLAGS.IF changes, not at VM entry. */
L2_CODE(i_waits, "sti\n\tcli\n\tnop\n\tnop\n\tmov $0x35, %eax\n\tsti\n\tnop\n\tnop\n\tcli");
/* The same, and 0x61 for L1 by L1's own local APIC, which L2 reaches. */
L2_CODE(i_asks,
	"sti\n\tcli\n\tmov $0xfee00300, %edx\n\tmovl $0x40061, (%rdx)\n\tnop\n\tnop\n\tmov $0x36, "
	"%eax\n\tsti\n\tnop\n\tnop\n\tcli");
L2_CODE(i_tpr, "nop\n\tmovl $0x30, 0x600080\n\tnop\n\tcli\n\tmov 0x600080, %eax");
L2_CODE(i_cr8, "nop\n\tmov $3, %eax\n\tmov %rax, %cr8\n\tnop\n\tcli\n\tmov %cr8, %rax");
L2_CODE(i_raise,
	"movl $0x90, 0x600080\n\tsti\n\tnop\n\tnop\n\tmovl $0, 0x600080\n\tnop\n\tcli");
L2_CODE(i_eoi, "nop\n\tmovl $0, 0x6000b0\n\tnop\n\tnop\n\tcli");
L2_CODE(i_eoi2, "movl $0, 0x6000b0\n\tnop\n\tmovl $0, 0x6000b0\n\tnop\n\tcli");
L2_CODE(i_self, "nop\n\tmovl $0x40061, 0x600300\n\tnop\n\tcli");
L2_CODE(i_self_two,
	"movl $0x40061, 0x600300\n\tmovl $0x40071, 0x600300\n\tsti\n\tnop\n\tnop\n\tcli");
L2_CODE(i_self_low, "movl $0x4000f, 0x600300\n\tnop\n\tcli");
L2_CODE(i_self_level, "movl $0x48061, 0x600300\n\tnop\n\tcli");
L2_CODE(i_self_nmi, "movl $0x40400, 0x600300\n\tnop\n\tcli");
L2_CODE(i_other, "movl $0x80061, 0x600300\n\tnop\n\tcli");
L2_CODE(i_cpuid, "nop\n\tcpuid\n\tsti\n\tnop\n\tcpuid\n\tcli");
L2_CODE(i_mov_ss, "mov %ss, %ecx\n\tsti\n\tmov %ecx, %ss\n\tnop\n\tnop\n\tcli");
L2_CODE(m_tpr,
	"mov $0x808, %ecx\n\tmov $0x30, %eax\n\txor %edx, %edx\n\twrmsr\n\tnop\n\tcli\n\trdmsr");
L2_CODE(m_eoi, "mov $0x80b, %ecx\n\txor %eax, %eax\n\txor %edx, %edx\n\twrmsr\n\tnop\n\tcli");
L2_CODE(m_self, "mov $0x83f, %ecx\n\tmov $0x61, %eax\n\txor %edx, %edx\n\twrmsr\n\tnop\n\tcli");
L2_CODE(m_self_low,
	"mov $0x83f, %ecx\n\tmov $0xf, %eax\n\txor %edx, %edx\n\twrmsr\n\tnop\n\tcli");

static const struct icase cases[] = {
	{"entry", i_nop, .rvi = 0x51, .interrupts = true},
	{"entry, no EOI", i_nop, .rvi = 0x51, .interrupts = true, .how = NO_EOI},
	{"entry, two", i_nop, .rvi = 0x71, .other = 0x51, .interrupts = true},
	{"entry, two of a class", i_nop, .rvi = 0x75, .other = 0x71, .interrupts = true},
	{"entry, two, no EOI", i_nop, .rvi = 0x71, .other = 0x51, .interrupts = true,
		.how = NO_EOI},
	{"entry, no request", i_nop, .rvi = 0x71, .interrupts = true, .how = NO_VIRR},
	{"entry, below TPR", i_nop, .rvi = 0x51, .tpr = 0x50, .interrupts = true},
	{"entry, above TPR", i_nop, .rvi = 0x51, .tpr = 0x4f, .interrupts = true},
	{"entry, below SVI", i_nop, .rvi = 0x51, .svi = 0x55, .interrupts = true},
	{"entry, above SVI", i_nop, .rvi = 0x61, .svi = 0x55, .interrupts = true},
	{"entry, low vector", i_nop, .rvi = 0x0f, .interrupts = true},
	{"sti", i_sti, .rvi = 0x51},
	{"STI blocking", i_nop, .rvi = 0x51, .interrupts = true,
		.blocking = INTERRUPTIBILITY_STI},
	{"MOV SS blocking", i_nop, .rvi = 0x51, .interrupts = true,
		.blocking = INTERRUPTIBILITY_MOV_SS},
	{"mov ss", i_mov_ss, .rvi = 0x51},
	{"TPR lowered", i_tpr, .rvi = 0x51, .tpr = 0x60, .interrupts = true},
	{"TPR lowered by CR8", i_cr8, .rvi = 0x51, .tpr = 0x60, .interrupts = true},
	{"TPR raised", i_raise, .rvi = 0x51},
	{"EOI", i_eoi, .svi = 0x51},
	{"EOI of nothing", i_eoi, .svi = 0},
	{"EOI lets another in", i_eoi, .rvi = 0x52, .svi = 0x51, .interrupts = true},
	{"EOI exits", i_eoi, .svi = 0x51, .eoi_exit = 0x51},
	{"EOI exits, and lets another in", i_eoi, .rvi = 0x52, .svi = 0x51, .interrupts = true,
		.eoi_exit = 0x51},
	{"EOI of another", i_eoi, .svi = 0x51, .eoi_exit = 0x52},
	{"EOI in the handler exits", i_nop, .rvi = 0x51, .interrupts = true, .eoi_exit = 0x51},
	{"EOI twice", i_eoi2, .rvi = 0x51, .svi = 0x61, .eoi_exit = 0xf1},
	{"self-IPI", i_self, .interrupts = true},
	{"self-IPI, IF clear", i_self, .svi = 0},
	{"self-IPI below TPR", i_self, .tpr = 0x70, .interrupts = true},
	{"self-IPI below RVI", i_self, .rvi = 0x71},
	{"self-IPI, two", i_self_two, .svi = 0},
	{"self-IPI, low vector", i_self_low, .interrupts = true},
	{"self-IPI, level", i_self_level, .interrupts = true},
	{"self-IPI, NMI", i_self_nmi, .interrupts = true},
	{"IPI to all", i_other, .interrupts = true},
	{"window", i_nop, .rvi = 0x51, .interrupts = true, .proc = PROC_INTR_WINDOW},
	{"window, sti", i_sti, .rvi = 0x51, .proc = PROC_INTR_WINDOW},
	{"injection, then the virtual one", i_nop, .rvi = 0x51, .interrupts = true,
		.how = INJECTED},
	{"timer zero", i_nop, .rvi = 0x51, .how = TIMER_ZERO},
	{"waits for IF, an external one does not", i_asks, .rvi = 0x51, .how = EXTERNAL_EXITS},
	{"waits for IF and EOI, an external one does not", i_asks, .rvi = 0x41, .svi = 0x51,
		.how = EXTERNAL_EXITS},
	{"status at exits", i_cpuid, .rvi = 0x51, .svi = 0x41, .how = NO_EOI},
	{"EPT", i_nop, .rvi = 0x51, .interrupts = true, .how = EPT},
	{"EPT, sti", i_sti, .rvi = 0x71, .other = 0x51, .how = EPT},
	{"EPT, EOI exits", i_eoi, .svi = 0x51, .eoi_exit = 0x51, .how = EPT},
	{"x2APIC: TPR lowered", m_tpr, .rvi = 0x51, .tpr = 0x60, .interrupts = true,
		.how = MSRS},
	{"x2APIC: EOI", m_eoi, .rvi = 0x52, .svi = 0x51, .interrupts = true, .how = MSRS},
	{"x2APIC: EOI exits", m_eoi, .svi = 0x51, .eoi_exit = 0x51, .how = MSRS},
	{"x2APIC: self-IPI", m_self, .interrupts = true, .how = MSRS},
	{"x2APIC: self-IPI, low vector", m_self_low, .interrupts = true, .how = MSRS},
};

/* ---- what L2 saw ---- */

static const struct icase *now;
static uint8_t seen[16];
static uint64_t seen_at[16];
static unsigned seen_count;
static struct ept ept;

static void l2_eoi(void)
{
	if (now->how & MSRS)
		wrmsr(MSR_X2APIC_EOI, 0);
	else
		*(volatile uint32_t *)(uintptr_t)(ACCESS_PAGE + APIC_EOI) = 0;
}

/* In L2. */
static bool record(struct trap_frame *f)
{
	if (seen_count < sizeof(seen)) {
		seen_at[seen_count] = f->rip - conf_base;
		seen[seen_count++] = (uint8_t)f->vector;
	}
	if (f->vector < 16 || seen_count == sizeof(seen))
		f->rip = address_of((void *)(uintptr_t)l2_done);
	else if (!(now->how & NO_EOI))
		l2_eoi();
	return true;
}

static void print_seen(const char *name, bool where)
{
	print("%s: L2 saw", name);
	for (unsigned i = 0; i < seen_count; i++) {
		print(" %x", seen[i]);
		if (where)
			print("@%lx", seen_at[i]);
	}
	print("\n");
}

/* ---- cases ---- */

/* L1 takes what is pending in its local APIC, one vector at a time. */
static void drain(void)
{
	trap_hook = NULL;
	for (unsigned i = 0; i < 4; i++) {
		__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
		apic_eoi();
	}
}

static bool handle(uint32_t reason)
{
	print("%s: status at exit %lx\n", now->name, vmread(VMCS_GUEST_INTR_STATUS));
	switch (reason) {
	case EXIT_VIRTUALIZED_EOI:
	case EXIT_APIC_WRITE:
		return true;
	case EXIT_INTERRUPT_WINDOW:
		ctl_clear(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
		return true;
	case EXIT_PREEMPTION_TIMER:
		ctl_clear(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_IF);
		return true;
	case EXIT_EXTERNAL_INTERRUPT:
		drain();
		trap_hook = record;
		return true;
	default:
		return conf_default_handler(reason);
	}
}

static void prepare_ept(void)
{
	ept_init(&ept);
	for (uint64_t a = 0; a < 0x1000000; a += 4096)
		ept_map(&ept, a, a, 1, EPT_RWX | EPT_WB);
	ept_use(&ept);
}

static void prepare(const struct icase *c)
{
	uint32_t mode = c->how & MSRS ? X2APIC : ACCESSES;

	now = c;
	l2_restart(&conf_l2, c->code);
	conf_base = vmread(VMCS_GUEST_RIP);
	memset(vapic, 0, sizeof(vapic));
	vapic_controls(mode | REGISTERS | DELIVERY, true);
	*vreg(APIC_TPR) = c->tpr;
	if (c->rvi && !(c->how & NO_VIRR))
		vapic_set(APIC_IRR, c->rvi);
	if (c->other)
		vapic_set(APIC_IRR, c->other);
	if (c->svi)
		vapic_set(APIC_ISR, c->svi);
	if (c->eoi_exit)
		vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2u * (c->eoi_exit / 64),
			1ull << c->eoi_exit % 64);
	vmwrite(VMCS_GUEST_INTR_STATUS, (uint64_t)c->svi << 8 | c->rvi);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | (c->interrupts ? RFLAGS_IF : 0));
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, c->blocking);
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, c->activity);
	ctl_set(VMCS_PROC_CONTROLS, c->proc);
	if (c->how & INJECTED) {
		vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
		vmwrite(VMCS_ENTRY_INTR_INFO, EXTERNAL(0x44));
	}
	if (c->how & TIMER_ZERO) {
		ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
	}
	if (c->how & EXTERNAL_EXITS)
		ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	if (c->how & EPT)
		prepare_ept();
	seen_count = 0;
	trap_hook = record;
	conf_handler = handle;
}

/* Of all cases: what prepare() sets. */
static bool lacks(const struct icase *c)
{
	return conf_lacks(
		c->name, NEEDS(TPR_SHADOW) | NEEDS(APIC_REGISTERS) | NEEDS(VIRT_INTR) |
				 (c->how & MSRS ? NEEDS(X2APIC_MODE) : NEEDS(APIC_ACCESSES)));
}

static void finish(bool where)
{
	trap_hook = NULL;
	print_seen(now->name, where);
	vapic_print(now->name);
}

/* ---- posted interrupts ---- */

static struct {
	uint64_t pir[4];
	uint64_t control; /* ON, SN, ... */
	uint64_t rest[3];
} descriptor __attribute__((aligned(4096)));

struct pcase {
	struct icase c;
	uint8_t posted[3];
	uint64_t control;
	uint8_t pending[2]; /* in L1's local APIC */
};

static const struct pcase posted_cases[] = {
	{{"posted: one", i_nop, .interrupts = true}, {0x51}, 1, {NV}},
	{{"posted: three", i_nop, .interrupts = true}, {0x51, 0x99, 0xe1}, 1, {NV}},
	{{"posted: not outstanding", i_nop, .interrupts = true}, {0x51}, 0, {NV}},
	{{"posted: suppressed", i_nop, .interrupts = true}, {0x51}, 3, {NV}},
	{{"posted: other bits", i_nop, .interrupts = true}, {0x51}, 0x123456789abcdef1, {NV}},
	{{"posted: below RVI", i_nop, .rvi = 0x71, .interrupts = true}, {0x51}, 1, {NV}},
	{{"posted: while one waits", i_waits, .rvi = 0x71}, {0x51}, 1, {NV}},
	{{"posted: above one that waits", i_waits, .rvi = 0x41}, {0x51}, 1, {NV}},
	{{"posted: below TPR", i_nop, .tpr = 0x60, .interrupts = true}, {0x51}, 1, {NV}},
	{{"posted: below SVI", i_nop, .svi = 0x61, .interrupts = true}, {0x51}, 1, {NV}},
	{{"posted: injection first", i_nop, .interrupts = true, .how = INJECTED}, {0x51}, 1,
		{NV}},
	{{"posted: another vector", i_nop, .interrupts = true}, {0x51}, 1, {0x91}},
	{{"posted: another vector above", i_nop, .interrupts = true}, {0x51}, 1, {NV, 0xf8}},
	{{"posted: nothing pending", i_nop, .interrupts = true}, {0x51}, 1, {0}},
	{{"posted: EPT", i_nop, .interrupts = true, .how = EPT}, {0x51, 0x71}, 1, {NV}},
	{{"posted: EOI exits", i_nop, .interrupts = true, .eoi_exit = 0x51}, {0x51}, 1, {NV}},
};

static void print_lapic(const char *name)
{
	print("%s: descriptor %lx %lx %lx %lx %lx, L1's IRR", name, descriptor.pir[0],
		descriptor.pir[1], descriptor.pir[2], descriptor.pir[3], descriptor.control);
	for (unsigned i = 0; i < 8; i++)
		print(" %x", apic_read(APIC_IRR + i * 16));
	print(" ISR");
	for (unsigned i = 0; i < 8; i++)
		print(" %x", apic_read(APIC_ISR + i * 16));
	print("\n");
}

static void post(const struct pcase *p)
{
	prepare(&p->c);
	memset(&descriptor, 0, sizeof(descriptor));
	for (unsigned i = 0; i < 3; i++)
		if (p->posted[i])
			descriptor.pir[p->posted[i] / 64] |= 1ull << p->posted[i] % 64;
	descriptor.control = p->control;
	ctl_set(VMCS_PIN_CONTROLS, PIN_POSTED_INTR);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_ACK_INTR);
	vmwrite(VMCS_POSTED_INTR_NV, NV);
	vmwrite(VMCS_POSTED_INTR_DESC, address_of(&descriptor));
	for (unsigned i = 0; i < 2; i++)
		if (p->pending[i])
			self_ipi(p->pending[i]);
	conf_run(p->c.name);
	finish(false); /* Bochs delivers it one instruction late */
	print_lapic(p->c.name);
	drain();
}

int payload_main(void)
{
	conf_start();
	apic_write(APIC_SVR, SVR_ON);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (lacks(&cases[i]))
			continue;
		prepare(&cases[i]);
		conf_run(cases[i].name);
		finish(true);
	}
	for (size_t i = 0; i < sizeof(posted_cases) / sizeof(posted_cases[0]); i++)
		if (!conf_lacks(posted_cases[i].c.name, NEEDS(POSTED_INTR)))
			post(&posted_cases[i]);
	return 0;
}
