/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request to a virtio disk costs: ticks from the notification until the request is done,
 * which is all that L0 does for it, the exit included; the least of several tries. The driver
 * is as small as one can be: a split ring, one request at a time, no interrupts. Each line is
 * `name value`. Needs a scratch disk.
 */
#include "conf.h"
#include "spec/pci.h"
#include "spec/virtio.h"
#include "spec/virtio_blk.h"

#define TRIES      16
#define ECAM       0xe0000000u
#define QUEUE_SIZE 16u
#define NOTIFY     0x2000u /* where the structures are: virtio/pci.c */

static struct {
	struct virtio_desc desc[QUEUE_SIZE];
	uint16_t avail[2 + QUEUE_SIZE + 1];
	uint8_t room[64];
	struct {
		uint16_t flags, index;
		struct virtio_used entry[QUEUE_SIZE];
		uint16_t event;
	} used;
} ring __attribute__((aligned(4096)));

static struct virtio_blk_header header;
static uint8_t data[65536] __attribute__((aligned(4096)));
static uint8_t status;
static uintptr_t bar;

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

static bool find(void)
{
	for (unsigned i = 0; i < 32; i++) {
		uintptr_t config = ECAM + ((uintptr_t)i << 15);

		if (*at32(config) !=
			(VIRTIO_PCI_VENDOR | (VIRTIO_PCI_DEVICE + VIRTIO_BLK) << 16))
			continue;
		bar = *at32(config + PCI_BAR) & ~15u;
		*at16(config + PCI_COMMAND) = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
		return true;
	}
	return false;
}

static void set_up(void)
{
	*at8(bar + VIRTIO_COMMON_STATUS) = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER;
	*at32(bar + VIRTIO_COMMON_DRIVER_SELECT) = 1;
	*at32(bar + VIRTIO_COMMON_DRIVER_FEATURES) = (uint32_t)(VIRTIO_F_VERSION_1 >> 32);
	*at8(bar + VIRTIO_COMMON_STATUS) =
		VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK;
	*at16(bar + VIRTIO_COMMON_QUEUE_SIZE) = QUEUE_SIZE;
	*at32(bar + VIRTIO_COMMON_QUEUE_DESC) = (uint32_t)(uintptr_t)ring.desc;
	*at32(bar + VIRTIO_COMMON_QUEUE_DRIVER) = (uint32_t)(uintptr_t)ring.avail;
	*at32(bar + VIRTIO_COMMON_QUEUE_DEVICE) = (uint32_t)(uintptr_t)&ring.used;
	*at16(bar + VIRTIO_COMMON_QUEUE_ENABLE) = 1;
	*at8(bar + VIRTIO_COMMON_STATUS) =
		VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
	ring.avail[0] = VIRTIO_AVAIL_NO_INTERRUPT;
}

static void put(unsigned i, void *at, uint32_t length, unsigned flags)
{
	ring.desc[i] =
		(struct virtio_desc){(uintptr_t)at, length, (uint16_t)flags, (uint16_t)(i + 1)};
}

/* Makes it available; the driver's own cost, which is not counted. */
static void prepare(uint32_t type, uint32_t length)
{
	unsigned n = 1;

	header = (struct virtio_blk_header){type, 0, 0};
	status = 0xff;
	put(0, &header, sizeof(header), VIRTIO_DESC_NEXT);
	if (length != 0)
		put(n++, data, length,
			VIRTIO_DESC_NEXT | (type == VIRTIO_BLK_T_IN ? VIRTIO_DESC_WRITE : 0));
	put(n, &status, 1, VIRTIO_DESC_WRITE);
	ring.avail[2 + ring.avail[1] % QUEUE_SIZE] = 0;
	ring.avail[1]++;
}

static void measure(const char *name, uint32_t type, uint32_t length)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t ticks;

		prepare(type, length);
		ticks = rdtsc_exact();
		*at16(bar + NOTIFY) = 0;
		while (*(volatile uint16_t *)&ring.used.index != ring.avail[1])
			;
		ticks = rdtsc_exact() - ticks;
		least = ticks < least ? ticks : least;
	}
	print("%s %lu\n", name, status == VIRTIO_BLK_S_OK ? least : 0);
}

int payload_main(void)
{
	if (!find()) {
		print("no disk\n");
		return 1;
	}
	set_up();
	measure("disk_flush", VIRTIO_BLK_T_FLUSH, 0);
	measure("disk_write_4k", VIRTIO_BLK_T_OUT, 4096);
	measure("disk_read_4k", VIRTIO_BLK_T_IN, 4096);
	measure("disk_write_64k", VIRTIO_BLK_T_OUT, 65536);
	measure("disk_read_64k", VIRTIO_BLK_T_IN, 65536);
	return 0;
}
