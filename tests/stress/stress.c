#include "stress.h"

struct stress stress = {1, 0, 2};

static uint64_t number_after(const char *word, uint64_t otherwise)
{
	size_t n = 0;
	uint64_t v = 0;
	const char *p = payload_cmdline();

	while (word[n])
		n++;
	while (*p && memcmp(p, word, n) != 0)
		p++;
	if (!*p)
		return otherwise;
	for (p += n; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

void stress_start(uint64_t count)
{
	stress.seed = number_after("seed=", 1);
	stress.count = number_after("count=", count);
	stress.cpus = (unsigned)number_after("cpus=", 2);
	if (stress.cpus > CPUS_MAX)
		stress.cpus = CPUS_MAX;
	print("seed=%lu count=%lu cpus=%u\n", stress.seed, stress.count, stress.cpus);
	smp_start(stress.cpus);
}

uint64_t stress_seed(unsigned user)
{
	return (stress.seed * 64 + user + 1) * 0x9e3779b97f4a7c15ull | 1;
}

uint64_t stress_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x * 0x2545f4914f6cdd1dull >> 16;
}

_Noreturn void stress_broke(const char *what, uint64_t found, uint64_t wanted)
{
	static volatile uint32_t once;

	lock(&once);
	print("processor %u: %s: found %lx, wanted %lx\n", cpu_index(), what, found, wanted);
	payload_exit(1);
}

int stress_ok(void)
{
	print("ok\n");
	return 0;
}
