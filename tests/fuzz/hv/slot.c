/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of a function of the machine in a slot: the guest writes to its port and to the
 * function, resets it, and it comes and goes; messages and lines come whenever they like.
 * Whatever happens, a function that is away is left alone, its registers are reached directly
 * only while it is there, is on and in a window, and it ends silent.
 */
#include "../../unit/pass_messages.h"

#include "input.h"

#define PORT     2u
#define WINDOW   0xc0100000ull
#define ADVANCED 0xa0u
#define RESETS   (ADVANCED + PCI_ADVANCED_CONTROL)
#define MS       ((uint64_t)FAKE_KHZ)

static unsigned config_writes; /* when it went away */
static bool was_away;

/* It has a reset, by Advanced Features; and one that its guest may ask for. */
static void make_it(struct input *in)
{
	static const uint32_t forms[] = {
		0, PCI_MSI_64, PCI_MSI_MASKING, PCI_MSI_64 | PCI_MSI_MASKING};

	make_host(forms[byte(in) % 4]);
	host.config[HOST_MSIX + 1] = ADVANCED;
	host.config[ADVANCED] = PCI_CAP_ADVANCED;
	host.config[ADVANCED + PCI_ADVANCED_CAPABLE] = byte(in) & 1 ? PCI_ADVANCED_HAS_FLR : 0;
	host.mask[RESETS] = 0xff;
	fake_start(2);
	fake_enable_apics();
	fake.now = 1000 * MS;
	for (unsigned i = 1; i <= 3; i++)
		assert_true(vport_add(&machine, i, PCI_BDF(0, 1, i - 1)));
	assert_null(vpass_probe(HOST_BDF, &found));
	vpass_give_vectors(&found, FIRST, 1 + byte(in) % 32);
	pass = (struct vpass){.machine = &found};
}

static void note_away(void)
{
	if (pass.f != NULL && pass.away && !was_away)
		config_writes = host.config_writes;
	was_away = pass.f != NULL && pass.away;
}

/* What vm/ does when no vCPU reaches what went. */
static void do_pending(void)
{
	if (pass.f == NULL || !pass.away || pass.comes)
		return;
	vpass_end(&found);
	vpass_come(&pass);
	was_away = false;
}

static void come(void)
{
	if (pass.f != NULL)
		return;
	assert_true(vpass_add(&pass, &found, &machine, PCI_BDF(PORT, 0, 0)));
	vpass_come(&pass);
	was_away = false;
	vport_plug(&machine, PORT);
}

static void go(void)
{
	if (pass.f == NULL)
		return;
	vpass_leave(&pass);
	vport_pull(&machine, PORT);
	vpci_remove(pass.f);
	pass.f = NULL;
	vpass_end(&found);
}

static void access(struct input *in, uint16_t bdf, unsigned at)
{
	unsigned size = 1u << byte(in) % 3;
	uint64_t v = take(in, 4);

	platform_mmio(&machine, 0, DEV_ECAM_BASE + ((uint64_t)bdf << 12) + (at & ~(size - 1)),
		byte(in) & 1, size, &v);
}

/* As a driver sets both up. */
static void set_up(void)
{
	static const struct {
		uint16_t bdf, at;
		uint32_t v;
	} writes[] = {
		{PCI_BDF(0, 1, PORT - 1), PCI_BRIDGE_PRIMARY, 7 << 16 | 7 << 8},
		{PCI_BDF(0, 1, PORT - 1), PCI_BRIDGE_MEMORY_BASE, 0xc010c010},
		{PCI_BDF(0, 1, PORT - 1), PCI_COMMAND, 6},
		{PCI_BDF(0, 1, PORT - 1), 0x40 + PCIE_SLOT_CONTROL, 0},
		{PCI_BDF(7, 0, 0), PCI_BAR, WINDOW},
		{PCI_BDF(7, 0, 0), PCI_COMMAND, 6},
	};

	for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		uint64_t v = writes[i].v;

		platform_mmio(&machine, 0,
			DEV_ECAM_BASE + ((uint64_t)writes[i].bdf << 12) + writes[i].at, true, 4,
			&v);
	}
}

static void time_goes_on(struct input *in)
{
	unsigned ms = (unsigned)take(in, 1);

	fake.now += ms * MS;
	host.now += ms;
	platform_run_timers(&machine, 0, fake.now);
	for (unsigned i = 0; i < 4; i++)
		(void)platform_work(&machine);
}

static void machine_interrupts(struct input *in)
{
	if (pass.f == NULL)
		return;
	fake.locked = true;
	if (byte(in) & 1)
		(void)vpass_interrupt(&pass);
	else if (found.messages.on != VPCI_PIN)
		vpass_message(&pass, (uint32_t)take(in, 4), byte(in) & 1);
	fake.locked = false;
}

static void with_lock(void (*what)(void))
{
	fake.locked = true;
	what();
	fake.locked = false;
}

static void act(struct input *in)
{
	switch (byte(in) % 10) {
	case 0:
		access(in, PCI_BDF(0, 1, PORT - 1), byte(in));
		break;
	case 1:
		access(in, PCI_BDF(7, 0, 0), byte(in));
		break;
	case 2:
		access(in, PCI_BDF(7, 0, 0), 0x40 + PCI_EXPRESS_CONTROL);
		break;
	case 3:
		access(in, PCI_BDF(0, 1, PORT - 1), 0x40 + PCIE_SLOT_CONTROL);
		break;
	case 4:
		set_up();
		break;
	case 5:
		with_lock(come);
		break;
	case 6:
		with_lock(go);
		break;
	case 7:
		with_lock(do_pending);
		break;
	case 8:
		machine_interrupts(in);
		break;
	default:
		time_goes_on(in);
		break;
	}
}

static void machine_is_sane(void)
{
	struct dev_window window;
	uint64_t at;
	bool direct = platform_direct(&machine, WINDOW, 0x1000, &at, &window);

	messages_are_l0s();
	assert_false(host_get(PCI_COMMAND, 2) & ~0x447u);
	assert_true(!direct || (pass.f != NULL && !pass.away && at == HOST_BAR));
	if (was_away && pass.f != NULL && pass.away)
		assert_int_equal(host.config_writes, config_writes);
	if (pass.f == NULL) {
		assert_false(host_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		assert_int_equal(found.messages.on, VPCI_PIN);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	make_it(&in);
	was_away = false;
	set_up();
	while (in.at < in.end) {
		act(&in);
		note_away();
		machine_is_sane();
	}
	with_lock(go);
	with_lock(do_pending);
	machine_is_sane();
	return 0;
}
