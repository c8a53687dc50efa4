/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from one VM to another: `send` or `receive`, size=BYTES of a frame (above 1514 it is
 * left to be cut into segments), count=N, window=N frames before an answer. net.sh counts what
 * L0 has to do for them.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "spec/virtio_net.h"
#include "virtio_net.h"

#define FEATURES                                                                \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_CSUM | \
		VIRTIO_NET_F_GUEST_TSO4)
#define BUFFERS 32u

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
		.hdr_len = 54,
		.gso_size = 1460,
		.csum_start = 34,
		.csum_offset = 16};

	memset(frame, 0, sizeof(frame));
	if (size > 1514)
		memcpy(frame, &h, sizeof(h));
	memcpy(frame + VNET_HDR, headers, sizeof(headers));
	frame[VNET_HDR + 5] = to;
	frame[VNET_HDR + 11] = from;
}

static unsigned got;

static void wait_until(unsigned count)
{
	for (; got < count; got += vnet_receive(&net))
		__asm__ volatile("pause");
}

/* One says that it is there until the other one sends. */
static void meet(bool sender)
{
	while (!sender && got == 0) {
		vnet_send(&net, frame, VNET_HDR + 60);
		for (uint64_t end = rdtsc_exact() + 2000000; got == 0 && rdtsc_exact() < end;)
			got += vnet_receive(&net);
	}
	if (sender)
		wait_until(1);
	if (sender)
		got = 0;
}

int payload_main(void)
{
	uint32_t size = (uint32_t)cmdline_number("size", 1514);
	unsigned count = (unsigned)cmdline_number("count", 1000);
	unsigned window = (unsigned)cmdline_number("window", 1);
	bool sender = cmdline_flag("send");

	if (!vnet_open(&net, FEATURES, BUFFERS, size > 1514 ? VNET_FRAME : 2048))
		return 1;
	make(sender ? size : 60, sender ? 1 : 2, sender ? 2 : 1);
	meet(sender);
	for (unsigned done = window; done <= count; done += window) {
		for (unsigned i = 0; sender && i < window; i++)
			vnet_send(&net, frame, VNET_HDR + size);
		wait_until(sender ? done / window : done);
		if (!sender)
			vnet_send(&net, frame, VNET_HDR + 60);
	}
	print("net: done\n");
	return 0;
}
