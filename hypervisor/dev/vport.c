/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/vport.h"

#include "dev/vpci_int.h"
#include "dev/vvtd.h"
#include "spec/pcie.h"

/* The root port of QEMU's, which firmware knows; it has nothing beside the standard. */
#define PORT_VENDOR 0x1b36u
#define PORT_DEVICE 0x000cu
#define PORT_CLASS  0x060400u /* PCI-to-PCI bridge */
#define PORT_PINS   4u
/* Of memory, and as much that is prefetchable, for a guest that starts without firmware. */
#define PORT_WINDOW  (2u * PCI_BRIDGE_MEMORY_UNIT)
#define PORT_COMMAND (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static uint32_t get(const struct vpci_function *f, unsigned offset, unsigned size)
{
	return vpci_config_get(f, f->express + offset, size);
}

static void put(struct vpci_function *f, unsigned offset, uint32_t value)
{
	vpci_config_set(f, f->express + offset, 2, value);
}

static void show(struct vpci_function *f, uint32_t events)
{
	put(f, PCIE_SLOT_STATUS, get(f, PCIE_SLOT_STATUS, 2) | events);
}

/* NULL: there is no such port. */
static struct vpci_function *port_at(struct vpci *pci, unsigned number)
{
	return number - 1 < VPORTS ? pci->port[number - 1].f : NULL;
}

struct vpci_function *vport_of(const struct vpci_function *f)
{
	return port_at(&f->platform->pci, PCI_BDF_BUS(f->bdf));
}

static unsigned number_of(const struct vport *v, const struct vpci *pci)
{
	return (unsigned)(v - pci->port) + 1;
}

/* ---- the link ---- */

static bool link_of(const struct vpci_function *f, const uint8_t *config)
{
	const uint8_t *express = config + f->express;

	return vpci_get(express, PCIE_SLOT_STATUS, 2) & PCIE_SLOT_PRESENT &&
	       !(vpci_get(express, PCIE_SLOT_CONTROL, 2) & PCIE_SLOT_POWER_OFF) &&
	       !(vpci_get(express, PCIE_LINK_CONTROL, 2) & PCIE_LINK_DISABLE) &&
	       !(vpci_get(config, PCI_BRIDGE_CONTROL, 2) & PCI_BRIDGE_RESET);
}

static bool link_shown(const struct vpci_function *f, const uint8_t *config)
{
	return vpci_get(config + f->express, PCIE_LINK_STATUS, 2) & PCIE_LINK_ACTIVE;
}

static bool link_active(const struct vpci_function *f)
{
	return link_shown(f, vpci_state_of(f)->config);
}

static void show_link(struct vpci_function *f, bool active)
{
	uint32_t status = get(f, PCIE_LINK_STATUS, 2) & ~PCIE_LINK_ACTIVE;

	put(f, PCIE_LINK_STATUS, status | (active ? PCIE_LINK_ACTIVE : 0));
}

/* What is behind it loses its state with the link. */
static void reset_behind(struct vpci *pci, unsigned number)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++)
		if (pci->functions[i].present && PCI_BDF_BUS(pci->functions[i].bdf) == number)
			vpci_reset_function(&pci->functions[i]);
}

static void follow_link(struct vport *v)
{
	struct platform *p = v->f->platform;
	bool active = link_of(v->f, vpci_state_of(v->f)->config);

	if (active == link_active(v->f))
		return;
	show_link(v->f, active);
	show(v->f, PCIE_SLOT_LINK);
	if (!active)
		reset_behind(&p->pci, number_of(v, &p->pci));
	vpci_windows_changed(p);
}

/* ---- events ---- */

static bool has_event(const struct vpci_function *f, const uint8_t *config)
{
	uint32_t control = vpci_get(config + f->express, PCIE_SLOT_CONTROL, 2);
	uint32_t status = vpci_get(config + f->express, PCIE_SLOT_STATUS, 2);

	return control & PCIE_SLOT_INTERRUPT &&
	       ((control & status & PCIE_SLOT_EVENTS) ||
		       (control & PCIE_SLOT_LINK_ENABLE && status & PCIE_SLOT_LINK));
}

/*
 * 6.7.3.4 "Software Notification of Hot-Plug Events": a message each time that there is one
 * where there was none, or the level of the pin.
 */
static void update_event(struct vport *v)
{
	bool event = has_event(v->f, vpci_state_of(v->f)->config);

	if (event && !v->event)
		vpci_interrupt(v->f, 0);
	v->event = event;
	vpci_set_intx(v->f, event && vpci_messages(v->f) == VPCI_PIN);
}

static bool touches(unsigned offset, unsigned size, unsigned at, unsigned bytes)
{
	return offset < at + bytes && at < offset + size;
}

/* Messages and work that waited for the port may go now. */
static void tell_behind(struct vpci *pci, unsigned number)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		struct vpci_function *f = &pci->functions[i];

		if (!f->present || PCI_BDF_BUS(f->bdf) != number)
			continue;
		vpci_update_interrupts(f);
		if (f->ops != NULL && f->ops->config_written != NULL)
			f->ops->config_written(f->device, PCI_COMMAND, 0);
	}
}

/*
 * A driver that starts drops what happened before it listens: who pressed the button meanwhile
 * has done so again when it does. Not part of the state: it is a press that may be lost.
 */
static void press_again(struct vport *v)
{
	uint32_t control = get(v->f, PCIE_SLOT_CONTROL, 2);
	bool listens = control & PCIE_SLOT_BUTTON;

	if ((control & PCIE_SLOT_LED) == PCIE_SLOT_LED_BLINKS || control & PCIE_SLOT_POWER_OFF)
		v->pressed = false;
	if (v->pressed && listens && !v->listens)
		show(v->f, PCIE_SLOT_BUTTON);
	v->listens = listens;
}

/* By its number software knows what is behind it, and tables of a virtual IOMMU do. */
static void follow_bus(struct vport *v)
{
	uint8_t bus = (uint8_t)vpci_config_get(v->f, PCI_BRIDGE_SECONDARY, 1);

	if (bus == v->bus)
		return;
	v->bus = bus;
	dev_remap_changed(v->f->platform, NULL);
	vpci_routes_changed(v->f->platform);
}

/* Each write to Slot Control is a command, and is done at once. */
static void written(void *device, unsigned offset, unsigned size)
{
	struct vport *v = device;
	struct platform *p = v->f->platform;
	unsigned number = number_of(v, &p->pci);
	bool command = touches(offset, size, v->f->express + PCIE_SLOT_CONTROL, 2u);

	update_event(v); /* what was acknowledged and comes again is a new event */
	if (command) {
		show(v->f, PCIE_SLOT_COMMAND);
		press_again(v);
	}
	follow_link(v);
	follow_bus(v);
	update_event(v);
	if (touches(offset, size, PCI_COMMAND, 2))
		tell_behind(&p->pci, number);
	if (command && vport_filled(p, number) && !vport_powered(p, number))
		dev_slot_off(p, number);
}

static const struct vpci_ops ops = {.config_written = written};

/* ---- set-up ---- */

static void open_bridge(struct vpci_function *f)
{
	vpci_set_writable(f, PCI_BRIDGE_PRIMARY, 0xffffff, 3);
	vpci_set_writable(f, PCI_BRIDGE_IO_BASE, PCI_BRIDGE_IO_BITS, 1);
	vpci_set_writable(f, PCI_BRIDGE_IO_LIMIT, PCI_BRIDGE_IO_BITS, 1);
	vpci_set_writable(f, PCI_BRIDGE_MEMORY_BASE, PCI_BRIDGE_MEMORY_BITS, 2);
	vpci_set_writable(f, PCI_BRIDGE_MEMORY_LIMIT, PCI_BRIDGE_MEMORY_BITS, 2);
	vpci_config_set(f, PCI_BRIDGE_PREFETCH_BASE, 2, PCI_BRIDGE_PREFETCH_64);
	vpci_config_set(f, PCI_BRIDGE_PREFETCH_LIMIT, 2, PCI_BRIDGE_PREFETCH_64);
	vpci_set_writable(f, PCI_BRIDGE_PREFETCH_BASE, PCI_BRIDGE_MEMORY_BITS, 2);
	vpci_set_writable(f, PCI_BRIDGE_PREFETCH_LIMIT, PCI_BRIDGE_MEMORY_BITS, 2);
	vpci_set_writable(f, PCI_BRIDGE_PREFETCH_BASE_HIGH, ~0u, 4);
	vpci_set_writable(f, PCI_BRIDGE_PREFETCH_LIMIT_HIGH, ~0u, 4);
	vpci_set_writable(f, PCI_BRIDGE_CONTROL,
		PCI_BRIDGE_PARITY | PCI_BRIDGE_SERR | PCI_BRIDGE_RESET, 2);
}

static void add_slot(struct vpci_function *f, unsigned number)
{
	unsigned at = f->express;

	vpci_config_set(f, at + PCIE_LINK_CAPABLE, 4,
		PCIE_LINK_2_5GT | PCIE_LINK_X1 | PCIE_LINK_SAYS_ACTIVE |
			number << PCIE_LINK_PORT_SHIFT);
	vpci_set_writable(f, at + PCIE_LINK_CONTROL, PCIE_LINK_CONTROL_BITS, 2);
	vpci_config_set(f, at + PCIE_SLOT_CAPABLE, 4,
		PCIE_SLOT_HAS_BUTTON | PCIE_SLOT_HAS_POWER | PCIE_SLOT_HAS_ATTENTION |
			PCIE_SLOT_HAS_LED | PCIE_SLOT_HOT_PLUG |
			number << PCIE_SLOT_NUMBER_SHIFT);
	vpci_config_set(f, at + PCIE_SLOT_CONTROL, 2,
		PCIE_SLOT_ATTENTION_OFF | PCIE_SLOT_LED | PCIE_SLOT_POWER_OFF);
	vpci_set_writable(f, at + PCIE_SLOT_CONTROL, PCIE_SLOT_CONTROL_BITS, 2);
	vpci_set_clears(f, at + PCIE_SLOT_STATUS, PCIE_SLOT_EVENTS | PCIE_SLOT_LINK, 2);
	vpci_set_writable(f, at + PCIE_ROOT_CONTROL, PCIE_ROOT_CONTROL_BITS, 2);
}

/* Functions reach memory and nothing else: that is so whatever software asks for. */
static void add_acs(struct vpci_function *f)
{
	vpci_config_set(f, PCIE_EXTENDED, 4, PCIE_EXTENDED_ACS | PCIE_EXTENDED_VERSION);
	vpci_config_set(f, PCIE_EXTENDED + 4, 2, PCIE_ACS_BITS);
	vpci_set_writable(f, PCIE_EXTENDED + PCIE_ACS_CONTROL, PCIE_ACS_BITS, 2);
}

bool vport_add(struct platform *p, unsigned number, uint16_t bdf)
{
	struct vport *v = &p->pci.port[number - 1];
	const struct vpci_id id = {
		.bdf = bdf,
		.vendor = PORT_VENDOR,
		.device = PORT_DEVICE,
		.class = PORT_CLASS,
		.pin = (uint8_t)(1 + (number - 1) % PORT_PINS),
	};

	*v = (struct vport){.room = {.alignment = 1}};
	v->f = vpci_add(p, &id, &ops, v);
	if (v->f == NULL)
		return false;
	vpci_config_set(v->f, PCI_HEADER_TYPE, 1, PCI_HEADER_BRIDGE | PCI_HEADER_MULTIFUNCTION);
	/* SeaBIOS does not turn it on, and uses what is behind. */
	vpci_config_set(v->f, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	open_bridge(v->f);
	/* The first one: there is room. */
	(void)vpci_add_express_of(v->f, PCIE_TYPE_ROOT << PCIE_TYPE_SHIFT | PCIE_HAS_SLOT, 0);
	add_slot(v->f, number);
	add_acs(v->f);
	return vpci_add_msi(v->f, 1, true);
}

/* The first one: there is room. */
void vport_add_endpoint(struct vpci_function *f)
{
	(void)vpci_add_express_of(f, PCIE_TYPE_ENDPOINT << PCIE_TYPE_SHIFT, 0);
	(void)vpci_add_express(f, true);
}

void vport_fill(struct platform *p, unsigned number)
{
	struct vpci_function *f = port_at(&p->pci, number);

	put(f, PCIE_SLOT_CONTROL, PCIE_SLOT_ATTENTION_OFF | PCIE_SLOT_LED_ON);
	put(f, PCIE_SLOT_STATUS, PCIE_SLOT_PRESENT);
	show_link(f, true);
}

static uint64_t align(uint64_t at, uint64_t size)
{
	return (at + size - 1) & ~(size - 1);
}

/* There is none, with its base above its limit, where there is no room left. */
static void put_memory_window(
	struct vpci_function *f, unsigned base, uint64_t first, uint64_t end, uint32_t flags)
{
	bool none = end > DEV_ECAM_BASE;
	uint64_t from = none ? UINT32_MAX : first, last = none ? 0 : end - 1;

	vpci_config_set(f, base, 2, (uint32_t)(from >> 16 & PCI_BRIDGE_MEMORY_BITS) | flags);
	vpci_config_set(
		f, base + 2, 2, (uint32_t)(last >> 16 & PCI_BRIDGE_MEMORY_BITS) | flags);
}

/*
 * Without ports behind it it has no window: its base is above its limit. So if there are no
 * ports left.
 */
static void put_io_window(struct vpci_function *f, uint64_t first, uint64_t end)
{
	bool none = first == end || end > UINT64_C(1) << 16;

	vpci_config_set(f, PCI_BRIDGE_IO_BASE, 1,
		(none ? UINT32_MAX : (uint32_t)first >> 8) & PCI_BRIDGE_IO_BITS);
	vpci_config_set(f, PCI_BRIDGE_IO_LIMIT, 1,
		none ? 0 : (uint32_t)(end - 1) >> 8 & PCI_BRIDGE_IO_BITS);
}

static void assign_port(
	struct vpci *pci, unsigned number, uint64_t *next_port, uint64_t *next_memory)
{
	struct vpci_function *f = port_at(pci, number);
	const struct vport_room *room = &pci->port[number - 1].room;
	uint64_t memory = align(align(*next_memory, PORT_WINDOW), room->alignment);
	uint64_t end = memory;
	uint64_t port = align(*next_port, PCI_BRIDGE_IO_UNIT), end_port = port;

	vpci_config_set(f, PCI_BRIDGE_SECONDARY, 1, number);
	vpci_config_set(f, PCI_BRIDGE_SUBORDINATE, 1, number);
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++)
		if (pci->functions[i].present && pci->functions[i].physical == NULL &&
			PCI_BDF_BUS(pci->functions[i].bdf) == number)
			vpci_assign_function(&pci->functions[i], &end_port, &end);
	if (end < memory + room->memory)
		end = memory + room->memory;
	if (room->ports && end_port == port)
		end_port = port + PCI_BRIDGE_IO_UNIT;
	end = align(end == memory ? end + 1 : end, PORT_WINDOW);
	put_memory_window(f, PCI_BRIDGE_MEMORY_BASE, memory, end, 0);
	put_memory_window(
		f, PCI_BRIDGE_PREFETCH_BASE, end, end + PORT_WINDOW, PCI_BRIDGE_PREFETCH_64);
	put_io_window(f, port, end_port);
	vpci_config_set(f, PCI_COMMAND, 2, PORT_COMMAND);
	pci->port[number - 1].bus = (uint8_t)number;
	*next_memory = end + PORT_WINDOW;
	if (end_port != port)
		*next_port = align(end_port, PCI_BRIDGE_IO_UNIT);
}

void vport_reserve(struct platform *p, unsigned number, const struct vport_room *room)
{
	p->pci.port[number - 1].room = *room;
}

void vport_assign(struct platform *p, uint64_t *port, uint64_t *memory)
{
	for (unsigned number = 1; number <= VPORTS; number++)
		if (port_at(&p->pci, number) != NULL)
			assign_port(&p->pci, number, port, memory);
}

/* ---- while the VM runs ---- */

bool vport_filled(const struct platform *p, unsigned number)
{
	return get(p->pci.port[number - 1].f, PCIE_SLOT_STATUS, 2) & PCIE_SLOT_PRESENT;
}

bool vport_powered(const struct platform *p, unsigned number)
{
	return !(get(p->pci.port[number - 1].f, PCIE_SLOT_CONTROL, 2) & PCIE_SLOT_POWER_OFF);
}

static void happen(struct platform *p, unsigned number, uint32_t events)
{
	struct vport *v = &p->pci.port[number - 1];

	show(v->f, events);
	follow_link(v);
	update_event(v);
}

/* With the button: drivers turn on the slot of a board that came, or wait for it. */
void vport_plug(struct platform *p, unsigned number)
{
	happen(p, number, PCIE_SLOT_PRESENT | PCIE_SLOT_PRESENCE | PCIE_SLOT_BUTTON);
}

void vport_press(struct platform *p, unsigned number)
{
	p->pci.port[number - 1].pressed = true;
	happen(p, number, PCIE_SLOT_BUTTON);
}

bool vport_considers(const struct platform *p, unsigned number)
{
	return (get(p->pci.port[number - 1].f, PCIE_SLOT_CONTROL, 2) & PCIE_SLOT_LED) ==
	       PCIE_SLOT_LED_BLINKS;
}

void vport_pull(struct platform *p, unsigned number)
{
	struct vpci_function *f = p->pci.port[number - 1].f;

	p->pci.port[number - 1].pressed = false;
	put(f, PCIE_SLOT_STATUS, get(f, PCIE_SLOT_STATUS, 2) & ~PCIE_SLOT_PRESENT);
	happen(p, number, PCIE_SLOT_PRESENCE);
}

/* ---- what it passes on ---- */

unsigned vport_bus(const struct vpci *pci, unsigned number)
{
	const struct vpci_function *f = number <= VPORTS ? pci->port[number - 1].f : NULL;

	return f != NULL ? vpci_config_get(f, PCI_BRIDGE_SECONDARY, 1) : 0;
}

unsigned vport_of_bus(const struct vpci *pci, unsigned bus)
{
	for (unsigned i = 0; i < VPORTS; i++) {
		const struct vpci_function *f = pci->port[i].f;

		if (f != NULL && vpci_config_get(f, PCI_BRIDGE_SECONDARY, 1) == bus &&
			vpci_config_get(f, PCI_BRIDGE_SUBORDINATE, 1) >= bus && link_active(f))
			return i + 1;
	}
	return 0;
}

static bool within(uint64_t base, uint64_t limit, uint64_t first, uint64_t last)
{
	return base <= first && last <= limit;
}

static bool in_io(const struct vpci_function *f, uint64_t first, uint64_t last)
{
	uint64_t base = vpci_config_get(f, PCI_BRIDGE_IO_BASE, 1) & PCI_BRIDGE_IO_BITS;
	uint64_t limit = vpci_config_get(f, PCI_BRIDGE_IO_LIMIT, 1) & PCI_BRIDGE_IO_BITS;

	return within(base << 8, limit << 8 | (PCI_BRIDGE_IO_UNIT - 1), first, last);
}

static uint64_t memory_at(const struct vpci_function *f, unsigned offset)
{
	return (uint64_t)(vpci_config_get(f, offset, 2) & PCI_BRIDGE_MEMORY_BITS) << 16;
}

static uint64_t high_at(const struct vpci_function *f, unsigned offset)
{
	return (uint64_t)vpci_config_get(f, offset, 4) << 32;
}

static bool in_memory(const struct vpci_function *f, uint64_t first, uint64_t last)
{
	uint64_t base = memory_at(f, PCI_BRIDGE_PREFETCH_BASE) |
			high_at(f, PCI_BRIDGE_PREFETCH_BASE_HIGH);
	uint64_t limit = memory_at(f, PCI_BRIDGE_PREFETCH_LIMIT) |
			 high_at(f, PCI_BRIDGE_PREFETCH_LIMIT_HIGH);

	return within(memory_at(f, PCI_BRIDGE_MEMORY_BASE),
		       memory_at(f, PCI_BRIDGE_MEMORY_LIMIT) | (PCI_BRIDGE_MEMORY_UNIT - 1),
		       first, last) ||
	       within(base, limit | (PCI_BRIDGE_MEMORY_UNIT - 1), first, last);
}

bool vport_passes(const struct vpci_function *port, bool io, uint64_t first, uint64_t last)
{
	if (!link_active(port) ||
		!(vpci_command(port) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return false;
	return io ? in_io(port, first, last) : in_memory(port, first, last);
}

bool vport_masters(const struct vpci_function *port)
{
	return link_active(port) && vpci_command(port) & PCI_COMMAND_MASTER;
}

/* ---- state ---- */

static bool is_port(const struct vpci_function *f)
{
	return f->ops == &ops;
}

uint8_t vport_own_bits(const struct vpci_function *f, unsigned offset)
{
	return is_port(f) && offset == f->express + PCIE_LINK_STATUS + 1u
		       ? (uint8_t)(PCIE_LINK_ACTIVE >> 8)
		       : 0;
}

static bool uses_pin(const struct vpci_function *f, const uint8_t *config)
{
	return has_event(f, config) &&
	       !(vpci_get(config, f->msi + PCI_MSI_CONTROL, 2) & PCI_MSI_ENABLE);
}

bool vport_valid_state(const struct vpci *pci, const struct vpci_state *s)
{
	for (unsigned i = 0; i < VPORTS; i++) {
		const struct vpci_function *f = pci->port[i].f;
		const struct vpci_function_state *state;

		if (f == NULL)
			continue;
		state = &s->f[vpci_index(f)];
		if (link_shown(f, state->config) != link_of(f, state->config) ||
			state->intx != uses_pin(f, state->config))
			return false;
	}
	return true;
}

void vport_put_back(struct vpci *pci)
{
	for (unsigned i = 0; i < VPORTS; i++) {
		struct vport *v = &pci->port[i];

		if (v->f == NULL)
			continue;
		v->event = has_event(v->f, vpci_state_of(v->f)->config);
		v->bus = (uint8_t)vpci_config_get(v->f, PCI_BRIDGE_SECONDARY, 1);
	}
}
