/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the switch. */
#ifndef NESTOR_NET_INT_H
#define NESTOR_NET_INT_H

#include "net/switch.h"

/* Takes the first port out of a set that has one. */
static inline unsigned net_take_first(uint64_t *set)
{
	unsigned i = (unsigned)__builtin_ctzll(*set);

	*set &= *set - 1;
	return i;
}

/* The ports of its network, as of now. */
static inline uint64_t net_peers(const struct net_port *p)
{
	return __atomic_load_n(&p->peers, __ATOMIC_ACQUIRE);
}

/* Queues whose driver takes frames. */
static inline uint32_t net_open_queues(const struct net_port *p)
{
	return __atomic_load_n(&p->open, __ATOMIC_RELAXED);
}

static inline bool net_is_down(const struct net_port *p)
{
	return __atomic_load_n(&p->down, __ATOMIC_RELAXED);
}

#endif
