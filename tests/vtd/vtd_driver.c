/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's driver of remapping units (hypervisor/vtd) on real devices, bare: the unit that
 * firmware's table tells of, domains, faults, invalidation, interrupts. Lines `meant: ...` tell
 * what the driver is to ask the unit for, in the words of QEMU's trace.
 *
 * Command line: levels=N: of tables; extended: destinations of 32 bits; nvme: there is one.
 */
#include "apic.h"
#include "cmdline.h"
#include "rt.h"
#include "vtd/dmar.h"
#include "vtd/tables.h"
#include "vtd/unit.h"
#include "vtd/vtd_unit.h"
#include "vtd_acpi.h"
#include "vtd_copier.h"
#include "vtd_nvme.h"
#include "vtd_pci.h"

#define PAGE       UINT64_C(0x1000)
#define MIB        UINT64_C(0x100000)
#define GIB        UINT64_C(0x40000000)
#define FIRST      1u /* domains */
#define SECOND     2u
#define PHYSICAL   3u
#define VIRTUAL    4u
#define FROM       (3 * GIB + 5 * PAGE)
#define TO         (5 * GIB)
#define VECTOR     0x60u
#define OTHER      0x61u
#define EVENT      0x62u
#define INDEX      9u
#define OLD_FORMAT 0xfee00000u

static struct dmar dmar;
static struct vtd_unit unit;
static struct vtd_tables tables;
static uint64_t *source, *target, *other;

/* Nothing, or why the driver could not do it. */
static void works(const char *what, const char *why)
{
	if (why != NULL)
		print("%s: NOT, since %s\n", what, why);
	else
		print("%s: ok\n", what);
	failed += why != NULL;
}

static bool copy(uint64_t from, uint64_t to)
{
	static uint64_t number = 0x1000;

	source[0] = ++number;
	target[0] = other[0] = 0;
	copier_copy(from, to, 64);
	return target[0] == number;
}

/* What the device did last. */
static const char *doing;

static void sees(const char *what, uint64_t got, uint64_t want)
{
	doing = what;
	expect(what, got, want);
}

static void sees_too(const char *what, uint64_t got, uint64_t want)
{
	char name[96];

	format_text(name, sizeof(name), "%s, %s", doing, what);
	expect(name, got, want);
}

/* The only fault that is recorded, or others of the same kind. */
static void fault_is(uint8_t reason, uint16_t function, bool read, uint64_t at)
{
	struct vtd_fault f = {0}, rest_of_them;
	bool any = vtd_unit_fault(&unit, &f);

	while (vtd_unit_fault(&unit, &rest_of_them))
		;
	sees_too("its fault", any ? f.reason : 0, reason);
	if (reason == 0 || !any)
		return;
	print("%x.%x blocked: %s\n", f.source >> 3, f.source & 7u, vtd_reason_words(f.reason));
	sees_too("its function", f.source, function);
	sees_too("its kind", f.read, read);
	sees_too("its address", f.address, at);
}

/* ---- what the unit is asked for ---- */

/* The first function of a bus makes its root entry, which all of the bus may be known by. */
static void meant_context(uint16_t function, unsigned domain)
{
	static bool known[VTD_BUSES];

	if (!known[function >> 8]) {
		known[function >> 8] = true;
		print("meant: context invalidate globally\n");
		print("meant: iotlb invalidate global\n");
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		print("meant: context invalidate devices sid 0x%x fmask 0x0\n", function);
	print("meant: iotlb invalidate whole domain 0x%x\n", domain);
}

static void meant_start(void)
{
	print("meant: context invalidate globally\n");
	print("meant: iotlb invalidate global\n");
	print("meant: granularity 0x0 index 0x0 mask 0x0\n");
}

static void flush(unsigned domain, uint64_t at, uint64_t size, unsigned mask)
{
	print("meant: iotlb invalidate domain 0x%x addr 0x%lx mask 0x%x\n", domain,
		at & ~((PAGE << mask) - 1), mask);
	works("pages are flushed", vtd_unit_flush_pages(&unit, (uint16_t)domain, at, size));
}

static void flush_domain(unsigned domain)
{
	print("meant: iotlb invalidate whole domain 0x%x\n", domain);
	works("the domain is flushed", vtd_unit_flush(&unit, (uint16_t)domain));
}

static void set_irte(unsigned index, struct vtd_entry e)
{
	print("meant: granularity 0x1 index 0x%x mask 0x0\n", index);
	works("an interrupt's entry is set", vtd_unit_set_irtes(&unit, index, &e, 1));
}

static void attach(uint16_t function, const struct vtd_tables *t, unsigned domain)
{
	meant_context(function, domain);
	works("a function is attached", vtd_unit_attach(&unit, function, t, (uint16_t)domain));
}

static void detach(uint16_t function, unsigned domain)
{
	meant_context(function, domain);
	works("a function is detached", vtd_unit_detach(&unit, function, (uint16_t)domain));
}

/* ---- the unit ---- */

static void find_unit(void)
{
	const uint8_t *table = acpi_table("DMAR");
	const char *why;
	uint32_t n;

	dmar_read(table, table != NULL ? acpi_size(table) : 0, &dmar);
	dmar_follow(&dmar);
	n = dmar_unit_of(&dmar, 0, copier, &why);
	if (n == DMAR_NONE) {
		print("no unit for the device: %s\n", why);
		payload_exit(1);
	}
	works("the unit is found", vtd_unit_find(&unit, dmar.units[n].registers,
					   (unsigned)cmdline_number("levels", 0)));
	print("# registers %lx cap %lx ecap %lx levels %u bits %u\n", dmar.units[n].registers,
		unit.caps.cap, unit.caps.ecap, unit.caps.levels, unit.caps.bits);
	expect("as many levels as were asked for", unit.caps.levels,
		cmdline_number("levels", unit.caps.levels));
}

/* Both steps, with nothing between them. */
static const char *take_over(struct vtd_unit *u, bool extended)
{
	(void)vtd_unit_prepare(u, NULL);
	return vtd_unit_begin(u, extended);
}

static void start_unit(void)
{
	expect("before: nothing is translated", copy(address_of(source), address_of(target)),
		1);
	meant_start();
	works("the unit starts", take_over(&unit, cmdline_flag("extended")));
	sees("a function without tables is blocked",
		copy(address_of(source), address_of(target)), 0);
	fault_is(VTD_FAULT_ROOT_ABSENT, copier, true, address_of(source) & ~(PAGE - 1));
}

/* ---- domains ---- */

static void first_domain(void)
{
	expect("tables", vtd_tables_create(&tables, &unit.caps, NULL), 1);
	works("a page is mapped",
		vtd_tables_map(&tables, FROM, address_of(source), PAGE, VTD_SL_RIGHTS));
	works("another one",
		vtd_tables_map(&tables, TO, address_of(target), PAGE, VTD_SL_RIGHTS));
	attach(copier, &tables, FIRST);
	expect("4 KiB pages", copy(FROM, TO), 1);
	sees("beside them is nothing", copy(FROM + PAGE, TO), 0);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, FROM + PAGE);
	sees("the device's memory is not ours", copy(address_of(source), TO), 0);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, address_of(source) & ~(PAGE - 1));
}

/* 1 GiB, 2 MiB and 4 KiB, by one call; all lead to the lowest memory. */
static void large_pages(void)
{
	static const uint64_t at[] = {8 * GIB, 9 * GIB, 9 * GIB + 2 * MIB};
	uint64_t host, size, offset = address_of(source), page = offset & ~(PAGE - 1);

	works("a large page", vtd_tables_map(&tables, at[0], 0, GIB, VTD_SL_RIGHTS));
	works("a page of 2 MiB",
		vtd_tables_map(&tables, at[1], page & ~(2 * MIB - 1), 2 * MIB, VTD_SL_RIGHTS));
	works("and one behind it", vtd_tables_map(&tables, at[2], page, PAGE, VTD_SL_RIGHTS));
	expect("looked up", vtd_tables_look(&tables, at[0] + offset, &host, &size),
		VTD_SL_RIGHTS);
	expect("of 1 GiB", size, GIB);
	(void)vtd_tables_look(&tables, at[1], &host, &size);
	expect("of 2 MiB", size, 2 * MIB);
	/* In caching mode, what was absent may be known as that. */
	if (unit.caps.cap & VTD_CAP_CM)
		flush_domain(FIRST);
	expect("1 GiB is read", copy(at[0] + offset, TO), 1);
	expect("2 MiB are read", copy(at[1] + (offset & (2 * MIB - 1)), TO), 1);
	expect("what is behind it, too", copy(at[2], TO), 1);
	expect("1 GiB is unmapped", vtd_tables_unmap(&tables, at[0], GIB), 1);
	flush_domain(FIRST);
	sees("and not read any more", copy(at[0] + offset, TO), 0);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, at[0] + page);
	expect("the others are", copy(at[1] + (offset & (2 * MIB - 1)), TO), 1);
	expect("2 MiB are unmapped", vtd_tables_unmap(&tables, at[1], 2 * MIB), 1);
	flush(FIRST, at[1], 2 * MIB, 9);
	sees("and not read any more", copy(at[1] + (offset & (2 * MIB - 1)), TO), 0);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, at[1] + (page & (2 * MIB - 1)));
}

static void the_last_page(void)
{
	uint64_t last = BIT64(unit.caps.bits) - PAGE;

	works("the last page",
		vtd_tables_map(&tables, last, address_of(source), PAGE, VTD_SL_RIGHTS));
	if (unit.caps.cap & VTD_CAP_CM)
		flush(FIRST, last, PAGE, 0);
	expect("is read", copy(last, TO), 1);
	sees("and what is behind it not", copy(last + PAGE, TO), 0);
	fault_is(VTD_FAULT_ADDRESS_TOO_LARGE, copier, true, last + PAGE);
}

static void changes(void)
{
	expect("a page is unmapped", vtd_tables_unmap(&tables, FROM, PAGE), 1);
	flush(FIRST, FROM, PAGE, 0);
	sees("it is not read", copy(FROM, TO), 0);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, FROM);
	works("it is mapped again",
		vtd_tables_map(&tables, FROM, address_of(other), PAGE, VTD_SL_READ));
	if (unit.caps.cap & VTD_CAP_CM)
		flush(FIRST, FROM, PAGE, 0);
	source[0] = 1;
	other[0] = 2;
	copier_copy(FROM, TO, 8);
	expect("another page is read", target[0], 2);
	target[0] = 3;
	copier_copy(TO, FROM, 8);
	sees("which is not written", other[0], 2);
	fault_is(VTD_FAULT_WRITE_DENIED, copier, false, FROM);
	/* of the first 16 pages the 5th to the 8th, which are in no smaller aligned set */
	expect("unmapped", vtd_tables_unmap(&tables, FROM, 4 * PAGE), 1);
	flush(FIRST, FROM, 4 * PAGE, 4);
	sees("it is not read", copy(FROM, TO), 0);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, FROM);
}

static void second_domain(void)
{
	static struct vtd_tables second;

	expect("tables", vtd_tables_create(&second, &unit.caps, NULL), 1);
	works("source", vtd_tables_map(&second, TO, address_of(source), PAGE, VTD_SL_RIGHTS));
	works("target", vtd_tables_map(&second, FROM, address_of(target), PAGE, VTD_SL_RIGHTS));
	detach(copier, FIRST);
	sees("blocked meanwhile", copy(TO, FROM), 0);
	fault_is(VTD_FAULT_CONTEXT_ABSENT, copier, true, TO);
	attach(copier, &second, SECOND);
	expect("the second domain's pages", copy(TO, FROM), 1);
	detach(copier, SECOND);
	vtd_tables_destroy(&second);
	if (!unit.caps.pass)
		return;
	meant_context(copier, SECOND);
	works("a function is let through", vtd_unit_pass(&unit, copier, SECOND));
	expect("as it is", copy(address_of(source), address_of(target)), 1);
	detach(copier, SECOND);
}

/* ---- interrupts ---- */

static uint32_t sent(uint32_t address, unsigned vector)
{
	uint32_t before = interrupt_count[vector];

	copier_message(address, 0);
	return interrupt_count[vector] - before;
}

static struct vtd_interrupt_to to_us(unsigned vector, uint16_t function)
{
	return (struct vtd_interrupt_to){
		.vector = (uint8_t)vector, .source = function, .extended = unit.extended};
}

static void messages(void)
{
	struct vtd_interrupt_to to = to_us(VECTOR, copier);
	uint32_t before = interrupt_count[VECTOR];

	expect("interrupts are remapped", unit.remaps, 1);
	expect("to destinations of 32 bits", unit.extended, cmdline_flag("extended"));
	copier_message(OLD_FORMAT, VECTOR);
	sees("the old format is blocked", interrupt_count[VECTOR] - before, 0);
	fault_is(VTD_FAULT_COMPATIBILITY_BLOCKED, copier, false, 0);
	sees("an entry that is not set", sent(vtd_message_address(INDEX), VECTOR), 0);
	fault_is(VTD_FAULT_IRTE_ABSENT, copier, false, (uint64_t)INDEX << 48);
	set_irte(INDEX, vtd_irte(&to));
	expect("a message by an entry", sent(vtd_message_address(INDEX), VECTOR), 1);
	to.vector = OTHER;
	set_irte(INDEX, vtd_irte(&to));
	expect("with another vector", sent(vtd_message_address(INDEX), OTHER), 1);
	to.source = copier ^ 8;
	set_irte(INDEX, vtd_irte(&to));
	sees("of another function", sent(vtd_message_address(INDEX), OTHER), 0);
	fault_is(VTD_FAULT_SOURCE, copier, false, (uint64_t)INDEX << 48);
	set_irte(INDEX, (struct vtd_entry){0, 0});
	sees("an entry that is no more", sent(vtd_message_address(INDEX), OTHER), 0);
	fault_is(VTD_FAULT_IRTE_ABSENT, copier, false, (uint64_t)INDEX << 48);
}

#define IOAPIC ((volatile uint32_t *)(uintptr_t)0xfec00000)
#define LEVEL  0x8000u
#define MASKED 0x10000u

static void set_pin(uint64_t e)
{
	IOAPIC[0] = 0x10 + 2u * copier_pin + 1;
	IOAPIC[4] = (uint32_t)(e >> 32);
	IOAPIC[0] = 0x10 + 2u * copier_pin;
	IOAPIC[4] = (uint32_t)e;
}

static bool pin_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	interrupt_count[f->vector]++;
	if (f->vector == VECTOR)
		copier_lower();
	apic_eoi();
	return true;
}

static void pin(void)
{
	struct vtd_interrupt_to to = to_us(VECTOR, 0);
	uint32_t before = interrupt_count[VECTOR];

	IOAPIC[0] = 0;
	expect("the IOAPIC is this unit's",
		dmar_ioapic(&dmar, (uint8_t)(IOAPIC[4] >> 24), &to.source) != DMAR_NONE, 1);
	to.level = true;
	trap_hook = pin_interrupt;
	set_irte(INDEX + 1, vtd_irte(&to));
	set_pin(vtd_ioapic_handle(INDEX + 1) | LEVEL | VECTOR);
	copier_raise();
	copier_raise();
	expect("a pin by an entry, twice", interrupt_count[VECTOR] - before, 2);
	set_pin(MASKED);
	trap_hook = count_and_eoi;
}

static void fault_events(void)
{
	vtd_unit_fault_event(&unit, OLD_FORMAT, 0, EVENT);
	attach(copier, &tables, FIRST);
	expect("nothing is mapped there", copy(FROM, TO), 0);
	rest(4);
	sees("the unit tells of a fault", interrupt_count[EVENT], 1);
	fault_is(VTD_FAULT_READ_DENIED, copier, true, FROM);
	detach(copier, FIRST);
}

/* ---- NVMe ---- */

/* A controller with tables of its own: queues at 1 and 2 GiB, and where it writes at 3. */
static void controller(struct nvme *n, unsigned domain, struct vtd_tables *t, unsigned vector)
{
	struct vtd_interrupt_to to = to_us(vector, n->bdf);
	uint64_t *data = page_alloc();

	expect("its tables", vtd_tables_create(t, &unit.caps, NULL), 1);
	attach(n->bdf, t, domain);
	set_irte(vector, vtd_irte(&to));
	pci_messages(n->bdf, n->registers, vtd_message_address((uint16_t)vector), 0);
	expect("the controller is ready", nvme_start(n, GIB, 2 * GIB), 1);
	works("commands", vtd_tables_map(t, GIB, address_of(n->commands), PAGE, VTD_SL_READ));
	works("answers",
		vtd_tables_map(t, 2 * GIB, address_of(n->answers), PAGE, VTD_SL_RIGHTS));
	works("data", vtd_tables_map(t, 3 * GIB, address_of(data), PAGE, VTD_SL_WRITE));
	flush_domain(domain);
	expect("it identifies itself", nvme_identify(n, 3 * GIB), 1);
	expect("by its vendor", data[0] & 0xffff, 0x1b36);
	sees("and interrupts", interrupt_count[vector], 1);
	fault_is(0, 0, false, 0);
	(void)nvme_identify(n, 4 * GIB); /* it may not care */
	doing = "it writes where nothing is mapped";
	fault_is(VTD_FAULT_WRITE_DENIED, n->bdf, false, 4 * GIB);
}

static void nvme(void)
{
	static struct nvme physical, virtual;
	static struct vtd_tables of_physical, of_virtual;
	const char *why;

	if (!nvme_find(&physical)) {
		expect("an NVMe controller behind a root port", 0, 1);
		return;
	}
	expect("it is behind the same unit", dmar_unit_of(&dmar, 0, physical.bdf, &why),
		dmar_unit_of(&dmar, 0, copier, &why));
	controller(&physical, PHYSICAL, &of_physical, 0x70);
	expect("a virtual function", nvme_virtual(&physical, &virtual), 1);
	controller(&virtual, VIRTUAL, &of_virtual, 0x71);
	print("# physical function %x, virtual function %x\n", physical.bdf, virtual.bdf);
	nvme_stop(&virtual);
	detach(virtual.bdf, VIRTUAL);
	nvme_stop(&physical);
	detach(physical.bdf, PHYSICAL);
}

static void stop_and_start(void)
{
	works("the unit stops", vtd_unit_stop(&unit));
	expect("nothing is translated", copy(address_of(source), address_of(target)), 1);
	meant_start();
	works("it starts again", take_over(&unit, false));
	sees("and blocks", copy(address_of(source), address_of(target)), 0);
	fault_is(VTD_FAULT_CONTEXT_ABSENT, copier, true, address_of(source) & ~(PAGE - 1));
	works("and stops", vtd_unit_stop(&unit));
}

int payload_main(void)
{
	apic_take_all();
	if (!copier_start()) {
		print("there is no device that copies\n");
		return 1;
	}
	source = page_alloc();
	target = page_alloc();
	other = page_alloc();
	find_unit();
	start_unit();
	first_domain();
	large_pages();
	the_last_page();
	changes();
	second_domain();
	messages();
	pin();
	fault_events();
	if (cmdline_flag("nvme"))
		nvme();
	stop_and_start();
	works("the unit has not failed", unit.failed);
	print("vtd_driver: %u lines differ\n", failed);
	return failed != 0;
}
