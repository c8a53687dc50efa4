/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network `user`: who is on it is on the network of the machine's card, behind which the
 * emulator does NAT, DHCP and DNS. A service VM, which is added here, owns the card and is a
 * bridge between both.
 */
#ifndef NESTOR_USER_NET_H
#define NESTOR_USER_NET_H

#include "arena.h"
#include "scenario.h"
#include "status.h"

/*
 * Adds the service VM and the machine's card, if a VM has a device on the network; the scenario
 * is complete but for that, and is to be finished again.
 */
int user_net_add(struct scenario_spec *s, struct arena *a, struct error *e);

/* Is there such a device? */
bool user_net_is_used(const struct scenario_spec *s);

#endif
