/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the switch needs from outside: provided by vm/ in L0, by fakes in tests.
 */
#ifndef NESTOR_NET_SEAM_H
#define NESTOR_NET_SEAM_H

#include <stdint.h>

/*
 * One lock for each port, and one (number NET_PORTS) for what the ports have learned. Nobody
 * takes one while holding another.
 */
void net_lock(unsigned number);
void net_unlock(unsigned number);

/* Now, in the unit of struct net_switch. */
uint64_t net_now(void);

/* A queue of a port has a frame: its VM shall look soon. With no lock of the switch held. */
void net_arrived(unsigned port, unsigned queue);

#endif
