/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd_unit.h"

#include "apic.h"
#include "cpu.h"
#include "pci.h"
#include "rt.h"
#include "spec/pci.h"

#define DEVICE_PLACE 0xd0000000u
#define DEVICE_ID    0x4e541234u
#define MSIX         0x70u
#define MSIX_ON      0x80000000u
#define ALL_ON       0x7u /* of COMMAND */
#define TABLE        0x1000u

#define RAISE  0x10u
#define BUSY   0x14u
#define ORIGIN 0x20u
#define TARGET 0x28u
#define LENGTH 0x30u
#define DMA    0x34u

#define BEGIN     (UINT64_C(1) << 63)
#define LONG_TIME 1000000u

unsigned failed;
uint64_t *root, *contexts, *queue;
static uint32_t queue_tail;

void expect(const char *what, uint64_t got, uint64_t want)
{
	if (got == want) {
		print("%s: ok\n", what);
		return;
	}
	print("%s: %lx, NOT %lx\n", what, got, want);
	failed++;
}

void wait_ticks(uint64_t ticks)
{
	for (uint64_t end = rdtsc_exact() + ticks; rdtsc_exact() < end;)
		__asm__ volatile("pause");
}

/* ---- the device ---- */

uint32_t device_config(unsigned offset)
{
	return pci_read(SOURCE, offset);
}

void device_set_config(unsigned offset, uint32_t v)
{
	pci_write(SOURCE, offset, v);
}

volatile uint32_t *device(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(DEVICE_PLACE + offset);
}

void device_start(void)
{
	if (device_config(0) != DEVICE_ID || unit32(0) != 0x10) {
		print("no device, or no unit: %x, version %x\n", device_config(0), unit32(0));
		payload_exit(1);
	}
	device_set_config(PCI_BAR, DEVICE_PLACE);
	device_set_config(PCI_COMMAND, ALL_ON);
	device_set_config(MSIX, MSIX_ON);
}

uint32_t function_copy(volatile uint32_t *regs, uint64_t from, uint64_t to, uint32_t size)
{
	uint32_t before = regs[BLOCKED / 4];

	regs[ORIGIN / 4] = (uint32_t)from;
	regs[ORIGIN / 4 + 1] = (uint32_t)(from >> 32);
	regs[TARGET / 4] = (uint32_t)to;
	regs[TARGET / 4 + 1] = (uint32_t)(to >> 32);
	regs[LENGTH / 4] = size;
	regs[DMA / 4] = 1;
	while (regs[BUSY / 4])
		__asm__ volatile("pause");
	return regs[BLOCKED / 4] - before;
}

uint32_t device_copy(uint64_t from, uint64_t to, uint32_t size)
{
	return function_copy(device(0), from, to, size);
}

void function_message(volatile uint32_t *regs, uint32_t address, uint32_t data)
{
	regs[TABLE / 4] = address;
	regs[TABLE / 4 + 1] = 0;
	regs[TABLE / 4 + 2] = data;
	regs[TABLE / 4 + 3] = 0;
	regs[RAISE / 4] = 0;
	wait_ticks(2000);
}

void device_message(uint32_t address, uint32_t data)
{
	function_message(device(0), address, data);
}

/* ---- tables ---- */

/* A unit may take its time. */
static void wait_status(uint32_t bits, uint32_t want)
{
	for (unsigned i = 0; i < LONG_TIME && (unit32(GSTS) & bits) != want; i++)
		__asm__ volatile("pause");
}

static void wait_end(unsigned at)
{
	for (unsigned i = 0; i < LONG_TIME && unit64(at) & BEGIN; i++)
		__asm__ volatile("pause");
}

void unit_on(uint32_t bits)
{
	uint32_t once = bits & (SRTP | SIRTP);

	set_unit32(GCMD, (unit32(GSTS) & (TRANSLATE | QIE | IRE | CFI)) | bits);
	wait_status(bits, bits);
	expect(once ? "a pointer is taken over" : "switched on", unit32(GSTS) & bits, bits);
}

void unit_off(uint32_t bits)
{
	set_unit32(GCMD, unit32(GSTS) & (TRANSLATE | QIE | IRE | CFI) & ~bits);
	wait_status(bits, 0);
	expect("switched off", unit32(GSTS) & bits, 0);
}

void unit_tables(void)
{
	root = page_alloc();
	contexts = page_alloc();
	root[2 * BUS] = address_of(contexts) | 1;
	set_unit64(RTADDR, address_of(root));
	unit_on(SRTP);
}

void unit_context_of(
	unsigned source, unsigned domain, unsigned levels, unsigned type, uint64_t tables)
{
	contexts[2 * (source & 0xff) + 1] = domain << 8 | (levels - 2);
	contexts[2 * (source & 0xff)] = tables | type << 2 | 1;
}

void unit_context(unsigned domain, unsigned levels, unsigned type, uint64_t tables)
{
	unit_context_of(SOURCE, domain, levels, type, tables);
}

uint64_t *unit_entry(uint64_t *tables, unsigned levels, uint64_t at, unsigned level)
{
	for (unsigned n = levels; n > level; n--) {
		uint64_t *e = tables + (at >> (12 + 9 * (n - 1)) & 511);

		if (*e == 0)
			*e = address_of(page_alloc()) | BOTH;
		tables = (uint64_t *)(uintptr_t)(*e & ~UINT64_C(0xfff));
	}
	return tables + (at >> (12 + 9 * (level - 1)) & 511);
}

void unit_map(uint64_t *tables, unsigned levels, uint64_t at, uint64_t to, unsigned level,
	uint64_t rights)
{
	*unit_entry(tables, levels, at, level) = to | rights | (level > 1 ? LARGE : 0);
}

/* ---- invalidation ---- */

void queue_start(void)
{
	queue = page_alloc();
	queue_tail = 0;
	set_unit64(IQT, 0);
	set_unit64(IQA, address_of(queue));
	unit_on(QIE);
}

void queue_put(uint64_t low, uint64_t high)
{
	queue[queue_tail / 8] = low;
	queue[queue_tail / 8 + 1] = high;
	queue_tail = (queue_tail + 16) & 0xfff;
	set_unit64(IQT, queue_tail);
}

void queue_wait(void)
{
	static uint32_t place;
	volatile uint32_t *status = &place;

	*status = 0;
	queue_put(UINT64_C(0x600d) << 32 | 1u << 5 | 5, address_of(&place));
	for (unsigned i = 0; i < LONG_TIME && *status != 0x600d; i++)
		__asm__ volatile("pause");
	if (*status != 0x600d) {
		print("the queue goes on: NOT, head %x, tail %x, status %x\n", unit32(IQH),
			unit32(IQT), unit32(FSTS));
		failed++;
	}
}

/* A unit may forget more than it is asked to, and says so: all for a domain, for example. */
static bool forgot(unsigned asked, unsigned actual)
{
	return actual != 0 && actual <= asked;
}

void forget_contexts(unsigned granularity, unsigned domain, unsigned source)
{
	if (unit32(GSTS) & QIE) {
		queue_put(1 | granularity << 4 | domain << 16 | (uint64_t)source << 32, 0);
		queue_wait();
		return;
	}
	set_unit64(CCMD, BEGIN | (uint64_t)granularity << 61 | source << 16 | domain);
	wait_end(CCMD);
	if (unit64(CCMD) & BEGIN || !forgot(granularity, unit64(CCMD) >> 59 & 3))
		expect("contexts invalidated by register", unit64(CCMD), 0);
}

void forget_pages(unsigned granularity, unsigned domain, uint64_t at, unsigned mask, bool hint)
{
	uint64_t where = at | mask | (hint ? 0x40 : 0);

	if (unit32(GSTS) & QIE) {
		queue_put(2 | granularity << 4 | domain << 16, where);
		queue_wait();
		return;
	}
	set_unit64(IVA, where);
	set_unit64(IOTLB, BEGIN | (uint64_t)granularity << 60 | (uint64_t)domain << 32);
	wait_end(IOTLB);
	if (unit64(IOTLB) & BEGIN || !forgot(granularity, unit64(IOTLB) >> 57 & 3))
		expect("pages invalidated by register", unit64(IOTLB), 0);
}

void forget_all(void)
{
	forget_contexts(ALL, 0, 0);
	forget_pages(ALL, 0, 0, 0, false);
}

/* ---- faults ---- */

struct fault take_fault(void)
{
	struct fault out = {0};
	uint32_t status = unit32(FSTS);
	unsigned first = status >> 8 & 0xff;

	for (unsigned i = 0; i < RECORDS; i++) {
		unsigned at = FRCD + 16 * ((first + i) % RECORDS);
		uint64_t high = unit64(at + 8);

		if (!(high >> 63))
			continue;
		if (out.count++ == 0 && status & PPF) {
			out.reason = high >> 32 & 0xff;
			out.source = (uint16_t)high;
			out.read = high >> 62 & 1;
			out.information = unit64(at);
		}
		set_unit32(at + 12, 1u << 31);
	}
	set_unit32(FSTS, PFO);
	return out;
}
