/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/iommu.h"
#include "vm/iommu_int.h"

#include "cpu/acpi.h"
#include "cpu/apic.h"
#include "cpu/fault.h"
#include "cpu/ioapic.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "cpu/nmi.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/paging.h"
#include "spec/apic.h"
#include "spec/pci.h"
#include "vm/passed.h"
#include "vm/sched.h"
#include "vm/vm.h"
#include "vm/vm_log.h"
#include "vtd/fault_log.h"
#include "vtd/judge.h"

#define DELIVER_MASK   7u
#define IRTE_OF_PINS   64u /* interrupt entries of the IOAPIC's pins; before: messages */
#define UNIT_PAGES     4u  /* of a unit; and of all of them, beside what regions need: */
#define BUS_PAGES      (2u * PASSED_MAX)
#define POLL_MS        1u
#define SLEEP_MS       100u
#define EVENTS_AT_ONCE 16u   /* and then one each POLL_MS */
#define STRAYS_MS      1000u /* lines about a function that nobody owns; 17 have a rate */

_Static_assert(MESSAGE_VECTORS <= IRTE_OF_PINS && IRTE_OF_PINS + IOAPIC_PINS <= VTD_IRTES,
	"each has an entry");

struct dmar iommu_dmar;
struct vtd_unit iommu_units[DMAR_UNITS];

/*
 * What functions of a VM reach behind a unit: in the VM's pool, from birth to end. There are as
 * many as functions at most.
 */
static struct vm_tables {
	struct vtd_tables t;
	unsigned vm;
	uint8_t unit;
	bool used;
} tables[PASSED_MAX];

static struct spinlock lock = {.rank = LOCK_IOMMU};
static bool any_on;
static bool has_ioapic;
static uint8_t ioapic_id; /* by the MADT */
static uint8_t ioapic_unit = IOMMU_NO_UNIT;
static uint16_t ioapic_source;
static uint64_t next_poll; /* host TSC; atomic */
static struct fault_log strays;
static struct budget events;
static bool event_masked; /* too many came; with the lock, like the next two */
static uint64_t masked_until;
static bool told_failed[DMAR_UNITS];

/* ---- what the machine has ---- */

void iommu_read(const uint8_t *rsdp, size_t size)
{
	uint32_t length = 0;
	const uint8_t *table = acpi_find(rsdp, size, "DMAR", &length);

	dmar_read(table, length, &iommu_dmar);
	has_ioapic = acpi_ioapic_id(rsdp, size, (uint32_t)IOAPIC_DEFAULT_BASE, &ioapic_id);
}

/* Its paths, which other segments have in memory that was not reached before. */
static void follow_table(void)
{
	uint32_t unit;

	dmar_follow(&iommu_dmar);
	unit = has_ioapic ? dmar_ioapic(&iommu_dmar, ioapic_id, &ioapic_source) : DMAR_NONE;
	if (unit != DMAR_NONE)
		ioapic_unit = (uint8_t)unit;
}

/* That flag means something only where interrupts can be remapped (VT-d 8.1). */
bool iommu_prefers_xapic(void)
{
	uint32_t both = DMAR_FLAG_IR | DMAR_FLAG_NO_X2;

	return (iommu_dmar.flags & both) == both;
}

/* The first page tells how many there are. */
static bool map_unit(uint64_t cr3, const struct vtd_unit *u)
{
	uint64_t size =
		u->caps.registers_size != 0 ? u->caps.registers_size : VTD_REGISTERS_SIZE;

	return paging_map_direct(cr3, (struct hpa){u->registers}, size, PT_RW_DATA | PT_UC);
}

/* What it is; registers are in the boot address space then. */
static const char *find_unit(struct vtd_unit *u, const struct dmar_unit *d)
{
	const char *why = d->why;

	*u = (struct vtd_unit){.registers = d->registers, .failed = why};
	if (why != NULL)
		return why;
	if (!map_unit(sched_boot_space, u))
		return vtd_unit_fail(u, "there is no memory for L0's page tables");
	why = vtd_unit_find(u, d->registers, 0);
	if (!(iommu_dmar.flags & DMAR_FLAG_IR))
		u->caps.remap = 0; /* this platform's interrupts do not go through it */
	if (why == NULL && !map_unit(sched_boot_space, u))
		return vtd_unit_fail(u, "there is no memory for L0's page tables");
	return why;
}

/*
 * What L0 has set keeps working: with remapping, entries in the old format are blocked. An edge
 * may be lost meanwhile: what it was for is looked at.
 */
static void take_pins(void)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint32_t low, apic_id;

		if (ioapic_get(pin, &low, &apic_id))
			iommu_set_pin(pin, low, apic_id);
	}
	nmi_kick(this_cpu()->index);
}

/* Each has a table of contexts for each bus with functions that VMs may have. */
static bool take_pages(void)
{
	uint64_t usable = 0;

	for (unsigned i = 0; i < iommu_dmar.unit_count; i++)
		usable += iommu_units[i].failed == NULL;
	return usable == 0 ||
	       iommu_take_pages(usable * UNIT_PAGES + BUS_PAGES + iommu_regions_pages());
}

static void start_unit(unsigned number)
{
	struct vtd_unit *u = &iommu_units[number];

	if (u->failed != NULL)
		return;
	vtd_unit_prepare(u, NULL);
	iommu_regions_attach(number);
	if (vtd_unit_begin(u, apic_is_extended()) == NULL)
		vtd_unit_fault_event(u,
			MSI_ADDRESS_BASE | (percpus[0]->apic_id & 0xff)
						   << MSI_DESTINATION_SHIFT,
			percpus[0]->apic_id & ~UINT32_C(0xff), VECTOR_IOMMU);
	any_on = any_on || u->on;
}

static void tell_unit(const struct vtd_unit *u)
{
	if (u->failed != NULL)
		log_warn("the IOMMU at 0x%lx is not used: %s", u->registers, u->failed);
	else
		log_info("the IOMMU at 0x%lx is on: tables of %u levels, interrupts %s%s",
			u->registers, u->caps.levels,
			!u->remaps    ? "as they are"
			: u->extended ? "remapped, to x2APICs"
				      : "remapped",
			u->remaps && u->caps.posts ? ", can be posted" : "");
}

void iommu_start(void)
{
	unsigned count = iommu_dmar.why == NULL ? iommu_dmar.unit_count : 0;

	follow_table();
	for (unsigned i = 0; i < count; i++)
		find_unit(&iommu_units[i], &iommu_dmar.units[i]);
	iommu_regions_find();
	(void)take_pages(); /* units without say so */
	for (unsigned i = 0; i < count; i++) {
		start_unit(i);
		tell_unit(&iommu_units[i]);
	}
	if (ioapic_unit != IOMMU_NO_UNIT && iommu_units[ioapic_unit].remaps)
		take_pins();
}

void iommu_stop(void)
{
	for (unsigned i = 0; i < iommu_dmar.unit_count && iommu_dmar.why == NULL; i++) {
		const char *why = find_unit(&iommu_units[i], &iommu_dmar.units[i]);

		if (why == NULL)
			why = vtd_unit_stop(&iommu_units[i]);
		if (why != NULL)
			log_warn("the IOMMU at 0x%lx stays as firmware left it: %s",
				iommu_units[i].registers, why);
	}
}

bool iommu_map(uint64_t cr3)
{
	for (unsigned i = 0; i < iommu_dmar.unit_count; i++)
		if (iommu_units[i].on && !map_unit(cr3, &iommu_units[i]))
			return false;
	return true;
}

bool iommu_is_at(uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < iommu_dmar.unit_count && iommu_dmar.why == NULL; i++)
		if (start < iommu_dmar.units[i].registers + PAGE_SIZE &&
			iommu_dmar.units[i].registers < start + size)
			return true;
	return false;
}

bool iommu_meets(uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < iommu_dmar.unit_count; i++)
		if (iommu_units[i].on &&
			start < iommu_units[i].registers + iommu_units[i].caps.registers_size &&
			iommu_units[i].registers < start + size)
			return true;
	return iommu_regions_meet(start, size);
}

/* ---- functions ---- */

bool iommu_holds(uint32_t sbdf, bool *messages)
{
	const char *why;
	uint32_t unit =
		dmar_unit_of(&iommu_dmar, PCI_SBDF_SEGMENT(sbdf), PCI_SBDF_BDF(sbdf), &why);
	const struct vtd_unit *u = unit != DMAR_NONE ? &iommu_units[unit] : NULL;
	bool on = u != NULL && u->on && u->failed == NULL;

	*messages = on && u->remaps;
	return on;
}

bool iommu_holds_segment(uint16_t segment)
{
	bool rest = false;

	for (unsigned i = 0; i < iommu_dmar.unit_count && iommu_dmar.why == NULL; i++) {
		const struct vtd_unit *u = &iommu_units[i];

		if (iommu_dmar.units[i].segment != segment)
			continue;
		if (!u->on || !u->remaps || u->failed != NULL)
			return false;
		rest = rest || iommu_dmar.units[i].all;
	}
	return rest;
}

static bool is_first_of_segment(unsigned unit)
{
	for (unsigned i = 0; i < unit; i++)
		if (iommu_dmar.units[i].segment == iommu_dmar.units[unit].segment)
			return false;
	return true;
}

bool iommu_segment(unsigned i, uint16_t *segment)
{
	for (unsigned k = 0; k < iommu_dmar.unit_count && iommu_dmar.why == NULL; k++) {
		*segment = iommu_dmar.units[k].segment;
		if (is_first_of_segment(k) && i-- == 0)
			return true;
	}
	return false;
}

const char *iommu_find(uint16_t bdf, const struct vtd_wish *wish, struct iommu_place *place)
{
	const char *why;
	uint32_t unit = dmar_unit_of(&iommu_dmar, 0, bdf, &why);

	*place = (struct iommu_place){.unit = IOMMU_NO_UNIT, .through = wish->through};
	if (unit == DMAR_NONE)
		return wish->through ? NULL : why;
	if (wish->through && !iommu_units[unit].on)
		return NULL;
	place->unit = (uint8_t)unit;
	return vtd_judge_function(&iommu_dmar, &iommu_units[unit], bdf, wish);
}

struct vtd_tables *iommu_tables_of(unsigned vm, unsigned unit, bool make)
{
	struct vm_tables *found = NULL;

	spin_lock(&lock);
	for (unsigned i = 0; i < PASSED_MAX; i++) {
		struct vm_tables *t = &tables[i];

		if (t->used && t->vm == vm && t->unit == unit) {
			found = t;
			break;
		}
		if (!t->used && make && found == NULL)
			found = t;
	}
	if (found != NULL && !found->used)
		*found = (struct vm_tables){.used = true, .vm = vm, .unit = (uint8_t)unit};
	spin_unlock(&lock);
	return found != NULL ? &found->t : NULL;
}

const char *iommu_create(struct vm *vm, const struct iommu_place *place)
{
	struct vtd_tables *t;
	const char *why = NULL;

	if (place->unit == IOMMU_NO_UNIT || place->through)
		return NULL;
	t = iommu_tables_of(vm->id, place->unit, true);
	if (t == NULL)
		return "all VMs together have too many";
	if (t->root != NULL)
		return NULL;
	if (!vtd_tables_create(t, &iommu_units[place->unit].caps, &vm->pool))
		return "there is no memory for its tables";
	for (unsigned i = 0; i < vm->slot_count && why == NULL; i++)
		why = vtd_tables_map(t, vm->slots[i].gpa, vm->slots[i].hpa.v, vm->slots[i].size,
			VTD_SL_RIGHTS);
	return why;
}

static uint16_t domain_of(unsigned vm)
{
	return (uint16_t)(IOMMU_DOMAIN_VMS + vm);
}

const struct vtd_caps *iommu_caps(const struct iommu_place *place)
{
	return &iommu_units[place->unit].caps;
}

const char *iommu_attach_tables(const struct iommu_place *place, uint16_t bdf,
	const struct vtd_tables *t, uint16_t domain)
{
	struct vtd_unit *u = &iommu_units[place->unit];
	const char *why;

	spin_lock(&lock);
	why = t == NULL ? vtd_unit_pass(u, bdf, domain) : vtd_unit_attach(u, bdf, t, domain);
	spin_unlock(&lock);
	return why;
}

const char *iommu_attach(const struct iommu_place *place, uint16_t bdf, unsigned vm)
{
	const struct vtd_tables *t = NULL;

	if (place->unit == IOMMU_NO_UNIT)
		return NULL;
	if (!place->through)
		t = iommu_tables_of(vm, place->unit, false);
	if (!place->through && t == NULL)
		return "the VM has no tables for it";
	return iommu_attach_tables(place, bdf, t, domain_of(vm));
}

const char *iommu_detach_tables(const struct iommu_place *place, uint16_t bdf, uint16_t domain)
{
	const char *why;

	spin_lock(&lock);
	why = vtd_unit_detach(&iommu_units[place->unit], bdf, domain);
	spin_unlock(&lock);
	return why;
}

const char *iommu_detach(const struct iommu_place *place, uint16_t bdf, unsigned vm)
{
	return place->unit == IOMMU_NO_UNIT ? NULL
					    : iommu_detach_tables(place, bdf, domain_of(vm));
}

const char *iommu_flush(
	const struct iommu_place *place, uint16_t domain, uint64_t at, uint64_t size)
{
	const char *why;

	spin_lock(&lock);
	why = vtd_unit_flush_pages(&iommu_units[place->unit], domain, at, size);
	spin_unlock(&lock);
	return why;
}

void iommu_forget(unsigned vm)
{
	spin_lock(&lock);
	for (unsigned i = 0; i < PASSED_MAX; i++)
		if (tables[i].vm == vm)
			tables[i].used = false;
	spin_unlock(&lock);
}

/* ---- interrupts ---- */

/* NULL: interrupts of the function are not remapped. */
static struct vtd_unit *remapper(const struct iommu_place *place)
{
	return place->unit != IOMMU_NO_UNIT && iommu_units[place->unit].remaps
		       ? &iommu_units[place->unit]
		       : NULL;
}

bool iommu_reaches_all(const struct iommu_place *place)
{
	const struct vtd_unit *u = remapper(place);

	return u != NULL && u->extended;
}

bool iommu_set_messages(const struct iommu_place *place, uint16_t bdf,
	const struct iommu_messages *m, uint32_t *address)
{
	struct vtd_unit *u = remapper(place);
	struct vtd_interrupt_to to = {.target = m->target, .source = bdf};
	struct vtd_entry e[MESSAGE_VECTORS];

	if (u == NULL)
		return false;
	to.extended = u->extended;
	for (unsigned i = 0; i < m->count; i++) {
		to.vector = (uint8_t)(VECTOR_MESSAGES + m->first + i);
		e[i] = vtd_irte(&to);
	}
	spin_lock(&lock);
	vtd_unit_set_irtes(u, m->first, e, m->count);
	spin_unlock(&lock);
	*address = vtd_message_address((uint16_t)m->first);
	return true;
}

/* Destinations of notifications are as the CPUs' own, whatever the unit is. */
bool iommu_posts(const struct iommu_place *place)
{
	const struct vtd_unit *u = remapper(place);

	return u != NULL && u->failed == NULL && u->caps.posts &&
	       u->extended == apic_is_extended();
}

bool iommu_post_message(const struct iommu_place *place, uint16_t bdf, unsigned index,
	struct hpa descriptor, uint8_t vector)
{
	struct vtd_entry e = vtd_irte_posted(descriptor.v, vector, bdf);
	const char *why;

	spin_lock(&lock);
	why = vtd_unit_set_irtes(&iommu_units[place->unit], index, &e, 1);
	spin_unlock(&lock);
	return why == NULL;
}

void iommu_clear_messages(const struct iommu_place *place, const struct iommu_messages *m)
{
	static const struct vtd_entry none[MESSAGE_VECTORS];
	struct vtd_unit *u = remapper(place);

	if (u == NULL)
		return;
	spin_lock(&lock);
	vtd_unit_set_irtes(u, m->first, none, m->count);
	spin_unlock(&lock);
}

/* Vector and trigger are in both, so that an EOI finds the pin. */
void iommu_set_pin(unsigned pin, uint32_t low, uint32_t apic_id)
{
	uint32_t kept = low & ~(DELIVER_MASK << DELIVER_SHIFT);
	struct vtd_interrupt_to to = {.vector = (uint8_t)low,
		.mode = low >> DELIVER_SHIFT & DELIVER_MASK,
		.level = low & IOAPIC_LEVEL,
		.target = apic_id,
		.source = ioapic_source};
	unsigned index = IRTE_OF_PINS + pin;
	struct vtd_entry e;

	if (ioapic_unit == IOMMU_NO_UNIT || !iommu_units[ioapic_unit].remaps) {
		ioapic_set(pin, low, apic_id);
		return;
	}
	to.extended = iommu_units[ioapic_unit].extended;
	e = vtd_irte(&to);
	spin_lock(&lock);
	vtd_unit_set_irtes(&iommu_units[ioapic_unit], index, &e, 1);
	spin_unlock(&lock);
	ioapic_set_raw(pin, vtd_ioapic_handle((uint16_t)index) | kept);
}

/* ---- what was blocked ---- */

bool iommu_is_on(void)
{
	return any_on;
}

uint64_t iommu_patience(void)
{
	return (uint64_t)tsc_khz * SLEEP_MS;
}

bool iommu_waits_for_poll(void)
{
	return __atomic_load_n(&event_masked, __ATOMIC_RELAXED);
}

static void tell_stray(uint16_t segment, const struct vtd_fault *f)
{
	uint64_t number;
	const char *what = vtd_fault_words(f, &number);
	struct budget *b = fault_log_budget(&strays, PCI_SBDF(segment, f->source));
	char name[IOMMU_NAME];
	uint32_t count;

	if (!budget_spend(b, rdtsc(), (uint64_t)tsc_khz * STRAYS_MS, 4))
		return;
	count = budget_take_refused(b);
	log_warn("%s, which no VM has, was kept from a %s 0x%lx: %s%s",
		iommu_name(PCI_SBDF(segment, f->source), name), what, number,
		vtd_reason_words(f->reason), count != 0 ? " (others were left out)" : "");
}

/* A source-id is a function of the unit's segment: VMs have some of segment 0. */
static void poll_unit(unsigned number)
{
	struct vtd_unit *u = &iommu_units[number];
	uint16_t segment = iommu_dmar.units[number].segment;
	struct vtd_fault f;

	for (unsigned i = 0; i < VTD_CAP_NFR(u->caps.cap) && vtd_unit_fault(u, &f); i++)
		if (segment != 0 || !passed_blocked(&f))
			tell_stray(segment, &f);
}

static void mask_events(bool mask)
{
	for (unsigned i = 0; i < iommu_dmar.unit_count; i++)
		if (iommu_units[i].on && iommu_units[i].failed == NULL)
			vtd_unit_mask_event(&iommu_units[i], mask);
	__atomic_store_n(&event_masked, mask, __ATOMIC_RELAXED);
}

/*
 * A device that is blocked without end may not keep a CPU: after some events it is only looked
 * at from time to time.
 */
void fault_iommu(void)
{
	iommu_poll(true);
	spin_lock(&lock);
	if (!event_masked &&
		!budget_spend(&events, rdtsc(), (uint64_t)tsc_khz * POLL_MS, EVENTS_AT_ONCE)) {
		mask_events(true);
		masked_until = rdtsc() + (uint64_t)tsc_khz * POLL_MS;
	}
	spin_unlock(&lock);
}

/* It has come to nothing in the run: said once, here, whatever it was asked for. */
static void tell_failed(unsigned unit)
{
	if (!told_failed[unit])
		log_error(
			"the IOMMU at 0x%lx has failed, what is behind it reaches no more than it "
			"did: %s",
			iommu_units[unit].registers, iommu_units[unit].failed);
	told_failed[unit] = true;
}

/* One CPU at a time, and no more than all records of a unit: a device may fault without end. */
void iommu_poll(bool now)
{
	uint64_t at = __atomic_load_n(&next_poll, __ATOMIC_RELAXED);

	if (!any_on || (!now && rdtsc() < at) ||
		!__atomic_compare_exchange_n(&next_poll, &at,
			rdtsc() + (uint64_t)tsc_khz * POLL_MS, false, __ATOMIC_SEQ_CST,
			__ATOMIC_SEQ_CST))
		return;
	spin_lock(&lock);
	for (unsigned i = 0; i < iommu_dmar.unit_count; i++)
		if (iommu_units[i].on && iommu_units[i].failed == NULL)
			poll_unit(i);
		else if (iommu_units[i].on)
			tell_failed(i);
	if (event_masked && rdtsc() >= masked_until)
		mask_events(false);
	spin_unlock(&lock);
}
