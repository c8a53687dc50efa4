/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables of the virtual platform. FADT of revision 5: revision 6 adds only a hypervisor
 * id, and Xen warns about tables longer than those of ACPI 5.0.
 */
#include "dev/acpi_int.h"

#include "dev/acpi_loader.h"
#include "dev/vhpet.h"
#include "dev/vpm.h"
#include "dev/vvtd.h"
#include "spec/uart.h"

#define HEADER_SIZE     36
#define LENGTH_OFFSET   4
#define CHECKSUM_OFFSET 9
#define TABLE_ALIGN     16
#define FACS_ALIGN      64
#define RSDP_CHECKED_V1 20 /* what the first checksum covers */

#define FADT_REVISION 5
#define MADT_REVISION 3
#define DSDT_REVISION 2 /* 64-bit integers */

#define SPACE_MEMORY 0
#define SPACE_IO     1

#define BOOT_LEGACY_DEVICES 0x0001
#define BOOT_NO_VGA         0x0004 /* the 8042 bit stays clear: there is none */
#define BOOT_NO_ASPM        0x0010

#define FADT_WBINVD        0x000001
#define FADT_PROC_C1       0x000004
#define FADT_NO_SLP_BUTTON 0x000020
#define FADT_NO_FIX_RTC    0x000040
#define FADT_TMR_VAL_EXT   0x000100 /* 32-bit PM timer */
#define FADT_RESET_REG     0x000400

#define MADT_LAPIC       0
#define MADT_IOAPIC      1
#define MADT_OVERRIDE    2
#define MADT_LAPIC_NMI   4
#define MADT_X2APIC      9
#define MADT_X2APIC_NMI  10
#define MADT_ALL_CPUS    0xff
#define MADT_PCAT_COMPAT 1
#define MADT_CPU_ENABLED 1
#define MPS_LEVEL_HIGH   0x000d
#define MPS_CONFORMS     0
#define IOAPIC_ID        0
#define HPET_NUMBER      0
#define HPET_PAGE_ALONE  1 /* nothing else is in its 4 KiB */

/* System Resource Affinity Table: domains of 32 bits since revision 2. */
#define SRAT_REVISION    3
#define AFFINITY_LAPIC   0
#define AFFINITY_MEMORY  1
#define AFFINITY_X2APIC  2
#define AFFINITY_ENABLED 1

/* Serial Port Console Redirection Table, revision 2. */
#define SPCR_REVISION     2
#define SPCR_16550        0
#define SPCR_PIC_IOAPIC   3 /* its interrupt comes by both */
#define SPCR_115200       7
#define SPCR_ONE_STOP_BIT 1
#define SPCR_VT_UTF8      2
#define SPCR_NO_PCI       0xffff /* vendor, device */

void acpi_put(struct acpi_out *o, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		if (o->used >= o->size) {
			o->full = true;
			return;
		}
		o->buf[o->used++] = (uint8_t)(i < 8 ? value >> i * 8 : 0);
	}
}

void acpi_put_text(struct acpi_out *o, const char *text, unsigned bytes)
{
	bool ended = false;

	for (unsigned i = 0; i < bytes; i++) {
		ended = ended || !text[i];
		acpi_put(o, ended ? 0 : (uint8_t)text[i], 1);
	}
}

void acpi_put_zeros(struct acpi_out *o, size_t bytes)
{
	for (size_t i = 0; i < bytes && !o->full; i++)
		acpi_put(o, 0, 1);
}

void acpi_patch(struct acpi_out *o, size_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes && at + i < o->used; i++)
		o->buf[at + i] = (uint8_t)(value >> i * 8);
}

static void note(struct acpi_out *o, struct acpi_fixup f)
{
	if (o->fixups->count == ACPI_MAX_FIXUPS)
		o->fixups->full = true;
	else
		o->fixups->at[o->fixups->count++] = f;
}

void acpi_put_pointer(struct acpi_out *o, uint64_t value, unsigned bytes)
{
	if (o->fixups != NULL)
		note(o, (struct acpi_fixup){.at = (uint32_t)o->used, .size = (uint8_t)bytes});
	acpi_put(o, value, bytes);
}

/* Makes the sum of the bytes zero by the one at `where`. */
static void checksum(struct acpi_out *o, size_t from, size_t to, size_t where)
{
	uint8_t sum = 0;

	if (o->full)
		return;
	if (o->fixups != NULL) {
		note(o, (struct acpi_fixup){.at = (uint32_t)where,
				.start = (uint32_t)from,
				.length = (uint32_t)(to - from)});
		return;
	}
	for (size_t i = from; i < to; i++)
		sum = (uint8_t)(sum + o->buf[i]);
	o->buf[where] = (uint8_t)(o->buf[where] - sum);
}

static void align(struct acpi_out *o, size_t to)
{
	acpi_put_zeros(o, (to - o->used % to) % to);
}

static size_t begin_table(struct acpi_out *o, const char *signature, uint8_t revision)
{
	size_t start;

	align(o, TABLE_ALIGN);
	start = o->used;
	acpi_put_text(o, signature, 4);
	acpi_put(o, 0, 4); /* length */
	acpi_put(o, revision, 1);
	acpi_put(o, 0, 1); /* checksum */
	acpi_put_text(o, "NESTOR", 6);
	acpi_put_text(o, "PLATFORM", 8);
	acpi_put(o, 1, 4);
	acpi_put_text(o, "NSTR", 4);
	acpi_put(o, 1, 4);
	return start;
}

static uint64_t end_table(struct acpi_out *o, size_t start)
{
	acpi_patch(o, start + LENGTH_OFFSET, o->used - start, 4);
	checksum(o, start, o->used, start + CHECKSUM_OFFSET);
	return o->base + start;
}

static uint64_t put_facs(struct acpi_out *o)
{
	size_t start;

	align(o, FACS_ALIGN);
	start = o->used;
	acpi_put_text(o, "FACS", 4);
	acpi_put(o, 64, 4);
	acpi_put_zeros(o, 24); /* signature, waking vectors, global lock, flags */
	acpi_put(o, 2, 1);     /* version */
	acpi_put_zeros(o, 31);
	return o->base + start;
}

static uint64_t put_dsdt(struct acpi_out *o, const struct platform_config *c, uint64_t ecam)
{
	size_t start = begin_table(o, "DSDT", DSDT_REVISION);

	acpi_put_dsdt_body(o, c, ecam);
	return end_table(o, start);
}

/* A generic address: access size is 1 for bytes, 2 for words, 3 for doublewords. */
static void put_address(struct acpi_out *o, uint8_t bits, uint8_t access, uint16_t port)
{
	acpi_put(o, port ? SPACE_IO : SPACE_MEMORY, 1);
	acpi_put(o, bits, 1);
	acpi_put(o, 0, 1);
	acpi_put(o, access, 1);
	acpi_put(o, port, 8);
}

static void put_fadt_blocks(struct acpi_out *o)
{
	acpi_put(o, 0, 4); /* no SMI command port: always in ACPI mode */
	acpi_put(o, 0, 4); /* ACPI enable, ACPI disable, S4BIOS, P-state control */
	acpi_put(o, VPM_PORT_EVENT, 4);
	acpi_put(o, 0, 4); /* PM1b event */
	acpi_put(o, VPM_PORT_CONTROL, 4);
	acpi_put(o, 0, 8); /* PM1b control, PM2 control */
	acpi_put(o, VPM_PORT_TIMER, 4);
	acpi_put(o, 0, 8); /* GPE0, GPE1 */
	acpi_put(o, 4,
		1); /* lengths: PM1 event, PM1 control, PM2 control, PM timer, GPE0, GPE1 */
	acpi_put(o, 2, 1);
	acpi_put(o, 0, 1);
	acpi_put(o, 4, 1);
	acpi_put(o, 0, 4);      /* GPE0, GPE1, GPE1 base, C-state control */
	acpi_put(o, 0x0fff, 2); /* C2 and C3 latencies: not supported */
	acpi_put(o, 0x0fff, 2);
	acpi_put(o, 0, 4);    /* flush size and stride */
	acpi_put(o, 0, 4);    /* duty offset and width, day and month alarm */
	acpi_put(o, 0x32, 1); /* century in the RTC */
}

static void put_fadt_x_blocks(struct acpi_out *o)
{
	put_address(o, 32, 2, VPM_PORT_EVENT);
	put_address(o, 0, 0, 0);
	put_address(o, 16, 2, VPM_PORT_CONTROL);
	put_address(o, 0, 0, 0); /* PM1b control */
	put_address(o, 0, 0, 0); /* PM2 control */
	put_address(o, 32, 3, VPM_PORT_TIMER);
	put_address(o, 0, 0, 0); /* GPE0 */
	put_address(o, 0, 0, 0); /* GPE1 */
	put_address(o, 0, 0, 0); /* sleep control and status: only for reduced hardware */
	put_address(o, 0, 0, 0);
}

static uint64_t put_fadt(struct acpi_out *o, const struct acpi_places *at)
{
	size_t start = begin_table(o, "FACP", FADT_REVISION);

	acpi_put(o, 0, 4); /* FACS: only the 64-bit field, or guests install it twice */
	acpi_put_pointer(o, at->dsdt, 4);
	acpi_put(o, 0, 1);
	acpi_put(o, 0, 1); /* preferred profile: unspecified */
	acpi_put(o, VPM_SCI, 2);
	put_fadt_blocks(o);
	acpi_put(o, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM, 2);
	acpi_put(o, 0, 1);
	acpi_put(o,
		FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLP_BUTTON | FADT_NO_FIX_RTC |
			FADT_TMR_VAL_EXT | FADT_RESET_REG,
		4);
	put_address(o, 8, 1, VPM_PORT_RESET);
	acpi_put(o, VPM_RESET_VALUE, 1);
	acpi_put(o, 0, 2); /* ARM boot flags */
	acpi_put(o, 0, 1); /* minor version */
	acpi_put_pointer(o, at->facs, 8);
	acpi_put_pointer(o, at->dsdt, 8);
	put_fadt_x_blocks(o);
	return end_table(o, start);
}

static void put_override(struct acpi_out *o, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	acpi_put(o, MADT_OVERRIDE, 1);
	acpi_put(o, 10, 1);
	acpi_put(o, 0, 1); /* ISA */
	acpi_put(o, irq, 1);
	acpi_put(o, gsi, 4);
	acpi_put(o, flags, 2);
}

/*
 * ACPI 5.2.12.12 "Processor Local x2APIC Structure": for ids from 255 on; those below have the
 * older one, which all systems know.
 */
static void put_processor(struct acpi_out *o, unsigned id)
{
	if (id < DEV_XAPIC_VCPUS) {
		acpi_put(o, MADT_LAPIC, 1);
		acpi_put(o, 8, 1);
		acpi_put(o, id, 1); /* processor UID */
		acpi_put(o, id, 1); /* APIC id */
		acpi_put(o, MADT_CPU_ENABLED, 4);
		return;
	}
	acpi_put(o, MADT_X2APIC, 1);
	acpi_put(o, 16, 1);
	acpi_put(o, 0, 2);
	acpi_put(o, id, 4); /* APIC id */
	acpi_put(o, MADT_CPU_ENABLED, 4);
	acpi_put(o, id, 4); /* processor UID */
}

/* NMI at LINT1 of all; 5.2.12.13 "Local x2APIC NMI Structure" for those of the newer kind. */
static void put_nmis(struct acpi_out *o, const struct platform_config *c)
{
	acpi_put(o, MADT_LAPIC_NMI, 1);
	acpi_put(o, 6, 1);
	acpi_put(o, MADT_ALL_CPUS, 1);
	acpi_put(o, MPS_CONFORMS, 2);
	acpi_put(o, 1, 1); /* LINT1 */
	if (c->vcpus <= DEV_XAPIC_VCPUS)
		return;
	acpi_put(o, MADT_X2APIC_NMI, 1);
	acpi_put(o, 12, 1);
	acpi_put(o, MPS_CONFORMS, 2);
	acpi_put(o, UINT32_MAX, 4); /* all of them */
	acpi_put(o, 1, 1);
	acpi_put_zeros(o, 3);
}

static uint64_t put_madt(struct acpi_out *o, const struct platform_config *c)
{
	size_t start = begin_table(o, "APIC", MADT_REVISION);

	acpi_put(o, DEV_LAPIC_BASE, 4);
	acpi_put(o, MADT_PCAT_COMPAT, 4);
	for (unsigned i = 0; i < c->vcpus && i < DEV_MAX_VCPUS; i++)
		put_processor(o, i);
	acpi_put(o, MADT_IOAPIC, 1);
	acpi_put(o, 12, 1);
	acpi_put(o, IOAPIC_ID, 2);
	acpi_put(o, DEV_IOAPIC_BASE, 4);
	acpi_put(o, 0, 4); /* first interrupt */
	put_override(o, 0, 2, MPS_CONFORMS);
	put_override(o, VPM_SCI, VPM_SCI, MPS_LEVEL_HIGH);
	put_nmis(o, c);
	return end_table(o, start);
}

static uint64_t put_mcfg(struct acpi_out *o, uint64_t ecam)
{
	size_t start = begin_table(o, "MCFG", 1);

	acpi_put(o, 0, 8);
	acpi_put(o, ecam, 8);
	acpi_put(o, 0, 2);   /* segment */
	acpi_put(o, 0, 1);   /* first bus */
	acpi_put(o, 255, 1); /* last bus */
	acpi_put(o, 0, 4);
	return end_table(o, start);
}

/* The UART, for who wants a console before its drivers. */
static uint64_t put_spcr(struct acpi_out *o)
{
	size_t start = begin_table(o, "SPCR", SPCR_REVISION);

	acpi_put(o, SPCR_16550, 1);
	acpi_put_zeros(o, 3);
	put_address(o, 8, 1, COM1);
	acpi_put(o, SPCR_PIC_IOAPIC, 1);
	acpi_put(o, COM1_IRQ, 1);
	acpi_put(o, COM1_IRQ, 4);
	acpi_put(o, SPCR_115200, 1);
	acpi_put(o, 0, 1); /* parity */
	acpi_put(o, SPCR_ONE_STOP_BIT, 1);
	acpi_put(o, 0, 1); /* flow control */
	acpi_put(o, SPCR_VT_UTF8, 1);
	acpi_put(o, 0, 1); /* language */
	acpi_put(o, SPCR_NO_PCI, 2);
	acpi_put(o, SPCR_NO_PCI, 2);
	acpi_put_zeros(o, 3 + 4 + 1 + 4); /* place on PCI, flags, segment, reserved */
	return end_table(o, start);
}

/* What is no PCI function, as a unit sees it: its number and its place. */
static void put_scope(struct acpi_out *o, uint8_t type, uint8_t id, uint8_t bus, uint8_t device)
{
	acpi_put(o, type, 1);
	acpi_put(o, DMAR_SCOPE_SIZE + 2, 1);
	acpi_put(o, 0, 2);
	acpi_put(o, id, 1);
	acpi_put(o, bus, 1);
	acpi_put(o, device, 1);
	acpi_put(o, 0, 1); /* function */
}

/* One unit for all functions, and what IOAPIC and HPET are to it. */
static uint64_t put_dmar(struct acpi_out *o, const struct platform_config *c)
{
	unsigned scopes = c->hpet ? 2 : 1;
	size_t start = begin_table(o, "DMAR", 1);

	acpi_put(o, VVTD_HOST_BITS - 1, 1);
	acpi_put(o, DMAR_FLAG_IR, 1);
	acpi_put_zeros(o, 10);
	acpi_put(o, DMAR_DRHD, 2);
	acpi_put(o, DMAR_DRHD_SIZE + scopes * (DMAR_SCOPE_SIZE + 2), 2);
	acpi_put(o, DMAR_DRHD_ALL, 1);
	acpi_put(o, 0, 1);
	acpi_put(o, 0, 2); /* segment */
	acpi_put(o, VVTD_BASE, 8);
	put_scope(o, DMAR_SCOPE_IOAPIC, IOAPIC_ID, VVTD_IOAPIC_BUS, VVTD_IOAPIC_DEVICE);
	if (c->hpet)
		put_scope(o, DMAR_SCOPE_HPET, HPET_NUMBER, VHPET_BUS, VHPET_DEVICE);
	return end_table(o, start);
}

/* IA-PC HPET Specification 1.0a, 3.2.4 "The ACPI 2.0 HPET Description Table (HPET)" */
static uint64_t put_hpet(struct acpi_out *o, const struct platform_config *c)
{
	size_t start = begin_table(o, "HPET", 1);

	acpi_put(o, (uint32_t)vhpet_capabilities(c->tsc_khz), 4);
	acpi_put(o, SPACE_MEMORY, 1);
	acpi_put(o, 64, 1); /* bits */
	acpi_put(o, 0, 2);
	acpi_put(o, HPET_DEFAULT_BASE, 8);
	acpi_put(o, HPET_NUMBER, 1);
	acpi_put(o, vhpet_least_period(c->tsc_khz), 2);
	acpi_put(o, HPET_PAGE_ALONE, 1);
	return end_table(o, start);
}

/* ACPI 6.5, 5.2.16.1 "Processor Local APIC/SAPIC Affinity Structure", 5.2.16.3 for x2APICs */
static void put_processor_affinity(struct acpi_out *o, uint32_t id, unsigned node)
{
	if (id < DEV_XAPIC_VCPUS) {
		acpi_put(o, AFFINITY_LAPIC, 1);
		acpi_put(o, 16, 1);
		acpi_put(o, node, 1);
		acpi_put(o, id, 1);
		acpi_put(o, AFFINITY_ENABLED, 4);
		acpi_put(o, 0, 8); /* SAPIC, high bits of the domain, clock domain */
		return;
	}
	acpi_put(o, AFFINITY_X2APIC, 1);
	acpi_put(o, 24, 1);
	acpi_put(o, 0, 2);
	acpi_put(o, node, 4);
	acpi_put(o, id, 4);
	acpi_put(o, AFFINITY_ENABLED, 4);
	acpi_put(o, 0, 8); /* clock domain, reserved */
}

/* 5.2.16.2 "Memory Affinity Structure" */
static void put_memory_affinity(struct acpi_out *o, uint64_t start, uint64_t end, unsigned node)
{
	if (start >= end)
		return;
	acpi_put(o, AFFINITY_MEMORY, 1);
	acpi_put(o, 40, 1);
	acpi_put(o, node, 4);
	acpi_put(o, 0, 2);
	acpi_put(o, start, 8);
	acpi_put(o, end - start, 8);
	acpi_put(o, 0, 4);
	acpi_put(o, AFFINITY_ENABLED, 4);
	acpi_put(o, 0, 8);
}

/* RAM in [start, end) of all of it, on both sides of the hole. */
static void put_ram_affinity(struct acpi_out *o, const struct platform_config *c,
	uint64_t start, uint64_t end, unsigned node)
{
	uint64_t low = platform_low_memory(c);

	put_memory_affinity(o, start, end < low ? end : low, node);
	if (end > low)
		put_memory_affinity(o, BIT64(32) + (start > low ? start - low : 0),
			BIT64(32) + (end - low), node);
}

static uint64_t put_srat(struct acpi_out *o, const struct platform_config *c)
{
	size_t start = begin_table(o, "SRAT", SRAT_REVISION);
	unsigned vcpu = 0;
	uint64_t ram = 0;

	acpi_put(o, 1, 4); /* for compatibility */
	acpi_put(o, 0, 8);
	for (unsigned i = 0; i < c->node_count; i++) {
		for (; vcpu < c->nodes[i].vcpu_end; vcpu++)
			put_processor_affinity(o, vcpu, i);
		put_ram_affinity(o, c, ram, c->nodes[i].ram_end, i);
		ram = c->nodes[i].ram_end;
	}
	return end_table(o, start);
}

static uint64_t put_slit(struct acpi_out *o, const struct platform_config *c)
{
	size_t start = begin_table(o, "SLIT", 1);

	acpi_put(o, c->node_count, 8);
	for (unsigned i = 0; i < c->node_count; i++)
		for (unsigned k = 0; k < c->node_count; k++)
			acpi_put(o, c->nodes[i].distance[k], 1);
	return end_table(o, start);
}

/* RSDT with 4-byte entries, XSDT with 8-byte entries. */
static uint64_t put_root(struct acpi_out *o, const struct acpi_places *at, unsigned entry_bytes)
{
	size_t start = begin_table(o, entry_bytes == 8 ? "XSDT" : "RSDT", 1);

	acpi_put_pointer(o, at->fadt, entry_bytes);
	acpi_put_pointer(o, at->madt, entry_bytes);
	acpi_put_pointer(o, at->mcfg, entry_bytes);
	acpi_put_pointer(o, at->spcr, entry_bytes);
	if (at->dmar != 0)
		acpi_put_pointer(o, at->dmar, entry_bytes);
	if (at->hpet != 0)
		acpi_put_pointer(o, at->hpet, entry_bytes);
	if (at->srat != 0) {
		acpi_put_pointer(o, at->srat, entry_bytes);
		acpi_put_pointer(o, at->slit, entry_bytes);
	}
	return end_table(o, start);
}

void acpi_put_rsdp(struct acpi_out *o, const struct acpi_places *at)
{
	acpi_put_text(o, "RSD PTR ", 8);
	acpi_put(o, 0, 1);
	acpi_put_text(o, "NESTOR", 6);
	acpi_put(o, 2, 1);
	acpi_put_pointer(o, at->rsdt, 4);
	acpi_put(o, ACPI_RSDP_SIZE, 4);
	acpi_put_pointer(o, at->xsdt, 8);
	acpi_put(o, 0, 4); /* extended checksum, reserved */
	checksum(o, 0, RSDP_CHECKED_V1, 8);
	checksum(o, 0, ACPI_RSDP_SIZE, 32);
}

void acpi_put_tables(struct acpi_out *o, struct acpi_places *at,
	const struct platform_config *c, uint64_t ecam)
{
	at->facs = put_facs(o);
	at->dsdt = put_dsdt(o, c, ecam);
	at->fadt = put_fadt(o, at);
	at->madt = put_madt(o, c);
	at->mcfg = put_mcfg(o, ecam);
	at->spcr = put_spcr(o);
	at->dmar = c->vtd ? put_dmar(o, c) : 0;
	at->hpet = c->hpet ? put_hpet(o, c) : 0;
	at->srat = c->node_count > 1 ? put_srat(o, c) : 0;
	at->slit = c->node_count > 1 ? put_slit(o, c) : 0;
	at->rsdt = put_root(o, at, 4);
	at->xsdt = put_root(o, at, 8);
}

size_t acpi_build(uint8_t *buf, size_t size, uint64_t base, const struct platform_config *c)
{
	struct acpi_out o = {.buf = buf, .size = size, .base = base};
	struct acpi_out rsdp = {.buf = buf, .size = ACPI_RSDP_SIZE};
	struct acpi_places at;

	acpi_put_zeros(&o, ACPI_RSDP_SIZE); /* room for it */
	acpi_put_tables(&o, &at, c, DEV_ECAM_BASE);
	if (o.full)
		return 0;
	acpi_put_rsdp(&rsdp, &at);
	return o.used;
}
