/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's virtual VT-d (docs/vvtd.md), as its VM programs it, with its own tables: the entropy
 * device writes where they lead, and is stopped where they do not; faults, the queue, an event,
 * and a pin of the IOAPIC through the remapping table.
 */
#include "apic.h"
#include "cpu.h"
#include "rt.h"
#include "virtio_pci.h"
#include "vtd/vtd_unit.h"

#include "spec/pci.h"
#include "spec/vtd.h"

#define DOMAIN    7u
#define LEVELS    4u
#define MEMORY    (64u << 20)         /* of the VM: identity-mapped for rings */
#define ALIAS     (UINT64_C(5) << 30) /* where buffers are, by the function's addresses */
#define COUNT     4u
#define EVENT     0x51u
#define TIMER     0x52u
#define INDEX     3u
#define TIMER_PIN 2u
#define LONG      20000000u

static struct vio rng;
static struct vio_queue requests;
static uint64_t *tables, *irtes;

static unsigned source(void)
{
	return rng.device << 3;
}

static bool stopped(void)
{
	return rng.common[VIRTIO_COMMON_STATUS] & VIRTIO_NEEDS_RESET;
}

static void start_rng(void)
{
	if (!vio_negotiate(&rng, VIRTIO_F_ACCESS_PLATFORM)) {
		print("the device takes no features\n");
		payload_exit(1);
	}
	vio_queue_start(&rng, &requests, 0, COUNT, VIO_POLLED);
	vio_start(&rng);
}

/* Random bytes for an address of the function's. False: it stopped. */
static bool fill(uint64_t at, uint32_t length)
{
	uint16_t before = requests.used[1];

	requests.desc[0] = (struct virtio_desc){at, length, VIRTIO_DESC_WRITE, 0};
	vio_give(&requests, 0);
	vio_notify(&requests);
	for (uint64_t end = rdtsc_exact() + LONG;
		rdtsc_exact() < end && requests.used[1] == before;)
		if (stopped())
			return false;
	return requests.used[1] != before;
}

static bool is_zero(const uint64_t *page)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < 512; i++)
		any |= page[i];
	return any == 0;
}

static void translation(void)
{
	uint64_t *a = page_alloc(), *b = page_alloc();
	struct fault f;

	unit_map(tables, LEVELS, ALIAS, address_of(b), 1, BOTH);
	unit_map(tables, LEVELS, ALIAS + 0x1000, address_of(a), 1, BOTH);
	forget_pages(OF_DOMAIN, DOMAIN, 0, 0, false);
	start_rng();
	expect("two pages the other way round", fill(ALIAS + 0x0f00, 0x200), 1);
	expect("the end of the first", b[0x0f00 / 8] != 0 && b[0xef8 / 8] == 0, 1);
	expect("the start of the second", a[0x0f8 / 8] != 0 && a[0x100 / 8] == 0, 1);
	*unit_entry(tables, LEVELS, ALIAS, 1) = address_of(b) | READ_OK;
	forget_pages(SELECTED, DOMAIN, ALIAS, 0, true);
	expect("a page that may not be written", fill(ALIAS, 16), 0);
	f = take_fault();
	expect("its reason", f.reason, VTD_FAULT_WRITE_DENIED);
	expect("its requester", f.source, source());
	expect("its address", f.information, ALIAS);
	start_rng();
	expect("after a reset it works", fill(ALIAS + 0x1000, 16), 1);
	expect("no fault", take_fault().count, 0);
}

static void through(void)
{
	uint64_t *page = page_alloc();

	unit_context_of(source(), DOMAIN, LEVELS, VTD_TT_PASS, 0);
	forget_all();
	start_rng();
	expect("passed through", fill(address_of(page), 64), 1);
	expect("to the same address", is_zero(page), 0);
	unit_context_of(source(), DOMAIN, LEVELS, VTD_TT_TABLES, address_of(tables));
	forget_all();
}

/* Of the requests that wait: interrupts are off. */
static bool requested(unsigned vector)
{
	return apic_read(APIC_IRR + vector / 32 * 16) >> vector % 32 & 1;
}

static void events(void)
{
	set_unit32(FEDATA, EVENT);
	set_unit32(FEADDR, MSI_ADDRESS_BASE);
	set_unit32(FECTL, 0);
	contexts[2 * source()] = 0;
	forget_all();
	start_rng();
	expect("without a context", fill(ALIAS, 16), 0);
	expect("its event came", requested(EVENT), 1);
	expect("its reason", take_fault().reason, VTD_FAULT_CONTEXT_ABSENT);
	unit_context_of(source(), DOMAIN, LEVELS, VTD_TT_TABLES, address_of(tables));
	forget_all();
}

static void ioapic_write(uint32_t index, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)IOAPIC_DEFAULT_BASE = index;
	*(volatile uint32_t *)(uintptr_t)(IOAPIC_DEFAULT_BASE + 0x10) = v;
}

static void timer_fires(void)
{
	outb(0x43, 0x30); /* counter 0, once */
	outb(0x40, 200);
	outb(0x40, 0);
	for (uint64_t end = rdtsc_exact() + LONG; rdtsc_exact() < end && !requested(TIMER);)
		;
}

static void remapping(void)
{
	struct fault f;

	irtes = page_alloc();
	irtes[2 * INDEX] = (uint64_t)TIMER << VTD_IRTE_VECTOR_SHIFT; /* not present yet */
	set_unit64(IRTA, address_of(irtes) | 7);
	unit_on(SIRTP);
	unit_on(IRE);
	ioapic_write(0x11 + 2 * TIMER_PIN, INDEX << 17 | (uint32_t)(VTD_RTE_REMAPPABLE >> 32));
	ioapic_write(0x10 + 2 * TIMER_PIN, TIMER);
	timer_fires();
	expect("an entry that is not there", requested(TIMER), 0);
	f = take_fault();
	expect("its reason", f.reason, VTD_FAULT_IRTE_ABSENT);
	expect("its index", f.information, (uint64_t)INDEX << VTD_FRCD_INDEX_SHIFT);
	irtes[2 * INDEX] |= VTD_PRESENT;
	queue_put(VTD_INV_IRTE, 0);
	queue_wait();
	timer_fires();
	expect("an entry that is", requested(TIMER), 1);
	expect("no fault", take_fault().count, 0);
	unit_off(IRE);
}

int payload_main(void)
{
	if (!vio_find(&rng, VIRTIO_RNG) || unit32(VTD_VER) != VTD_VERSION_1_0) {
		print("no entropy device, or no unit\n");
		return 1;
	}
	expect("without its feature the device is refused", vio_negotiate(&rng, 0), 0);
	apic_write(APIC_SVR, SVR_ON);
	unit_tables();
	tables = page_alloc();
	for (uint64_t at = 0; at < MEMORY; at += 2u << 20)
		unit_map(tables, LEVELS, at, at, 2, BOTH);
	unit_context_of(source(), DOMAIN, LEVELS, VTD_TT_TABLES, address_of(tables));
	forget_all();
	unit_on(TRANSLATE);
	translation(); /* by registers */
	queue_start();
	translation();
	through();
	events();
	remapping();
	unit_off(TRANSLATE);
	print("vvtd: %s\n", failed ? "NOT as it should be" : "all as it should be");
	return failed != 0;
}
