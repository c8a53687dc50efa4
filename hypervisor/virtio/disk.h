/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory: an image that is only read, and may be shared, below pages of the disk's
 * own that were written. How many there may be is fixed; pages that were discarded are used
 * again.
 */
#ifndef NESTOR_VIRTIO_DISK_H
#define NESTOR_VIRTIO_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_PAGE 4096u

struct disk {
	const char *name;     /* also its serial number: VIRTIO_BLK_ID_SIZE characters */
	uint64_t size;        /* bytes, a multiple of 512 */
	const uint8_t *image; /* its first bytes before they are written; zeroes follow */
	uint64_t image_size;
	bool readonly;
	uint32_t *map;       /* for each page of the disk: enum disk_place, or a page */
	uint8_t *pages;      /* that may be written */
	uint32_t *next_free; /* for each of them: the next one that is free */
	uint32_t page_count;
	uint32_t fresh; /* pages from here on were never used */
	uint32_t free;  /* number of the first page that is free again, and 1; 0: none */
};

/* Of the memory that disk_init gets. */
static inline uint64_t disk_map_size(uint64_t size)
{
	return (size + DISK_PAGE - 1) / DISK_PAGE * sizeof(uint32_t);
}

/* The caller has filled all up to `readonly`; the rest is zeroed memory. */
void disk_init(struct disk *d, uint32_t *map, uint8_t *pages, uint32_t *next_free,
	uint32_t page_count);

/*
 * A page of the image, or of those that may be written, may be in memory that is wrong
 * (dev_is_wrong). Before disk_write, where some is (dev_any_wrong): true: what the request for
 * [at, at + count) keeps of its page is not; or it keeps nothing, and is to other memory, what
 * is in there being undefined until it was made. For reads what disk_read returns is asked for.
 */
bool disk_can_write(struct disk *d, uint64_t at, uint64_t count);
/*
 * What is at a place below size: *count bytes, at most to the end of its page; NULL: as many
 * zeroes.
 */
const uint8_t *disk_read(const struct disk *d, uint64_t at, uint64_t *count);
/*
 * Where to write at most *count bytes of this place to; *count is cut to its page. NULL: no
 * page is left.
 */
uint8_t *disk_write(struct disk *d, uint64_t at, uint64_t *count);
/* The page with this place reads as zeroes from now on. unmap: may give up its memory. False:
 * no page is left, which happens without only. */
bool disk_zero_page(struct disk *d, uint64_t at, bool unmap);

#endif
