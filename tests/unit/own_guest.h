/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For own_world.h: guests, as far as their translations are concerned. Each L1 accesses RAM,
 * gives some of it up and uses it nevertheless; so does its L2 (own_nested.h). L0
 * handles violations, and accesses RAM itself.
 */
#ifndef NESTOR_TESTS_OWN_GUEST_H
#define NESTOR_TESTS_OWN_GUEST_H

#include "own_nested.h"

static uint32_t given[VMS]; /* what it has given up, and seldom uses: bit by chunk */
static bool entered[VMS][VCPUS];

static bool *entered_of(const struct vcpu *vcpu)
{
	return &entered[vcpu->vm->id][vcpu->index];
}

/* ---- VMs ---- */

struct vcpu *vcpu_create(struct vm *vm, unsigned index)
{
	struct vcpu *vcpu = pool_get_run(
		&vm->pool, (unsigned)((sizeof(*vcpu) + PAGE_SIZE - 1) / PAGE_SIZE));

	CHECK(vcpu != NULL);
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->nested.vm = vm->nested_vm;
	vcpu->nested.vcpu = index;
	vcpu->home = hw_cpu->index;
	vcpu->deadline = DEV_NEVER;
	vcpu->state = index == 0 ? VCPU_RUNNABLE : VCPU_WAIT_SIPI;
	if (index != 0)
		return vcpu;
	nest_create(vm);
	return vcpu;
}

static const struct mem_slot *slot_of(const struct vm *vm, uint64_t gpa)
{
	for (unsigned i = 0; i < vm->slot_count; i++)
		if (gpa - vm->slots[i].gpa < vm->slots[i].size)
			return &vm->slots[i];
	abort();
}

static uint64_t some_gpa(const struct vm *vm)
{
	uint64_t chunks = vm->config.memory / CHUNK_SIZE;

	uint64_t i = below(chunks < CHUNKS ? (unsigned)chunks : CHUNKS);

	for (unsigned k = below(32); given[vm->id] & BIT64(i) && k != 0; k--)
		i = below(CHUNKS);
	return i * CHUNK_SIZE + below(2) * 5 * PAGE_SIZE;
}

/* ---- what a guest's processor may use ---- */

/* The memory is the VM's, and there for it. */
static void judge(const struct vm *vm, uint64_t gpa, uint64_t hpa)
{
	const struct mem_slot *s = slot_of(vm, gpa);
	uint32_t i = (uint32_t)(gpa / CHUNK_SIZE);

	own.uses++;
	if (vm->ram == NULL) {
		CHECK(hpa == s->hpa.v + (gpa - s->gpa));
		return;
	}
	CHECK(ram_state(vm->ram, i) != RAM_ABSENT && ram_state(vm->ram, i) != RAM_LEFT);
	CHECK(hpa == vm->ram->chunk[i].frame * CHUNK_SIZE + gpa % CHUNK_SIZE);
}

static uint64_t tlb_age(uint64_t hpa)
{
	return linear_age(hpa);
}

/* Its vCPU accesses RAM by whatever the processor could use. False: an EPT violation. */
static bool guest_access(struct model *m, uint64_t gpa)
{
	const struct vm *vm = m->guest->vm;
	struct tlb_entry page, top;
	uint16_t vpid =
		(uint16_t)(vm->first_vpid + m->guest->index * VPIDS_PER_VCPU + m->in_l2);
	unsigned cached = m->tlb.used;
	bool found = false;

	tables_age();
	top = tlb_top(m->in_l2 ? root_of[vm->id][m->guest->index]->eptp02 : vm->ept01.eptp);
	for (unsigned i = 0; i < cached; i++) {
		struct tlb_entry c = m->tlb.at[i];

		page = c;
		if (!tlb_is_for(&c, top.ep4ta, vpid, gpa, gpa) ||
			(c.kind == TLB_TABLE && !tlb_walk(&m->tlb, c, gpa, &page)))
			continue;
		judge(vm, gpa, page.hpa + (gpa - page.gpa));
		found = true;
	}
	if (tlb_walk(&m->tlb, top, gpa, &page)) {
		judge(vm, gpa, page.hpa + (gpa - page.gpa));
		page.kind = TLB_COMBINED;
		page.vpid = vpid;
		page.linear = gpa;
		page.hpa += gpa - page.gpa;
		page.gpa = gpa;
		tlb_add(&m->tlb, &page);
		found = true;
	}
	if (!found)
		tlb_violation(&m->tlb, vpid, top.ep4ta, gpa, gpa);
	return found;
}

static void guest_guesses(unsigned cpu)
{
	struct model *m = &own.cpu[cpu];

	if (m->guest != NULL)
		(void)guest_access(m, some_gpa(m->guest->vm));
}

static void guest_runs(struct vcpu *vcpu)
{
	struct model *m = &own.cpu[hw_cpu->index];

	m->guest = vcpu;
	m->in_l2 = below(2) && root_of[vcpu->vm->id][vcpu->index] != NULL;
	for (unsigned i = below(6); i > 0 && !kicked[hw_cpu->index]; i--) {
		m->gpa = some_gpa(vcpu->vm);
		m->missed = !guest_access(m, m->gpa);
		if (m->missed)
			break;
		if (below(4) == 0)
			let_others_run();
	}
}

static void guest_leaves(void)
{
	own.cpu[hw_cpu->index].guest = NULL;
}

/* ---- L0 ---- */

/* What it has asked for is there as long as it works for this exit, whatever others do. */
static void access_ram(struct vm *vm, uint64_t gpa, bool reads)
{
	const struct mem_slot *s = slot_of(vm, gpa);
	const uint8_t *at = s->host + (gpa - s->gpa);

	if (vm->ram == NULL) {
		access_own(at, s->hpa.v + (gpa - s->gpa));
		return;
	}
	if (reads && ram_readable(vm, gpa, 8) != at)
		return;
	if (!reads && !ram_there(vm, gpa, 8))
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t frame = vm->ram->chunk[gpa / CHUNK_SIZE].frame;

		access_own(at, frame * CHUNK_SIZE + gpa % CHUNK_SIZE);
		let_others_run();
	}
}

/* Images, in the address space where L0 makes VMs. */
const char *vm_load_images(struct vm *vm, const struct vm_images *of)
{
	(void)of;
	access_own(vm, hpa_of(vm).v);
	for (unsigned i = 0; i < 4; i++)
		access_ram(vm, some_gpa(vm), false);
	return NULL;
}

static uint32_t feed(struct vcpu *vcpu, uint32_t events)
{
	vcpu->starved_events |= events & ~(uint32_t)(EVENT_FLUSH | EVENT_MEMORY | EVENT_YIELD);
	if (ram_starves(vcpu)) {
		if (vcpu->state == VCPU_RUNNABLE)
			vcpu->state = VCPU_STARVED;
		return 0;
	}
	if (vcpu->state == VCPU_STARVED)
		vcpu->state = VCPU_RUNNABLE;
	events = vcpu->starved_events | EVENT_TIMER;
	vcpu->starved_events = 0;
	return events;
}

/* As vm/events.c has it. */
static uint32_t guest_sees(struct vcpu *vcpu, uint32_t events)
{
	const struct vm_ram *r = vcpu->vm->ram;
	uint64_t before = r != NULL ? r->stats.given : 0;

	access_own(vcpu, hpa_of(vcpu).v);
	if (events & EVENT_STOP)
		return events;
	if (events & EVENT_FLUSH)
		translations_drop();
	if (events & EVENT_MEMORY)
		ram_move_on(vcpu);
	contents_go(vcpu->vm);
	own.moved += r != NULL ? r->stats.given - before : 0;
	return vcpu->starving != 0 ? feed(vcpu, events) : events;
}

static void give(struct vm *vm, uint64_t gpa)
{
	if (vm->ram == NULL)
		return;
	if (ram_settled(vm) && below(4) == 0)
		given[vm->id] = 0;
	if (ram_give(vm, gpa))
		given[vm->id] |= (uint32_t)BIT64(gpa / CHUNK_SIZE);
}

static bool guest_exits(struct vcpu *vcpu)
{
	struct model *m = &own.cpu[hw_cpu->index];
	struct vm *vm = vcpu->vm;
	uint64_t gpa = some_gpa(vm);

	access_own(vcpu, hpa_of(vcpu).v);
	if (m->missed) {
		m->missed = false;
		if (m->in_l2)
			nest_violation(vcpu, m->gpa);
		else
			ram_touch(vcpu, m->gpa);
		return true;
	}
	read_tables(vm);
	l1_works(vcpu, gpa);
	read_tables(vm);
	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		access_ram(vm, gpa, below(2));
		return true;
	case 3:
	case 4:
	case 5:
		give(vm, gpa);
		return true;
	default:
		return below(4) != 0; /* VMs live longer than there */
	}
}

#endif
