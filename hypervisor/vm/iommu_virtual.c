/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/iommu_virtual.h"

#include "cpu/bad_memory.h"
#include "policy/memory.h"
#include "vm/create.h"
#include "vm/life.h"
#include "vm/passed_int.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#define FOLLOW_PART 64u  /* pieces between two looks at the tables */
#define LEAVE_MOST  128u /* tables that are looked through at once for what is wrong */
#define FAULT_ANY   2u
#define FAULT_READ  1u

static uint16_t domain_of(const struct passed *p)
{
	return (uint16_t)(IOMMU_DOMAIN_VMS + life_places() + (unsigned)(p - passed));
}

static void say(const struct passed *p, const char *why)
{
	vm_log_named(p->vm, p->name, LOG_WARN,
		"'%s': pci:%02x:%02x.%u does not reach all that the VM's IOMMU allows: %s",
		p->name, PCI_BDF_BUS(p->f.id.bdf), PCI_BDF_DEVICE(p->f.id.bdf),
		PCI_BDF_FUNCTION(p->f.id.bdf), why);
}

/* ---- what the machine's unit has ---- */

/*
 * The unit did not say that it did what it was asked: it may use these tables for ever. Their
 * pages stay as they are, with nothing but the VM's own RAM behind them.
 */
static void lose(struct passed *p, const char *why)
{
	struct iommu_virtual *v = &p->virtual;

	v->lost = true;
	v->making = false;
	v->mirror = (struct vtd_mirror){.at = 0};
	say(p, why);
}

/* NULL, or why the unit may know it yet. */
static const char *detach(struct passed *p)
{
	struct iommu_virtual *v = &p->virtual;
	const char *why = NULL;

	if (v->now == IOMMU_FOLLOWS_VM)
		why = iommu_detach(&p->place, p->f.id.bdf, p->vm);
	else if (v->now == IOMMU_FOLLOWS_TABLES)
		why = iommu_detach_tables(&p->place, p->f.id.bdf, domain_of(p));
	v->now = IOMMU_FOLLOWS_NOBODY;
	if (why != NULL)
		lose(p, why);
	return why;
}

/* They are worked off in pieces, before there are others. */
static void drop_tables(struct iommu_virtual *v)
{
	v->making = false;
	if (v->mirror.tables.root != NULL)
		v->dead = v->mirror.tables;
	v->mirror = (struct vtd_mirror){.at = 0};
}

static void make_tables(struct passed *p, struct vm *vm)
{
	struct iommu_virtual *v = &p->virtual;

	v->making = vtd_mirror_create(&v->mirror, iommu_caps(&p->place), &vm->pool);
	v->mirror.tables.most = memory_iommu_tables(&vm->config);
	if (v->making)
		vtd_mirror_forget(&v->mirror, 0, UINT64_MAX);
	else
		say(p, "there is no memory for its tables");
}

/* Its tables are what the VM's say. */
static void made(struct passed *p)
{
	struct iommu_virtual *v = &p->virtual;
	const char *why;
	uint64_t at, size;

	(void)vtd_mirror_changed(&v->mirror, &at, &size); /* nobody has used them */
	why = iommu_attach_tables(&p->place, p->f.id.bdf, &v->mirror.tables, domain_of(p));
	if (why != NULL) {
		lose(p, why);
		return;
	}
	v->making = false;
	v->now = IOMMU_FOLLOWS_TABLES;
}

/* NULL, or why the unit may use what was there before. */
static const char *changed(struct passed *p)
{
	struct iommu_virtual *v = &p->virtual;
	uint64_t at, size;

	return vtd_mirror_changed(&v->mirror, &at, &size)
		       ? iommu_flush(&p->place, domain_of(p), at, size)
		       : NULL;
}

/* ---- what the VM's unit says ---- */

static enum iommu_follows wanted(
	struct platform *platform, uint16_t source, struct vvtd_context *c)
{
	if (!vvtd_translates(platform))
		return IOMMU_FOLLOWS_VM;
	if (vvtd_context_of(platform, source, c) != VTD_NO_FAULT)
		return IOMMU_FOLLOWS_NOBODY;
	return c->passes ? IOMMU_FOLLOWS_VM : IOMMU_FOLLOWS_TABLES;
}

static bool has_tables(const struct iommu_virtual *v)
{
	return v->making || v->now == IOMMU_FOLLOWS_TABLES;
}

static bool same_tables(const struct vvtd_context *a, const struct vvtd_context *b)
{
	return a->tables == b->tables && a->levels == b->levels;
}

static void follow_context(struct passed *p, struct vm *vm, uint16_t source)
{
	struct iommu_virtual *v = &p->virtual;
	struct vvtd_context c = {.valid = false};
	enum iommu_follows to = wanted(vm->platform, source, &c);

	if (to == IOMMU_FOLLOWS_TABLES ? has_tables(v) && same_tables(&c, &v->context)
				       : to == v->now && !v->making) {
		v->context = c;
		return;
	}
	(void)detach(p);
	drop_tables(v);
	v->context = c;
	v->again = false;
	if (v->lost)
		return;
	if (to == IOMMU_FOLLOWS_TABLES) {
		v->making = true;
	} else if (to == IOMMU_FOLLOWS_VM) {
		const char *why = iommu_attach(&p->place, p->f.id.bdf, p->vm);

		if (why == NULL)
			v->now = IOMMU_FOLLOWS_VM;
		else
			say(p, why);
	}
}

/* The part of it that these tables reach; the whole for all that is not of some pages. */
static void follow_pages(struct iommu_virtual *v, const struct vvtd_invalidation *i)
{
	uint64_t size = UINT64_C(4096) << i->mask;

	if (!has_tables(v) || (i->granularity != VTD_GLOBAL && i->domain != v->context.domain))
		return;
	if (i->granularity == VTD_PAGES)
		vtd_mirror_forget(&v->mirror, i->at & ~(size - 1), size);
	else
		vtd_mirror_forget(&v->mirror, 0, UINT64_MAX);
}

static bool is_virtual(const struct vm *vm, const struct passed *p)
{
	return vm->config.iommu == IOMMU_VTD && p->place.unit != IOMMU_NO_UNIT;
}

/* By what the VM's unit knows one that is there. */
static uint16_t source_of(const struct vm *vm, unsigned n)
{
	return vpci_requester(&vm->platform->pci, vm->devices->passed.device[n].f->bdf);
}

void dev_remap_changed(struct platform *platform, const struct vvtd_invalidation *i)
{
	struct vm *vm = vm_of_platform(platform);
	struct passed_devices *d = &vm->devices->passed;

	for (unsigned n = 0; n < d->count; n++) {
		struct passed *p = passed_of(d->device[n].machine);
		uint16_t source;

		if (d->device[n].f == NULL || !is_virtual(vm, p))
			continue;
		source = source_of(vm, n);
		if (i == NULL && p->virtual.mirror.tables.root != NULL)
			vtd_mirror_forget(&p->virtual.mirror, 0, UINT64_MAX);
		if (i == NULL || vvtd_covers_context(i, source, p->virtual.context.domain) ||
			(i->what == VVTD_OF_CONTEXTS && !has_tables(&p->virtual)))
			follow_context(p, vm, source);
		else if (i->what == VVTD_OF_PAGES)
			follow_pages(&p->virtual, i);
	}
}

/* ---- seam of vtd/mirror ---- */

struct owner {
	struct vm *vm;
	const struct vvtd_context *context;
};

void vtd_seam_leaf(void *owner, uint64_t at, uint64_t end, struct vtd_leaf *leaf)
{
	const struct owner *o = owner;
	unsigned bits = 12u + 9u * o->context->levels;
	struct vvtd_run run;

	if (at >> bits != 0) {
		*leaf = (struct vtd_leaf){
			.at = at >> bits << bits, .size = UINT64_C(1) << bits};
		return;
	}
	vvtd_run_of(o->vm->platform, o->context, at, end, &run);
	*leaf = (struct vtd_leaf){
		.at = run.at, .size = run.size, .gpa = run.gpa, .rights = run.rights};
}

/* Of RAM in one piece at *host. What is wrong is none (cpu/bad_memory.h). */
static uint64_t up_to_bad(uint64_t size, uint64_t *host)
{
	uint64_t page;

	if (!bad_memory_next(*host, size, &page))
		return size;
	if (page > *host)
		return page - *host;
	*host = VTD_NO_RAM;
	return PAGE_SIZE;
}

uint64_t vtd_seam_host(void *owner, uint64_t gpa, uint64_t size, uint64_t *host)
{
	const struct vm *vm = ((struct owner *)owner)->vm;

	*host = VTD_NO_RAM;
	for (unsigned i = 0; i < vm->slot_count; i++) {
		const struct mem_slot *s = &vm->slots[i];

		if (gpa >= s->gpa && gpa - s->gpa < s->size) {
			*host = s->hpa.v + (gpa - s->gpa);
			size = s->gpa + s->size - gpa < size ? s->gpa + s->size - gpa : size;
			return up_to_bad(size, host);
		}
		if (s->gpa > gpa && s->gpa - gpa < size)
			size = s->gpa - gpa;
	}
	return size;
}

/* ---- work ---- */

/*
 * Tables that are empty are kept, for who maps there again: when there is no memory left, all
 * are made anew, once.
 */
static void ran_out(struct passed *p)
{
	struct iommu_virtual *v = &p->virtual;

	if (v->again) {
		say(p, v->mirror.why);
		v->mirror.why = NULL;
		return;
	}
	(void)detach(p);
	drop_tables(v);
	v->making = !v->lost;
	v->again = true;
}

static bool tables_wait(const struct iommu_virtual *v)
{
	return v->making || v->dead.root != NULL ||
	       (has_tables(v) && v->mirror.at < v->mirror.end);
}

static void follow(struct passed *p, struct vm *vm, unsigned *most)
{
	struct iommu_virtual *v = &p->virtual;
	struct owner o = {vm, &v->context};
	const char *why;

	if (v->dead.root != NULL && !vtd_tables_destroy_some(&v->dead, most))
		return;
	if (v->making && v->mirror.tables.root == NULL)
		make_tables(p, vm);
	/* It takes as many steps as there are pieces; what is over is known afterwards. */
	while (*most != 0 && v->mirror.at < v->mirror.end) {
		unsigned part = *most < FOLLOW_PART ? *most : FOLLOW_PART;

		(void)vtd_mirror_step(&v->mirror, &o, part);
		*most -= part;
	}
	if (v->mirror.tables.root == NULL || v->mirror.at < v->mirror.end)
		return;
	if (v->mirror.why != NULL)
		ran_out(p);
	else
		v->again = false;
	if (v->mirror.tables.root == NULL)
		return;
	if (v->making) {
		made(p);
		return;
	}
	why = changed(p);
	if (why != NULL)
		say(p, why);
}

/* ---- memory that is wrong ---- */

/* False: something may lead there yet. */
static bool leave_all(struct vtd_mirror *m, const struct vm *vm, unsigned *most)
{
	for (unsigned i = 0; i < vm->slot_count; i++) {
		uint64_t from = vm->slots[i].hpa.v, end = from + vm->slots[i].size, page;

		for (; bad_memory_next(from, end - from, &page); from = page + PAGE_SIZE)
			if (!vtd_mirror_leave(m, page, most))
				return false;
	}
	return true;
}

/* Its unit knows nothing of it until all is compared, which leaves out what is wrong. */
static const char *stop_until_compared(struct passed *p, struct vm *vm)
{
	struct iommu_virtual *v = &p->virtual;
	const char *why;

	say(p, "some of its memory is wrong, and the tables are compared anew");
	why = detach(p);
	if (why != NULL)
		return why;
	v->making = true;
	vtd_mirror_forget(&v->mirror, 0, UINT64_MAX);
	dev_work(vm->platform);
	return NULL;
}

static const char *leave_bad(struct passed *p, struct vm *vm, unsigned *most)
{
	struct iommu_virtual *v = &p->virtual;

	if (v->lost)
		return "devices may reach memory that is wrong: their IOMMU does not answer";
	if (v->making) /* from the start: the unit does not know them yet */
		vtd_mirror_forget(&v->mirror, 0, UINT64_MAX);
	if (v->now != IOMMU_FOLLOWS_TABLES)
		return NULL;
	return leave_all(&v->mirror, vm, most) ? changed(p) : stop_until_compared(p, vm);
}

static unsigned bad_pages_of(const struct vm *vm)
{
	unsigned count = 0;

	for (unsigned i = 0; i < vm->slot_count; i++) {
		uint64_t from = vm->slots[i].hpa.v, end = from + vm->slots[i].size, page;

		for (; bad_memory_next(from, end - from, &page); from = page + PAGE_SIZE)
			count++;
	}
	return count;
}

/* What was told of may be another VM's: its own, that functions have left, stay so. */
const char *iommu_virtual_leave_bad(struct vm *vm)
{
	struct passed_devices *d = &vm->devices->passed;
	unsigned most = LEAVE_MOST, count = bad_pages_of(vm);
	const char *why = NULL;

	if (count == d->left)
		return NULL;
	dev_lock(vm->platform);
	for (unsigned n = 0; n < d->count && why == NULL; n++) {
		struct passed *p = passed_of(d->device[n].machine);

		if (d->device[n].f != NULL && is_virtual(vm, p))
			why = leave_bad(p, vm, &most);
	}
	if (why == NULL)
		d->left = count;
	dev_unlock(vm->platform);
	return why;
}

/* ---- what was blocked ---- */

/* What its tables allow, and the machine's do not have. */
static void tell_no_memory(const struct passed *p, uint64_t at, bool read)
{
	vm_log_named(p->vm, p->name, LOG_WARN,
		"'%s': pci:%02x:%02x.%u was kept from a %s 0x%lx: no memory of the VM's is there, "
		"or none that its tables in the machine have room for",
		p->name, PCI_BDF_BUS(p->f.id.bdf), PCI_BDF_DEVICE(p->f.id.bdf),
		PCI_BDF_FUNCTION(p->f.id.bdf), read ? "read at" : "write at", at);
}

static void give_faults(struct passed *p, struct vm *vm, uint16_t source)
{
	struct platform *platform = vm->platform;

	for (unsigned i = 0; i < IOMMU_FAULTS; i++) {
		uint64_t f = __atomic_exchange_n(&p->virtual.fault[i], 0, __ATOMIC_ACQ_REL);

		if (f != 0 &&
			!vvtd_blocked(platform, source, f & ~UINT64_C(0xfff), f & FAULT_READ) &&
			!tables_wait(&p->virtual))
			tell_no_memory(p, f & ~UINT64_C(0xfff), f & FAULT_READ);
	}
}

bool dev_remap_work(struct platform *platform, unsigned *most)
{
	struct vm *vm = vm_of_platform(platform);
	struct passed_devices *d = &vm->devices->passed;
	bool more = false;

	for (unsigned n = 0; n < d->count; n++) {
		struct passed *p = passed_of(d->device[n].machine);

		if (!is_virtual(vm, p))
			continue;
		if (d->device[n].f != NULL)
			give_faults(p, vm, source_of(vm, n));
		if (tables_wait(&p->virtual))
			follow(p, vm, most);
		more = more || tables_wait(&p->virtual);
	}
	return more;
}

void dev_remap_faults(struct platform *platform)
{
	struct vm *vm = vm_of_platform(platform);
	struct passed_devices *d = &vm->devices->passed;

	if (d->count == 0)
		return;
	iommu_poll(true);
	for (unsigned n = 0; n < d->count; n++)
		if (d->device[n].f != NULL)
			give_faults(passed_of(d->device[n].machine), vm, source_of(vm, n));
}

bool dev_remap_waits(const struct platform *platform)
{
	const struct vm *vm = vm_of_platform((struct platform *)(uintptr_t)platform);
	const struct passed_devices *d = &vm->devices->passed;

	for (unsigned n = 0; n < d->count; n++)
		if (is_virtual(vm, passed_of(d->device[n].machine)) &&
			tables_wait(&passed_of(d->device[n].machine)->virtual))
			return true;
	return false;
}

/* ---- ---- */

/* In any address space: the VM's own looks for it. */
bool iommu_virtual_fault(struct passed *p, const struct vtd_fault *f)
{
	uint64_t value =
		(f->address & ~UINT64_C(0xfff)) | FAULT_ANY | (f->read ? FAULT_READ : 0);

	if (p->virtual.now == IOMMU_FOLLOWS_VM || vtd_reason_is_interrupt(f->reason))
		return false;
	for (unsigned i = 0; i < IOMMU_FAULTS; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&p->virtual.fault[i], &none, value, false,
			    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			break;
	}
	sched_post(p->vm, 0, EVENT_WORK);
	return true;
}

void iommu_virtual_begin(struct passed *p, struct vm *vm, uint16_t source)
{
	struct iommu_virtual *v = &p->virtual;
	const char *why;

	if (is_virtual(vm, p)) {
		v->now = IOMMU_FOLLOWS_NOBODY;
		follow_context(p, vm, source);
		if (tables_wait(v))
			dev_work(vm->platform);
		return;
	}
	v->now = IOMMU_FOLLOWS_VM;
	why = iommu_attach(&p->place, p->f.id.bdf, p->vm);
	if (why != NULL)
		say(p, why);
}

const char *iommu_virtual_leave(struct passed *p)
{
	struct iommu_virtual *v = &p->virtual;
	const char *why = detach(p);

	drop_tables(v);
	for (unsigned i = 0; i < IOMMU_FAULTS; i++)
		__atomic_store_n(&v->fault[i], 0, __ATOMIC_RELAXED);
	return why;
}

/* The memory of its tables is the VM's pool, which goes as a whole. */
void iommu_virtual_end(struct passed *p)
{
	if (p->virtual.now != IOMMU_FOLLOWS_VM)
		(void)detach(p);
	p->virtual = (struct iommu_virtual){.now = IOMMU_FOLLOWS_VM};
}
