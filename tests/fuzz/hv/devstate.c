/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the state of dev/: random steps bring a platform somewhere (dev_steps.h), and its
 * state is changed and put back, member by member. A state that was there is always taken. One
 * that is taken is what is read again, and the devices work on: what fake_dev.h and the steps
 * assert. One that is refused changes nothing.
 */
#include "fake_dev.h"

#include "dev/state.h"
#include "dev_steps.h"
#include "input.h"

#define STEPS 64

#define PIECE(member, device)                                                \
	{                                                                    \
		offsetof(struct platform_state, member),                     \
			sizeof(((struct platform_state *)0)->member), device \
	}

static const struct piece {
	size_t offset, size;
	enum step_device device;
} pieces[] = {
	PIECE(pic, STEP_PIC),
	PIECE(pit, STEP_PIT),
	PIECE(rtc, STEP_RTC),
	PIECE(hpet, STEP_HPET),
	PIECE(uart, STEP_UART),
	PIECE(pm, STEP_PM),
	PIECE(pci, STEP_PCI),
	PIECE(fwcfg, STEP_FIRMWARE),
	PIECE(flash, STEP_FLASH),
	PIECE(vtd, STEP_VTD),
	/* without its palette, which is most of it */
	{offsetof(struct platform_state, vga), offsetof(struct vvga_state, dac), STEP_VGA},
	PIECE(ioapic, STEP_IOAPIC),
	PIECE(lapic[0], STEP_LAPIC),
	PIECE(lapic[1], STEP_LAPIC),
	{0, offsetof(struct platform_state, lapic), STEP_TIME},
};

static uint64_t value(struct input *in)
{
	unsigned kind = (unsigned)byte(in);

	switch (kind & 7) {
	case 0:
	case 1:
		return 0;
	case 2:
		return UINT64_MAX;
	case 3:
		return 1ull << (kind >> 3);
	case 4:
		return kind >> 3;
	case 5:
		return fake.now + take(in, 4) - (1u << 31);
	default:
		return take(in, 8);
	}
}

/* One member of one device. */
static enum step_device change(struct input *in, struct platform_state *s)
{
	const struct piece *piece = &pieces[byte(in) % (sizeof(pieces) / sizeof(pieces[0]))];
	size_t size = (size_t)1 << byte(in) % 4, at = take(in, 2) % piece->size & ~(size - 1);
	uint64_t v = value(in);

	memcpy((uint8_t *)s + piece->offset + at, &v,
		size < piece->size - at ? size : piece->size - at);
	return piece->device;
}

static void steps(uint64_t seed, enum step_device focus)
{
	step_random = seed;
	for (unsigned i = 0; i < STEPS; i++)
		step(step_device(focus));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct platform_state good, state, again;
	struct input in = {data, data + size};
	unsigned config = (unsigned)byte(&in);
	uint64_t seed = take(&in, 2);
	enum step_device device = (enum step_device)(seed % STEP_DEVICES);

	fake_apicv = config & 8;
	step_with_firmware = config & 16;
	fake_vtd = config & 32;
	fake_vga = config & 64;
	step_start(fake_vcpus(config));
	fake_enable_apics();
	steps(seed, device);
	platform_get_state(&machine, &good);
	assert_true(platform_set_state(&machine, &good));
	while (in.at < in.end) {
		state = good;
		device = change(&in, &state);
		state.tsc = good.tsc; /* the clock is vm/'s */
		if (platform_set_state(&machine, &state))
			good = state;
		platform_get_state(&machine, &again);
		assert_memory_equal(&again, &good, sizeof(good));
	}
	steps(seed + 1, device);
	platform_get_state(&machine, &again);
	assert_true(platform_set_state(&machine, &again));
	return 0;
}
