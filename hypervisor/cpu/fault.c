/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/fault.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/ioapic.h"
#include "cpu/log.h"
#include "cpu/machine.h"
#include "cpu/mce.h"
#include "cpu/mux.h"
#include "cpu/nmi.h"
#include "cpu/percpu.h"
#include "cpu/request.h"
#include "cpu/symbols.h"
#include "cpu/tsc.h"
#include "spec/apic.h"
#include "spec/vmx.h"

#define IDT_ENTRIES    256
#define GATE_INTERRUPT 0x8e00u
#define TRAP_STUB_SIZE 16
#define STRAY_MS       100u

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t attributes;
	uint16_t offset_mid;
	uint32_t offset_high;
	uint32_t reserved;
};

static struct gate idt[IDT_ENTRIES] __attribute__((aligned(16)));

extern const uint8_t trap_stubs[];
extern const uint8_t cpu_sleep_end[];

/* Faults that can hit when the stack is bad get their own. */
static uint16_t ist_of(unsigned vector)
{
	switch (vector) {
	case VEC_DF:
		return 1;
	case VEC_NMI:
		return 2;
	case VEC_MC:
		return 3;
	default:
		return 0;
	}
}

static struct gate gate_to(const void *handler, unsigned ist)
{
	uint64_t a = (uint64_t)(uintptr_t)handler;

	return (struct gate){
		.offset_low = (uint16_t)a,
		.selector = SEL_CODE,
		.attributes = (uint16_t)(GATE_INTERRUPT | ist),
		.offset_mid = (uint16_t)(a >> 16),
		.offset_high = (uint32_t)(a >> 32),
	};
}

void fault_init(void)
{
	for (unsigned i = 0; i < IDT_ENTRIES; i++)
		idt[i] = gate_to(trap_stubs + (uint64_t)i * TRAP_STUB_SIZE, ist_of(i));
}

void fault_make_gate(void *table, unsigned vector, const void *handler)
{
	((struct gate *)table)[vector] = gate_to(handler, 0);
}

void fault_init_cpu(void)
{
	lidt(&(struct table_pointer){sizeof(idt) - 1, (uint64_t)(uintptr_t)idt});
}

uint64_t idt_base(void)
{
	return (uint64_t)(uintptr_t)idt;
}

static const char *vector_name(uint64_t vector)
{
	static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
		"#NM", "#DF", "vector 9", "#TS", "#NP", "#SS", "#GP", "#PF", "vector 15", "#MF",
		"#AC", "#MC", "#XM", "#VE", "#CP"};

	return vector < sizeof(names) / sizeof(names[0]) ? names[vector] : "interrupt";
}

void fault_print_address(uint64_t address)
{
	uint64_t offset;
	const char *name = symbol_of(address, &offset);

	if (name != NULL)
		log_raw("  %016lx %s+0x%lx\n", address, name, offset);
	else
		log_raw("  %016lx\n", address);
}

static bool on_own_stack(uint64_t a)
{
	uint64_t start = (uint64_t)(uintptr_t)this_cpu();

	return a % 8 == 0 && a >= start && a < start + sizeof(struct percpu) - 16;
}

void fault_backtrace(uint64_t rbp)
{
	for (unsigned i = 0; i < 32 && on_own_stack(rbp); i++) {
		const uint64_t *frame = (const uint64_t *)(uintptr_t)rbp;

		if (frame[1] == 0)
			break;
		fault_print_address(frame[1]);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

static void print_registers(const struct trap_frame *f)
{
	log_raw("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx,
		f->rdx);
	log_raw("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp,
		f->rsp);
	log_raw("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
	log_raw("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14,
		f->r15);
	log_raw("rip %016lx rflags %08lx cs %04lx ss %04lx\n", f->rip, f->rflags, f->cs, f->ss);
	log_raw("cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx\n", read_cr0(), read_cr2(),
		read_cr3(), read_cr4());
}

/* The bytes at RIP, when that is in L0's own code. */
static void print_code(uint64_t rip)
{
	const uint8_t *code = (const uint8_t *)(uintptr_t)rip;
	uint64_t offset;

	if (symbol_of(rip, &offset) == NULL)
		return;
	log_raw("code");
	for (unsigned i = 0; i < 16; i++)
		log_raw(" %02x", code[i]);
	log_raw("\n");
}

static void report(const struct trap_frame *f)
{
	mux_break_lock();
	log_error("fault in L0: %s (vector %lu, error code 0x%lx) on CPU %u",
		vector_name(f->vector), f->vector, f->error, this_cpu()->index);
	print_registers(f);
	print_code(f->rip);
	log_raw("backtrace:\n");
	fault_print_address(f->rip);
	fault_backtrace(f->rbp);
}

static uint32_t stopper; /* 1 + the CPU that goes on; atomic */

void fault_stop_others(void)
{
	__atomic_store_n(&stopper, this_cpu()->index + 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < cpu_slots; i++)
		if (i != this_cpu()->index &&
			__atomic_load_n(&percpus[i]->shared.online, __ATOMIC_ACQUIRE))
			nmi_kick(i);
}

void fault_obey_stop(void)
{
	uint32_t s = __atomic_load_n(&stopper, __ATOMIC_RELAXED);

	if (s == 0 || s == this_cpu()->index + 1)
		return;
	mux_stop(); /* which who goes on needs */
	halt_forever();
}

void fault_end(void)
{
	mux_record("end kind=l0-fault value=0 tsc=%lu", rdtsc());
	machine_end();
}

/*
 * What nobody expects is told, ten times a second at most, and what firmware's own code may
 * have opened of pins is closed; vectors below L0's own do not even come here (cpu/apic.c).
 */
static void unexpected(uint64_t vector)
{
	static uint64_t next, count; /* atomic */
	uint64_t at = __atomic_load_n(&next, __ATOMIC_RELAXED);
	uint64_t now = rdtsc(), all = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);

	if (now < at ||
		!__atomic_compare_exchange_n(&next, &at, now + (uint64_t)tsc_khz * STRAY_MS,
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	ioapic_mask_unused();
	log_warn("interrupt that nobody expects: vector 0x%lx on CPU %u (%lu since the start)",
		vector, this_cpu()->index, all);
}

void fault_device(uint64_t vector)
{
	if (vector - VECTOR_LINES < IOAPIC_PINS)
		fault_line((unsigned)(vector - VECTOR_LINES));
	else if (vector - VECTOR_MESSAGES < MESSAGE_VECTORS)
		fault_message((unsigned)(vector - VECTOR_MESSAGES));
	else if (vector == VECTOR_IOMMU)
		fault_iommu();
	else if (vector == VECTOR_ARRIVED)
		fault_arrived();
	else if (vector == VECTOR_TIMER)
		apic_timer_fired();
	else if (vector == VECTOR_CMCI)
		mce_interrupt();
	else if (vector != VECTOR_KICK && vector != VECTOR_POSTED && vector != VECTOR_SPURIOUS)
		unexpected(vector);
}

static void interrupt(struct percpu *c, uint64_t vector)
{
	c->notified |= vector == VECTOR_POSTED;
	fault_device(vector);
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
}

/* Another CPU asks where this one stands: as fault_backtrace() would say. */
static void answer(struct cpu_place *p, const struct trap_frame *f)
{
	uint64_t rbp = f->rbp;

	p->at[0] = f->rip;
	p->count = 1;
	while (p->count < sizeof(p->at) / sizeof(p->at[0]) && on_own_stack(rbp)) {
		const uint64_t *frame = (const uint64_t *)(uintptr_t)rbp;

		if (frame[1] == 0)
			break;
		p->at[p->count++] = frame[1];
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
	__atomic_store_n(&p->asked, false, __ATOMIC_RELEASE);
}

/*
 * What is never gone on with: a way to sleep, or into a guest, on which this CPU has looked for
 * NMIs and has not arrived yet.
 */
static void go_elsewhere(struct trap_frame *f)
{
	if (f->rip >= (uint64_t)(uintptr_t)cpu_mwait &&
		f->rip < (uint64_t)(uintptr_t)cpu_sleep_end)
		f->rip = (uint64_t)(uintptr_t)cpu_sleep_end;
	for (const struct nmi_restart *r = nmi_restarts; r->start != 0; r++)
		if (f->rip >= r->start && f->rip < r->end) {
			f->rip = r->to;
			return;
		}
}

/* Another CPU wants this one to look at its events before it enters a guest (vm/sched.c). */
static void nmi(struct percpu *c, struct trap_frame *f)
{
	c->detour |= DETOUR_KICKED;
	nmi_arrived();
	if (__atomic_load_n(&c->place.asked, __ATOMIC_ACQUIRE))
		answer(&c->place, f);
	go_elsewhere(f);
}

/* NMIs arrive while it is handled, and go back to here. */
static void machine_check(struct trap_frame *f)
{
	(void)mce_exception(false);
	go_elsewhere(f);
}

void trap_handler(struct trap_frame *f)
{
	struct percpu *c = this_cpu();

	if (f->vector >= 32) {
		interrupt(c, f->vector);
		return;
	}
	if (f->vector == VEC_NMI) {
		nmi(c, f);
		return;
	}
	if (f->vector == VEC_MC) {
		machine_check(f);
		return;
	}
	if (c->in_fault)
		fault_end();
	c->in_fault = true;
	report(f);
	fault_print_context();
	c->in_fault = false;
	fault_contain();
	fault_end();
}
