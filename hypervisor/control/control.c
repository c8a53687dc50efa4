/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 tells the outside about a run: the figures of a VM that ended, and the end.
 */
#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/machine.h"
#include "cpu/mux.h"
#include "cpu/power.h"
#include "lib/fmt.h"
#include "mm/page.h"
#include "vm/denial.h"
#include "vm/devices.h"
#include "vm/explain.h"
#include "vm/life.h"
#include "vm/mitigate.h"
#include "vm/network.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/vm.h"
#include "vm/vm_log.h"

#define VM_END_RECORD "vm-end vm=%s kind=%s value=%u restart=%u free=%lu tsc=%lu"

/* How the first VM ended of those that the run waits for: the end of the run. */
static unsigned first_id = VM_MAX;
static enum vm_end first_end = VM_END_POWEROFF;
static uint32_t first_value;

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
	case VM_END_STOPPED:
	case VM_END_OVER:
		return "stopped";
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
		vm->config.name, vcpu->index, s->ticks[0] + vcpu->spent, s->ticks[1],
		s->ticks[2], s->injected);
	if (n->entries != 0)
		mux_record(
			"stat vm=%s vcpu=%u nested_entries=%lu nested_failed_entries=%lu nested_exits_to_l1=%lu "
			"nested_exits_kept=%lu vmcs_loads=%lu vept_fills=%lu vept_syncs=%lu "
			"vept_zaps=%lu posted=%lu ipis=%lu",
			vm->config.name, vcpu->index, n->entries, n->failed_entries,
			nested_exits_to_l1(n), n->exits_kept, n->vmcs_loads, n->vept_fills,
			n->vept_syncs, n->vept_zaps, n->posted, n->ipis);
	for (unsigned level = 1; level <= 2; level++) {
		for (unsigned r = 0; r < EXIT_REASON_COUNT; r++) {
			uint64_t count = vcpu_exits(vcpu, level, r);

			if (count != 0)
				mux_record("stat vm=%s vcpu=%u level=%u reason=%s count=%lu",
					vm->config.name, vcpu->index, level,
					exit_reason_name(r), count);
		}
	}
}

/*
 * Of a network device, or a virtual function of one: what it did, and why frames were dropped.
 */
static void stat_port(const struct vm *vm, const char *name, const struct net_counters *c)
{
	static const char *const why[NET_DROPS] = {
		[NET_DROP_FULL] = "full",
		[NET_DROP_BAD] = "bad",
		[NET_DROP_SOURCE] = "source",
		[NET_DROP_VLAN] = "vlan",
		[NET_DROP_FLOOD] = "flood",
		[NET_DROP_MTU] = "mtu",
		[NET_DROP_BUFFERS] = "buffers",
		[NET_DROP_LINK] = "link",
	};

	mux_record("stat vm=%s %s_sent_frames=%lu %s_sent_bytes=%lu %s_sent_large=%lu "
		   "%s_received_frames=%lu %s_received_bytes=%lu %s_flooded=%lu",
		vm->config.name, name, c->sent_frames, name, c->sent_bytes, name, c->large,
		name, c->received_frames, name, c->received_bytes, name, c->flooded);
	for (unsigned i = 0; i < NET_DROPS; i++)
		if (c->dropped[i] != 0)
			mux_record("stat vm=%s %s_dropped_%s=%lu", vm->config.name, name,
				why[i], c->dropped[i]);
}

static void stat_net(const struct vm *vm, unsigned index)
{
	const struct net_list *l = &vm->config.nets;
	unsigned first = net_list_vfs(l, index);
	char name[16];

	fmt(name, sizeof(name), "net%u", index);
	stat_port(vm, name, network_counters(network_port(vm->id, index)));
	for (unsigned i = 0; i < l->at[index].vfs; i++) {
		fmt(name, sizeof(name), "net%uvf%u", index, i);
		stat_port(vm, name, network_counters(network_vf_port(vm->id, first + i)));
	}
}

static void stat_ram(const struct vm *vm)
{
	const struct ram_stats *s = &vm->ram->stats;

	mux_record("stat vm=%s ram_mib=%lu ram_peak_mib=%lu ram_given_mib=%lu ram_kept=%lu "
		   "ram_waits=%lu balloon_pages=%lu",
		vm->config.name, (uint64_t)s->there * 2, (uint64_t)s->peak * 2, s->given * 2,
		s->kept, s->waits, vm->devices->balloon.inside);
}

static void stat(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		stat_vcpu(vm, vm->vcpus[i]);
	for (unsigned i = 0; i < vm->config.nets.count; i++)
		stat_net(vm, i);
	vm_explain_summary(vm);
	if (vm->ram != NULL)
		stat_ram(vm);
	if (vm_config_has_iommu(&vm->config))
		mux_record("stat vm=%s dma_blocked=%lu", vm->config.name,
			passed_blocked_count(vm->id));
	mux_record("stat vm=%s pool_pages=%lu pool_peak=%lu", vm->config.name, vm->pool.in_use,
		vm->pool.peak);
}

void vm_ended(const struct vm *vm, bool again)
{
	if (!again) {
		stat(vm);
		vm_log_end(vm);
		denial_report(vm);
	}
	if (again)
		vm_record(vm, VM_END_RECORD, vm->config.name, end_kind(vm->end), vm->end_value,
			1u, page_available(), rdtsc());
	else
		mux_record(VM_END_RECORD, vm->config.name, end_kind(vm->end), vm->end_value, 0u,
			page_available(), rdtsc());
	if (!life_awaits(&vm->config) || vm->id > first_id)
		return;
	first_id = vm->id;
	first_end = vm->end;
	first_value = vm->end_value;
}

void all_vms_ended(void)
{
	mitigate_report();
	power_report();
	bad_memory_report();
	mux_record("end kind=%s value=%u tsc=%lu", end_kind(first_end), first_value, rdtsc());
	machine_end();
}
