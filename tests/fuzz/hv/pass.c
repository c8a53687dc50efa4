/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of a function of the machine that a VM owns: the guest writes to its configuration
 * space, its MSI-X table and its registers, resets it and sends it to sleep, messages come and
 * storms are stopped. Whatever it does, the machine's function sends L0's vectors only, its
 * registers stay where they are, nothing but what is open of its configuration space changes,
 * and nothing at all while it must be left alone.
 */
#include "../../unit/pass_messages.h"

#include "input.h"

#define TABLE 0x2000u

static uint8_t before[PCI_CONFIG_SIZE];

/* Offsets that L0 writes for the guest: COMMAND, what messages need, the power state. */
static bool is_open(unsigned at)
{
	return at - PCI_COMMAND < 2 || at - (HOST_MSI + 2) < 0x16 || at - (HOST_MSIX + 2) < 2 ||
	       at == HOST_POWER + PCI_POWER_CONTROL;
}

static void machine_is_sane(void)
{
	struct dev_window window;
	uint64_t at;

	messages_are_l0s();
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
		assert_true(is_open(i) || host.config[i] == before[i]);
	assert_false(host_get(PCI_COMMAND, 2) & ~0x447u);
	for (uint64_t page = BAR; page < BAR + BAR_SIZE; page += 0x1000)
		if (platform_direct(&machine, page, 0x1000, &at, &window)) {
			assert_true(at >= HOST_BAR && at < HOST_BAR + BAR_SIZE);
			assert_true(at != HOST_TABLE && at != HOST_BAR + 0x4000);
		}
}

static void configure(struct input *in)
{
	unsigned size = 1u << byte(in) % 4, offset = byte(in);

	if (byte(in) & 1)
		set_config(offset, size, take(in, 8));
	else
		(void)config(offset, size);
}

/* Mostly what a driver would write: enables and masks. */
static void control(struct input *in)
{
	static const uint16_t values[] = {0, 1, 0x31, 0x71, 0x8000, 0xc000, 0x4000};
	unsigned at = byte(in) & 1 ? pass.f->msi : pass.f->msix;

	set_config(at + 2u, 2, values[byte(in) % 7]);
	if (at == pass.f->msi && pass.f->msi_masks)
		set_config(at + 16u, 4, take(in, 4));
}

static void table(struct input *in)
{
	unsigned size = 1u << byte(in) % 4;
	uint64_t v = take(in, 8);

	platform_mmio(
		&machine, 0, BAR + TABLE - 8 + take(in, 2) % 0x300, byte(in) & 1, size, &v);
}

static void put_back(void)
{
	set_config(PCI_BAR, 4, BAR);
	set_config(PCI_COMMAND, 2, 6);
}

static void power(struct input *in)
{
	unsigned how = byte(in);

	if (how & 0x80)
		set_config(pass.f->express + PCI_EXPRESS_CONTROL, 2,
			PCI_EXPRESS_FLR | (how & 0xff));
	else
		set_config(pass.f->power + PCI_POWER_CONTROL, 2, how & 3);
}

static void pass_time(struct input *in)
{
	unsigned ms = byte(in);

	host.now += ms;
	fake.now += ms;
	platform_run_timers(&machine, 0, fake.now);
	(void)platform_work(&machine);
}

static void act(struct input *in)
{
	switch (byte(in) % 10) {
	case 0:
		configure(in);
		break;
	case 1:
	case 2:
		control(in);
		break;
	case 3:
		table(in);
		break;
	case 4:
		put_back();
		break;
	case 5:
		hush();
		break;
	case 8:
		power(in);
		break;
	case 9:
		pass_time(in);
		break;
	case 6:
		host.target = (uint8_t)byte(in);
		vpass_interrupt(&pass);
		break;
	default:
		vpass_message(&pass, (uint32_t)take(in, 4), byte(in) & 1);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t forms[] = {
		0, PCI_MSI_64, PCI_MSI_MASKING, PCI_MSI_64 | PCI_MSI_MASKING};
	struct input in = {data, data + size};

	unsigned first = byte(&in);

	fake_apicv = first & 4; /* with what of a unit that posts */
	own(forms[first % 4], 1 + byte(&in) % 32);
	host.posts = first & 8;
	memcpy(before, host.config, sizeof(before));
	while (in.at < in.end) {
		bool alone =
			found.now->phase != VPASS_AWAKE && found.now->phase != VPASS_SLEEPS;
		uint64_t until = found.now->ready_at;
		unsigned writes = host.config_writes;

		act(&in);
		machine_is_sane();
		assert_true(!alone || host.now >= until || host.config_writes == writes);
		assert_true(found.now->phase == VPASS_AWAKE || found.messages.on == VPCI_PIN);
	}
	vpass_end(&found);
	for (unsigned ms = 0; !vpass_settle(&found); ms++, host.now++)
		assert_true(ms < 1000);
	assert_int_equal(found.now->phase, VPASS_AWAKE);
	assert_int_equal(host.posted, 0);
	assert_int_equal(host_get(HOST_MSIX + 2, 2) & 0xc000, 0);
	assert_int_equal(host_get(HOST_MSI + 2, 2) & 0x71, 0);
	return 0;
}
