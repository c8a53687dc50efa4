/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/numa.h"

#include <stddef.h>

#define SRAT_REVISION_AT 8u
#define SRAT_ENTRIES     48u
#define OF_LAPIC         0
#define OF_MEMORY        1
#define OF_X2APIC        2
#define SIZE_OF_LAPIC    16
#define SIZE_OF_MEMORY   40
#define SIZE_OF_X2APIC   24
#define ENABLED          1u
#define NON_VOLATILE     4u
#define SLIT_COUNT       36u
#define SLIT_ENTRIES     44u

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* What an entry tells; the kinds that are not here tell of devices or other architectures. */
struct entry {
	uint8_t kind;
	uint32_t domain, apic_id;
	uint64_t start, size;
};

/* The entry at *at, which moves behind it; NULL: there is none. */
static const uint8_t *next(const uint8_t *srat, uint32_t length, uint32_t *at)
{
	const uint8_t *e = srat + *at;

	if (*at > length || length - *at < 2 || e[1] < 2 || e[1] > length - *at)
		return NULL;
	*at += e[1];
	return e;
}

/* Tables of revision 1 have domains of 8 bits, and rubbish beside them. */
static bool decode(const uint8_t *e, uint8_t revision, struct entry *out)
{
	uint32_t mask = revision < 2 ? 0xff : UINT32_MAX;

	*out = (struct entry){.kind = e[0]};
	switch (e[0]) {
	case OF_LAPIC:
		if (e[1] < SIZE_OF_LAPIC || !(get32(e + 4) & ENABLED))
			return false;
		out->domain = (e[2] | (get32(e + 8) & 0xffffff00)) & mask;
		out->apic_id = e[3];
		return true;
	case OF_X2APIC:
		if (e[1] < SIZE_OF_X2APIC || !(get32(e + 12) & ENABLED))
			return false;
		out->domain = get32(e + 4) & mask;
		out->apic_id = get32(e + 8);
		return true;
	case OF_MEMORY:
		if (e[1] < SIZE_OF_MEMORY ||
			(get32(e + 28) & (ENABLED | NON_VOLATILE)) != ENABLED)
			return false;
		out->domain = get32(e + 2) & mask;
		out->start = get64(e + 8);
		out->size = get64(e + 16);
		return out->size != 0;
	default:
		return false;
	}
}

static uint32_t node_of(const struct numa *n, uint32_t domain)
{
	for (unsigned i = 0; i < n->count; i++)
		if (n->domain[i] == domain)
			return i;
	return NUMA_NONE;
}

static void add_domain(struct numa *n, uint32_t domain)
{
	unsigned i = n->count;

	if (node_of(n, domain) != NUMA_NONE)
		return;
	if (n->count == NUMA_NODES) {
		n->left_out++;
		return;
	}
	for (; i > 0 && n->domain[i - 1] > domain; i--)
		n->domain[i] = n->domain[i - 1];
	n->domain[i] = domain;
	n->count++;
}

/* Who is named twice is where he was named first. */
static void add_cpu(struct numa *n, uint32_t apic_id, uint32_t node)
{
	uint32_t known = numa_of_cpu(n, apic_id);

	if (known == node)
		return;
	if (known != NUMA_NONE || n->cpu_count == NUMA_CPUS)
		n->left_out++;
	else
		n->cpu[n->cpu_count++] = (struct numa_cpu){apic_id, node};
}

static void remove_range(struct numa *n, unsigned i)
{
	n->range_count--;
	for (; i < n->range_count; i++)
		n->range[i] = n->range[i + 1];
}

/* With a neighbour of the same node it is one. */
static void join(struct numa *n, unsigned i)
{
	struct numa_range *r = n->range;

	if (i + 1 < n->range_count && r[i + 1].node == r[i].node &&
		r[i].last + 1 == r[i + 1].start) {
		r[i].last = r[i + 1].last;
		remove_range(n, i + 1);
	}
	if (i > 0 && r[i - 1].node == r[i].node && r[i - 1].last + 1 == r[i].start) {
		r[i - 1].last = r[i].last;
		remove_range(n, i);
	}
}

/* Memory that two claim is whose it was said to be first, and the second entry is nothing. */
static void add_range(struct numa *n, uint64_t start, uint64_t size, uint32_t node)
{
	uint64_t last = start + (size - 1);
	unsigned i = 0;

	while (i < n->range_count && n->range[i].last < start)
		i++;
	if (last < start || n->range_count == NUMA_RANGES ||
		(i < n->range_count && n->range[i].start <= last)) {
		n->left_out++;
		return;
	}
	for (unsigned k = n->range_count++; k > i; k--)
		n->range[k] = n->range[k - 1];
	n->range[i] = (struct numa_range){start, last, node};
	join(n, i);
}

static void begin(struct numa *n)
{
	n->count = n->range_count = n->cpu_count = n->left_out = 0;
	for (unsigned i = 0; i < NUMA_NODES; i++)
		for (unsigned k = 0; k < NUMA_NODES; k++)
			n->distance[i][k] = i == k ? NUMA_NEAR : NUMA_FAR;
}

void numa_one(struct numa *n)
{
	begin(n);
	n->count = 1;
	n->domain[0] = 0;
	n->range[n->range_count++] = (struct numa_range){0, UINT64_MAX, 0};
}

/* First the domains, whose order numbers the nodes; then what is in them. */
bool numa_read(struct numa *n, const uint8_t *srat, uint32_t length)
{
	uint32_t at = SRAT_ENTRIES;
	struct entry entry;

	begin(n);
	for (const uint8_t *e; (e = next(srat, length, &at)) != NULL;)
		if (decode(e, srat[SRAT_REVISION_AT], &entry))
			add_domain(n, entry.domain);
	at = SRAT_ENTRIES;
	for (const uint8_t *e; (e = next(srat, length, &at)) != NULL;) {
		uint32_t node;

		if (!decode(e, srat[SRAT_REVISION_AT], &entry) ||
			(node = node_of(n, entry.domain)) == NUMA_NONE)
			continue;
		if (entry.kind == OF_MEMORY)
			add_range(n, entry.start, entry.size, node);
		else
			add_cpu(n, entry.apic_id, node);
	}
	if (n->range_count != 0)
		return true;
	numa_one(n);
	return false;
}

/* SLIT has a row and a column for each domain from 0 up. */
static uint8_t entry_of(const uint8_t *slit, uint64_t count, uint32_t from, uint32_t to)
{
	if (from >= count || to >= count)
		return from == to ? NUMA_NEAR : NUMA_FAR;
	return slit[SLIT_ENTRIES + from * count + to];
}

bool numa_read_distances(struct numa *n, const uint8_t *slit, uint32_t length)
{
	uint64_t count;

	if (length < SLIT_ENTRIES)
		return false;
	count = get64(slit + SLIT_COUNT);
	if (count > length || count * count > length - SLIT_ENTRIES)
		return false;
	for (unsigned i = 0; i < n->count; i++)
		for (unsigned k = 0; k < n->count; k++) {
			uint8_t d = entry_of(slit, count, n->domain[i], n->domain[k]);

			if (d < NUMA_NEAR || (i == k && d != NUMA_NEAR))
				return false;
		}
	for (unsigned i = 0; i < n->count; i++)
		for (unsigned k = 0; k < n->count; k++)
			n->distance[i][k] = entry_of(slit, count, n->domain[i], n->domain[k]);
	return true;
}

uint32_t numa_of_memory(const struct numa *n, uint64_t address, uint64_t *last)
{
	unsigned low = 0, high = n->range_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (n->range[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	*last = UINT64_MAX;
	if (low == n->range_count)
		return NUMA_NONE;
	if (n->range[low].start > address) {
		*last = n->range[low].start - 1;
		return NUMA_NONE;
	}
	*last = n->range[low].last;
	return n->range[low].node;
}

uint32_t numa_of_cpu(const struct numa *n, uint32_t apic_id)
{
	for (unsigned i = 0; i < n->cpu_count; i++)
		if (n->cpu[i].apic_id == apic_id)
			return n->cpu[i].node;
	return NUMA_NONE;
}
