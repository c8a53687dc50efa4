/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/dmar.h"

#include "spec/pci.h"
#include "vtd/seam.h"

#define HEADER       36u /* of every table */
#define LENGTH       4u
#define STRUCTURE    4u /* type and length */
#define HOPS         16u
#define SCOPE_ID     4u
#define SCOPE_BUS    5u
#define SEGMENT      6u
#define REGISTERS    8u
#define REGION_FIRST 8u
#define REGION_LAST  16u

/* The table, or a part of it. */
struct bytes {
	const uint8_t *at;
	size_t size;
};

static uint64_t get(const struct bytes *b, size_t offset, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)b->at[offset + i] << 8 * i;
	return v;
}

/* ---- device scopes ---- */

/* Of one that fits: HOPS are the most. */
static const char *read_path(struct dmar *d, const struct bytes *path)
{
	for (size_t i = 0; i < path->size; i += 2) {
		if (path->at[i] > 31 || path->at[i + 1] > 7)
			return "a device scope has a device or function that PCI does not have";
		d->hops[d->hop_count++] = (uint8_t)(path->at[i] << 3 | path->at[i + 1]);
	}
	return NULL;
}

static const char *read_scope(struct dmar *d, const struct bytes *b, bool region, uint8_t owner)
{
	struct dmar_scope *s = &d->scopes[d->scope_count];
	struct bytes path = {b->at + DMAR_SCOPE_SIZE, b->size - DMAR_SCOPE_SIZE};

	if (d->scope_count == DMAR_SCOPES || d->hop_count + path.size / 2 > DMAR_HOPS)
		return "it has more device scopes than Nestor has room for";
	*s = (struct dmar_scope){.kind = b->at[0],
		.id = b->at[SCOPE_ID],
		.region = region,
		.owner = owner,
		.bus = b->at[SCOPE_BUS],
		.hops = (uint8_t)(path.size / 2),
		.path = (uint16_t)d->hop_count};
	d->scope_count++;
	return read_path(d, &path);
}

static const char *read_scopes(struct dmar *d, struct bytes b, bool region, uint8_t owner)
{
	while (b.size != 0) {
		const char *why;
		size_t size;

		if (b.size < DMAR_SCOPE_SIZE + 2)
			return "a device scope is cut off";
		size = b.at[1];
		if (size < DMAR_SCOPE_SIZE + 2 || size > b.size || size & 1 ||
			size > DMAR_SCOPE_SIZE + 2 * HOPS)
			return "a device scope has a length that is not possible";
		why = read_scope(d, &(struct bytes){b.at, size}, region, owner);
		if (why != NULL)
			return why;
		b.at += size;
		b.size -= size;
	}
	return NULL;
}

/* ---- units and regions ---- */

static const char *read_unit(struct dmar *d, const struct bytes *b)
{
	struct dmar_unit *u = &d->units[d->unit_count];
	struct bytes rest = {b->at + DMAR_DRHD_SIZE, b->size - DMAR_DRHD_SIZE};

	if (b->size < DMAR_DRHD_SIZE)
		return "the structure of a unit (DRHD) is too short";
	if (d->unit_count == DMAR_UNITS)
		return "it has more units than Nestor has room for";
	*u = (struct dmar_unit){.registers = get(b, REGISTERS, 8),
		.segment = (uint16_t)get(b, SEGMENT, 2),
		.all = b->at[STRUCTURE] & DMAR_DRHD_ALL};
	if (u->registers == 0 || u->registers & (VTD_REGISTERS_SIZE - 1) ||
		u->registers >> 52 != 0)
		u->why = "its registers are at an address that is not possible";
	return read_scopes(d, rest, false, (uint8_t)d->unit_count++);
}

static const char *read_region(struct dmar *d, const struct bytes *b)
{
	struct dmar_region *r = &d->regions[d->region_count];
	struct bytes rest = {b->at + DMAR_RMRR_SIZE, b->size - DMAR_RMRR_SIZE};

	if (b->size < DMAR_RMRR_SIZE)
		return "the structure of a memory region (RMRR) is too short";
	if (d->region_count == DMAR_REGIONS)
		return "it has more memory regions than Nestor has room for";
	*r = (struct dmar_region){.first = get(b, REGION_FIRST, 8),
		.last = get(b, REGION_LAST, 8),
		.segment = (uint16_t)get(b, SEGMENT, 2)};
	if (r->last < r->first)
		return "a memory region (RMRR) ends before it begins";
	return read_scopes(d, rest, true, (uint8_t)d->region_count++);
}

/* What has no meaning here is passed over: device TLBs are never on, ACPI's names not used. */
static const char *read_structure(struct dmar *d, const struct bytes *b)
{
	switch (get(b, 0, 2)) {
	case DMAR_DRHD:
		return read_unit(d, b);
	case DMAR_RMRR:
		return read_region(d, b);
	default:
		return NULL;
	}
}

static const char *read_structures(struct dmar *d, struct bytes b)
{
	while (b.size != 0) {
		const char *why;
		size_t size;

		if (b.size < STRUCTURE)
			return "its last structure is cut off";
		size = (size_t)get(&b, 2, 2);
		if (size < STRUCTURE || size > b.size)
			return "a structure has a length that is not possible";
		why = read_structure(d, &(struct bytes){b.at, size});
		if (why != NULL)
			return why;
		b.at += size;
		b.size -= size;
	}
	return NULL;
}

static const char *compare_units(struct dmar_unit *a, struct dmar_unit *b)
{
	if (a->registers == b->registers)
		a->why = b->why = "two units have the same registers";
	return a->all && b->all && a->segment == b->segment
		       ? "two units have all other devices of a segment"
		       : NULL;
}

static const char *compare_all(struct dmar *d)
{
	const char *why = d->unit_count == 0 ? "it has no unit" : NULL;

	for (unsigned i = 0; i < d->unit_count; i++)
		for (unsigned k = 0; k < i && why == NULL; k++)
			why = compare_units(&d->units[k], &d->units[i]);
	return why;
}

static const char *read_table(struct dmar *d, const uint8_t *table, size_t size)
{
	struct bytes b = {table, size};
	uint8_t sum = 0;
	const char *why;

	if (table == NULL)
		return "firmware has no table DMAR: the machine has no IOMMU, or it is switched off";
	if (size < DMAR_HEADER || get(&b, LENGTH, 4) < DMAR_HEADER || get(&b, LENGTH, 4) > size)
		return "the table DMAR has a length that is not possible";
	b.size = (size_t)get(&b, LENGTH, 4);
	if (get(&b, 0, 4) != UINT32_C(0x52414d44)) /* DMAR */
		return "the table DMAR has another signature";
	for (size_t i = 0; i < b.size; i++)
		sum = (uint8_t)(sum + table[i]);
	if (sum != 0)
		return "the table DMAR has a wrong checksum";
	d->flags = table[DMAR_FLAGS];
	d->host_bits = table[DMAR_HOST_WIDTH] + 1u;
	why = read_structures(d, (struct bytes){b.at + DMAR_HEADER, b.size - DMAR_HEADER});
	return why != NULL ? why : compare_all(d);
}

void dmar_read(const uint8_t *table, size_t size, struct dmar *d)
{
	*d = (struct dmar){0};
	d->why = read_table(d, table, size);
}

/* ---- where scopes are ---- */

static uint16_t segment_of(const struct dmar *d, const struct dmar_scope *s)
{
	return s->region ? d->regions[s->owner].segment : d->units[s->owner].segment;
}

/* False: it leads over something that is no bridge. */
static bool follow(const struct dmar *d, struct dmar_scope *s)
{
	uint8_t bus = s->bus, subordinate;

	for (unsigned i = 0;; i++) {
		s->bdf = (uint16_t)(bus << 8 | d->hops[s->path + i]);
		if (i + 1 == s->hops)
			return true;
		if (!vtd_seam_bridge(PCI_SBDF(segment_of(d, s), s->bdf), &bus, &subordinate))
			return false;
	}
}

void dmar_follow(struct dmar *d)
{
	for (unsigned i = 0; i < d->scope_count && d->why == NULL; i++)
		d->scopes[i].found = follow(d, &d->scopes[i]);
}

/* ---- whose is a function? ---- */

/* Of the scope's own segment. */
static bool covers(const struct dmar *d, const struct dmar_scope *s, uint16_t bdf)
{
	uint8_t secondary, subordinate;

	if (!s->found || (s->kind != DMAR_SCOPE_PCI && s->kind != DMAR_SCOPE_BRIDGE))
		return false;
	if (s->bdf == bdf)
		return true;
	return s->kind == DMAR_SCOPE_BRIDGE && bdf >> 8 > s->bdf >> 8 &&
	       vtd_seam_bridge(PCI_SBDF(segment_of(d, s), s->bdf), &secondary, &subordinate) &&
	       bdf >> 8 >= secondary && bdf >> 8 <= subordinate;
}

static uint32_t named_unit(
	const struct dmar *d, uint16_t segment, uint16_t bdf, const char **why)
{
	uint32_t unit = DMAR_NONE;

	for (unsigned i = 0; i < d->scope_count; i++) {
		const struct dmar_scope *s = &d->scopes[i];

		if (s->region || d->units[s->owner].segment != segment || !covers(d, s, bdf) ||
			s->owner == unit)
			continue;
		if (unit != DMAR_NONE)
			*why = "the table DMAR puts it behind two units";
		unit = s->owner;
	}
	return unit;
}

static uint32_t unit_of_the_rest(const struct dmar *d, uint16_t segment)
{
	for (unsigned i = 0; i < d->unit_count; i++)
		if (d->units[i].all && d->units[i].segment == segment)
			return i;
	return DMAR_NONE;
}

uint32_t dmar_unit_of(const struct dmar *d, uint16_t segment, uint16_t bdf, const char **why)
{
	uint32_t unit;

	*why = d->why;
	if (*why != NULL)
		return DMAR_NONE;
	unit = named_unit(d, segment, bdf, why);
	if (unit == DMAR_NONE)
		unit = unit_of_the_rest(d, segment);
	if (unit == DMAR_NONE)
		*why = "the table DMAR puts it behind no unit";
	else if (*why == NULL)
		*why = d->units[unit].why;
	return *why == NULL ? unit : DMAR_NONE;
}

const struct dmar_region *dmar_region_of(const struct dmar *d, uint16_t segment, uint16_t bdf)
{
	for (unsigned i = 0; i < d->scope_count; i++) {
		const struct dmar_scope *s = &d->scopes[i];

		if (s->region && d->regions[s->owner].segment == segment && covers(d, s, bdf))
			return &d->regions[s->owner];
	}
	return NULL;
}

static bool is_among(const uint8_t *regions, unsigned count, uint8_t region)
{
	for (unsigned i = 0; i < count; i++)
		if (regions[i] == region)
			return true;
	return false;
}

unsigned dmar_regions_of(
	const struct dmar *d, uint16_t segment, uint16_t bdf, uint8_t *regions, unsigned most)
{
	unsigned count = 0;

	for (unsigned i = 0; i < d->scope_count && count < most && d->why == NULL; i++) {
		const struct dmar_scope *s = &d->scopes[i];

		if (s->region && d->regions[s->owner].segment == segment && covers(d, s, bdf) &&
			!is_among(regions, count, s->owner))
			regions[count++] = s->owner;
	}
	return count;
}

uint32_t dmar_ioapic(const struct dmar *d, uint8_t id, uint16_t *source)
{
	for (unsigned i = 0; i < d->scope_count && d->why == NULL; i++) {
		const struct dmar_scope *s = &d->scopes[i];

		if (s->region || s->kind != DMAR_SCOPE_IOAPIC || s->id != id || !s->found ||
			d->units[s->owner].segment != 0)
			continue;
		*source = s->bdf;
		return d->units[s->owner].why == NULL ? s->owner : DMAR_NONE;
	}
	return DMAR_NONE;
}
