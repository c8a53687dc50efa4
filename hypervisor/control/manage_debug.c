/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a debugger asks of a VM: breakpoints, steps, changes of registers.
 */
#include "control/manage.h"

#include "cpu/mux.h"
#include "lib/fmt.h"
#include "vm/debugger.h"
#include "vm/operate.h"
#include "vm/vm.h"

static uint32_t id_of(const struct manage_request *r)
{
	return (uint32_t)r->number[MANAGE_ARG_ID];
}

/* ---- breakpoints ---- */

static const char *const kinds[] = {
	[DEBUGGER_EXECUTE] = "execute",
	[DEBUGGER_WRITE] = "write",
	[DEBUGGER_ACCESS] = "access",
};

/* DEBUGGER_EXECUTE, without a debug register. */
static const char soft_kind[] = "soft";

static bool is_soft(const struct manage_request *r)
{
	return manage_given(r, MANAGE_ARG_KIND) &&
	       text_is(text_of(r->word, MANAGE_WORD + 1), soft_kind);
}

/* Of what the request says; false: there is no such breakpoint. */
static bool read_point(const struct manage_request *r, struct debugger_point *p)
{
	struct text on = text_of(r->word, MANAGE_WORD + 1);
	uint64_t size = manage_given(r, MANAGE_ARG_SIZE) ? r->number[MANAGE_ARG_SIZE] : 1;
	unsigned kind = DEBUGGER_EXECUTE;

	if (manage_given(r, MANAGE_ARG_KIND) && !is_soft(r))
		while (kind <= DEBUGGER_ACCESS &&
			(kinds[kind] == NULL || !text_is(on, kinds[kind])))
			kind++;
	*p = (struct debugger_point){.at = r->number[MANAGE_ARG_AT],
		.on = (uint8_t)kind,
		.size = size <= 8 ? (uint8_t)size : 0,
		.level = (uint8_t)r->number[MANAGE_ARG_LEVEL]};
	return kind <= DEBUGGER_ACCESS && debugger_valid(p);
}

static const char not_a_point[] =
	"kind= is execute or soft (of one byte), write or access; size= 1, 2, 4 or 8, and at= a "
	"multiple";

static enum manage_status add(struct vm *vm, const struct manage_request *r, const char **why)
{
	struct debugger_point p;

	*why = not_a_point;
	if (!read_point(r, &p))
		return MANAGE_IS_BAD;
	p.l2 = r->number[MANAGE_ARG_L2];
	switch (debugger_add(vm, &p, is_soft(r))) {
	case DEBUGGER_ADDED:
		*why = NULL;
		return MANAGE_IS_OK;
	case DEBUGGER_FULL:
		*why = is_soft(r)
			       ? "there are 256 breakpoints of kind=soft already (four without "
				 "the monitor trap flag)"
			       : "there are four breakpoints already: the processor has no "
				 "more (kind=soft needs none)";
		return MANAGE_IS_STATE;
	default:
		*why = "breakpoints of kind=soft need 270 KiB of the VM's pool for each "
		       "vCPU, which it has not to spare: a VM with fewer vCPUs or more "
		       "memory has (the four of kind=execute need none)";
		return MANAGE_IS_STATE;
	}
}

static enum manage_status take_away(
	struct vm *vm, const struct manage_request *r, const char **why)
{
	struct debugger_point p;

	if (!manage_given(r, MANAGE_ARG_AT)) {
		debugger_remove_all(vm);
		return MANAGE_IS_OK;
	}
	*why = not_a_point;
	if (!read_point(r, &p))
		return MANAGE_IS_BAD;
	*why = "there is no such breakpoint";
	if (!debugger_remove(vm, &p, is_soft(r)))
		return MANAGE_IS_STATE;
	*why = NULL;
	return MANAGE_IS_OK;
}

/* As many as an answer has room for. */
static void tell_soft(struct vm *vm, const struct manage_request *r)
{
	uint64_t from = r->number[MANAGE_ARG_FROM], i = from;
	struct debugger_point p;

	for (; i - from < MANAGE_ITEMS && debugger_soft(vm, i, &p); i++)
		mux_record("item id=%u break=%lu at=0x%lx kind=%s size=%u level=%u only=%u "
			   "missing=0",
			id_of(r), DEBUGGER_POINTS + i, p.at, soft_kind, p.size, p.level,
			p.l2 != 0);
	if (debugger_soft(vm, i, &p))
		mux_record("item id=%u next=%lu", id_of(r), i);
}

static void tell_stops(struct vm *vm, const struct manage_request *r)
{
	for (unsigned i = 0; i < vm->config.cpus; i++) {
		struct debug_stop s = debugger_stop_of(vm, i);

		if (s.why != DEBUG_NOTHING)
			mux_record("item id=%u vcpu=%u level=%u why=%s rip=0x%lx at=0x%lx "
				   "tsc=%lu",
				id_of(r), i, s.level, debugger_word(s.why), s.rip, s.at, s.tsc);
	}
	for (unsigned i = 0; i < DEBUGGER_POINTS; i++) {
		const struct debugger_point *p = &vm->points.p[i];

		if (p->size != 0)
			mux_record("item id=%u break=%u at=0x%lx kind=%s size=%u level=%u "
				   "only=%u missing=%u",
				id_of(r), i, p->at, kinds[p->on], p->size, p->level, p->l2 != 0,
				debugger_missing(vm, i));
	}
}

/* ---- steps, registers ---- */

static enum manage_status step(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	unsigned alone = r->number[MANAGE_ARG_ALONE] ? 1 + vcpu->index : 0;

	if (!debugger_step(vcpu, (unsigned)r->number[MANAGE_ARG_LEVEL])) {
		*why = "the machine has no monitor trap flag";
		return MANAGE_IS_STATE;
	}
	vm_resume(vcpu->vm, alone);
	return MANAGE_IS_OK;
}

static bool at_level(const struct vcpu *vcpu, const struct manage_request *r)
{
	uint64_t level = r->number[MANAGE_ARG_LEVEL];

	return level == 0 || level == vcpu_level(vcpu);
}

static const char not_at_level[] = "the vCPU is not at this level";
static const char not_paused[] = "the VM is not paused";

static enum manage_status set(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	*why = not_at_level;
	if (!at_level(vcpu, r))
		return MANAGE_IS_STATE;
	*why = not_paused;
	if (!vm_holds(vcpu))
		return MANAGE_IS_STATE;
	switch (debugger_set(vcpu, r->word, r->number[MANAGE_ARG_VALUE])) {
	case DEBUGGER_SET:
		*why = NULL;
		return MANAGE_IS_OK;
	case DEBUGGER_SET_UNKNOWN:
		*why = "it is rax to r15, rip, rflags, cr2, fs_base, gs_base; of L1 also cr0, "
		       "cr3, cr4, cr8";
		return MANAGE_IS_BAD;
	case DEBUGGER_SET_VALUE:
		*why = "the register cannot have this value";
		return MANAGE_IS_BAD;
	default:
		*why = "not now: an event waits, interrupts are blocked, or L1 decides on it";
		return MANAGE_IS_STATE;
	}
}

/* ---- x87, SSE, AVX ---- */

static void tell_bytes(
	const struct manage_request *r, uint32_t at, const uint8_t *bytes, uint32_t size)
{
	char text[2 * MANAGE_BYTES + 1] = "";

	for (uint32_t i = 0; i < size; i++)
		fmt(text + (size_t)2 * i, 3, "%02x", bytes[i]);
	mux_record("item id=%u at=%u data=%s", id_of(r), at, text);
}

/* AVX where the guest has it on. */
static enum manage_status fpu(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	const uint8_t *legacy, *avx;

	*why = not_at_level;
	if (!at_level(vcpu, r))
		return MANAGE_IS_STATE;
	if (manage_given(r, MANAGE_ARG_DATA)) {
		*why = not_paused;
		if (!vm_holds(vcpu))
			return MANAGE_IS_STATE;
		*why = "at= and data= must be of the registers, MXCSR with valid bits";
		if (!vcpu_fpu_write(vcpu, r->number[MANAGE_ARG_AT], r->data,
			    (uint32_t)r->number[MANAGE_ARG_DATA]))
			return MANAGE_IS_BAD;
		*why = NULL;
		return MANAGE_IS_OK;
	}
	*why = NULL;
	vcpu_fpu_read(vcpu, &legacy, &avx);
	tell_bytes(r, 0, legacy, MANAGE_BYTES);
	tell_bytes(r, MANAGE_BYTES, legacy + MANAGE_BYTES, FPU_LEGACY - MANAGE_BYTES);
	if (avx != NULL)
		tell_bytes(r, FPU_AVX, avx, FPU_AVX_SIZE);
	return MANAGE_IS_OK;
}

enum manage_status manage_debug(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	switch (r->op) {
	case MANAGE_SET:
		return set(vcpu, r, why);
	case MANAGE_FPU:
		return fpu(vcpu, r, why);
	case MANAGE_BREAK:
		return add(vcpu->vm, r, why);
	case MANAGE_UNBREAK:
		return take_away(vcpu->vm, r, why);
	case MANAGE_STEP:
		return step(vcpu, r, why);
	default:
		if (is_soft(r))
			tell_soft(vcpu->vm, r);
		else
			tell_stops(vcpu->vm, r);
		return MANAGE_IS_OK;
	}
}
