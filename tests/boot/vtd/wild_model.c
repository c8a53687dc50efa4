/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/wild.h"

#include "random.h"
#include "vtd/vtd_unit.h"

#define HOST_BITS  46u
#define ABOVE_HOST VTD_BITS(HOST_BITS, 63)
#define PAGE       VTD_BITS(12, HOST_BITS - 1)

uint64_t wild_root;
bool wild_translates;

static const struct {
	uint64_t at;
	unsigned pages;
} guards[] = {
	{0x1000000, 64},
	{WILD_TABLES - 0x10000, 16},
	{WILD_DATA - 0x10000, 16},
	{WILD_DATA + 0x200000, 16},
	{WILD_END - 0x100000, 16},
};
#define GUARDS (sizeof(guards) / sizeof(guards[0]))

/* ---- memory ---- */

static uint64_t guard_word(uint64_t at)
{
	return at * UINT64_C(0x9e3779b97f4a7c15);
}

/* Words of data are no entries: nothing in them is present. */
void wild_begin(void)
{
	for (unsigned i = 0; i < GUARDS; i++)
		for (uint64_t at = guards[i].at; at < guards[i].at + guards[i].pages * 4096u;
			at += 8)
			*wild_words(at) = guard_word(at);
	for (uint64_t at = WILD_DATA; at < WILD_DATA + 0x200000; at += 8)
		*wild_words(at) = (at & 0xfff) << 24 | (at >> 12 & 0xff) << 16;
}

bool wild_guards_stand(void)
{
	for (unsigned i = 0; i < GUARDS; i++)
		for (uint64_t at = guards[i].at; at < guards[i].at + guards[i].pages * 4096u;
			at += 8)
			if (*wild_words(at) != guard_word(at))
				return false;
	return true;
}

uint64_t wild_address(void)
{
	uint64_t low = (random64() % 8) << 12;

	if (random64() % 4 == 0)
		return WILD_DATA + (random64() % 512) * 4096;
	return (random64() % 4) << 39 | (1 + random64() % 7) << 30 | (random64() % 8) << 21 |
	       low;
}

/* ---- the model ---- */

static bool is_memory(uint64_t gpa)
{
	return gpa < WILD_END;
}

static bool read_pair(uint64_t at, uint64_t pair[2])
{
	if (!is_memory(at))
		return false;
	pair[0] = wild_words(at)[0];
	pair[1] = wild_words(at)[1];
	return true;
}

/* "Root Entry", "Context Entry": the device's, if all of it is right. */
static bool context_of(uint16_t source, uint64_t e[2])
{
	uint64_t r[2];

	return read_pair(wild_root + 16u * (source >> 8), r) && r[0] & 1 &&
	       !(r[0] & (VTD_BITS(1, 11) | ABOVE_HOST)) && r[1] == 0 &&
	       read_pair((r[0] & PAGE) + 16u * (source & 0xff), e) && e[0] & 1 &&
	       !(e[0] & (VTD_BITS(4, 11) | ABOVE_HOST)) &&
	       !(e[1] & (BIT64(7) | VTD_BITS(24, 63)));
}

static uint64_t reserved_at(unsigned level, bool leaf)
{
	uint64_t bits = VTD_BITS(HOST_BITS, 51) | BIT64(62);

	if (!leaf)
		bits |= VTD_SL_SNOOP;
	if (level == 4)
		bits |= VTD_SL_LARGE;
	if (leaf && level > 1)
		bits |= VTD_BITS(12, 9 * level + 2);
	return bits;
}

/* "Second-Stage Paging Entries". */
static bool walk(uint64_t table, unsigned levels, uint64_t at, bool write, uint64_t *gpa)
{
	uint64_t right = write ? VTD_SL_WRITE : VTD_SL_READ;
	bool may = true;

	for (unsigned level = levels;; level--) {
		unsigned shift = 9 * level + 3;
		uint64_t place = table + (at >> shift & 511) * 8, e;
		bool leaf;

		if (!is_memory(place))
			return false;
		e = *wild_words(place);
		leaf = level == 1 || (level < 4 && e & VTD_SL_LARGE);
		if (!(e & VTD_SL_RIGHTS) || e & reserved_at(level, leaf))
			return false;
		may = may && e & right;
		table = e & PAGE;
		if (leaf) {
			*gpa = table + (at & (BIT64(shift) - 1));
			return may && is_memory(*gpa);
		}
	}
}

uint64_t *wild_last_entry(uint16_t source, uint64_t at, uint16_t *domain)
{
	uint64_t c[2], table, *e;

	if (!wild_translates || !context_of(source, c) || VTD_CONTEXT_TT(c[0]) != VTD_TT_TABLES)
		return NULL;
	*domain = VTD_CONTEXT_DID(c[1]);
	table = c[0] & PAGE;
	for (unsigned level = VTD_CONTEXT_AW(c[1]) == 1 ? 3 : 4;; level--) {
		e = wild_words(table + (at >> (9 * level + 3) & 511) * 8);
		table = *e & PAGE;
		if (level == 1 || *e & VTD_SL_LARGE || !is_memory(table) ||
			!(*e & VTD_SL_RIGHTS))
			return e;
	}
}

/* An entry of this table that leads on, or any. */
static uint64_t some_entry(uint64_t table, unsigned *index)
{
	for (unsigned n = 0; n < 8; n++) {
		*index = random64() % 8 == 0 ? WILD_DATA_INDEX : (unsigned)(random64() % 8);
		if (wild_words(table)[*index] & VTD_SL_RIGHTS)
			break;
	}
	return wild_words(table)[*index];
}

uint64_t wild_likely(uint16_t source)
{
	uint64_t e[2], at = 0, table;
	unsigned levels, index;

	if (!wild_translates || !context_of(source, e) || VTD_CONTEXT_TT(e[0]) != VTD_TT_TABLES)
		return wild_address();
	levels = VTD_CONTEXT_AW(e[1]) == 1 ? 3 : 4;
	table = e[0] & PAGE;
	for (unsigned level = levels; level > 0 && is_memory(table); level--) {
		uint64_t next = some_entry(table, &index);

		at |= (uint64_t)index << (9 * level + 3);
		table = next & PAGE;
		if (level < 4 && next & VTD_SL_LARGE)
			return at | (random64() % 512) << 12;
	}
	return at;
}

bool wild_model(uint16_t source, uint64_t at, bool write, uint64_t *gpa)
{
	uint64_t e[2];

	*gpa = at;
	if (!wild_translates)
		return is_memory(at);
	if (!context_of(source, e))
		return false;
	if (VTD_CONTEXT_TT(e[0]) == VTD_TT_PASS)
		return VTD_CONTEXT_AW(e[1]) == 2 && is_memory(at);
	if (VTD_CONTEXT_TT(e[0]) != VTD_TT_TABLES || VTD_CONTEXT_AW(e[1]) < 1 ||
		VTD_CONTEXT_AW(e[1]) > 2)
		return false;
	if (VTD_CONTEXT_AW(e[1]) == 1 && at >> 39 != 0)
		return false;
	return walk(e[0] & PAGE, VTD_CONTEXT_AW(e[1]) + 2, at, write, gpa);
}
