/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/page.h"

#include "cpu/bad_memory.h"
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

/* Firmware's own, as the loader tells; in any order, and they may overlap. */
static struct range reserved[PAGE_MAX_RESERVED];
static unsigned reserved_count;

void page_know_reserved(uint64_t start, uint64_t size)
{
	if (reserved_count < PAGE_MAX_RESERVED)
		reserved[reserved_count++] = (struct range){start, start + size};
}

/* How far it is reserved from there on. */
static uint64_t reserved_until(uint64_t at)
{
	for (unsigned i = 0; i < reserved_count; i++)
		if (reserved[i].start <= at && at < reserved[i].end)
			return reserved[i].end;
	return at;
}

/* Each range is met once at most, since what follows begins behind it. */
bool page_is_reserved(uint64_t start, uint64_t size)
{
	uint64_t at = start, end = start + size;

	for (unsigned i = 0; i < reserved_count && at < end; i++)
		at = reserved_until(at);
	return end > start && at >= end && !page_known(start, size);
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

/* What is wrong leaves what is free; with the lock, or by one CPU at start-up. */
static void drop_bad(uint64_t start, uint64_t end)
{
	uint64_t page;

	for (; bad_memory_next(start, end - start, &page); start = page + PAGE_SIZE)
		page_reserve(page, PAGE_SIZE);
}

/* The same for all that was told of since the last time. */
static void drop_new(void)
{
	static unsigned dropped;
	unsigned count = bad_memory_any() ? bad_pages_count(&bad_memory) : 0;

	if (count != dropped)
		drop_bad(0, UINT64_MAX);
	dropped = count;
}

void page_add(uint64_t start, uint64_t size)
{
	uint64_t end = (start + size) & ~PAGE_MASK;
	unsigned i = range_count;

	start = (start + PAGE_MASK) & ~PAGE_MASK;
	if (start >= end)
		return;
	while (i > 0 && ranges[i - 1].end >= start) /* most come in ascending order */
		i--;
	while (i < range_count && ranges[i].start <= end) {
		start = ranges[i].start < start ? ranges[i].start : start;
		end = ranges[i].end > end ? ranges[i].end : end;
		remove_at(i);
	}
	insert_at(i, start, end);
	drop_bad(start, end);
}

void page_reserve(uint64_t start, uint64_t size)
{
	uint64_t end = (start + size + PAGE_MASK) & ~PAGE_MASK;

	if (size == 0)
		return;
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

/* What of range i lies in [from, limit). */
static struct range part(unsigned i, uint64_t from, uint64_t limit)
{
	struct range r = ranges[i];

	r.start = r.start > from ? r.start : from;
	r.end = r.end < limit ? r.end : limit;
	return r;
}

static bool take(uint64_t size, uint64_t align, uint64_t from, uint64_t limit, struct hpa *out)
{
	size = (size + PAGE_MASK) & ~PAGE_MASK;
	drop_new();
	for (unsigned i = range_count; i-- > 0;) {
		struct range r = part(i, from, limit);
		uint64_t start;

		if (r.end < size || size == 0)
			continue;
		start = (r.end - size) & ~(align - 1);
		if (start < r.start)
			continue;
		page_reserve(start, size);
		out->v = start;
		return true;
	}
	return false;
}

bool page_alloc_in(
	uint64_t size, uint64_t align, uint64_t from, uint64_t limit, struct hpa *out)
{
	bool taken;

	spin_lock(&lock);
	taken = take(size, align, from, limit, out);
	spin_unlock(&lock);
	return taken;
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	return page_alloc_in(size, align, 0, limit, out);
}

static uint64_t largest(uint64_t unit, uint64_t from, uint64_t limit)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < range_count; i++) {
		struct range r = part(i, from, limit);
		uint64_t start = (r.start + unit - 1) & ~(unit - 1), end = r.end & ~(unit - 1);

		if (end > start && end - start > most)
			most = end - start;
	}
	return most;
}

uint64_t page_alloc_most(
	uint64_t most, uint64_t unit, uint64_t from, uint64_t limit, struct hpa *out)
{
	uint64_t size;

	spin_lock(&lock);
	drop_new();
	size = largest(unit, from, limit);
	size = size < most ? size : most;
	if (!take(size, unit, from, limit, out))
		size = 0;
	spin_unlock(&lock);
	return size;
}

void page_free(struct hpa start, uint64_t size)
{
	spin_lock(&lock);
	page_add(start.v, size);
	spin_unlock(&lock);
}

bool page_free_range(unsigned index, uint64_t *start, uint64_t *size)
{
	if (index == 0)
		drop_new();
	if (index >= range_count)
		return false;
	*start = ranges[index].start;
	*size = ranges[index].end - ranges[index].start;
	return true;
}

uint64_t page_available_in(uint64_t from, uint64_t limit)
{
	uint64_t n = 0;

	spin_lock(&lock);
	drop_new();
	for (unsigned i = 0; i < range_count; i++) {
		struct range r = part(i, from, limit);

		n += r.end > r.start ? r.end - r.start : 0;
	}
	spin_unlock(&lock);
	return n;
}

uint64_t page_available(void)
{
	return page_available_in(0, UINT64_MAX);
}
