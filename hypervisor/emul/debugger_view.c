/* SPDX-License-Identifier: Apache-2.0 */
#include "emul/debugger_view.h"

#include <stddef.h>

#define VIEW_ENTRIES 512u
#define VIEW_TOP     39u
#define VIEW_LARGE   21u /* the only large pages here */
#define VIEW_WALK    3u  /* tables that one walk may need, beside the root */
#define VIEW_LEAF    (EPT_RWX | EPT_MEMTYPE | EPT_IPAT)

static void clear(uint64_t *table)
{
	for (unsigned i = 0; i < VIEW_ENTRIES; i++)
		table[i] = 0;
}

void debugger_view_empty(struct debugger_view *v)
{
	clear(v->table[0]);
	v->used = 1;
}

static uint64_t *entry_in(uint64_t *table, uint64_t gpa, unsigned shift)
{
	return &table[gpa >> shift & (VIEW_ENTRIES - 1)];
}

/* That an entry leads to: it is one of those in use. */
static uint64_t *table_of(const struct debugger_view *v, uint64_t entry)
{
	for (unsigned i = 1; i < v->used; i++)
		if (v->hpa[i] == (entry & EPT_ADDRESS))
			return v->table[i];
	return NULL;
}

/* One that is empty; the caller knows that there is one. */
static uint64_t *new_table(struct debugger_view *v, uint64_t *entry)
{
	uint64_t *table = v->table[v->used];

	clear(table);
	*entry = v->hpa[v->used++] | EPT_RWX;
	return table;
}

/* The same for a large page, which goes on by small ones. */
static uint64_t *split(struct debugger_view *v, uint64_t *entry)
{
	uint64_t flags = *entry & VIEW_LEAF, base = *entry & EPT_ADDRESS;
	uint64_t *table = new_table(v, entry);

	for (uint64_t i = 0; i < VIEW_ENTRIES; i++)
		table[i] = (base + (i << PAGE_SHIFT)) | flags;
	return table;
}

/* What EPT01 says, for the smaller page of 2^to bytes around gpa. */
static uint64_t part(uint64_t entry, uint64_t gpa, unsigned from, unsigned to)
{
	uint64_t offset = gpa & (BIT64(from) - 1) & ~(BIT64(to) - 1);
	uint64_t base = entry & EPT_ADDRESS & ~(BIT64(from) - 1);

	return (base + offset) | (entry & VIEW_LEAF) | (to == VIEW_LARGE ? EPT_LARGE : 0);
}

static bool map_small(uint64_t *entry, uint64_t leaf)
{
	uint64_t old = *entry;

	if (old & EPT_EXEC && !((old ^ leaf) & EPT_ADDRESS))
		leaf |= EPT_EXEC;
	*entry = leaf;
	return old & EPT_RWX & ~leaf;
}

bool debugger_view_map(
	struct debugger_view *v, struct gpa_l1 gpa, uint64_t entry, unsigned shift)
{
	bool flush = v->used + VIEW_WALK > v->count;
	uint64_t *table = v->table[0], *at;

	if (flush)
		debugger_view_empty(v);
	for (unsigned s = VIEW_TOP; s > VIEW_LARGE; s -= 9) {
		at = entry_in(table, gpa.v, s);
		table = *at != 0 ? table_of(v, *at) : new_table(v, at);
	}
	at = entry_in(table, gpa.v, VIEW_LARGE);
	if (shift >= VIEW_LARGE && !(entry & EPT_EXEC) && (*at == 0 || *at & EPT_LARGE)) {
		*at = part(entry, gpa.v, shift, VIEW_LARGE);
		return flush;
	}
	if (*at & EPT_LARGE) {
		flush = true;
		table = split(v, at);
	} else {
		table = *at != 0 ? table_of(v, *at) : new_table(v, at);
	}
	if (shift > PAGE_SHIFT)
		entry = part(entry, gpa.v, shift, PAGE_SHIFT);
	return map_small(
		       entry_in(table, gpa.v, PAGE_SHIFT), entry & (EPT_ADDRESS | VIEW_LEAF)) ||
	       flush;
}

bool debugger_view_close(struct debugger_view *v, struct gpa_l1 gpa)
{
	uint64_t *table = v->table[0], *at = NULL;

	for (unsigned s = VIEW_TOP; s >= PAGE_SHIFT; s -= 9) {
		at = entry_in(table, gpa.v, s);
		if (*at == 0 || *at & EPT_LARGE)
			return false;
		if (s > PAGE_SHIFT)
			table = table_of(v, *at);
	}
	if (!(*at & EPT_EXEC))
		return false;
	*at &= ~EPT_EXEC;
	return true;
}
