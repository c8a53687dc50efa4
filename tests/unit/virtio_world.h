/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of virtio devices: guest memory, and a driver that sets a device up through its
 * PCI function, makes buffers available in a split or a packed ring, and takes them back. The
 * seam of virtio is faked. After this header a test creates its device.
 */
#ifndef NESTOR_TESTS_VIRTIO_WORLD_H
#define NESTOR_TESTS_VIRTIO_WORLD_H

#include "fake_dev.h"
#include "stream/seam.h"
#include "virtio/blk_host.h"
#include "virtio/seam.h"
#include "virtio/virtio.h"

#define WORLD_BDF  PCI_BDF(0, 5, 0)
#define WORLD_ECAM (DEV_ECAM_BASE + ((uint64_t)WORLD_BDF << 12))
#ifndef WORLD_RAM
#define WORLD_RAM (4u << 20)
#endif

/* Where things are in guest memory: each queue's areas, indirect tables, buffers. */
#define AREA(queue)     (0x10000u + 0x8000u * (queue))
#define DRIVER_AREA     0x2000u
#define DEVICE_AREA     0x4000u
#define TABLES          0x100000u /* one for each descriptor */
#define TABLE_SIZE      0x1000u
#define BUFFERS         0x200000u
#define QUEUE_VECTOR(q) (0x40u + (q))
#define CONFIG_VECTOR   0x60u

/* Behind the base address register, as the capabilities say. */
static struct {
	uint64_t common, notify, isr, config, msix;
	uint32_t multiplier;
} at;

static uint8_t world_ram[WORLD_RAM] __attribute__((aligned(4096)));

struct world_buffer {
	uint64_t gpa;
	uint32_t length;
	bool write;
};

/* The driver's side of a queue. */
static struct world_queue {
	uint16_t size, next, used;
	bool wrap, used_wrap;
	uint16_t free;               /* descriptors */
	uint16_t first_free;         /* split: they are used in turn */
	uint16_t length[VIRTQ_SIZE]; /* descriptors of a chain by its id */
} queue[VIRTIO_QUEUES];

static struct {
	bool packed, indirect, event_idx, tables; /* features; put chains into tables */
} mode;

/* ---- the seam ---- */

static struct {
	uint8_t random;
	bool no_random;
	uint32_t room; /* of the console */
	uint8_t console[1 << 16];
	uint32_t console_size;
	unsigned full;                       /* disks */
	const char *server;                  /* what was said last of a disk's server */
	unsigned servers_told;               /* how often something was said */
	unsigned arrived[2];                 /* by streams, at these VMs */
	struct world_lent {                  /* media that are lent */
		unsigned reads, busy, fails; /* times that it was read; that it is not, next */
		uint32_t number;             /* that was read last, */
		uint64_t at;                 /* from here on */
	} lent;
	struct world_chunks {
		uint64_t given[64]; /* by the balloon, the oldest first */
		unsigned count, room;
		unsigned keeps; /* times that it took memory back, and what was last */
		uint64_t kept, kept_size;
		bool settled;
	} chunks;
	struct world_port {
		uint32_t credit, opens, told;
		bool busy, guest;
		uint8_t out[1 << 16], in[1 << 16];
		uint32_t out_size, in_size, in_read;
		unsigned reports;
	} port[LIMIT_PORTS];
} world;

bool seam_random(void *dst, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)dst)[i] = ++world.random;
	return !world.no_random;
}

uint32_t seam_console_room(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	return world.room;
}

void seam_console_write(struct platform *p, const void *bytes, uint32_t size)
{
	assert_ptr_equal(p, &machine);
	assert_true(size <= world.room && size <= sizeof(world.console) - world.console_size);
	memcpy(world.console + world.console_size, bytes, size);
	world.console_size += size;
	world.room -= size;
}

uint32_t seam_line_credit(struct platform *p, unsigned port)
{
	assert_ptr_equal(p, &machine);
	return world.port[port].credit;
}

uint32_t seam_line_room(struct platform *p, unsigned port)
{
	assert_ptr_equal(p, &machine);
	return world.port[port].busy ? 0 : world.port[port].credit;
}

void seam_line_write(struct platform *p, unsigned port, const void *bytes, uint32_t size)
{
	struct world_port *w = &world.port[port];

	assert_ptr_equal(p, &machine);
	assert_true(!w->busy && size <= w->credit && size <= sizeof(w->out) - w->out_size);
	memcpy(w->out + w->out_size, bytes, size);
	w->out_size += size;
	w->credit -= size;
}

uint32_t seam_line_waiting(struct platform *p, unsigned port)
{
	assert_ptr_equal(p, &machine);
	return world.port[port].in_size - world.port[port].in_read;
}

void seam_line_read(struct platform *p, unsigned port, void *bytes, uint32_t size)
{
	struct world_port *w = &world.port[port];

	assert_ptr_equal(p, &machine);
	assert_true(size <= w->in_size - w->in_read);
	memcpy(bytes, w->in + w->in_read, size);
	w->in_read += size;
}

uint32_t seam_line_opens(struct platform *p, unsigned port)
{
	assert_ptr_equal(p, &machine);
	return world.port[port].opens;
}

void seam_line_told(struct platform *p, unsigned port, uint32_t opens, bool guest)
{
	assert_ptr_equal(p, &machine);
	world.port[port].told = opens;
	world.port[port].guest = guest;
	world.port[port].reports++;
}

/* The host's file: its bytes, what is on its disk, and the error that it has at a place. */
#define WORLD_FILE (64u * 4096u)
static uint8_t world_file[WORLD_FILE], world_flushed[WORLD_FILE];
static uint64_t world_bad_byte = UINT64_MAX;
static unsigned world_host_requests;

bool seam_host_disk(struct platform *p, const struct blk_host *d, enum host_disk_op op,
	uint64_t at_byte, void *bytes, uint64_t size)
{
	assert_ptr_equal(p, &machine);
	assert_int_equal(d->number, 3);
	assert_true(at_byte <= d->size && size <= d->size - at_byte);
	world_host_requests++;
	if (world_bad_byte >= at_byte && world_bad_byte - at_byte < size)
		return false;
	switch (op) {
	case HOST_DISK_READ:
		memcpy(bytes, world_file + at_byte, size);
		return true;
	case HOST_DISK_WRITE:
		memcpy(world_file + at_byte, bytes, size);
		return true;
	case HOST_DISK_FLUSH:
		memcpy(world_flushed, world_file, sizeof(world_file));
		return true;
	default:
		assert_in_range(op, HOST_DISK_ZERO, HOST_DISK_DISCARD);
		memset(world_file + at_byte, 0, size);
		return true;
	}
}

void seam_disk_full(struct platform *p, const struct disk *d)
{
	assert_ptr_equal(p, &machine);
	assert_non_null(d);
	world.full++;
}

void seam_disk_server(struct platform *p, const struct blk_remote *r, const char *why)
{
	assert_ptr_equal(p, &machine);
	assert_non_null(r);
	world.server = why;
	world.servers_told++;
}

/* What is at a byte of a medium that is lent. */
static inline uint8_t world_lent_byte(uint32_t lent, uint64_t place)
{
	return (uint8_t)(lent * 31 + place * 7 + place / 2048);
}

enum seam_medium seam_medium_read(
	struct platform *p, uint32_t lent, uint64_t place, void *to, uint32_t size)
{
	struct world_lent *l = &world.lent;

	assert_ptr_equal(p, &machine);
	assert_true(fake.locked);
	assert_true(lent != 0 && size != 0 && place % 2048 == 0 && size % 2048 == 0);
	l->number = lent;
	l->at = place;
	if (l->busy != 0) {
		l->busy--;
		return SEAM_MEDIUM_BUSY;
	}
	if (l->fails != 0) {
		l->fails--;
		memset(to, 0xee, size);
		return SEAM_MEDIUM_FAILED;
	}
	l->reads++;
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = world_lent_byte(lent, place + i);
	return SEAM_MEDIUM_READ;
}

bool seam_balloon_give(struct platform *p, uint64_t gpa)
{
	struct world_chunks *w = &world.chunks;

	assert_ptr_equal(p, &machine);
	assert_true(fake.locked);
	assert_int_equal(gpa % (2u << 20), 0);
	if (w->room == 0)
		return false;
	w->room--;
	w->given[w->count++ % 64] = gpa;
	return true;
}

void seam_balloon_keep(struct platform *p, uint64_t gpa, uint64_t size)
{
	assert_ptr_equal(p, &machine);
	world.chunks.keeps++;
	world.chunks.kept = gpa;
	world.chunks.kept_size = size;
}

bool seam_balloon_settled(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	return world.chunks.settled;
}

void stream_arrived(unsigned vm)
{
	assert_in_range(vm, 0, 1);
	world.arrived[vm]++;
}

/* ---- accesses ---- */

static inline uint64_t get(uint64_t gpa, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, gpa, false, size, &v));
	return v;
}

static inline void put(uint64_t gpa, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, gpa, true, size, &v));
}

static inline uint8_t *ram(uint64_t gpa)
{
	assert_in_range(gpa, 0, WORLD_RAM - 1);
	return world_ram + gpa;
}

static inline uint16_t *word(uint64_t gpa)
{
	return (uint16_t *)(void *)ram(gpa);
}

/* ---- set-up ---- */

/* Memory and a platform whose local APIC takes interrupts; then a device is made. */
static inline void world_start(void)
{
	memset(&world, 0, sizeof(world));
	memset(&mode, 0, sizeof(mode));
	memset(queue, 0, sizeof(queue));
	memset(world_ram, 0, sizeof(world_ram));
	world.room = sizeof(world.console);
	fake_ram = world_ram;
	fake_ram_size = WORLD_RAM;
	fake_start(1);
	fake_enable_apics();
}

/* Finds the structures by the capabilities. */
static inline void world_find(void)
{
	uint64_t bar;

	vpci_assign(&machine);
	put(WORLD_ECAM + 4, 2, 6);
	bar = get(WORLD_ECAM + 0x10, 8) & ~15ull;
	memset(&at, 0, sizeof(at));
	for (uint64_t c = get(WORLD_ECAM + 0x34, 1); c != 0; c = get(WORLD_ECAM + c + 1, 1)) {
		uint64_t place = bar + get(WORLD_ECAM + c + 8, 4);
		uint64_t type = get(WORLD_ECAM + c + 3, 1);

		if (get(WORLD_ECAM + c, 1) == PCI_CAP_MSIX)
			at.msix = WORLD_ECAM + c;
		if (get(WORLD_ECAM + c, 1) != PCI_CAP_VENDOR)
			continue;
		if (type == VIRTIO_PCI_COMMON)
			at.common = place;
		if (type == VIRTIO_PCI_ISR)
			at.isr = place;
		if (type == VIRTIO_PCI_CONFIG)
			at.config = place;
		if (type == VIRTIO_PCI_NOTIFY) {
			at.notify = place;
			at.multiplier = (uint32_t)get(WORLD_ECAM + c + 16, 4);
		}
	}
	assert_true(at.common && at.isr && at.notify && at.msix && at.multiplier);
}

static inline void world_use_msix(unsigned queues)
{
	uint64_t table = (get(WORLD_ECAM + 0x10, 8) & ~15ull) + get(at.msix + 4, 4);

	for (unsigned i = 0; i <= queues; i++) {
		put(table + 16 * i, 8, 0xfee00000);
		put(table + 16 * i + 8, 8, i < queues ? QUEUE_VECTOR(i) : CONFIG_VECTOR);
	}
	put(at.msix + 2, 2, 0x8000);
	put(at.common + VIRTIO_COMMON_CONFIG_VECTOR, 2, queues);
}

static inline uint64_t common(unsigned offset, unsigned size)
{
	return get(at.common + offset, size);
}

static inline void set_common(unsigned offset, unsigned size, uint64_t v)
{
	put(at.common + offset, size, v);
}

static inline uint64_t world_offered(void)
{
	uint64_t v;

	set_common(VIRTIO_COMMON_DEVICE_SELECT, 4, 1);
	v = common(VIRTIO_COMMON_DEVICE_FEATURES, 4) << 32;
	set_common(VIRTIO_COMMON_DEVICE_SELECT, 4, 0);
	return v | common(VIRTIO_COMMON_DEVICE_FEATURES, 4);
}

/* Up to FEATURES_OK. */
static inline void world_features(uint64_t features)
{
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	set_common(VIRTIO_COMMON_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		set_common(VIRTIO_COMMON_DRIVER_SELECT, 4, i);
		set_common(VIRTIO_COMMON_DRIVER_FEATURES, 4, (uint32_t)(features >> 32 * i));
	}
	set_common(VIRTIO_COMMON_STATUS, 1,
		VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	mode.packed = features & VIRTIO_F_RING_PACKED;
	mode.indirect = features & VIRTIO_F_INDIRECT_DESC;
	mode.event_idx = features & VIRTIO_F_EVENT_IDX;
}

static inline void world_queue(unsigned q, uint16_t size)
{
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, size);
	set_common(VIRTIO_COMMON_QUEUE_VECTOR, 2, q);
	set_common(VIRTIO_COMMON_QUEUE_DESC, 8, AREA(q));
	set_common(VIRTIO_COMMON_QUEUE_DRIVER, 8, AREA(q) + DRIVER_AREA);
	set_common(VIRTIO_COMMON_QUEUE_DEVICE, 8, AREA(q) + DEVICE_AREA);
	memset(ram(AREA(q)), 0, 0x8000);
	set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
	queue[q] = (struct world_queue){
		.size = size, .free = size, .wrap = true, .used_wrap = true};
}

static inline void world_driver_ok(void)
{
	set_common(VIRTIO_COMMON_STATUS, 1, common(VIRTIO_COMMON_STATUS, 1) | VIRTIO_DRIVER_OK);
}

/* All of it, with MSI-X. */
static inline void world_up(uint64_t features, unsigned queues, uint16_t size)
{
	world_find();
	world_features(features);
	assert_true(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
	world_use_msix(queues);
	for (unsigned q = 0; q < queues; q++)
		world_queue(q, size);
	world_driver_ok();
}

/* ---- the driver's rings ---- */

static inline void put_desc(
	uint64_t gpa, uint64_t address, uint32_t length, uint16_t c, uint16_t d)
{
	memcpy(ram(gpa), &address, 8);
	memcpy(ram(gpa + 8), &length, 4);
	memcpy(ram(gpa + 12), &c, 2);
	memcpy(ram(gpa + 14), &d, 2);
}

static inline void put_table(uint64_t table, const struct world_buffer *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = b[i].write ? VIRTIO_DESC_WRITE : 0;

		if (mode.packed)
			put_desc(table + 16 * i, b[i].gpa, b[i].length, 0, flags);
		else
			put_desc(table + 16 * i, b[i].gpa, b[i].length,
				flags | (i + 1 < n ? VIRTIO_DESC_NEXT : 0), (uint16_t)(i + 1));
	}
}

static inline uint16_t give_split(unsigned q, const struct world_buffer *b, unsigned n)
{
	struct world_queue *w = &queue[q];
	uint16_t head = w->first_free, index;
	uint64_t driver = AREA(q) + DRIVER_AREA;

	for (unsigned i = 0; i < n; i++) {
		unsigned d = (head + i) % w->size;
		unsigned flags = (b[i].write ? VIRTIO_DESC_WRITE : 0) |
				 (i + 1 < n ? VIRTIO_DESC_NEXT : 0);

		put_desc(AREA(q) + 16 * d, b[i].gpa, b[i].length, (uint16_t)flags,
			(uint16_t)((d + 1) % w->size));
	}
	w->length[head] = (uint16_t)n;
	index = w->next++;
	*word(driver + 4 + 2 * (index % w->size)) = head;
	*word(driver + 2) = w->next;
	w->first_free = (uint16_t)((head + n) % w->size);
	return head;
}

static inline uint16_t give_packed(unsigned q, const struct world_buffer *b, unsigned n)
{
	struct world_queue *w = &queue[q];
	uint16_t id = w->first_free, head = w->next, head_flags = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned flags = (b[i].write ? VIRTIO_DESC_WRITE : 0) |
				 (i + 1 < n ? VIRTIO_DESC_NEXT : 0) |
				 (w->wrap ? VIRTIO_PACKED_AVAIL : VIRTIO_PACKED_USED);

		put_desc(AREA(q) + 16 * w->next, b[i].gpa, b[i].length, id, 0);
		if (i == 0)
			head_flags = (uint16_t)flags;
		else
			*word(AREA(q) + 16 * w->next + 14) = (uint16_t)flags;
		w->next = (uint16_t)((w->next + 1) % w->size);
		w->wrap ^= w->next == 0;
	}
	*word(AREA(q) + 16 * head + 14) = head_flags;
	w->length[id] = (uint16_t)n;
	w->first_free = (uint16_t)((id + 1) % w->size);
	return id;
}

/* One descriptor of the ring that names a table. */
static inline uint16_t give_table(unsigned q, uint64_t table, uint32_t length)
{
	struct world_queue *w = &queue[q];
	struct world_buffer b = {table, length, false};
	uint16_t id;

	if (mode.packed) {
		uint16_t head = w->next;

		id = give_packed(q, &b, 1);
		*word(AREA(q) + 16 * head + 14) |= VIRTIO_DESC_INDIRECT;
	} else {
		uint16_t head = w->first_free;

		id = give_split(q, &b, 1);
		*word(AREA(q) + 16 * head + 12) |= VIRTIO_DESC_INDIRECT;
	}
	return id;
}

/* Makes a chain available; its id. */
static inline uint16_t give(unsigned q, const struct world_buffer *b, unsigned n)
{
	struct world_queue *w = &queue[q];
	unsigned cost = mode.tables ? 1 : n;
	uint64_t table = TABLES + (uint64_t)TABLE_SIZE * ((w->first_free + 128 * q) % 256);

	assert_true(w->free >= cost);
	w->free = (uint16_t)(w->free - cost);
	if (mode.tables) {
		put_table(table, b, n);
		return give_table(q, table, 16 * n);
	}
	return mode.packed ? give_packed(q, b, n) : give_split(q, b, n);
}

static inline void notify(unsigned q)
{
	put(at.notify + at.multiplier * q, 2, q);
}

/* The device works until it has nothing to do; how many pieces that were. */
static inline unsigned work(void)
{
	unsigned n = 1;

	while (platform_work(&machine) == VPCI_WORK_MORE)
		assert_true(++n < 100000);
	return n;
}

/* Takes a chain back. False: none is there. */
static inline bool used(unsigned q, uint16_t *id, uint32_t *length)
{
	struct world_queue *w = &queue[q];
	uint64_t device = AREA(q) + DEVICE_AREA, d = AREA(q) + 16ull * w->used;

	if (mode.packed) {
		uint16_t flags = *word(d + 14);

		if (((flags & VIRTIO_PACKED_USED) != 0) != w->used_wrap ||
			((flags & VIRTIO_PACKED_AVAIL) != 0) != w->used_wrap)
			return false;
		memcpy(length, ram(d + 8), 4);
		*id = *word(d + 12);
		w->used = (uint16_t)(w->used + w->length[*id % w->size]);
		if (w->used >= w->size) {
			w->used = (uint16_t)(w->used - w->size);
			w->used_wrap = !w->used_wrap;
		}
	} else {
		if (*word(device + 2) == w->used)
			return false;
		*id = *word(device + 4 + 8 * (w->used % w->size));
		memcpy(length, ram(device + 8 + 8 * (w->used % w->size)), 4);
		w->used++;
	}
	w->free = (uint16_t)(w->free + w->length[*id % w->size]);
	return true;
}

/* The highest interrupt that waits is taken and ended; -1: none. */
static inline int interrupt(void)
{
	int vector = platform_irq_ack(&machine, 0);

	if (vector >= 0)
		platform_eoi(&machine, 0);
	return vector;
}

static inline bool needs_reset(void)
{
	return common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_NEEDS_RESET;
}

#endif
