/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/explain.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "nested/explain.h"
#include "nested/seam.h"
#include "vm/nested_hw.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"
#include "vmx/asm.h"

bool vm_explaining(void)
{
	return l0_config()->log >= LOG_INFO || l0_config()->explain;
}

/* In a record, L1's addresses are marked: the host tool puts symbols behind them. */
static void show(const struct vm *vm, const struct explain_record *e)
{
	const struct nested_report *r = &e->report;
	const struct vmx_caps *caps = &vm->nested_vm->caps;
	char text[EXPLAIN_TEXT];

	explain_text(text, sizeof(text), r, caps, false);
	vm_log(vm, LOG_INFO, "%s: %s", vm->config.name, text);
	if (!l0_config()->explain)
		return;
	explain_text(text, sizeof(text), r, caps, l0_config()->mux);
	vm_record(vm,
		"explain vm=%s vcpu=%u level=L%u rip=0x%lx instruction=%s error=%u reason=%u "
		"rule=%s field=%s value=0x%lx nth=%u tsc=%lu text=%s",
		vm->config.name, e->vcpu, r->l2 ? 2u : 1u, r->rip,
		exit_reason_name(r->instruction), explain_error(r), explain_exit_reason(r),
		explain_rule_name(explain_rule(r)), explain_field(r), r->value, e->nth, e->tsc,
		text);
}

/* nested/ does not know what RDMSR and WRMSR take. */
static void find_msr_rule(struct vcpu *vcpu, struct nested_report *r)
{
	bool stored = r->kind == REPORT_ABORT && r->error == VMX_ABORT_SAVE_MSRS;
	enum denial why;

	if (r->why != DENIAL_LIST_MSR_ACCESS)
		return;
	why = vm_msr_denial(vcpu, (uint32_t)r->found[0], !stored, r->found[1]);
	if (why != DENIAL_NONE)
		r->why = (uint8_t)why;
}

void seam_report(struct nested *n, const struct nested_report *r)
{
	struct vcpu *vcpu = vcpu_of(n);
	struct nested_report report = *r;
	const struct explain_record *e;

	find_msr_rule(vcpu, &report);
	vm_lock(vcpu->vm);
	e = explain_add(vcpu->vm->explain, &report, vcpu->index, rdtsc());
	if (e->nth <= EXPLAIN_SHOWN && vm_explaining())
		show(vcpu->vm, e);
	vm_unlock(vcpu->vm);
}

void vm_report_msr(struct vcpu *vcpu, uint32_t reason, uint32_t msr, uint64_t value)
{
	bool write = reason == EXIT_WRMSR;
	struct nested_report r = {.kind = REPORT_MSR,
		.instruction = (uint8_t)reason,
		.why = (uint8_t)vm_msr_denial(vcpu, msr, write, value),
		.l2 = vcpu->nested.in_l2,
		.rip = vmread(VMCS_GUEST_RIP),
		.value = value,
		.found = {msr}};

	seam_report(&vcpu->nested, &r);
}

void vm_report_no_vmx(struct vcpu *vcpu, uint32_t reason)
{
	struct nested_report r = {.kind = REPORT_FAULT,
		.instruction = (uint8_t)reason,
		.error = VEC_UD,
		.why = DENIAL_INSN_NO_VMX,
		.rip = vmread(VMCS_GUEST_RIP)};

	seam_report(&vcpu->nested, &r);
}

void vm_explain_range(struct vm *vm, uint64_t *first, uint64_t *end)
{
	vm_lock(vm);
	*end = vm->explain->total;
	vm_unlock(vm);
	*first = *end > EXPLAIN_RING ? *end - EXPLAIN_RING : 0;
}

bool vm_explain_get(struct vm *vm, uint64_t number, struct explain_record *r)
{
	bool kept;

	vm_lock(vm);
	kept = number < vm->explain->total && vm->explain->total - number <= EXPLAIN_RING;
	if (kept)
		*r = vm->explain->last[number % EXPLAIN_RING];
	vm_unlock(vm);
	return kept;
}

void vm_explain_summary(const struct vm *vm)
{
	for (unsigned rule = 0; rule < EXPLAIN_RULES; rule++) {
		uint32_t count = vm->explain->count[rule];
		const char *name = explain_rule_name(rule);

		if (count <= EXPLAIN_SHOWN)
			continue;
		log_info("%s: rule %s was broken %u times, the first %u are shown above",
			vm->config.name, name, count, EXPLAIN_SHOWN);
		if (l0_config()->explain)
			mux_record("explain vm=%s rule=%s count=%u text=rule %s was broken %u "
				   "times, the first %u are shown above",
				vm->config.name, name, count, name, count, EXPLAIN_SHOWN);
	}
}
