/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test device as functions of PCI: configuration space, where registers are, resets; and as
 * a plugin.
 *
 * Without headers of Bochs: a copy of the table of functions of its PCI devices, with ours in
 * it. Offsets are those of one build: tools/machine/fetch-bochs.sh makes this for that build
 * only, and the sizes of what is used are checked at the start.
 */
#define _GNU_SOURCE
#include "bochs_device.h"
#include "bochs_requests.h"
#include "bochs_vtd.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#define VENDOR     0x1234
#define DEVICE     0x4e54
#define EXPRESS_ID 0x10u
#define ENDPOINT   (2u | 9u << 4) /* version 2, integrated in the root complex */
#define FLR_ABLE   (1u << 28)     /* of device capabilities */
#define FLR        0x8000u        /* of device control */

bool nestor_device_hidden;

static void *table[2 + SLOTS];

/* ---- where registers are ---- */

static bool read_bar(uint64_t at, unsigned size, void *data, void *self)
{
	read_memory(self, (unsigned)(at & (BAR_SIZE - 1)), size, data);
	return true;
}

static bool write_bar(uint64_t at, unsigned size, void *data, void *self)
{
	write_memory(self, (unsigned)(at & (BAR_SIZE - 1)), size, data);
	return true;
}

static void map(struct function *f)
{
	uint64_t at = (uint64_t)get(config(f, BAR_HIGH), 4) << 32 |
		      (get(config(f, BAR_LOW), 4) & ~15u);
	bool on = *config(f, COMMAND) & COMMAND_MEMORY && !sleeps(f) && at != 0 &&
		  at < ADDRESS_END;

	if (f->mapped == (on ? at : 0))
		return;
	if (f->mapped != 0)
		unregister_memory(f->object, f->mapped, f->mapped + BAR_SIZE - 1);
	f->mapped = 0;
	if (on && register_memory(f->object, read_bar, write_bar, NULL, at, at + BAR_SIZE - 1))
		f->mapped = at;
}

/* Bochs keeps what ports are registered by this register. */
static void map_ports(struct function *f)
{
	static const uint8_t sizes[PORTS] = {7, 1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1, 7,
		1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1, 7, 1, 3, 1};

	memcpy(f->ports_config, config(f, BAR_PORTS), sizeof(f->ports_config));
	(void)set_ports(bx_devices, f->object, read_port, write_port, &f->mapped_ports,
		f->ports_config, PORTS, sizes, "test device");
}

/* ---- configuration space ---- */

/* Which bits can be written. */
struct writable {
	uint8_t at;
	uint32_t mask;
};

static const struct writable writable[] = {
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
	{POWER + 4, POWER_STATE},
};
static const struct writable writable_virtual[] = {
	{COMMAND, COMMAND_MASTER},
	{MSIX, (ENABLE_MSIX | MASK_ALL) << 16},
};

static const struct writable *rows_of(const struct function *f, unsigned *count)
{
	*count = f->is_virtual ? sizeof(writable_virtual) / sizeof(writable_virtual[0])
			       : sizeof(writable) / sizeof(writable[0]);
	return f->is_virtual ? writable_virtual : writable;
}

static void reset_config(struct function *f)
{
	unsigned count;
	const struct writable *row = rows_of(f, &count);

	for (unsigned i = 0; i < count; i++)
		put(config(f, row[i].at), 4, get(config(f, row[i].at), 4) & ~row[i].mask);
	if (!f->is_virtual)
		put(config(f, MSI + 0x14), 4, 0);
}

void function_reset(struct function *f)
{
	reset_registers(f);
	reset_config(f);
	if (!f->is_virtual) { /* those are where SR-IOV's capability says */
		map(f);
		map_ports(f);
	}
	update_pin(f);
}

/* Virtual ones go with the physical one. */
static void reset_all(struct function *f)
{
	if (!f->is_virtual)
		sriov_reset();
	function_reset(f);
}

static bool asks_for_reset(struct function *f, uint8_t at, uint32_t value, unsigned size)
{
	if (at == EXPRESS + 8 && size >= 2 && value & FLR)
		return get(config(f, EXPRESS), 4) != 0;
	return at == ADVANCED + 4 && value & 1 && !f->is_virtual;
}

/* There are no D1 and D2; nothing is kept over D3hot. */
static void follow_power(struct function *f, uint8_t was)
{
	uint8_t now = *config(f, POWER + 4) & POWER_STATE;

	if (now != 0 && now != POWER_STATE)
		*config(f, POWER + 4) = was;
	else if (was != 0 && now == 0)
		reset_all(f);
}

static void write_config(void *self, uint8_t at, uint32_t value, unsigned size)
{
	struct function *f = self;
	uint32_t ports = get(config(f, BAR_PORTS), 4);
	uint8_t power = f->is_virtual ? 0 : *config(f, POWER + 4);
	unsigned count;
	const struct writable *row = rows_of(f, &count);

	if (nestor_device_hidden || (f->is_virtual && !sriov_is_enabled(f)))
		return;
	if (asks_for_reset(f, at, value, size)) {
		reset_all(f);
		return;
	}
	for (unsigned k = 0; k < size; k++)
		for (unsigned i = 0; i < count; i++) {
			unsigned byte = at + k - row[i].at; /* huge when below */
			uint8_t mask = byte < 4 ? (uint8_t)(row[i].mask >> byte * 8) : 0;

			*config(f, at + k) = (uint8_t)((*config(f, at + k) & ~mask) |
						       (value >> k * 8 & mask));
		}
	if (!f->is_virtual)
		follow_power(f, power);
	if (get(config(f, BAR_PORTS), 4) != ports)
		map_ports(f);
	if (!f->is_virtual)
		map(f);
	send_pending(f);
	update_pin(f);
}

/*
 * Inside, the header's type is none that Bochs has registers for, so that it leaves ours to us.
 */
static uint32_t read_config(void *self, uint8_t at, unsigned size)
{
	struct function *f = self;
	uint32_t v = 0;

	if (nestor_device_hidden || (f->is_virtual && !sriov_is_enabled(f)))
		return UINT32_MAX;
	for (unsigned k = 0; k < size; k++)
		v |= (uint32_t)(at + k == HEADER_TYPE ? 0 : *config(f, at + k)) << k * 8;
	return v;
}

/* ---- the functions ---- */

static void add_msix(struct function *f, unsigned next)
{
	put(config(f, MSIX), 4, 0x11u | next << 8 | (VECTORS - 1) << 16);
	put(config(f, MSIX + 4), 4, TABLE);
	put(config(f, MSIX + 8), 4, PENDING);
}

/* What extended configuration space needs to be looked for. */
static void add_express(struct function *f)
{
	put(config(f, EXPRESS), 4, EXPRESS_ID | ENDPOINT << 16);
	put(config(f, EXPRESS + 4), 4, FLR_ABLE | 0x8000); /* and errors by their role */
}

static void add_capabilities(struct function *f)
{
	*config(f, STATUS) |= 0x10;
	*config(f, 0x34) = f->is_virtual ? MSIX : MSI;
	add_msix(f, f->is_virtual ? EXPRESS : ADVANCED);
	if (f->is_virtual) {
		add_express(f);
		return;
	}
	put(config(f, MSI), 4,
		0x05u | MSIX << 8 | 0x0186u << 16); /* 64 bits, masks, 8 messages */
	put(config(f, ADVANCED), 4,
		0x13u | POWER << 8 | 6u << 16 | 3u << 24); /* FLR, transactions pending */
	put(config(f, POWER), 4, 0x01u | 3u << 16);        /* version 3; nothing is kept */
}

static void add_pci(struct function *f, uint16_t source)
{
	uint8_t place = (uint8_t)source;

	if (!register_pci(bx_devices, f, &place, "nestordev", "a device for tests", 0)) {
		fprintf(stderr, "nestordev: no slot of PCI is free\n");
		exit(1);
	}
	f->source = place;
}

static void make(struct function *f, uint16_t source)
{
	add_pci(f, source);
	/* a virtual one has its ids from the physical one */
	init_config(f, f->is_virtual ? 0xffff : VENDOR, f->is_virtual ? 0xffff : DEVICE, 1,
		0xff0000, 1, f->is_virtual ? 0 : 1);
	if (!f->is_virtual) {
		put(config(f, BAR_LOW), 4, 4);
		put(config(f, BAR_PORTS), 4, 1);
	}
	add_capabilities(f);
	add_timers(f);
	reset_registers(f);
}

static void prepare(struct function *f)
{
	logfunctions_init(f->object);
	f->object[0] = (uint64_t)(uintptr_t)&table[2];
	logfunctions_put(f->object, "nestordev", "NDEV");
}

void add_virtual_function(struct function *f, uint16_t source)
{
	f->is_virtual = true;
	prepare(f);
	make(f, source);
}

static void init(void *self)
{
	make(self, 0);
}

/* Only a machine with configuration space in memory has what is in there. */
static void reset(void *self, unsigned type)
{
	struct function *f = self;

	(void)type;
	if (requests_init() && get(config(f, EXPRESS), 4) == 0) {
		*config(f, POWER + 1) = EXPRESS;
		add_express(f);
		sriov_init(f);
	}
	sriov_reset();
	function_reset(f);
	leave_running(f);
}

/* ---- the plugin ---- */

int libnestordev_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestordev_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	static struct function physical;

	if (mode != 1) /* 2: what is it? optional. 3: it is on PCI */
		return mode == 2 ? 4 : mode == 3;
	if (!plugin_knows_bochs(sizeof(table))) {
		fprintf(stderr, "nestordev: not the Bochs that is known\n");
		exit(1);
	}
	memcpy(table, pci_vtable, sizeof(table));
	table[2 + SLOT_INIT] = (void *)init;
	table[2 + SLOT_RESET] = (void *)reset;
	table[2 + SLOT_READ] = (void *)read_config;
	table[2 + SLOT_WRITE] = (void *)write_config;
	prepare(&physical);
	pluginRegisterDeviceDevmodel(plugin, type, physical.object, "nestordev");
	return 0;
}
