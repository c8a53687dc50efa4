/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that the machine's unit posts into descriptors of vCPUs: exactly those that would do
 * no more than that if L0 took them, whatever the guest does to the function and to its local
 * APICs.
 */
#include "pass_messages.h"

#include "dev/vvtd.h"
#include "random.h"
#include "spec/msr.h"
#include "spec/vtd.h"

#define PIN    20u
#define LOWEST 0x100u /* who gets it depends on what else he has: never posted to one of two */

static unsigned msi, msix; /* where the VM has them */

/* The guest's memory: its interrupt entries, and the queue of its virtual unit. */
#define ENTRIES_AT 0x2000u
#define QUEUE_AT   0x3000u
#define REMAPPED   24u /* entries that are used */
static uint8_t ram[0x10000] __attribute__((aligned(4096)));
static unsigned queue_tail;

static int setup(void **state)
{
	unsigned at;

	fake_apicv = true;
	fake_vtd = state != NULL && *state != NULL;
	fake_ram = ram;
	fake_ram_size = sizeof(ram);
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

static void set_irq(bool level)
{
	dev_lock(&machine);
	platform_set_irq(&machine, PIN, level);
	dev_unlock(&machine);
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
	set_irq(true);
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

static void write_apic(unsigned vcpu, uint32_t offset, uint32_t value)
{
	uint64_t v = value; /* nobody claims it in x2APIC mode, or when it is off */

	(void)platform_mmio(&machine, vcpu, DEV_LAPIC_BASE + offset, true, 4, &v);
}

/* ---- the virtual unit ---- */

static void put_unit(unsigned at, uint64_t value, unsigned size)
{
	assert_true(platform_mmio(&machine, 0, VVTD_BASE + at, true, size, &value));
}

static void start_unit(void)
{
	memset(ram, 0, sizeof(ram));
	queue_tail = 0;
	put_unit(VTD_IRTA, ENTRIES_AT | 7, 8);
	put_unit(VTD_GCMD, VTD_IRTP, 4);
	put_unit(VTD_IQA, QUEUE_AT, 8);
	put_unit(VTD_IQT, 0, 8);
	put_unit(VTD_GCMD, VTD_QIE, 4);
	put_unit(VTD_GCMD, VTD_QIE | VTD_IRE, 4);
}

/* And has the unit forget all of them. */
static void put_irte(unsigned i, uint64_t low)
{
	uint64_t pair[2] = {low, 0}, forget[2] = {VTD_INV_IRTE, 0};

	memcpy(ram + ENTRIES_AT + 16 * i, pair, 16);
	memcpy(ram + QUEUE_AT + queue_tail, forget, 16);
	queue_tail = (queue_tail + 16) % 4096;
	put_unit(VTD_IQT, queue_tail, 8);
	for (unsigned n = 0; n < 8; n++)
		(void)platform_work(&machine);
}

static void change_unit(uint64_t *seed)
{
	uint64_t vector = 0x60 + random_below(seed, 16), to = random_below(seed, 2);

	switch (random_below(seed, 4)) {
	case 0:
		put_unit(VTD_GCMD,
			VTD_QIE | (random_below(seed, 4) ? VTD_IRE : 0) |
				(random_below(seed, 2) ? VTD_CFI : 0),
			4);
		break;
	case 1:
		set_entry(random_below(seed, MSIX),
			(uint32_t)MSI_ADDRESS_BASE | VTD_MSI_REMAPPABLE |
				random_below(seed, REMAPPED + 4) << 5,
			0, 0);
		break;
	default:
		put_irte(random_below(seed, REMAPPED),
			(random_below(seed, 8) ? VTD_PRESENT : 0) |
				vector << VTD_IRTE_VECTOR_SHIFT |
				(to | (random_below(seed, 4) ? 0 : 2)) << 40 |
				(random_below(seed, 4) ? 0 : VTD_IRTE_DM));
		break;
	}
}

static void change_mode(uint64_t *seed, unsigned vcpu)
{
	static const uint64_t bases[] = {0xfee00000, 0xfee00800, 0xfee00c00};

	if (random_below(seed, 4) == 0)
		platform_init_vcpu(&machine, vcpu);
	else
		(void)platform_wrmsr(&machine, vcpu, MSR_APIC_BASE,
			bases[random_below(seed, 3)] | (vcpu == 0 ? 0x100 : 0));
	(void)platform_wrmsr(&machine, vcpu, 0x80f, random_below(seed, 4) ? 0x1ff : 0xff);
}

static void change(uint64_t *seed)
{
	static const uint32_t apic[] = {APIC_SVR, APIC_LDR, APIC_DFR};
	static const uint32_t modes[] = {0, 0, 0x400, 0x8000, 0xc000};
	unsigned i = random_below(seed, MSIX), v = random_below(seed, 2);

	if (fake_vtd && random_below(seed, 4) == 0) {
		change_unit(seed);
		return;
	}
	switch (random_below(seed, 11)) {
	case 10:
		change_mode(seed, v);
		break;
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
		write_apic(v, apic[random_below(seed, 3)],
			random_below(seed, 4) ? 0xff0001ff : (uint32_t)random_next(seed));
		break;
	case 5:
		fake_ioapic_write(0x10 + 2 * PIN + 1, v << 24);
		fake_ioapic_write(0x10 + 2 * PIN, 0x8000 | (0x60 + i));
		set_irq(random_below(seed, 2));
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

/* As a guest begins. */
static void begin_again(void)
{
	for (unsigned v = 0; v < 2; v++) {
		(void)platform_wrmsr(
			&machine, v, MSR_APIC_BASE, 0xfee00000 | (v == 0 ? 0x100 : 0));
		(void)platform_wrmsr(
			&machine, v, MSR_APIC_BASE, 0xfee00800 | (v == 0 ? 0x100 : 0));
		write_apic(v, APIC_SVR, 0x1ff);
	}
	set_config(PCI_COMMAND, 2, 6);
	set_config(msi + 2, 2, 0);
	set_config(msix + 2, 2, PCI_MSIX_ENABLE);
}

static void posted_as_through_l0(uint64_t seed)
{
	unsigned posted = 0;

	use_msix();
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = random_below(&seed, MSIX);

		if (random_below(&seed, 64) == 0)
			begin_again();
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
	assert_true(posted > 500);
}

static void a_posted_message_does_what_one_through_l0_does(void **state)
{
	(void)state;
	posted_as_through_l0(5);
}

static void so_it_does_behind_a_virtual_unit(void **state)
{
	(void)state;
	start_unit();
	posted_as_through_l0(6);
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
		cmocka_unit_test_prestate_setup_teardown(
			so_it_does_behind_a_virtual_unit, setup, NULL, ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
