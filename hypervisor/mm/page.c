/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/page.h"

#include "cpu/lock.h"
#include "cpu/log.h"

/* Sorted, disjoint, not adjacent, page-aligned, not empty. */
static struct range {
	uint64_t start, end;
} ranges[PAGE_MAX_RANGES];
static unsigned range_count;
static struct spinlock lock = {.rank = LOCK_PAGES};

/* What the machine has, as it was told. */
static struct range known[PAGE_MAX_RANGES];
static unsigned known_count;

void page_know(uint64_t start, uint64_t size)
{
	if (known_count < PAGE_MAX_RANGES)
		known[known_count++] = (struct range){start, start + size};
}

bool page_known(uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < known_count; i++)
		if (start < known[i].end && known[i].start < start + size)
			return true;
	return false;
}

static void remove_at(unsigned i)
{
	range_count--;
	for (; i < range_count; i++)
		ranges[i] = ranges[i + 1];
}

static void insert_at(unsigned i, uint64_t start, uint64_t end)
{
	if (range_count == PAGE_MAX_RANGES) {
		log_warn("memory map too fragmented: %lu KiB left out", (end - start) >> 10);
		return;
	}
	for (unsigned k = range_count++; k > i; k--)
		ranges[k] = ranges[k - 1];
	ranges[i] = (struct range){start, end};
}

void page_add(uint64_t start, uint64_t size)
{
	uint64_t end = (start + size) & ~PAGE_MASK;
	unsigned i = 0;

	start = (start + PAGE_MASK) & ~PAGE_MASK;
	if (start >= end)
		return;
	while (i < range_count && ranges[i].end < start)
		i++;
	while (i < range_count && ranges[i].start <= end) {
		start = ranges[i].start < start ? ranges[i].start : start;
		end = ranges[i].end > end ? ranges[i].end : end;
		remove_at(i);
	}
	insert_at(i, start, end);
}

void page_reserve(uint64_t start, uint64_t size)
{
	uint64_t end = (start + size + PAGE_MASK) & ~PAGE_MASK;

	start &= ~PAGE_MASK;
	/* Backwards: removing and inserting at i leaves what is before it alone. */
	for (unsigned i = range_count; i-- > 0;) {
		struct range r = ranges[i];

		if (r.end <= start || r.start >= end)
			continue;
		remove_at(i);
		if (r.end > end)
			insert_at(i, end, r.end);
		if (r.start < start)
			insert_at(i, r.start, start);
	}
}

static bool take(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	size = (size + PAGE_MASK) & ~PAGE_MASK;
	for (unsigned i = range_count; i-- > 0;) {
		uint64_t end = ranges[i].end < limit ? ranges[i].end : limit, start;

		if (end < size || size == 0)
			continue;
		start = (end - size) & ~(align - 1);
		if (start < ranges[i].start)
			continue;
		page_reserve(start, size);
		out->v = start;
		return true;
	}
	return false;
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	bool taken;

	spin_lock(&lock);
	taken = take(size, align, limit, out);
	spin_unlock(&lock);
	return taken;
}

void page_free(struct hpa start, uint64_t size)
{
	spin_lock(&lock);
	page_add(start.v, size);
	spin_unlock(&lock);
}

bool page_free_range(unsigned index, uint64_t *start, uint64_t *size)
{
	if (index >= range_count)
		return false;
	*start = ranges[index].start;
	*size = ranges[index].end - ranges[index].start;
	return true;
}

uint64_t page_available(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < range_count; i++)
		n += ranges[i].end - ranges[i].start;
	return n;
}
