/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does memory that nobody writes to stay as it is? mib=: where, so many MiB up, where a device
 * of the machine's that firmware left running would write.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"

#define LONG 1000000u /* ticks: the device writes each 20,000 */

int payload_main(void)
{
	volatile uint64_t *at = (volatile uint64_t *)(cmdline_number("mib", 0) << 20);
	uint64_t start = rdtsc_exact(), was = *at;

	while (rdtsc_exact() - start < LONG)
		continue;
	print("memory: %s\n", *at == was ? "still" : "CHANGES");
	return 0;
}
