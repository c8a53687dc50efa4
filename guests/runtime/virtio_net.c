/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_net.h"

#include "cpu.h"
#include "rt.h"
#include "spec/pci.h"
#include "spec/virtio.h"

#define ID 0x10411af4u

static uint32_t config_read(unsigned device, unsigned offset)
{
	uint32_t v;

	outl(0xcf8, 0x80000000u | device << 11 | (offset & 0xfc));
	__asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"((uint16_t)0xcfc));
	return v >> 8 * (offset & 3);
}

static volatile uint8_t *structure(unsigned device, unsigned type, uint32_t *multiplier)
{
	uint64_t bar = (config_read(device, 0x10) & ~15u) | (uint64_t)config_read(device, 0x14)
								    << 32;

	for (unsigned c = config_read(device, 0x34) & 0xff; c != 0;
		c = config_read(device, c + 1) & 0xff) {
		if ((config_read(device, c) & 0xff) != 9 ||
			(config_read(device, c + VIRTIO_CAP_TYPE) & 0xff) != type)
			continue;
		if (multiplier != NULL)
			*multiplier = config_read(device, c + VIRTIO_CAP_MULTIPLIER);
		return (uint8_t *)(uintptr_t)(bar + config_read(device, c + VIRTIO_CAP_OFFSET));
	}
	return NULL;
}

static void put8(struct vnet *n, unsigned offset, uint8_t v)
{
	n->common[offset] = v;
}

static void put16(struct vnet *n, unsigned offset, uint16_t v)
{
	*(volatile uint16_t *)(volatile void *)(n->common + offset) = v;
}

static void put32(struct vnet *n, unsigned offset, uint32_t v)
{
	*(volatile uint32_t *)(volatile void *)(n->common + offset) = v;
}

static void put_address(struct vnet *n, unsigned offset, const volatile void *p)
{
	uint64_t a = (uint64_t)(uintptr_t)p;

	put32(n, offset, (uint32_t)a);
	put32(n, offset + 4, (uint32_t)(a >> 32));
}

static void start_queue(struct vnet *n, struct vnet_queue *q, uint16_t index)
{
	q->desc = page_alloc();
	q->avail = page_alloc();
	q->used = page_alloc();
	q->avail[0] = 1; /* no interrupts */
	put16(n, VIRTIO_COMMON_QUEUE_SELECT, index);
	put16(n, VIRTIO_COMMON_QUEUE_SIZE, VNET_RING);
	put_address(n, VIRTIO_COMMON_QUEUE_DESC, q->desc);
	put_address(n, VIRTIO_COMMON_QUEUE_DRIVER, q->avail);
	put_address(n, VIRTIO_COMMON_QUEUE_DEVICE, q->used);
	put16(n, VIRTIO_COMMON_QUEUE_ENABLE, 1);
}

static void give(struct vnet_queue *q, uint16_t d)
{
	uint16_t index = q->avail[1];

	q->avail[2 + index % VNET_RING] = d;
	__asm__ volatile("mfence" : : : "memory");
	q->avail[1] = (uint16_t)(index + 1);
}

static void notify(struct vnet_queue *q)
{
	__asm__ volatile("mfence" : : : "memory");
	if (!(q->used[0] & VIRTIO_USED_NO_NOTIFY))
		*q->notify = 0;
}

static bool negotiate(struct vnet *n, uint64_t features)
{
	put8(n, VIRTIO_COMMON_STATUS, 0);
	put8(n, VIRTIO_COMMON_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	put32(n, VIRTIO_COMMON_DRIVER_SELECT, 0);
	put32(n, VIRTIO_COMMON_DRIVER_FEATURES, (uint32_t)features);
	put32(n, VIRTIO_COMMON_DRIVER_SELECT, 1);
	put32(n, VIRTIO_COMMON_DRIVER_FEATURES, VIRTIO_F_VERSION_1 >> 32);
	put8(n, VIRTIO_COMMON_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	return n->common[VIRTIO_COMMON_STATUS] & VIRTIO_FEATURES_OK;
}

static void give_buffers(struct vnet *n, unsigned buffers, uint32_t size)
{
	unsigned pages = 1;

	while (pages * 4096 < size)
		pages *= 2;
	for (uint16_t i = 0; i < buffers; i++) {
		n->rx.desc[i] = (struct vnet_desc){
			address_of(pages_alloc(pages)), size, VIRTIO_DESC_WRITE, 0};
		give(&n->rx, i);
	}
	notify(&n->rx);
}

bool vnet_open(struct vnet *n, uint64_t features, unsigned buffers, uint32_t size)
{
	volatile uint8_t *places, *config;
	uint32_t multiplier;
	unsigned device = 0;

	while (device < 32 && config_read(device, 0) != ID)
		device++;
	if (device == 32)
		return false;
	outl(0xcf8, 0x80000000u | device << 11 | 4);
	outl(0xcfc, 7); /* memory, bus mastering */
	n->common = structure(device, VIRTIO_PCI_COMMON, NULL);
	config = structure(device, VIRTIO_PCI_CONFIG, NULL);
	places = structure(device, VIRTIO_PCI_NOTIFY, &multiplier);
	if (!negotiate(n, features))
		return false;
	for (unsigned i = 0; i < 6; i++)
		n->mac[i] = config[i];
	start_queue(n, &n->rx, 0);
	start_queue(n, &n->tx, 1);
	n->rx.notify = (volatile uint16_t *)(volatile void *)places;
	n->tx.notify = (volatile uint16_t *)(volatile void *)(places + multiplier);
	put8(n, VIRTIO_COMMON_STATUS, n->common[VIRTIO_COMMON_STATUS] | VIRTIO_DRIVER_OK);
	give_buffers(n, buffers, size);
	return true;
}

void vnet_send(struct vnet *n, const void *bytes, uint32_t length)
{
	struct vnet_queue *q = &n->tx;
	uint16_t d = q->avail[1] % VNET_RING;

	while ((uint16_t)(q->avail[1] - q->used[1]) >= VNET_RING)
		__asm__ volatile("pause" : : : "memory");
	q->desc[d] = (struct vnet_desc){address_of(bytes), length, 0, 0};
	give(q, d);
	notify(q);
}

/* Not of those that come meanwhile: they may come as fast as they are taken. */
unsigned vnet_receive(struct vnet *n)
{
	struct vnet_queue *q = &n->rx;
	uint16_t end = q->used[1];
	unsigned count = (uint16_t)(end - q->taken);

	for (; q->taken != end; q->taken++)
		give(q, q->used[2 + 4 * (q->taken % VNET_RING)]);
	if (count != 0)
		notify(q);
	return count;
}
