/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A learning switch: ports on networks that are isolated from each other, with VLANs, limits
 * and counters. A frame is copied once for each port that gets it, by the sender, into the
 * queue of that port; when it is full, the frame is dropped.
 *
 * A frame inside has no VLAN tag: an access port puts it into its VLAN, a trunk says it by
 * tags. What a port has learned is in the port, so that none can push out what others have.
 *
 * Not its own: devices (virtio/net.c), and whose the ports are.
 */
#ifndef NESTOR_NET_SWITCH_H
#define NESTOR_NET_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/budget.h"
#include "lib/limits.h"
#include "lib/set.h"
#include "net/queue.h"
#include "spec/net.h"

#define NET_PORTS       ((unsigned)(LIMIT_VMS * LIMIT_NETS + LIMIT_ALL_VFS)) /* at most */
#define NET_TABLE       NET_PORTS /* the lock of networks and of what was learned */
#define NET_NOWHERE     0xffu     /* the network of a port that is about to come to one */
#define NET_FRAME_MAX   65568u    /* bytes: the largest IP packet, its headers and a tag */
#define NET_HEAD        256u      /* of a frame: what is looked at */
#define NET_BUCKETS     32u       /* a power of two */
#define NET_WAYS        4u
#define NET_CHAINS      128u /* of addresses, for each port that there may be */
#define NET_CHAIN       16u  /* entries of a chain: no more are learned */
#define NET_UNICAST     16u  /* addresses in a filter; with more, all pass */
#define NET_MULTICAST   32u
#define NET_AGE         300u  /* seconds, until an address is forgotten */
#define NET_FLOODED     1000u /* flooded frames a second of a port, on the average */
#define NET_FLOOD_BURST 256u
#define NET_RATE_BURST  8u /* a second / 8 is what a port may send at once; or a frame */
#define NET_QUEUES      ((unsigned)LIMIT_QUEUES) /* of a port, for what it receives */
#define NET_FLOWS       1024u /* a power of two: what a port remembers of flows */

/* Ports: bit by number. A word holds only if its bit of `some` is set, which says that it is
 * not 0: nobody looks at others. */
#define NET_WORDS SET_WORDS(NET_PORTS)
struct net_set {
	uint64_t some;
	uint64_t word[NET_WORDS];
};

static inline void net_set_clear(struct net_set *s)
{
	s->some = 0;
}

static inline void net_set_of(struct net_set *s, unsigned port)
{
	s->some = BIT64(port / 64);
	s->word[port / 64] = BIT64(port % 64);
}

static inline void net_set_drop(struct net_set *s, unsigned port)
{
	unsigned i = port / 64;

	if (!(s->some >> i & 1))
		return;
	s->word[i] &= ~BIT64(port % 64);
	if (s->word[i] == 0)
		s->some &= ~BIT64(i);
}

/* The first port of a set; NET_PORTS: it is empty. */
static inline unsigned net_set_first(const struct net_set *s)
{
	unsigned i;

	if (s->some == 0)
		return NET_PORTS;
	i = (unsigned)__builtin_ctzll(s->some);
	return i * 64 + (unsigned)__builtin_ctzll(s->word[i]);
}

_Static_assert(NET_PORTS < UINT16_MAX && NET_WORDS <= 64, "numbers of ports, and of words");

enum net_drop {
	NET_DROP_FULL,    /* the receiver's queue */
	NET_DROP_BAD,     /* no frame, too long, or not what its header says */
	NET_DROP_SOURCE,  /* not the port's address */
	NET_DROP_VLAN,    /* a tag on an access port */
	NET_DROP_FLOOD,   /* too many that go to all */
	NET_DROP_MTU,     /* longer than the receiver's */
	NET_DROP_BUFFERS, /* the receiver's are too small, or too many segments for it */
	NET_DROP_LINK,    /* the sender's link is down */
	NET_DROPS
};

struct net_counters {
	uint64_t sent_frames, sent_bytes;         /* by the VM, and not dropped here */
	uint64_t received_frames, received_bytes; /* by the VM's driver */
	uint64_t large;              /* of those that were sent: to be cut into segments */
	uint64_t flooded;            /* of those that were sent */
	uint64_t dropped[NET_DROPS]; /* on the way in; FULL, MTU, BUFFERS: on the way out */
};

/* What a port shall be. */
struct net_setup {
	uint8_t mac[ETH_MAC_SIZE];
	uint8_t network; /* a number below NET_NOWHERE; with the lock of the table */
	bool trunk, spoof;
	uint16_t vlan; /* of an access port; 0: none */
	uint16_t mtu;
	uint8_t queues;  /* 1 to NET_QUEUES */
	uint64_t rate;   /* bits a second that it may send; 0: no limit */
	uint64_t frames; /* frames a second; likewise */
};

/* Which frames the receiver wants. Part of the state of a device: plain data. */
struct net_filter {
	uint8_t promisc, all_multi, all_uni, no_multi, no_uni, no_broadcast;
	uint8_t use_vlans;                      /* of tagged frames: those of `vlans` only */
	uint8_t all_groups;                     /* the driver cannot say which it wants */
	uint8_t unicast_count, multicast_count; /* larger than the tables: all pass */
	uint8_t unicast[NET_UNICAST][ETH_MAC_SIZE];
	uint8_t multicast[NET_MULTICAST][ETH_MAC_SIZE];
	uint8_t reserved[2];
	uint32_t vlans[(VLAN_ID_MASK + 1) / 32];
};

struct net_learned {
	uint64_t seen; /* 0: nothing is here, and no chain leads here */
	uint16_t vlan;
	uint8_t mac[ETH_MAC_SIZE];
	uint32_t next, chain; /* see address.c */
};

struct net_port {
	bool used;
	uint8_t queues;  /* that get frames: from 0 on; with the lock of the port */
	uint8_t filling; /* the one that a frame is put into; likewise */
	uint32_t open;   /* queues whose driver takes frames; atomic */
	bool down;       /* its link: nothing comes or goes; atomic */
	/* The ports of its network, itself among them; words where some may be; all atomic. */
	uint64_t peers[NET_WORDS], peer_words;
	struct net_setup setup;
	/* The port whose address a frame of this one had last: looked at before all others.
	 * With the lock of the table; a hint only: whose address it is is checked. */
	uint32_t last_to;
	struct net_queue queue[NET_QUEUES];
	struct net_filter filter; /* with the lock of the port */
	/* By the hash of a flow: the queue on which the driver sent it last, plus 1; atomic. */
	uint8_t flow[NET_FLOWS];
	/* With the lock of the table: what it has learned, its own address, and, of the chains
	 * of all ports, as many as are one port's share. */
	struct net_learned learned[NET_BUCKETS][NET_WAYS], own;
	uint32_t chain[NET_CHAINS];
	struct budget flood;
	uint64_t paid, frames_paid;   /* when what was sent is paid; for the sender alone */
	struct net_counters counters; /* atomic */
};

struct net_switch {
	uint64_t second;    /* in the unit of net_now */
	uint64_t secret[2]; /* for the hash of addresses; constant once there are ports */
	bool flows;         /* some port has several queues; atomic */
	unsigned ports;     /* that there may be */
	struct net_port *port;
};

/* A frame that is sent. */
struct net_frame {
	struct net_meta meta;
	uint32_t flow; /* by net_admit, as is the next */
	uint16_t from; /* the port that sends it */
	uint32_t size; /* bytes in head */
	uint8_t head[NET_HEAD];
};

/* ---- ports come and go; one call at a time ---- */

/* ring: zeroed, for each queue `size` bytes, a power of two. */
void net_port_create(struct net_switch *s, unsigned port, const struct net_setup *setup,
	void *ring, uint32_t size);

/* Its VM has gone. The ring may have another port later; frames that wait in it are lost. */
void net_port_destroy(struct net_switch *s, unsigned port);

/* The network that it is on, by number. */
uint8_t net_port_network(const struct net_switch *s, unsigned port);

/* ---- for the port's own device, one call at a time ---- */

/*
 * It is on another network, as if it had been created there, but for its filter, limits and
 * counters: frames that wait in its queues are gone, so are the addresses that it has learned.
 * What its device is sending shall not go on: a port that was routed to may be there, too.
 */
void net_port_move(struct net_switch *s, unsigned port, uint8_t network);

/* From now on the queue takes frames; or it does not, and those that wait there are gone. */
void net_port_open(struct net_switch *s, unsigned port, unsigned queue);
void net_port_close(struct net_switch *s, unsigned port, unsigned queue);
/* The queues below `queues`, which is 1 at least, get frames; what waits in others is gone. */
void net_port_use(struct net_switch *s, unsigned port, unsigned queues);
void net_port_filter(struct net_switch *s, unsigned port, const struct net_filter *f);
/* Whether its link is up, as it is at first. What waits for the driver stays there. */
void net_port_link(struct net_switch *s, unsigned port, bool up);
/* A frame was given to the driver. */
void net_received(struct net_switch *s, unsigned port, uint32_t length);
void net_dropped(struct net_switch *s, unsigned port, enum net_drop why);

/* Whether the limits of the port let it send now; it is charged then. */
bool net_may_send(struct net_switch *s, unsigned port, uint32_t length);
/*
 * A frame whose head and meta are as the sender wrote them: takes off its tag. False: it may
 * not be sent, and is counted. stripped: bytes that the head has lost.
 */
bool net_admit(struct net_switch *s, unsigned port, struct net_frame *f, uint32_t *stripped);
/* Into *to the ports that get it, which is counted and learned. queue: on which it was sent. */
void net_route(struct net_switch *s, unsigned port, unsigned queue, const struct net_frame *f,
	struct net_set *to);
/*
 * Room for it in a queue of a port of net_route, whose lock is held then, up to net_finish;
 * NULL: that port does not get it. It is the queue on which the port's driver sent what belongs
 * to the same flow; of what it has sent nothing of, any.
 */
uint8_t *net_begin(struct net_switch *s, unsigned port, const struct net_frame *f);
/* All of it is there; good false: it shall not be. */
void net_finish(struct net_switch *s, unsigned port, const struct net_frame *f, bool good);

#endif
