/* SPDX-License-Identifier: Apache-2.0 */
/* The network device with several pairs of queues. */
#define PAIRS 4u
#define CTRL  (2 * PAIRS)
#include "net_device.h"

#define MQ (CONTROLS | VIRTIO_NET_F_MQ)

static int setup_mq(void **state)
{
	(void)state;
	return create((struct net_setup){.mtu = 1500, .queues = PAIRS});
}

static void up_mq(void)
{
	world_up(MQ, CTRL + 1, SIZE);
	work();
}

static uint8_t use(uint16_t pairs)
{
	return control(4, 0, &pairs, sizeof(pairs));
}

/* A datagram between port 0 and port 1, in either direction; `flow` tells it from others. */
static uint32_t datagram(uint8_t to, uint8_t from, uint8_t flow)
{
	uint32_t length = net_fill(bytes, 100, to, from, ETH_TYPE_IPV4);

	memset(bytes + ETH_HEADER, 0, 28);
	bytes[ETH_HEADER] = 0x45;
	bytes[ETH_HEADER + IPV4_PROTOCOL] = IP_PROTOCOL_UDP;
	bytes[ETH_HEADER + IPV4_ADDRESSES + 3] = from;
	bytes[ETH_HEADER + IPV4_ADDRESSES + 7] = to;
	bytes[ETH_HEADER + (from != 0 ? 20 : 22)] = flow;
	return length;
}

static void come(uint8_t flow)
{
	assert_int_equal(net_send(1, bytes, datagram(0, 1, flow), NULL), 1);
	arrive();
}

static bool has_come(unsigned pair)
{
	uint32_t written;
	uint16_t id;

	return used(2 * pair, &id, &written);
}

static void pairs_are_offered_where_there_are_several(void **state)
{
	(void)state;
	world_find();
	assert_true(world_offered() & VIRTIO_NET_F_MQ);
	assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), CTRL + 1);
	assert_int_equal(get(at.config + VIRTIO_NET_CONFIG_PAIRS, 2), PAIRS);
	create((struct net_setup){.mtu = 1500});
	world_find();
	assert_false(world_offered() & VIRTIO_NET_F_MQ);
	assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), 3);
	assert_int_equal(get(at.config + VIRTIO_NET_CONFIG_PAIRS, 2), 1);
}

static void a_driver_that_knows_one_pair_has_its_control_queue_behind_it(void **state)
{
	static const uint8_t on = 1;
	const struct world_buffer b[] = {
		{BUFFERS, 2, false}, {BUFFERS + 16, 1, false}, {BUFFERS + 8, 1, true}};
	uint32_t written;
	uint16_t id;

	(void)state;
	world_up(CONTROLS, 3, SIZE);
	work();
	*ram(BUFFERS) = *ram(BUFFERS + 1) = 0;
	*ram(BUFFERS + 16) = on;
	*ram(BUFFERS + 8) = 0x55;
	give(2, b, 3);
	notify(2);
	work();
	assert_true(used(2, &id, &written));
	assert_int_equal(*ram(BUFFERS + 8), VIRTIO_NET_OK);
	assert_int_equal(net.port[0].filter.promisc, 1);
}

static void a_queue_that_only_more_pairs_have_cannot_be_used(void **state)
{
	const struct world_buffer b = {BUFFERS, 100, true};

	(void)state;
	world_up(CONTROLS, 5, SIZE);
	work();
	give(4, &b, 1);
	notify(4);
	work();
	assert_true(needs_reset());
}

static void the_first_pair_alone_gets_frames_until_more_are_asked_for(void **state)
{
	(void)state;
	up_mq();
	for (unsigned i = 0; i < PAIRS; i++)
		post_on(2 * i, i, 2000);
	datagram(1, 0, 7);
	transmit_on(2 * 2 + 1, NULL, 100);
	come(7);
	assert_true(has_come(0));
	assert_int_equal(use(PAIRS), VIRTIO_NET_OK);
	come(7);
	assert_true(has_come(2));
}

static void a_flow_comes_back_on_the_pair_that_sent_it(void **state)
{
	(void)state;
	up_mq();
	assert_int_equal(use(PAIRS), VIRTIO_NET_OK);
	assert_int_equal(interrupt(), QUEUE_VECTOR(CTRL));
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < PAIRS; i++) {
			uint8_t flow = (uint8_t)(10 * round + i);

			post_on(2 * i, i, 2000);
			datagram(1, 0, flow);
			transmit_on(2 * i + 1, NULL, 100);
			come(flow);
			assert_true(has_come(i));
			assert_int_equal(interrupt(), QUEUE_VECTOR(2 * i + 1));
			assert_int_equal(interrupt(), QUEUE_VECTOR(2 * i));
			assert_memory_equal(ram(buffer_at(i) + HDR), bytes, 100);
		}
}

static void only_counts_that_can_be_are_taken(void **state)
{
	(void)state;
	up_mq();
	assert_int_equal(use(0), VIRTIO_NET_ERR);
	assert_int_equal(use(PAIRS + 1), VIRTIO_NET_ERR);
	assert_int_equal(use(0x8001), VIRTIO_NET_ERR);
	assert_int_equal(control(4, 0, "\2", 1), VIRTIO_NET_ERR);
	assert_int_equal(control(4, 1, "\2\0", 2), VIRTIO_NET_ERR);
	assert_int_equal(device.s.pairs, 1);
	assert_int_equal(use(2), VIRTIO_NET_OK);
	assert_int_equal(net.port[0].queues, 2);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_int_equal(net.port[0].queues, 1);
}

static void a_pair_without_buffers_holds_no_other_up(void **state)
{
	(void)state;
	up_mq();
	assert_int_equal(use(2), VIRTIO_NET_OK);
	post_on(0, 0, 2000);
	post_on(2, 1, 2000);
	for (uint8_t i = 0; i < 2; i++) {
		datagram(1, 0, i);
		transmit_on(2u * i + 1, NULL, 100);
	}
	come(0);
	come(0); /* waits */
	assert_true(has_come(0));
	come(1);
	assert_true(has_come(1));
	assert_false(has_come(0));
	post_on(0, 0, 2000);
	assert_true(has_come(0));
}

/* A frame for two ports is under way in pieces when another queue is reset. */
static void the_reset_of_a_queue_leaves_the_frame_of_another_alone(void **state)
{
	const struct world_buffer b = {buffer_at(10), HDR + 60000, false};
	struct virtio_net_hdr h = tcp(60000 - 54, 1400, 0, 0xff);
	uint8_t *frame;

	(void)state;
	world_up(MQ | HOST | VIRTIO_F_RING_RESET, CTRL + 1, SIZE);
	work();
	memset(bytes, 0xff, ETH_MAC_SIZE);
	memcpy(ram(b.gpa), &h, HDR);
	memcpy(ram(b.gpa + HDR), bytes, 60000);
	give(1, &b, 1);
	notify(1);
	assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 3);
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	work();
	for (unsigned port = 1; port < 4; port++) {
		assert_non_null(net_queue_first(&net.port[port].queue[0], &frame));
		assert_memory_equal(frame, bytes, 60000);
		net_queue_drop(&net.port[port].queue[0]);
		assert_null(net_queue_first(&net.port[port].queue[0], &frame));
	}
}

static void the_number_of_pairs_travels(void **state)
{
	struct virtio_net_state s;
	struct virtio_state v;

	(void)state;
	up_mq();
	assert_int_equal(use(3), VIRTIO_NET_OK);
	dev_lock(&machine);
	virtio_get_state(&device.v, &v);
	virtio_net_get_state(&device, &s);
	dev_unlock(&machine);
	assert_int_equal(s.pairs, 3);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	dev_lock(&machine);
	assert_true(virtio_set_state(&device.v, &v));
	assert_int_equal(net.port[0].queues, 1);
	s.pairs = PAIRS + 1;
	assert_false(virtio_net_set_state(&device, &s));
	s.pairs = 0;
	assert_false(virtio_net_set_state(&device, &s));
	s.pairs = 3;
	assert_true(virtio_net_set_state(&device, &s));
	assert_int_equal(net.port[0].queues, 3);
	v.features &= ~(uint64_t)VIRTIO_NET_F_MQ;
	assert_true(virtio_set_state(&device.v, &v));
	assert_false(virtio_net_set_state(&device, &s));
	dev_unlock(&machine);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup_mq)
	const struct CMUnitTest tests[] = {
		T(pairs_are_offered_where_there_are_several),
		T(a_driver_that_knows_one_pair_has_its_control_queue_behind_it),
		T(a_queue_that_only_more_pairs_have_cannot_be_used),
		T(the_first_pair_alone_gets_frames_until_more_are_asked_for),
		T(a_flow_comes_back_on_the_pair_that_sent_it),
		T(only_counts_that_can_be_are_taken),
		T(a_pair_without_buffers_holds_no_other_up),
		T(the_reset_of_a_queue_leaves_the_frame_of_another_alone),
		T(the_number_of_pairs_travels),
	};

	return cmocka_run_group_tests_name("virtio_net_mq", tests, NULL, NULL);
}
