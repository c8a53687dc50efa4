/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device models need from their VM.
 */
#include "vm/bad_memory.h"
#include "vm/create.h"
#include "vm/devices.h"
#include "vm/sched.h"
#include "vm/ram.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/input.h"
#include "cpu/mux.h"
#include "mm/layout.h"

uint64_t dev_now(struct platform *p)
{
	return rdtsc() + vm_of_platform(p)->tsc_offset;
}

void dev_console(struct platform *p, uint8_t byte)
{
	char c = (char)byte;

	mux_write(MUX_VM + vm_of_platform(p)->id, &c, 1);
}

void dev_firmware_log(struct platform *p, uint8_t byte)
{
	firmware_log_byte(vm_of_platform(p), byte);
}

uint32_t dev_console_waiting(struct platform *p)
{
	const struct vm *vm = vm_of_platform(p);

	return devices_have_console(vm) ? 0 : input_waiting(vm->id);
}

uint8_t dev_console_take(struct platform *p)
{
	return input_take(vm_of_platform(p)->id);
}

void dev_power(struct platform *p, enum dev_power_event event, uint32_t value)
{
	static const enum vm_end ends[] = {
		[DEV_POWER_OFF] = VM_END_POWEROFF,
		[DEV_POWER_RESET] = VM_END_RESET,
		[DEV_POWER_DEBUG_EXIT] = VM_END_DEBUG_EXIT,
	};

	vm_stop(vm_of_platform(p), ends[event], value, "asked for by the guest");
}

bool dev_is_wrong(const void *bytes, uint64_t size)
{
	return bad_memory_in(hpa_of(bytes).v, size);
}

bool dev_any_wrong(void)
{
	return bad_memory_any();
}

void dev_lost(struct platform *p)
{
	bad_memory_end(vm_of_platform(p));
}

void dev_kick(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of_platform(p);

	if (vcpu < vm->config.cpus)
		vcpu_post(vm->vcpus[vcpu], EVENT_IRQ);
}

void dev_posted(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of_platform(p);
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
	struct vm *vm = vm_of_platform(p);

	if (vcpu < vm->config.cpus)
		vcpu_post(vm->vcpus[vcpu], EVENT_INIT);
}

void dev_startup_ipi(struct platform *p, unsigned vcpu, uint8_t vector)
{
	struct vm *vm = vm_of_platform(p);

	if (vcpu >= vm->config.cpus)
		return;
	__atomic_store_n(&vm->vcpus[vcpu]->sipi_vector, vector, __ATOMIC_RELAXED);
	vcpu_post(vm->vcpus[vcpu], EVENT_SIPI);
}

static void mark_written(struct vm *vm, struct gpa_l1 page)
{
	uint64_t page_size, *leaf = ept_leaf(&vm->ept01, page.v, &page_size), old = EPT_DIRTY;

	if (leaf != NULL && page_size == PAGE_SIZE)
		old = __atomic_fetch_or(leaf, EPT_DIRTY, __ATOMIC_SEQ_CST);
	if (!(old & (EPT_WRITE | EPT_DIRTY))) /* it looks at those that L1 can write */
		vept_device_wrote(&vm->nested_vm->vept, page);
}

/* Devices have done what they had to. */
static __attribute__((noinline)) void end_writes(struct vm *vm)
{
	struct vept *e = &vm->nested_vm->vept;

	vm->at_unlock &= (uint8_t)~UNLOCK_WRITES;
	for (uint32_t i = 0; i < e->writing_count; i++)
		mark_written(vm, (struct gpa_l1){e->writing[i]});
	vept_devices_done(e);
}

void dev_lock(struct platform *p)
{
	struct vm *vm = vm_of_platform(p);

	if (vm->config.cpus > 1)
		spin_lock(&vm->platform_lock);
}

void dev_unlock(struct platform *p)
{
	struct vm *vm = vm_of_platform(p);

	if (vm->at_unlock == 0)
		return;
	if (vm->at_unlock & UNLOCK_WRITES)
		end_writes(vm);
	if (vm->at_unlock & UNLOCK_LOCK)
		spin_unlock(&vm->platform_lock);
}

/*
 * What a device writes may be a table of an EPT12: virtual EPT looks for it at the dirty bits
 * of EPT01's 4 KiB pages (seam_l1_page_watch), once the device is done; until then the page is
 * on record.
 */
static inline void note_write(struct vm *vm, uint64_t gpa, uint64_t size)
{
	if (!__atomic_load_n(&vm->watches, __ATOMIC_RELAXED))
		return;
	for (uint64_t page = gpa & ~PAGE_MASK; page < gpa + size; page += PAGE_SIZE)
		if (vm_watched(vm, page)) {
			vm->at_unlock |= UNLOCK_WRITES;
			vept_device_writes(&vm->nested_vm->vept, (struct gpa_l1){page});
		}
}

/* RAM that moves: what is not there reads as zeros. Nobody writes there. */
static void *readable(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t offset;

	return vm_ram_offset(vm, gpa, size, &offset) && !bad_memory_used(vm, gpa, size)
		       ? (void *)(uintptr_t)ram_readable(vm, offset, size)
		       : NULL;
}

void *dev_memory(struct platform *p, uint16_t bdf, uint64_t gpa, uint64_t size, bool write)
{
	struct vm *vm = vm_of_platform(p);
	uint64_t near;
	void *va;

	if (vvtd_translates(p) && bdf != 0) {
		va = vvtd_near_memory(p, bdf, gpa, size, write, &near);
		if (va == NULL)
			return vvtd_memory(p, bdf, gpa, size, write);
		if (write)
			note_write(vm, near, size);
		return va;
	}
	if (!write && vm->ram != NULL)
		return readable(vm, gpa, size);
	va = vm_gpa_to_va(vm, gpa, size);
	if (write && va != NULL)
		note_write(vm, gpa, size);
	return va;
}

/* By the vCPU that this CPU handles now, if it is one of the VM's; its timers count, too. */
void dev_work(struct platform *p)
{
	struct vm *vm = vm_of_platform(p);
	const struct sched_node *node = sched_this_cpu()->node;

	if (node != NULL && node->cr3 == vm->host_cr3)
		vcpu_post(node->vcpu, EVENT_WORK);
	else
		vcpu_post(vm->vcpus[0], EVENT_WORK);
}

/* With the lock of the platform: who made the access sees to it (vcpu_touched_devices). */
void dev_windows_changed(struct platform *p)
{
	__atomic_store_n(&vm_of_platform(p)->windows_changed, true, __ATOMIC_SEQ_CST);
}

void dev_slot_off(struct platform *p, unsigned port)
{
	devices_slot_off(vm_of_platform(p), port);
}

void dev_nmi(struct platform *p, unsigned vcpu)
{
	struct vm *vm = vm_of_platform(p);

	if (vcpu < vm->config.cpus)
		vcpu_post(vm->vcpus[vcpu], EVENT_NMI);
}
