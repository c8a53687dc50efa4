/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device models need from their VM.
 */
#include "vm/create.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/mux.h"

static struct vm *vm_of(struct platform *p)
{
	return &((struct vm_box *)(void *)((uint8_t *)p - offsetof(struct vm_box, platform)))
			->vm;
}

uint64_t dev_now(struct platform *p)
{
	return rdtsc() + vm_of(p)->tsc_offset;
}

void dev_console(struct platform *p, uint8_t byte)
{
	char c = (char)byte;

	mux_write((uint8_t)(MUX_VM + vm_of(p)->id), &c, 1);
}

void dev_power(struct platform *p, enum dev_power_event event, uint32_t value)
{
	static const enum vm_end ends[] = {
		[DEV_POWER_OFF] = VM_END_POWEROFF,
		[DEV_POWER_RESET] = VM_END_RESET,
		[DEV_POWER_DEBUG_EXIT] = VM_END_DEBUG_EXIT,
	};

	vm_stop(vm_of(p), ends[event], value, "asked for by the guest");
}

void dev_kick(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of(p);

	if (vcpu < vm->config.cpus)
		vcpu_post(vm->vcpus[vcpu], EVENT_IRQ);
}

void dev_posted(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of(p);
	struct vcpu *v;

	if (vcpu >= vm->config.cpus)
		return;
	v = vm->vcpus[vcpu];
	/*
	 * Out of L2 an event is quicker. If it enters L2 just now it looks at the descriptor.
	 */
	if (!vm->apicv.posted || __atomic_load_n(&v->nested.in_l2, __ATOMIC_RELAXED) ||
		!sched_notify_guest(v))
		vcpu_post(v, EVENT_IRQ);
}

void dev_init_ipi(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of(p);

	if (vcpu < vm->config.cpus)
		vcpu_post(vm->vcpus[vcpu], EVENT_INIT);
}

void dev_startup_ipi(struct platform *p, unsigned vcpu, uint8_t vector)
{
	struct vm *vm = vm_of(p);

	if (vcpu >= vm->config.cpus)
		return;
	__atomic_store_n(&vm->vcpus[vcpu]->sipi_vector, vector, __ATOMIC_RELAXED);
	vcpu_post(vm->vcpus[vcpu], EVENT_SIPI);
}

void dev_lock(struct platform *p)
{
	struct vm *vm = vm_of(p);

	if (vm->config.cpus > 1)
		spin_lock(&vm->platform_lock);
}

void dev_unlock(struct platform *p)
{
	struct vm *vm = vm_of(p);

	if (vm->config.cpus > 1)
		spin_unlock(&vm->platform_lock);
}

void dev_nmi(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of(p);

	if (vcpu < vm->config.cpus)
		vcpu_post(vm->vcpus[vcpu], EVENT_NMI);
}
