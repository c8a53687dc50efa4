/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request to a virtio disk costs: ticks from the notification until the driver has it
 * back, which on one processor is all that anyone does for it. The driver is as small as one
 * can be: a split ring, one request at a time, no features. It looks for the end (`polled`), or
 * halts until the interrupt. Each line is `name least mean`. With `only=N count=N` it makes
 * requests of one kind and no other, for who counts exits, and with `stay` does not end. Needs
 * a disk that may be written.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "spec/virtio_blk.h"
#include "virtio_pci.h"

#define WARM       8u /* tries before: pages are touched for the first time */
#define TRIES      64u
#define QUEUE_SIZE 16u
#define VECTOR     0x40u
#define ALL        ~0u
/* Of the local APIC's timer: a processor that polls for ever lets no other thread run. */
#define WAKE_VECTOR 0x41u

static const struct {
	const char *name;
	uint32_t type, length;
} kinds[] = {
	{"flush", VIRTIO_BLK_T_FLUSH, 0},
	{"write_4k", VIRTIO_BLK_T_OUT, 4096},
	{"read_4k", VIRTIO_BLK_T_IN, 4096},
	{"write_64k", VIRTIO_BLK_T_OUT, 65536},
	{"read_64k", VIRTIO_BLK_T_IN, 65536},
};

static struct vio disk;
static struct vio_queue queue;
static struct virtio_blk_header header;
static uint8_t data[65536] __attribute__((aligned(4096)));
static volatile uint8_t status;

static bool set_up(bool polled)
{
	if (!vio_find(&disk, VIRTIO_BLK) || !vio_negotiate_translated(&disk, 0))
		return false;
	vio_queue_start(&disk, &queue, 0, QUEUE_SIZE, polled ? VIO_POLLED : VECTOR);
	vio_start(&disk);
	return true;
}

static void put(unsigned i, volatile void *at, uint32_t length, unsigned flags)
{
	queue.desc[i] =
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
	vio_give(&queue, 0);
}

static bool done(void *context)
{
	(void)context;
	return queue.used[1] == queue.avail[1];
}

static void wait(bool polled)
{
	while (!done(NULL))
		if (!polled)
			halt_unless(done, NULL);
}

static void measure(unsigned kind, bool polled)
{
	uint64_t least = UINT64_MAX, sum = 0;
	bool good = true;

	for (unsigned i = 0; i < WARM + TRIES; i++) {
		uint64_t ticks;

		prepare(kinds[kind].type, kinds[kind].length);
		ticks = rdtsc_exact();
		vio_notify(&queue);
		wait(polled);
		ticks = rdtsc_exact() - ticks;
		good = good && status == VIRTIO_BLK_S_OK;
		if (i < WARM)
			continue;
		least = ticks < least ? ticks : least;
		sum += ticks;
	}
	print("disk_%s%s %lu %lu\n", kinds[kind].name, polled ? "" : "_irq", good ? least : 0,
		good ? sum / TRIES : 0);
}

static void repeat(unsigned kind, bool polled, uint64_t count)
{
	for (; count > 0; count--) {
		prepare(kinds[kind].type, kinds[kind].length);
		vio_notify(&queue);
		wait(polled);
	}
	print("disk: done, notified %u times\n", queue.notified);
	while (cmdline_flag("stay"))
		__asm__ volatile("cli; hlt");
}

int payload_main(void)
{
	bool polled = cmdline_flag("polled");
	unsigned only = (unsigned)cmdline_number("only", ALL);
	unsigned wake = (unsigned)cmdline_number("wake", 0);

	apic_take_all();
	if (!set_up(polled)) {
		print("no disk\n");
		return 1;
	}
	if (wake != 0)
		apic_every(wake, WAKE_VECTOR);
	if (only < sizeof(kinds) / sizeof(kinds[0]))
		repeat(only, polled, cmdline_number("count", 0));
	for (unsigned i = 0; only == ALL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		measure(i, polled);
	return 0;
}
