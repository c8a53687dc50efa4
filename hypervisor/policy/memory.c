/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/memory.h"

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_LATER_PAGES  64 /* bitmaps, tables of devices' registers, roots */
#define POOL_BASE_SIZE      (4ull << 20)
#define POOL_VCPU_SIZE      (512ull << 10) /* of each of the first 8 virtual CPUs */
#define MEMORY_IOMMU_TABLES 64             /* above those of 4 KiB */
#define POOL_SHARE_SHIFT    6              /* plus a 64th of the VM's memory */

/* A machine's RAM that is free: below the hole and above it. */
struct ram {
	uint64_t low, high;
};

static uint64_t round_up(uint64_t v)
{
	return (v + MEMORY_UNIT - 1) / MEMORY_UNIT * MEMORY_UNIT;
}

uint32_t memory_ept02_tables(const struct vm_config *c)
{
	uint64_t for_ram = (c->memory < MEMORY_MOST ? c->memory : MEMORY_MOST) / MEMORY_UNIT;
	uint64_t count = for_ram + for_ram / 4 + 64;

	if (c->cpus > 8)
		count += 8 * (c->cpus - 8); /* of the roots that each may have */
	return (uint32_t)count;
}

/* Virtual EPT, hardware VMCSs, and EPT01 tables of watched pages. */
static uint64_t nested_size(const struct vm_config *c)
{
	uint64_t tables = (uint64_t)memory_ept02_tables(c) * MEMORY_EPT02_TABLE;
	uint64_t pages = (uint64_t)MEMORY_VMCS_PAGES * c->cpus + 2 * c->memory / MEMORY_UNIT;

	return tables + pages * MEMORY_PAGE + MEMORY_UNIT;
}

/* Variables have firmware; disks whoever is started again. */
uint64_t memory_kept_size(const struct vm_config *c)
{
	bool disks = c->disk_memory != 0 && c->restart != RESTART_NEVER;

	return c->firmware || disks ? MEMORY_UNIT + round_up(c->disk_memory) : 0;
}

/* Of pages of 4 KiB for all of it, which a unit may need that has no larger ones. */
unsigned memory_iommu_tables(const struct vm_config *c)
{
	return (unsigned)(c->memory / MEMORY_UNIT) + MEMORY_IOMMU_TABLES;
}

/* Those of the VM, and with a virtual unit those of each function. */
static uint64_t iommu_size(const struct vm_config *c)
{
	unsigned sets =
		c->iommu == IOMMU_VTD ? 1 + DEVICE_LIST_MAX + device_list_made(&c->devices) : 1;

	return (uint64_t)memory_iommu_tables(c) * sets * MEMORY_PAGE;
}

uint64_t memory_pool_size(const struct vm_config *c)
{
	uint64_t size = POOL_BASE_SIZE + (c->memory >> POOL_SHARE_SHIFT);

	size += POOL_VCPU_SIZE * (c->cpus < 8 ? c->cpus : 8);
	size += (uint64_t)(MEMORY_FIGURES_PAGES + MEMORY_TRACE_PAGES) * c->cpus * MEMORY_PAGE;
	if (c->cpus > 8)
		size += (uint64_t)MEMORY_VCPU_PAGES * (c->cpus - 8) * MEMORY_PAGE;
	size += (uint64_t)net_list_vfs(&c->nets, c->nets.count) * MEMORY_VF;
	if (memory_kept_size(c) == 0)
		size += c->disk_memory;
	if (c->vmx)
		size += nested_size(c);
	if (vm_config_has_iommu(c))
		size += iommu_size(c);
	return round_up(size) + memory_kept_size(c);
}

uint64_t memory_pool_later(const struct vm_config *c)
{
	uint64_t pages = MEMORY_LATER_PAGES + 3 * c->memory / MEMORY_UNIT +
			 (uint64_t)MEMORY_TRACE_PAGES * c->cpus;

	return pages + (vm_config_has_iommu(c) ? iommu_size(c) / MEMORY_PAGE : 0);
}

uint64_t memory_ram_size(const struct vm_config *c)
{
	return round_up(c->reserve != 0 ? c->reserve : c->memory);
}

/* A turn of devices and an instruction for each vCPU, and some more. */
uint32_t memory_spare(const struct vm_config *c)
{
	return 8 + 4 * c->cpus;
}

/* RAM may begin again behind 4 GiB, and ends there so much higher at most. */
uint64_t memory_balloon_bytes(const struct vm_config *c)
{
	return round_up(c->memory) + (2ull << 30);
}

uint64_t memory_balloon_size(uint64_t bytes)
{
	return bytes / MEMORY_UNIT * MEMORY_RAM_BALLOON;
}

uint64_t memory_books_size(const struct vm_config *c)
{
	uint64_t chunks = c->memory / MEMORY_UNIT, tables = 2 + (chunks + 511) / 512;

	if (c->reserve == 0)
		return 0;
	return round_up(MEMORY_RAM_BOOKS + tables * MEMORY_PAGE + chunks * MEMORY_RAM_CHUNK +
			memory_balloon_size(memory_balloon_bytes(c)));
}

/* A chunk of zeros, where any of them has RAM that moves. */
static uint64_t zeros_size(const struct vm_config *const *vms, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (vms[i]->reserve != 0)
			return MEMORY_UNIT;
	return 0;
}

uint64_t memory_places_size(unsigned places)
{
	uint64_t nodes = (uint64_t)places * LIMIT_VCPUS;

	nodes = nodes < MEMORY_NODES ? nodes : MEMORY_NODES;
	return round_up(MEMORY_PLACES + (uint64_t)places * MEMORY_PLACE + nodes * MEMORY_NODE);
}

static unsigned own_queues(const struct vm_config *c)
{
	unsigned queues = 0;

	for (unsigned k = 0; k < c->nets.count; k++)
		queues += net_config_queues(&c->nets.at[k], c->cpus) + c->nets.at[k].vfs;
	return queues;
}

unsigned memory_nets_queues(
	const struct vm_config *const *vms, unsigned count, unsigned places, unsigned place)
{
	unsigned most = 0;

	if (places <= count)
		return place < count ? own_queues(vms[place]) : 0;
	for (unsigned i = 0; i < count; i++)
		most = own_queues(vms[i]) > most ? own_queues(vms[i]) : most;
	return most;
}

uint64_t memory_nets_size(const struct vm_config *const *vms, unsigned count, unsigned places)
{
	uint64_t queues = 0;

	for (unsigned i = 0; i < count || i < places; i++)
		queues += memory_nets_queues(vms, count, places, i);
	return round_up(queues * MEMORY_NET_QUEUE);
}

uint64_t memory_streams_size(const struct vm_config *const *vms, unsigned count)
{
	uint64_t disks = 0;

	for (unsigned i = 0; i < count; i++)
		disks += vms[i]->remote_disks;
	return round_up(disks * 2 * MEMORY_STREAM_RING);
}

static struct ram ram_of(uint64_t memory, uint64_t used)
{
	uint64_t low = memory_below_hole(memory);

	return (struct ram){low > used ? low - used : 0, memory - low};
}

/* As mm/page.c does: from the top, where there is room for the whole region. */
static bool take(struct ram *r, uint64_t size)
{
	uint64_t *from = r->high >= size ? &r->high : &r->low;

	if (*from < size)
		return false;
	*from -= size;
	return true;
}

/*
 * Where a VM's memory is one to one, L0 moves the images away first (boot_memory_move): there
 * is room for them twice, and then where they were is free.
 */
static bool moves(const struct vm_config *const *vms, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (vm_config_one_to_one(vms[i]))
			return true;
	return false;
}

static bool fits(uint64_t memory, uint64_t images, const struct vm_config *const *vms,
	unsigned there, unsigned n)
{
	struct ram r = ram_of(memory, images + MEMORY_L0);

	if (moves(vms, n)) {
		if (!take(&r, images))
			return false;
		r.low += images;
	}
	if (!take(&r, memory_places_size(n)) || !take(&r, memory_nets_size(vms, there, n)) ||
		!take(&r, memory_streams_size(vms, there)) || !take(&r, zeros_size(vms, n)))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!take(&r, memory_pool_size(vms[i])) ||
			!take(&r, memory_books_size(vms[i])) ||
			!take(&r, memory_ram_size(vms[i])))
			return false;
	return true;
}

static uint64_t size_of(const struct vm_config *c)
{
	return memory_pool_size(c) + memory_books_size(c) + memory_ram_size(c);
}

/* The VMs, and in the places that are left the largest of them; returns how many. */
static unsigned fill_places(const struct vm_config *const *vms, unsigned count, unsigned places,
	const struct vm_config *all[LIMIT_VMS])
{
	const struct vm_config *largest = NULL;
	unsigned n = 0;

	for (; n < count; n++) {
		all[n] = vms[n];
		if (largest == NULL || size_of(vms[n]) > size_of(largest))
			largest = vms[n];
	}
	while (n != 0 && n < places)
		all[n++] = largest;
	return n;
}

uint64_t memory_of_machine(
	uint64_t images, const struct vm_config *const *vms, unsigned count, unsigned places)
{
	uint64_t used = round_up(images), memory = used + MEMORY_L0, largest = 0;
	const struct vm_config *all[LIMIT_VMS];
	unsigned n = fill_places(vms, count, places, all);

	memory += memory_places_size(n) + memory_nets_size(vms, count, n) +
		  memory_streams_size(vms, count) + zeros_size(vms, count);
	for (unsigned i = 0; i < n; i++) {
		uint64_t ram = memory_ram_size(all[i]);

		memory += size_of(all[i]);
		largest = ram > largest ? ram : largest;
	}
	/* Only the hole can be in the way, and a region fits above it in the end. */
	while (!fits(memory, used, all, count, n))
		memory += round_up(largest / 8 + 1);
	return memory;
}
