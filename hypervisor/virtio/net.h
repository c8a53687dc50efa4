/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device (virtio 1.2, 5.1): between a VM's rings and its port of the switch
 * (net/switch.h). It copies what the driver sends into the queues of other ports, and from its
 * own port's queue what the driver receives. A frame with work left to do, a checksum or
 * segments, travels as it is, when the receiver takes it so; else the receiver's side does it.
 */
#ifndef NESTOR_VIRTIO_NET_H
#define NESTOR_VIRTIO_NET_H

#include "net/offload.h"
#include "net/switch.h"
#include "virtio/virtio.h"

#define VIRTIO_NET_CHAINS 64u /* that one frame may need */
#define VIRTIO_NET_PAIRS  NET_QUEUES

_Static_assert(2 * VIRTIO_NET_PAIRS + 1 <= VIRTIO_QUEUES, "pairs, and the control queue");

/* What travels with a VM beside struct virtio_state. Frames on their way do not. */
struct virtio_net_state {
	uint64_t offloads; /* features that the driver wants now */
	struct net_filter filter;
	uint16_t pairs; /* of queues that the driver uses */
	uint8_t blinks; /* its link is shown as down for a moment */
	uint8_t reserved;
};

struct virtio_net {
	struct virtio v;
	struct virtio_kind kind; /* features and queues are this one's */
	struct net_switch *net;
	unsigned port;
	struct virtio_net_state s;
	/* The frame that is being sent: of the chain that is taken. */
	bool sending;
	struct net_set targets; /* ports that do not have it yet */
	struct net_frame frame;
	struct virtq_cursor body; /* what follows its head */
	/* The oldest frame that was received on each queue: the next segment of it. */
	uint32_t segment[VIRTIO_NET_PAIRS];
	struct net_segment cut;
	struct virtq_chain chain; /* the one that is filled, behind the first */
	struct virtq_given given[VIRTIO_NET_CHAINS];
};

/*
 * The port exists; the device has a pair of queues for each of its. refused: features that are
 * not offered. False: no room on the bus.
 */
bool virtio_net_create(struct virtio_net *n, struct platform *p, uint16_t bdf,
	struct net_switch *net, unsigned port, uint64_t refused);

/*
 * A virtual function of another one, which virtio_offer_vfs has made physical; likewise, with a
 * port of its own.
 */
bool virtio_net_create_vf(struct virtio_net *n, const struct virtio_net *physical,
	unsigned number, unsigned port, uint64_t refused);

/* Its link is up, as it is at first, or down: no frame comes or goes. The driver is told. */
void virtio_net_set_link(struct virtio_net *n, bool up);
bool virtio_net_link(const struct virtio_net *n);

/*
 * Its port has come to another network: nothing of the one before goes on, and the link is
 * shown as down for a moment, so that the driver's system asks anew who and where it is.
 */
void virtio_net_moved(struct virtio_net *n);

/* Frames may have come: they are looked at. */
void virtio_net_arrived(struct virtio_net *n);

/* Beside those of struct virtio, after which they are called. */
void virtio_net_get_state(const struct virtio_net *n, struct virtio_net_state *s);
bool virtio_net_set_state(struct virtio_net *n, const struct virtio_net_state *s);

/* What the driver reads of its link. */
void virtio_net_show_link(struct virtio_net *n, bool up);

/* ---- net_ctrl.c ---- */

/* A command of the control queue. */
enum virtio_result virtio_net_control(struct virtio_net *n, struct virtq *q);
/* How many pairs the driver may use, with the features that it has chosen. */
unsigned virtio_net_pairs(const struct virtio_net *n);
/* As after reset; as it is to be with the features that the driver has chosen. */
void virtio_net_reset_filter(struct virtio_net *n);
void virtio_net_use_filter(struct virtio_net *n);
/* All that the driver may ask for with these features. */
uint64_t virtio_net_offloads(const struct virtio_net *n);

#endif
