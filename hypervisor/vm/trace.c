/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/trace.h"

#include "cpu/asm.h"
#include "policy/memory.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

#define RING_BYTES (MEMORY_TRACE_PAGES * MEMORY_PAGE)
#define RECORDS \
	((uint32_t)((RING_BYTES - sizeof(struct vcpu_tracing)) / sizeof(struct trace_record)))

/* ---- on and off ---- */

bool vcpu_trace_on(struct vcpu *vcpu, const struct trace_filter *filter)
{
	struct vcpu_tracing *t = vcpu->tracing;

	if (t == NULL) {
		t = pool_get_run(&vcpu->vm->pool, MEMORY_TRACE_PAGES);
		if (t == NULL)
			return false;
		trace_ring_init(&t->ring, (struct trace_record *)(t + 1), RECORDS);
		vcpu->tracing = t;
	}
	trace_ring_restart(&t->ring);
	t->filter = *filter;
	t->open = t->taken = false;
	t->on = true;
	vcpu->on_exit = vcpu_exit_traced;
	return true;
}

void vcpu_trace_off(struct vcpu *vcpu)
{
	if (vcpu->tracing != NULL)
		vcpu->tracing->on = false;
	vcpu->on_exit = vcpu_exit;
}

/* ---- records ---- */

static uint32_t ticks_since(uint64_t begin, uint64_t now)
{
	uint64_t ticks = now - begin;

	return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

static struct trace_record *add(struct vcpu *vcpu, enum trace_kind kind, uint64_t now)
{
	struct vcpu_tracing *t = vcpu->tracing;
	struct trace_record *r = trace_ring_add(&t->ring);

	*r = (struct trace_record){.tsc = now,
		.kind = (uint8_t)kind,
		.level = vcpu->nested.in_l2 ? 2 : 1,
		.reason = t->reason,
		.vcpu = (uint16_t)vcpu->index};
	return r;
}

static uint64_t exit_info(const struct vcpu *vcpu, uint32_t reason)
{
	const uint64_t *regs = vcpu->regs.r;

	switch (reason) {
	case EXIT_EXCEPTION_NMI:
	case EXIT_EXTERNAL_INTERRUPT:
		return vmread32(VMCS_EXIT_INTR_INFO);
	case EXIT_CPUID:
		return (uint32_t)regs[REG_RAX] | regs[REG_RCX] << 32;
	case EXIT_RDMSR:
	case EXIT_WRMSR:
		return (uint32_t)regs[REG_RCX];
	case EXIT_VMCALL:
		return regs[REG_RAX];
	default:
		return vmread(VMCS_EXIT_QUALIFICATION);
	}
}

static bool has_address(uint32_t reason)
{
	return reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIG;
}

static uint64_t current_vmcs(const struct vcpu *vcpu)
{
	return vcpu->nested.cur != NULL ? vcpu->nested.cur->gpa : NVMCS_FREE;
}

static void remember(struct vcpu *vcpu, uint64_t now)
{
	struct vcpu_tracing *t = vcpu->tracing;

	t->open = true;
	t->was_l2 = vcpu->nested.in_l2;
	t->was_cur = current_vmcs(vcpu);
	t->begin = now;
}

static void trace_exit(struct vcpu *vcpu)
{
	struct vcpu_tracing *t = vcpu->tracing;
	uint32_t reason = EXIT_REASON_BASIC(vmread32(VMCS_EXIT_REASON));
	uint64_t now = rdtsc();
	struct trace_record r = {.tsc = now,
		.rip = vmread(VMCS_GUEST_RIP),
		.info = exit_info(vcpu, reason),
		.address = has_address(reason) ? vmread(VMCS_GUEST_PHYSICAL_ADDRESS) : 0,
		.ticks = ticks_since(vcpu->entry_tsc, now),
		.kind = TRACE_EXIT,
		.level = vcpu->nested.in_l2 ? 2 : 1,
		.reason = (uint8_t)reason,
		.vcpu = (uint16_t)vcpu->index};

	remember(vcpu, now);
	t->reason = (uint8_t)reason;
	t->taken = trace_match(&t->filter, &r);
	if (t->taken)
		*trace_ring_add(&t->ring) = r;
}

static void trace_level(struct vcpu *vcpu, uint64_t now)
{
	const struct nvmcs *cur = vcpu->nested.cur;
	struct trace_record *r;

	if (vcpu->nested.in_l2) {
		r = add(vcpu, TRACE_L2_BEGINS, now);
		r->info = cur->gpa;
		r->rip = vmread(VMCS_GUEST_RIP);
		return;
	}
	r = add(vcpu, TRACE_L2_ENDS, now);
	r->level = 2;
	if (cur == NULL)
		return;
	r->reason = (uint8_t)cur->f[FID_EXIT_REASON];
	r->info = cur->f[FID_EXIT_QUALIFICATION];
	r->rip = cur->f[FID_GUEST_RIP];
	if (has_address(r->reason))
		r->address = cur->f[FID_GUEST_PHYSICAL_ADDRESS];
}

/* What L0 did since it runs for the vCPU; not what L2 and L1 did to each other meanwhile. */
static void trace_work(struct vcpu *vcpu, uint64_t now)
{
	const struct vcpu_tracing *t = vcpu->tracing;

	if (current_vmcs(vcpu) != t->was_cur)
		add(vcpu, TRACE_VMCS, now)->info = current_vmcs(vcpu);
	if (vcpu->nested.in_l2 != t->was_l2)
		trace_level(vcpu, now);
	if (vcpu->injecting)
		add(vcpu, TRACE_INJECT, now)->info = vmread32(VMCS_ENTRY_INTR_INFO);
}

void vcpu_trace_entry(struct vcpu *vcpu)
{
	struct vcpu_tracing *t = vcpu->tracing;
	uint64_t now = rdtsc();

	if (!t->open)
		return;
	t->open = false;
	if (!t->taken)
		return;
	trace_work(vcpu, now);
	add(vcpu, TRACE_ENTRY, now)->ticks = ticks_since(t->begin, now);
}

void vcpu_trace_out(struct vcpu *vcpu)
{
	struct vcpu_tracing *t = vcpu->tracing;

	t->gone = rdtsc();
	if (t->open && t->taken) {
		trace_work(vcpu, t->gone);
		add(vcpu, TRACE_OUT, t->gone)->ticks = ticks_since(t->begin, t->gone);
	}
	t->taken = t->open && t->taken;
	t->open = false;
}

void vcpu_trace_in(struct vcpu *vcpu)
{
	struct vcpu_tracing *t = vcpu->tracing;
	uint64_t now = rdtsc();

	remember(vcpu, now);
	if (t->taken)
		add(vcpu, TRACE_IN, now)->ticks = ticks_since(t->gone, now);
}

struct vcpu *vcpu_exit_traced(struct vcpu *vcpu)
{
	if (vcpu->tracing->on)
		trace_exit(vcpu);
	vcpu = vcpu_exit(vcpu);
	if (vcpu_traced(vcpu))
		vcpu_trace_entry(vcpu);
	return vcpu;
}
