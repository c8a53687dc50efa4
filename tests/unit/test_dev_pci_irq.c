/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts of PCI functions: MSI, MSI-X, INTx, and messages that say anything at all. */
#include "fake_dev.h"

#include "dev/state.h"

#define BDF     PCI_BDF(0, 3, 0)
#define ECAM    (DEV_ECAM_BASE + ((uint64_t)BDF << 12))
#define BAR     0xd0000000ull
#define TABLE   (BAR + 0x2000)
#define PENDING (BAR + 0x3000)
#define VECTORS 4u
#define PIN     (16 + 4 + 3) /* of device 3, INTA# */

static const struct vpci_ops ops = {0};
static struct vpci_function *f;

static uint64_t config(unsigned offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, ECAM + offset, false, size, &v));
	return v;
}

static void set_config(unsigned offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, ECAM + offset, true, size, &v));
}

static uint64_t get(uint64_t gpa, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, gpa, false, size, &v));
	return v;
}

static void put(uint64_t gpa, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, gpa, true, size, &v));
}

static void device_interrupt(unsigned vector)
{
	dev_lock(&machine);
	vpci_interrupt(f, vector);
	dev_unlock(&machine);
}

static void device_pin(bool level)
{
	dev_lock(&machine);
	vpci_set_intx(f, level);
	dev_unlock(&machine);
}

static struct vpci_function *add(uint16_t bdf, uint8_t pin)
{
	struct vpci_id id = {.bdf = bdf, .vendor = 0x1af4, .pin = pin};

	return vpci_add(&machine, &id, &ops, NULL);
}

static int start(unsigned vcpus)
{
	fake_start(vcpus);
	fake_enable_apics();
	f = add(BDF, 1);
	vpci_add_bar(f, 0, VPCI_BAR_32, 0x4000);
	return 0;
}

static int setup_msix(void **state)
{
	(void)state;
	start(2);
	assert_true(vpci_add_msix(f, 0, 0x2000, 0x3000, VECTORS));
	set_config(0x10, 4, BAR);
	set_config(4, 2, 6);
	set_config(f->msix + 2u, 2, 0x8000);
	return 0;
}

static int setup_msi(void **state)
{
	(void)state;
	start(2);
	assert_true(vpci_add_msi(f, VECTORS, true));
	set_config(4, 2, 6);
	set_config(f->msi + 4u, 4, 0xfee01000); /* vCPU 1 */
	set_config(f->msi + 12u, 2, 0x51);
	set_config(f->msi + 2u, 2, 1 | 2 << 4);
	return 0;
}

static int setup_pin(void **state)
{
	(void)state;
	start(1);
	set_config(4, 2, 6);
	return 0;
}

static void set_entry(unsigned i, uint64_t address, uint32_t data, uint32_t control)
{
	put(TABLE + 16 * i, 8, address);
	put(TABLE + 16 * i + 8, 8, (uint64_t)control << 32 | data);
}

static void all_vectors_begin_masked(void **state)
{
	(void)state;
	assert_int_equal(config(f->msix + 2u, 2), 0x8000 | (VECTORS - 1));
	assert_int_equal(config(f->msix + 4u, 4), 0x2000);
	assert_int_equal(config(f->msix + 8u, 4), 0x3000);
	for (unsigned i = 0; i < VECTORS; i++)
		assert_int_equal(get(TABLE + 16 * i + 12, 4), 1);
}

static void a_vector_goes_where_its_entry_says(void **state)
{
	(void)state;
	set_entry(2, 0xfee01000, 0x61, 0);
	device_interrupt(2);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(fake_pending(1), 0x61);
}

static void a_masked_vector_waits_for_its_mask(void **state)
{
	(void)state;
	set_entry(1, 0xfee00000, 0x62, 1);
	device_interrupt(1);
	device_interrupt(1);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(get(PENDING, 8), 2);
	put(TABLE + 16 + 12, 4, 0);
	assert_int_equal(fake_pending(0), 0x62);
	assert_int_equal(get(PENDING, 8), 0);
	platform_irq_ack(&machine, 0);
	platform_eoi(&machine, 0);
	assert_int_equal(fake_pending(0), -1); /* once */
}

static void the_function_mask_holds_all_vectors_back(void **state)
{
	(void)state;
	set_entry(0, 0xfee00000, 0x62, 0);
	set_config(f->msix + 2u, 2, 0xc000);
	device_interrupt(0);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(get(PENDING, 4), 1);
	set_config(f->msix + 2u, 2, 0x8000);
	assert_int_equal(fake_pending(0), 0x62);
}

static void without_bus_mastering_there_are_no_messages(void **state)
{
	(void)state;
	set_entry(0, 0xfee00000, 0x62, 0);
	set_config(4, 2, 2);
	device_interrupt(0);
	assert_int_equal(fake_pending(0), -1);
}

static void a_vector_that_is_not_there_is_nothing(void **state)
{
	(void)state;
	set_entry(0, 0xfee00000, 0x62, 0);
	device_interrupt(VECTORS);
	device_interrupt(0xffff);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(get(PENDING, 8), 0);
}

static void the_table_takes_words_and_pairs_of_them_only(void **state)
{
	(void)state;
	put(TABLE, 4, 0xffffffff);
	assert_int_equal(get(TABLE, 4), 0xfffffffc);
	put(TABLE + 12, 4, 0xffffffff);
	assert_int_equal(get(TABLE + 12, 4), 1);
	put(TABLE, 2, 0);
	put(TABLE + 2, 4, 0);
	assert_int_equal(get(TABLE, 4), 0xfffffffc);
	put(PENDING, 8, UINT64_MAX);
	assert_int_equal(get(PENDING, 8), 0);
}

static void an_x2apic_logical_message_reaches_its_set(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LDR, 0x01000000);
	fake_apic_write(1, APIC_LDR, 0x02000000);
	set_entry(0, 0xfee0300c, 0x71, 0); /* both, logical */
	device_interrupt(0);
	assert_int_equal(fake_pending(0), 0x71);
	assert_int_equal(fake_pending(1), 0x71);
}

static void msi_counts_vectors_in_the_low_bits_of_its_data(void **state)
{
	(void)state;
	device_interrupt(2);
	assert_int_equal(fake_pending(1), 0x52);
	assert_int_equal(config(f->msi + 2u, 2) & 0xff8e, 0x0184);
}

static void software_may_allow_msi_fewer_vectors(void **state)
{
	(void)state;
	set_config(f->msi + 2u, 2, 1);
	device_interrupt(3);
	assert_int_equal(fake_pending(1), 0x51);
}

static void msi_masks_single_vectors(void **state)
{
	(void)state;
	set_config(f->msi + 0x10u, 4, 0xffffffff);
	assert_int_equal(config(f->msi + 0x10u, 4), 0xf);
	device_interrupt(3);
	assert_int_equal(fake_pending(1), -1);
	assert_int_equal(config(f->msi + 0x14u, 4), 8);
	set_config(f->msi + 0x10u, 4, 7);
	assert_int_equal(fake_pending(1), 0x53);
	assert_int_equal(config(f->msi + 0x14u, 4), 0);
}

static void messages_that_no_local_apic_takes_are_ignored(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t data;
	} bad[] = {
		{0xfed00000, 0x61},
		{0x1fee00000, 0x61},
		{0x1000, 0x61},
		{0xfee00000, 0x0f},
		{0xfee00000, 0x661},
		{0xfee00000, 0x761},
		{0xfee00000, 0x8061},
		{0xfee02000, 0x61},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_entry(0, bad[i].address, bad[i].data, 0);
		device_interrupt(0);
		assert_int_equal(fake_pending(0), -1);
		assert_int_equal(fake_pending(1), -1);
		assert_int_equal(fake.startups[0] + fake.startups[1], 0);
	}
	set_entry(0, 0xfee01000, 0x400, 0);
	device_interrupt(0);
	assert_int_equal(fake.nmis[1], 1);
}

static void a_pin_reaches_the_ioapic_by_level(void **state)
{
	(void)state;
	fake_ioapic_entry(PIN, 0, 0xa0 | 1u << 15);
	device_pin(true);
	assert_int_equal(fake_pending(0), 0xa0);
	assert_int_equal(config(6, 2) & 8, 8);
	assert_int_equal(platform_irq_ack(&machine, 0), 0xa0);
	platform_eoi(&machine, 0); /* the level still stands */
	assert_int_equal(fake_pending(0), 0xa0);
	device_pin(false);
	platform_irq_ack(&machine, 0);
	platform_eoi(&machine, 0);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(config(6, 2) & 8, 0);
}

static void a_pin_reaches_the_pic_by_its_pirq(void **state)
{
	unsigned pirq = PIN - 16, irq = vpci_pirq_line(pirq);

	(void)state;
	device_pin(true);
	assert_int_equal(machine.pic.s.chip[1].lines >> (irq - 8) & 1, 1);
	dev_lock(&machine);
	vpci_route(&machine, pirq, 5);
	dev_unlock(&machine);
	assert_int_equal(machine.pic.s.chip[1].lines >> (irq - 8) & 1, 0);
	assert_int_equal(machine.pic.s.chip[0].lines >> 5 & 1, 1);
	device_pin(false);
	assert_int_equal(machine.pic.s.chip[0].lines >> 5 & 1, 0);
}

static void functions_share_a_pin(void **state)
{
	struct vpci_function *g = add(PCI_BDF(0, 7, 0), 1); /* the same PIRQ */

	(void)state;
	device_pin(true);
	dev_lock(&machine);
	vpci_set_intx(g, true);
	vpci_set_intx(f, false);
	dev_unlock(&machine);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 1);
	dev_lock(&machine);
	vpci_set_intx(g, false);
	dev_unlock(&machine);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 0);
}

static void interrupt_disable_takes_the_pin_down_but_not_its_status(void **state)
{
	(void)state;
	device_pin(true);
	set_config(4, 2, 0x406);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 0);
	assert_int_equal(config(6, 2) & 8, 8);
	set_config(4, 2, 6);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 1);
}

static void messages_take_the_place_of_the_pin(void **state)
{
	(void)state;
	set_config(f->msix + 2u, 2, 0);
	device_pin(true);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 1);
	set_config(f->msix + 2u, 2, 0x8000);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 0);
	set_config(f->msix + 2u, 2, 0);
	assert_int_equal(machine.ioapic.s.lines >> PIN & 1, 1);
}

static void what_waits_for_a_mask_moves_with_the_state(void **state)
{
	static struct platform_state s;

	(void)state;
	set_entry(1, 0xfee00000, 0x62, 1);
	device_interrupt(1);
	platform_get_state(&machine, &s);
	setup_msix(NULL);
	assert_true(platform_set_state(&machine, &s));
	put(TABLE + 16 + 12, 4, 0);
	assert_int_equal(fake_pending(0), 0x62);
	s.pci.f[1].pending = 1u << VECTORS;
	assert_false(platform_set_state(&machine, &s));
	s.pci.f[1].pending = 0;
	s.pci.f[1].msix[0][3] = 2;
	assert_false(platform_set_state(&machine, &s));
	s.pci.f[1].msix[0][3] = 0;
	s.pci.f[1].msix[VECTORS][0] = 4;
	assert_false(platform_set_state(&machine, &s));
	s.pci.f[1].msix[VECTORS][0] = 0;
	s.pci.f[1].intx = 1; /* without its bit of the status register */
	assert_false(platform_set_state(&machine, &s));
	s.pci.f[1].intx = 0;
	assert_true(platform_set_state(&machine, &s));
}

int main(void)
{
#define T(name, setup) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(all_vectors_begin_masked, setup_msix),
		T(a_vector_goes_where_its_entry_says, setup_msix),
		T(a_masked_vector_waits_for_its_mask, setup_msix),
		T(the_function_mask_holds_all_vectors_back, setup_msix),
		T(without_bus_mastering_there_are_no_messages, setup_msix),
		T(a_vector_that_is_not_there_is_nothing, setup_msix),
		T(the_table_takes_words_and_pairs_of_them_only, setup_msix),
		T(an_x2apic_logical_message_reaches_its_set, setup_msix),
		T(msi_counts_vectors_in_the_low_bits_of_its_data, setup_msi),
		T(software_may_allow_msi_fewer_vectors, setup_msi),
		T(msi_masks_single_vectors, setup_msi),
		T(messages_that_no_local_apic_takes_are_ignored, setup_msix),
		T(a_pin_reaches_the_ioapic_by_level, setup_pin),
		T(a_pin_reaches_the_pic_by_its_pirq, setup_pin),
		T(functions_share_a_pin, setup_pin),
		T(interrupt_disable_takes_the_pin_down_but_not_its_status, setup_pin),
		T(messages_take_the_place_of_the_pin, setup_msix),
		T(what_waits_for_a_mask_moves_with_the_state, setup_msix),
	};

	return cmocka_run_group_tests_name("pci interrupts", tests, NULL, NULL);
}
