/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of virtio/ and of PCI: a guest that moves base address registers, writes MSI-X tables,
 * sends MSIs, sets devices up well or badly, and fills its rings and buffers with anything.
 * Devices touch no memory but the guest's (the sanitizers, and dev_memory of fake_dev.h), each
 * piece of work is bounded, work comes to an end, and disks keep what they must. A state that
 * is taken is what is read again.
 */
#define WORLD_RAM 0x80000u /* clearing it is most of a run */
#include "virtio_world.h"

#include "input.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/rng.h"
#include "virtio/scsi.h"

#define DISK_PAGES 32u
#define COW_PAGES  8u
#define DEVICES    5u
#define AREAS      13u /* two for each device, three more for the balloon */
#define CD_BLOCKS  8u
#define RAM_MASK   0x3ffffu /* rings and buffers are near each other */

static uint8_t image[20 * DISK_PAGE + 77];
static struct disk disk;
static uint32_t map[DISK_PAGES], next_free[COW_PAGES];
static uint8_t pages[COW_PAGES * DISK_PAGE];

static struct blk_host host;
static struct virtio_blk blk;
static struct virtio_console console;
static char names[LIMIT_PORTS][LIMIT_NAME] = {"a", "b", "c", "d"};
static struct virtio_rng rng;
static struct virtio_scsi scsi;
static uint8_t cd_image[CD_BLOCKS * 2048];
static struct virtio_balloon balloon;
static uint64_t balloon_bits[8 * BALLOON_CHUNK_WORDS];
static struct virtio *const devices[DEVICES] = {
	&blk.v, &console.v, &rng.v, &scsi.v, &balloon.v};

static uint64_t bar_of(unsigned device)
{
	return vpci_config_get(devices[device]->function, PCI_BAR, 4) & ~15u;
}

static uint64_t value(struct input *in)
{
	unsigned kind = (unsigned)byte(in);

	switch (kind & 3) {
	case 0:
		return kind >> 2;
	case 1:
		return take(in, 2);
	case 2:
		return take(in, 4) & RAM_MASK;
	default:
		return take(in, 8);
	}
}

/* As firmware would leave the bus. */
static void assign(void)
{
	vpci_assign(&machine);
	for (unsigned i = 0; i < DEVICES; i++)
		put(DEV_ECAM_BASE + ((uint64_t)devices[i]->function->bdf << 12) + 4, 2, 6);
}

/* A good set-up, so that much is behind it: features of the driver's choice, queues in RAM. */
static void set_up(struct input *in, unsigned device)
{
	const struct virtio *v = devices[device];
	uint64_t features = VIRTIO_F_VERSION_1, base;
	unsigned size = 1u << byte(in) % 7, choice = byte(in);

	assign();
	base = bar_of(device);

	features |= choice & 1 ? VIRTIO_F_RING_PACKED : 0;
	features |= choice & 2 ? VIRTIO_F_INDIRECT_DESC : 0;
	features |= choice & 4 ? VIRTIO_F_EVENT_IDX : 0;
	features |= choice & 8 ? VIRTIO_F_RING_RESET : 0;
	at.common = base;
	put(base + VIRTIO_COMMON_STATUS, 1, 0);
	world_features(features | (choice & 16 ? v->kind->features : 0));
	for (unsigned q = 0; q < v->kind->queues; q++) {
		uint64_t area = (uint64_t)0x8000 * (device * 2 + q);

		set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
		set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, size);
		set_common(VIRTIO_COMMON_QUEUE_VECTOR, 2, q);
		set_common(VIRTIO_COMMON_QUEUE_DESC, 8, area);
		set_common(VIRTIO_COMMON_QUEUE_DRIVER, 8, area + DRIVER_AREA);
		set_common(VIRTIO_COMMON_QUEUE_DEVICE, 8, area + DEVICE_AREA);
		set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
	}
	world_driver_ok();
}

/* Words of a ring, or of a buffer. */
static void fill(struct input *in)
{
	uint64_t gpa = (uint64_t)(byte(in) % AREAS) * 0x8000 +
		       (uint64_t)(byte(in) % 3) * DRIVER_AREA + (uint64_t)byte(in) * 2;

	for (unsigned n = (unsigned)byte(in) % 16; n > 0; n--, gpa += 8) {
		uint64_t v = value(in);

		memcpy(ram(gpa), &v, 8);
	}
}

/* A descriptor that could be one, at the head of a split or packed ring, made available. */
static void offer(struct input *in)
{
	uint64_t area = (uint64_t)(byte(in) % AREAS) * 0x8000;
	unsigned n = 1 + (unsigned)byte(in) % 4;

	for (unsigned i = 0; i < n; i++)
		put_desc(area + 16 * i, take(in, 4) & RAM_MASK,
			(uint32_t)(take(in, 3) & 0x1ffff), (uint16_t)byte(in),
			(uint16_t)(i + 1));
	*word(area + DRIVER_AREA + 2) = (uint16_t)(*word(area + DRIVER_AREA + 2) + n);
	*word(area + DRIVER_AREA + 4 + 2 * (byte(in) % 32)) = (uint16_t)(byte(in) % 8);
}

/* What a drive answers is in its buffer or in the image, and no more than was asked for. */
static void ask_drive(const uint8_t cdb[CDROM_CDB])
{
	struct cdrom *c = &scsi.cdrom[1];
	struct cdrom_reply r;
	uint64_t offset;

	c->s.attention = CDROM_QUIET;
	cdrom_command(c, cdb, &r);
	check(r.size <= r.asked);
	if (r.size == 0)
		return;
	offset = r.bytes != NULL ? (uint64_t)(r.bytes - cd_image) : r.at;
	check(r.bytes != NULL || (r.lent != 0 && r.lent == c->medium.lent));
	check(r.bytes == r.data
			? r.size <= sizeof(r.data)
			: offset <= c->medium.size && r.size <= c->medium.size - offset);
}

static void notify_if_there(unsigned device, unsigned q)
{
	uint64_t v = q;

	platform_mmio(&machine, 0, bar_of(device) + 0x2000 + 4 * q, true, 2, &v);
}

/* A request to a CD-ROM drive, in a split ring: any command, any sizes; or task management. */
static void command(struct input *in)
{
	unsigned q = byte(in) & 1 ? VIRTIO_SCSI_REQUEST : VIRTIO_SCSI_CONTROL;
	static const uint8_t opcodes[] = {0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b,
		0x43, 0x46, 0x4a, 0x51, 0x5a, 0x88, 0x9e, 0xa0, 0xa8, 0xb9, 0xbb, 0xbd, 0xbe,
		0xff};
	uint64_t area = (6 + q) * 0x8000ull, place = 0x50000;
	uint8_t lun[8] = {1, (uint8_t)byte(in) % 3, (uint8_t)(byte(in) & 0x41), 0};

	memset(ram(place), 0, 64);
	if (q == VIRTIO_SCSI_CONTROL)
		*ram(place + 4) = (uint8_t)byte(in) % 9;
	memcpy(ram(place + (q == VIRTIO_SCSI_CONTROL ? 8 : 0)), lun, sizeof(lun));
	for (unsigned i = 0; q == VIRTIO_SCSI_REQUEST && i < CDROM_CDB; i++)
		*ram(place + 19 + i) = (uint8_t)byte(in);
	if (q == VIRTIO_SCSI_REQUEST)
		*ram(place + 19) = opcodes[*ram(place + 19) % sizeof(opcodes)];
	ask_drive(ram(place + 19));
	put_desc(area, place, q == VIRTIO_SCSI_CONTROL ? 24 : 51, VIRTIO_DESC_NEXT, 1);
	put_desc(area + 16, 0x51000, (uint32_t)(byte(in) & 3 ? 108 : take(in, 2)),
		VIRTIO_DESC_NEXT | VIRTIO_DESC_WRITE, 2);
	put_desc(area + 32, 0x60000, (uint32_t)take(in, 2), VIRTIO_DESC_WRITE, 0);
	memset(ram(area + DRIVER_AREA + 4), 0, 128); /* the ring has that chain only */
	*word(area + DRIVER_AREA + 2) = (uint16_t)(*word(area + DRIVER_AREA + 2) + 1);
	notify_if_there(3, q);
	for (unsigned i = 0; i < 64 && platform_work(&machine) != VPCI_WORK_DONE; i++)
		;
}

/* Drives are as they can be, whatever came; their image is as it was. */
static void check_drives(void)
{
	for (unsigned i = 0; i < scsi.count; i++)
		check(cdrom_valid_state(&scsi.cdrom[i].s));
	check(cd_image[0] == 0x11 && cd_image[sizeof(cd_image) - 1] == 0x11);
}

static void access(struct input *in, unsigned device)
{
	unsigned kind = (unsigned)byte(in), size = 1u << (kind >> 2 & 3);
	uint64_t place = kind & 16 ? bar_of(device) + take(in, 2) % 0x4000
				   : bar_of(device) + byte(in) % VIRTIO_COMMON_SIZE;
	uint64_t v = kind & 1 ? value(in) : 0;

	if (kind & 2)
		place = DEV_ECAM_BASE + ((uint64_t)devices[device]->function->bdf << 12) +
			byte(in);
	platform_mmio(&machine, 0, place, kind & 1, size, &v);
}

static void message(struct input *in)
{
	uint64_t address = byte(in) & 1 ? 0xfee00000 | (take(in, 2) << 4) : take(in, 8);

	dev_lock(&machine);
	vpci_message(&machine, 0, address, (uint32_t)take(in, 4));
	dev_unlock(&machine);
}

/* A page is at one place of the disk only, and is counted. */
static void check_disk(void)
{
	uint32_t seen = 0;

	check(disk.fresh <= COW_PAGES);
	for (unsigned i = 0; i < DISK_PAGES; i++) {
		if (map[i] < 2)
			continue;
		check(map[i] - 2 < disk.fresh);
		check(!(seen >> (map[i] - 2) & 1));
		seen |= 1u << (map[i] - 2);
	}
}

/* Pages are counted, and no chunk is given that the guest does not have. */
static void check_balloon(void)
{
	uint64_t inside = 0;

	for (unsigned i = 0; i < sizeof(balloon_bits) / sizeof(balloon_bits[0]); i++)
		inside += (uint64_t)__builtin_popcountll(balloon_bits[i]);
	check(inside == balloon.inside);
	for (unsigned i = 0; i < world.chunks.count && i < 64; i++)
		check(world.chunks.given[i] < sizeof(balloon_bits) * 8 * 4096);
}

/*
 * Pages that go in or out, or chunks that are reported: one chain in a split ring, and when the
 * chunks are gone is anybody's guess.
 */
static void move_pages(struct input *in)
{
	unsigned q = (unsigned)byte(in) % VIRTIO_BALLOON_QUEUES;
	uint64_t area = (8 + q) * 0x8000ull, place = 0x70000;
	uint32_t first = (uint32_t)byte(in) << 6, count = (uint32_t)take(in, 2) % 0x2000;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = first + i;

		memcpy(ram(place + 4 * i), &page, 4);
	}
	if (q <= VIRTIO_BALLOON_DEFLATE)
		put_desc(area, place, 4 * count, 0, 0);
	else
		put_desc(area, (uint64_t)first << 14, count << 17, VIRTIO_DESC_WRITE, 0);
	memset(ram(area + DRIVER_AREA + 4), 0, 128);
	*word(area + DRIVER_AREA + 2) = (uint16_t)(*word(area + DRIVER_AREA + 2) + 1);
	world.chunks.room = (unsigned)byte(in) % 16;
	world.chunks.settled = byte(in) & 1;
	notify_if_there(4, q);
	fake.now += byte(in) * 10000ull;
	for (unsigned i = 0; i < 64 && platform_work(&machine) != VPCI_WORK_DONE; i++)
		;
	check_balloon();
}

static void work_on(void)
{
	world.room = 4096;
	world.console_size = 0;
	for (unsigned i = 0; i < LIMIT_PORTS; i++)
		world.port[i].out_size = 0;
	for (unsigned i = 0; i < 4096; i++)
		if (platform_work(&machine) != VPCI_WORK_MORE)
			break;
	check_disk();
	check_drives();
}

static void state(struct input *in, unsigned device)
{
	static struct virtio_state s, again;
	struct virtio *v = devices[device];
	size_t place = take(in, 2) % sizeof(s);

	dev_lock(&machine);
	virtio_get_state(v, &s);
	if (byte(in) & 1)
		memset((uint8_t *)&s + place, byte(in), 1);
	if (virtio_set_state(v, &s)) {
		virtio_get_state(v, &again);
		check(memcmp(&s, &again, sizeof(s)) == 0);
	}
	dev_unlock(&machine);
}

/* The same with the state of its drives. */
static void scsi_state(struct input *in)
{
	static struct virtio_scsi_state s, again;
	size_t place = take(in, 2) % sizeof(s);

	dev_lock(&machine);
	virtio_scsi_get_state(&scsi, &s);
	if (byte(in) & 1)
		memset((uint8_t *)&s + place, byte(in), 1);
	if (virtio_scsi_set_state(&scsi, &s)) {
		virtio_scsi_get_state(&scsi, &again);
		check(memcmp(&s, &again, sizeof(s)) == 0);
	}
	dev_unlock(&machine);
}

/* One in memory, or one that is lent. */
static struct cdrom_medium cd_medium(unsigned drive, unsigned choice)
{
	if (choice & 1u << drive)
		return (struct cdrom_medium){.lent = 1, .size = sizeof(cd_image)};
	return (struct cdrom_medium){.image = cd_image, .size = sizeof(cd_image) >> drive};
}

/* Of a port: somebody comes or goes, sends, takes more. */
static void other_end(struct input *in)
{
	struct world_port *w = &world.port[byte(in) % LIMIT_PORTS];

	w->opens += byte(in) % 3;
	w->credit = (uint32_t)take(in, 2) % sizeof(w->out);
	w->busy = byte(in) % 4 == 0;
	if (w->in_read == w->in_size)
		w->in_read = w->in_size = 0;
	if (w->in_size < sizeof(w->in) / 2)
		w->in_size += byte(in);
	dev_lock(&machine);
	virtio_console_look(&console);
	dev_unlock(&machine);
}

/* Whoever manages the VM changes its media, and what is lent is not always there. */
static void media(struct input *in)
{
	struct cdrom *c = &scsi.cdrom[byte(in) % 2];
	struct cdrom_medium m = cd_medium(0, byte(in));

	if (m.lent != 0)
		m.lent = 1 + byte(in) % 3;
	world.lent.busy = byte(in) % 4;
	world.lent.fails = byte(in) % 8 == 0;
	dev_lock(&machine);
	cdrom_change(
		c, byte(in) % 4 == 0 ? &(struct cdrom_medium){.lent = 0} : &m, byte(in) & 1);
	dev_unlock(&machine);
}

static void act(struct input *in)
{
	unsigned kind = (unsigned)byte(in), device = (kind >> 4) % DEVICES;

	switch (kind & 15) {
	case 0:
		set_up(in, device);
		break;
	case 1:
	case 2:
		fill(in);
		break;
	case 3:
	case 4:
		offer(in);
		break;
	case 5:
	case 6:
	case 7:
		access(in, device);
		break;
	case 8:
		message(in);
		break;
	case 9:
		if (devices[device] == &scsi.v)
			scsi_state(in);
		else
			state(in, device);
		break;
	case 10:
		dev_lock(&machine);
		virtio_console_input(&console, (const uint8_t *)"typed text", byte(in) % 10);
		dev_unlock(&machine);
		break;
	case 11:
		assign();
		break;
	case 12:
		command(in);
		break;
	case 14:
		move_pages(in);
		break;
	case 13:
		if (device & 1)
			media(in);
		else
			other_end(in);
		break;
	default:
		for (unsigned q = 0; q < VIRTIO_CONSOLE_MORE + 2 * LIMIT_PORTS; q++)
			notify_if_there(device, q);
		work_on();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	unsigned kinds = (unsigned)byte(&in);
	struct blk_backing on;

	world_start();
	memset(map, 0, sizeof(map));
	disk = (struct disk){.name = "d",
		.size = DISK_PAGES * DISK_PAGE,
		.image = image,
		.image_size = sizeof(image)};
	disk_init(&disk, map, pages, next_free, COW_PAGES);
	host = (struct blk_host){"d", 3, DISK_PAGES * DISK_PAGE, kinds & 4};
	on = kinds & 2 ? (struct blk_backing){.host = &host}
		       : (struct blk_backing){.disk = &disk};
	check(virtio_blk_create(&blk, &on, 2, &machine, PCI_BDF(0, 1, 0)));
	check(virtio_console_create(
		&console, kinds & 1, byte(&in) % 5, names, &machine, PCI_BDF(0, 2, 0)));
	check(virtio_rng_create(&rng, &machine, PCI_BDF(0, 3, 0)));
	memset(cd_image, 0x11, sizeof(cd_image));
	scsi.count = 2;
	for (unsigned i = 0; i < scsi.count; i++)
		scsi.cdrom[i] = (struct cdrom){.name = "cd", .medium = cd_medium(i, byte(&in))};
	check(virtio_scsi_create(&scsi, &machine, PCI_BDF(0, 4, 0)));
	memset(balloon_bits, 0, sizeof(balloon_bits));
	balloon = (struct virtio_balloon){.inside = 0};
	check(virtio_balloon_create(
		&balloon, balloon_bits, 8 * BALLOON_CHUNK, 0, &machine, PCI_BDF(0, 5, 0)));
	assign();
	while (in.at < in.end)
		act(&in);
	return 0;
}
