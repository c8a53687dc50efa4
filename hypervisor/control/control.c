#include "control/control.h"

#include "cpu/asm.h"
#include "cpu/mux.h"
#include "cpu/power.h"
#include "vm/exit_names.h"
#include "vm/explain.h"
#include "vm/vm.h"

static struct {
	struct vm *vm;
	uint64_t cr3;
} vms[VM_MAX];
static unsigned vm_count;

void control_register(struct vm *vm)
{
	vms[vm_count].vm = vm;
	vms[vm_count++].cr3 = vm->host_cr3;
}

static const char *end_kind(enum vm_end end)
{
	switch (end) {
	case VM_END_DEBUG_EXIT:
		return "debug-exit";
	case VM_END_POWEROFF:
		return "poweroff";
	case VM_END_RESET:
		return "reset";
	case VM_END_TRIPLE_FAULT:
		return "triple-fault";
	case VM_END_L0_FAULT:
		return "l0-fault";
	default:
		return "vm-error";
	}
}

static void stat_vcpu(const struct vm *vm, const struct vcpu *vcpu)
{
	const struct vcpu_stats *s = &vcpu->stats;
	const struct nested_stats *n = &vcpu->nested.stats;

	mux_record("stat vm=%s vcpu=%u ticks_l0=%lu ticks_l1=%lu ticks_l2=%lu injected=%lu",
		vm->config.name, vcpu->index, s->ticks[0], s->ticks[1], s->ticks[2],
		s->injected);
	if (n->entries != 0)
		mux_record("stat vm=%s vcpu=%u nested_entries=%lu nested_exits_to_l1=%lu "
			   "nested_exits_kept=%lu vmcs_loads=%lu vept_fills=%lu vept_syncs=%lu "
			   "vept_zaps=%lu",
			vm->config.name, vcpu->index, n->entries, n->exits_to_l1, n->exits_kept,
			n->vmcs_loads, n->vept_fills, n->vept_syncs, n->vept_zaps);
	for (unsigned level = 1; level <= 2; level++) {
		for (unsigned r = 0; r < EXIT_REASON_COUNT; r++) {
			if (s->exits[level][r] != 0)
				mux_record("stat vm=%s vcpu=%u level=%u reason=%s count=%lu",
					vm->config.name, vcpu->index, level, exit_name(r),
					s->exits[level][r]);
		}
	}
}

void control_stat(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		stat_vcpu(vm, vm->vcpus[i]);
	vm_explain_summary(vm);
	mux_record("stat vm=%s pool_pages=%lu pool_peak=%lu", vm->config.name, vm->pool.in_use,
		vm->pool.peak);
}

void all_vms_ended(void)
{
	enum vm_end end = VM_END_POWEROFF;
	uint32_t value = 0;

	for (unsigned i = vm_count; i-- > 0;) {
		write_cr3(vms[i].cr3);
		control_stat(vms[i].vm);
		end = vms[i].vm->end;
		value = vms[i].vm->end_value;
	}
	mux_record("end kind=%s value=%u tsc=%lu", end_kind(end), value, rdtsc());
	machine_off();
}
