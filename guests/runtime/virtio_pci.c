/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_pci.h"

#include "cpu.h"
#include "rt.h"
#include "spec/pci.h"

static void select(unsigned device, unsigned offset)
{
	outl(PCI_PORT_ADDRESS, PCI_ADDRESS_ENABLE | device << 11 | (offset & 0xfc));
}

static uint32_t config_read(unsigned device, unsigned offset)
{
	select(device, offset);
	return inl(PCI_PORT_DATA) >> 8 * (offset & 3);
}

static void config_write(unsigned device, unsigned offset, uint32_t value)
{
	select(device, offset);
	outl(PCI_PORT_DATA, value);
}

/* Where a memory region is that a capability names. */
static volatile uint8_t *region(unsigned device, uint32_t bar, uint32_t offset)
{
	unsigned at = PCI_BAR + 4 * bar;
	uint64_t base = config_read(device, at);

	if (base & PCI_BAR_64)
		base |= (uint64_t)config_read(device, at + 4) << 32;
	return (uint8_t *)(uintptr_t)((base & ~(uint64_t)PCI_BAR_MEMORY_FLAGS) + offset);
}

/* The capability behind `c`, or the first one; 0: no more. */
static unsigned next_capability(unsigned device, unsigned c)
{
	return config_read(device, c == 0 ? PCI_CAPABILITIES : c + 1) & 0xfc;
}

static volatile uint8_t *structure(unsigned device, unsigned type, uint32_t *multiplier)
{
	for (unsigned c = 0; (c = next_capability(device, c)) != 0;) {
		if ((config_read(device, c) & 0xff) != PCI_CAP_VENDOR ||
			(config_read(device, c + VIRTIO_CAP_TYPE) & 0xff) != type)
			continue;
		if (multiplier != NULL)
			*multiplier = config_read(device, c + VIRTIO_CAP_MULTIPLIER);
		return region(device, config_read(device, c + VIRTIO_CAP_BAR) & 0xff,
			config_read(device, c + VIRTIO_CAP_OFFSET));
	}
	return NULL;
}

bool vio_find(struct vio *d, enum virtio_type type)
{
	uint32_t id = VIRTIO_PCI_VENDOR | (uint32_t)(VIRTIO_PCI_DEVICE + type) << 16;

	for (d->device = 0; d->device < 32 && config_read(d->device, PCI_VENDOR) != id;)
		d->device++;
	if (d->device == 32)
		return false;
	config_write(d->device, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	d->common = structure(d->device, VIRTIO_PCI_COMMON, NULL);
	d->config = structure(d->device, VIRTIO_PCI_CONFIG, NULL);
	d->notify = structure(d->device, VIRTIO_PCI_NOTIFY, &d->multiplier);
	return d->common != NULL && d->notify != NULL;
}

static void put8(struct vio *d, unsigned offset, uint8_t v)
{
	d->common[offset] = v;
}

static volatile uint16_t *word(volatile uint8_t *at)
{
	return (volatile uint16_t *)(volatile void *)at;
}

static void put16(struct vio *d, unsigned offset, uint16_t v)
{
	*word(d->common + offset) = v;
}

static void put32(struct vio *d, unsigned offset, uint32_t v)
{
	*(volatile uint32_t *)(volatile void *)(d->common + offset) = v;
}

static uint32_t get32(struct vio *d, unsigned offset)
{
	return *(volatile uint32_t *)(volatile void *)(d->common + offset);
}

static void put_address(struct vio *d, unsigned offset, const volatile void *p)
{
	uint64_t a = (uint64_t)(uintptr_t)p;

	put32(d, offset, (uint32_t)a);
	put32(d, offset + 4, (uint32_t)(a >> 32));
}

bool vio_negotiate(struct vio *d, uint64_t features)
{
	features |= VIRTIO_F_VERSION_1;
	put8(d, VIRTIO_COMMON_STATUS, 0);
	put8(d, VIRTIO_COMMON_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		put32(d, VIRTIO_COMMON_DRIVER_SELECT, i);
		put32(d, VIRTIO_COMMON_DRIVER_FEATURES, (uint32_t)(features >> 32 * i));
	}
	put8(d, VIRTIO_COMMON_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	return d->common[VIRTIO_COMMON_STATUS] & VIRTIO_FEATURES_OK;
}

/* Addresses are what they are: a payload has all of its memory. */
bool vio_negotiate_translated(struct vio *d, uint64_t features)
{
	put32(d, VIRTIO_COMMON_DEVICE_SELECT, 1);
	features |= (uint64_t)get32(d, VIRTIO_COMMON_DEVICE_FEATURES) << 32 &
		    VIRTIO_F_ACCESS_PLATFORM;
	return vio_negotiate(d, features);
}

/* To the processor with APIC ID 0, which this one is. */
static void message(struct vio *d, unsigned entry, uint8_t vector)
{
	unsigned c = 0;
	uint32_t table;
	volatile uint32_t *e;

	while ((c = next_capability(d->device, c)) != 0 &&
		(config_read(d->device, c) & 0xff) != PCI_CAP_MSIX)
		;
	if (c == 0)
		return;
	table = config_read(d->device, c + PCI_MSIX_TABLE);
	e = (volatile uint32_t *)(volatile void *)region(d->device, table & 7, table & ~7u) +
	    PCI_MSIX_ENTRY_SIZE / 4 * entry;
	config_write(d->device, c, (uint32_t)PCI_MSIX_ENABLE << 16);
	e[0] = MSI_ADDRESS_BASE;
	e[1] = 0;
	e[2] = vector;
	e[3] = 0;
}

void vio_queue_start(
	struct vio *d, struct vio_queue *q, uint16_t index, uint16_t size, uint8_t vector)
{
	q->desc = page_alloc();
	q->avail = page_alloc();
	q->used = page_alloc();
	q->index = index;
	q->size = size;
	q->taken = 0;
	q->notified = 0;
	q->avail[0] = vector == VIO_POLLED ? VIRTIO_AVAIL_NO_INTERRUPT : 0;
	put16(d, VIRTIO_COMMON_QUEUE_SELECT, index);
	put16(d, VIRTIO_COMMON_QUEUE_SIZE, size);
	if (vector != VIO_POLLED) {
		message(d, index, vector);
		put16(d, VIRTIO_COMMON_QUEUE_VECTOR, index);
	}
	put_address(d, VIRTIO_COMMON_QUEUE_DESC, q->desc);
	put_address(d, VIRTIO_COMMON_QUEUE_DRIVER, q->avail);
	put_address(d, VIRTIO_COMMON_QUEUE_DEVICE, q->used);
	q->notify =
		word(d->notify + d->multiplier * *word(d->common + VIRTIO_COMMON_QUEUE_NOTIFY));
	put16(d, VIRTIO_COMMON_QUEUE_ENABLE, 1);
}

void vio_start(struct vio *d)
{
	put8(d, VIRTIO_COMMON_STATUS, d->common[VIRTIO_COMMON_STATUS] | VIRTIO_DRIVER_OK);
}

void vio_give(struct vio_queue *q, uint16_t d)
{
	uint16_t index = q->avail[1];

	q->avail[2 + index % q->size] = d;
	__asm__ volatile("mfence" : : : "memory");
	q->avail[1] = (uint16_t)(index + 1);
}

void vio_notify(struct vio_queue *q)
{
	__asm__ volatile("mfence" : : : "memory");
	if (q->used[0] & VIRTIO_USED_NO_NOTIFY)
		return;
	*q->notify = q->index;
	q->notified++;
}
