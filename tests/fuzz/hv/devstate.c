/*
 * Fuzzer of the state of dev/: random steps bring a platform somewhere (dev_steps.h), its state is changed
 * at random, and put back. A state that was there is always taken. One that is taken is what is read again,
 * and the devices work on: what fake_dev.h and the steps assert. One that is refused changes nothing.
 */
#include "fake_dev.h"

#include "dev/state.h"
#include "dev_steps.h"

#define STEPS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->at < in->end; i++)
		value |= (uint64_t)*in->at++ << (8 * i);
	return value;
}

/* The state lies in large pieces of little interest: PCI's comes last, and gets its share by chance. */
static void change(struct input *in, struct platform_state *s)
{
	size_t limit = take(in, 1) & 0x80 ? sizeof(*s) : offsetof(struct platform_state, pci);
	size_t at = take(in, 2) % limit;
	unsigned kind = (unsigned)take(in, 1), bytes = 1u << (kind & 3);

	for (unsigned i = 0; i < bytes && at + i < sizeof(*s); i++) {
		uint8_t *byte = (uint8_t *)s + at + i, value = (uint8_t)take(in, 1);

		*byte = kind & 4 ? *byte ^ (uint8_t)(1u << value % 8) : value;
	}
}

static void steps(uint64_t seed)
{
	step_random = seed * 2654435761u + 1;
	for (unsigned i = 0; i < STEPS; i++)
		step(step_device((enum step_device)(seed % STEP_DEVICES)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct platform_state good, state, again;
	struct input in = {data, data + size};
	unsigned config = (unsigned)take(&in, 1);

	fake_apicv = config & 8;
	fake_start(1 + config % DEV_MAX_VCPUS);
	fake_enable_apics();
	steps(take(&in, 2));
	platform_get_state(&machine, &good);
	assert_true(platform_set_state(&machine, &good));

	state = good;
	while (in.at < in.end)
		change(&in, &state);
	state.tsc = good.tsc; /* what vm/ sets the clock by */
	if (platform_set_state(&machine, &state))
		good = state;
	platform_get_state(&machine, &again);
	assert_memory_equal(&again, &good, sizeof(good));
	steps(config + 1);
	platform_get_state(&machine, &again);
	assert_true(platform_set_state(&machine, &again));
	return 0;
}
