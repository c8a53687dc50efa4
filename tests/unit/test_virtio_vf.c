/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions of a network device: each a device with a port of its own. */
#include "net_world.h"
#include "virtio/net.h"
#include "virtio_world.h"

#define VFS      2u
#define RX       0u
#define TX       1u
#define SIZE     16u
#define HDR      12u
#define LENGTH   100u
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC)
#define ECAM(f)  (DEV_ECAM_BASE + ((uint64_t)PCI_BDF(1, 0, f) << 12))
#define SRIOV    (ECAM(0) + PCIE_EXTENDED)
#define ON       (PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY)

static struct virtio_net device, vf[VFS];
static uint8_t bytes[LENGTH];

static void turn_on(unsigned count)
{
	put(SRIOV + PCIE_SRIOV_CONTROL, 2, 0);
	put(SRIOV + PCIE_SRIOV_COUNT, 2, count);
	put(SRIOV + PCIE_SRIOV_CONTROL, 2, ON);
	for (unsigned i = 0; i < count; i++)
		put(ECAM(1 + i) + PCI_COMMAND, 2, PCI_COMMAND_MASTER);
}

static int setup(void **state)
{
	(void)state;
	world_start();
	net_world_start();
	assert_true(vport_add(&machine, 1, PCI_BDF(0, 1, 0)));
	for (unsigned i = 0; i <= VFS; i++) {
		net_add(i, (struct net_setup){.network = 1});
		net_port_close(&net, i, 0);
	}
	assert_true(virtio_net_create(&device, &machine, PCI_BDF(1, 0, 0), &net, 0, 0));
	virtio_offer_vfs(&device.v, VFS, 0);
	for (unsigned i = 0; i < VFS; i++)
		assert_true(virtio_net_create_vf(&vf[i], &device, i, 1 + i, 0));
	vport_fill(&machine, 1);
	vpci_assign(&machine);
	turn_on(VFS);
	return 0;
}

/* What the driver uses from now on: by the capabilities, which the physical one has, too. */
static void use(unsigned i)
{
	uint64_t bar = get(SRIOV + PCIE_SRIOV_BAR, 4) & ~15ull;

	bar += i * (uint64_t)0x4000;
	for (uint64_t c = get(ECAM(1 + i) + PCI_CAPABILITIES, 1); c != 0;
		c = get(ECAM(1 + i) + c + 1, 1)) {
		uint64_t place = bar + get(ECAM(1 + i) + c + VIRTIO_CAP_OFFSET, 4);
		uint64_t type = get(ECAM(1 + i) + c + VIRTIO_CAP_TYPE, 1);

		if (get(ECAM(1 + i) + c, 1) != PCI_CAP_VENDOR)
			continue;
		if (type == VIRTIO_PCI_COMMON)
			at.common = place;
		if (type == VIRTIO_PCI_CONFIG)
			at.config = place;
		if (type == VIRTIO_PCI_NOTIFY)
			at.notify = place;
	}
	at.multiplier = 4;
}

/* One queue of it: rings of the two functions are apart, since each uses another number. */
static void start(unsigned i, unsigned q)
{
	use(i);
	world_features(FEATURES);
	assert_true(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
	world_queue(q, SIZE);
	world_driver_ok();
}

static void receive(void)
{
	const struct world_buffer b = {BUFFERS, 2048, true};

	start(1, RX);
	give(RX, &b, 1);
	notify(RX);
	work();
}

static void send(void)
{
	const struct world_buffer b = {BUFFERS + 0x10000, HDR + LENGTH, false};

	net_fill(bytes, LENGTH, 2, 1, ETH_TYPE_IPV4);
	memset(ram(b.gpa), 0, HDR);
	memcpy(ram(b.gpa + HDR), bytes, LENGTH);
	use(0);
	give(TX, &b, 1);
	notify(TX);
	work();
}

static bool arrived(void)
{
	uint32_t length = 0;
	uint16_t id;

	virtio_net_arrived(&vf[1]);
	work();
	return used(RX, &id, &length) && length == HDR + LENGTH &&
	       memcmp(ram(BUFFERS + HDR), bytes, LENGTH) == 0;
}

static void only_the_physical_function_offers_virtual_ones(void **state)
{
	(void)state;
	assert_true(device.v.offered & VIRTIO_F_SR_IOV);
	assert_false(vf[0].v.offered & VIRTIO_F_SR_IOV);
	use(0);
	assert_false(world_offered() & VIRTIO_F_SR_IOV);
	assert_int_equal(get(SRIOV + PCIE_SRIOV_DEVICE, 2), 0x1041);
}

static void each_has_the_address_of_its_port(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VFS; i++) {
		use(i);
		assert_int_equal(get(at.config, 4), 0x52);
		assert_int_equal(get(at.config + 4, 2), (1 + i) << 8);
		assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), 3);
	}
}

static void their_rings_are_read_as_by_their_own_requester(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VFS; i++)
		for (unsigned q = 0; q < 3; q++)
			assert_int_equal(vf[i].v.queue[q].bdf, PCI_BDF(1, 0, 1 + i));
}

static void a_frame_goes_from_one_to_the_other(void **state)
{
	(void)state;
	receive();
	start(0, TX);
	send();
	assert_int_equal(net_arrivals[2], 1);
	assert_true(arrived());
	assert_int_equal(net.port[1].counters.sent_frames, 1);
	assert_int_equal(net.port[2].counters.received_frames, 1);
	assert_int_equal(net.port[0].counters.sent_frames, 0);
}

static void without_bus_mastering_of_its_own_it_does_not_work(void **state)
{
	(void)state;
	receive();
	start(0, TX);
	put(ECAM(1) + PCI_COMMAND, 2, 0);
	send();
	assert_int_equal(net_arrivals[2], 0);
	put(ECAM(1) + PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	work();
	assert_int_equal(net_arrivals[2], 1);
}

static void a_function_level_reset_takes_one_from_the_network(void **state)
{
	(void)state;
	receive();
	start(0, TX);
	put(ECAM(2) + vf[1].v.function->express + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
	assert_int_equal(vf[1].v.status, 0);
	assert_int_equal(vf[0].v.status & VIRTIO_DRIVER_OK, VIRTIO_DRIVER_OK);
	assert_int_equal(net.port[2].open, 0);
	send();
	assert_int_equal(net_arrivals[2], 0);
	assert_int_equal(net.port[1].counters.sent_frames, 1);
	put(ECAM(2) + PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	receive();
	send();
	assert_true(arrived());
}

static void those_that_are_turned_off_have_no_queue_and_no_port(void **state)
{
	(void)state;
	receive();
	start(0, TX);
	put(SRIOV + PCIE_SRIOV_CONTROL, 2, PCIE_SRIOV_MEMORY);
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(vf[i].v.status, 0);
		assert_int_equal(net.port[1 + i].open, 0);
		for (unsigned q = 0; q < 3; q++)
			assert_false(vf[i].v.queue[q].s.enabled);
	}
	turn_on(VFS);
	receive();
	start(0, TX);
	send();
	assert_true(arrived());
}

static void a_reset_of_the_driver_of_the_physical_one_leaves_them(void **state)
{
	(void)state;
	receive();
	start(0, TX);
	virtio_reset(&device.v);
	send();
	assert_true(arrived());
}

static void their_state_is_put_back(void **state)
{
	static struct virtio_state saved[VFS];
	static struct virtio_net_state net_saved[VFS];
	static struct vpci_state pci;

	(void)state;
	receive();
	start(0, TX);
	vpci_get_state(&machine.pci, &pci);
	for (unsigned i = 0; i < VFS; i++) {
		virtio_get_state(&vf[i].v, &saved[i]);
		virtio_net_get_state(&vf[i], &net_saved[i]);
		virtio_reset(&vf[i].v);
	}
	put(SRIOV + PCIE_SRIOV_CONTROL, 2, 0);
	assert_true(vpci_set_state(&machine.pci, &pci));
	for (unsigned i = 0; i < VFS; i++) {
		assert_true(virtio_set_state(&vf[i].v, &saved[i]));
		assert_true(virtio_net_set_state(&vf[i], &net_saved[i]));
	}
	work();
	send();
	assert_true(arrived());
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_physical_function_offers_virtual_ones),
		TEST(each_has_the_address_of_its_port),
		TEST(their_rings_are_read_as_by_their_own_requester),
		TEST(a_frame_goes_from_one_to_the_other),
		TEST(without_bus_mastering_of_its_own_it_does_not_work),
		TEST(a_function_level_reset_takes_one_from_the_network),
		TEST(those_that_are_turned_off_have_no_queue_and_no_port),
		TEST(a_reset_of_the_driver_of_the_physical_one_leaves_them),
		TEST(their_state_is_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
