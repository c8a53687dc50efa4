/* SPDX-License-Identifier: Apache-2.0 */
#include "net/flow.h"

#include <stdbool.h>
#include <stddef.h>

#include "spec/net.h"

/* An odd number whose bits look random: a product has all bits of what came before on top. */
#define FACTOR UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * FACTOR;
	return hash ^ hash >> 32;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

/* An end: its address, a multiple of four bytes, and its port or 0. */
static uint64_t end(const uint8_t *address, unsigned size, uint32_t port)
{
	uint64_t hash = port;

	for (unsigned i = 0; i < size; i += 4)
		hash = mix(hash, get32(address + i));
	return hash;
}

/* The sum of both ends does not tell which is which. */
static uint32_t of_ends(const uint8_t *addresses, unsigned size, const uint8_t *ports)
{
	uint32_t from = ports != NULL ? get16(ports) : 0,
		 to = ports != NULL ? get16(ports + 2) : 0;
	uint64_t sum = end(addresses, size, from) + end(addresses + size, size, to);

	return (uint32_t)(mix(sum, size) >> 32);
}

/* Where the ports are; NULL: there are none. */
static const uint8_t *ports_of(
	const uint8_t *head, uint32_t size, uint32_t at, uint8_t protocol)
{
	bool has = protocol == IP_PROTOCOL_TCP || protocol == IP_PROTOCOL_UDP;

	return has && size >= at + IP_PORTS_SIZE ? head + at : NULL;
}

static uint32_t of_ipv4(const uint8_t *head, uint32_t size)
{
	const uint8_t *ip = head + ETH_HEADER;
	uint32_t after = ETH_HEADER + 4u * (ip[0] & 15);
	bool whole = !(get16(ip + IPV4_FRAGMENT) & IPV4_MORE);

	return of_ends(ip + IPV4_ADDRESSES, 4,
		whole ? ports_of(head, size, after, ip[IPV4_PROTOCOL]) : NULL);
}

static uint32_t of_ipv6(const uint8_t *head, uint32_t size)
{
	const uint8_t *ip = head + ETH_HEADER;

	return of_ends(ip + IPV6_ADDRESSES, 16,
		ports_of(head, size, ETH_HEADER + IPV6_HEADER, ip[IPV6_NEXT]));
}

static uint64_t station(const uint8_t *mac)
{
	return mix(get32(mac), get16(mac + 4));
}

uint32_t net_flow(const uint8_t *head, uint32_t size)
{
	uint32_t type = get16(head + ETH_TYPE);

	if (type == ETH_TYPE_IPV4 && size >= ETH_HEADER + IPV4_HEADER_MIN)
		return of_ipv4(head, size);
	if (type == ETH_TYPE_IPV6 && size >= ETH_HEADER + IPV6_HEADER)
		return of_ipv6(head, size);
	return (uint32_t)(mix(station(head) + station(head + ETH_SOURCE), type) >> 32);
}
