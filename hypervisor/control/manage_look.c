/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU is asked to tell of itself: figures, registers, fields of VMCSs, memory. An
 * answer has a bounded number of items, with the number from which the next one goes on.
 */
#include "control/manage.h"

#include "cpu/asm.h"
#include "cpu/mux.h"
#include "lib/fmt.h"
#include "nested/explain.h"
#include "nested/state.h"
#include "policy/chunks.h"
#include "vm/devices.h"
#include "vm/explain.h"
#include "vm/operate.h"
#include "vm/ram.h"
#include "vm/vm.h"
#include "vmx/asm.h"

static uint32_t id_of(const struct manage_request *r)
{
	return (uint32_t)r->number[MANAGE_ARG_ID];
}

/* The level that is asked for, or the one that the vCPU is in. */
static unsigned level_of(const struct vcpu *vcpu, const struct manage_request *r)
{
	return r->number[MANAGE_ARG_LEVEL] != 0 ? (unsigned)r->number[MANAGE_ARG_LEVEL]
						: vcpu_level(vcpu);
}

static void tell_next(const struct manage_request *r, uint64_t next)
{
	mux_record("item id=%u next=%lu", id_of(r), next);
}

/* ---- figures ---- */

struct figure {
	const char *name;
	uint64_t value;
};

static bool is_vmx_instruction(unsigned reason)
{
	return (reason >= EXIT_VMCALL && reason <= EXIT_VMXON) || reason == EXIT_INVEPT ||
	       reason == EXIT_INVVPID || reason == EXIT_VMFUNC;
}

static uint64_t exits_of(const struct vcpu *vcpu, unsigned level, bool vmx_only)
{
	uint64_t sum = 0;

	for (unsigned r = 0; r < EXIT_REASON_COUNT; r++)
		if (!vmx_only || is_vmx_instruction(r))
			sum += vcpu_exits(vcpu, level, r);
	return sum;
}

static void tell_figures(const struct manage_request *r, const struct figure *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		mux_record("item id=%u figure=%s value=%lu", id_of(r), f[i].name, f[i].value);
}

#define TELL(r, f) tell_figures(r, f, sizeof(f) / sizeof((f)[0]))

static void tell_vcpu(const struct vcpu *vcpu, const struct manage_request *r)
{
	const struct vcpu_stats *s = &vcpu->stats;
	const struct nested_stats *n = &vcpu->nested.stats;
	const struct figure all[] = {
		{"ticks_l0", s->ticks[0]},
		{"ticks_l1", s->ticks[1]},
		{"ticks_l2", s->ticks[2]},
		{"injected", s->injected},
		{"sched_waits", s->waits},
		{"ticks_waiting", s->ticks_waiting},
		{"exits_l1", exits_of(vcpu, 1, false)},
		{"exits_l1_vmx", exits_of(vcpu, 1, true)},
		{"exits_l2", exits_of(vcpu, 2, false)},
		{"nested_entries", n->entries},
		{"nested_failed_entries", n->failed_entries},
		{"nested_exits_to_l1", nested_exits_to_l1(n)},
		{"nested_exits_kept", n->exits_kept},
		{"vmcs_loads", n->vmcs_loads},
		{"vmcs_switches", n->vmcs_switches},
		{"vept_fills", n->vept_fills},
		{"vept_syncs", n->vept_syncs},
		{"vept_zaps", n->vept_zaps},
		{"vept_evictions", n->vept_evictions},
		{"invept", vcpu_exits(vcpu, 1, EXIT_INVEPT)},
		{"invvpid", vcpu_exits(vcpu, 1, EXIT_INVVPID)},
		{"posted", n->posted},
		{"ipis", n->ipis},
	};

	TELL(r, all);
}

static void tell_ram(const struct vm *vm, const struct manage_request *r)
{
	const struct ram_stats *s = &vm->ram->stats;
	const struct figure all[] = {
		{"ram_bytes", s->there * CHUNK_SIZE},
		{"ram_given_bytes", s->given * CHUNK_SIZE},
		{"ram_waits", s->waits},
		{"balloon_bytes", vm->devices->balloon.inside * PAGE_SIZE},
	};

	TELL(r, all);
}

/* Of the VM, with those of its first vCPU. */
static void tell_vm(const struct vm *vm, const struct manage_request *r)
{
	const struct figure all[] = {
		{"ept01_fills", vm->ept01.fills},
		{"ept01_evictions", vm->ept01.evictions},
	};

	TELL(r, all);
	if (vm->ram != NULL)
		tell_ram(vm, r);
}

/* First the figures of the vCPU, with number 0 all; then exits, by level and reason. */
static void stat(const struct vcpu *vcpu, const struct manage_request *r)
{
	uint64_t from = r->number[MANAGE_ARG_FROM];
	unsigned told = 0;

	if (from == 0)
		tell_vcpu(vcpu, r);
	if (from == 0 && vcpu->index == 0)
		tell_vm(vcpu->vm, r);
	for (uint64_t i = from == 0 ? 1 : from; i <= STAT_ROW_NONE; i++) {
		unsigned level = i > EXIT_REASON_COUNT ? 2 : 1;
		unsigned reason = (unsigned)(i - 1) % EXIT_REASON_COUNT;
		uint64_t count = vcpu_exits(vcpu, level, reason);
		uint64_t to_l1 = level == 2 ? vcpu->nested.stats.to_l1[reason] : 0;

		if (count == 0 && to_l1 == 0)
			continue;
		if (told++ == MANAGE_ITEMS) {
			tell_next(r, i);
			return;
		}
		if (level == 1)
			mux_record("item id=%u level=1 reason=%s count=%lu", id_of(r),
				exit_reason_name(reason), count);
		else
			mux_record("item id=%u level=2 reason=%s count=%lu to_l1=%lu", id_of(r),
				exit_reason_name(reason), count, to_l1);
	}
}

/* How long L0 took, by exits that it was for: buckets that are not empty. */
static void latency(const struct vcpu *vcpu, const struct manage_request *r)
{
	unsigned told = 0;

	for (uint64_t i = r->number[MANAGE_ARG_FROM]; i < STAT_ROWS * LATENCY_BUCKETS; i++) {
		unsigned row = (unsigned)i / LATENCY_BUCKETS, bucket = i % LATENCY_BUCKETS;
		bool none = row == STAT_ROW_NONE;

		if (vcpu->stats.latency[i] == 0)
			continue;
		if (told++ == MANAGE_ITEMS) {
			tell_next(r, i);
			return;
		}
		mux_record("item id=%u level=%u reason=%s least=%lu count=%lu", id_of(r),
			none ? 0 : row / EXIT_REASON_COUNT + 1,
			none ? "none" : exit_reason_name(row % EXIT_REASON_COUNT),
			bucket == 0 ? UINT64_C(0) : BIT64(bucket), vcpu->stats.latency[i]);
	}
}

/* ---- refusals ---- */

/* As in the records `explain`; the host tool puts symbols behind the addresses of L1. */
static void tell_refusal(
	const struct vm *vm, const struct manage_request *r, const struct explain_record *e)
{
	const struct nested_report *why = &e->report;
	char text[EXPLAIN_TEXT];

	explain_text(text, sizeof(text), why, &vm->nested_vm->caps, true);
	mux_record("item id=%u vm=%s vcpu=%u level=%u rip=0x%lx instruction=%s rule=%s "
		   "nth=%u tsc=%lu text=%s",
		id_of(r), vm->config.name, e->vcpu, why->l2 ? 2u : 1u, why->rip,
		exit_reason_name(why->instruction), explain_rule_name(explain_rule(why)),
		e->nth, e->tsc, text);
}

static void refusals(struct vm *vm, const struct manage_request *r)
{
	uint64_t at = r->number[MANAGE_ARG_FROM], first, end;
	struct explain_record e;

	vm_explain_range(vm, &first, &end);
	at = at > first ? at : first;
	for (unsigned told = 0; at < end && told < MANAGE_ITEMS; at++, told++)
		if (vm_explain_get(vm, at, &e))
			tell_refusal(vm, r, &e);
	if (at < end)
		tell_next(r, at);
}

/* ---- registers ---- */

static const struct {
	const char *name;
	uint32_t field;
} vmcs_registers[] = {
	{"rip", VMCS_GUEST_RIP},
	{"rsp", VMCS_GUEST_RSP},
	{"rflags", VMCS_GUEST_RFLAGS},
	{"cr0", VMCS_GUEST_CR0},
	{"cr3", VMCS_GUEST_CR3},
	{"cr4", VMCS_GUEST_CR4},
	{"efer", VMCS_GUEST_EFER},
	{"dr7", VMCS_GUEST_DR7},
	{"gdtr", VMCS_GUEST_GDTR_BASE},
	{"gdtr_limit", VMCS_GUEST_GDTR_LIMIT},
	{"idtr", VMCS_GUEST_IDTR_BASE},
	{"idtr_limit", VMCS_GUEST_IDTR_LIMIT},
	{"activity", VMCS_GUEST_ACTIVITY_STATE},
	{"interruptibility", VMCS_GUEST_INTERRUPTIBILITY},
};

#define SEGMENT(name, n)                                                \
	{                                                               \
		name, VMCS_GUEST_##n##_SELECTOR, VMCS_GUEST_##n##_BASE, \
			VMCS_GUEST_##n##_LIMIT, VMCS_GUEST_##n##_AR     \
	}

static const struct {
	const char *name;
	uint32_t selector, base, limit, rights;
} segments[] = {
	SEGMENT("cs", CS),
	SEGMENT("ss", SS),
	SEGMENT("ds", DS),
	SEGMENT("es", ES),
	SEGMENT("fs", FS),
	SEGMENT("gs", GS),
	SEGMENT("ldtr", LDTR),
	SEGMENT("tr", TR),
};

/* By enum reg; RSP is in the VMCS. */
static const char *const general[] = {"rax", "rcx", "rdx", "rbx", NULL, "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

/* Of L1 as it reads them, whatever the processor must have instead; of L2 as L1 finds them in
 * its VMCS. */
static uint64_t register_value(const struct vcpu *vcpu, unsigned level, uint32_t field)
{
	if (field == VMCS_GUEST_CR4)
		return level == 2 ? nested_l2_cr4(&vcpu->nested) : nested_l1_cr4();
	return field == VMCS_GUEST_CR0 && level == 1 ? nested_l1_cr0() : vmread(field);
}

static void tell_registers(
	const struct vcpu *vcpu, const struct manage_request *r, unsigned level)
{
	bool known = level == vcpu_level(vcpu);

	mux_record("item id=%u level=%u current=%u l2=0x%lx", id_of(r), level, known,
		vcpu->nested.in_l2 ? nested_l2_name(&vcpu->nested) : 0);
	for (unsigned i = 0; known && i < sizeof(general) / sizeof(general[0]); i++)
		if (general[i] != NULL)
			mux_record("item id=%u register=%s value=0x%lx", id_of(r), general[i],
				vcpu->regs.r[i]);
	for (unsigned i = 0; i < sizeof(vmcs_registers) / sizeof(vmcs_registers[0]); i++)
		mux_record("item id=%u register=%s value=0x%lx", id_of(r),
			vmcs_registers[i].name,
			register_value(vcpu, level, vmcs_registers[i].field));
	if (known)
		mux_record("item id=%u register=cr2 value=0x%lx", id_of(r), read_cr2());
	if (known && level == 1)
		mux_record("item id=%u register=cr8 value=0x%lx", id_of(r),
			platform_get_cr8(vcpu->vm->platform, vcpu->index));
	for (unsigned i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		mux_record("item id=%u segment=%s selector=0x%lx base=0x%lx limit=0x%lx "
			   "rights=0x%lx",
			id_of(r), segments[i].name, vmread(segments[i].selector),
			vmread(segments[i].base), vmread(segments[i].limit),
			vmread(segments[i].rights));
}

/* ---- VMCSs ---- */

/* Level 1: VMCS01, what the machine has; level 2: VMCS12, as L1 reads it, if one is current. */
static bool field_value(struct vcpu *vcpu, unsigned level, enum vmcs_fid fid, uint64_t *value)
{
	uint32_t encoding = vmcs_fields[fid].encoding;

	if (level == 2)
		return nested_state_field(&vcpu->nested, fid, value);
	if (!vmread_checked(encoding))
		return false;
	*value = vmread(encoding);
	return true;
}

static void tell_fields(struct vcpu *vcpu, const struct manage_request *r, unsigned level)
{
	unsigned told = 0;

	for (uint64_t i = r->number[MANAGE_ARG_FROM]; i < FID_COUNT; i++) {
		uint64_t value;

		if (told == MANAGE_ITEMS) {
			tell_next(r, i);
			return;
		}
		if (!field_value(vcpu, level, (enum vmcs_fid)i, &value))
			continue;
		told++;
		mux_record("item id=%u field=%s encoding=0x%x value=0x%lx", id_of(r),
			vmcs_fields[i].name, vmcs_fields[i].encoding, value);
	}
}

static enum manage_status vmcs(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	unsigned level = r->number[MANAGE_ARG_LEVEL] == 2 ? 2 : 1;

	if (level == 2 && !nested_state_begin_fields(&vcpu->nested)) {
		*why = "L1 has no current VMCS";
		return MANAGE_IS_STATE;
	}
	if (level == 1)
		vcpu_level_enter(vcpu, 1);
	tell_fields(vcpu, r, level);
	vcpu_level_left(vcpu);
	return MANAGE_IS_OK;
}

/* ---- memory ---- */

static bool read_memory(struct vcpu *vcpu, const struct manage_request *r, unsigned level)
{
	uint32_t size = (uint32_t)r->number[MANAGE_ARG_SIZE];
	uint8_t bytes[MANAGE_BYTES];
	char text[2 * MANAGE_BYTES + 1] = "";

	if (!vcpu_peek(vcpu, level, r->number[MANAGE_ARG_PHYSICAL] != 0,
		    r->number[MANAGE_ARG_AT], bytes, size))
		return false;
	for (uint32_t i = 0; i < size; i++)
		fmt(text + (size_t)2 * i, 3, "%02x", bytes[i]);
	mux_record("item id=%u level=%u data=%s", id_of(r), level, text);
	return true;
}

static bool write_memory(struct vcpu *vcpu, const struct manage_request *r, unsigned level)
{
	return vcpu_poke(vcpu, level, r->number[MANAGE_ARG_PHYSICAL] != 0,
		r->number[MANAGE_ARG_AT], r->data, (uint32_t)r->number[MANAGE_ARG_DATA]);
}

static enum manage_status in_level(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	unsigned level = level_of(vcpu, r);
	bool there = true;

	if (!vcpu_level_enter(vcpu, level)) {
		*why = "the vCPU is not in L2";
		return MANAGE_IS_STATE;
	}
	if (r->op == MANAGE_REGS)
		tell_registers(vcpu, r, level);
	else if (r->op == MANAGE_READ)
		there = read_memory(vcpu, r, level);
	else
		there = write_memory(vcpu, r, level);
	vcpu_level_left(vcpu);
	if (!there)
		*why = "nothing is at this address, or not all of it";
	return there ? MANAGE_IS_OK : MANAGE_IS_NO_MEMORY;
}

enum manage_status manage_look(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	switch (r->op) {
	case MANAGE_STAT:
		stat(vcpu, r);
		return MANAGE_IS_OK;
	case MANAGE_LATENCY:
		latency(vcpu, r);
		return MANAGE_IS_OK;
	case MANAGE_TRACE:
		return manage_trace(vcpu, r, why);
	case MANAGE_RECORDS:
		return manage_records(vcpu, r, why);
	case MANAGE_VMCS:
		return vmcs(vcpu, r, why);
	case MANAGE_EXPLAIN:
		refusals(vcpu->vm, r);
		return MANAGE_IS_OK;
	default:
		return in_level(vcpu, r, why);
	}
}
