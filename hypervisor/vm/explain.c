/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/explain.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "nested/seam.h"
#include "vm/nested_hw.h"
#include "nested/explain.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

static void show(const struct vm *vm, const struct explain_record *e)
{
	const struct nested_report *r = &e->report;
	char text[512];

	explain_text(text, sizeof(text), r, &vm->nested_vm->caps);
	vm_log(vm, LOG_INFO, "%s: %s", vm->config.name, text);
	if (l0_config()->explain)
		vm_record(vm,
			"explain vm=%s vcpu=%u rip=0x%lx instruction=%s error=%u reason=%u "
			"rule=%s field=%s value=0x%lx nth=%u tsc=%lu text=%s",
			vm->config.name, e->vcpu, r->l1_rip, exit_reason_name(r->instruction),
			explain_error(r), explain_exit_reason(r),
			explain_rule_name(explain_rule(r)), explain_field(r), r->value, e->nth,
			e->tsc, text);
}

void seam_report(struct nested *n, const struct nested_report *r)
{
	struct vcpu *vcpu = vcpu_of(n);
	const struct explain_record *e;

	vm_lock(vcpu->vm);
	e = explain_add(vcpu->vm->explain, r, vcpu->index, rdtsc());
	if (e->nth <= EXPLAIN_SHOWN && (l0_config()->log >= LOG_INFO || l0_config()->explain))
		show(vcpu->vm, e);
	vm_unlock(vcpu->vm);
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
