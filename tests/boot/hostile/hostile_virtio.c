/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hostile L1 does to its virtio devices and to PCI: registers, MSI-X tables, rings and
 * descriptors of rubbish, beside good ones so that the devices get to work. Unless it is wild,
 * it gives them no memory of its own but a page for that.
 */
#include "hostile.h"
#include "rt.h"
#include "spec/pci.h"
#include "spec/virtio.h"

#define ECAM        0xe0000000u
#define MAX_DEVICES 16u
#define QUEUE_SIZE  16u

/* Where things are in the page of rings, and behind the base address register. */
#define DRIVER_AREA 0x400u
#define DEVICE_AREA 0x800u
#define TABLE       0xc00u
#define NOTIFY      0x2000u
#define MSIX        0x3000u

static struct {
	uintptr_t config, bar;
} devices[MAX_DEVICES];
static unsigned count;
static uint8_t *rings;

static volatile uint8_t *at8(uintptr_t a)
{
	return (volatile uint8_t *)a;
}

static volatile uint16_t *at16(uintptr_t a)
{
	return (volatile uint16_t *)a;
}

static volatile uint32_t *at32(uintptr_t a)
{
	return (volatile uint32_t *)a;
}

void hostile_virtio_start(void)
{
	rings = page_alloc();
	for (unsigned i = 0; i < 32 && count < MAX_DEVICES; i++) {
		uintptr_t config = ECAM + ((uintptr_t)i << 15);

		if (*at16(config) != VIRTIO_PCI_VENDOR)
			continue;
		devices[count].config = config;
		devices[count++].bar = *at32(config + PCI_BAR) & ~15u;
	}
}

/* Rings in the page, which any driver could have. */
static void set_up(uintptr_t common)
{
	uint64_t features = random64() & (VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC |
						 VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_RESET);
	uint64_t page = (uintptr_t)rings;

	features |= VIRTIO_F_VERSION_1;
	*at32(common + VIRTIO_COMMON_DEVICE_SELECT) = 1; /* one behind a VT-d wants it said */
	if (!one_in(16))
		features |= (uint64_t)*at32(common + VIRTIO_COMMON_DEVICE_FEATURES) << 32 &
			    VIRTIO_F_ACCESS_PLATFORM;
	*at8(common + VIRTIO_COMMON_STATUS) = 0;
	for (unsigned i = 0; i < 2; i++) {
		*at32(common + VIRTIO_COMMON_DRIVER_SELECT) = i;
		*at32(common + VIRTIO_COMMON_DRIVER_FEATURES) = (uint32_t)(features >> 32 * i);
	}
	*at8(common + VIRTIO_COMMON_STATUS) = VIRTIO_FEATURES_OK;
	for (unsigned q = 0; q < 2; q++) {
		*at16(common + VIRTIO_COMMON_QUEUE_SELECT) = (uint16_t)q;
		*at16(common + VIRTIO_COMMON_QUEUE_SIZE) = QUEUE_SIZE;
		*at16(common + VIRTIO_COMMON_QUEUE_VECTOR) = (uint16_t)q;
		*at32(common + VIRTIO_COMMON_QUEUE_DESC) = (uint32_t)page;
		*at32(common + VIRTIO_COMMON_QUEUE_DRIVER) = (uint32_t)page + DRIVER_AREA;
		*at32(common + VIRTIO_COMMON_QUEUE_DEVICE) = (uint32_t)page + DEVICE_AREA;
		*at16(common + VIRTIO_COMMON_QUEUE_ENABLE) = 1;
	}
	*at8(common + VIRTIO_COMMON_STATUS) = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
}

static void put_descriptor(struct virtio_desc *d)
{
	uint64_t flags = random64() & (one_in(2) ? 0x3 : 0xffff);

	d->address = one_in(4) ? (uintptr_t)rings + TABLE : random_address();
	d->length = (uint32_t)(one_in(4) ? random64() : 16 * (random64() % 64));
	d->flags = (uint16_t)flags;
	d->next = (uint16_t)(random64() % (one_in(8) ? 0x10000 : QUEUE_SIZE));
	if (hostile_wild)
		return;
	/* a table at no other place, or it would name this program's memory by chance */
	if ((d->flags | d->next) &
		VIRTIO_DESC_INDIRECT) /* in a packed ring `next` is the flags */
		d->address = (uintptr_t)rings + TABLE;
	d->length %= 4097 - (uint32_t)(d->address & 4095);
}

static void fill_rings(void)
{
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		put_descriptor((struct virtio_desc *)(void *)rings + i);
		put_descriptor((struct virtio_desc *)(void *)(rings + TABLE) + i);
		*at16((uintptr_t)rings + DRIVER_AREA + 4 + 2 * i) =
			(uint16_t)(random64() % (one_in(32) ? 0x10000 : QUEUE_SIZE));
	}
	*at16((uintptr_t)rings + DRIVER_AREA + 2) += (uint16_t)(random64() % 4);
	*at16((uintptr_t)rings + DRIVER_AREA) = (uint16_t)random64();
}

/* Anything to a register of the device; of an address what is no memory of this program's. */
static void registers(uintptr_t common)
{
	unsigned offset = (unsigned)(random64() % VIRTIO_COMMON_SIZE);
	bool address = offset >= VIRTIO_COMMON_QUEUE_DESC && offset < VIRTIO_COMMON_QUEUE_DATA;

	if (address && !hostile_wild)
		*at32(common + (offset & ~7u)) = (uint32_t)random_address() & ~0xfffu;
	else if (one_in(2))
		*at16(common + offset) = (uint16_t)random_value(0);
	else
		*at32(common + offset) = (uint32_t)random_value(0);
}

/* An INIT to oneself would be the end. */
static void table(uintptr_t bar)
{
	uintptr_t entry = bar + MSIX + 16 * (random64() % 40);

	*at32(entry) = one_in(4) ? (uint32_t)random64() : MSI_ADDRESS_BASE;
	*at32(entry + 4) = 0;
	*at32(entry + 8) = (uint32_t)random_value(0) & (hostile_wild ? ~0u : ~0x300u);
	*at32(entry + 12) = (uint32_t)(random64() & 1);
}

static void config_space(uintptr_t config)
{
	unsigned offset = (unsigned)(random64() % 0x100);

	if (one_in(2))
		*at32(config + (offset & ~3u)) = (uint32_t)random_value(0);
	else
		*at8(config + offset) = (uint8_t)random_value(0);
}

/* As they were, so that there is something behind the next step. */
static void put_back(unsigned i)
{
	*at32(devices[i].config + PCI_BAR) = (uint32_t)devices[i].bar;
	*at32(devices[i].config + PCI_BAR + 4) = 0;
	*at16(devices[i].config + PCI_COMMAND) = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
}

void hostile_virtio(void)
{
	unsigned i = count != 0 ? (unsigned)(random64() % count) : 0;

	if (count == 0)
		return;
	put_back(i);
	if (one_in(2))
		set_up(devices[i].bar);
	for (unsigned steps = (unsigned)(random64() % 8); steps > 0; steps--) {
		fill_rings();
		switch (random64() % 6) {
		case 0:
			registers(devices[i].bar);
			break;
		case 1:
			table(devices[i].bar);
			break;
		case 2:
			config_space(devices[i].config);
			put_back(i);
			break;
		default:
			*at16(devices[i].bar + NOTIFY + 4 * (random64() % 4)) = 0;
		}
	}
}
