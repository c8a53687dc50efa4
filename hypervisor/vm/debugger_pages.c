/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Soft breakpoints: more than there are debug registers (docs/decisions/0065). Where registers
 * are not enough a vCPU runs on EPTs of its own, in which code becomes executable page by page,
 * by violations: a page with breakpoints while registers hold these, or while RIP is looked at
 * behind each instruction.
 */
#include "vm/debugger_int.h"

#include "cpu/asm.h"
#include "mm/layout.h"
#include "vm/operate.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

static struct vept_root *root_of(const struct vcpu *vcpu)
{
	return vcpu->nested.in_l2 ? vcpu->nested.cur->root : NULL;
}

static uint16_t view_of(const struct vcpu *vcpu)
{
	return (uint16_t)(1 + vcpu->index);
}

static uint64_t page_of(uint64_t address)
{
	return address & ~PAGE_MASK;
}

/* ---- memory ---- */

static unsigned pages_for(uint64_t size)
{
	return (unsigned)((size + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* All of them, or none. */
static bool get_tables(struct vm *vm, void *table[DEBUGGER_TABLES])
{
	for (unsigned i = 0; i < DEBUGGER_TABLES; i++) {
		table[i] = pool_get(&vm->pool);
		if (table[i] != NULL)
			continue;
		while (i-- > 0)
			pool_put(&vm->pool, table[i]);
		return false;
	}
	return true;
}

/* The run comes last: of what goes back to the pool page by page no run is made again. */
static struct debugger_pages *give(struct vm *vm)
{
	void *table[DEBUGGER_TABLES];
	struct debugger_pages *m;
	struct debugger_view *v;

	if (!get_tables(vm, table))
		return NULL;
	m = pool_get_run(&vm->pool, pages_for(sizeof(struct debugger_pages)));
	for (unsigned i = 0; i < DEBUGGER_TABLES && m == NULL; i++)
		pool_put(&vm->pool, table[i]);
	if (m == NULL)
		return NULL;
	v = &m->view;
	for (; v->count < DEBUGGER_TABLES; v->count++) {
		v->table[v->count] = table[v->count];
		v->hpa[v->count] = hpa_of(table[v->count]).v;
	}
	m->eptp = v->hpa[0] | MEMTYPE_WB | EPTP_WALK_4;
	m->renew = true;
	return m;
}

static bool give_to(struct vm *vm, unsigned vcpu)
{
	if (vm->code == NULL)
		vm->code = pool_get_run(&vm->pool, pages_for(sizeof(struct debugger_code)));
	if (vm->code != NULL && vm->debug_pages[vcpu] == NULL)
		vm->debug_pages[vcpu] = give(vm);
	return vm->debug_pages[vcpu] != NULL;
}

/* Pages that are still to be given. */
static uint64_t wanted(const struct vm *vm)
{
	uint64_t pages = vm->code == NULL ? pages_for(sizeof(struct debugger_code)) : 0;

	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (vm->debug_pages[i] == NULL)
			pages += DEBUGGER_TABLES + pages_for(sizeof(struct debugger_pages));
	return pages;
}

/* Of what nobody else needs: a VM goes on as if there were no debugger. */
bool debugger_pages_give(struct vm *vm)
{
	uint64_t pages = wanted(vm);
	bool all = pages <= vm->pool_spare;

	for (unsigned i = 0; i < vm->config.cpus && all; i++)
		all = give_to(vm, i);
	vm->pool_spare -= pages - wanted(vm);
	return all;
}

bool debugger_pages_give_one(struct vcpu *vcpu)
{
	return give_to(vcpu->vm, vcpu->index);
}

void debugger_pages_take(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	d->pages = vcpu->vm->debug_pages[vcpu->index];
	if (d->pages == NULL)
		return;
	d->pages->code = *vcpu->vm->code;
	d->pages->renew = true;
}

/* ---- pages that are open ---- */

static void close(struct vcpu *vcpu, struct debugger_open *o)
{
	struct debugger_pages *m = vcpu->debug.pages;

	if (!o->any)
		return;
	o->any = false;
	if (o->root != NULL)
		vept_view_close(&vcpu->nested, o->root, o->generation, (struct gpa_l2){o->gpa});
	else if (debugger_view_close(&m->view, (struct gpa_l1){o->gpa}))
		invept(INVEPT_SINGLE, m->eptp);
}

void debugger_pages_close(struct vcpu *vcpu)
{
	if (vcpu->debug.pages == NULL)
		return;
	close(vcpu, &vcpu->debug.pages->open[0]);
	close(vcpu, &vcpu->debug.pages->open[1]);
}

static bool is_in(const struct debugger_open *o, unsigned level)
{
	return o->level == level && o->linear == page_of(debugger_linear_rip());
}

/*
 * A page becomes executable at this linear address; gpa: in the EPT of this root, or in `view`;
 * frame: L1's.
 */
static void open(struct vcpu *vcpu, const struct debugger_place *place, uint64_t linear,
	uint64_t gpa, uint64_t frame)
{
	struct debugger_pages *m = vcpu->debug.pages;
	struct vept_root *root = root_of(vcpu);
	uint64_t rip = debugger_linear_rip();
	bool reaches = page_of(linear) != page_of(rip);
	enum debugger_page is = debugger_code_page(
		&m->code, &m->frames, place, root == NULL, linear, page_of(frame));

	m->fetched = !reaches;
	if (is == DEBUGGER_PAGE_PLAIN)
		return;
	close(vcpu, &m->open[1]);
	if (!reaches)
		close(vcpu, &m->open[0]);
	m->open[reaches] = (struct debugger_open){.any = true,
		.steps = reaches || is == DEBUGGER_PAGE_ALIAS,
		.level = place->level,
		.root = root,
		.generation = root != NULL ? root->generation : 0,
		.gpa = page_of(gpa),
		.linear = page_of(linear),
		.rip = rip};
}

/* ---- into the guest ---- */

static bool plan(struct vcpu_debug *d, const struct debugger_place *place,
	enum debugger_which which, uint64_t page)
{
	uint8_t added = 0;
	bool fits = true;

	d->points = d->set;
	if (d->pages != NULL)
		fits = debugger_code_arrange(
			&d->pages->code, place, which, page, &d->points, &added);
	d->plan = debugger_make(&d->points, place, d->own_dr, d->own_dr7);
	return fits && !(d->plan.missing & added);
}

static void empty_view(struct debugger_pages *m)
{
	for (unsigned i = 0; i < 2; i++)
		if (m->open[i].root == NULL)
			m->open[i].any = false;
	debugger_view_empty(&m->view);
	invept(INVEPT_SINGLE, m->eptp);
}

static void renew(struct vcpu *vcpu)
{
	struct debugger_pages *m = vcpu->debug.pages;

	m->open[0].any = m->open[1].any = false;
	empty_view(m);
	if (vcpu->vm->config.vmx)
		vept_view_empty(&vcpu->nested, view_of(vcpu));
	debugger_frames_forget(&m->frames);
	m->crowded = m->resolved = 0;
	m->renew = false;
}

/* Where the breakpoints of a level are now; others may be found when they are executed. */
static void resolve(struct vcpu *vcpu, const struct debugger_place *place)
{
	struct debugger_pages *m = vcpu->debug.pages;

	if (m->resolved >> place->level & 1)
		return;
	m->resolved |= 1u << place->level;
	for (unsigned i = 0; i < m->code.count; i++) {
		struct gpa_l1 at;

		if (debugger_counts(&m->code.p[i], place) &&
			vcpu_find(vcpu, place->level, m->code.p[i].at, &at))
			m->frames.of[i] = page_of(at.v);
	}
}

/* The vCPU is on an EPT of its own. */
static void enter_view(struct vcpu *vcpu)
{
	struct debugger_pages *m = vcpu->debug.pages;
	uint32_t changes = __atomic_load_n(&vcpu->vm->ept01.changes, __ATOMIC_SEQ_CST);

	if (root_of(vcpu) != NULL) {
		nested_set_view(&vcpu->nested, view_of(vcpu));
		return;
	}
	if (m->ept_changes != changes) {
		m->ept_changes = changes;
		empty_view(m);
	}
	m->viewed = true;
	vmwrite(VMCS_EPT_POINTER, m->eptp);
}

/*
 * L1, and L2 without EPT12, are on the same EPT: what one has open is not open for the other.
 */
static void close_what_is_not_covered(
	struct vcpu *vcpu, const struct debugger_place *place, bool fits)
{
	struct debugger_pages *m = vcpu->debug.pages;
	struct debugger_open *o = &m->open[0];
	bool other = o->level != place->level && o->root == root_of(vcpu);

	o->steps |= !fits;
	if (!other && (!o->steps || is_in(o, place->level)))
		return;
	close(vcpu, o);
	(void)plan(&vcpu->debug, place, DEBUGGER_NONE, 0);
}

bool debugger_pages_load(struct vcpu *vcpu, const struct debugger_place *place)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct debugger_pages *m = d->pages;
	struct debugger_open *o;

	if (m == NULL)
		return !plan(d, place, DEBUGGER_ALL, 0);
	vcpu->nested.view_opens = false;
	m->fetched = m->filled = false;
	m->from = (struct debug_mark){.level = place->level, .rip = debugger_linear_rip()};
	m->resumes = !vcpu->injecting && vmread(VMCS_GUEST_RFLAGS) & RFLAGS_RF;
	if (m->renew)
		renew(vcpu);
	if (!(m->crowded >> place->level & 1) && !d->quiet && plan(d, place, DEBUGGER_ALL, 0)) {
		if (place->level == 2)
			nested_set_view(&vcpu->nested, 0);
		return false;
	}
	m->crowded |= 1u << place->level;
	enter_view(vcpu);
	resolve(vcpu, place);
	o = &m->open[0];
	if (!o->any)
		(void)plan(d, place, DEBUGGER_NONE, 0);
	else
		close_what_is_not_covered(
			vcpu, place, plan(d, place, DEBUGGER_OF_PAGE, o->linear));
	return m->open[1].any || (o->any && o->steps);
}

void debugger_pages_unload(struct vcpu *vcpu)
{
	struct debugger_pages *m = vcpu->debug.pages;

	if (m == NULL || !m->viewed)
		return;
	m->viewed = false;
	vmwrite(VMCS_EPT_POINTER, vcpu->vm->ept01.eptp);
}

void debugger_pages_off(struct vcpu *vcpu)
{
	if (vcpu->debug.pages != NULL)
		nested_set_view(&vcpu->nested, 0);
}

/* ---- violations ---- */

/* Without an access the machine tells of a fetch in its own way (nested/vept.c). */
static bool is_fetch(uint64_t q)
{
	return q & QUAL_TRANSLATION && (q & QUAL_FETCH || !(q & QUAL_ACCESS));
}

static uint64_t fetched_at(uint64_t q)
{
	return q & QUAL_LINEAR ? vmread(VMCS_GUEST_LINEAR_ADDRESS) : debugger_linear_rip();
}

/* The usual way fills it: as an EPT02, which is for this vCPU alone. */
static void violation_02(struct vcpu *vcpu, const struct debugger_place *place, uint64_t q)
{
	struct nested *n = &vcpu->nested;
	struct gpa_l2 gpa = {vmread(VMCS_GUEST_PHYSICAL_ADDRESS)};
	struct vept_look look;

	if (!is_fetch(q) || !vept_look(n, gpa, &look) || look.found != VEPT_FILLED)
		return;
	open(vcpu, place, fetched_at(q), gpa.v, look.l1.v);
	n->view_opens = true;
	n->view_code = gpa;
}

/*
 * What EPT01 has for an access, 0: it does not allow it. A write makes the page dirty here, as
 * it would there: who looks at the flag (seam_l1_page_watch) does not know of views.
 */
static uint64_t look_at_01(struct vm *vm, uint64_t gpa, uint64_t access, uint64_t *size)
{
	bool flags = vm->ept01.eptp & EPTP_AD;
	uint64_t *leaf, entry = 0;

	vm_lock(vm);
	leaf = ept_leaf(&vm->ept01, gpa, size);
	if (leaf != NULL) {
		entry = __atomic_load_n(leaf, __ATOMIC_SEQ_CST);
		if ((entry & access) != access)
			entry = 0;
		else if (access & EPT_WRITE && flags)
			entry = __atomic_or_fetch(leaf, EPT_DIRTY, __ATOMIC_SEQ_CST);
	}
	vm_unlock(vm);
	if (flags && *size == PAGE_SIZE && !(entry & EPT_DIRTY))
		entry &= ~EPT_WRITE; /* the first write shall come here */
	return entry;
}

static bool violation_01(struct vcpu *vcpu, const struct debugger_place *place, uint64_t q)
{
	struct debugger_pages *m = vcpu->debug.pages;
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS), size = PAGE_SIZE;
	uint64_t entry = look_at_01(vcpu->vm, gpa, q & QUAL_ACCESS, &size);

	if (entry == 0)
		return false;
	if (is_fetch(q))
		open(vcpu, place, fetched_at(q), gpa, gpa);
	else
		entry &= ~EPT_EXEC;
	if (debugger_view_map(
		    &m->view, (struct gpa_l1){gpa}, entry, (unsigned)__builtin_ctzll(size)))
		invept(INVEPT_SINGLE, m->eptp);
	m->filled = true;
	return true;
}

bool debugger_pages_violation(struct vcpu *vcpu, const struct debugger_place *place)
{
	struct debugger_pages *m = vcpu->debug.pages;
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if (m == NULL || !(m->crowded >> place->level & 1))
		return false;
	if (root_of(vcpu) == NULL)
		return violation_01(vcpu, place, q);
	violation_02(vcpu, place, q);
	return false;
}

void debugger_pages_exit(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	if (d->pages == NULL || !d->pages->filled)
		return;
	vcpu_redeliver(vcpu);
	nested_block_nmis_again(vmread(VMCS_EXIT_QUALIFICATION));
}

/* ---- behind the exit ---- */

/*
 * SDM 17.3.1.1 "Instruction-Breakpoint Exception Condition": not with RFLAGS.RF, nor where MOV
 * SS blocks it, and what is pending or injected comes first. An exit by an EPT violation saves
 * RF as 1 (27.3.3): then it is what it was before the entry, if nothing has been executed
 * since.
 */
static bool executes_next(const struct vcpu *vcpu, uint64_t rip)
{
	const struct debugger_pages *m = vcpu->debug.pages;
	bool resumes = vmread(VMCS_GUEST_RFLAGS) & RFLAGS_RF;

	if (m->fetched)
		resumes = m->resumes && m->from.level == vcpu_level(vcpu) && m->from.rip == rip;
	return !resumes && vcpu->state == VCPU_RUNNABLE && !vcpu->injecting &&
	       !(vmread32(VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS) &&
	       !vcpu_debug_pending();
}

const struct debugger_point *debugger_pages_look(
	struct vcpu *vcpu, const struct debugger_place *place)
{
	struct debugger_pages *m = vcpu->debug.pages;
	uint64_t rip = debugger_linear_rip();

	if (m == NULL)
		return NULL;
	if (vm_holds(vcpu)) {
		debugger_pages_close(vcpu);
		return NULL;
	}
	if (m->open[1].level != place->level || m->open[1].rip != rip)
		close(vcpu, &m->open[1]);
	if (m->open[0].steps && !is_in(&m->open[0], place->level))
		close(vcpu, &m->open[0]);
	if (!(m->crowded >> place->level & 1) || !executes_next(vcpu, rip))
		return NULL;
	return debugger_code_at(&m->code, place, rip);
}
