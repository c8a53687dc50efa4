/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/tables.h"

#include "spec/addr.h"
#include "vtd/seam.h"

#define RUN_ENTRIES 64u /* entries that are looked at for one answer */
#define SL_ENTRIES  512u
#define ADDRESS     UINT64_C(0x000ffffffffff000)
#define HOST_BITS   52

static unsigned top_shift(const struct vtd_tables *t)
{
	return PAGE_SHIFT + 9 * (t->levels - 1);
}

static bool present(uint64_t entry)
{
	return entry & VTD_SL_RIGHTS;
}

static bool is_leaf(uint64_t entry, unsigned shift)
{
	return shift == PAGE_SHIFT || entry & VTD_SL_LARGE;
}

/* The unit may walk the tables at this moment. */
static void set(const struct vtd_tables *t, uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	if (!t->coherent)
		vtd_seam_write_back(entry, sizeof(*entry));
}

static uint64_t *new_table(struct vtd_tables *t)
{
	uint64_t *table = t->most == 0 || t->pages < t->most ? vtd_seam_page(t->pool) : NULL;

	t->pages += table != NULL;
	if (table != NULL && !t->coherent)
		vtd_seam_write_back(table, PAGE_SIZE);
	return table;
}

bool vtd_tables_create(struct vtd_tables *t, const struct vtd_caps *c, void *pool)
{
	*t = (struct vtd_tables){.pool = pool,
		.levels = c->levels,
		.bits = c->bits,
		.leaf = c->snoop ? VTD_SL_SNOOP : 0,
		.large_2m = c->large_2m,
		.large_1g = c->large_1g,
		.coherent = c->coherent};
	t->root = new_table(t);
	return t->root != NULL;
}

/* Levels bound the depth. False: *most entries were looked at, and there are more. */
static bool free_table(struct vtd_tables *t, uint64_t *table, unsigned shift, unsigned *most)
{
	for (unsigned i = 0; shift > PAGE_SHIFT && i < SL_ENTRIES; i++) {
		if (!present(table[i]) || is_leaf(table[i], shift))
			continue;
		if (*most == 0)
			return false;
		--*most;
		if (!free_table(t, vtd_seam_pointer(table[i] & ADDRESS), shift - 9, most))
			return false;
		table[i] = 0;
	}
	vtd_seam_page_back(t->pool, table);
	return true;
}

bool vtd_tables_destroy_some(struct vtd_tables *t, unsigned *most)
{
	if (t->root != NULL && free_table(t, t->root, top_shift(t), most))
		t->root = NULL;
	return t->root == NULL;
}

void vtd_tables_destroy(struct vtd_tables *t)
{
	unsigned all = UINT32_MAX;

	(void)vtd_tables_destroy_some(t, &all);
}

static unsigned shift_for(const struct vtd_tables *t, uint64_t at, uint64_t host, uint64_t size)
{
	uint64_t both = at | host;

	if (t->large_1g && (both & (BIT64(30) - 1)) == 0 && size >= BIT64(30))
		return 30;
	if (t->large_2m && (both & (BIT64(21) - 1)) == 0 && size >= BIT64(21))
		return 21;
	return PAGE_SHIFT;
}

/* NULL: *why. */
static uint64_t *entry_for(struct vtd_tables *t, uint64_t at, unsigned shift, const char **why)
{
	uint64_t *table = t->root;

	for (unsigned s = top_shift(t); s > shift; s -= 9) {
		uint64_t *entry = &table[at >> s & (SL_ENTRIES - 1)];

		if (!present(*entry)) {
			table = new_table(t);
			if (table == NULL) {
				*why = "there is no memory for its tables";
				return NULL;
			}
			set(t, entry, vtd_seam_address(table) | VTD_SL_RIGHTS);
		} else if (is_leaf(*entry, s)) {
			*why = "something is mapped there";
			return NULL;
		} else {
			table = vtd_seam_pointer(*entry & ADDRESS);
		}
	}
	return &table[at >> shift & (SL_ENTRIES - 1)];
}

static bool meets_messages(uint64_t at, uint64_t size)
{
	return at < VTD_MSI_END && VTD_MSI_FIRST < at + size;
}

static const char *check(const struct vtd_tables *t, uint64_t at, uint64_t host, uint64_t size)
{
	if ((at | host | size) & (PAGE_SIZE - 1))
		return "addresses and sizes are not those of pages";
	if (size > BIT64(t->bits) || at > BIT64(t->bits) - size)
		return "the unit's tables do not reach so far";
	if (size > BIT64(HOST_BITS) || host > BIT64(HOST_BITS) - size)
		return "no machine has such addresses";
	if (meets_messages(at, size) || meets_messages(host, size))
		return "interrupt requests go there";
	return NULL;
}

const char *vtd_tables_map(
	struct vtd_tables *t, uint64_t at, uint64_t host, uint64_t size, uint64_t rights)
{
	const char *why = check(t, at, host, size);

	for (uint64_t done = 0; why == NULL && done < size;) {
		unsigned shift = shift_for(t, at + done, host + done, size - done);
		uint64_t *entry = entry_for(t, at + done, shift, &why);

		if (entry == NULL)
			return why;
		if (present(*entry))
			return "something is mapped there";
		set(t, entry,
			(host + done) | (rights & VTD_SL_RIGHTS) | t->leaf |
				(shift > PAGE_SHIFT ? VTD_SL_LARGE : 0));
		done += BIT64(shift);
	}
	return why;
}

/* The leaf for an address, or the entry that says that there is none. */
static uint64_t *last_entry(const struct vtd_tables *t, uint64_t at, unsigned *shift)
{
	uint64_t *table = t->root;

	for (unsigned s = top_shift(t);; s -= 9) {
		uint64_t *entry = &table[at >> s & (SL_ENTRIES - 1)];

		*shift = s;
		if (!present(*entry) || is_leaf(*entry, s))
			return entry;
		table = vtd_seam_pointer(*entry & ADDRESS);
	}
}

bool vtd_tables_unmap(struct vtd_tables *t, uint64_t at, uint64_t size)
{
	if (size > BIT64(t->bits) || at > BIT64(t->bits) - size)
		return false;
	for (uint64_t end = at + size; at < end;) {
		unsigned shift;
		uint64_t *entry = last_entry(t, at, &shift);
		uint64_t page = BIT64(shift), first = at & ~(page - 1);

		if (present(*entry) && (first != at || page > end - at))
			return false;
		if (present(*entry))
			set(t, entry, 0);
		at = first + page;
	}
	return true;
}

/* A large page becomes a table of what it was; a unit may walk either. */
static bool split(struct vtd_tables *t, uint64_t *entry, unsigned shift)
{
	uint64_t *table = new_table(t), leaf = *entry & ~VTD_SL_LARGE;

	if (table == NULL)
		return false;
	if (shift - 9 > PAGE_SHIFT)
		leaf |= VTD_SL_LARGE;
	for (uint64_t i = 0; i < SL_ENTRIES; i++)
		set(t, &table[i], leaf + (i << (shift - 9)));
	set(t, entry, vtd_seam_address(table) | VTD_SL_RIGHTS);
	return true;
}

bool vtd_tables_leave(struct vtd_tables *t, uint64_t at, uint64_t *from, uint64_t *size)
{
	unsigned shift;
	uint64_t *entry = last_entry(t, at, &shift);

	*size = BIT64(shift);
	*from = at & ~(*size - 1);
	for (; present(*entry) && shift > PAGE_SHIFT; entry = last_entry(t, at, &shift))
		if (!split(t, entry, shift))
			return false;
	if (present(*entry))
		set(t, entry, 0);
	return true;
}

struct search {
	uint64_t host;
	uint64_t *at;
	unsigned *most;
};

/* From *at on in a table that begins at `base`; levels bound the depth. */
static bool find_in(struct search s, const uint64_t *table, unsigned shift, uint64_t base)
{
	uint64_t i = *s.at > base ? (*s.at - base) >> shift : 0;

	if (*s.most == 0)
		return false;
	--*s.most;
	for (; i < SL_ENTRIES && *s.most != 0; i++) {
		uint64_t first = base + (i << shift), page = BIT64(shift);
		uint64_t offset = s.host - (table[i] & ADDRESS & ~(page - 1));

		if (!present(table[i]))
			continue;
		if (!is_leaf(table[i], shift)) {
			if (find_in(s, vtd_seam_pointer(table[i] & ADDRESS), shift - 9, first))
				return true;
		} else if (offset < page && first + offset >= *s.at) {
			*s.at = first + offset;
			return true;
		}
	}
	return false;
}

bool vtd_tables_find(const struct vtd_tables *t, uint64_t host, uint64_t *at, unsigned *most)
{
	return *at >> t->bits == 0 &&
	       find_in((struct search){host, at, most}, t->root, top_shift(t), 0);
}

uint64_t vtd_tables_run(const struct vtd_tables *t, uint64_t at, uint64_t *host, uint64_t *size)
{
	unsigned shift, n = 1;
	const uint64_t *entry = last_entry(t, at, &shift);
	uint64_t page = BIT64(shift), step = present(*entry) ? page : 0;
	uint64_t left = SL_ENTRIES - (at >> shift & (SL_ENTRIES - 1));

	while (n < left && n < RUN_ENTRIES && entry[n] == *entry + n * step)
		n++;
	*host = (*entry & ADDRESS & ~(page - 1)) | (at & (page - 1));
	*size = n * page - (at & (page - 1));
	return *entry & VTD_SL_RIGHTS;
}

uint64_t vtd_tables_look(
	const struct vtd_tables *t, uint64_t at, uint64_t *host, uint64_t *size)
{
	unsigned shift;
	uint64_t entry;

	*host = 0;
	*size = PAGE_SIZE;
	if (t->root == NULL || at >> t->bits != 0)
		return 0;
	entry = *last_entry(t, at, &shift);
	*size = BIT64(shift);
	*host = (entry & ADDRESS & ~(*size - 1)) | (at & (*size - 1));
	return entry & VTD_SL_RIGHTS;
}
