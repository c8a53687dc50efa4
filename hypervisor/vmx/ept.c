/* SPDX-License-Identifier: Apache-2.0 */
#include "vmx/ept.h"

#include "cpu/log.h"
#include "mm/layout.h"
#include "spec/vmx.h"
#include "vmx/asm.h"
#include "vmx/vmx.h"

#define LEAF_BITS (EPT_RWX | EPT_MEMTYPE | EPT_IPAT | EPT_CODE)
#define ENTRIES   512u
#define TOP_SHIFT 39u

static bool present(uint64_t entry)
{
	return entry & EPT_RWX;
}

static uint64_t *table_of(uint64_t entry)
{
	return direct_va((struct hpa){entry & EPT_ADDRESS});
}

bool ept_init(struct ept *e, struct page_pool *pool, bool small_code)
{
	bool ad = caps_msr(&vmx_caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_AD;

	e->pool = pool;
	e->small_code = small_code;
	e->root = pool_get(pool);
	if (e->root == NULL)
		return false;
	e->eptp = hpa_of(e->root).v | MEMTYPE_WB | EPTP_WALK_4 | (ad ? EPTP_AD : 0);
	return true;
}

/* The rights in the entry of a large page. */
static uint64_t large_rights(const struct ept *e, uint64_t rights)
{
	if (!e->small_code || !(rights & EPT_EXEC))
		return rights;
	return (rights & ~EPT_EXEC) | EPT_CODE;
}

/* Replaces a large page by a table of the next smaller pages with the same properties. */
static uint64_t *split(struct ept *e, uint64_t *entry, unsigned shift)
{
	uint64_t *table = pool_get(e->pool);
	uint64_t leaf = *entry & LEAF_BITS, base = *entry & EPT_ADDRESS;

	if (table == NULL)
		return NULL;
	if (shift - 9 > PAGE_SHIFT)
		leaf |= EPT_LARGE;
	else if (leaf & EPT_CODE)
		leaf = (leaf & ~EPT_CODE) | EPT_EXEC;
	for (uint64_t i = 0; i < ENTRIES; i++)
		table[i] = (base + (i << (shift - 9))) | leaf;
	*entry = hpa_of(table).v | EPT_RWX;
	return table;
}

/* The entry for gpa in the table whose pages have `shift`, making tables on the way. */
static uint64_t *entry_at(struct ept *e, uint64_t gpa, unsigned shift)
{
	uint64_t *table = e->root;

	for (unsigned s = TOP_SHIFT; s > shift; s -= 9) {
		uint64_t *entry = &table[gpa >> s & (ENTRIES - 1)];

		if (!present(*entry)) {
			table = pool_get(e->pool);
			if (table == NULL)
				return NULL;
			*entry = hpa_of(table).v | EPT_RWX;
		} else if (*entry & EPT_LARGE) {
			table = split(e, entry, s);
			if (table == NULL)
				return NULL;
		} else {
			table = table_of(*entry);
		}
	}
	return &table[gpa >> shift & (ENTRIES - 1)];
}

static unsigned leaf_shift(uint64_t gpa, uint64_t hpa, uint64_t size)
{
	uint64_t caps = caps_msr(&vmx_caps, MSR_VMX_EPT_VPID_CAP);

	if (((gpa | hpa) & (SIZE_1G - 1)) == 0 && size >= SIZE_1G && caps & EPT_CAP_1G)
		return 30;
	if (((gpa | hpa) & (SIZE_2M - 1)) == 0 && size >= SIZE_2M)
		return 21;
	return PAGE_SHIFT;
}

static void free_table(struct ept *e, uint64_t entry, unsigned shift)
{
	uint64_t *table;

	if (!present(entry) || shift == PAGE_SHIFT || entry & EPT_LARGE)
		return;
	table = table_of(entry);
	for (unsigned i = 0; shift - 9 > PAGE_SHIFT && i < ENTRIES; i++)
		free_table(e, table[i], shift - 9);
	pool_put(e->pool, table);
}

bool ept_map(struct ept *e, uint64_t gpa, struct hpa hpa, uint64_t size, uint64_t perm,
	enum memory_type type)
{
	for (uint64_t done = 0; done < size;) {
		unsigned shift = leaf_shift(gpa + done, hpa.v + done, size - done);
		uint64_t *entry = entry_at(e, gpa + done, shift);
		uint64_t old;

		if (entry == NULL)
			return false;
		old = *entry;
		e->fills++;
		*entry = (hpa.v + done) | EPT_TYPE(type) |
			 (shift > PAGE_SHIFT ? large_rights(e, perm) | EPT_LARGE : perm);
		if (old != 0)
			ept_changed(e);
		free_table(e, old, shift);
		done += 1ull << shift;
	}
	return true;
}

bool ept_unmap(struct ept *e, uint64_t gpa, uint64_t size)
{
	for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
		uint64_t page_size;

		if (ept_leaf(e, gpa + done, &page_size) == NULL)
			continue;
		if (ept_split_to_4k(e, gpa + done) == NULL)
			return false;
		*ept_leaf(e, gpa + done, &page_size) = 0;
		ept_changed(e);
		e->evictions++;
	}
	return true;
}

/* The leaf for gpa, or the entry that says that there is none; *shift: how much it is for. */
static uint64_t *last_entry(const struct ept *e, uint64_t gpa, unsigned *shift)
{
	uint64_t *table = e->root;

	for (unsigned s = TOP_SHIFT;; s -= 9) {
		uint64_t *entry = &table[gpa >> s & (ENTRIES - 1)];

		*shift = s;
		if (!present(*entry) || s == PAGE_SHIFT || *entry & EPT_LARGE)
			return entry;
		table = table_of(*entry);
	}
}

bool ept_has_table(const struct ept *e, uint64_t gpa)
{
	unsigned shift;

	(void)last_entry(e, gpa, &shift);
	return shift == PAGE_SHIFT;
}

/* All small pages of a table go; it stays, since CPUs may have it in their caches. */
static void clear_table(struct ept *e, uint64_t *table)
{
	uint64_t gone = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		gone += present(table[i]);
		table[i] = 0;
	}
	if (gone != 0)
		ept_changed(e);
	e->evictions += gone;
}

void ept_clear(struct ept *e, uint64_t gpa, uint64_t size)
{
	uint64_t end = gpa + size;

	while (gpa < end) {
		unsigned shift;
		uint64_t *entry = last_entry(e, gpa, &shift);
		uint64_t first = gpa & ~((1ull << shift) - 1);

		if (shift == PAGE_SHIFT && gpa % SIZE_2M == 0 && end - gpa >= SIZE_2M) {
			clear_table(e, entry);
			gpa += SIZE_2M;
			continue;
		}
		gpa = first + (1ull << shift);
		if (present(*entry) && first >= end - size && gpa <= end) {
			*entry = 0;
			ept_changed(e);
			e->evictions++;
		}
	}
}

/* Other CPUs may walk the tables, and read the flags. */
static void set_entry(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool is_table(uint64_t entry)
{
	return present(entry) && !(entry & EPT_LARGE);
}

bool ept_chunk_set(struct ept *e, uint64_t gpa, struct hpa hpa)
{
	uint64_t *entry = entry_at(e, gpa, 21);
	uint64_t leaf = EPT_RWX | EPT_TYPE(MEMTYPE_WB) | EPT_IPAT;

	if (entry == NULL)
		return false;
	e->fills++;
	if (!is_table(*entry)) {
		set_entry(entry, hpa.v | large_rights(e, leaf) | EPT_LARGE);
		return true;
	}
	for (unsigned i = 0; i < ENTRIES; i++)
		if (!present(table_of(*entry)[i]))
			set_entry(&table_of(*entry)[i],
				(hpa.v + i * PAGE_SIZE) | leaf | EPT_DIRTY);
	return true;
}

void ept_chunk_clear(struct ept *e, uint64_t gpa)
{
	uint64_t *entry = entry_at(e, gpa, 21);

	if (entry == NULL || !present(*entry))
		return;
	e->evictions++;
	if (!is_table(*entry)) {
		set_entry(entry, 0);
	} else {
		for (unsigned i = 0; i < ENTRIES; i++)
			set_entry(&table_of(*entry)[i], EPT_DIRTY);
	}
	ept_changed(e);
}

uint64_t *ept_leaf(const struct ept *e, uint64_t gpa, uint64_t *page_size)
{
	uint64_t *table = e->root;

	if (gpa >> 48 != 0)
		return NULL;
	for (unsigned s = TOP_SHIFT;; s -= 9) {
		uint64_t *entry = &table[gpa >> s & (ENTRIES - 1)];

		if (!present(*entry))
			return NULL;
		if (s == PAGE_SHIFT || *entry & EPT_LARGE) {
			*page_size = 1ull << s;
			return entry;
		}
		table = table_of(*entry);
	}
}

unsigned ept_look(const struct ept *e, uint64_t gpa, uint64_t entry[5])
{
	const uint64_t *table = e->root;

	for (unsigned level = 4;; level--) {
		uint64_t v = table[gpa >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1)];

		entry[level] = v;
		if (!present(v) || level == 1 || v & EPT_LARGE)
			return level;
		table = table_of(v);
	}
}

uint64_t *ept_split_to_4k(struct ept *e, uint64_t gpa)
{
	uint64_t page_size;

	if (ept_leaf(e, gpa, &page_size) == NULL)
		return NULL;
	return entry_at(e, gpa, PAGE_SHIFT);
}

/*
 * Nothing is flushed: what CPUs have cached of the large page leads to the same memory, and
 * they fetch nothing by it.
 */
bool ept_open_code(struct ept *e, uint64_t gpa)
{
	uint64_t page_size, *leaf = ept_leaf(e, gpa, &page_size);

	if (leaf != NULL && *leaf & EPT_CODE)
		leaf = ept_split_to_4k(e, gpa);
	return leaf != NULL && *leaf & EPT_EXEC;
}

void ept_flush(struct ept *e)
{
	ept_changed(e);
	invept(INVEPT_SINGLE, e->eptp);
}
