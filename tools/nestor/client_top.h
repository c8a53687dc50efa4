/* SPDX-License-Identifier: Apache-2.0 */
/* `nestor top`: what the vCPUs of a run do, second by second. */
#ifndef NESTOR_CLIENT_TOP_H
#define NESTOR_CLIENT_TOP_H

#include <stdint.h>

#include "client_link.h"

/*
 * Shows a table each second, @count times; 0: until the run ends. A row for each vCPU: the part
 * of its time that L0, L1 and L2 had, exits of L1 and of L2 in a second, those of L2 that went
 * to L1, and how many exits L0 had for each of those.
 */
int client_top(struct client_link *l, uint64_t count, struct error *e);

#endif
