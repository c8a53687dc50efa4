/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin of Bochs 3.0: a machine with a DMA-remapping unit (bochs_vtd_unit.h) between its
 * memory and its devices, an IOAPIC whose messages the unit remaps, and configuration space in
 * memory. docs/machine-vtd.md has what it models. It does what firmware would have done for
 * ACPI; the tables are the tool's.
 *
 * Without headers of Bochs, for one build of it: see bochs_device.c.
 */
#define _GNU_SOURCE
#include "bochs_vtd.h"
#include "bochs_plugin.h"
#include "bochs_vtd_unit.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char device_vtable[] __asm__("_ZTV13bx_devmodel_c");
extern unsigned char bx_mem[];
uint64_t memory_length(void *mem) __asm__("_ZN16BX_MEMORY_STUB_C14get_memory_lenEv");

#define DEVICE_SLOTS 7
#define DEVICE_SIZE  0x38

/* The power management function of the chipset, 00:01.3. */
#define PM_FUNCTION 0x80000b00u
#define PM_BASE     0x40u
#define PM_ENABLE   0x80u
#define PM_PORTS    0xb000u

/* The queue is worked on in steps, so that software that does not wait for it goes wrong. */
#define QUEUE_STEP  8u
#define QUEUE_TICKS 64u

bool nestor_unit_on;

static void *table[2 + DEVICE_SLOTS];
static uint64_t object[DEVICE_SIZE / 8];
static struct vtd units[2]; /* by segments */
static bool caching, segments;
static int queue_timer;

static device_config extended; /* NULL: no device has extended configuration space */
static bool *hidden;           /* nestor_device_hidden, likewise */

/* ---- the unit's seam ---- */

static bool is_memory(uint64_t at, unsigned size)
{
	return at < memory_length(bx_mem) && size <= memory_length(bx_mem) - at;
}

bool vtd_memory_read(uint64_t at, void *to, unsigned size)
{
	if (!is_memory(at, size))
		return false;
	dma_read(at, size, to);
	return true;
}

bool vtd_memory_write(uint64_t at, const void *from, unsigned size)
{
	if (!is_memory(at, size))
		return false;
	dma_write(at, size, from);
	return true;
}

void vtd_deliver(const struct vtd_interrupt *i)
{
	deliver(i->vector, i->destination, i->mode, i->logical, true, i->level);
}

/* ---- requests ---- */

/* Is that function of bus 0 the test device, or one that it makes? */
static bool is_extended(uint16_t function)
{
	uint32_t v;

	return extended != NULL && extended(function, 0x100, 4, &v, false);
}

static struct vtd *unit_of(uint16_t source)
{
	return &units[segments && is_extended(source)];
}

void nestor_unit_message(uint16_t source, uint64_t address, uint32_t data)
{
	(void)vtd_message(unit_of(source), source, address, data);
}

/* A piece that leaves no page. */
static bool piece(uint16_t source, uint64_t at, void *data, unsigned size, bool write)
{
	uint64_t host, room;

	if (vtd_translate(unit_of(source), source, at, write, &host, &room) == VTD_OK &&
		host >> VTD_HOST_BITS == 0) {
		if (write)
			dma_write(host, size, data);
		else
			dma_read(host, size, data);
		return true;
	}
	if (!write)
		memset(data, 0xff, size);
	return false;
}

bool nestor_unit_dma(uint16_t source, uint64_t at, void *data, unsigned size, bool write)
{
	uint32_t message;
	bool all = true;

	if (vtd_is_message(at)) {
		if (!write || size != 4)
			return false;
		memcpy(&message, data, 4);
		return vtd_message(unit_of(source), source, at, message) == VTD_OK;
	}
	for (unsigned done = 0, n; done < size; done += n) {
		unsigned room = 0x1000 - (unsigned)((at + done) & 0xfff);

		n = size - done < room ? size - done : room;
		all &= piece(source, at + done, (uint8_t *)data + done, n, write);
	}
	return all;
}

/* ---- registers ---- */

static struct vtd *unit_at(uint64_t at)
{
	return &units[at >= VTD_PLACE_1];
}

static void run_queue(void *self)
{
	bool more = vtd_queue_run(&units[0], QUEUE_STEP);

	(void)self;
	more |= vtd_queue_run(&units[1], QUEUE_STEP);
	if (more)
		start_timer(bx_pc_system, (unsigned)queue_timer, QUEUE_TICKS, false);
}

static bool read_unit(uint64_t at, unsigned size, void *data, void *self)
{
	uint64_t v = UINT64_MAX;

	(void)self;
	if ((size == 4 || size == 8) && at % size == 0)
		v = vtd_read(unit_at(at), (unsigned)(at & (VTD_SIZE - 1)), size);
	memcpy(data, &v, size < sizeof(v) ? size : sizeof(v));
	return true;
}

static bool write_unit(uint64_t at, unsigned size, void *data, void *self)
{
	uint64_t v = 0;

	(void)self;
	if ((size != 4 && size != 8) || at % size != 0)
		return true;
	memcpy(&v, data, size);
	vtd_write(unit_at(at), (unsigned)(at & (VTD_SIZE - 1)), v, size);
	if (vtd_queue_run(unit_at(at), 0))
		start_timer(bx_pc_system, (unsigned)queue_timer, QUEUE_TICKS, false);
	return true;
}

/* ---- configuration space in memory ---- */

/* The plugin of the test device may be there without being at work. */
static void find_extended(void)
{
	void *plugin = dlopen("libbx_nestordev.so", RTLD_NOW | RTLD_NOLOAD);

	if (plugin == NULL)
		return;
	*(void **)(void *)&extended = dlsym(plugin, "nestor_device_config");
	hidden = dlsym(plugin, "nestor_device_hidden");
	if (hidden != NULL)
		*hidden = segments;
}

/* The first 256 bytes are those that the ports have. */
static uint32_t access_function(
	unsigned function, unsigned offset, unsigned size, uint32_t v, bool write)
{
	uint32_t index = devices_inp(bx_devices, PCI_INDEX, 4);

	if (offset >= 0x100)
		return extended != NULL && extended((uint16_t)function, offset, size, &v, write)
			       ? v
			       : UINT32_MAX;
	devices_outp(bx_devices, PCI_INDEX, 0x80000000u | function << 8 | (offset & 0xfc), 4);
	if (write)
		devices_outp(bx_devices, (uint16_t)(PCI_DATA + offset % 4), v, size);
	else
		v = devices_inp(bx_devices, (uint16_t)(PCI_DATA + offset % 4), size);
	devices_outp(bx_devices, PCI_INDEX, index, 4);
	return v;
}

/* The test device, and what it makes, is of one segment only. */
static uint32_t access_config(uint64_t at, unsigned size, uint32_t v, bool write)
{
	unsigned function = (unsigned)(at & (ECAM_SIZE - 1)) >> 12, offset = at & 0xfff;
	bool first = at < ECAM_PLACE_1;

	if (size > 4 || offset % size != 0 ||
		(segments && first == is_extended((uint16_t)function)))
		return UINT32_MAX;
	if (!first)
		*hidden = false;
	v = access_function(function, offset, size, v, write);
	if (!first)
		*hidden = true;
	return v;
}

static bool read_config(uint64_t at, unsigned size, void *data, void *self)
{
	uint32_t v = access_config(at, size, 0, false);

	(void)self;
	memset(data, 0xff, size);
	memcpy(data, &v, size < sizeof(v) ? size : sizeof(v));
	return true;
}

static bool write_config(uint64_t at, unsigned size, void *data, void *self)
{
	uint32_t v = 0;

	(void)self;
	memcpy(&v, data, size < sizeof(v) ? size : sizeof(v));
	(void)access_config(at, size, v, true);
	return true;
}

/* ---- the plugin ---- */

static void place(memory_handler read, memory_handler write, uint64_t at, uint64_t size)
{
	if (register_memory(object, read, write, NULL, at, at + size - 1))
		return;
	fprintf(stderr, "nestorvtd: something else is at %llx\n", (unsigned long long)at);
	exit(1);
}

static void init(void *self)
{
	(void)self;
	nestor_unit_on = true;
	vtd_reset(&units[0], caching);
	vtd_reset(&units[1], caching);
	queue_timer =
		register_timer(bx_pc_system, object, run_queue, 1, false, false, "nestorvtd");
	place(read_unit, write_unit, VTD_PLACE, VTD_SIZE);
	place(read_config, write_config, ECAM_PLACE, ECAM_SIZE);
	if (segments) {
		place(read_unit, write_unit, VTD_PLACE_1, VTD_SIZE);
		place(read_config, write_config, ECAM_PLACE_1, ECAM_SIZE);
	}
	ioapic_init();
	sources_init();
}

/* Firmware gives ACPI's registers their ports. */
static void reset(void *self, unsigned type)
{
	(void)self, (void)type;
	vtd_reset(&units[0], caching);
	vtd_reset(&units[1], caching);
	ioapic_reset();
	find_extended();
	devices_outp(bx_devices, PCI_INDEX, PM_FUNCTION | PM_BASE, 4);
	devices_outp(bx_devices, PCI_DATA, PM_PORTS | 1, 4);
	devices_outp(bx_devices, PCI_INDEX, PM_FUNCTION | PM_ENABLE, 4);
	devices_outp(bx_devices, PCI_DATA, 1, 1);
}

int libnestorvtd_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestorvtd_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	const char *option = getenv("NESTOR_VTD");

	if (mode != 1) /* 2: what is it? optional. 3: it is on PCI */
		return mode == 2 ? 4 : mode == 3;
	if (!size_is(bx_devices, DEVICES_SIZE) || !size_is(bx_pc_system, SYSTEM_SIZE) ||
		!size_is(device_vtable, sizeof(table))) {
		fprintf(stderr, "nestorvtd: not the Bochs that is known\n");
		exit(1);
	}
	caching = option != NULL && strcmp(option, "caching") == 0;
	segments = option != NULL && strcmp(option, "segments") == 0;
	memcpy(table, device_vtable, sizeof(table));
	table[2 + SLOT_INIT] = (void *)init;
	table[2 + SLOT_RESET] = (void *)reset;
	logfunctions_init(object);
	object[0] = (uint64_t)(uintptr_t)&table[2];
	logfunctions_put(object, "nestorvtd", "NVTD");
	pluginRegisterDeviceDevmodel(plugin, type, object, "nestorvtd");
	return 0;
}
