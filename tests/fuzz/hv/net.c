/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the network device and the switch: what a driver sends as header and frame, what
 * it writes to the control queue, in buffers of any lengths, in rings of any kind, and what the
 * other ports send to it. What a port gets is no longer than a frame may be; what the driver
 * gets is inside its buffers (fake_dev.h and the sanitizers see to that), and adds up.
 */
#include "net_world.h"
#include "virtio/net.h"
#include "virtio_world.h"

#include "input.h"

#define SIZE  64u
#define PAIRS 3u

static struct virtio_net device;
static unsigned pairs;   /* that the device has */
static unsigned control; /* the queue */

static void create(struct input *in)
{
	unsigned kind = byte(in);

	pairs = kind & 32 ? PAIRS : 1;
	world_start();
	net_world_start();
	net_add(0, (struct net_setup){.network = 1,
			   .trunk = kind & 1,
			   .spoof = kind & 2,
			   .vlan = kind & 1 ? 0 : (uint16_t)(kind >> 2 & 1),
			   .mtu = kind & 8 ? 65535 : 1500,
			   .queues = (uint8_t)pairs,
			   .rate = kind & 16 ? 1000000 : 0});
	for (unsigned i = 0; i < pairs; i++)
		net_port_close(&net, 0, i);
	net_add(1, (struct net_setup){.network = 1, .trunk = true, .spoof = true});
	net_add(2, (struct net_setup){.network = 1, .vlan = 1});
	net_add(3, (struct net_setup){.network = 1});
	memset(&device, 0, sizeof(device));
	check(virtio_net_create(&device, &machine, WORLD_BDF, &net, 0, 0));
}

static void bring_up(struct input *in)
{
	uint64_t features = take(in, 3) | (uint64_t)(byte(in) & 0x30) << 24;

	world_find();
	features |= byte(in) & 1 ? VIRTIO_F_RING_PACKED : 0;
	world_features((features & world_offered()) | VIRTIO_F_VERSION_1);
	control = 2 * virtio_net_pairs(&device);
	world_use_msix(2 * pairs + 1);
	for (unsigned q = 0; q <= control; q++)
		world_queue(q, SIZE);
	world_driver_ok();
	work();
}

/* Bytes that may be a frame: headers that are right, and then some that are not. */
static uint32_t make(struct input *in, uint8_t *p, uint8_t from)
{
	static const uint8_t tcp[] = {0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0,
		0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18};
	uint32_t length = (uint32_t)take(in, 2) + (byte(in) == 255 ? 300 : 0);
	unsigned changes = byte(in) % 8, tag = byte(in) & 1 ? 4 : 0;

	memset(p, (int)length, 70000);
	net_mac(p, byte(in) % 5);
	net_mac(p + 6, from);
	memcpy(p + 12, "\x81\x00\x00\x01", 4);
	memcpy(p + 12 + tag, tcp, sizeof(tcp));
	for (unsigned i = 0; i < changes; i++)
		p[byte(in) % 80] = byte(in);
	return length;
}

static void give_pieces(struct input *in, unsigned q, uint64_t gpa, uint32_t length, bool write)
{
	struct world_buffer b[4];
	unsigned n = 0, pieces = 1 + byte(in) % 4;

	for (; n < pieces && n < 4; n++) {
		uint32_t part = n + 1 == pieces ? length : (uint32_t)take(in, 2) % (length + 1);

		b[n] = (struct world_buffer){gpa, part, write};
		gpa += part;
		length -= part;
	}
	if (byte(in) == 1)
		b[0].gpa = take(in, 4);
	if (queue[q].free >= n)
		give(q, b, n);
}

/* The one that receives, of some pair. */
static unsigned any_queue(struct input *in)
{
	return 2 * (byte(in) % (control / 2));
}

static void send_one(struct input *in)
{
	struct virtio_net_hdr h = {byte(in), byte(in), (uint16_t)take(in, 2),
		(uint16_t)take(in, 2), (uint16_t)(34 + (int8_t)byte(in)), byte(in), 0};
	uint32_t length;
	unsigned q;

	memcpy(ram(BUFFERS), &h, sizeof(h));
	length = make(in, ram(BUFFERS) + sizeof(h), byte(in) % 4 == 1);
	q = any_queue(in) + 1;
	give_pieces(in, q, BUFFERS, length + sizeof(h) - (byte(in) == 9 ? 9 : 0), false);
	notify(q);
}

static void command(struct input *in)
{
	const uint64_t to = BUFFERS + 0x30000;
	uint32_t length = byte(in), n = length < 40 ? length : 40;
	struct world_buffer b[2] = {{to, length, false}, {to + 0x1000, byte(in) % 3, true}};

	memset(ram(to), 0, 300);
	for (uint32_t i = 0; i < n; i++)
		*ram(to + i) = byte(in);
	if (queue[control].free >= 2)
		give(control, b, 2);
	notify(control);
}

static void from_another(struct input *in)
{
	static uint8_t bytes[70000];
	unsigned port = 1 + byte(in) % 3;
	struct net_meta m = {.flags = byte(in) & 1,
		.gso = byte(in),
		.gso_size = (uint16_t)take(in, 2),
		.csum_start = (uint16_t)(34 + (int8_t)byte(in)),
		.csum_offset = 16};
	uint32_t length = make(in, bytes, (uint8_t)port);

	if (length <= NET_FRAME_MAX)
		net_send(port, bytes, length, &m);
	virtio_net_arrived(&device);
}

/* What was sent: whole, and what its header says of it is inside. */
static void empty_ports(void)
{
	for (unsigned i = 1; i < 4; i++) {
		uint8_t *frame;
		struct net_meta *m;

		while ((m = net_queue_first(&net.port[i].queue[0], &frame)) != NULL) {
			check(m->length >= ETH_HEADER && m->length <= NET_FRAME_MAX);
			check(!m->flags || m->csum_start + m->csum_offset + 2u <= m->length);
			check(!m->gso || (m->headers < m->length && m->gso_size != 0));
			net_queue_drop(&net.port[i].queue[0]);
		}
	}
}

static void take_back(void)
{
	uint32_t written;
	uint16_t id;

	for (unsigned q = 0; q <= control; q++)
		while (used(q, &id, &written))
			check(q == control || q % 2 == 0 || written == 0);
}

static void receive_one(struct input *in)
{
	unsigned q = any_queue(in);

	give_pieces(in, q, BUFFERS + 0x40000, (uint32_t)take(in, 2), true);
	notify(q);
}

/* Its port, to the network of all others or to none of theirs. */
static void move(struct input *in)
{
	net_port_move(&net, 0, 1 + byte(in) % 2);
	virtio_net_moved(&device);
	check(net_queue_empty(&net.port[0].queue[0]) &&
		net_set_first(&device.targets) == NET_PORTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	create(&in);
	bring_up(&in);
	while (in.at < in.end) {
		switch (byte(&in) % 8) {
		case 0:
		case 1:
			send_one(&in);
			break;
		case 2:
			command(&in);
			break;
		case 3:
		case 4:
			from_another(&in);
			break;
		case 5:
			receive_one(&in);
			break;
		case 6:
			net_time += take(&in, 3);
			break;
		default:
			if (byte(&in) == 3)
				bring_up(&in);
			else if (byte(&in) == 5)
				move(&in);
		}
		work();
		check(net_held == -1);
		empty_ports();
		take_back();
	}
	return 0;
}
