/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI device for tests, a plugin of Bochs 3.0, of whose devices hardly one has MSI: registers
 * behind a 64-bit base address register and ports, MSI with eight messages and masks, MSI-X,
 * DMA, events at a time and in bursts, a pin, a function-level reset. docs/machine-device.md
 * has
 * its registers.
 *
 * Without headers of Bochs: a copy of the table of functions of its PCI devices, with ours in
 * it. Offsets are those of one build: tools/machine/fetch-bochs.sh makes this for that build
 * only, and the sizes of what is used are checked at the start.
 */
#define _GNU_SOURCE
#include "bochs_plugin.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the device ---- */

#define PAGE        0x1000u
#define BAR_SIZE    0x4000u
#define TABLE       0x1000u
#define PENDING     0x2000u
#define MEMORY      0x3000u
#define PORTS       32u
#define MSI_VECTORS 8u
#define VECTORS     16u /* of MSI-X; registers have as many events */
#define DMA_MAX     0x10000u
#define ADDRESS_END (UINT64_C(1) << 40) /* Bochs knows no more */

/* Offsets in its configuration space. */
#define COMMAND     0x04
#define STATUS      0x06
#define HEADER_TYPE 0x0e
#define BAR_LOW     0x10
#define BAR_HIGH    0x14
#define BAR_PORTS   0x18
#define MSI         0x50
#define MSIX        0x70
#define ADVANCED    0x80

#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_NOINTX 0x400u
#define STATUS_INTX    8u
#define ENABLE_MSI     1u
#define ENABLE_MSIX    0x8000u
#define MASK_ALL       0x4000u

enum reg {
	REG_ID = 0x00,
	REG_CONTROL = 0x04, /* 1: as after a reset */
	REG_EVENTS = 0x08,  /* that the pin is for; ones end them */
	REG_ENABLE = 0x0c,  /* events for which the pin is raised */
	REG_RAISE = 0x10,   /* event of this number */
	REG_BUSY = 0x14,    /* DMA runs */
	REG_SOURCE = 0x20,
	REG_TARGET = 0x28,
	REG_LENGTH = 0x30,
	REG_DMA = 0x34,
	REG_FILL = 0x38,
	REG_SUM = 0x3c,
	REG_PERIOD = 0x40, /* ticks */
	REG_STORM = 0x44,  /* events, all of them each period */
	REG_BURST = 0x48,  /* of each event of REG_WHICH so many, the next one after REG_ACK */
	REG_WHICH = 0x4c,
	REG_ACK = 0x50,   /* this event was taken */
	REG_OWED = 0x54,  /* all that bursts have left */
	REG_COUNTS = 0x80 /* of each event: how often it was */
};
#define ID 0x0154534eu /* NST, 1 */

#define DMA_COPY    1u
#define DMA_FILL    2u
#define DMA_SUM     3u
#define DMA_KIND    0xffu
#define DMA_EVENT   0x100u /* at its end, this one */
#define DMA_EVENT_N 16

static void *table[2 + SLOTS];
static uint64_t object[OBJECT_SIZE / 8];
static uint8_t devfunc;
static int storm_timer, dma_timer;

static struct {
	uint32_t reg[0x100 / 4];
	uint32_t owed[VECTORS];
	uint32_t entry[VECTORS][4];
	uint32_t pending;
	uint8_t memory[PAGE];
} d;

static uint64_t mapped;         /* where its registers are; 0: nowhere */
static uint32_t mapped_ports;   /* Bochs' */
static uint8_t ports_config[4]; /* the register as Bochs keeps it */

static uint8_t *config(unsigned at)
{
	return (uint8_t *)object + OBJECT_CONFIG + at;
}

static uint32_t get(const void *from, unsigned size)
{
	uint32_t v = 0;

	memcpy(&v, from, size);
	return v;
}

static void put(void *to, unsigned size, uint32_t v)
{
	memcpy(to, &v, size);
}

static uint32_t *reg(enum reg r)
{
	return &d.reg[r / 4];
}

/* ---- interrupts ---- */

static bool msi_on(void)
{
	return get(config(MSI + 2), 2) & ENABLE_MSI;
}

static bool msix_on(void)
{
	return get(config(MSIX + 2), 2) & ENABLE_MSIX;
}

static void update_pin(void)
{
	void *bridge = *(void **)(void *)(bx_devices + DEVICES_BRIDGE);
	void (**slots)(void *, uint8_t, unsigned, bool) = *(void **)bridge;
	uint32_t command = get(config(COMMAND), 2);
	bool level = *reg(REG_EVENTS) & *reg(REG_ENABLE);

	*config(STATUS) =
		(uint8_t)((*config(STATUS) & ~STATUS_INTX) | (level ? STATUS_INTX : 0));
	slots[SLOT_SET_IRQ](bridge, devfunc, *config(0x3d),
		level && !(command & COMMAND_NOINTX) && !msi_on() && !msix_on());
}

static void send(uint64_t address, uint32_t data)
{
	if (address >> 20 == 0xfee)
		deliver((uint8_t)data, (uint8_t)(address >> 12), data >> 8 & 7, address & 4,
			true, false);
}

static bool send_msix(unsigned n)
{
	const uint32_t *e = d.entry[n];

	if (e[3] & 1 || get(config(MSIX + 2), 2) & MASK_ALL)
		return false;
	send((uint64_t)e[1] << 32 | e[0], e[2]);
	return true;
}

static bool send_msi(unsigned n)
{
	uint32_t numbers = (1u << (*config(MSI + 2) >> 4 & 7)) - 1;
	uint32_t message = n & numbers & (MSI_VECTORS - 1);

	if (get(config(MSI + 0x10), 4) >> message & 1) {
		put(config(MSI + 0x14), 4, get(config(MSI + 0x14), 4) | 1u << message);
		return true;
	}
	send((uint64_t)get(config(MSI + 8), 4) << 32 | get(config(MSI + 4), 4),
		(get(config(MSI + 0xc), 2) & ~numbers) | message);
	return true;
}

static void raise_event(unsigned n)
{
	d.reg[REG_COUNTS / 4 + n]++;
	if (!(*config(COMMAND) & COMMAND_MASTER) || (!msix_on() && !msi_on())) {
		*reg(REG_EVENTS) |= 1u << n;
		update_pin();
	} else if (!msix_on()) {
		send_msi(n);
	} else if (!send_msix(n)) {
		d.pending |= 1u << n;
	}
}

/* What waits for masks that are no more. */
static void send_pending(void)
{
	uint32_t waits = get(config(MSI + 0x14), 4) & ~get(config(MSI + 0x10), 4);

	for (unsigned n = 0; msix_on() && n < VECTORS; n++)
		if (d.pending >> n & 1 && send_msix(n))
			d.pending &= ~(1u << n);
	if (!msi_on())
		return;
	put(config(MSI + 0x14), 4, get(config(MSI + 0x14), 4) & ~waits);
	for (; waits != 0; waits &= waits - 1)
		send_msi((unsigned)__builtin_ctz(waits));
}

static void owe(unsigned n)
{
	if (d.owed[n] == 0)
		return;
	d.owed[n]--;
	raise_event(n);
}

static void burst(uint32_t count)
{
	for (unsigned n = 0; n < VECTORS; n++)
		if (*reg(REG_WHICH) >> n & 1) {
			d.owed[n] = count;
			owe(n);
		}
}

static void storm(void *self)
{
	(void)self;
	for (unsigned n = 0; n < VECTORS; n++)
		if (*reg(REG_STORM) >> n & 1)
			raise_event(n);
}

static void set_storm(void)
{
	if (*reg(REG_STORM) != 0 && *reg(REG_PERIOD) != 0)
		start_timer(bx_pc_system, (unsigned)storm_timer, *reg(REG_PERIOD), true);
	else
		stop_timer(bx_pc_system, (unsigned)storm_timer);
}

/* ---- DMA ---- */

static uint64_t address(enum reg r)
{
	return (uint64_t)*reg(r + 4) << 32 | *reg(r);
}

/* A piece that leaves no page, neither where it is read nor where it is written. */
static unsigned piece(uint64_t from, uint64_t to, unsigned left)
{
	unsigned a = PAGE - (unsigned)(from % PAGE), b = PAGE - (unsigned)(to % PAGE);

	a = a < b ? a : b;
	return a < left ? a : left;
}

static void transfer(uint32_t kind, uint64_t from, uint64_t to, unsigned size)
{
	uint8_t buffer[PAGE];

	if (kind == DMA_FILL)
		memset(buffer, (int)(*reg(REG_FILL) & 0xff), size);
	else
		dma_read(from, size, buffer);
	for (unsigned i = 0; kind == DMA_SUM && i < size; i++)
		*reg(REG_SUM) += buffer[i];
	if (kind != DMA_SUM)
		dma_write(to, size, buffer);
}

static void dma(void *self)
{
	uint64_t from = address(REG_SOURCE), to = address(REG_TARGET);
	unsigned left = *reg(REG_LENGTH) < DMA_MAX ? *reg(REG_LENGTH) : DMA_MAX, size;
	uint32_t how = *reg(REG_DMA), kind = how & DMA_KIND;

	(void)self;
	*reg(REG_BUSY) = 0;
	if (!(*config(COMMAND) & COMMAND_MASTER) || kind < DMA_COPY || kind > DMA_SUM ||
		from > ADDRESS_END - DMA_MAX || to > ADDRESS_END - DMA_MAX)
		return;
	*reg(REG_SUM) = 0;
	for (; left != 0; left -= size, from += size, to += size) {
		size = piece(from, to, left);
		transfer(kind, from, to, size);
	}
	if (how & DMA_EVENT)
		raise_event(how >> DMA_EVENT_N & (VECTORS - 1));
}

/* A byte each tick, so that a driver can find it busy. */
static void start_dma(void)
{
	*reg(REG_BUSY) = 1;
	start_timer(bx_pc_system, (unsigned)dma_timer, 16 + *reg(REG_LENGTH) % DMA_MAX, false);
}

/* ---- registers ---- */

static void reset_registers(void)
{
	memset(&d, 0, sizeof(d));
	for (unsigned n = 0; n < VECTORS; n++)
		d.entry[n][3] = 1;
	*reg(REG_ID) = ID;
	stop_timer(bx_pc_system, (unsigned)storm_timer);
	stop_timer(bx_pc_system, (unsigned)dma_timer);
}

static void clear_events(uint32_t events)
{
	*reg(REG_EVENTS) &= ~events;
	update_pin();
}

static void write_register(unsigned at, uint32_t v)
{
	switch (at) {
	case REG_CONTROL:
		if (v & 1) {
			reset_registers();
			update_pin();
		}
		break;
	case REG_EVENTS:
		clear_events(v);
		break;
	case REG_RAISE:
		raise_event(v % VECTORS);
		break;
	case REG_ACK:
		owe(v % VECTORS);
		break;
	case REG_BURST:
		burst(v);
		break;
	case REG_ID:
	case REG_BUSY:
	case REG_SUM:
	case REG_OWED:
		break;
	default:
		if (at < REG_COUNTS)
			d.reg[at / 4] = v;
		if (at == REG_DMA)
			start_dma();
		if (at == REG_STORM || at == REG_PERIOD)
			set_storm();
		if (at == REG_ENABLE)
			update_pin();
		break;
	}
}

static uint32_t read_register(unsigned at)
{
	uint32_t owed = 0;

	if (at >= sizeof(d.reg))
		return 0;
	for (unsigned n = 0; at == REG_OWED && n < VECTORS; n++)
		owed += d.owed[n];
	return at == REG_OWED ? owed : d.reg[at / 4];
}

static uint32_t read_word(unsigned at)
{
	if (at < TABLE)
		return read_register(at);
	if (at - TABLE < sizeof(d.entry))
		return d.entry[(at - TABLE) / 16][at / 4 % 4];
	if (at >= MEMORY)
		return get(&d.memory[at - MEMORY], 4);
	return at == PENDING ? d.pending : 0;
}

static void write_word(unsigned at, uint32_t v)
{
	if (at < TABLE) {
		write_register(at, v);
	} else if (at - TABLE < sizeof(d.entry)) {
		d.entry[(at - TABLE) / 16][at / 4 % 4] = v;
		send_pending();
	}
}

/* Words and pairs of them; of the memory at its end, any size. */
static bool read_memory(uint64_t at, unsigned size, void *data, void *self)
{
	unsigned offset = (unsigned)(at & (BAR_SIZE - 1));

	(void)self;
	memset(data, 0xff, size);
	if (offset >= MEMORY && offset + size <= BAR_SIZE)
		memcpy(data, &d.memory[offset - MEMORY], size);
	else
		for (unsigned i = 0; offset % 4 == 0 && i + 4 <= size; i += 4)
			put((uint8_t *)data + i, 4, read_word(offset + i));
	return true;
}

static bool write_memory(uint64_t at, unsigned size, void *data, void *self)
{
	unsigned offset = (unsigned)(at & (BAR_SIZE - 1));

	(void)self;
	if (offset >= MEMORY && offset + size <= BAR_SIZE)
		memcpy(&d.memory[offset - MEMORY], data, size);
	else
		for (unsigned i = 0; offset % 4 == 0 && i + 4 <= size; i += 4)
			write_word(offset + i, get((const uint8_t *)data + i, 4));
	return true;
}

static uint32_t read_port(void *self, uint32_t port, unsigned size)
{
	(void)self;
	return size == 4 ? read_word(port & (PORTS - 1) & ~3u) : UINT32_MAX;
}

static void write_port(void *self, uint32_t port, uint32_t value, unsigned size)
{
	(void)self;
	if (size == 4)
		write_word(port & (PORTS - 1) & ~3u, value);
}

/* ---- configuration space ---- */

static void map(void)
{
	uint64_t at =
		(uint64_t)get(config(BAR_HIGH), 4) << 32 | (get(config(BAR_LOW), 4) & ~15u);
	bool on = *config(COMMAND) & COMMAND_MEMORY && at != 0 && at < ADDRESS_END;

	if (mapped == (on ? at : 0))
		return;
	if (mapped != 0)
		unregister_memory(object, mapped, mapped + BAR_SIZE - 1);
	mapped = 0;
	if (on &&
		register_memory(object, read_memory, write_memory, NULL, at, at + BAR_SIZE - 1))
		mapped = at;
}

/* Bochs keeps what ports are registered by this register. */
static void map_ports(void)
{
	static const uint8_t sizes[PORTS] = {7, 1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1, 7,
		1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1};

	memcpy(ports_config, config(BAR_PORTS), sizeof(ports_config));
	(void)set_ports(bx_devices, object, read_port, write_port, &mapped_ports, ports_config,
		PORTS, sizes, "test device");
}

/* Which bits of its configuration space can be written. */
static const struct {
	uint8_t at;
	uint32_t mask;
} writable[] = {
	{COMMAND, 0x407},
	{BAR_LOW, ~(BAR_SIZE - 1)},
	{BAR_HIGH, 0xffffffff},
	{BAR_PORTS, 0xffff & ~(PORTS - 1)},
	{0x3c, 0xff},
	{MSI, 0x0071u << 16},
	{MSI + 0x04, 0xfffffffc},
	{MSI + 0x08, 0xffffffff},
	{MSI + 0x0c, 0xffff},
	{MSI + 0x10, (1u << MSI_VECTORS) - 1},
	{MSIX, (ENABLE_MSIX | MASK_ALL) << 16},
};

static void reset_config(void)
{
	for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		put(config(writable[i].at), 4,
			get(config(writable[i].at), 4) & ~writable[i].mask);
	put(config(MSI + 0x14), 4, 0);
}

static void function_reset(void)
{
	reset_registers();
	reset_config();
	map();
	map_ports();
	update_pin();
}

static void written(void)
{
	map();
	send_pending();
	update_pin();
}

static void write_config(void *self, uint8_t at, uint32_t value, unsigned size)
{
	uint32_t ports = get(config(BAR_PORTS), 4);

	(void)self;
	if (at == ADVANCED + 4 && value & 1) {
		function_reset();
		return;
	}
	for (unsigned k = 0; k < size; k++)
		for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
			unsigned byte = at + k - writable[i].at; /* huge when below */
			uint8_t mask = byte < 4 ? (uint8_t)(writable[i].mask >> byte * 8) : 0;

			*config(at + k) =
				(uint8_t)((*config(at + k) & ~mask) | (value >> k * 8 & mask));
		}
	if (get(config(BAR_PORTS), 4) != ports)
		map_ports();
	written();
}

/*
 * Inside, the header's type is none that Bochs has registers for, so that it leaves ours to us.
 */
static uint32_t read_config(void *self, uint8_t at, unsigned size)
{
	uint32_t v = 0;

	(void)self;
	for (unsigned k = 0; k < size; k++)
		v |= (uint32_t)(at + k == HEADER_TYPE ? 0 : *config(at + k)) << k * 8;
	return v;
}

static void add_capabilities(void)
{
	*config(STATUS) |= 0x10;
	*config(0x34) = MSI;
	put(config(MSI), 4, 0x05u | MSIX << 8 | 0x0186u << 16); /* 64 bits, masks, 8 messages */
	put(config(MSIX), 4, 0x11u | ADVANCED << 8 | (VECTORS - 1) << 16);
	put(config(MSIX + 4), 4, TABLE);
	put(config(MSIX + 8), 4, PENDING);
	put(config(ADVANCED), 4, 0x13u | 6u << 16 | 3u << 24); /* FLR, transactions pending */
}

static void init(void *self)
{
	if (!register_pci(bx_devices, self, &devfunc, "nestordev", "a device for tests", 0)) {
		fprintf(stderr, "nestordev: no slot of PCI is free\n");
		exit(1);
	}
	init_config(self, 0x1234, 0x4e54, 1, 0xff0000, 1, 1);
	put(config(BAR_LOW), 4, 4);
	put(config(BAR_PORTS), 4, 1);
	add_capabilities();
	storm_timer = register_timer(bx_pc_system, self, storm, 1, true, false, "nestordev");
	dma_timer = register_timer(bx_pc_system, self, dma, 1, false, false, "nestordev");
	reset_registers();
}

static void reset(void *self, unsigned type)
{
	(void)self, (void)type;
	function_reset();
}

/* ---- the plugin ---- */

static bool size_is(void *symbol, size_t size)
{
	Dl_info info;
	const ElfW(Sym) *s = NULL;

	return dladdr1(symbol, &info, (void **)&s, RTLD_DL_SYMENT) && s != NULL &&
	       s->st_size == size;
}

int libnestordev_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestordev_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	if (mode != 1) /* 2: what is it? optional. 3: it is on PCI */
		return mode == 2 ? 4 : mode == 3;
	if (!size_is(bx_devices, DEVICES_SIZE) || !size_is(bx_pc_system, SYSTEM_SIZE) ||
		!size_is(pci_vtable, sizeof(table))) {
		fprintf(stderr, "nestordev: not the Bochs that is known\n");
		exit(1);
	}
	memcpy(table, pci_vtable, sizeof(table));
	table[2 + SLOT_INIT] = (void *)init;
	table[2 + SLOT_RESET] = (void *)reset;
	table[2 + SLOT_READ] = (void *)read_config;
	table[2 + SLOT_WRITE] = (void *)write_config;
	logfunctions_init(object);
	object[0] = (uint64_t)(uintptr_t)&table[2];
	logfunctions_put(object, "nestordev", "NDEV");
	pluginRegisterDeviceDevmodel(plugin, type, object, "nestordev");
	return 0;
}
