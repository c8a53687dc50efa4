/* SPDX-License-Identifier: Apache-2.0 */
/* The control queue of the network device. */
#include "net_device.h"

static void modes_and_tables_reach_the_switch(void **state)
{
	static const uint8_t on = 1, off = 0, two = 2;
	static const uint8_t table[] = {1, 0, 0, 0, 0x52, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0x53, 0, 0,
		0, 0, 1, 0x53, 0, 0, 0, 0, 2};
	const struct net_filter *f = &net.port[0].filter;

	(void)state;
	up(CONTROLS);
	assert_int_equal(control(0, 0, &on, 1), VIRTIO_NET_OK);
	assert_int_equal(f->promisc, 1);
	assert_int_equal(control(0, 0, &off, 1), VIRTIO_NET_OK);
	assert_int_equal(control(0, 0, &two, 1), VIRTIO_NET_ERR);
	assert_int_equal(f->promisc, 0);
	for (uint8_t i = 1; i < 6; i++)
		assert_int_equal(control(0, i, &on, 1), VIRTIO_NET_OK);
	assert_true(f->all_multi && f->all_uni && f->no_multi && f->no_uni && f->no_broadcast);
	assert_int_equal(control(0, 6, &on, 1), VIRTIO_NET_ERR);
	assert_int_equal(control(1, 0, table, sizeof(table)), VIRTIO_NET_OK);
	assert_int_equal(f->unicast_count, 1);
	assert_int_equal(f->multicast_count, 2);
	assert_memory_equal(f->multicast[1], table + 20, 6);
	assert_int_equal(control(1, 0, table, sizeof(table) - 1), VIRTIO_NET_ERR);
	assert_int_equal(control(1, 0, "\xff\xff\xff\xff", 4), VIRTIO_NET_ERR);
	assert_int_equal(f->multicast_count, 2);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_int_equal(f->all_multi + f->multicast_count, 0);
}

static void a_table_that_is_too_long_lets_all_pass(void **state)
{
	static uint8_t table[8 + 6 * 40] = {0};

	(void)state;
	up(CONTROLS);
	table[4] = 40;
	assert_int_equal(control(1, 0, table, sizeof(table)), VIRTIO_NET_OK);
	assert_int_equal(net.port[0].filter.multicast_count, NET_MULTICAST + 1);
}

static void the_address_cannot_be_changed(void **state)
{
	(void)state;
	up(CONTROLS);
	assert_int_equal(control(1, 1, "\x52\0\0\0\0\0", 6), VIRTIO_NET_OK);
	assert_int_equal(control(1, 1, "\x52\0\0\0\0\1", 6), VIRTIO_NET_ERR);
}

static void a_trunk_gets_the_vlans_that_it_asks_for(void **state)
{
	(void)state;
	create((struct net_setup){.mtu = 1500, .trunk = true});
	net_add(4, (struct net_setup){.network = 1, .vlan = 5});
	up(CONTROLS);
	post(0, 2000);
	net_fill(bytes, 100, 0, 4, ETH_TYPE_IPV4);
	assert_int_equal(net_send(4, bytes, 100, NULL), 0);
	assert_int_equal(control(2, 0, "\5\0", 2), VIRTIO_NET_OK);
	assert_int_equal(net_send(4, bytes, 100, NULL), 1);
	assert_int_equal(control(2, 1, "\5\0", 2), VIRTIO_NET_OK);
	assert_int_equal(net_send(4, bytes, 100, NULL), 0);
	assert_int_equal(control(2, 0, "\xff\x0f", 2), VIRTIO_NET_ERR);
}

static void offloads_can_be_turned_off_and_on(void **state)
{
	uint64_t none = 0, some = VIRTIO_NET_F_GUEST_CSUM, more = VIRTIO_NET_F_GUEST_ECN;
	uint32_t written;
	uint16_t id;

	(void)state;
	up(CONTROLS | GUEST);
	post(0, 3000);
	assert_int_equal(control(5, 0, &more, 8), VIRTIO_NET_ERR);
	assert_int_equal(control(5, 0, &none, 8), VIRTIO_NET_OK);
	send_tcp_to_us(999, 0);
	arrive();
	assert_true(used(RX, &id, &written));
	assert_int_equal(header(0).flags, 0);
	assert_int_equal(control(5, 0, &some, 8), VIRTIO_NET_OK);
	post(1, 3000);
	send_tcp_to_us(999, 0);
	arrive();
	assert_true(used(RX, &id, &written));
	assert_int_equal(header(1).flags, VIRTIO_NET_NEEDS_CSUM);
}

/* Whether a frame for 33:33:00:00:00:01 comes. */
static bool gets_a_group(void)
{
	uint32_t written;
	uint16_t id;

	post(0, 2000);
	net_fill(bytes, 100, 1, 1, ETH_TYPE_IPV6);
	bytes[0] = bytes[1] = 0x33;
	net_send(1, bytes, 100, NULL);
	arrive();
	return used(RX, &id, &written);
}

static void who_cannot_filter_gets_all_groups(void **state)
{
	(void)state;
	up(PLAIN);
	assert_true(gets_a_group());
	up(CONTROLS);
	assert_false(gets_a_group());
	up(CONTROLS & ~VIRTIO_NET_F_CTRL_RX);
	assert_true(gets_a_group());
}

static void commands_without_their_feature_fail(void **state)
{
	static const uint8_t zero[32] = {0};

	(void)state;
	up(PLAIN | VIRTIO_NET_F_CTRL_VQ);
	for (uint8_t class = 0; class < 8; class ++)
		for (uint8_t command = 0; command < 8; command++)
			assert_int_equal(control(class, command, zero, 32), VIRTIO_NET_ERR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(modes_and_tables_reach_the_switch, setup),
		cmocka_unit_test_setup(a_table_that_is_too_long_lets_all_pass, setup),
		cmocka_unit_test_setup(the_address_cannot_be_changed, setup),
		cmocka_unit_test(a_trunk_gets_the_vlans_that_it_asks_for),
		cmocka_unit_test_setup(offloads_can_be_turned_off_and_on, setup),
		cmocka_unit_test_setup(who_cannot_filter_gets_all_groups, setup),
		cmocka_unit_test_setup(commands_without_their_feature_fail, setup),
	};

	return cmocka_run_group_tests_name("virtio_net_ctrl", tests, NULL, NULL);
}
