/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that the machine's unit posts into descriptors of vCPUs: exactly those that would do
 * no more than that if L0 took them, whatever the guest does to the function and to its local
 * APICs.
 */
#include "pass_messages.h"

#include "random.h"
#include "spec/msr.h"

#define PIN    20u
#define LOWEST 0x100u /* who gets it depends on what else he has: never posted to one of two */

static unsigned msi, msix; /* where the VM has them */

static int setup(void **state)
{
	unsigned at;

	(void)state;
	fake_apicv = true;
	own(PCI_MSI_64 | PCI_MSI_MASKING, MSIX);
	host.posts = true;
	msi = msix = 0;
	for (at = (unsigned)config(PCI_CAPABILITIES, 1); at != 0;
		at = (unsigned)config(at + 1, 1)) {
		msi = config(at, 1) == PCI_CAP_MSI ? at : msi;
		msix = config(at, 1) == PCI_CAP_MSIX ? at : msix;
	}
	return 0;
}

static void put(uint64_t offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, BAR + offset, true, size, &v));
}

static void set_entry(unsigned i, uint32_t address, uint32_t data, uint32_t control)
{
	put(0x2000 + 16 * i, 4, address);
	put(0x2000 + 16 * i + 4, 4, 0);
	put(0x2000 + 16 * i + 8, 4, data);
	put(0x2000 + 16 * i + 12, 4, control);
}

static void use_msix(void)
{
	for (unsigned i = 0; i < MSIX; i++)
		set_entry(i, 0xfee01000, 0x60 + i, 0);
	set_config(msix + 2, 2, PCI_MSIX_ENABLE);
}

static bool is_posted(unsigned i, unsigned vcpu, uint8_t vector)
{
	return host.posted >> i & 1 && host.to[i].vcpu == vcpu && host.to[i].vector == vector;
}

static void messages_of_one_vcpu_are_posted(void **state)
{
	(void)state;
	use_msix();
	for (unsigned i = 0; i < MSIX; i++)
		assert_true(is_posted(i, 1, (uint8_t)(0x60 + i)));
	set_config(msix + 2, 2, 0);
	assert_int_equal(host.posted, 0);
	set_config(msi + 4, 4, 0xfee00000);
	set_config(msi + 12, 2, 0x60);
	set_config(msi + 2, 2, PCI_MSI_ENABLE | 3u << PCI_MSI_ENABLED_SHIFT);
	assert_int_equal(host.posted, 0xff);
	assert_true(is_posted(5, 0, 0x65));
}

static void what_a_guest_masks_comes_to_l0(void **state)
{
	(void)state;
	use_msix();
	set_entry(3, 0xfee01000, 0x63, 1);
	assert_int_equal(host.posted, 0xffff & ~(1u << 3));
	set_config(msix + 2, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	assert_int_equal(host.posted, 0);
	set_config(msix + 2, 2, PCI_MSIX_ENABLE);
	set_entry(3, 0xfee00000, 0x99, 0);
	assert_int_equal(host.posted, 0xffff);
	assert_true(is_posted(3, 0, 0x99));
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(host.posted, 0);
}

static void local_apics_decide(void **state)
{
	(void)state;
	use_msix();
	fake_apic_write(1, APIC_SVR, 0xff); /* off */
	assert_int_equal(host.posted, 0);
	fake_apic_write(1, APIC_SVR, 0xff | SVR_ENABLE);
	assert_int_equal(host.posted, 0xffff);
	set_entry(0, 0xfee03000 | MSI_LOGICAL, 0x60, 0); /* to both, if they listen */
	fake_apic_write(0, APIC_LDR, 1u << 24);
	assert_true(is_posted(0, 0, 0x60));
	fake_apic_write(1, APIC_LDR, 2u << 24);
	assert_false(host.posted & 1);
	fake_apic_write(0, APIC_LDR, 4u << 24);
	assert_true(is_posted(0, 1, 0x60));
	set_entry(4, 0xfee03000 | MSI_LOGICAL, LOWEST | 0x64, 0);
	assert_true(is_posted(4, 1, 0x64));
	set_entry(1, 0xfee01000, 0x8461, 0); /* level, NMI, everybody */
	set_entry(2, 0xfee01000, 0x8062, 0);
	set_entry(3, 0xfeeff000, 0x63, 0);
	assert_int_equal(host.posted, 0xfff1);
	platform_init_vcpu(&machine, 1);
	assert_int_equal(host.posted, 1u << 3); /* there is one left of everybody */
}

/* A vector that a pin has, too: its EOI must be the pin's. */
static void a_vector_that_was_level_triggered_is_not_posted(void **state)
{
	(void)state;
	use_msix();
	fake_ioapic_write(0x10 + 2 * PIN + 1, 1u << 24);
	fake_ioapic_write(0x10 + 2 * PIN, 0x8065);
	platform_set_irq(&machine, PIN, true);
	assert_int_equal(host.posted, 0xffff & ~(1u << 5));
}

static void with_software_apics_none_is_posted(void **state)
{
	(void)state;
	fake_apicv = false;
	own(PCI_MSI_64 | PCI_MSI_MASKING, MSIX);
	host.posts = true;
	use_msix();
	assert_int_equal(host.posted, 0);
}

static void messages_that_l0_takes_are_posted_from_then_on(void **state)
{
	(void)state;
	use_msix();
	host.target = 7; /* the vCPU has moved: all are written anew with the next one */
	dev_lock(&machine);
	vpass_message(&pass, 1u << 4, true);
	dev_unlock(&machine);
	assert_int_equal(host.posted, 1u << 4);
	dev_lock(&machine);
	vpass_message(&pass, 1u << 5, true);
	dev_unlock(&machine);
	assert_int_equal(host.posted, 3u << 4);
}

/* ---- and what a message does is just that ---- */

struct requests {
	uint64_t word[2][4];
	uint32_t late[2][8];
	unsigned other;
};

static void take(struct requests *r)
{
	for (unsigned v = 0; v < 2; v++) {
		memcpy(r->word[v], machine.lapic[v].posted.requests, sizeof(r->word[v]));
		memcpy(r->late[v], machine.lapic[v].late, sizeof(r->late[v]));
	}
	r->other = fake.nmis[0] + fake.nmis[1] + fake.inits[0] + fake.inits[1] +
		   fake.startups[0] + fake.startups[1];
}

static void forget_requests(void)
{
	for (unsigned v = 0; v < 2; v++) {
		(void)platform_irq_pending(&machine, v); /* into IRR */
		memset(machine.lapic[v].late, 0, sizeof(machine.lapic[v].late));
	}
}

/* As it is told, or that it is none. A vector that was level-triggered may come late to it. */
static void expect_message(unsigned i)
{
	bool was = host.posted >> i & 1, posted;
	struct vpci_posted to = host.to[i];
	struct requests before, after;
	unsigned changed = 0;

	forget_requests();
	take(&before);
	dev_lock(&machine);
	vpci_routes_changed(&machine);
	posted = host.posted >> i & 1;
	assert_true(!was || is_posted(i, to.vcpu, to.vector));
	to = host.to[i];
	vpci_interrupt(pass.f, i);
	dev_unlock(&machine);
	take(&after);
	for (unsigned v = 0; v < 2; v++)
		for (unsigned n = 0; n < 256; n++) {
			if (!((before.word[v][n / 64] ^ after.word[v][n / 64]) >> n % 64 & 1))
				continue;
			/* whose end is an exit is more than a request */
			changed += machine.lapic[v].level[n / 32] >> n % 32 & 1 ? 2 : 1;
			if (posted)
				assert_true(v == to.vcpu && n == to.vector);
		}
	for (unsigned v = 0; v < 2; v++)
		for (unsigned n = 0; n < 8; n++)
			changed += 2 * (before.late[v][n] != after.late[v][n]);
	changed += 2 * (before.other != after.other);
	assert_int_equal(posted, changed == 1);
}

static void change(uint64_t *seed)
{
	static const uint32_t apic[] = {APIC_SVR, APIC_LDR, APIC_DFR};
	static const uint32_t modes[] = {0, 0, 0x400, 0x8000, 0xc000};
	unsigned i = random_below(seed, MSIX), v = random_below(seed, 2);

	switch (random_below(seed, 10)) {
	case 0:
		set_config(
			msix + 2, 2, random_next(seed) & (PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL));
		break;
	case 1:
		set_config(msi + 2, 2, random_next(seed));
		break;
	case 2:
		i = 4 * random_below(seed, 4);
		set_config(msi + 4 + i, 4,
			random_below(seed, 2) ? random_next(seed) & ~LOWEST : 0xfee01000);
		break;
	case 3:
		set_config(PCI_COMMAND, 2, random_below(seed, 8) ? 6 : 2);
		break;
	case 4:
		fake_apic_write(v, apic[random_below(seed, 3)],
			random_below(seed, 4) ? 0xff0001ff : (uint32_t)random_next(seed));
		break;
	case 5:
		fake_ioapic_write(0x10 + 2 * PIN + 1, v << 24);
		fake_ioapic_write(0x10 + 2 * PIN, 0x8000 | (0x60 + i));
		platform_set_irq(&machine, PIN, random_below(seed, 2));
		break;
	default:
		set_entry(i,
			MSI_ADDRESS_BASE | v << 12 | (random_below(seed, 4) ? 0 : MSI_LOGICAL),
			modes[random_below(seed, 5)] |
				(random_below(seed, 8) ? 0x60 + i : random_below(seed, 256)),
			random_below(seed, 8) == 0);
		break;
	}
}

static void a_posted_message_does_what_one_through_l0_does(void **state)
{
	uint64_t seed = 5;
	unsigned posted = 0;

	(void)state;
	use_msix();
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = random_below(&seed, MSIX);

		if (random_below(&seed, 64) == 0) {
			set_config(PCI_COMMAND, 2, 6);
			set_config(msi + 2, 2, 0);
			set_config(msix + 2, 2, PCI_MSIX_ENABLE);
			fake_apic_write(0, APIC_SVR, 0x1ff);
			fake_apic_write(1, APIC_SVR, 0x1ff);
		}
		change(&seed);
		messages_are_l0s();
		posted += host.posted >> i & 1;
		if (vpci_messages(pass.f) == VPCI_MSIX ||
			(vpci_messages(pass.f) == VPCI_MSI &&
				i < 1u << vpci_msi_allowed(pass.f)))
			expect_message(i);
		else
			assert_false(host.posted >> i & 1);
	}
	assert_true(posted > 1000);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_of_one_vcpu_are_posted),
		TEST(what_a_guest_masks_comes_to_l0),
		TEST(local_apics_decide),
		TEST(a_vector_that_was_level_triggered_is_not_posted),
		TEST(with_software_apics_none_is_posted),
		TEST(messages_that_l0_takes_are_posted_from_then_on),
		TEST(a_posted_message_does_what_one_through_l0_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
