/* SPDX-License-Identifier: Apache-2.0 */
#include "net/offload.h"

#include "spec/net.h"
#include "spec/virtio_net.h"

_Static_assert(NET_HEADERS_MAX == ETH_HEADER + 60 + 60, "the longest headers");

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void add32(uint8_t *p, uint32_t v)
{
	uint32_t sum = ((uint32_t)get16(p) << 16 | get16(p + 2)) + v;

	put16(p, sum >> 16);
	put16(p + 2, sum);
}

/* ---- headers ---- */

static uint8_t gso_kind(const struct net_meta *m)
{
	return m->gso & (uint8_t)~VIRTIO_NET_GSO_ECN;
}

/* Where TCP begins; 0: it does not. Of `head` there are `size` bytes. */
static uint32_t tcp_of_ipv4(const uint8_t *head, uint32_t size)
{
	const uint8_t *ip = head + ETH_HEADER;
	uint32_t words = size >= ETH_HEADER + IPV4_HEADER_MIN ? ip[0] & 15 : 0;

	if (words < IPV4_HEADER_MIN / 4 || ip[0] >> 4 != 4 ||
		get16(head + ETH_TYPE) != ETH_TYPE_IPV4 ||
		get16(ip + IPV4_FRAGMENT) & IPV4_MORE || ip[IPV4_PROTOCOL] != IP_PROTOCOL_TCP)
		return 0;
	return ETH_HEADER + 4 * words;
}

static uint32_t tcp_of_ipv6(const uint8_t *head, uint32_t size)
{
	const uint8_t *ip = head + ETH_HEADER;

	if (size < ETH_HEADER + IPV6_HEADER || ip[0] >> 4 != 6 ||
		get16(head + ETH_TYPE) != ETH_TYPE_IPV6 || ip[IPV6_NEXT] != IP_PROTOCOL_TCP)
		return 0;
	return ETH_HEADER + IPV6_HEADER;
}

/* Where the payload of TCP begins; 0: no such headers. */
static uint32_t end_of_tcp(const uint8_t *head, uint32_t size, uint32_t tcp)
{
	uint32_t words =
		tcp != 0 && size >= tcp + TCP_HEADER_MIN ? head[tcp + TCP_OFFSET] >> 4 : 0;

	if (words < TCP_HEADER_MIN / 4 || size < tcp + 4 * words)
		return 0;
	return tcp + 4 * words;
}

static bool gso_valid(struct net_meta *m, const uint8_t *head, uint32_t size)
{
	uint32_t tcp = 0, end;

	if (gso_kind(m) == VIRTIO_NET_GSO_TCPV4)
		tcp = tcp_of_ipv4(head, size);
	else if (gso_kind(m) == VIRTIO_NET_GSO_TCPV6)
		tcp = tcp_of_ipv6(head, size);
	end = end_of_tcp(head, size, tcp);
	if (end == 0 || end >= m->length || m->gso_size == 0)
		return false;
	m->headers = (uint16_t)end;
	return m->flags & VIRTIO_NET_NEEDS_CSUM && m->csum_start == tcp &&
	       m->csum_offset == TCP_CHECKSUM;
}

bool net_offload_valid(struct net_meta *m, const uint8_t *head, uint32_t size)
{
	m->headers = 0;
	m->flags &= VIRTIO_NET_NEEDS_CSUM;
	if (!m->flags)
		m->csum_start = m->csum_offset = 0;
	else if (m->csum_start < ETH_HEADER ||
		 (uint32_t)m->csum_start + m->csum_offset + 2 > m->length)
		return false;
	if (m->gso != VIRTIO_NET_GSO_NONE)
		return gso_valid(m, head, size);
	m->gso_size = 0;
	return true;
}

/* ---- checksums: RFC 1071, in the order of bytes that the frame has ---- */

static uint64_t add_bytes(uint64_t sum, const uint8_t *p, uint32_t size)
{
	uint32_t word;

	for (; size >= sizeof(word); p += sizeof(word), size -= (uint32_t)sizeof(word)) {
		__builtin_memcpy(&word, p, sizeof(word));
		sum += word;
	}
	word = 0;
	__builtin_memcpy(&word, p, size);
	return sum + word;
}

/* Never 0, which some protocols take for none at all. */
static void store_sum(uint8_t *at, uint64_t sum)
{
	uint16_t folded;

	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	folded = (uint16_t)~sum;
	folded = folded != 0 ? folded : 0xffff;
	__builtin_memcpy(at, &folded, sizeof(folded));
}

/* The sender has put the sum of what is not in the frame into the field. */
void net_checksum(struct net_meta *m, uint8_t *frame)
{
	uint8_t *from = frame + m->csum_start;

	store_sum(from + m->csum_offset, add_bytes(0, from, m->length - m->csum_start));
	m->flags = 0;
	m->csum_start = m->csum_offset = 0;
}

/* ---- segments ---- */

uint32_t net_segments(const struct net_meta *m)
{
	return (m->length - m->headers + m->gso_size - 1) / m->gso_size;
}

static void fix_ipv4(struct net_segment *s, uint32_t index)
{
	uint8_t *ip = s->head + ETH_HEADER;

	put16(ip + IPV4_LENGTH, s->length - ETH_HEADER);
	put16(ip + IPV4_ID, get16(ip + IPV4_ID) + index);
	put16(ip + IPV4_CHECKSUM, 0);
	store_sum(ip + IPV4_CHECKSUM, add_bytes(0, ip, 4u * (ip[0] & 15)));
}

static void fix_ipv6(struct net_segment *s)
{
	put16(s->head + ETH_HEADER + IPV6_LENGTH, s->length - ETH_HEADER - IPV6_HEADER);
}

/* The sum of both addresses, protocol and length: the pseudo-header. */
static uint64_t pseudo(const struct net_segment *s, uint32_t tcp, bool v6)
{
	const uint8_t *ip = s->head + ETH_HEADER;
	uint8_t rest[4] = {0, IP_PROTOCOL_TCP};

	put16(rest + 2, s->length - tcp);
	if (v6)
		return add_bytes(add_bytes(0, ip + IPV6_ADDRESSES, 32), rest, sizeof(rest));
	return add_bytes(add_bytes(0, ip + IPV4_ADDRESSES, 8), rest, sizeof(rest));
}

static void fix_tcp(
	const struct net_meta *m, struct net_segment *s, uint32_t index, uint32_t count)
{
	uint32_t tcp = m->csum_start;
	uint8_t *header = s->head + tcp;
	uint64_t sum;

	add32(header + TCP_SEQUENCE, index * m->gso_size);
	if (index + 1 < count)
		header[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (index > 0) /* a congestion window is reduced once */
		header[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	put16(header + TCP_CHECKSUM, 0);
	sum = pseudo(s, tcp, gso_kind(m) == VIRTIO_NET_GSO_TCPV6);
	sum = add_bytes(sum, header, s->headers - tcp);
	store_sum(header + TCP_CHECKSUM, add_bytes(sum, s->body, s->length - s->headers));
}

void net_segment(
	const struct net_meta *m, const uint8_t *frame, uint32_t index, struct net_segment *s)
{
	uint32_t from = m->headers + index * m->gso_size, size = m->length - from;

	size = size < m->gso_size ? size : m->gso_size;
	s->headers = m->headers;
	s->length = m->headers + size;
	s->body = frame + from;
	__builtin_memcpy(s->head, frame, m->headers);
	if (gso_kind(m) == VIRTIO_NET_GSO_TCPV6)
		fix_ipv6(s);
	else
		fix_ipv4(s, index);
	fix_tcp(m, s, index, net_segments(m));
}
