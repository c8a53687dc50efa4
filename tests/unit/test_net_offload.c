/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and segments, against sums that are made here byte by byte. */
#include "net_world.h"

#define V4_TCP (ETH_HEADER + 24) /* with four bytes of options */
#define V6_TCP (ETH_HEADER + IPV6_HEADER)

static uint8_t bytes[NET_FRAME_MAX];
static struct net_meta m;

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The sum of RFC 1071, in the plain way. */
static unsigned sum(const uint8_t *p, uint32_t size, unsigned start)
{
	unsigned s = start;

	for (uint32_t i = 0; i < size; i++)
		s += i % 2 == 0 ? (unsigned)p[i] << 8 : p[i];
	while (s > 0xffff)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static unsigned pseudo(const uint8_t *frame, bool v6, unsigned tcp_length)
{
	const uint8_t *ip = frame + ETH_HEADER;

	return sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, IP_PROTOCOL_TCP + tcp_length);
}

/* A TCP frame of so much payload, as a driver leaves it to the device. */
static void tcp_frame(bool v6, uint32_t payload, uint16_t mss)
{
	uint32_t tcp = v6 ? V6_TCP : V4_TCP, length = tcp + 24 + payload;
	uint8_t *ip = bytes + ETH_HEADER;

	net_fill(bytes, length, 1, 0, v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
	ip[0] = v6 ? 0x60 : 0x46;
	put16(ip + IPV4_FRAGMENT, 0x4000);
	ip[v6 ? IPV6_NEXT : IPV4_PROTOCOL] = IP_PROTOCOL_TCP;
	put16(ip + IPV4_ID, v6 ? 0 : 0xffff);
	if (v6)
		ip[IPV6_NEXT] = IP_PROTOCOL_TCP;
	put16(bytes + tcp + TCP_SEQUENCE, 0xffff);
	put16(bytes + tcp + TCP_SEQUENCE + 2, 0xff00);
	bytes[tcp + TCP_OFFSET] = 0x60;
	bytes[tcp + TCP_FLAGS] = TCP_FIN | TCP_PSH | TCP_CWR | 0x10;
	put16(bytes + tcp + TCP_CHECKSUM, pseudo(bytes, v6, length - tcp));
	m = (struct net_meta){
		.length = length,
		.flags = VIRTIO_NET_NEEDS_CSUM,
		.gso = mss ? v6 ? VIRTIO_NET_GSO_TCPV6 : VIRTIO_NET_GSO_TCPV4 : 0,
		.gso_size = mss,
		.csum_start = (uint16_t)tcp,
		.csum_offset = TCP_CHECKSUM,
	};
}

static bool valid(void)
{
	return net_offload_valid(&m, bytes, m.length < NET_HEAD ? m.length : NET_HEAD);
}

static void a_checksum_is_filled_in(void **state)
{
	static const uint32_t payloads[] = {0, 1, 2, 3, 1000, 1447};

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		bool v6 = i & 1;
		uint32_t tcp = v6 ? V6_TCP : V4_TCP;

		tcp_frame(v6, payloads[i / 2], 0);
		assert_true(valid());
		net_checksum(&m, bytes);
		assert_int_equal(m.flags, 0);
		assert_int_equal(
			sum(bytes + tcp, m.length - tcp, pseudo(bytes, v6, m.length - tcp)),
			0xffff);
	}
}

static void a_sum_of_zero_is_written_as_ones(void **state)
{
	(void)state;
	memset(bytes, 0, 64);
	bytes[40] = bytes[41] = 0xff;
	m = (struct net_meta){.length = 42, .flags = 1, .csum_start = 34, .csum_offset = 4};
	assert_true(valid());
	net_checksum(&m, bytes);
	assert_int_equal(get16(bytes + 38), 0xffff);
}

static void check_segment(bool v6, uint32_t payload, uint16_t mss, uint32_t i, uint32_t count)
{
	static uint8_t whole[2048];
	uint32_t tcp = v6 ? V6_TCP : V4_TCP, headers = tcp + 24;
	uint32_t want = i + 1 < count ? mss : payload - i * mss;
	uint8_t *ip = whole + ETH_HEADER, flags = 0x10;
	struct net_segment s;

	net_segment(&m, bytes, i, &s);
	assert_int_equal(s.headers, headers);
	assert_int_equal(s.length, headers + want);
	memcpy(whole, s.head, headers);
	memcpy(whole + headers, s.body, want);
	assert_memory_equal(whole + headers, bytes + headers + i * mss, want);
	assert_memory_equal(whole, bytes, ETH_HEADER);
	if (v6)
		assert_int_equal(get16(ip + IPV6_LENGTH), 24 + want);
	else {
		assert_int_equal(get16(ip + IPV4_LENGTH), 48 + want);
		assert_int_equal(get16(ip + IPV4_ID), (0xffff + i) & 0xffff);
		assert_int_equal(sum(ip, 24, 0), 0xffff);
	}
	assert_int_equal((get16(whole + tcp + 4) << 16 | get16(whole + tcp + 6)) & 0xffffffff,
		(0xffffff00u + i * mss) & 0xffffffff);
	flags |= i == 0 ? TCP_CWR : 0;
	flags |= i + 1 == count ? TCP_FIN | TCP_PSH : 0;
	assert_int_equal(whole[tcp + TCP_FLAGS], flags);
	assert_int_equal(
		sum(whole + tcp, s.length - tcp, pseudo(whole, v6, s.length - tcp)), 0xffff);
}

static void a_large_frame_is_cut_into_segments(void **state)
{
	static const struct {
		uint32_t payload;
		uint16_t mss;
		uint32_t segments;
	} cases[] = {{65000, 1448, 45}, {2896, 1448, 2}, {2897, 1448, 3}, {1448, 1448, 1},
		{1, 1448, 1}, {501, 100, 6}, {1007, 7, 144}};

	(void)state;
	for (size_t c = 0; c < 2 * sizeof(cases) / sizeof(cases[0]); c++) {
		bool v6 = c & 1;

		tcp_frame(v6, cases[c / 2].payload, cases[c / 2].mss);
		assert_true(valid());
		assert_int_equal(net_segments(&m), cases[c / 2].segments);
		for (uint32_t i = 0; i < net_segments(&m); i++)
			check_segment(v6, cases[c / 2].payload, cases[c / 2].mss, i,
				net_segments(&m));
	}
}

#define REFUSED(v6, ...)                   \
	do {                               \
		tcp_frame(v6, 3000, 1448); \
		__VA_ARGS__;               \
		assert_false(valid());     \
	} while (0)

static void headers_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint32_t tcp = v6 ? V6_TCP : V4_TCP;

		REFUSED(v6, m.gso_size = 0);
		REFUSED(v6, m.flags = 0);
		REFUSED(v6, m.csum_start++);
		REFUSED(v6, m.csum_offset = 6);
		REFUSED(v6, m.gso = 3);
		REFUSED(v6, m.gso = VIRTIO_NET_GSO_ECN);
		REFUSED(v6, m.gso = v6 ? VIRTIO_NET_GSO_TCPV4 : VIRTIO_NET_GSO_TCPV6);
		REFUSED(v6, bytes[ETH_TYPE] = 9);
		REFUSED(v6, bytes[ETH_HEADER] = 0x26);
		REFUSED(v6, bytes[ETH_HEADER + (v6 ? IPV6_NEXT : IPV4_PROTOCOL)] = 17);
		REFUSED(v6, bytes[tcp + TCP_OFFSET] = 0x40);
		REFUSED(v6, m.length = tcp + 24);
		REFUSED(v6, m.length = tcp + 19);
		REFUSED(v6, m.length = 20);
		REFUSED(v6, m.csum_start = 65535);
		REFUSED(v6, m.csum_offset = 65535);
	}
	REFUSED(false, bytes[ETH_HEADER] = 0x44);
	REFUSED(false, put16(bytes + ETH_HEADER + IPV4_FRAGMENT, 0x2000));
	REFUSED(false, put16(bytes + ETH_HEADER + IPV4_FRAGMENT, 1));
	tcp_frame(false, 3000, 1448);
	assert_true(valid());
	assert_int_equal(m.headers, V4_TCP + 24);
	m.gso |= VIRTIO_NET_GSO_ECN;
	assert_true(valid());
}

static void a_checksum_lies_inside_the_frame(void **state)
{
	(void)state;
	m = (struct net_meta){.length = 60, .flags = 1, .csum_start = 34, .csum_offset = 24};
	assert_true(valid());
	m.csum_offset = 25;
	assert_false(valid());
	m = (struct net_meta){.length = 60, .flags = 1, .csum_start = 13};
	assert_false(valid());
	m = (struct net_meta){.length = 60, .flags = 2, .csum_start = 99, .gso_size = 7};
	assert_true(valid()); /* nothing of it applies */
	assert_int_equal(m.flags + m.csum_start + m.gso_size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checksum_is_filled_in),
		cmocka_unit_test(a_sum_of_zero_is_written_as_ones),
		cmocka_unit_test(a_large_frame_is_cut_into_segments),
		cmocka_unit_test(headers_that_do_not_fit_are_refused),
		cmocka_unit_test(a_checksum_lies_inside_the_frame),
	};

	return cmocka_run_group_tests_name("net_offload", tests, NULL, NULL);
}
