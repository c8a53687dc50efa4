/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of SDM 7.3 "Task Switching": checks that touch nothing, the old task's state, the
 * commit, the new task's state. Segment descriptors are in task_segments.c.
 */
#include "emul/task_int.h"

#include "spec/vmx.h"

#define TSS_MAX   0x68u
#define SAVED_MAX 0x40u
#define BUSY_AT   4u /* the doubleword of a descriptor that has the busy flag */
#define BUSY      (1u << 9)

/* Offsets of fields, SDM figures 7-2 and 7-11; 0: no such field. */
struct tss_layout {
	uint32_t limit;    /* at least */
	uint32_t from, to; /* what a switch saves */
	uint32_t width;    /* of registers */
	uint32_t cr3, eip, eflags, regs;
	uint32_t seg[SEG_NAMED];
	uint32_t ldt, trap;
	uint32_t upper; /* upper halves of registers that it does not have */
};

static const struct tss_layout tss16 = {
	.limit = 0x2b,
	.from = 0x0e,
	.to = 0x2a,
	.width = 2,
	.eip = 0x0e,
	.eflags = 0x10,
	.regs = 0x12,
	.seg = {0x22, 0x24, 0x26, 0x28},
	.ldt = 0x2a,
	.upper = 0xffff0000,
};

static const struct tss_layout tss32 = {
	.limit = 0x67,
	.from = 0x20,
	.to = 0x60,
	.width = 4,
	.cr3 = 0x1c,
	.eip = 0x20,
	.eflags = 0x24,
	.regs = 0x28,
	.seg = {0x48, 0x4c, 0x50, 0x54, 0x58, 0x5c},
	.ldt = 0x60,
	.trap = 0x64,
};

/* What the checks found out. */
struct plan {
	const struct tss_layout *old, *new;
	struct task_segment tss; /* the new one */
	uint8_t image[TSS_MAX];  /* of it */
	uint8_t saved[SAVED_MAX];
	bool new_cr3;
	uint32_t cr3;
	uint64_t pdpte[4];
};

/* ---- faults and memory ---- */

bool task_fault(struct task *t, uint8_t vector, uint32_t error)
{
	t->result.fault = true;
	t->result.vector = vector;
	t->result.error = error | t->request->external;
	return false;
}

bool task_fault_selector(struct task *t, uint8_t vector, uint16_t selector)
{
	return task_fault(t, vector, selector & 0xfffcu);
}

static bool page_fault(struct task *t)
{
	t->result.fault = true;
	t->result.vector = VEC_PF;
	return false;
}

static void act_as(struct task *t, uint8_t cpl, bool ac)
{
	t->env->cpl = cpl;
	t->env->ac = ac;
}

bool task_read(struct task *t, uint32_t linear, void *dst, uint32_t len)
{
	return seam_memory_read(t->env, linear, dst, len) || page_fault(t);
}

bool task_write(struct task *t, uint32_t linear, const void *src, uint32_t len)
{
	return seam_memory_write(t->env, linear, src, len) || page_fault(t);
}

bool task_can_write(struct task *t, uint32_t linear, uint32_t len)
{
	return seam_memory_can_write(t->env, linear, len) || page_fault(t);
}

bool task_write_as(
	struct task *t, uint8_t cpl, bool ac, uint32_t linear, const void *src, uint32_t len)
{
	bool ok;

	act_as(t, cpl, ac);
	ok = task_write(t, linear, src, len);
	act_as(t, 0, false);
	return ok;
}

static uint32_t get(const uint8_t *image, uint32_t at, uint32_t width)
{
	uint32_t v = image[at] | (uint32_t)image[at + 1] << 8;

	return width == 2 ? v
			  : v | (uint32_t)image[at + 2] << 16 | (uint32_t)image[at + 3] << 24;
}

static void put(uint8_t *image, uint32_t at, uint32_t width, uint32_t v)
{
	for (uint32_t i = 0; i < width; i++)
		image[at + i] = (uint8_t)(v >> i * 8);
}

static const struct tss_layout *layout_of(const struct task_segment *tss)
{
	return SEG_AR_TYPE(tss->ar) & SEG_TYPE_32BIT ? &tss32 : &tss16;
}

/* ---- checks ---- */

/* At whatever CPL the tasks are. */
static bool control_flow_on(struct task *t)
{
	uint64_t on = seam_control_flow(t->env);

	act_as(t, 3, false);
	on |= seam_control_flow(t->env);
	act_as(t, 0, false);
	return on != 0;
}

/* What SDM table 7-1 asks of the new TSS. The processor asked before it left; memory may have
 * changed. */
static bool check_tss(struct task *t, const struct plan *p)
{
	uint32_t type = SEG_AR_TYPE(p->tss.ar);
	bool iret = t->request->source == TASK_IRET;
	uint16_t selector = p->tss.selector;

	if (p->tss.ar & SEG_AR_S || (type & 5u) != SEG_TYPE_TSS_16 ||
		!!(type & SEG_TYPE_TSS_BUSY) != iret)
		return task_fault_selector(t, iret ? VEC_TS : VEC_GP, selector);
	if (!(p->tss.ar & SEG_AR_P))
		return task_fault_selector(t, VEC_NP, selector);
	/* Shadow-stack pointers of tasks and branches that are tracked are not emulated: as
	 * with a TSS that is too small for the pointer. */
	if (p->tss.limit < p->new->limit || control_flow_on(t))
		return task_fault_selector(t, VEC_TS, selector);
	return true;
}

static bool find_tss(struct task *t, struct plan *p)
{
	uint16_t selector = t->request->selector;
	uint64_t descriptor;

	if (selector & 4 || (selector | 7u) > t->cpu->gdt_limit)
		return task_fault_selector(
			t, t->request->source == TASK_IRET ? VEC_TS : VEC_GP, selector);
	if (!task_read(t, t->cpu->gdt_base + (selector & ~7u), &descriptor, sizeof(descriptor)))
		return false;
	p->tss = task_parse(selector, descriptor);
	p->new = layout_of(&p->tss);
	return check_tss(t, p);
}

static bool links(const struct task *t)
{
	return t->request->source == TASK_CALL || t->request->source == TASK_GATE;
}

static uint32_t busy_of(const struct task *t, uint16_t selector)
{
	return t->cpu->gdt_base + (selector & ~7u) + BUSY_AT;
}

/* Step 5: everything that will be touched is paged in. */
static bool reach_memory(struct task *t, struct plan *p)
{
	const struct task_segment *tr = &t->cpu->seg[SEG_TR];

	p->old = layout_of(tr);
	if (tr->limit < p->old->to - 1)
		return task_fault_selector(t, VEC_TS, tr->selector);
	if (!task_read(t, p->tss.base, p->image, p->new->limit + 1) ||
		(links(t) && !task_can_write(t, p->tss.base, 2)) ||
		(!links(t) && !task_can_write(t, busy_of(t, tr->selector), 4)) ||
		!task_can_write(t, tr->base + p->old->from, p->old->to - p->old->from) ||
		!task_read(t, tr->base + p->old->from, p->saved, p->old->to - p->old->from))
		return false;
	return t->request->source == TASK_IRET ||
	       task_can_write(t, busy_of(t, p->tss.selector), 4);
}

/*
 * SDM 4.4.1 "PDPTE Registers": loaded when the switch changes CR3. The manual does not name the
 * fault of a reserved bit; that of an unfit TSS, before anything changes, keeps the guest
 * alive.
 */
static bool check_cr3(struct task *t, struct plan *p)
{
	const struct task_cpu *cpu = t->cpu;

	if (p->new->cr3 == 0 || !(cpu->cr0 & CR0_PG))
		return true;
	p->cr3 = get(p->image, p->new->cr3, 4);
	p->new_cr3 = p->cr3 != cpu->cr3;
	if (!p->new_cr3 || !(cpu->cr4 & CR4_PAE))
		return true;
	if (!seam_read_pdptes(t->env, p->cr3, p->pdpte))
		return task_fault_selector(t, VEC_TS, p->tss.selector);
	return true;
}

/* ---- the old task ---- */

static bool set_busy(struct task *t, uint16_t selector, bool busy)
{
	uint32_t at = busy_of(t, selector), v;

	if (!task_read(t, at, &v, sizeof(v)))
		return false;
	v = busy ? v | BUSY : v & ~BUSY;
	return task_write(t, at, &v, sizeof(v));
}

/* What the fields of the old TSS become; the rest of them stays. */
static void save_registers(const struct task *t, const struct tss_layout *l, uint8_t *to)
{
	const struct task_cpu *cpu = t->cpu;
	uint32_t iret = t->request->source == TASK_IRET ? (uint32_t)RFLAGS_NT : 0;

	put(to, l->eip - l->from, l->width, cpu->eip);
	put(to, l->eflags - l->from, l->width, cpu->eflags & ~iret);
	for (uint32_t i = 0; i < REG_COUNT_32; i++)
		put(to, l->regs - l->from + i * l->width, l->width, cpu->r[i]);
	for (uint32_t i = 0; i < SEG_NAMED; i++)
		if (l->seg[i] != 0)
			put(to, l->seg[i] - l->from, 2, cpu->seg[i].selector);
}

/* Steps 6 to 10. */
static bool leave_old_task(struct task *t, struct plan *p)
{
	const struct task_segment *tr = &t->cpu->seg[SEG_TR];
	uint32_t length = p->old->to - p->old->from;

	if (!links(t) && !set_busy(t, tr->selector, false))
		return false;
	save_registers(t, p->old, p->saved);
	if (!task_write(t, tr->base + p->old->from, p->saved, length))
		return false;
	if (tr->base == p->tss.base && p->old == p->new) /* IRET to itself */
		save_registers(t, p->old, p->image + p->old->from);
	if (links(t) && !task_write(t, p->tss.base, &tr->selector, 2))
		return false;
	return t->request->source == TASK_IRET || set_busy(t, p->tss.selector, true);
}

/* ---- the new task ---- */

/* Steps 9, 11 and 12. */
static void load_registers(struct task *t, const struct plan *p)
{
	const struct tss_layout *l = p->new;
	struct task_cpu *cpu = t->cpu;

	cpu->seg[SEG_TR] = p->tss;
	cpu->seg[SEG_TR].ar |= SEG_TYPE_TSS_BUSY;
	cpu->cr0 |= CR0_TS;
	cpu->dr7 &= ~(uint32_t)DR7_LOCAL;
	cpu->eip = get(p->image, l->eip, l->width);
	cpu->eflags = (get(p->image, l->eflags, l->width) & (uint32_t)RFLAGS_DEFINED) |
		      (uint32_t)RFLAGS_FIXED | (links(t) ? (uint32_t)RFLAGS_NT : 0);
	for (uint32_t i = 0; i < REG_COUNT_32; i++)
		cpu->r[i] = get(p->image, l->regs + i * l->width, l->width) | l->upper;
	for (uint32_t i = 0; i < SEG_NAMED; i++)
		cpu->seg[i].selector =
			l->seg[i] != 0 ? (uint16_t)get(p->image, l->seg[i], 2) : 0;
	cpu->seg[SEG_LDTR].selector = (uint16_t)get(p->image, l->ldt, 2);
}

static void load_cr3(struct task *t, const struct plan *p)
{
	if (!p->new_cr3)
		return;
	t->cpu->cr3 = t->env->cr3 = p->cr3;
	if (t->cpu->cr4 & CR4_PAE)
		seam_set_pdptes(t->env, p->pdpte);
}

struct task_result task_switch(
	struct emul_env *env, struct task_cpu *cpu, const struct task_request *request)
{
	struct task t = {.env = env, .cpu = cpu, .request = request};
	struct plan p = {0};

	act_as(&t, 0, false);
	if (!find_tss(&t, &p) || !reach_memory(&t, &p) || !check_cr3(&t, &p) ||
		!leave_old_task(&t, &p))
		return t.result;
	t.result.switched = true;
	load_registers(&t, &p);
	load_cr3(&t, &p);
	if (!task_load_segments(&t) || !task_push_error(&t, p.new->width))
		return t.result;
	t.result.debug = p.new->trap != 0 && p.image[p.new->trap] & 1;
	return t.result;
}
