/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM that moves: how chunks go. Each step is a round: what was done before it is behind every
 * vCPU of the VM when all have seen it. Nobody waits for anybody.
 */
#include "vm/ram_int.h"

#include "cpu/asm.h"
#include "vm/sched.h"

/* ---- what the balloon asks for ---- */

/* Of the vCPU that this CPU works for: it is in the address space of its VM. */
static void post_here(struct vm *vm)
{
	const struct sched_node *node = sched_this_cpu()->node;

	if (node != NULL && node->cr3 == vm->host_cr3)
		vcpu_post(node->vcpu, EVENT_MEMORY);
	else
		vcpu_post(vm->vcpus[0], EVENT_MEMORY);
}

static bool ask(struct vm_ram *r, uint32_t i)
{
	if (ram_state(r, i) != RAM_THERE || r->chunk[i].flags & RAM_PINNED)
		return true;
	if (r->asked.count == RAM_MOVES)
		return false;
	r->asked.at[r->asked.count++] = i;
	r->chunk[i].flags &= (uint8_t)~RAM_KEEP;
	ram_set_state(r, i, RAM_ASKED);
	return true;
}

bool ram_give(struct vm *vm, uint64_t offset)
{
	struct vm_ram *r = vm->ram;
	bool taken;

	spin_lock(&r->lock);
	taken = ask(r, (uint32_t)(offset / CHUNK_SIZE));
	spin_unlock(&r->lock);
	post_here(vm);
	return taken;
}

static void keep(struct vm_ram *r, const struct ram_list *l, uint32_t first, uint32_t last)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i] >= first && l->at[i] <= last)
			r->chunk[l->at[i]].flags |= RAM_KEEP;
}

void ram_keep(struct vm *vm, uint64_t offset, uint64_t size)
{
	struct vm_ram *r = vm->ram;
	uint32_t first = (uint32_t)(offset / CHUNK_SIZE);
	uint32_t last = (uint32_t)((offset + size - 1) / CHUNK_SIZE);

	spin_lock(&r->lock);
	keep(r, &r->asked, first, last);
	keep(r, &r->going, first, last);
	spin_unlock(&r->lock);
}

bool ram_settled(struct vm *vm)
{
	struct vm_ram *r = vm->ram;
	bool settled;

	spin_lock(&r->lock);
	settled = r->asked.count + r->going.count + r->left.count == 0;
	spin_unlock(&r->lock);
	return settled;
}

/* ---- rounds; with the lock, and that of the VM ---- */

/* Nothing of it is in a TLB any more. */
static void release_left(struct vm_ram *r)
{
	for (unsigned k = 0; k < r->left.count; k++) {
		uint32_t i = r->left.at[k];

		ram_host_give(r->vm, r->chunk[i].frame);
		r->chunk[i] = (struct ram_chunk){.frame = CHUNK_NONE};
		r->stats.there--;
		r->stats.given++;
	}
	r->left.count = 0;
}

static void stay(struct vm_ram *r, uint32_t i)
{
	ram_set_state(r, i, RAM_THERE);
	r->stats.kept++;
}

/* No guest and no pointer of L0 leads to it any more. */
static void unmap_going(struct vm_ram *r)
{
	for (unsigned k = 0; k < r->going.count; k++) {
		uint32_t i = r->going.at[k];

		if (r->chunk[i].flags & RAM_KEEP) {
			stay(r, i);
			continue;
		}
		ram_set_state(r, i, RAM_LEFT);
		__atomic_store_n(&r->pde[i], 0, __ATOMIC_RELEASE);
		r->left.at[r->left.count++] = i;
	}
	r->going.count = 0;
}

/* Does virtual EPT read tables there? */
static bool has_tables(const struct vm *vm, uint32_t i)
{
	return vm->ram->chunk[i].flags & RAM_TABLES &&
	       vept_has_tables(&vm->nested_vm->vept, ram_gpa(vm->ram, i), CHUNK_SIZE);
}

/* True: EPT02 may have some of it. */
static bool unmap_asked(struct vm *vm)
{
	struct vm_ram *r = vm->ram;
	bool in_ept02 = false;

	for (unsigned k = 0; k < r->asked.count; k++) {
		uint32_t i = r->asked.at[k];

		if (r->chunk[i].flags & (RAM_KEEP | RAM_PINNED) || has_tables(vm, i)) {
			stay(r, i);
			continue;
		}
		ram_set_state(r, i, RAM_GOING);
		ept_chunk_clear(&vm->ept01, ram_gpa(r, i));
		in_ept02 = in_ept02 || r->chunk[i].flags & RAM_IN_EPT02;
		r->going.at[r->going.count++] = i;
	}
	r->asked.count = 0;
	return in_ept02;
}

static bool all_have_seen(const struct vm *vm)
{
	const struct vm_ram *r = vm->ram;

	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (__atomic_load_n(&r->seen[i], __ATOMIC_SEQ_CST) != r->round)
			return false;
	return !r->forgets;
}

/* Has something that is asked to go held tables of EPT12? */
static bool asks_for_tables(struct vm_ram *r)
{
	uint8_t flags = 0;

	spin_lock(&r->lock);
	for (unsigned k = 0; k < r->asked.count; k++)
		flags |= r->chunk[r->asked.at[k]].flags;
	spin_unlock(&r->lock);
	return flags & RAM_TABLES;
}

struct step {
	bool more;     /* another round is needed */
	bool forgets;  /* which begins when EPT02 has forgotten what it has */
	bool released; /* something is to be wiped */
};

static struct step step(struct vm *vm)
{
	struct vm_ram *r = vm->ram;
	struct step s = {.more = false};

	vm_lock(vm);
	spin_lock(&r->lock);
	if (all_have_seen(vm)) {
		s.released = r->left.count != 0;
		release_left(r);
		unmap_going(r);
		s.forgets = unmap_asked(vm);
		r->forgets = s.forgets;
		s.more = r->going.count + r->left.count != 0;
		if (s.more && !s.forgets)
			__atomic_fetch_add(&r->round, 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&r->lock);
	vm_unlock(vm);
	return s;
}

static void forget(struct vcpu *vcpu)
{
	struct vm_ram *r = vcpu->vm->ram;

	vept_forget(&vcpu->nested);
	spin_lock(&r->lock);
	r->forgets = false;
	__atomic_fetch_add(&r->round, 1, __ATOMIC_SEQ_CST);
	spin_unlock(&r->lock);
}

/*
 * This CPU has no pointer into the VM's memory now, and no translation when it has seen the
 * round.
 */
static void see(struct vcpu *vcpu)
{
	struct vm_ram *r = vcpu->vm->ram;
	uint32_t round = __atomic_load_n(&r->round, __ATOMIC_SEQ_CST);

	if (r->seen[vcpu->index] == round)
		return;
	write_cr3(read_cr3());
	vmx_flush_all();
	__atomic_store_n(&r->seen[vcpu->index], round, __ATOMIC_SEQ_CST);
}

void ram_move_on(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct step s;

	if (vm->ram == NULL)
		return;
	see(vcpu);
	if (asks_for_tables(vm->ram))
		vept_forget(&vcpu->nested); /* all but the tables that are roots */
	s = step(vm);
	if (s.released) /* it is the scheduler that wipes, and then gives short slices */
		vcpu_post(vcpu, EVENT_YIELD);
	if (s.forgets)
		forget(vcpu);
	if (!s.more)
		return;
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_post(vm->vcpus[i], EVENT_MEMORY);
}

void ram_flush_window(const struct vm *vm)
{
	if (vm->ram != NULL)
		write_cr3(read_cr3());
}
