/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/operate.h"

#include "cpu/mem.h"
#include "dev/dev.h"
#include "vm/debugger.h"
#include "vm/devices.h"
#include "vm/life.h"
#include "vm/memory.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

/* ---- the VM ---- */

void vm_tell_all(struct vm *vm, uint32_t event, bool wait)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_post(vm->vcpus[i], event);
	for (unsigned i = 0; wait && i < vm->config.cpus; i++)
		sched_wait_out(vm->vcpus[i], event);
}

bool vm_holds(const struct vcpu *vcpu)
{
	unsigned alone = __atomic_load_n(&vcpu->vm->alone, __ATOMIC_SEQ_CST);

	return __atomic_load_n(&vcpu->vm->paused, __ATOMIC_SEQ_CST) ||
	       (alone != 0 && alone != vcpu->index + 1);
}

/* Each asks vm_holds before it enters guest mode. */
bool vm_pause(struct vm *vm)
{
	if (__atomic_exchange_n(&vm->paused, true, __ATOMIC_SEQ_CST))
		return false;
	life_set_paused(vm->id, true);
	vm_tell_all(vm, EVENT_PAUSE, true);
	return true;
}

bool vm_resume(struct vm *vm, unsigned alone)
{
	unsigned before = __atomic_exchange_n(&vm->alone, alone, __ATOMIC_SEQ_CST);

	if (!__atomic_exchange_n(&vm->paused, false, __ATOMIC_SEQ_CST) && before == alone)
		return false;
	debugger_forget_stops(vm);
	life_set_paused(vm->id, false);
	vm_tell_all(vm, EVENT_PAUSE, false);
	return true;
}

void vm_nmi(struct vm *vm, unsigned vcpu)
{
	vcpu_post(vm->vcpus[vcpu], EVENT_NMI);
}

void vm_power_button(struct vm *vm)
{
	platform_power_button(vm->platform);
	vcpu_post(vm->vcpus[0], EVENT_TIMER);
}

bool vm_balloon_ask(struct vm *vm, uint64_t bytes)
{
	if (vm->config.balloon == BALLOON_OFF || bytes >= vm->config.memory)
		return false;
	dev_lock(vm->platform);
	virtio_balloon_ask(&vm->devices->balloon, bytes);
	dev_unlock(vm->platform);
	vcpu_touched_devices(vm->vcpus[0]);
	return true;
}

/* ---- a level ---- */

unsigned vcpu_level(const struct vcpu *vcpu)
{
	return vcpu->nested.in_l2 ? 2 : 1;
}

bool vcpu_level_enter(struct vcpu *vcpu, unsigned level)
{
	if (level > vcpu_level(vcpu))
		return false;
	if (level < vcpu_level(vcpu))
		hw_vmcs_load(&vcpu->vmcs01);
	return true;
}

void vcpu_level_left(struct vcpu *vcpu)
{
	hw_vmcs_load(vcpu->vmcs);
}

/* Rights do not matter to who comes from outside; what is not mapped is not there. */
static struct paging_state paging_of(const struct vcpu *vcpu, unsigned level, bool looks)
{
	struct paging_state s = vcpu_paging_state(vcpu);

	s.looks = looks;
	s.cpl = 0;
	s.cr0 &= ~(uint64_t)CR0_WP;
	s.cr4 &= ~(uint64_t)(CR4_SMAP | CR4_SMEP | CR4_PKE);
	if (level == 1)
		s.eptp12 = 0;
	return s;
}

static bool linear_exists(const struct paging_state *s, uint64_t *at)
{
	if (s->efer & EFER_LMA)
		return canonical_with(*at, s->cr4 & CR4_LA57);
	*at = (uint32_t)*at;
	return true;
}

/* Of L2, page by page. */
static bool l1_physical(
	struct vcpu *vcpu, unsigned level, uint64_t at, bool looks, struct gpa_l1 *out)
{
	const struct nested *n = &vcpu->nested;
	const struct vept_root *root = level == 2 && n->in_l2 ? n->cur->root : NULL;

	out->v = at;
	if (root == NULL)
		return true;
	return looks ? vept_find(
			       &vcpu->nested, root->eptp12, (struct gpa_l2){at}, EPT_READ, out)
		     : vcpu_physical_address(vcpu, at, out);
}

static bool physical(struct vcpu *vcpu, unsigned level, uint64_t at, uint8_t *to,
	const uint8_t *from, uint32_t size)
{
	while (size != 0) {
		uint32_t part = (uint32_t)(PAGE_SIZE - (at & PAGE_MASK));
		struct gpa_l1 l1;

		part = part < size ? part : size;
		if (!l1_physical(vcpu, level, at, to != NULL, &l1) ||
			(to != NULL ? vm_read_gpa(vcpu->vm, l1.v, to, part)
				    : nested_l1_write(&vcpu->nested, l1, from, part)) != 0)
			return false;
		at += part;
		size -= part;
		to += to != NULL ? part : 0;
		from += from != NULL ? part : 0;
	}
	return true;
}

bool vcpu_peek(struct vcpu *vcpu, unsigned level, bool is_physical, uint64_t at, void *dst,
	uint32_t size)
{
	struct paging_state s = paging_of(vcpu, level, true);
	struct paging_fault fault;

	if (is_physical)
		return physical(vcpu, level, at, dst, NULL, size);
	return linear_exists(&s, &at) && paging_read(&vcpu->nested, &s, at, dst, size, &fault);
}

bool vcpu_find(struct vcpu *vcpu, unsigned level, uint64_t at, struct gpa_l1 *found)
{
	struct paging_state s = paging_of(vcpu, level, true);
	struct paging_fault fault;

	return linear_exists(&s, &at) &&
	       paging_translate(&vcpu->nested, &s, at, PAGING_READ, found, &fault);
}

bool vcpu_poke(struct vcpu *vcpu, unsigned level, bool is_physical, uint64_t at,
	const void *src, uint32_t size)
{
	struct paging_state s = paging_of(vcpu, level, false);
	struct paging_fault fault;

	if (is_physical)
		return physical(vcpu, level, at, NULL, src, size);
	return linear_exists(&s, &at) && paging_write(&vcpu->nested, &s, at, src, size, &fault);
}

unsigned vm_look_at_ept01(struct vm *vm, uint64_t gpa, uint64_t entry[5])
{
	unsigned last;

	vm_lock(vm);
	last = ept_look(&vm->ept01, gpa, entry);
	vm_unlock(vm);
	return last;
}
