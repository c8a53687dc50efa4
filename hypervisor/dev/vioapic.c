/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOAPIC. Level-triggered pins: remote IRR is set while an accepted interrupt waits for its
 * EOI.
 */
#include "dev/platform.h"
#include "dev/state_check.h"

#define ENTRY_LOGICAL    (1ull << 11)
#define ENTRY_PENDING    (1ull << 12)
#define ENTRY_REMOTE_IRR ((uint64_t)IOAPIC_REMOTE_IRR)
#define ENTRY_LEVEL      ((uint64_t)IOAPIC_LEVEL)
#define ENTRY_MASKED     ((uint64_t)IOAPIC_MASKED)
#define ENTRY_READ_ONLY  (ENTRY_PENDING | ENTRY_REMOTE_IRR)
#define ENTRY_MODE(e)    IOAPIC_DELIVERY(e)
#define DEFINED_LOW      0x1ffffull
#define DEFINED_HIGH     0xff00000000000000ull
#define DEFINED_HANDLE   0x00ff000000000000ull /* of an entry in remappable format */

#define ID_WRITABLE 0x0f000000u

/* From 20h on it has an EOI register. */
#define VERSION     0x11u
#define VERSION_EOI 0x20u
#define LAST_PIN    ((VIOAPIC_PINS - 1u) << 16)

enum ioapic_register {
	IOREGSEL = 0x00,
	IOWIN = 0x10,
	IOEOI = 0x40,
	INDEX_ID = 0,
	INDEX_VERSION = 1,
	INDEX_ARBITRATION = 2,
	INDEX_TABLE = 0x10
};

void vioapic_reset(struct platform *p)
{
	p->ioapic = (struct vioapic){.remappable = p->config.vtd};
	for (unsigned i = 0; i < VIOAPIC_PINS; i++)
		p->ioapic.s.entry[i] = ENTRY_MASKED;
}

bool vioapic_masked(const struct vioapic *io, unsigned pin)
{
	return io->s.entry[pin] & ENTRY_MASKED;
}

/* As a write of data to an address, which is how it reaches the remapping unit. */
static bool remapped(struct platform *p, uint64_t e, struct vlapic_message *m)
{
	uint32_t address = MSI_ADDRESS_BASE, data = 0, handle = VTD_RTE_HANDLE(e);

	if (e & VTD_RTE_REMAPPABLE) {
		address |= VTD_MSI_REMAPPABLE | (handle & 0x7fff) << 5 | (handle >> 15) << 2;
	} else {
		address |= (uint32_t)(e >> 56) << MSI_DESTINATION_SHIFT |
			   (e & ENTRY_LOGICAL ? MSI_LOGICAL : 0);
		data = (uint32_t)(e & 0x7ff) | (e & ENTRY_LEVEL ? MSI_LEVEL | MSI_ASSERT : 0);
	}
	return vvtd_message(p, VVTD_IOAPIC_SOURCE, address, data, m);
}

static void send(struct platform *p, unsigned pin)
{
	uint64_t e = p->ioapic.s.entry[pin];
	struct vlapic_message m = {
		.destination = (uint32_t)(e >> 56),
		.vector = (uint8_t)e,
		.mode = ENTRY_MODE(e),
		.logical = e & ENTRY_LOGICAL,
		.level = e & ENTRY_LEVEL,
	};

	if (!m.logical && m.destination == 0xff)
		m.destination = UINT32_MAX;
	if (vvtd_remaps(p) && !remapped(p, e, &m))
		return;
	if (m.mode == DELIVER_STARTUP || m.mode == DELIVER_EXTINT)
		return; /* reserved; and the PIC's INTR, which platform.c looks for */
	if (vlapic_send(p, &m) && e & ENTRY_LEVEL)
		p->ioapic.s.entry[pin] |= ENTRY_REMOTE_IRR;
}

bool vioapic_passes_extint(const struct vioapic *io)
{
	uint64_t e = io->s.entry[VIOAPIC_PIN_PIC];

	return !(e & ENTRY_MASKED) && ENTRY_MODE(e) == DELIVER_EXTINT;
}

/* A level interrupt goes out once until its EOI. */
static void service_level(struct platform *p, unsigned pin)
{
	uint64_t e = p->ioapic.s.entry[pin];

	if ((e & ENTRY_LEVEL) && !(e & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) &&
		(p->ioapic.s.lines >> pin & 1))
		send(p, pin);
}

void vioapic_set(struct platform *p, unsigned pin, bool level)
{
	struct vioapic *io = &p->ioapic;
	bool rises = level && !(io->s.lines >> pin & 1);
	uint64_t e = io->s.entry[pin];

	io->s.lines = level ? io->s.lines | 1u << pin : io->s.lines & ~(1u << pin);
	if (e & ENTRY_LEVEL)
		service_level(p, pin);
	else if (rises && !(e & ENTRY_MASKED))
		send(p, pin);
}

/*
 * The vector is compared with the entry's, whatever a remapping unit makes of it (VT-d
 * "I/OxAPIC Programming"): software puts the same one into both, or ends the pin by IOEOI.
 */
void vioapic_eoi(struct platform *p, uint8_t vector)
{
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t *e = &p->ioapic.s.entry[pin];

		if ((*e & ENTRY_LEVEL) && (uint8_t)*e == vector) {
			*e &= ~ENTRY_REMOTE_IRR;
			vpci_line_ended(p, pin);
			service_level(p, pin);
		}
	}
}

uint32_t vioapic_read(struct platform *p, uint32_t offset)
{
	const struct vioapic *io = &p->ioapic;
	uint32_t pin = (io->s.select - INDEX_TABLE) / 2u;

	if (offset == IOREGSEL)
		return io->s.select;
	if (offset != IOWIN)
		return 0;
	if (io->s.select == INDEX_ID || io->s.select == INDEX_ARBITRATION)
		return io->s.id;
	if (io->s.select == INDEX_VERSION)
		return (io->remappable ? VERSION_EOI : VERSION) | LAST_PIN;
	if (io->s.select < INDEX_TABLE || pin >= VIOAPIC_PINS)
		return 0;
	return (uint32_t)(io->s.select & 1 ? io->s.entry[pin] >> 32 : io->s.entry[pin]);
}

/* Bits that an entry can have. */
static uint64_t defined(const struct vioapic *io)
{
	return DEFINED_LOW | DEFINED_HIGH | (io->remappable ? DEFINED_HANDLE : 0);
}

static void write_entry(struct platform *p, unsigned pin, bool high, uint32_t value)
{
	uint64_t *e = &p->ioapic.s.entry[pin];
	uint64_t old = *e, new;

	new = high ? (uint64_t)value << 32 | (uint32_t)old : (old & ~0xffffffffull) | value;
	*e = (new &defined(&p->ioapic) & ~ENTRY_READ_ONLY) | (old & ENTRY_READ_ONLY);
	/* As Linux ends an interrupt that it lost: by an edge-triggered pin, for a moment. */
	if (!(*e & ENTRY_LEVEL) && old & ENTRY_REMOTE_IRR) {
		*e &= ~ENTRY_REMOTE_IRR;
		vpci_line_ended(p, pin);
	}
	service_level(p, pin);
	platform_deadline_changed(p); /* the PIT runs only while somebody listens */
}

void vioapic_write(struct platform *p, uint32_t offset, uint32_t value)
{
	struct vioapic *io = &p->ioapic;
	uint32_t pin = (io->s.select - INDEX_TABLE) / 2u;

	if (offset == IOREGSEL)
		io->s.select = (uint8_t)value;
	if (offset == IOEOI && io->remappable)
		vioapic_eoi(p, (uint8_t)value);
	if (offset != IOWIN)
		return;
	if (io->s.select == INDEX_ID)
		io->s.id = value & ID_WRITABLE;
	else if (io->s.select >= INDEX_TABLE && pin < VIOAPIC_PINS)
		write_entry(p, pin, io->s.select & 1, value);
}

void vioapic_get_state(const struct vioapic *io, struct vioapic_state *s)
{
	*s = io->s;
}

static bool entry_valid(const struct vioapic *io, uint64_t e)
{
	if (e & (~defined(io) | ENTRY_PENDING)) /* every message is delivered at once */
		return false;
	return !(e & ENTRY_REMOTE_IRR) || (e & ENTRY_LEVEL);
}

bool vioapic_valid_state(const struct vioapic *io, const struct vioapic_state *s)
{
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++)
		if (!entry_valid(io, s->entry[pin]))
			return false;
	return !(s->lines >> VIOAPIC_PINS) && !(s->id & ~ID_WRITABLE) &&
	       STATE_ZERO(s->reserved);
}

bool vioapic_set_state(struct vioapic *io, const struct vioapic_state *s)
{
	if (!vioapic_valid_state(io, s))
		return false;
	io->s = *s;
	return true;
}
