/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from one VM to another: `send` or `receive`, size=BYTES of a frame (above 1514 it is
 * left to be cut into segments), count=N, window=N frames before an answer. Who waits looks for
 * frames all the time, or with `halt` halts until an interrupt: on one processor, the ticks
 * that the sender prints are then all that anyone does for a frame. With `serve` it receives
 * from one sender after the other, for ever, as much as each sends. net.sh, virtio.sh and
 * kvm_virtio.sh run it; with `stay` it does not end.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "spec/virtio_net.h"
#include "virtio_net.h"

#define FEATURES                                                                \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_CSUM | \
		VIRTIO_NET_F_GUEST_TSO4)
#define BUFFERS 32u
#define WARM    4u /* windows before what is measured */
#define VECTOR  0x40u
#define AGAIN   2000000u /* ticks of one clock or the other, until the next try */
/* The same of who serves: much else goes on while nobody sends to him. */
#define SELDOM  50000000u
#define HEADERS 54u /* of Ethernet, IPv4, TCP */
#define IS_PLAN 0x6e616c70u

/* Behind the headers of a sender's frame: what it sends, all in all. */
struct plan {
	uint32_t is_plan, count, window;
};

static struct plan plan;

static struct vnet net;
static uint8_t frame[VNET_HDR + 65550];

/* An IPv4 frame with TCP, from 52:00:00:00:00:FROM to :TO. */
static void make(uint32_t size, uint8_t from, uint8_t to)
{
	static const uint8_t headers[] = {0x52, 0, 0, 0, 0, 0, 0x52, 0, 0, 0, 0, 0, 8, 0, 0x45,
		0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 0, 0,
		1, 0, 0, 0, 1, 0x50, 0x18};
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_GSO_TCPV4,
		.hdr_len = HEADERS,
		.gso_size = 1460,
		.csum_start = 34,
		.csum_offset = 16};

	memset(frame, 0, sizeof(frame));
	if (size > 1514)
		memcpy(frame, &h, sizeof(h));
	memcpy(frame + VNET_HDR, headers, sizeof(headers));
	memcpy(frame + VNET_HDR + HEADERS, &plan, sizeof(plan));
	frame[VNET_HDR + 5] = to;
	frame[VNET_HDR + 11] = from;
}

static unsigned got;
static bool halting, serving;

static bool some_came(void *context)
{
	(void)context;
	return net.rx.taken != net.rx.used[1];
}

/* Frames of the other one: whoever else is on the network sends some, too. */
static bool ours(const uint8_t *bytes)
{
	struct plan p;

	memcpy(&p, bytes + VNET_HDR + HEADERS, sizeof(p));
	if (p.is_plan != IS_PLAN)
		return false;
	if (serving)
		plan = p;
	return true;
}

static unsigned receive(void)
{
	return vnet_receive_ours(&net, ours);
}

static void wait_until(unsigned count)
{
	for (; got < count; got += receive()) {
		if (halting)
			halt_unless(some_came, NULL);
		else
			__asm__ volatile("pause");
	}
}

static void wait_a_while(void)
{
	uint64_t end = rdtsc_exact() + AGAIN;

	if (halting)
		halt_unless(some_came, NULL);
	while (!halting && !some_came(NULL) && rdtsc_exact() < end)
		__asm__ volatile("pause");
	got += receive();
}

/* One says that it is there until the other one sends. */
static void meet(bool sender)
{
	got = 0;
	if (sender) {
		wait_until(1);
		got = 0;
		return;
	}
	apic_every(halting ? (serving ? SELDOM : AGAIN) : 0, VECTOR + 1);
	while (got == 0) {
		vnet_send(&net, frame, VNET_HDR + 60);
		wait_a_while();
	}
	apic_every(0, VECTOR + 1);
}

/*
 * Frames of the sender, and an answer for each window. Ticks from the WARMth window to the last
 * but one: with the last answer the other VM ends, and its memory is wiped meanwhile.
 */
static uint64_t exchange(bool sender, uint32_t size)
{
	unsigned count = plan.count, window = plan.window;
	uint64_t start = 0, end = 0;

	for (unsigned done = window; done <= count; done += window) {
		for (unsigned i = 0; sender && i < window; i++)
			vnet_send(&net, frame, VNET_HDR + size);
		wait_until(sender ? done / window : done);
		if (!sender)
			vnet_send(&net, frame, VNET_HDR + 60);
		if (done == WARM * window)
			start = rdtsc_exact();
		if (done + window <= count)
			end = rdtsc_exact();
	}
	return end - start;
}

int payload_main(void)
{
	uint32_t size = (uint32_t)cmdline_number("size", 1514);
	bool sender = cmdline_flag("send");
	uint64_t ticks;

	plan = (struct plan){IS_PLAN, (uint32_t)cmdline_number("count", 1000),
		(uint32_t)cmdline_number("window", 1)};
	halting = cmdline_flag("halt");
	serving = cmdline_flag("serve");
	net.vector = halting ? VECTOR : VIO_POLLED;
	apic_take_all();
	if (!vnet_open(&net, FEATURES, BUFFERS, serving || size > 1514 ? VNET_FRAME : 2048))
		return 1;
	make(sender ? size : 60, sender ? 1 : 2, sender ? 2 : 1);
	do {
		meet(sender);
		ticks = exchange(sender, size);
	} while (serving);
	if (sender && plan.count > (WARM + 1) * plan.window)
		print("net: %lu ticks a frame\n",
			ticks / (plan.count - (WARM + 1) * plan.window));
	print("net: done, notified %u %u times\n", net.rx.notified, net.tx.notified);
	while (cmdline_flag("stay"))
		__asm__ volatile("cli; hlt");
	return 0;
}
