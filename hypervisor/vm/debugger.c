/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/debugger_int.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/mux.h"
#include "vm/l2.h"
#include "vm/operate.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

bool debugger_has_mtf(void)
{
	return vmx_allowed1(MSR_VMX_PROC) & PROC_MTF;
}

static unsigned level_of(const struct vcpu *vcpu)
{
	return vcpu->nested.in_l2 ? 2 : 1;
}

static struct debug_mark where(const struct vcpu *vcpu)
{
	return (struct debug_mark){.level = level_of(vcpu),
		.rip = vmread(VMCS_GUEST_RIP),
		.rcx = vcpu->regs.r[REG_RCX]};
}

uint64_t debugger_linear_rip(void)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP);

	return vcpu_in_long64() ? rip : (uint32_t)(vmread(VMCS_GUEST_CS_BASE) + rip);
}

/* The primary controls without the debugger's. */
static uint32_t own_controls(const struct vcpu *vcpu)
{
	return vcpu->nested.in_l2 ? vcpu->nested.cur->proc_02 : vcpu->proc01;
}

/* ---- selftest=debugger, selftest=pages ---- */

#define SELFTEST_AT 0x5a5a5a5a5000ull /* no guest has anything there */

static bool steps_all(void)
{
	return l0_config()->selftest == L0_SELFTEST_DEBUGGER;
}

/* Nothing of it may be seen by guests, whatever they do. */
void debugger_selftest(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	d->quiet = (steps_all() || l0_config()->selftest == L0_SELFTEST_PAGES) &&
		   debugger_has_mtf();
	if (!d->quiet)
		return;
	d->on = true;
	d->set.p[0] =
		(struct debugger_point){.at = SELFTEST_AT, .on = DEBUGGER_WRITE, .size = 8};
	if (steps_all())
		return;
	/* Though no page has a breakpoint. */
	vm_lock(vcpu->vm);
	if (debugger_pages_give_one(vcpu))
		debugger_pages_take(vcpu);
	vm_unlock(vcpu->vm);
}

/* ---- into the guest ---- */

/* It goes on behind a breakpoint as long as it is still there. */
static bool skips(struct vcpu_debug *d, const struct debug_mark *now)
{
	if (d->skips && d->skip.level == now->level && d->skip.rip != now->rip)
		d->skips = false;
	return d->skips && d->skip.level == now->level;
}

static bool steps_here(const struct vcpu_debug *d, unsigned level)
{
	return d->steps && (d->step_level == 0 || d->step_level == level);
}

static struct debugger_place place_of(struct vcpu *vcpu, bool behind)
{
	return (struct debugger_place){.level = level_of(vcpu),
		.l2 = vcpu->nested.in_l2 ? nested_l2_name(&vcpu->nested) : 0,
		.skips = behind,
		.skip = behind ? debugger_linear_rip() : 0};
}

/*
 * What an access of the guest's has met that it has not enabled may be told or not (SDM
 * 17.2.3); in a register that is the debugger's now it would be taken for its own.
 */
static void clean_pending(const struct vcpu_debug *d)
{
	uint64_t pending = vmread(VMCS_GUEST_PENDING_DBG), its = 0;

	for (unsigned i = 0; i < 4; i++)
		its |= d->plan.owner[i] != 0 ? BIT64(i) : 0;
	if (pending & its)
		vmwrite(VMCS_GUEST_PENDING_DBG, pending & ~its);
}

static void load_debug_registers(struct vcpu_debug *d)
{
	d->dr = d->plan.taken != 0;
	if (!d->dr)
		return;
	clean_pending(d);
	write_breakpoints(d->plan.dr);
	vmwrite(VMCS_GUEST_DR7, d->plan.dr7);
}

/* L1 injects an exit by MTF: nothing is executed, be L2 active or not (SDM 26.6.8). */
static bool exits_at_once(void)
{
	uint32_t info = vmread32(VMCS_ENTRY_INTR_INFO);

	return info & INTR_INFO_VALID && INTR_INFO_TYPE(info) == INTR_OTHER_EVENT;
}

void debugger_load(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct debug_mark now = where(vcpu);
	bool behind = skips(d, &now);
	struct debugger_place place = place_of(vcpu, behind);
	uint32_t own = own_controls(vcpu), proc = own;
	bool looks;

	read_breakpoints(d->own_dr);
	d->own_dr7 = vmread(VMCS_GUEST_DR7);
	looks = debugger_pages_load(vcpu, &place);
	load_debug_registers(d);
	if (d->dr)
		proc |= PROC_MOV_DR_EXITING;
	if ((steps_here(d, now.level) || behind || looks || (d->quiet && steps_all())) &&
		!exits_at_once())
		proc |= PROC_MTF;
	d->control = proc != own;
	if (d->control)
		vmwrite(VMCS_PROC_CONTROLS, proc);
	d->loaded = true;
	vcpu_defer(vcpu, EVENT_DEBUG);
}

/* ---- back ---- */

static enum debug_why why_of(enum debugger_on on)
{
	return on == DEBUGGER_EXECUTE ? DEBUG_BREAK
	       : on == DEBUGGER_WRITE ? DEBUG_WRITE
				      : DEBUG_ACCESS;
}

static void met(struct vcpu *vcpu, enum debug_why why, uint64_t at)
{
	vcpu->debug.hit = (struct debug_stop){.why = why,
		.level = level_of(vcpu),
		.rip = vmread(VMCS_GUEST_RIP),
		.at = at,
		.tsc = vcpu->exit_tsc};
}

/* Of several, the one with the lowest number. */
static void met_points(struct vcpu *vcpu, unsigned hits)
{
	for (unsigned i = 0; i < DEBUGGER_POINTS; i++)
		if (hits >> i & 1) {
			const struct debugger_point *p = &vcpu->debug.points.p[i];

			met(vcpu, why_of((enum debugger_on)p->on), p->at);
			return;
		}
}

/* An instruction that met a breakpoint may have exited before its trap was delivered. */
static void unload_pending(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	uint64_t pending = vmread(VMCS_GUEST_PENDING_DBG);
	struct debugger_split s = debugger_divide(&d->plan, d->own_dr7, pending);

	if (s.hits == 0)
		return;
	vmwrite(VMCS_GUEST_PENDING_DBG, s.guest);
	met_points(vcpu, s.hits);
}

void debugger_unload(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	d->loaded = false;
	debugger_pages_unload(vcpu);
	if (d->dr) {
		unload_pending(vcpu);
		write_breakpoints(d->own_dr);
		vmwrite(VMCS_GUEST_DR7, d->own_dr7);
	}
	if (d->control)
		vmwrite(VMCS_PROC_CONTROLS, own_controls(vcpu));
}

/* What of a #DB is the debugger's. */
static struct debugger_split divide_exception(const struct vcpu_debug *d)
{
	uint32_t info = vmread32(VMCS_EXIT_INTR_INFO);

	if (!d->dr || INTR_INFO_VECTOR(info) != VEC_DB ||
		INTR_INFO_TYPE(info) != INTR_HW_EXCEPTION)
		return (struct debugger_split){.hits = 0};
	return debugger_divide(&d->plan, d->own_dr7, vmread(VMCS_EXIT_QUALIFICATION));
}

static bool takes_mtf(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	if (!d->control || (vcpu->nested.in_l2 && nested_mtf_of_l1(&vcpu->nested)))
		return false;
	d->skips = false;
	if (steps_here(d, level_of(vcpu)) && d->hit.why == DEBUG_NOTHING)
		met(vcpu, DEBUG_STEP, vmread(VMCS_GUEST_RIP));
	return true;
}

bool debugger_takes(struct vcpu *vcpu, uint32_t reason)
{
	struct vcpu_debug *d = &vcpu->debug;

	debugger_unload(vcpu);
	d->mark = where(vcpu);
	d->left = true;
	d->for_guest = 0;
	if (reason == EXIT_MTF)
		return takes_mtf(vcpu);
	if (reason == EXIT_EXCEPTION_NMI) {
		struct debugger_split s = divide_exception(d);

		met_points(vcpu, s.hits);
		d->for_guest = s.hits != 0 ? s.guest : 0;
		return s.hits != 0;
	}
	if (reason == EXIT_EPT_VIOLATION) {
		struct debugger_place place = place_of(vcpu, false);

		return debugger_pages_violation(vcpu, &place);
	}
	return false;
}

void debugger_access(struct vcpu *vcpu, uint64_t at, unsigned size, unsigned how)
{
	struct debugger_place place = place_of(vcpu, false);

	met_points(vcpu, debugger_meets(&vcpu->debug.points, &place, at, size, how));
}

void debugger_exit(struct vcpu *vcpu)
{
	uint64_t conditions = vcpu->debug.for_guest;

	if (vcpu->nested.in_l2)
		l2_exit_of_debugger(vcpu, conditions);
	else if (conditions != 0)
		vcpu_inject_debug(vcpu, conditions);
	debugger_pages_exit(vcpu);
}

/* ---- standing still ---- */

static void take_points(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct vm *vm = vcpu->vm;
	bool any = false;

	if (d->generation != __atomic_load_n(&vm->points_generation, __ATOMIC_SEQ_CST)) {
		vm_lock(vm);
		d->set = vm->points;
		d->generation = vm->points_generation;
		debugger_pages_take(vcpu);
		vm_unlock(vm);
	}
	for (unsigned i = 0; i < DEBUGGER_POINTS; i++)
		any |= d->set.p[i].size != 0;
	any |= d->pages != NULL && d->pages->code.count != 0;
	d->on = any || d->steps || d->skips || d->quiet;
	if (!d->on)
		debugger_pages_off(vcpu);
}

/* Where no register tells. */
static void look_at_pages(struct vcpu *vcpu)
{
	struct debug_mark now = where(vcpu);
	struct debugger_place place = place_of(vcpu, skips(&vcpu->debug, &now));
	const struct debugger_point *p = debugger_pages_look(vcpu, &place);

	if (p != NULL && vcpu->debug.hit.why == DEBUG_NOTHING)
		met(vcpu, DEBUG_BREAK, p->at);
}

/*
 * An instruction may also be completed by L0, or end in another level: then no MTF exit tells.
 * L2 that comes back to the instruction at which it left has not executed it, unless an event
 * is injected there.
 */
static bool step_is_over(const struct vcpu *vcpu)
{
	const struct vcpu_debug *d = &vcpu->debug;
	struct debug_mark now = where(vcpu);

	if (!d->steps || !d->left || (d->step_level != 0 && d->step_level != now.level))
		return false;
	if (now.level == d->mark.level)
		return now.rip != d->mark.rip || now.rcx != d->mark.rcx;
	return d->step_level != 2 || now.rip != d->from.rip || vcpu->injecting;
}

bool debugger_holds_interrupts(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	if (vcpu->state != VCPU_RUNNABLE || !steps_here(d, level_of(vcpu)))
		return false;
	d->held = true;
	return true;
}

static void release_interrupts(struct vcpu *vcpu)
{
	if (vcpu->debug.held)
		vcpu_add_events(vcpu, EVENT_IRQ);
	vcpu->debug.held = false;
}

/* The first of several vCPUs makes the others stand still; each tells why. */
static void stop(struct vcpu *vcpu, const struct debug_stop *s)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct vm *vm = vcpu->vm;

	d->steps = false;
	release_interrupts(vcpu);
	d->skips = s->why == DEBUG_BREAK && debugger_has_mtf();
	d->skip = (struct debug_mark){.level = s->level, .rip = s->rip};
	vm_lock(vm);
	d->stop = *s;
	vm_unlock(vm);
	vm_pause(vm);
	debugger_pages_close(vcpu);
	mux_record("stopped vm=%s vcpu=%u level=%u why=%s rip=0x%lx at=0x%lx tsc=%lu",
		vm->config.name, vcpu->index, s->level, debugger_word(s->why), s->rip, s->at,
		s->tsc);
}

/* What was wanted before debugger_remove_all. */
static void forget(struct vcpu *vcpu, uint32_t epoch)
{
	struct vcpu_debug *d = &vcpu->debug;

	d->epoch = epoch;
	d->steps = d->skips = false;
	d->hit.why = DEBUG_NOTHING;
	release_interrupts(vcpu);
}

void debugger_look(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	uint32_t epoch = __atomic_load_n(&vcpu->vm->debug_epoch, __ATOMIC_SEQ_CST);

	if (d->epoch != epoch)
		forget(vcpu, epoch);
	if (d->hit.why == DEBUG_NOTHING && step_is_over(vcpu))
		met(vcpu, DEBUG_STEP, vmread(VMCS_GUEST_RIP));
	d->left = false;
	/* L0 has completed the instruction that it made the access for. */
	if (d->hit.why >= DEBUG_WRITE && d->hit.level == level_of(vcpu))
		d->hit.rip = vmread(VMCS_GUEST_RIP);
	look_at_pages(vcpu);
	if (d->hit.why != DEBUG_NOTHING)
		stop(vcpu, &d->hit);
	d->hit.why = DEBUG_NOTHING;
	take_points(vcpu);
}

/* ---- requests ---- */

static void points_changed(struct vm *vm)
{
	__atomic_fetch_add(&vm->points_generation, 1, __ATOMIC_SEQ_CST);
}

static bool add(struct debugger_points *points, const struct debugger_point *p)
{
	struct debugger_point *free = NULL;

	for (unsigned i = DEBUGGER_POINTS; i-- > 0;) {
		if (points->p[i].size == 0)
			free = &points->p[i];
		else if (debugger_same(&points->p[i], p))
			return true;
	}
	if (free != NULL)
		*free = *p;
	return free != NULL;
}

/* Without MTF nobody can look at RIP, and only those in registers are met. */
static enum debugger_added add_soft(struct vm *vm, const struct debugger_point *p)
{
	if (!debugger_has_mtf())
		return add(&vm->points, p) ? DEBUGGER_ADDED : DEBUGGER_FULL;
	if (!debugger_pages_give(vm))
		return DEBUGGER_NO_MEMORY;
	return debugger_code_add(vm->code, p) ? DEBUGGER_ADDED : DEBUGGER_FULL;
}

enum debugger_added debugger_add(struct vm *vm, const struct debugger_point *p, bool soft)
{
	enum debugger_added added;

	vm_lock(vm);
	if (soft)
		added = add_soft(vm, p);
	else
		added = add(&vm->points, p) ? DEBUGGER_ADDED : DEBUGGER_FULL;
	points_changed(vm);
	vm_unlock(vm);
	vm_tell_all(vm, EVENT_DEBUG, true);
	return added;
}

static bool remove_hard(struct vm *vm, const struct debugger_point *p)
{
	bool found = false;

	for (unsigned i = 0; i < DEBUGGER_POINTS; i++) {
		struct debugger_point *q = &vm->points.p[i], like = *p;

		like.l2 = q->l2;
		if (q->size == 0 || !debugger_same(q, &like))
			continue;
		q->size = 0;
		found = true;
	}
	return found;
}

bool debugger_remove(struct vm *vm, const struct debugger_point *p, bool soft)
{
	bool found;

	vm_lock(vm);
	if (soft && debugger_has_mtf())
		found = vm->code != NULL && debugger_code_remove(vm->code, p);
	else
		found = remove_hard(vm, p);
	points_changed(vm);
	vm_unlock(vm);
	vm_tell_all(vm, EVENT_DEBUG, true);
	return found;
}

bool debugger_soft(struct vm *vm, uint64_t number, struct debugger_point *p)
{
	bool there;

	vm_lock(vm);
	there = vm->code != NULL && number < vm->code->count;
	if (there)
		*p = vm->code->p[number];
	vm_unlock(vm);
	return there;
}

void debugger_remove_all(struct vm *vm)
{
	vm_lock(vm);
	vm->points = (struct debugger_points){.p = {{.size = 0}}};
	if (vm->code != NULL)
		vm->code->count = 0;
	points_changed(vm);
	vm_unlock(vm);
	__atomic_fetch_add(&vm->debug_epoch, 1, __ATOMIC_SEQ_CST);
	debugger_forget_stops(vm);
	vm_tell_all(vm, EVENT_DEBUG, true);
	if (__atomic_exchange_n(&vm->alone, 0, __ATOMIC_SEQ_CST) != 0)
		vm_tell_all(vm, EVENT_PAUSE, false);
}

bool debugger_step(struct vcpu *vcpu, unsigned level)
{
	struct vcpu_debug *d = &vcpu->debug;

	if (!debugger_has_mtf())
		return false;
	d->steps = true;
	d->step_level = level;
	d->left = false;
	d->from = where(vcpu);
	d->on = true;
	/* Elsewhere it has not begun. */
	if (level != 0 && level != d->from.level)
		d->from.rip = ~d->from.rip;
	return true;
}

struct debug_stop debugger_stop_of(struct vm *vm, unsigned vcpu)
{
	struct debug_stop s;

	vm_lock(vm);
	s = vm->vcpus[vcpu]->debug.stop;
	vm_unlock(vm);
	return s;
}

void debugger_forget_stops(struct vm *vm)
{
	vm_lock(vm);
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vm->vcpus[i]->debug.stop.why = DEBUG_NOTHING;
	vm_unlock(vm);
}

bool debugger_missing(const struct vm *vm, unsigned point)
{
	uint8_t missing = 0;

	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (vm->vcpus[i]->debug.on)
			missing |= vm->vcpus[i]->debug.plan.missing;
	return missing >> point & 1;
}

const char *debugger_word(enum debug_why why)
{
	static const char *const words[] = {
		[DEBUG_NOTHING] = "nothing",
		[DEBUG_STEP] = "step",
		[DEBUG_BREAK] = "execute",
		[DEBUG_WRITE] = "write",
		[DEBUG_ACCESS] = "access",
	};

	return words[why];
}
