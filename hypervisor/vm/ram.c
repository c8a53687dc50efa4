/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM that moves: accesses to it, and chunks that wait for memory. How chunks go is in
 * ram_give.c, the host's side in ram_host.c.
 */
#include "vm/ram_int.h"

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "policy/nodes.h"
#include "vm/bad_memory.h"
#include "vm/sched.h"
#include "vm/vm_log.h"

/* ---- where it is ---- */

uint64_t ram_gpa(const struct vm_ram *r, uint32_t i)
{
	return i < r->low ? i * CHUNK_SIZE : BIT64(32) + (i - r->low) * CHUNK_SIZE;
}

uint8_t ram_state(const struct vm_ram *r, uint32_t i)
{
	return __atomic_load_n(&r->chunk[i].state, __ATOMIC_ACQUIRE);
}

void ram_set_state(struct vm_ram *r, uint32_t i, enum ram_state s)
{
	__atomic_store_n(&r->chunk[i].state, (uint8_t)s, __ATOMIC_RELEASE);
}

static uint32_t first(uint64_t offset)
{
	return (uint32_t)(offset / CHUNK_SIZE);
}

/* ---- chunks that come ---- */

static void starve(struct vcpu *vcpu, enum ram_want want)
{
	vcpu->starving |= (uint8_t)want;
	vcpu_add_events(vcpu, EVENT_MEMORY);
}

/* The vCPU on whose behalf this CPU works, if it is one of the VM's. NULL at its birth. */
static struct vcpu *worker(const struct vm *vm)
{
	const struct sched_node *node = sched_this_cpu()->node;

	return node != NULL && node->cr3 == vm->host_cr3 ? node->vcpu : NULL;
}

/* Whoever takes of the spare gives way before it goes on, so that it is bounded. */
static uint32_t take(const struct vm *vm, uint32_t node, bool spare)
{
	struct vcpu *vcpu = spare ? worker(vm) : NULL;
	uint32_t frame = ram_host_take(vm->id, node, false);

	if (frame != CHUNK_NONE || vcpu == NULL)
		return frame;
	frame = ram_host_take(vm->id, node, true);
	starve(vcpu, RAM_WANTS_SPARE);
	return frame;
}

/* The node of the machine where the VM wants it. */
static uint32_t home_of(const struct vm *vm, uint32_t i)
{
	return vm->home[nodes_of_ram(&vm->config, i * CHUNK_SIZE)];
}

/* With the lock. The window has it before anybody can see that. */
static bool fill(const struct vm *vm, uint32_t i, bool spare)
{
	struct vm_ram *r = vm->ram;
	uint32_t frame = take(vm, home_of(vm, i), spare);

	if (frame == CHUNK_NONE)
		return false;
	r->chunk[i].frame = frame;
	r->chunk[i].flags = 0;
	__atomic_store_n(&r->pde[i], frame * CHUNK_SIZE | r->pde_flags, __ATOMIC_RELEASE);
	ram_set_state(r, i, RAM_THERE);
	if (++r->stats.there > r->stats.peak)
		r->stats.peak = r->stats.there;
	return true;
}

/*
 * With the lock. What is on its way stays where it is. While old translations of the window may
 * be left nothing can be there: only who uses what it gives up meets that.
 */
static bool get_locked(const struct vm *vm, uint32_t i, bool spare)
{
	struct vm_ram *r = vm->ram;

	switch (ram_state(r, i)) {
	case RAM_THERE:
		return true;
	case RAM_ASKED:
	case RAM_GOING:
		r->chunk[i].flags |= RAM_KEEP;
		return true;
	case RAM_ABSENT:
		return fill(vm, i, spare);
	default:
		return false;
	}
}

static bool get(const struct vm *vm, uint32_t i, bool spare)
{
	struct vm_ram *r = vm->ram;
	bool there;

	if (ram_state(r, i) == RAM_THERE)
		return true;
	spin_lock(&r->lock);
	there = get_locked(vm, i, spare);
	spin_unlock(&r->lock);
	return there;
}

/* ---- accesses by L0 ---- */

bool ram_there(const struct vm *vm, uint64_t offset, uint64_t size)
{
	uint32_t last = first(offset + size - (size != 0));

	for (uint32_t i = first(offset); i <= last; i++)
		if (!get(vm, i, true))
			return false;
	return true;
}

const void *ram_readable(const struct vm *vm, uint64_t offset, uint64_t size)
{
	const struct vm_ram *r = vm->ram;
	uint32_t i = first(offset);

	if (offset % CHUNK_SIZE + size <= CHUNK_SIZE && ram_state(r, i) == RAM_ABSENT)
		return ram_zeros() + offset % CHUNK_SIZE;
	return ram_there(vm, offset, size) ? r->window + offset : NULL;
}

bool ram_translate(const struct vm *vm, uint64_t offset, struct hpa *hpa)
{
	struct vm_ram *r = vm->ram;
	uint32_t i = first(offset);
	bool there;

	spin_lock(&r->lock);
	there = get_locked(vm, i, true);
	if (there) {
		r->chunk[i].flags |= RAM_IN_EPT02;
		hpa->v = r->chunk[i].frame * CHUNK_SIZE + offset % CHUNK_SIZE;
	}
	spin_unlock(&r->lock);
	return there;
}

void ram_pin(const struct vm *vm, uint64_t offset)
{
	struct vm_ram *r = vm->ram;

	spin_lock(&r->lock);
	r->chunk[first(offset)].flags |= RAM_PINNED | RAM_KEEP;
	spin_unlock(&r->lock);
}

/* ---- EPT01 ---- */

/* With vm_lock. It is there, or it stays. */
static bool map_01(struct vm *vm, uint32_t i)
{
	struct hpa at = {vm->ram->chunk[i].frame * CHUNK_SIZE};
	uint64_t gpa = ram_gpa(vm->ram, i);

	if (!ept_chunk_set(&vm->ept01, gpa, at))
		return false;
	if (!vm_has_bad_memory(vm))
		return true;
	if (!bad_memory_unmap(vm, gpa, at, CHUNK_SIZE))
		return false;
	vm_flush_others(vm, NULL, false); /* it was mapped for a moment */
	return true;
}

/* ---- memory that is wrong ---- */

/* Of a chunk that is there the bytes from `begin` to `end`. */
static bool is_bad(const struct vm_ram *r, uint32_t i, uint64_t begin, uint64_t end)
{
	return r->chunk[i].frame != CHUNK_NONE &&
	       bad_memory_in(r->chunk[i].frame * CHUNK_SIZE + begin, end - begin);
}

bool ram_has_bad(const struct vm *vm)
{
	const struct vm_ram *r = vm->ram;

	for (uint32_t i = 0; i < r->count; i++)
		if (is_bad(r, i, 0, CHUNK_SIZE))
			return true;
	return false;
}

/* What is in no slot, or in several, is no access: who has such a range looks page by page. */
bool ram_is_bad(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t offset, end;

	if (!vm_ram_offset(vm, gpa, size, &offset))
		return false;
	for (end = offset + size; offset < end;
		offset = (offset / CHUNK_SIZE + 1) * CHUNK_SIZE) {
		uint64_t of_chunk = offset / CHUNK_SIZE * CHUNK_SIZE;
		uint64_t rest = end - of_chunk < CHUNK_SIZE ? end - of_chunk : CHUNK_SIZE;

		if (is_bad(vm->ram, first(offset), offset - of_chunk, rest))
			return true;
	}
	return false;
}

bool ram_unmap_bad(struct vm *vm)
{
	const struct vm_ram *r = vm->ram;
	bool done = true;

	for (uint32_t i = 0; i < r->count && done; i++)
		if (ram_state(r, i) == RAM_THERE || ram_state(r, i) == RAM_ASKED)
			done = bad_memory_unmap(vm, ram_gpa(r, i),
				(struct hpa){r->chunk[i].frame * CHUNK_SIZE}, CHUNK_SIZE);
	return done;
}

/* ---- accesses of the guest ---- */

void ram_map(struct vm *vm, uint64_t offset)
{
	uint32_t i = first(offset);
	bool there;

	spin_lock(&vm->ram->lock);
	there = get_locked(vm, i, true);
	spin_unlock(&vm->ram->lock);
	if (there)
		(void)map_01(vm, i);
}

void ram_holds_table(struct vm *vm, uint64_t offset)
{
	struct vm_ram *r = vm->ram;
	uint32_t i = first(offset);
	bool there;

	spin_lock(&r->lock);
	there = get_locked(vm, i, true);
	r->chunk[i].flags |= RAM_TABLES;
	spin_unlock(&r->lock);
	/* Without it nobody knows what L1 writes to the page, as on a machine without flags. */
	if (there)
		(void)map_01(vm, i);
}

void ram_touch(struct vcpu *vcpu, uint64_t offset)
{
	struct vm *vm = vcpu->vm;
	uint32_t i = first(offset);
	bool there, mapped = true;

	vm_lock(vm);
	spin_lock(&vm->ram->lock);
	there = get_locked(vm, i, false);
	spin_unlock(&vm->ram->lock);
	if (there)
		mapped = map_01(vm, i);
	vm_unlock(vm);
	if (!there)
		starve(vcpu, RAM_WANTS_CHUNK);
	if (!mapped)
		vm_stop(vm, VM_END_ERROR, 0, "its pool is too small for tables of EPT01");
}

/* ---- waiting ---- */

bool ram_starves(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	if (ram_host_can_go_on(vm->id, vcpu->index, vcpu->starving & RAM_WANTS_CHUNK)) {
		vcpu->starving = 0;
		return false;
	}
	__atomic_fetch_add(&vm->ram->stats.waits, 1, __ATOMIC_RELAXED);
	if (vm_first_time(vm, WARN_MEMORY))
		vm_log(vm, LOG_WARN,
			"'%s' waits for memory: it has %lu MiB of its %lu, is promised %lu, and no "
			"more is free",
			vm->config.name, (uint64_t)vm->ram->stats.there * 2,
			vm->config.memory >> 20, vm->config.reserve >> 20);
	return true;
}
