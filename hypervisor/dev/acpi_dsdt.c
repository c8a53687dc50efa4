/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DSDT's definition block in AML: PCI root with its interrupts, COM1, RTC, reserved ranges,
 * processors, S5.
 *
 * Package lengths always take three bytes, so that they can be patched once the length is
 * known.
 */
#include "dev/acpi_int.h"

#include "dev/vpci.h"
#include "dev/vpm.h"
#include "dev/vuart.h"
#include "dev/vvtd.h"
#include "spec/hpet.h"
#include "spec/q35.h"

#define AML_NAME    0x08
#define AML_BYTE    0x0a
#define AML_WORD    0x0b
#define AML_DWORD   0x0c
#define AML_STRING  0x0d
#define AML_SCOPE   0x10
#define AML_BUFFER  0x11
#define AML_PACKAGE 0x12
#define AML_METHOD  0x14
#define AML_EXT     0x5b
#define AML_LOCAL0  0x60
#define AML_ARG0    0x68
#define AML_ARG1    0x69
#define AML_ARG3    0x6b
#define AML_STORE   0x70
#define AML_AND     0x7b
#define AML_OR      0x7d
#define AML_DFIELD  0x8a /* CreateDWordField */
#define AML_NOT     0x92
#define AML_EQUAL   0x93
#define AML_IF      0xa0
#define AML_ELSE    0xa1
#define AML_RETURN  0xa4
#define AML_DEVICE  0x82 /* behind AML_EXT */

#define RES_IRQ       0x22
#define RES_IO        0x47
#define RES_END       0x79
#define RES_MEMORY32  0x86
#define RES_DWORD     0x87
#define RES_WORD      0x88
#define RES_TYPE_MEM  0
#define RES_TYPE_IO   1
#define RES_TYPE_BUS  2
#define RES_FIXED     0x0c /* both ends fixed, produced for devices behind */
#define RES_RANGE_ALL 0x03 /* ISA and non-ISA I/O ranges */
#define RES_WRITABLE  0x01

#define EISA_BASE 0x40 /* 'A' is 1 */

/* PCI Firmware Specification 3.2, 4.5.1 "_OSC Interface for PCI Host Bridge Devices" */
#define OSC_UUID_ERROR     0x04
#define OSC_REVISION_ERROR 0x08
#define OSC_MASKED         0x10
#define OSC_REVISION       1
#define OSC_NATIVE         0x1d /* hot plug, PME, AER, the capability; there is no SHPC */
#define METHOD_SERIALIZED  0x08

/* 33db4d5b-1ff7-401c-9657-7441c03dd766, as a buffer has it. */
static const uint8_t osc_uuid[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57,
	0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};

#define PCI_PINS       4u
#define PIRQ_FIRST_GSI 16u

/* ---- AML ---- */

/* Leaves room for the package length; end_package takes the result. */
static size_t begin_package(struct acpi_out *o)
{
	size_t start = o->used;

	acpi_put(o, 0, 3);
	return start;
}

static void end_package(struct acpi_out *o, size_t start)
{
	size_t length = o->used - start;

	acpi_patch(o, start, 0x80 | (length & 15), 1);
	acpi_patch(o, start + 1, length >> 4, 2);
}

static size_t begin_device(struct acpi_out *o, const char *name)
{
	size_t start;

	acpi_put(o, AML_EXT, 1);
	acpi_put(o, AML_DEVICE, 1);
	start = begin_package(o);
	acpi_put_text(o, name, 4);
	return start;
}

static void put_name(struct acpi_out *o, const char *name)
{
	acpi_put(o, AML_NAME, 1);
	acpi_put_text(o, name, 4);
}

static void put_byte(struct acpi_out *o, uint8_t value)
{
	if (value > 1)
		acpi_put(o, AML_BYTE, 1);
	acpi_put(o, value, 1); /* 0 and 1 are their own opcodes */
}

static void put_number(struct acpi_out *o, uint16_t value)
{
	if (value <= UINT8_MAX) {
		put_byte(o, (uint8_t)value);
		return;
	}
	acpi_put(o, AML_WORD, 1);
	acpi_put(o, value, 2);
}

/* Seven characters, as "PNP0A08": three letters of five bits and four hexadecimal digits. */
static void put_eisa_id(struct acpi_out *o, const char *id)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 3; i++)
		v = v << 5 | (uint32_t)(id[i] - EISA_BASE);
	for (unsigned i = 3; i < 7; i++)
		v = v << 4 | (uint32_t)(id[i] <= '9' ? id[i] - '0' : id[i] - 'A' + 10);
	acpi_put(o, AML_DWORD, 1);
	for (unsigned i = 0; i < 4; i++)
		acpi_put(o, v >> (24 - 8 * i), 1);
}

static void put_eisa_name(struct acpi_out *o, const char *name, const char *id)
{
	put_name(o, name);
	put_eisa_id(o, id);
}

static void put_byte_name(struct acpi_out *o, const char *name, uint8_t value)
{
	put_name(o, name);
	put_byte(o, value);
}

/* ---- resources ---- */

struct resources {
	size_t package;
	size_t size; /* where the buffer's size goes */
};

/* Name (_CRS, ResourceTemplate () { ... end_resources }) */
static struct resources begin_resources(struct acpi_out *o)
{
	struct resources r;

	put_name(o, "_CRS");
	acpi_put(o, AML_BUFFER, 1);
	r.package = begin_package(o);
	acpi_put(o, AML_WORD, 1);
	r.size = o->used;
	acpi_put(o, 0, 2);
	return r;
}

static void end_resources(struct acpi_out *o, struct resources r)
{
	acpi_put(o, RES_END, 1);
	acpi_put(o, 0, 1); /* checksum not used */
	acpi_patch(o, r.size, o->used - r.size - 2, 2);
	end_package(o, r.package);
}

static void put_ports(struct acpi_out *o, uint16_t first, uint8_t count)
{
	acpi_put(o, RES_IO, 1);
	acpi_put(o, 1, 1); /* 16-bit decoding */
	acpi_put(o, first, 2);
	acpi_put(o, first, 2);
	acpi_put(o, 1, 1); /* alignment */
	acpi_put(o, count, 1);
}

static void put_irq(struct acpi_out *o, unsigned irq)
{
	acpi_put(o, RES_IRQ, 1);
	acpi_put(o, 1u << irq, 2);
}

static void put_word_range(
	struct acpi_out *o, uint8_t type, uint8_t flags, uint16_t first, uint16_t last)
{
	acpi_put(o, RES_WORD, 1);
	acpi_put(o, 13, 2);
	acpi_put(o, type, 1);
	acpi_put(o, RES_FIXED, 1);
	acpi_put(o, flags, 1);
	acpi_put(o, 0, 2); /* granularity */
	acpi_put(o, first, 2);
	acpi_put(o, last, 2);
	acpi_put(o, 0, 2); /* translation */
	acpi_put(o, last - first + 1u, 2);
}

static void put_memory_range(struct acpi_out *o, uint64_t first, uint64_t last)
{
	acpi_put(o, RES_DWORD, 1);
	acpi_put(o, 23, 2);
	acpi_put(o, RES_TYPE_MEM, 1);
	acpi_put(o, RES_FIXED, 1);
	acpi_put(o, RES_WRITABLE, 1);
	acpi_put(o, 0, 4);
	acpi_put(o, first, 4);
	acpi_put(o, last, 4);
	acpi_put(o, 0, 4);
	acpi_put(o, last - first + 1, 4);
}

static void put_memory(struct acpi_out *o, uint64_t first, uint64_t size)
{
	acpi_put(o, RES_MEMORY32, 1);
	acpi_put(o, 9, 2);
	acpi_put(o, RES_WRITABLE, 1);
	acpi_put(o, first, 4);
	acpi_put(o, size, 4);
}

/* ---- devices ---- */

static void put_com1(struct acpi_out *o)
{
	size_t device = begin_device(o, "COM1");
	struct resources r;

	put_eisa_name(o, "_HID", "PNP0501");
	put_byte_name(o, "_UID", 1);
	r = begin_resources(o);
	put_ports(o, VUART_PORT, 8);
	put_irq(o, VUART_IRQ);
	end_resources(o, r);
	end_package(o, device);
}

static void put_rtc(struct acpi_out *o)
{
	size_t device = begin_device(o, "RTC_");
	struct resources r;

	put_eisa_name(o, "_HID", "PNP0B00");
	r = begin_resources(o);
	put_ports(o, 0x70, 2);
	put_irq(o, 8);
	end_resources(o, r);
	end_package(o, device);
}

/* Where addresses of devices begin: firmware gives away all that is not RAM from 2 GiB on. */
static uint64_t memory_window(const struct platform_config *c)
{
	uint64_t ram = platform_low_memory(c);

	if (c->fwcfg == NULL)
		return DEV_PCI_HOLE_START;
	return ram > BIT64(31) ? ram : BIT64(31);
}

/* Everything but the configuration ports; what behind the bridge takes is a part of it. */
static void put_pci_windows(struct acpi_out *o, const struct platform_config *c, uint64_t ecam)
{
	struct resources r = begin_resources(o);

	put_word_range(o, RES_TYPE_BUS, 0, 0, 0xff);
	put_ports(o, 0xcf8, 8);
	put_word_range(o, RES_TYPE_IO, RES_RANGE_ALL, 0, 0xcf7);
	put_word_range(o, RES_TYPE_IO, RES_RANGE_ALL, 0xd00, 0xffff);
	if (ecam > memory_window(c))
		put_memory_range(o, memory_window(c), ecam - 1);
	if (c->fwcfg != NULL &&
		ecam + DEV_ECAM_SIZE <
			DEV_IOAPIC_BASE) /* it may have moved ECAM, and looks from the top */
		put_memory_range(o, ecam + DEV_ECAM_SIZE, DEV_IOAPIC_BASE - 1);
	end_resources(o, r);
}

/*
 * Package () { device << 16 | 0xffff, pin, 0, interrupt } for each pin of each device: those of
 * the IOAPIC, or the ISA lines that their PIRQs have after reset.
 */
static void put_routes(struct acpi_out *o, const char *name, bool ioapic)
{
	size_t package, entry;

	put_name(o, name);
	acpi_put(o, AML_PACKAGE, 1);
	package = begin_package(o);
	acpi_put(o, PCI_DEVICES * PCI_PINS, 1);
	for (unsigned i = 0; i < PCI_DEVICES * PCI_PINS; i++) {
		unsigned device = i / PCI_PINS, pin = i % PCI_PINS;
		unsigned pirq = vpci_pirq_of(PCI_BDF(0, device, 0), (uint8_t)(pin + 1));

		acpi_put(o, AML_PACKAGE, 1);
		entry = begin_package(o);
		acpi_put(o, 4, 1);
		acpi_put(o, AML_DWORD, 1);
		acpi_put(o, device << 16 | 0xffff, 4);
		put_byte(o, (uint8_t)pin);
		put_byte(o, 0);
		put_byte(o, (uint8_t)(ioapic ? PIRQ_FIRST_GSI + pirq : vpci_pirq_line(pirq)));
		end_package(o, entry);
	}
	end_package(o, package);
}

static size_t begin_method(struct acpi_out *o, const char *name, uint8_t arguments)
{
	size_t start;

	acpi_put(o, AML_METHOD, 1);
	start = begin_package(o);
	acpi_put_text(o, name, 4);
	acpi_put(o, arguments, 1);
	return start;
}

/* Which interrupts the guest uses: \_PIC (0) the PICs, \_PIC (1) the IOAPIC. */
static void put_interrupt_mode(struct acpi_out *o)
{
	size_t method;

	put_byte_name(o, "PICF", 0);
	method = begin_method(o, "_PIC", 1);
	acpi_put(o, AML_STORE, 1);
	acpi_put(o, AML_ARG0, 1);
	acpi_put_text(o, "PICF", 4);
	end_package(o, method);
}

static void put_return(struct acpi_out *o, const char *name)
{
	acpi_put(o, AML_RETURN, 1);
	acpi_put_text(o, name, 4);
}

/* If (PICF) { Return (PRTA) } Return (PRTP) */
static void put_prt(struct acpi_out *o)
{
	size_t method, condition;

	put_routes(o, "PRTA", true);
	put_routes(o, "PRTP", false);
	method = begin_method(o, "_PRT", 0);
	acpi_put(o, AML_IF, 1);
	condition = begin_package(o);
	acpi_put_text(o, "PICF", 4);
	put_return(o, "PRTA");
	end_package(o, condition);
	put_return(o, "PRTP");
	end_package(o, method);
}

static size_t begin_block(struct acpi_out *o, uint8_t opcode)
{
	acpi_put(o, opcode, 1);
	return begin_package(o);
}

/* CreateDWordField (Arg3, offset, name) */
static void put_field(struct acpi_out *o, uint8_t offset, const char *name)
{
	acpi_put(o, AML_DFIELD, 1);
	acpi_put(o, AML_ARG3, 1);
	put_byte(o, offset);
	acpi_put_text(o, name, 4);
}

/* CDW1 |= bits */
static void put_status(struct acpi_out *o, uint8_t bits)
{
	acpi_put(o, AML_OR, 1);
	acpi_put_text(o, "CDW1", 4);
	put_byte(o, bits);
	acpi_put_text(o, "CDW1", 4);
}

/* Arg0 == ToUUID ("33db4d5b-...") */
static void put_is_uuid(struct acpi_out *o)
{
	size_t buffer;

	acpi_put(o, AML_EQUAL, 1);
	acpi_put(o, AML_ARG0, 1);
	buffer = begin_block(o, AML_BUFFER);
	put_byte(o, sizeof(osc_uuid));
	for (unsigned i = 0; i < sizeof(osc_uuid); i++)
		acpi_put(o, osc_uuid[i], 1);
	end_package(o, buffer);
}

/* What the guest asks for is its own, as far as it is there: Local0 = CDW3 & OSC_NATIVE. */
static void put_grant(struct acpi_out *o)
{
	size_t condition;

	put_field(o, 8, "CDW3");
	acpi_put(o, AML_AND, 1);
	acpi_put_text(o, "CDW3", 4);
	put_byte(o, OSC_NATIVE);
	acpi_put(o, AML_LOCAL0, 1);
	condition = begin_block(o, AML_IF);
	acpi_put(o, AML_NOT, 1);
	acpi_put(o, AML_EQUAL, 1);
	acpi_put(o, AML_ARG1, 1);
	put_byte(o, OSC_REVISION);
	put_status(o, OSC_REVISION_ERROR);
	end_package(o, condition);
	condition = begin_block(o, AML_IF);
	acpi_put(o, AML_NOT, 1);
	acpi_put(o, AML_EQUAL, 1);
	acpi_put_text(o, "CDW3", 4);
	acpi_put(o, AML_LOCAL0, 1);
	put_status(o, OSC_MASKED);
	end_package(o, condition);
	acpi_put(o, AML_STORE, 1);
	acpi_put(o, AML_LOCAL0, 1);
	acpi_put_text(o, "CDW3", 4);
}

/* Without it guests leave slots and ports to firmware. */
static void put_osc(struct acpi_out *o)
{
	size_t method = begin_method(o, "_OSC", 4 | METHOD_SERIALIZED), condition;

	put_field(o, 0, "CDW1");
	condition = begin_block(o, AML_IF);
	put_is_uuid(o);
	put_grant(o);
	end_package(o, condition);
	condition = begin_block(o, AML_ELSE);
	put_status(o, OSC_UUID_ERROR);
	end_package(o, condition);
	acpi_put(o, AML_RETURN, 1);
	acpi_put(o, AML_ARG3, 1);
	end_package(o, method);
}

static void put_pci(struct acpi_out *o, const struct platform_config *c, uint64_t ecam)
{
	size_t device = begin_device(o, "PCI0");

	put_eisa_name(o, "_HID", "PNP0A08");
	put_eisa_name(o, "_CID", "PNP0A03");
	put_byte_name(o, "_UID", 0);
	put_byte_name(o, "_SEG", 0);
	put_byte_name(o, "_BBN", 0);
	put_pci_windows(o, c, ecam);
	put_prt(o);
	if (c->root_ports != 0)
		put_osc(o);
	put_com1(o);
	put_rtc(o);
	end_package(o, device);
}

static void put_hpet(struct acpi_out *o)
{
	size_t device = begin_device(o, "HPET");
	struct resources r;

	put_eisa_name(o, "_HID", "PNP0103");
	put_byte_name(o, "_UID", 0);
	r = begin_resources(o);
	put_memory(o, HPET_DEFAULT_BASE, HPET_SIZE);
	end_resources(o, r);
	end_package(o, device);
}

/* What PCI must not give away: ECAM, the power management ports, the remapping unit.
 */
static void put_reserved(struct acpi_out *o, const struct platform_config *c, uint64_t ecam)
{
	size_t device = begin_device(o, "RES0");
	struct resources r;

	put_eisa_name(o, "_HID", "PNP0C02");
	put_byte_name(o, "_UID", 0);
	r = begin_resources(o);
	/* With the LPC bridge: all that it decodes there. */
	put_ports(o, VPM_PORT_EVENT, LPC_PMBASE_PORTS);
	put_memory(o, ecam, DEV_ECAM_SIZE);
	if (c->vtd)
		put_memory(o, VVTD_BASE, VVTD_SIZE);
	end_resources(o, r);
	end_package(o, device);
}

static void put_processor(struct acpi_out *o, unsigned index)
{
	static const char digits[] = "0123456789ABCDEF";
	char name[5] = "CP00";
	size_t device;

	if (index > 0xff)
		name[1] = digits[index >> 8 & 15]; /* C100 and so on */
	name[2] = digits[index >> 4 & 15];
	name[3] = digits[index & 15];
	device = begin_device(o, name);
	put_name(o, "_HID");
	acpi_put(o, AML_STRING, 1);
	acpi_put_text(o, "ACPI0007", 9);
	put_name(o, "_UID");
	put_number(o, (uint16_t)index);
	end_package(o, device);
}

/* Name (_S5, Package () { SLP_TYPa, SLP_TYPb, 0, 0 }) */
static void put_s5(struct acpi_out *o)
{
	size_t package;

	put_name(o, "_S5_");
	acpi_put(o, AML_PACKAGE, 1);
	package = begin_package(o);
	acpi_put(o, 4, 1);
	put_byte(o, VPM_S5_TYPE);
	put_byte(o, VPM_S5_TYPE);
	put_byte(o, 0);
	put_byte(o, 0);
	end_package(o, package);
}

void acpi_put_dsdt_body(struct acpi_out *o, const struct platform_config *c, uint64_t ecam)
{
	size_t scope;

	put_interrupt_mode(o);
	acpi_put(o, AML_SCOPE, 1);
	scope = begin_package(o);
	acpi_put_text(o, "\\_SB_", 5);
	put_pci(o, c, ecam);
	put_reserved(o, c, ecam);
	if (c->hpet)
		put_hpet(o);
	for (unsigned i = 0; i < c->vcpus && i < DEV_MAX_VCPUS; i++)
		put_processor(o, i);
	end_package(o, scope);
	put_s5(o);
}
