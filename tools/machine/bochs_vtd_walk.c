/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of a device's addresses in legacy mode: root and context entries, second-level
 * paging. VT-d 3.4.2 "Legacy Mode Address Translation", 3.7 "Second-Stage Translation", 9.1
 * "Root Entry", 9.3 "Context Entry", 9.8 "Second-Stage Paging Entries".
 */
#include "bochs_vtd_unit.h"

#define PRESENT       1u
#define SILENT        2u /* FPD of a context entry */
#define TYPE(low)     ((low) >> 2 & 3)
#define TYPE_TABLES   0u
#define TYPE_PASS     2u
#define WIDTH(high)   ((high)&7)
#define WIDTH_3       1u
#define WIDTH_4       2u
#define DOMAIN(high)  ((uint16_t)((high) >> 8))
#define LARGE         0x80u
#define SNOOP         0x800u
#define TRANSIENT     (UINT64_C(1) << 62)
#define HOST_PAGE     vtd_bits(12, VTD_HOST_BITS - 1)
#define ABOVE_HOST    vtd_bits(VTD_HOST_BITS, 63)
#define ROOT_LOW_ZERO (vtd_bits(1, 11) | ABOVE_HOST)
#define LOW_ZERO      (vtd_bits(4, 11) | ABOVE_HOST)
#define HIGH_ZERO     (0x80u | vtd_bits(24, 63))

static bool read_pair(uint64_t at, uint64_t pair[2])
{
	return vtd_memory_read(at, pair, 16);
}

/* Of a present context entry. */
static enum vtd_reason check_context(const struct vtd_context *c)
{
	unsigned width = (unsigned)WIDTH(c->high), type = (unsigned)TYPE(c->low);

	if (c->low & LOW_ZERO || c->high & HIGH_ZERO)
		return VTD_CONTEXT_RESERVED;
	if (type != TYPE_TABLES && type != TYPE_PASS)
		return VTD_CONTEXT_INVALID;
	if (width != WIDTH_4 && (width != WIDTH_3 || type == TYPE_PASS))
		return VTD_CONTEXT_INVALID; /* to pass through wants the largest one */
	return VTD_OK;
}

/* From memory. */
static enum vtd_reason read_context(const struct vtd *u, struct vtd_context *c)
{
	uint64_t root[2], pair[2];

	if (!read_pair(u->root + 16u * (c->source >> 8), root))
		return VTD_ROOT_ACCESS;
	if (!(root[0] & PRESENT))
		return VTD_ROOT_ABSENT;
	if (root[0] & ROOT_LOW_ZERO || root[1] != 0)
		return VTD_ROOT_RESERVED;
	if (!read_pair((root[0] & HOST_PAGE) + 16u * (c->source & 0xff), pair))
		return VTD_CONTEXT_ACCESS;
	c->low = pair[0];
	c->high = pair[1];
	c->silent = c->low & SILENT;
	if (!(c->low & PRESENT))
		return VTD_CONTEXT_ABSENT;
	c->domain = DOMAIN(c->high);
	return check_context(c);
}

/* With caching mode what is wrong is cached, too, for domain 0 (VT-d 6.1 "Caching Mode"). */
static enum vtd_reason get_context(struct vtd *u, uint16_t source, struct vtd_context *out)
{
	const struct vtd_context *c = vtd_cached_context(u, source);

	if (c != NULL) {
		*out = *c;
		return (enum vtd_reason)c->reason;
	}
	*out = (struct vtd_context){.valid = true, .source = source};
	out->reason = (uint8_t)read_context(u, out);
	if (out->reason != VTD_OK)
		out->domain = 0;
	if (out->reason == VTD_OK || u->caching)
		vtd_cache_context(u, out);
	return (enum vtd_reason)out->reason;
}

static uint64_t reserved_bits(unsigned level, bool leaf)
{
	uint64_t bits = vtd_bits(VTD_HOST_BITS, 51) | SNOOP | TRANSIENT;

	if (level == 4)
		bits |= LARGE;
	if (leaf && level > 1)
		bits |= vtd_bits(12, 11 + 9 * (level - 1));
	return bits;
}

/* The lowest table that is cached; *level is the topmost one's. */
static struct vtd_table first_table(
	const struct vtd *u, const struct vtd_context *c, uint64_t at, unsigned top)
{
	for (unsigned level = 1; level < top; level++) {
		const struct vtd_table *t = vtd_cached_table(u, c->domain, level, at);

		if (t != NULL)
			return *t;
	}
	return (struct vtd_table){.level = (uint8_t)top,
		.rights = VTD_READ | VTD_WRITE,
		.table = c->low & HOST_PAGE};
}

/* Finds the page of @at; rights 0: there is none. A topmost table that cannot be read is taken
 * for a mistake of the context entry, as the specification has it. */
static enum vtd_reason walk(
	struct vtd *u, const struct vtd_context *c, uint64_t at, struct vtd_page *out)
{
	unsigned top = (unsigned)WIDTH(c->high) + 2;
	struct vtd_table t = first_table(u, c, at, top);

	for (;;) {
		unsigned shift = 12 + 9 * (t.level - 1u);
		uint64_t e;
		bool leaf;

		if (!vtd_memory_read(t.table + 8 * (at >> shift & 511), &e, 8))
			return t.level == top ? VTD_CONTEXT_INVALID : VTD_PAGING_ACCESS;
		leaf = t.level == 1 || (t.level < 4 && e & LARGE);
		if (e & (VTD_READ | VTD_WRITE) && e & reserved_bits(t.level, leaf))
			return VTD_PAGING_RESERVED;
		t.rights &= (uint8_t)(e & (VTD_READ | VTD_WRITE));
		if (leaf || !(e & (VTD_READ | VTD_WRITE))) {
			*out = (struct vtd_page){.valid = true,
				.shift = leaf ? (uint8_t)shift : 12,
				.rights = leaf ? t.rights : 0,
				.domain = c->domain};
			out->at = at >> out->shift << out->shift;
			out->host = e & HOST_PAGE;
			return VTD_OK;
		}
		t.level--;
		t.valid = true;
		t.domain = c->domain;
		t.at = at >> shift << shift;
		t.table = e & HOST_PAGE;
		vtd_cache_table(u, &t);
	}
}

static enum vtd_reason find_page(
	struct vtd *u, const struct vtd_context *c, uint64_t at, struct vtd_page *out)
{
	const struct vtd_page *p = vtd_cached_page(u, c->domain, at);
	enum vtd_reason reason;

	if (p != NULL) {
		*out = *p;
		return VTD_OK;
	}
	reason = walk(u, c, at, out);
	if (reason == VTD_OK && (out->rights != 0 || u->caching))
		vtd_cache_page(u, out);
	return reason;
}

static enum vtd_reason through_tables(struct vtd *u, const struct vtd_context *c, uint64_t at,
	bool write, uint64_t *host, uint64_t *room)
{
	unsigned bits = WIDTH(c->high) == WIDTH_3 ? 39 : VTD_GUEST_BITS;
	struct vtd_page page;
	enum vtd_reason reason;
	uint64_t offset;

	if (at >> bits != 0)
		return VTD_ADDRESS_TOO_LARGE;
	reason = find_page(u, c, at, &page);
	if (reason != VTD_OK)
		return reason;
	if (!(page.rights & (write ? VTD_WRITE : VTD_READ)))
		return write ? VTD_WRITE_DENIED : VTD_READ_DENIED;
	offset = at & ((UINT64_C(1) << page.shift) - 1);
	*host = page.host + offset;
	*room = (UINT64_C(1) << page.shift) - offset;
	return vtd_is_message(*host) ? VTD_INTERRUPT_RANGE : VTD_OK;
}

enum vtd_reason vtd_translate(
	struct vtd *u, uint16_t source, uint64_t at, bool write, uint64_t *host, uint64_t *room)
{
	struct vtd_context c;
	enum vtd_reason reason;

	*host = at;
	*room = 0x1000 - at % 0x1000;
	if (!vtd_is_on(u, VTD_TRANSLATE))
		return VTD_OK;
	reason = get_context(u, source, &c);
	if (reason == VTD_OK && TYPE(c.low) == TYPE_TABLES)
		reason = through_tables(u, &c, at, write, host, room);
	else if (reason == VTD_OK && at >> VTD_HOST_BITS != 0)
		reason = VTD_ADDRESS_TOO_LARGE;
	if (reason == VTD_OK)
		return VTD_OK;
	return vtd_fault(u, reason, c.silent, source, at & ~UINT64_C(0xfff), !write);
}
