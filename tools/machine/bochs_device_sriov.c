/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SR-IOV of the test device (PCI Express Base Specification, "SR-IOV Extended Capability"):
 * four virtual functions, 00:10.0 to 00:10.3, each with registers, messages and a source-id of
 * its own. Their registers are 64 KiB apart, behind the capability's first base address
 * register.
 */
#define _GNU_SOURCE
#include "bochs_device.h"
#include "bochs_vtd.h"

#define VFS       4u
#define OFFSET    0x70u /* of the first one's place from the physical one's */
#define STRIDE    1u
#define APERTURE  0x10000u
#define DEVICE_ID 0x4e55u

/* The capability, and its registers. */
#define CAPABILITY 0x100u
#define SIZE       0x40u
#define CONTROL    0x08u
#define TOTAL      0x0cu /* initial ones, and all */
#define COUNT      0x10u
#define PLACES     0x14u
#define ID         0x18u
#define SUPPORTED  0x1cu
#define PAGE_SIZE  0x20u
#define BAR        0x24u
#define ENABLE     1u
#define MEMORY_ON  8u

static const struct {
	uint8_t at;
	uint32_t mask;
} writable[] = {
	{CONTROL, ENABLE | MEMORY_ON},
	{COUNT, 0xffff},
	{PAGE_SIZE, 1},
	{BAR, ~(APERTURE - 1)},
	{BAR + 4, UINT32_MAX},
};

static struct function *physical; /* NULL: there is no SR-IOV */
static struct function virtual[VFS];
static uint8_t space[SIZE];
static uint64_t mapped, mapped_size;

static bool is_enabled(void)
{
	return get(space + CONTROL, 2) & ENABLE;
}

bool sriov_is_enabled(const struct function *f)
{
	return is_enabled() && (unsigned)(f - virtual) < get(space + COUNT, 2);
}

/* ---- their registers ---- */

static bool read_aperture(uint64_t at, unsigned size, void *data, void *self)
{
	unsigned offset = (unsigned)(at - mapped);

	(void)self;
	memset(data, 0xff, size);
	if (offset % APERTURE < BAR_SIZE)
		read_memory(&virtual[offset / APERTURE], offset % APERTURE, size, data);
	return true;
}

static bool write_aperture(uint64_t at, unsigned size, void *data, void *self)
{
	unsigned offset = (unsigned)(at - mapped);

	(void)self;
	if (offset % APERTURE < BAR_SIZE)
		write_memory(&virtual[offset / APERTURE], offset % APERTURE, size, data);
	return true;
}

static void map(void)
{
	uint64_t at = (uint64_t)get(space + BAR + 4, 4) << 32 | (get(space + BAR, 4) & ~15u);
	uint64_t size = (uint64_t)get(space + COUNT, 2) * APERTURE;

	if (!is_enabled() || !(get(space + CONTROL, 2) & MEMORY_ON) || at >= ADDRESS_END - size)
		at = 0;
	if (at == mapped && (at == 0 || size == mapped_size))
		return;
	if (mapped != 0)
		unregister_memory(virtual, mapped, mapped + mapped_size - 1);
	mapped = 0;
	if (at == 0 || size == 0 ||
		!register_memory(
			virtual, read_aperture, write_aperture, NULL, at, at + size - 1))
		return;
	mapped = at;
	mapped_size = size;
}

/* ---- the capability ---- */

/* Functions that come or go know nothing of before. */
static void reset_functions(void)
{
	for (unsigned i = 0; i < VFS; i++)
		function_reset(&virtual[i]);
}

void sriov_reset(void)
{
	if (physical == NULL)
		return;
	for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		put(space + writable[i].at, 4,
			get(space + writable[i].at, 4) & ~writable[i].mask);
	put(space + PAGE_SIZE, 4, 1);
	map();
	reset_functions();
}

void sriov_init(struct function *of)
{
	physical = of;
	put(space, 4, 0x0010u | 1u << 16);
	put(space + TOTAL, 4, VFS | VFS << 16);
	put(space + PLACES, 4, OFFSET | STRIDE << 16);
	put(space + ID, 4, DEVICE_ID << 16);
	put(space + SUPPORTED, 4, 1); /* pages of 4 KiB */
	put(space + BAR, 4, 4);
	for (unsigned i = 0; i < VFS; i++)
		add_virtual_function(&virtual[i], (uint16_t)(of->source + OFFSET + i * STRIDE));
}

struct function *sriov_leave_on(void)
{
	if (physical == NULL)
		return NULL;
	put(space + COUNT, 2, 1);
	put(space + CONTROL, 2, ENABLE);
	return &virtual[0];
}

/* How many there are can be said while there are none. */
static void write_space(unsigned at, uint32_t value, unsigned size)
{
	bool enabled = is_enabled();
	uint32_t count = get(space + COUNT, 2);

	for (unsigned k = 0; k < size; k++)
		for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
			unsigned byte = at + k - writable[i].at; /* huge when below */
			uint8_t mask = byte < 4 ? (uint8_t)(writable[i].mask >> byte * 8) : 0;

			space[at + k] =
				(uint8_t)((space[at + k] & ~mask) | (value >> k * 8 & mask));
		}
	if (enabled || get(space + COUNT, 2) > VFS)
		put(space + COUNT, 2, count);
	if (is_enabled() != enabled)
		reset_functions();
	map();
}

bool nestor_device_config(
	uint16_t source, unsigned at, unsigned size, uint32_t *value, bool write)
{
	if (physical == NULL)
		return false;
	for (unsigned i = 0; i < VFS; i++)
		if (virtual[i].source == source && sriov_is_enabled(&virtual[i])) {
			*value = 0; /* no capabilities */
			return true;
		}
	if (source != physical->source)
		return false;
	if (write && at < CAPABILITY + SIZE)
		write_space(at - CAPABILITY, *value, size);
	else if (!write)
		*value = at < CAPABILITY + SIZE ? get(space + at - CAPABILITY, size) : 0;
	return true;
}
