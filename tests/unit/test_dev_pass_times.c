/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An owned function and virtual ones that its VM makes: what happens in the midst of resets,
 * sleep and times that pass, also when vm/ does its part late. The fake machine fails whatever
 * comes to a function that must be left alone.
 */
#include "made_vfs.h"
#include "random.h"

#define VENDOR_AT 0xa0u
#define VENDOR_IS 0x5a

static void add_vendor_capabilities(void)
{
	for (unsigned i = 0; i < VFS; i++) {
		uint8_t *config = function_at((uint16_t)(PHYSICAL + OFFSET + i))->config;

		config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
		config[MSIX_AT + 1] = VENDOR_AT;
		config[VENDOR_AT] = PCI_CAP_VENDOR;
		config[VENDOR_AT + 2] = 16;
		config[VENDOR_AT + 3] = VENDOR_IS;
	}
}

/* They are added while none is made, and nothing may be asked of them. */
static void virtual_ones_have_their_vendors_capabilities(void **state)
{
	unsigned at, steps = 0;

	(void)state;
	own_device_with(false, false, add_vendor_capabilities);
	place();
	make(2);
	pass_time(PCIE_SRIOV_ON_MS);
	for (at = (unsigned)seen(1, PCI_CAPABILITIES, 1);
		at != 0 && seen(1, at, 1) != PCI_CAP_VENDOR; at = (unsigned)seen(1, at + 1, 1))
		assert_true(++steps < 16);
	assert_int_not_equal(at, 0);
	assert_int_equal(seen(1, at + 2, 2), 16 | VENDOR_IS << 8);
}

/* It does not answer while its power state changes, whoever finds out that it does. */
static void the_access_that_ends_a_reset_meets_what_was_asked_for_meanwhile(void **state)
{
	(void)state;
	own_device(true);
	reset_function(0);
	set_power(PCI_POWER_D3HOT);
	idle_now += PCI_FLR_MS; /* no timer runs */
	fake.now += PCI_FLR_MS;
	set_power(PCI_POWER_D0); /* is lost: it falls asleep */
	assert_int_equal(owned.now->phase, VPASS_FALLS);
	pass_time(PCI_POWER_MS);
	assert_int_equal(
		seen(0, pf.f->power + PCI_POWER_CONTROL, 2) & PCI_POWER_STATE, PCI_POWER_D3HOT);
}

static void a_reset_of_a_virtual_one_goes_on_while_the_physical_one_sleeps(void **state)
{
	(void)state;
	own_device(true);
	place();
	make(2);
	pass_time(PCIE_SRIOV_ON_MS);
	reset_function(1);
	set_power(PCI_POWER_D3HOT);
	pass_time(PCI_POWER_MS);
	(void)seen(1, vf[0].f->express + PCIE_DEVICE_STATUS, 2);
	set_power(PCI_POWER_D0);
	pass_time(PCI_POWER_MS); /* and is not begun again */
	assert_int_equal(owned_vf[0].now->phase, VPASS_RESETS);
	pass_time(PCI_FLR_MS);
	assert_int_equal(owned_vf[0].now->phase, VPASS_AWAKE);
}

static void how_places_are_found_is_said_again_after_a_reset(void **state)
{
	(void)state;
	own_device_with(true, true, NULL);
	reset_function(0);
	pass_time(PCI_FLR_MS);
	place();
	make(2);
	pass_time(PCIE_SRIOV_OFF_MS);
	pass_time(PCIE_SRIOV_ON_MS);
	assert_int_equal(vfs.on, 2);
	assert_true(pci_get(PHYSICAL, AT + PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ARI);
}

/* ---- vm/ does its part when it likes ---- */

static void write_alone(unsigned number, unsigned offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, ECAM + (number << 12) + offset, true, size, &v));
}

static void some_are_reset(uint64_t which)
{
	dev_lock(&machine);
	if (which & 1)
		reset_machines(&pf);
	for (unsigned i = 0; i < VFS; i++)
		if (which >> (i + 1) & 1)
			reset_machines(&vf[i]);
	dev_unlock(&machine);
}

static void write_at_random(uint64_t *seed)
{
	unsigned number = random_below(seed, VFS + 1);
	const struct vpci_function *f = number == 0 ? pf.f : vf[number - 1].f;

	switch (random_below(seed, 6)) {
	case 0:
		write_alone(0, VM_AT + PCIE_SRIOV_COUNT, 2, random_below(seed, VFS + 2));
		break;
	case 1:
		write_alone(0, VM_AT + PCIE_SRIOV_CONTROL, 2,
			random_below(seed, 6) ? PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY : 0);
		break;
	case 2:
		if (number != 0 || random_below(seed, 8) == 0)
			write_alone(
				number, f->express + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
		break;
	case 3:
		write_alone(0, pf.f->power + PCI_POWER_CONTROL, 2,
			random_below(seed, 8) ? PCI_POWER_D0 : PCI_POWER_D3HOT);
		break;
	case 4:
		write_alone(number, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
		break;
	default:
		if (f->msix != 0)
			write_alone(number, f->msix + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
		break;
	}
}

static void act(uint64_t *seed)
{
	switch (random_below(seed, 7)) {
	case 0:
		pass_time(random_below(seed, 150));
		break;
	case 1:
		idle_now += random_below(seed, 150);
		break;
	case 2:
		(void)seen(random_below(seed, VFS + 1), random_below(seed, 64) * 4, 4);
		break;
	case 3:
		some_are_reset(random_next(seed));
		break;
	default:
		write_at_random(seed);
		break;
	}
	fake.now = idle_now > fake.now ? idle_now : fake.now;
}

static void what_is_reached_is_there(void)
{
	for (unsigned i = 0; i < VFS; i++)
		assert_true(!leads_to(VF_WINDOW + i * SIZE) ||
			    (appears((uint16_t)(PHYSICAL + OFFSET + i)) &&
				    owned_vf[i].now->phase == VPASS_AWAKE));
}

static void whatever_is_late_each_is_left_alone_when_it_must_be(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (unsigned run = 0; run < 6; run++) {
		unsigned there = 0;

		own_device(run & 1);
		write_alone(0, VM_AT + PCIE_SRIOV_BAR, 4, VF_WINDOW);
		for (unsigned i = 0; i < 60000; i++) {
			act(&seed);
			what_is_reached_is_there();
			there += vfs.there;
		}
		assert_true(there > 1000);
		for (unsigned i = 0; i < 4; i++) {
			some_are_reset(UINT64_MAX);
			write_alone(0, pf.f->power + PCI_POWER_CONTROL, 2, PCI_POWER_D0);
			pass_time(1000);
		}
		place();
		make(0);
		unmake();
		pass_time(2000);
		make(2);
		pass_time(2000);
		assert_int_equal(vfs.on, 2);
		assert_int_equal(owned_vf[1].now->phase, VPASS_AWAKE);
		end_device();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtual_ones_have_their_vendors_capabilities),
		cmocka_unit_test(
			the_access_that_ends_a_reset_meets_what_was_asked_for_meanwhile),
		cmocka_unit_test(
			a_reset_of_a_virtual_one_goes_on_while_the_physical_one_sleeps),
		cmocka_unit_test(how_places_are_found_is_said_again_after_a_reset),
		cmocka_unit_test(whatever_is_late_each_is_left_alone_when_it_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
