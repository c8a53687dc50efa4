/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables of the emulated machine; see machine_acpi.h. */
#include "machine_acpi.h"

#include "policy/memory.h"

/* What they take at most, below 0xa0000. */
#define SIZE 0x1000
/* More than the emulator can have, which alone has nodes: it refuses to run then. */
#define CPUS_WITH_NODES 16

/* Places in the machine: tools/machine/bochs_vtd.h and bochs_vtd.c, and Bochs itself. */
#define LAPIC          0xfee00000
#define IOAPIC         0xfec00000
#define HPET           0xfed00000
#define HPET_BLOCK     0x8086a201 /* its identification: three timers, those of the PIT too */
#define UNIT           0xfed90000
#define UNIT_1         0xfeda0000 /* of segment 1 */
#define PCI_MEMORY     0xc0000000
#define PCI_MEMORY_END 0xe0000000 /* Bochs has its display there */
enum {
	SOURCE_BUS = 0xf0, /* of IOAPIC and HPET, which are no functions of PCI */
	IOAPIC_DEVICE = 0x1f,
	HPET_DEVICE = 0x1e,
	TEST_DEVICE = 2, /* of bus 0 */
	NETWORK_CARD = 3,
	HOST_BITS = 40,
	PM_EVENTS = MACHINE_PM_PORTS,
	PM_CONTROL = MACHINE_PM_PORTS + 4,
	PM_TIMER = MACHINE_PM_PORTS + 8,
	RESET_PORT = 0xcf9,
	RESET_VALUE = 6, /* all of the machine, at once */
	SCI = 9,
	PCI_DEVICES = 32,
	ISA_IRQS = 16,
	EVERY_CPU = 0xff,
	HPET_LEAST = 0x80, /* ticks that a periodic timer of it has at least */
	LEVEL_HIGH = 0xd,  /* of an interrupt: its polarity and trigger mode */
};

/* ACPI 6.5, table 5.10 "Fixed ACPI Description Table Fixed Feature Flags" */
enum {
	FADT_WBINVD = 1 << 0,
	FADT_C1 = 1 << 2,
	FADT_NO_POWER_BUTTON = 1 << 4,
	FADT_NO_SLEEP_BUTTON = 1 << 5,
	FADT_NO_RTC_STATUS = 1 << 6,
	FADT_RESET = 1 << 10,
};

enum {
	HEADER = 36,
	RSDP_V1 = 20, /* what its first checksum covers */
	RSDP_CHECKSUM = 8,
	RSDP_CHECKSUM2 = 32,
	TABLE_LENGTH = 4,
	TABLE_CHECKSUM = 9,
	TABLES = 7, /* that the XSDT has, at most */
};

struct writer {
	struct bytes b;
	size_t at;
	uint64_t listed[TABLES];
	unsigned count;
};

static void put(struct writer *w, unsigned size, uint64_t value)
{
	bytes_put(&w->b, w->at, size, value);
	w->at += size;
}

static void put_text(struct writer *w, const char *text)
{
	memcpy(w->b.data + w->at, text, strlen(text));
	w->at += strlen(text);
}

static void set_checksum(struct writer *w, size_t from, size_t size, size_t where)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + w->b.data[from + i]);
	w->b.data[where] = (uint8_t)(w->b.data[where] - sum);
}

static size_t begin(struct writer *w, const char *signature, unsigned revision)
{
	size_t start = w->at = (w->at + 63) / 64 * 64;

	put_text(w, signature);
	put(w, 4, 0);
	put(w, 1, revision);
	put(w, 1, 0);
	put_text(w, "NESTORMACHINE ");
	put(w, 4, 1);
	put_text(w, "NEST");
	put(w, 4, 1);
	return start;
}

static void end(struct writer *w, size_t start)
{
	bytes_put(&w->b, start + TABLE_LENGTH, 4, w->at - start);
	set_checksum(w, start, w->at - start, start + TABLE_CHECKSUM);
}

/* A table that the XSDT has. */
static void list(struct writer *w, size_t start)
{
	end(w, start);
	w->listed[w->count++] = MACHINE_ACPI_PLACE + start;
}

/* ---- AML ---- */

/* Lengths of packages take two bytes, and are known at their end. */
static size_t begin_package(struct writer *w)
{
	put(w, 2, 0);
	return w->at - 2;
}

static void end_package(struct writer *w, size_t start)
{
	size_t length = w->at - start;

	bytes_put(&w->b, start, 2, 0x40 | (length & 15) | length >> 4 << 8);
}

static void put_name(struct writer *w, const char *name)
{
	put(w, 1, 0x08);
	put_text(w, name);
}

/* A range of addresses or numbers of PCI: ACPI's word and double word descriptors. */
static void put_range(
	struct writer *w, unsigned type, unsigned flags, uint64_t first, uint64_t last)
{
	unsigned size = type == 0 ? 4 : 2; /* of memory, or of ports and buses */

	put(w, 1, type == 0 ? 0x87 : 0x88);
	put(w, 2, 3 + 5 * size);
	put(w, 1, type);
	put(w, 1, 0x0c); /* both ends are fixed */
	put(w, 1, flags);
	put(w, size, 0);
	put(w, size, first);
	put(w, size, last);
	put(w, size, 0);
	put(w, size, last - first + 1);
}

static void put_resources(struct writer *w)
{
	size_t package, size;

	put_name(w, "_CRS");
	put(w, 1, 0x11);
	package = begin_package(w);
	put(w, 1, 0x0b);
	size = w->at;
	put(w, 2, 0);
	put_range(w, 2, 0, 0, 0); /* buses */
	put(w, 1, 0x47);          /* the index and data ports */
	put(w, 1, 1);
	put(w, 2, 0xcf8);
	put(w, 2, 0xcf8);
	put(w, 1, 1);
	put(w, 1, 8);
	put_range(w, 1, 3, 0, 0xcf7); /* ports */
	put_range(w, 1, 3, 0xd00, 0xffff);
	put_range(w, 0, 1, PCI_MEMORY, PCI_MEMORY_END - 1);
	put(w, 2, 0x79);
	bytes_put(&w->b, size, 2, w->at - size - 2);
	end_package(w, package);
}

/* Each pin of each device. */
static void put_routes(struct writer *w, const uint8_t *pins)
{
	size_t all, one;

	put_name(w, "_PRT");
	put(w, 1, 0x12);
	all = begin_package(w);
	put(w, 1, PCI_DEVICES * 4 - 4);
	for (unsigned i = 4; i < PCI_DEVICES * 4; i++) {
		put(w, 1, 0x12);
		one = begin_package(w);
		put(w, 1, 4);
		put(w, 1, 0x0c);
		put(w, 4, i / 4 << 16 | 0xffff);
		put(w, 1, 0x0a);
		put(w, 1, i % 4);
		put(w, 1, 0); /* no link device */
		put(w, 1, 0x0a);
		put(w, 1, pins[(i / 4 + i % 4 - 1) % MACHINE_PINS]);
		end_package(w, one);
	}
	end_package(w, all);
}

static size_t put_dsdt(struct writer *w, const uint8_t *pins)
{
	size_t start = begin(w, "DSDT", 2), scope, device, s5;

	put(w, 1, 0x10);
	scope = begin_package(w);
	put_text(w, "\\_SB_");
	put(w, 2, 0x825b);
	device = begin_package(w);
	put_text(w, "PCI0");
	put_name(w, "_HID");
	put(w, 1, 0x0c);
	put(w, 4, 0x080ad041); /* PNP0A08 */
	put_name(w, "_CID");
	put(w, 1, 0x0c);
	put(w, 4, 0x030ad041); /* PNP0A03 */
	put_name(w, "_UID");
	put(w, 1, 0);
	put_resources(w);
	put_routes(w, pins);
	end_package(w, device);
	end_package(w, scope);
	put_name(w, "_S5_");
	put(w, 1, 0x12);
	s5 = begin_package(w);
	put(w, 1, 2);
	put(w, 2, 0); /* the chipset's value */
	end_package(w, s5);
	end(w, start);
	return start;
}

/* ---- the others ---- */

static size_t put_facs(struct writer *w)
{
	size_t start = w->at = (w->at + 63) / 64 * 64;

	put_text(w, "FACS");
	put(w, 4, 64);
	w->at = start + 64;
	return start;
}

static void put_fadt(struct writer *w, size_t dsdt, size_t facs)
{
	size_t start = begin(w, "FACP", 3);

	bytes_put(&w->b, start + 36, 4, MACHINE_ACPI_PLACE + facs);
	bytes_put(&w->b, start + 40, 4, MACHINE_ACPI_PLACE + dsdt);
	bytes_put(&w->b, start + 46, 2, SCI);
	bytes_put(&w->b, start + 56, 4, PM_EVENTS);
	bytes_put(&w->b, start + 64, 4, PM_CONTROL);
	bytes_put(&w->b, start + 76, 4, PM_TIMER);
	bytes_put(&w->b, start + 88, 4, 4 | 2 << 8 | 4 << 24); /* their sizes */
	bytes_put(&w->b, start + 96, 2, 0xfff);                /* no C2, */
	bytes_put(&w->b, start + 98, 2, 0xfff);                /* no C3 */
	bytes_put(&w->b, start + 109, 2, 3);                   /* legacy devices, 8042 */
	bytes_put(&w->b, start + 112, 4,
		FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
			FADT_NO_RTC_STATUS | FADT_RESET);
	bytes_put(&w->b, start + 116, 4, 1 | 8 << 8 | 1 << 24); /* a port of a byte */
	bytes_put(&w->b, start + 120, 8, RESET_PORT);
	bytes_put(&w->b, start + 128, 1, RESET_VALUE);
	bytes_put(&w->b, start + 132, 8, MACHINE_ACPI_PLACE + facs);
	bytes_put(&w->b, start + 140, 8, MACHINE_ACPI_PLACE + dsdt);
	w->at = start + 244;
	list(w, start);
}

static void put_override(struct writer *w, unsigned irq, unsigned gsi, unsigned flags)
{
	put(w, 2, 2 | 10 << 8);
	put(w, 1, 0);
	put(w, 1, irq);
	put(w, 4, gsi);
	put(w, 2, flags);
}

/* ACPI 6.5, 5.2.12.5 to 5.2.12.7 */
static void put_interrupts(struct writer *w, const uint8_t *pins)
{
	put_override(w, 0, 2, 0);
	put_override(w, SCI, SCI, LEVEL_HIGH);
	for (unsigned i = 0; i < MACHINE_PINS; i++)
		if (pins[i] < ISA_IRQS && (i == 0 || pins[i] != pins[i - 1]))
			put_override(w, pins[i], pins[i], LEVEL_HIGH);
	put(w, 2, 4 | 6 << 8); /* NMIs come by LINT1 */
	put(w, 1, EVERY_CPU);
	put(w, 2, 0);
	put(w, 1, 1);
}

static void put_madt(struct writer *w, uint64_t cpus, const uint8_t *pins)
{
	size_t start = begin(w, "APIC", 3);

	put(w, 4, LAPIC);
	put(w, 4, 1); /* there are PICs, too */
	for (uint64_t i = 0; i < cpus; i++) {
		put(w, 2, 0 | 8 << 8);
		put(w, 1, i);
		put(w, 1, i);
		put(w, 4, 1);
	}
	put(w, 2, 1 | 12 << 8);
	put(w, 2, 0);
	put(w, 4, IOAPIC);
	put(w, 4, 0);
	put_interrupts(w, pins);
	list(w, start);
}

/* "IA-PC HPET Specification" 1.0a, 3.2.4 */
static void put_hpet(struct writer *w)
{
	size_t start = begin(w, "HPET", 1);

	put(w, 4, HPET_BLOCK);
	put(w, 4, 0 | 64 << 8); /* memory */
	put(w, 8, HPET);
	put(w, 1, 0);
	put(w, 2, HPET_LEAST);
	put(w, 1, 0);
	list(w, start);
}

static void put_mcfg(struct writer *w, unsigned segments)
{
	size_t start = begin(w, "MCFG", 1);

	put(w, 8, 0);
	for (unsigned i = 0; i < segments; i++) {
		put(w, 8, MACHINE_ECAM_PLACE + i * MACHINE_ECAM_SIZE);
		put(w, 2, i);
		put(w, 2, 0); /* bus 0 to bus 0 */
		put(w, 4, 0);
	}
	list(w, start);
}

/* VT-d 8.3.1 "Device Scope Structure" */
static void put_scope(struct writer *w, unsigned type, unsigned device)
{
	put(w, 1, type);
	put(w, 1, 8);
	put(w, 2, 0);
	put(w, 1, 0); /* its number in the MADT, or of the HPET */
	put(w, 1, SOURCE_BUS);
	put(w, 1, device);
	put(w, 1, 0);
}

/* VT-d 8.4 "Reserved Memory Region Reporting Structure", for a function of bus 0 */
static void put_region(struct writer *w, uint64_t at, unsigned device)
{
	put(w, 2, 1);
	put(w, 2, 24 + 8);
	put(w, 4, 0);
	put(w, 8, at);
	put(w, 8, at + MACHINE_REGION_SIZE - 1);
	put(w, 1, 1);
	put(w, 1, 8);
	put(w, 4, 0);
	put(w, 1, device);
	put(w, 1, 0);
}

/* VT-d 8.1 "DMA Remapping Reporting Structure", 8.3 */
static void put_dmar(struct writer *w, bool regions, bool segments)
{
	size_t start = begin(w, "DMAR", 1);

	put(w, 1, HOST_BITS - 1);
	put(w, 1, regions ? 3 : 1); /* interrupt remapping; X2APIC_OPT_OUT */
	w->at += 10;
	put(w, 2, 0); /* DRHD */
	put(w, 2, 16 + 2 * 8);
	put(w, 2, 1); /* all of PCI */
	put(w, 2, 0);
	put(w, 8, UNIT);
	put_scope(w, 3, IOAPIC_DEVICE);
	put_scope(w, 4, HPET_DEVICE);
	if (segments) {
		put(w, 2, 0);
		put(w, 2, 16);
		put(w, 2, 1);
		put(w, 2, 1); /* the segment */
		put(w, 8, UNIT_1);
	}
	if (regions) {
		put_region(w, MACHINE_REGION_PLACE, TEST_DEVICE);
		put_region(w, MACHINE_REGION_WRONG, NETWORK_CARD);
	}
	list(w, start);
}

/* ACPI 6.5, 5.2.16.2 "Memory Affinity Structure" */
static void put_affinity(struct writer *w, uint64_t start, uint64_t end, uint64_t node)
{
	if (start >= end)
		return;
	put(w, 2, 1 | 40 << 8);
	put(w, 4, node);
	put(w, 2, 0);
	put(w, 8, start);
	put(w, 8, end - start);
	put(w, 4, 0);
	put(w, 4, 1); /* enabled */
	put(w, 8, 0);
}

/* A part of memory, in whole MiB, on both sides of the hole. */
static void put_part(struct writer *w, const struct machine_tables *t, uint64_t node)
{
	uint64_t mib = t->memory >> 20, low = memory_below_hole(t->memory);
	uint64_t start = (mib * node / t->nodes) << 20, hole = MEMORY_HOLE_END - low;
	uint64_t end = node + 1 == t->nodes ? t->memory : (mib * (node + 1) / t->nodes) << 20;

	put_affinity(w, start, end < low ? end : low, node);
	if (end > low)
		put_affinity(w, (start > low ? start : low) + hole, end + hole, node);
}

static void put_srat(struct writer *w, const struct machine_tables *t)
{
	size_t start = begin(w, "SRAT", 3);

	put(w, 4, 1);
	put(w, 8, 0);
	for (uint64_t i = 0; i < t->cpus; i++) {
		put(w, 2, 0 | 16 << 8);
		put(w, 1, i * t->nodes / t->cpus);
		put(w, 1, i);
		put(w, 4, 1); /* enabled */
		put(w, 8, 0);
	}
	for (uint64_t i = 0; i < t->nodes; i++)
		put_part(w, t, i);
	list(w, start);
}

static void put_slit(struct writer *w, const struct machine_tables *t)
{
	size_t start = begin(w, "SLIT", 1);

	put(w, 8, t->nodes);
	for (uint64_t i = 0; i < t->nodes * t->nodes; i++)
		put(w, 1, i / t->nodes == i % t->nodes ? 10 : MACHINE_DISTANCE);
	list(w, start);
}

static size_t put_xsdt(struct writer *w)
{
	size_t start = begin(w, "XSDT", 1);

	for (unsigned i = 0; i < w->count; i++)
		put(w, 8, w->listed[i]);
	end(w, start);
	return start;
}

static void set_rsdp(struct writer *w, size_t xsdt)
{
	memcpy(w->b.data, "RSD PTR ", 8);
	memcpy(w->b.data + 9, "NESTOR", 6);
	bytes_put(&w->b, 15, 1, 2);
	bytes_put(&w->b, 20, 4, MACHINE_RSDP_SIZE);
	bytes_put(&w->b, 24, 8, MACHINE_ACPI_PLACE + xsdt);
	set_checksum(w, 0, RSDP_V1, RSDP_CHECKSUM);
	set_checksum(w, 0, MACHINE_RSDP_SIZE, RSDP_CHECKSUM2);
}

struct bytes machine_acpi(struct arena *a, const struct machine_tables *told)
{
	struct machine_tables t = *told;
	struct writer w = {.b = {arena_alloc(a, SIZE), SIZE}, .at = MACHINE_RSDP_SIZE};
	uint64_t cpus = t.nodes > 1 ? CPUS_WITH_NODES : MACHINE_ACPI_CPUS;
	size_t dsdt = put_dsdt(&w, t.pins), facs = put_facs(&w);

	if (t.cpus > cpus)
		t.cpus = cpus;
	put_fadt(&w, dsdt, facs);
	put_madt(&w, t.cpus, t.pins);
	put_hpet(&w);
	if (t.unit) {
		put_mcfg(&w, t.segments ? 2 : 1);
		put_dmar(&w, t.regions, t.segments);
	}
	if (t.nodes > 1) {
		put_srat(&w, &t);
		put_slit(&w, &t);
	}
	set_rsdp(&w, put_xsdt(&w));
	return w.b;
}

/* The segment of the extended BIOS data area, whose first KiB is searched. */
struct bytes machine_acpi_ebda(struct arena *a)
{
	struct bytes b = {arena_alloc(a, 2), 2};

	bytes_put(&b, 0, 2, MACHINE_ACPI_PLACE >> 4);
	return b;
}
