/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segment registers of a new task: descriptors, their checks (SDM table 7-1 "Exception
 * Conditions Checked During a Task Switch", 6.15 "Interrupt 10 - Invalid TSS Exception"), and
 * the error code on its stack.
 */
#include "emul/task_int.h"

#include "spec/vmx.h"

#define AR_TYPE_AT 5u /* the byte of a descriptor */

/* A segment register that is to be loaded. */
struct candidate {
	uint16_t selector;
	bool in_table; /* there is such a descriptor */
	uint32_t type, dpl, ar;
	uint32_t cpl; /* of the new task */
};

enum kind {
	KIND_LDT = 1,
	KIND_STACK = 2,
	KIND_DATA = 4,
	KIND_CODE = 8,
	KIND_ALL = 15
};

static bool in_table(const struct candidate *c)
{
	return c->in_table;
}

static bool is_ldt(const struct candidate *c)
{
	return !(c->ar & SEG_AR_S) && c->type == SEG_TYPE_LDT;
}

static bool is_writable_data(const struct candidate *c)
{
	return c->ar & SEG_AR_S && !(c->type & SEG_TYPE_CODE) && c->type & SEG_TYPE_WRITABLE;
}

static bool is_readable(const struct candidate *c)
{
	return c->ar & SEG_AR_S && (!(c->type & SEG_TYPE_CODE) || c->type & SEG_TYPE_READABLE);
}

static bool is_code(const struct candidate *c)
{
	return c->ar & SEG_AR_S && c->type & SEG_TYPE_CODE;
}

static bool is_present(const struct candidate *c)
{
	return c->ar & SEG_AR_P;
}

static bool dpl_is_cpl_and_rpl(const struct candidate *c)
{
	return c->dpl == c->cpl && c->dpl == SELECTOR_RPL(c->selector);
}

static bool dpl_covers_cpl_and_rpl(const struct candidate *c)
{
	bool conforming = c->type & SEG_TYPE_CODE && c->type & SEG_TYPE_CONFORMING;

	return conforming || (c->dpl >= c->cpl && c->dpl >= SELECTOR_RPL(c->selector));
}

static bool dpl_fits_code(const struct candidate *c)
{
	return c->type & SEG_TYPE_CONFORMING ? c->dpl <= c->cpl : c->dpl == c->cpl;
}

/* In the order in which they are made; the first that does not hold decides. */
static const struct rule {
	uint8_t kinds; /* enum kind */
	uint8_t vector;
	bool (*holds)(const struct candidate *c);
} rules[] = {
	{KIND_ALL, VEC_TS, in_table},
	{KIND_LDT, VEC_TS, is_ldt},
	{KIND_LDT, VEC_TS, is_present},
	{KIND_STACK, VEC_TS, is_writable_data},
	{KIND_STACK, VEC_SS, is_present},
	{KIND_STACK, VEC_TS, dpl_is_cpl_and_rpl},
	{KIND_DATA, VEC_TS, is_readable},
	{KIND_DATA, VEC_TS, dpl_covers_cpl_and_rpl},
	{KIND_DATA, VEC_NP, is_present},
	{KIND_CODE, VEC_TS, is_code},
	{KIND_CODE, VEC_TS, dpl_fits_code},
	{KIND_CODE, VEC_NP, is_present},
};

struct task_segment task_parse(uint16_t selector, uint64_t d)
{
	struct task_segment s = {
		.selector = selector,
		.base = (uint32_t)(d >> 16 & 0xffffff) | (uint32_t)(d >> 32 & 0xff000000),
		.limit = (uint32_t)(d & 0xffff) | (uint32_t)(d >> 32 & 0xf0000),
		.ar = (uint32_t)(d >> 40 & 0xf0ff),
	};

	if (s.ar & SEG_AR_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

/* The linear address of a descriptor; false: the selector is null or beyond the table. */
static bool locate(const struct task_cpu *cpu, uint16_t selector, uint32_t *at)
{
	const struct task_segment *ldt = &cpu->seg[SEG_LDTR];
	bool local = selector & 4;

	if ((selector & 0xfffc) == 0 || (local && ldt->ar & SEG_AR_UNUSABLE) ||
		(selector | 7u) > (local ? ldt->limit : cpu->gdt_limit))
		return false;
	*at = (local ? ldt->base : cpu->gdt_base) + (selector & ~7u);
	return true;
}

static bool check(struct task *t, enum kind kind, const struct candidate *c)
{
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].kinds & kind && !rules[i].holds(c))
			return task_fault_selector(t, rules[i].vector, c->selector);
	return true;
}

/* The accessed flag, in memory too when it is not set there. */
static bool touch(struct task *t, uint32_t at, struct task_segment *s)
{
	uint8_t byte = (uint8_t)s->ar | SEG_TYPE_ACCESSED;

	if (s->ar & SEG_TYPE_ACCESSED)
		return true;
	s->ar |= SEG_TYPE_ACCESSED;
	return task_write(t, at + AR_TYPE_AT, &byte, 1);
}

/* The CPL is that of the new CS selector all the time. */
static bool load(struct task *t, enum sreg index, enum kind kind)
{
	struct task_segment *to = &t->cpu->seg[index], s;
	struct candidate c = {
		.selector = to->selector, .cpl = SELECTOR_RPL(t->cpu->seg[SEG_CS].selector)};
	uint64_t descriptor = 0;
	uint32_t at = 0;

	/* An LDT is described in the GDT. */
	c.in_table = !(kind == KIND_LDT && c.selector & 4) && locate(t->cpu, c.selector, &at);
	if (c.in_table && !task_read(t, at, &descriptor, sizeof(descriptor)))
		return false;
	s = task_parse(to->selector, descriptor);
	c.ar = s.ar;
	c.type = SEG_AR_TYPE(s.ar);
	c.dpl = SEG_AR_DPL(s.ar);
	if (!check(t, kind, &c) || (kind != KIND_LDT && !touch(t, at, &s)))
		return false;
	*to = s;
	return true;
}

static bool load_unless_null(struct task *t, enum sreg index, enum kind kind)
{
	return (t->cpu->seg[index].selector & 0xfffc) == 0 || load(t, index, kind);
}

/*
 * Nothing but the selectors is loaded. SS and CS have what a VM entry needs (SDM 26.3.1.2), so
 * that a fault can be delivered; at CPL 3, since SS is no stack: a handler that is no task gets
 * one from the new TSS.
 */
static void unload_segments(struct task_cpu *cpu)
{
	for (unsigned i = 0; i <= SEG_LDTR; i++) {
		cpu->seg[i].base = cpu->seg[i].limit = 0;
		cpu->seg[i].ar = SEG_AR_UNUSABLE;
	}
	cpu->seg[SEG_SS].ar |= 3u << 5;
	cpu->seg[SEG_CS].ar = SEG_AR_CODE16 | 3u << 5;
}

static void load_v86_segments(struct task_cpu *cpu)
{
	for (unsigned i = 0; i < SEG_NAMED; i++) {
		cpu->seg[i].base = (uint32_t)cpu->seg[i].selector << 4;
		cpu->seg[i].limit = 0xffff;
		cpu->seg[i].ar = SEG_AR_V86;
	}
}

bool task_load_segments(struct task *t)
{
	static const enum sreg data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
	struct task_cpu *cpu = t->cpu;
	bool v86 = cpu->eflags & RFLAGS_VM;

	unload_segments(cpu);
	if (v86)
		load_v86_segments(cpu);
	if (!load_unless_null(t, SEG_LDTR, KIND_LDT))
		return false;
	if (v86)
		return true;
	if (!load(t, SEG_SS, KIND_STACK))
		return false;
	cpu->seg[SEG_CS].ar = SEG_AR_CODE16 | SELECTOR_RPL(cpu->seg[SEG_CS].selector) << 5;
	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		if (!load_unless_null(t, data[i], KIND_DATA))
			return false;
	return load(t, SEG_CS, KIND_CODE);
}

/* ---- the stack ---- */

static bool in_stack(const struct task_segment *ss, uint32_t offset, uint32_t size)
{
	uint32_t last = offset + size - 1, top = ss->ar & SEG_AR_DB ? UINT32_MAX : 0xffff;

	if (last < offset)
		return false;
	if (SEG_AR_TYPE(ss->ar) & SEG_TYPE_DOWN)
		return offset > ss->limit && last <= top;
	return last <= ss->limit;
}

static bool push(struct task *t, uint32_t size, uint32_t value)
{
	struct task_cpu *cpu = t->cpu;
	const struct task_segment *ss = &cpu->seg[SEG_SS];
	uint32_t cpl = SEG_AR_DPL(ss->ar);
	bool ac = cpu->eflags & RFLAGS_AC;
	uint32_t mask = ss->ar & SEG_AR_DB ? UINT32_MAX : 0xffff;
	uint32_t offset = (cpu->r[REG_RSP] - size) & mask;

	if (!in_stack(ss, offset, size))
		return task_fault(t, VEC_SS, 0);
	if (cpl == 3 && ac && cpu->cr0 & CR0_AM && ((ss->base + offset) & (size - 1)) != 0) {
		task_fault(t, VEC_AC, 0);
		t->result.error = 0; /* always (SDM 6.15) */
		return false;
	}
	if (!task_write_as(t, (uint8_t)cpl, ac, ss->base + offset, &value, size))
		return false;
	cpu->r[REG_RSP] = (cpu->r[REG_RSP] & ~mask) | offset;
	return true;
}

bool task_push_error(struct task *t, uint32_t size)
{
	if (t->request->has_error && !push(t, size, t->request->error))
		return false;
	if (t->cpu->eip > t->cpu->seg[SEG_CS].limit)
		return task_fault(t, VEC_GP, 0);
	return true;
}
