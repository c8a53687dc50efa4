/*
 * The IOAPIC. Level-triggered pins: remote IRR is set while an accepted interrupt waits for its EOI.
 */
#include "dev/platform.h"

#define ENTRY_LOGICAL    (1ull << 11)
#define ENTRY_PENDING    (1ull << 12)
#define ENTRY_REMOTE_IRR (1ull << 14)
#define ENTRY_LEVEL      (1ull << 15)
#define ENTRY_MASKED     (1ull << 16)
#define ENTRY_READ_ONLY  (ENTRY_PENDING | ENTRY_REMOTE_IRR)
#define ENTRY_MODE(e)    ((enum apic_delivery)((e) >> 8 & 7))
#define ENTRY_DEFINED    0xff0000000001ffffull

#define VERSION (0x11u | (VIOAPIC_PINS - 1) << 16)

enum ioapic_register {
	IOREGSEL = 0x00,
	IOWIN = 0x10,
	INDEX_ID = 0,
	INDEX_VERSION = 1,
	INDEX_ARBITRATION = 2,
	INDEX_TABLE = 0x10
};

void vioapic_reset(struct platform *p)
{
	p->ioapic = (struct vioapic){0};
	for (unsigned i = 0; i < VIOAPIC_PINS; i++)
		p->ioapic.entry[i] = ENTRY_MASKED;
}

bool vioapic_masked(const struct vioapic *io, unsigned pin)
{
	return io->entry[pin] & ENTRY_MASKED;
}

static void send(struct platform *p, unsigned pin)
{
	uint64_t e = p->ioapic.entry[pin];
	struct vlapic_message m = {
		.destination = (uint32_t)(e >> 56),
		.vector = (uint8_t)e,
		.mode = ENTRY_MODE(e),
		.logical = e & ENTRY_LOGICAL,
		.level = e & ENTRY_LEVEL,
	};

	if (m.mode == DELIVER_STARTUP || m.mode == DELIVER_EXTINT)
		return; /* reserved; and the PIC's INTR, which platform.c looks for */
	if (!m.logical && m.destination == 0xff)
		m.destination = UINT32_MAX;
	if (vlapic_send(p, &m) && m.level)
		p->ioapic.entry[pin] |= ENTRY_REMOTE_IRR;
}

bool vioapic_passes_extint(const struct vioapic *io)
{
	uint64_t e = io->entry[VIOAPIC_PIN_PIC];

	return !(e & ENTRY_MASKED) && ENTRY_MODE(e) == DELIVER_EXTINT;
}

/* A level interrupt goes out once until its EOI. */
static void service_level(struct platform *p, unsigned pin)
{
	uint64_t e = p->ioapic.entry[pin];

	if ((e & ENTRY_LEVEL) && !(e & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) &&
		(p->ioapic.lines >> pin & 1))
		send(p, pin);
}

void vioapic_set(struct platform *p, unsigned pin, bool level)
{
	struct vioapic *io = &p->ioapic;
	bool rises = level && !(io->lines >> pin & 1);
	uint64_t e = io->entry[pin];

	io->lines = level ? io->lines | 1u << pin : io->lines & ~(1u << pin);
	if (e & ENTRY_LEVEL)
		service_level(p, pin);
	else if (rises && !(e & ENTRY_MASKED))
		send(p, pin);
}

void vioapic_eoi(struct platform *p, uint8_t vector)
{
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t *e = &p->ioapic.entry[pin];

		if ((*e & ENTRY_LEVEL) && (uint8_t)*e == vector) {
			*e &= ~ENTRY_REMOTE_IRR;
			service_level(p, pin);
		}
	}
}

uint32_t vioapic_read(struct platform *p, uint32_t offset)
{
	const struct vioapic *io = &p->ioapic;
	uint32_t pin = (io->select - INDEX_TABLE) / 2u;

	if (offset == IOREGSEL)
		return io->select;
	if (offset != IOWIN)
		return 0;
	if (io->select == INDEX_ID || io->select == INDEX_ARBITRATION)
		return io->id;
	if (io->select == INDEX_VERSION)
		return VERSION;
	if (io->select < INDEX_TABLE || pin >= VIOAPIC_PINS)
		return 0;
	return (uint32_t)(io->select & 1 ? io->entry[pin] >> 32 : io->entry[pin]);
}

static void write_entry(struct platform *p, unsigned pin, bool high, uint32_t value)
{
	uint64_t *e = &p->ioapic.entry[pin];
	uint64_t old = *e, new;

	new = high ? (uint64_t)value << 32 | (uint32_t)old : (old & ~0xffffffffull) | value;
	*e = (new &ENTRY_DEFINED & ~ENTRY_READ_ONLY) | (old & ENTRY_READ_ONLY);
	if (!(*e & ENTRY_LEVEL))
		*e &= ~ENTRY_REMOTE_IRR;
	service_level(p, pin);
	platform_deadline_changed(p); /* the PIT runs only while somebody listens */
}

void vioapic_write(struct platform *p, uint32_t offset, uint32_t value)
{
	struct vioapic *io = &p->ioapic;
	uint32_t pin = (io->select - INDEX_TABLE) / 2u;

	if (offset == IOREGSEL)
		io->select = (uint8_t)value;
	if (offset != IOWIN)
		return;
	if (io->select == INDEX_ID)
		io->id = value & 0x0f000000;
	else if (io->select >= INDEX_TABLE && pin < VIOAPIC_PINS)
		write_entry(p, pin, io->select & 1, value);
}
