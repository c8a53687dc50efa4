/* SPDX-License-Identifier: Apache-2.0 */
#include "stress.h"

#include "cmdline.h"

struct stress stress = {1, 0, 2};

void stress_start(uint64_t count)
{
	stress.seed = cmdline_number("seed", 1);
	stress.count = cmdline_number("count", count);
	stress.cpus = (unsigned)cmdline_number("cpus", 2);
	if (stress.cpus > CPUS_MAX)
		stress.cpus = CPUS_MAX;
	print("seed=%lu count=%lu cpus=%u\n", stress.seed, stress.count, stress.cpus);
	smp_start(stress.cpus);
}

uint64_t stress_seed(unsigned user)
{
	return stress.seed << 32 | user;
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
