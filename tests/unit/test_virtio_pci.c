/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI transport of virtio: capabilities, registers, the handshake, interrupts, state. */
#include "virtio_world.h"

#define QUEUES   3u
#define SIZE     64u
#define FEATURES (VIRTIO_F_VERSION_1 | BIT64(7))

static struct virtio device;
static unsigned resets, queue_resets, handled;
static struct {
	unsigned count, offset, size;
	uint64_t value;
} written;

static enum virtio_result handle(struct virtio *v, unsigned q, uint64_t *budget)
{
	(void)v;
	(void)q;
	(void)budget;
	handled++;
	return VIRTIO_DONE;
}

static void reset(struct virtio *v)
{
	assert_ptr_equal(v, &device);
	resets++;
}

static void queue_reset(struct virtio *v, unsigned q)
{
	assert_ptr_equal(v, &device);
	assert_int_equal(q, 1);
	queue_resets++;
}

static void config_written(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	assert_ptr_equal(v, &device);
	written.count++;
	written.offset = offset;
	written.size = size;
	written.value = value;
}

static const struct virtio_ops ops = {
	.handle = handle,
	.reset = reset,
	.queue_reset = queue_reset,
	.config_written = config_written,
};

static const struct virtio_kind kind = {
	.type = VIRTIO_BLK,
	.class = 0x010000,
	.features = BIT64(7) | BIT64(9),
	.queues = QUEUES,
	.queue_size = SIZE,
	.config_size = 20,
	.ops = &ops,
};

static int create(void)
{
	world_start();
	memset(&device, 0xa5, sizeof(device));
	resets = queue_resets = handled = 0;
	memset(&written, 0, sizeof(written));
	assert_true(virtio_create(&device, &kind, &machine, WORLD_BDF));
	memset(device.config, 0, sizeof(device.config));
	for (uint8_t i = 0; i < 20; i++)
		device.config[i] = (uint8_t)(0x80 + i);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	create();
	world_find();
	return 0;
}

static int setup_live(void **state)
{
	(void)state;
	create();
	world_up(FEATURES, QUEUES, SIZE);
	work();
	return 0;
}

static uint8_t status(void)
{
	return (uint8_t)common(VIRTIO_COMMON_STATUS, 1);
}

static void it_is_a_modern_device_of_its_type(void **state)
{
	(void)state;
	assert_int_equal(get(WORLD_ECAM, 4), 0x10421af4);
	assert_int_equal(get(WORLD_ECAM + 8, 4), 0x01000001);
	assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), QUEUES);
	assert_int_equal(status(), 0);
}

static void the_structures_are_apart_and_behind_one_register(void **state)
{
	(void)state;
	assert_true(at.config != 0);
	assert_int_equal(get(at.msix + 2, 2), QUEUES);     /* one more than queues */
	assert_true(at.notify / 4096 != at.common / 4096); /* a page of its own */
}

static void a_good_set_of_features_is_taken(void **state)
{
	(void)state;
	assert_int_equal(world_offered() & 0xffffffff,
		BIT64(7) | BIT64(9) | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
	assert_true(world_offered() & VIRTIO_F_VERSION_1);
	world_features(FEATURES);
	assert_int_equal(status(), 11);
	set_common(VIRTIO_COMMON_DRIVER_SELECT, 4, 0);
	set_common(VIRTIO_COMMON_DRIVER_FEATURES, 4, 0); /* too late */
	assert_int_equal(common(VIRTIO_COMMON_DRIVER_FEATURES, 4), BIT64(7));
	set_common(VIRTIO_COMMON_DRIVER_SELECT, 4, 2);
	assert_int_equal(common(VIRTIO_COMMON_DRIVER_FEATURES, 4), 0);
}

static void features_that_were_not_offered_are_refused(void **state)
{
	(void)state;
	world_features(FEATURES | BIT64(8));
	assert_int_equal(status(), 3);
	world_features(FEATURES | BIT64(63));
	assert_int_equal(status(), 3);
	world_features(BIT64(7)); /* a legacy driver */
	assert_int_equal(status(), 3);
	world_driver_ok();
	assert_int_equal(status(), 3);
	world_features(FEATURES);
	assert_int_equal(status(), 11);
}

static void status_bits_go_away_by_a_reset_only(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_STATUS, 1, VIRTIO_ACKNOWLEDGE);
	assert_true(status() & VIRTIO_DRIVER_OK);
	resets = 0;
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_int_equal(status(), 0);
	assert_int_equal(resets, 1);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_DESC, 4), 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
}

static void queues_are_set_up_by_their_number(void **state)
{
	(void)state;
	world_features(FEATURES);
	for (unsigned q = 0; q < QUEUES; q++) {
		set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
		assert_int_equal(common(VIRTIO_COMMON_QUEUE_SIZE, 2), SIZE);
		assert_int_equal(common(VIRTIO_COMMON_QUEUE_NOTIFY, 2), q);
		set_common(VIRTIO_COMMON_QUEUE_DESC, 4, AREA(q));
		set_common(VIRTIO_COMMON_QUEUE_DESC + 4, 4, q);
	}
	for (unsigned q = 0; q < QUEUES; q++) {
		set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
		assert_int_equal(
			common(VIRTIO_COMMON_QUEUE_DESC, 8), AREA(q) | (uint64_t)q << 32);
	}
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, QUEUES);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_SIZE, 2), 0);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, 8);
	set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
}

static void an_enabled_queue_does_not_move(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
	set_common(VIRTIO_COMMON_QUEUE_DESC, 4, 0x1000);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, 2);
	set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_DESC, 4), AREA(0));
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_SIZE, 2), SIZE);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_ENABLE, 2), 1);
}

static void a_queue_that_cannot_be_enabled_stops_the_device(void **state)
{
	static const struct {
		uint16_t size;
		uint64_t desc, driver, device;
	} bad[] = {{48, 0x1000, 0x2000, 0x3000}, {32, 0x1008, 0x2000, 0x3000},
		{32, 0x1000, 0x2001, 0x3000}, {32, 0x1000, 0x2000, 0x3002}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		setup(NULL);
		world_features(FEATURES);
		set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, bad[i].size);
		set_common(VIRTIO_COMMON_QUEUE_DESC, 8, bad[i].desc);
		set_common(VIRTIO_COMMON_QUEUE_DRIVER, 8, bad[i].driver);
		set_common(VIRTIO_COMMON_QUEUE_DEVICE, 8, bad[i].device);
		set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
		assert_true(needs_reset());
	}
}

static void sizes_beyond_the_offered_one_are_ignored(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, 2 * SIZE);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_SIZE, 2), SIZE);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_SIZE, 2), SIZE);
}

static void a_vector_that_is_not_there_reads_as_none(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_QUEUE_VECTOR, 2, QUEUES + 1);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
	set_common(VIRTIO_COMMON_QUEUE_VECTOR, 2, QUEUES);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_VECTOR, 2), QUEUES);
	set_common(VIRTIO_COMMON_CONFIG_VECTOR, 2, 1000);
	assert_int_equal(common(VIRTIO_COMMON_CONFIG_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
}

static void accesses_of_another_width_than_the_field_do_nothing(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_STATUS, 4, 1);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 4, 1);
	set_common(VIRTIO_COMMON_QUEUE_DESC, 2, 1);
	set_common(VIRTIO_COMMON_QUEUE_DESC + 2, 4, 1);
	assert_int_equal(status(), 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_SIZE, 2), SIZE);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_DESC, 8), 0);
	set_common(VIRTIO_COMMON_QUEUES, 2, 1);
	assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), QUEUES);
}

static void a_queue_can_be_reset_alone(void **state)
{
	struct world_buffer b = {BUFFERS, 4, true};

	(void)state;
	create();
	world_up(FEATURES | VIRTIO_F_RING_RESET, QUEUES, SIZE);
	work();
	give(1, &b, 1);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 1);
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_RESET, 2), 0);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
	assert_int_equal(queue_resets, 1);
	notify(1);
	work();
	assert_int_equal(handled, 0);
	world_queue(1, 16);
	give(1, &b, 1);
	notify(1);
	work();
	assert_int_equal(handled, 1);
	assert_true(status() & VIRTIO_DRIVER_OK);
}

static void without_its_feature_a_queue_is_not_reset(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 1);
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	assert_int_equal(common(VIRTIO_COMMON_QUEUE_ENABLE, 2), 1);
	assert_int_equal(queue_resets, 0);
}

static void what_was_available_before_driver_ok_is_handled_then(void **state)
{
	struct world_buffer b = {BUFFERS, 4, true};

	(void)state;
	world_features(FEATURES);
	world_queue(0, SIZE);
	give(0, &b, 1);
	notify(0);
	work();
	assert_int_equal(handled, 0);
	world_driver_ok();
	work();
	assert_int_equal(handled, 1);
}

static void without_bus_mastering_nothing_is_touched(void **state)
{
	struct world_buffer b = {BUFFERS, 4, true};

	(void)state;
	put(WORLD_ECAM + 4, 2, 2);
	give(0, &b, 1);
	notify(0);
	work();
	assert_int_equal(handled, 0);
	put(WORLD_ECAM + 4, 2, 6);
	work();
	assert_int_equal(handled, 1);
}

static void notifications_of_queues_that_are_not_there_are_ignored(void **state)
{
	(void)state;
	put(at.notify + at.multiplier * QUEUES, 4, 0);
	put(at.notify + 0xffc, 4, 0);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
}

static void the_configuration_is_read_in_any_width(void **state)
{
	(void)state;
	assert_int_equal(get(at.config, 1), 0x80);
	assert_int_equal(get(at.config + 1, 2), 0x8281);
	assert_int_equal(get(at.config + 8, 8), 0x8f8e8d8c8b8a8988);
	assert_int_equal(get(at.config + 16, 8), 0x93929190); /* to its end */
	assert_int_equal(get(at.config + 20, 4), 0);
	put(at.config + 12, 2, 0x1234);
	assert_int_equal(written.count, 1);
	assert_int_equal(written.offset, 12);
	assert_int_equal(written.size, 2);
	assert_int_equal(written.value, 0x1234);
	put(at.config + 20, 2, 0);
	assert_int_equal(written.count, 1);
}

static void a_change_of_the_configuration_is_told(void **state)
{
	uint64_t generation = common(VIRTIO_COMMON_GENERATION, 1);

	(void)state;
	dev_lock(&machine);
	virtio_config_changed(&device);
	dev_unlock(&machine);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	assert_int_not_equal(common(VIRTIO_COMMON_GENERATION, 1), generation);
}

/* 2.4 "Device Reset": it sends nothing of what was before. */
static void a_masked_interrupt_does_not_outlive_the_reset(void **state)
{
	(void)state;
	for (unsigned reset = 0; reset < 2; reset++) {
		put(at.msix + 2, 2, 0xc000);
		dev_lock(&machine);
		virtio_config_changed(&device);
		dev_unlock(&machine);
		if (reset)
			set_common(VIRTIO_COMMON_STATUS, 1, 0);
		put(at.msix + 2, 2, 0x8000);
		assert_int_equal(interrupt(), reset ? -1 : (int)CONFIG_VECTOR);
	}
}

/* Without MSI-X. */
static void the_isr_status_says_why_the_pin_is_up_and_reading_takes_it_down(void **state)
{
	struct world_buffer b = {BUFFERS, 4, true};
	unsigned pin = 16 + vpci_pirq_of(WORLD_BDF, 1);

	(void)state;
	put(at.msix + 2, 2, 0);
	give(0, &b, 1);
	notify(0);
	work();
	assert_int_equal(machine.ioapic.s.lines >> pin & 1, 1);
	assert_int_equal(get(at.isr, 1), VIRTIO_ISR_QUEUE);
	assert_int_equal(machine.ioapic.s.lines >> pin & 1, 0);
	assert_int_equal(get(at.isr, 1), 0);
	dev_lock(&machine);
	virtio_config_changed(&device);
	dev_unlock(&machine);
	assert_int_equal(get(at.isr, 1), VIRTIO_ISR_CONFIG);
	dev_lock(&machine);
	virtio_config_changed(&device);
	dev_unlock(&machine);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_int_equal(machine.ioapic.s.lines >> pin & 1, 0);
}

static void queues_without_a_vector_interrupt_nobody(void **state)
{
	struct world_buffer b = {BUFFERS, 4, true};

	(void)state;
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 2);
	set_common(VIRTIO_COMMON_QUEUE_VECTOR, 2, VIRTIO_PCI_NO_VECTOR);
	give(2, &b, 1);
	notify(2);
	work();
	assert_int_equal(handled, 1);
	assert_int_equal(interrupt(), -1);
}

/* 4.1.4.9: how firmware without 64-bit addresses gets to the registers. */
static void registers_are_reached_through_the_configuration_space(void **state)
{
	uint64_t c = WORLD_ECAM + device.access;

	(void)state;
	put(c + VIRTIO_CAP_BAR, 1, 0);
	put(c + VIRTIO_CAP_OFFSET, 4, VIRTIO_COMMON_QUEUES);
	put(c + VIRTIO_CAP_LENGTH, 4, 2);
	assert_int_equal(get(c + VIRTIO_CAP_DATA, 2), QUEUES);
	put(c + VIRTIO_CAP_OFFSET, 4, VIRTIO_COMMON_STATUS);
	put(c + VIRTIO_CAP_LENGTH, 4, 1);
	put(c + VIRTIO_CAP_DATA, 1, VIRTIO_ACKNOWLEDGE);
	assert_int_equal(status(), VIRTIO_ACKNOWLEDGE);
	assert_int_equal(get(c + VIRTIO_CAP_DATA, 1), VIRTIO_ACKNOWLEDGE);
	put(c + VIRTIO_CAP_LENGTH, 4, 3);
	put(c + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
	put(c + VIRTIO_CAP_LENGTH, 4, 1);
	put(c + VIRTIO_CAP_BAR, 1, 1);
	put(c + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
	put(c + VIRTIO_CAP_BAR, 1, 0);
	put(c + VIRTIO_CAP_OFFSET, 4, 0xffffffff);
	put(c + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
	get(c + VIRTIO_CAP_DATA, 4);
	assert_int_equal(status(), VIRTIO_ACKNOWLEDGE);
}

/* ---- state ---- */

static struct virtio_state s;

static void save(void)
{
	dev_lock(&machine);
	virtio_get_state(&device, &s);
	dev_unlock(&machine);
}

static bool restore(void)
{
	bool ok;

	dev_lock(&machine);
	ok = virtio_set_state(&device, &s);
	dev_unlock(&machine);
	return ok;
}

static void a_device_goes_on_elsewhere_as_it_was(void **state)
{
	struct world_buffer b = {BUFFERS, 4, true};
	uint16_t id;
	uint32_t n;

	(void)state;
	give(0, &b, 1);
	notify(0);
	work();
	assert_true(used(0, &id, &n));
	give(0, &b, 1);
	save();
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_true(restore());
	assert_int_equal(status(), 15);
	work(); /* without another notification */
	assert_int_equal(handled, 2);
	assert_true(used(0, &id, &n));
	assert_false(used(0, &id, &n));
	{
		struct virtio_state before = s;

		assert_true(restore());
		before = s;
		save();
		before.queue[0] = s.queue[0];
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void a_state_that_cannot_be_is_refused(void **state)
{
	struct virtio_state good;

	(void)state;
	save();
	good = s;
#define REFUSED(change)                  \
	do {                             \
		s = good;                \
		change;                  \
		assert_false(restore()); \
	} while (0)
	REFUSED(s.features |= BIT64(8));
	REFUSED(s.features &= ~VIRTIO_F_VERSION_1);
	REFUSED(s.status &= (uint8_t)~VIRTIO_FEATURES_OK);
	REFUSED(s.queue[0].size = SIZE * 2);
	REFUSED(s.queue[0].size = 3);
	REFUSED(s.queue[0].size = 0);
	REFUSED(s.queue[0].desc++);
	REFUSED(s.queue[1].vector = QUEUES + 1);
	REFUSED(s.queue[QUEUES].desc = 16);
	REFUSED(s.queue[0].reserved[1] = 1);
	REFUSED(memset(&s.queue[0].enabled, 2, 1));
	REFUSED(s.config_vector = QUEUES + 1);
	REFUSED(s.isr = 4);
	REFUSED(s.reserved = 1);
	REFUSED((s.features |= VIRTIO_F_RING_PACKED, s.queue[0].avail = SIZE));
	s = good;
	assert_true(restore());
}

static void a_bus_without_room_is_told(void **state)
{
	static struct virtio other;

	(void)state;
	assert_false(virtio_create(&other, &kind, &machine, WORLD_BDF));
}

int main(void)
{
#define T(name, setup) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(it_is_a_modern_device_of_its_type, setup),
		T(the_structures_are_apart_and_behind_one_register, setup),
		T(a_good_set_of_features_is_taken, setup),
		T(features_that_were_not_offered_are_refused, setup),
		T(status_bits_go_away_by_a_reset_only, setup_live),
		T(queues_are_set_up_by_their_number, setup),
		T(an_enabled_queue_does_not_move, setup_live),
		T(a_queue_that_cannot_be_enabled_stops_the_device, setup),
		T(sizes_beyond_the_offered_one_are_ignored, setup),
		T(a_vector_that_is_not_there_reads_as_none, setup),
		T(accesses_of_another_width_than_the_field_do_nothing, setup),
		T(a_queue_can_be_reset_alone, setup),
		T(without_its_feature_a_queue_is_not_reset, setup_live),
		T(what_was_available_before_driver_ok_is_handled_then, setup),
		T(without_bus_mastering_nothing_is_touched, setup_live),
		T(notifications_of_queues_that_are_not_there_are_ignored, setup_live),
		T(the_configuration_is_read_in_any_width, setup),
		T(a_change_of_the_configuration_is_told, setup_live),
		T(a_masked_interrupt_does_not_outlive_the_reset, setup_live),
		T(the_isr_status_says_why_the_pin_is_up_and_reading_takes_it_down, setup_live),
		T(queues_without_a_vector_interrupt_nobody, setup_live),
		T(registers_are_reached_through_the_configuration_space, setup),
		T(a_device_goes_on_elsewhere_as_it_was, setup_live),
		T(a_state_that_cannot_be_is_refused, setup_live),
		T(a_bus_without_room_is_told, setup),
	};

	return cmocka_run_group_tests_name("virtio over pci", tests, NULL, NULL);
}
