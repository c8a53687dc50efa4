/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU did and where it is, for whoever wonders why a guest ended or hangs.
 *
 * Addresses of L1's code are written as @ and hexadecimal digits: the host tool, which has the
 * image, puts the symbol behind them. Owns how often a VM has been reported on.
 */
#include "vm/vm_int.h"

#include <stdarg.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "lib/fmt.h"
#include "vmx/asm.h"

#define DUMPS_MAX   (2 * DEV_MAX_VCPUS) /* for each VM, over all its lives */
#define CODE_BYTES  16
#define STACK_WORDS 8
#define LINE_SIZE   640
#define A_LINE      4 /* exits */

static uint32_t dumps[VM_MAX];

static void __attribute__((format(printf, 2, 3)))
say(const struct vcpu *vcpu, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	fmt_v(line, sizeof(line), format, args);
	va_end(args);
	if (l0_config()->mux)
		mux_record(
			"dump vm=%s vcpu=%u text=%s", vcpu->vm->config.name, vcpu->index, line);
	else
		log_error("%s vcpu %u: %s", vcpu->vm->config.name, vcpu->index, line);
}

/* What marks an address that symbols of L1's image may belong to. */
static const char *mark(bool l1)
{
	return l1 ? "@" : "0x";
}

static const char *mode(void)
{
	uint64_t cr0 = vmread(VMCS_GUEST_CR0);
	uint32_t cs = vmread32(VMCS_GUEST_CS_AR);

	if (!(cr0 & CR0_PE))
		return "real mode";
	if (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_VM)
		return "virtual-8086 mode";
	if (vmread(VMCS_GUEST_EFER) & EFER_LMA)
		return cs & SEG_AR_L ? "64-bit mode" : "compatibility mode";
	if (cr0 & CR0_PG)
		return cs & SEG_AR_DB ? "32-bit mode with paging" : "16-bit mode with paging";
	return cs & SEG_AR_DB ? "32-bit mode without paging" : "16-bit mode without paging";
}

static void dump_place(const struct vcpu *vcpu)
{
	uint32_t reason = vmread32(VMCS_EXIT_REASON);
	bool l1 = !vcpu->nested.in_l2;

	say(vcpu, "in L%u, %s, CPL %u, rip %s%lx", l1 ? 1 : 2, mode(),
		(unsigned)SEG_AR_DPL(vmread32(VMCS_GUEST_SS_AR)), mark(l1),
		vmread(VMCS_GUEST_RIP));
	say(vcpu,
		"%s: reason %u (%s), qualification 0x%lx, interruption 0x%lx, vectoring 0x%lx",
		(reason & 0xffff) == EXIT_TRIPLE_FAULT ? "the triple fault began here"
						       : "last exit",
		reason & 0xffff, exit_reason_name(reason & 0xffff),
		vmread(VMCS_EXIT_QUALIFICATION), vmread(VMCS_EXIT_INTR_INFO),
		vmread(VMCS_IDT_VECTORING_INFO));
}

static const char *halted(const struct vcpu *vcpu)
{
	int vector = platform_irq_pending(vcpu->vm->platform, vcpu->index);

	if (!(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF))
		return "waits in HLT, with interrupts disabled: for an NMI or INIT";
	return vector < 0 ? "waits in HLT for an interrupt, and none is pending"
			  : "waits in HLT, and an interrupt is pending";
}

static const char *state(const struct vcpu *vcpu)
{
	switch (vcpu->state) {
	case VCPU_HALTED:
		return halted(vcpu);
	case VCPU_WAIT_SIPI:
		return "waits for a start-up IPI";
	case VCPU_STARVED:
		return vcpu->slow_until != 0 ? "waits, since its VM locks the bus too often"
					     : "waits for memory, which other VMs have";
	default:
		return "runs, waits for nothing";
	}
}

static void dump_waits(const struct vcpu *vcpu)
{
	int vector = platform_irq_pending(vcpu->vm->platform, vcpu->index);
	uint64_t now = rdtsc();

	say(vcpu, "%s; activity %u, blocking 0x%x, events 0x%x%s%s", state(vcpu),
		vmread32(VMCS_GUEST_ACTIVITY_STATE), vmread32(VMCS_GUEST_INTERRUPTIBILITY),
		vcpu->events, vcpu->nmi_waits ? ", an NMI is blocked" : "",
		vcpu->init_latched ? ", an INIT is latched" : "");
	if (vector >= 0)
		say(vcpu, "the pending interrupt has vector 0x%x", (unsigned)vector);
	if (vcpu->deadline == DEV_NEVER)
		say(vcpu, "no timer is armed");
	else
		say(vcpu, "the next timer is due in %lu ticks",
			vcpu->deadline > now ? vcpu->deadline - now : 0);
}

static void dump_registers(const struct vcpu *vcpu)
{
	const uint64_t *r = vcpu->regs.r;

	say(vcpu, "rax %016lx rbx %016lx rcx %016lx rdx %016lx", r[REG_RAX], r[REG_RBX],
		r[REG_RCX], r[REG_RDX]);
	say(vcpu, "rsi %016lx rdi %016lx rbp %016lx rsp %016lx", r[REG_RSI], r[REG_RDI],
		r[REG_RBP], vmread(VMCS_GUEST_RSP));
	say(vcpu, "r8  %016lx r9  %016lx r10 %016lx r11 %016lx", r[8], r[9], r[10], r[11]);
	say(vcpu, "r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r[12], r[13], r[14], r[15]);
	say(vcpu, "rflags %lx cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx",
		vmread(VMCS_GUEST_RFLAGS), vmread(VMCS_GUEST_CR0), read_cr2(),
		vmread(VMCS_GUEST_CR3), vmread(VMCS_GUEST_CR4), vmread(VMCS_GUEST_EFER));
	say(vcpu, "cs %lx base %lx ar %lx ss %lx ar %lx ds %lx tr %lx ar %lx",
		vmread(VMCS_GUEST_CS_SELECTOR), vmread(VMCS_GUEST_CS_BASE),
		vmread(VMCS_GUEST_CS_AR), vmread(VMCS_GUEST_SS_SELECTOR),
		vmread(VMCS_GUEST_SS_AR), vmread(VMCS_GUEST_DS_SELECTOR),
		vmread(VMCS_GUEST_TR_SELECTOR), vmread(VMCS_GUEST_TR_AR));
	say(vcpu, "gdt %lx limit %lx idt %lx limit %lx", vmread(VMCS_GUEST_GDTR_BASE),
		vmread(VMCS_GUEST_GDTR_LIMIT), vmread(VMCS_GUEST_IDTR_BASE),
		vmread(VMCS_GUEST_IDTR_LIMIT));
}

/* Memory as the guest's supervisor sees it. Its accessed flags do not matter any more. */
static bool read_memory(struct vcpu *vcpu, uint64_t linear, void *dst, uint32_t size)
{
	struct paging_state s = vcpu_paging_state(vcpu);
	struct paging_fault fault;

	if (!(s.efer & EFER_LMA))
		linear = (uint32_t)linear;
	else if (!canonical_with(linear, s.cr4 & CR4_LA57))
		return false;
	s.cr4 &= ~(uint64_t)(CR4_SMAP | CR4_PKE);
	return paging_read(&vcpu->nested, &s, linear, dst, size, &fault);
}

static uint64_t linear(uint64_t base, uint64_t offset)
{
	return vcpu_in_long64() ? offset : (uint32_t)(base + offset);
}

static void dump_code(struct vcpu *vcpu)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP);
	uint8_t code[CODE_BYTES];
	char text[3 * CODE_BYTES + 1] = "";
	size_t n = 0;

	if (!read_memory(vcpu, linear(vmread(VMCS_GUEST_CS_BASE), rip), code, sizeof(code))) {
		say(vcpu, "code at rip: not readable");
		return;
	}
	for (unsigned i = 0; i < CODE_BYTES; i++)
		n += fmt(text + n, sizeof(text) - n, " %02x", code[i]);
	say(vcpu, "code at rip:%s", text);
}

static void dump_stack(struct vcpu *vcpu)
{
	bool l1 = !vcpu->nested.in_l2, long64 = vcpu_in_long64();
	uint64_t at = linear(vmread(VMCS_GUEST_SS_BASE), vmread(VMCS_GUEST_RSP));
	unsigned size = long64 ? 8 : 4;
	char text[LINE_SIZE / 2] = "";
	size_t n = 0;

	for (unsigned i = 0; i < STACK_WORDS; i++) {
		uint64_t word = 0;

		if (!read_memory(vcpu, at + i * size, &word, size))
			break;
		n += fmt(text + n, sizeof(text) - n, " %s%lx", mark(l1), word);
	}
	say(vcpu, "stack:%s", n != 0 ? text : " not readable");
}

/* How many exits from entry `at` on are the same one again and again. */
static unsigned repeated(const struct exit_trace *t, unsigned at, unsigned most)
{
	unsigned n = 1;

	while (n < most && t->row[(at + n) % TRACE_SIZE] == t->row[at] &&
		t->rip[(at + n) % TRACE_SIZE] == t->rip[at])
		n++;
	return n;
}

/* Oldest first. */
static void dump_exits(const struct vcpu *vcpu)
{
	const struct exit_trace *t = &vcpu->trace;
	unsigned first = t->at + 1, in_line = 0;
	char text[LINE_SIZE - 32] = "";
	size_t n = 0;

	for (unsigned i = 0, same; i < TRACE_SIZE; i += same) {
		unsigned at = (first + i) % TRACE_SIZE;
		bool l1 = t->row[at] < STAT_ROW(2, 0);

		same = repeated(t, at, TRACE_SIZE - i);
		if (t->row[at] == 0 && t->rip[at] == 0)
			continue;
		n += fmt(text + n, sizeof(text) - n, " L%u %s %s%lx x%u;", l1 ? 1 : 2,
			exit_reason_name(t->row[at] % EXIT_REASON_COUNT), mark(l1), t->rip[at],
			same);
		if (++in_line % A_LINE == 0) {
			say(vcpu, "exits:%s", text);
			n = 0;
		}
	}
	if (n != 0)
		say(vcpu, "exits:%s", text);
}

/* What the last exit from L2 to L1 loaded, or the next one would. */
static void dump_host_fields(const struct vcpu *vcpu)
{
	const struct nested *nested = &vcpu->nested;
	const uint64_t *f = nested->cur != NULL ? nested->cur->f : NULL;

	if (f == NULL)
		return;
	say(vcpu,
		"VMCS of L1 at 0x%lx: %lu entries, %lu exits to L1, the last for reason 0x%lx, "
		"qualification 0x%lx",
		nested->cur->gpa, nested->stats.entries, nested_exits_to_l1(&nested->stats),
		f[FID_EXIT_REASON], f[FID_EXIT_QUALIFICATION]);
	say(vcpu,
		"an exit to L1 loads HOST_RIP @%lx HOST_RSP %lx HOST_CR0 %lx HOST_CR3 %lx "
		"HOST_CR4 %lx",
		f[FID_HOST_RIP], f[FID_HOST_RSP], f[FID_HOST_CR0], f[FID_HOST_CR3],
		f[FID_HOST_CR4]);
	say(vcpu,
		"HOST_CS %lx HOST_SS %lx HOST_TR %lx base %lx HOST_GDTR %lx HOST_IDTR %lx "
		"HOST_EFER %lx (%s), exit controls 0x%lx",
		f[FID_HOST_CS_SELECTOR], f[FID_HOST_SS_SELECTOR], f[FID_HOST_TR_SELECTOR],
		f[FID_HOST_TR_BASE], f[FID_HOST_GDTR_BASE], f[FID_HOST_IDTR_BASE],
		f[FID_HOST_EFER],
		f[FID_EXIT_CONTROLS] & EXIT_LOAD_EFER ? "loaded" : "not loaded",
		f[FID_EXIT_CONTROLS]);
}

void vcpu_dump(struct vcpu *vcpu)
{
	if (__atomic_fetch_add(&dumps[vcpu->vm->id], 1, __ATOMIC_RELAXED) >= DUMPS_MAX)
		return;
	dump_place(vcpu);
	dump_waits(vcpu);
	dump_registers(vcpu);
	dump_code(vcpu);
	dump_stack(vcpu);
	dump_exits(vcpu);
	dump_host_fields(vcpu);
}

void vcpu_dump_end(struct vcpu *vcpu)
{
	enum vm_end end = vcpu->vm->end;

	if (end == VM_END_TRIPLE_FAULT || end == VM_END_ERROR || end == VM_END_STOPPED)
		vcpu_dump(vcpu);
}
