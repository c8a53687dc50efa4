/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: Ethernet (IEEE 802.3) with VLAN tags (IEEE 802.1Q), IPv4 (RFC 791), IPv6 (RFC 8200)
 * and TCP (RFC 9293), as far as a switch looks at them. Offsets are bytes; numbers are in
 * network order, the most significant byte first.
 */
#ifndef NESTOR_SPEC_NET_H
#define NESTOR_SPEC_NET_H

#include "lib/bits.h"

#define ETH_MAC_SIZE      6u
#define ETH_HEADER        14u /* destination, source, type */
#define ETH_SOURCE        6u
#define ETH_TYPE          12u
#define ETH_TAG_SIZE      4u
#define ETH_MULTICAST     BIT(0) /* of the first byte of an address */
#define ETH_LOCAL         BIT(1) /* the same: nobody's by birth */
#define ETH_TYPE_IPV4     0x0800u
#define ETH_TYPE_VLAN     0x8100u
#define ETH_TYPE_QINQ     0x88a8u /* IEEE 802.1ad: an outer tag */
#define ETH_TYPE_QINQ_OLD 0x9100u
#define ETH_TYPE_IPV6     0x86ddu
#define ETH_MTU_DEFAULT   1500u
#define ETH_MTU_MIN       68u

#define VLAN_ID_MASK 0xfffu
#define VLAN_ID_MAX  4094u

#define IPV4_HEADER_MIN 20u
#define IPV4_LENGTH     2u
#define IPV4_ID         4u
#define IPV4_FRAGMENT   6u /* flags and offset */
#define IPV4_PROTOCOL   9u
#define IPV4_CHECKSUM   10u
#define IPV4_ADDRESSES  12u     /* source, destination */
#define IPV4_MORE       0x3fffu /* more fragments, or not the first */

#define IPV6_HEADER    40u
#define IPV6_LENGTH    4u
#define IPV6_NEXT      6u
#define IPV6_ADDRESSES 8u

#define IP_PROTOCOL_TCP 6u
#define IP_PROTOCOL_UDP 17u
#define IP_PORTS_SIZE   4u /* of TCP and UDP: source, destination, where they begin */

#define TCP_HEADER_MIN 20u
#define TCP_SEQUENCE   4u
#define TCP_OFFSET     12u /* in 32-bit words, upper half of the byte */
#define TCP_FLAGS      13u
#define TCP_CHECKSUM   16u
#define TCP_FIN        BIT(0)
#define TCP_PSH        BIT(3)
#define TCP_CWR        BIT(7)

#endif
