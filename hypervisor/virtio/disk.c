/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/disk.h"

#include <stddef.h>

#include "dev/dev.h"

/* What `map` says of a page of the disk. */
enum disk_place {
	PLACE_IMAGE = 0, /* as the image has it, zeroes behind that */
	PLACE_ZERO = 1,
	PLACE_PAGE = 2 /* and the number of a page */
};

void disk_init(
	struct disk *d, uint32_t *map, uint8_t *pages, uint32_t *next_free, uint32_t page_count)
{
	d->map = map;
	d->pages = pages;
	d->next_free = next_free;
	d->page_count = page_count;
	d->fresh = d->free = 0;
}

static uint8_t *page_at(const struct disk *d, uint32_t number)
{
	return d->pages + (uint64_t)number * DISK_PAGE;
}

static uint64_t to_page_end(uint64_t at, uint64_t count)
{
	uint64_t rest = DISK_PAGE - at % DISK_PAGE;

	return count < rest ? count : rest;
}

/* Of the image's bytes; *count is cut where it ends. */
static const uint8_t *in_image(const struct disk *d, uint64_t at, uint64_t *count)
{
	if (at >= d->image_size)
		return NULL;
	if (*count > d->image_size - at)
		*count = d->image_size - at;
	return d->image + at;
}

const uint8_t *disk_read(const struct disk *d, uint64_t at, uint64_t *count)
{
	uint32_t place = d->map[at / DISK_PAGE];

	*count = to_page_end(at, *count);
	if (place == PLACE_IMAGE)
		return in_image(d, at, count);
	if (place == PLACE_ZERO)
		return NULL;
	return page_at(d, place - PLACE_PAGE) + at % DISK_PAGE;
}

static bool take_any(struct disk *d, uint32_t *number)
{
	if (d->pages == NULL) /* it is only read */
		return false;
	if (d->free != 0) {
		*number = d->free - 1;
		d->free = d->next_free[*number];
		return true;
	}
	if (d->fresh == d->page_count)
		return false;
	*number = d->fresh++;
	return true;
}

/* NULL: there is none. Those that are wrong are not come by again. */
static uint8_t *take_page(struct disk *d, uint32_t *number)
{
	while (take_any(d, number)) {
		uint8_t *page = page_at(d, *number);

		if (!dev_is_wrong(page, DISK_PAGE))
			return page;
	}
	return NULL;
}

static void give_page(struct disk *d, uint32_t number)
{
	d->next_free[number] = d->free;
	d->free = number + 1;
}

/* What the page has so far, but for what will be written over at once. */
static void fill(const struct disk *d, uint64_t at, uint8_t *page)
{
	uint64_t start = at - at % DISK_PAGE, count = DISK_PAGE;
	const uint8_t *old = disk_read(d, start, &count);

	if (old == NULL)
		count = 0;
	else
		__builtin_memcpy(page, old, count);
	__builtin_memset(page + count, 0, DISK_PAGE - count);
}

bool disk_can_write(struct disk *d, uint64_t at, uint64_t count)
{
	uint32_t *place = &d->map[at / DISK_PAGE];
	uint64_t all = DISK_PAGE;
	uint8_t *other;
	const uint8_t *page = disk_read(d, at - at % DISK_PAGE, &all);
	uint32_t number;

	if (page == NULL || !dev_is_wrong(page, all))
		return true;
	if (to_page_end(at, count) < DISK_PAGE)
		return false;
	other = take_page(d, &number);
	if (other == NULL) /* of an image: disk_write finds none, either */
		return *place == PLACE_IMAGE;
	__builtin_memset(other, 0, DISK_PAGE); /* what is to come may be bad */
	*place = number + PLACE_PAGE;
	return true;
}

uint8_t *disk_write(struct disk *d, uint64_t at, uint64_t *count)
{
	uint32_t *place = &d->map[at / DISK_PAGE], number;

	*count = to_page_end(at, *count);
	if (*place < PLACE_PAGE) {
		uint8_t *page = take_page(d, &number);

		if (page == NULL)
			return NULL;
		if (*count < DISK_PAGE)
			fill(d, at, page);
		*place = number + PLACE_PAGE;
	}
	return page_at(d, *place - PLACE_PAGE) + at % DISK_PAGE;
}

bool disk_zero_page(struct disk *d, uint64_t at, bool unmap)
{
	uint32_t *place = &d->map[at / DISK_PAGE];
	uint64_t count = DISK_PAGE;
	uint8_t *page;

	at -= at % DISK_PAGE;
	if (unmap) {
		if (*place >= PLACE_PAGE)
			give_page(d, *place - PLACE_PAGE);
		*place = PLACE_ZERO;
		return true;
	}
	if (disk_read(d, at, &count) == NULL && count == DISK_PAGE)
		return true; /* it does already, and had no memory */
	count = DISK_PAGE;
	page = disk_write(d, at, &count);
	if (page == NULL)
		return false;
	__builtin_memset(page, 0, DISK_PAGE);
	return true;
}
