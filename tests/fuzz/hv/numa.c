/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables SRAT and SLIT, whatever is in them: two bytes say where the second begins.
 */
#include "input.h"
#include "lib/numa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct numa n;
	uint64_t at = 0, last;
	size_t cut;

	if (size < 2 || size > 65536)
		return 0;
	cut = data[0] | (size_t)data[1] << 8;
	data += 2;
	size -= 2;
	cut = cut < size ? cut : size;
	(void)numa_read(&n, data, (uint32_t)cut);
	check(n.count >= 1 && n.count <= NUMA_NODES && n.range_count >= 1);
	for (unsigned i = 1; i < n.count; i++)
		check(n.domain[i - 1] < n.domain[i]);
	/* Pieces and gaps in turn, up to the end of all addresses. */
	for (unsigned i = 0; i <= 2 * NUMA_RANGES + 1; i++) {
		uint32_t node = numa_of_memory(&n, at, &last);

		check(last >= at && (node == NUMA_NONE || node < n.count));
		at = last + 1;
		if (at == 0)
			break;
	}
	check(at == 0);
	for (unsigned i = 0; i < n.cpu_count; i++)
		check(numa_of_cpu(&n, n.cpu[i].apic_id) == n.cpu[i].node);
	(void)numa_read_distances(&n, data + cut, (uint32_t)(size - cut));
	for (unsigned i = 0; i < n.count; i++)
		for (unsigned k = 0; k < n.count; k++)
			check(n.distance[i][k] >= NUMA_NEAR &&
				(i != k || n.distance[i][k] == NUMA_NEAR));
	return 0;
}
