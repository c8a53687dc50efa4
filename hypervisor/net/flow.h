/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which frames belong together: those between two ends, in both directions.
 */
#ifndef NESTOR_NET_FLOW_H
#define NESTOR_NET_FLOW_H

#include <stdint.h>

/*
 * A number of the flow that a frame belongs to, by its first `size` bytes, which have no tag:
 * addresses and, of TCP and UDP that are not fragmented, ports; of what is not IP the stations.
 * The same for both directions. Others may have the same one. size: ETH_HEADER at least.
 */
uint32_t net_flow(const uint8_t *head, uint32_t size);

#endif
