/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of functions' addresses in legacy mode: root and context entries, second-level
 * tables of 3 and 4 levels (VT-d "Legacy Mode Address Translation", "Second-Stage Translation",
 * "Root Entry", "Context Entry", "Second-Stage Paging Entries").
 */
#include "dev/vvtd_int.h"

#include "spec/addr.h"

#define LEVEL_BITS    9u
#define ENTRIES       (1u << LEVEL_BITS)
#define RUN_MAX       64u /* entries that are looked at for one answer */
#define LEVEL_LARGEST 3u  /* of a page: 1 GiB */
#define PASSED_SHIFT  63u
#define ADDRESS       VTD_BITS(PAGE_SHIFT, VVTD_HOST_BITS - 1)

/* ---- context entries ---- */

/* Of a present one: what it says. */
static enum vtd_reason decode_context(const uint64_t e[2], struct vvtd_context *c)
{
	unsigned type = VTD_CONTEXT_TT(e[0]);

	if (e[0] & (VTD_CONTEXT_RESERVED | VVTD_ABOVE_HOST) || e[1] & VTD_CONTEXT_RESERVED_2)
		return VTD_FAULT_CONTEXT_RESERVED;
	c->passes = type == VTD_TT_PASS;
	c->levels = (uint8_t)(VTD_CONTEXT_AW(e[1]) + 2);
	c->domain = VTD_CONTEXT_DID(e[1]);
	c->tables = e[0] & ADDRESS;
	if (type != VTD_TT_TABLES && !c->passes)
		return VTD_FAULT_CONTEXT_INVALID;
	if (c->levels != 4 && (c->levels != 3 || c->passes)) /* passing wants the largest */
		return VTD_FAULT_CONTEXT_INVALID;
	return VTD_NO_FAULT;
}

static enum vtd_reason read_context(struct platform *p, struct vvtd_context *c)
{
	uint64_t root[2], e[2];

	if (!vvtd_fetch(p, p->vtd.s.root + VTD_ENTRY_SIZE * (c->source >> 8), root))
		return VTD_FAULT_ROOT_ACCESS;
	if (!(root[0] & VTD_PRESENT))
		return VTD_FAULT_ROOT_ABSENT;
	if (root[0] & (VTD_ROOT_RESERVED | VVTD_ABOVE_HOST) || root[1] != 0)
		return VTD_FAULT_ROOT_RESERVED;
	if (!vvtd_fetch(p, (root[0] & ADDRESS) + VTD_ENTRY_SIZE * (c->source & 0xff), e))
		return VTD_FAULT_CONTEXT_ACCESS;
	c->silent = e[0] & VTD_CONTEXT_FPD;
	if (!(e[0] & VTD_PRESENT))
		return VTD_FAULT_CONTEXT_ABSENT;
	return decode_context(e, c);
}

static enum vtd_reason get_context(
	struct platform *p, uint16_t source, struct vvtd_context *out)
{
	const struct vvtd_context *c = vvtd_cached_context(&p->vtd, source);
	enum vtd_reason reason;

	if (c != NULL) {
		*out = *c;
		return VTD_NO_FAULT;
	}
	*out = (struct vvtd_context){.valid = true, .source = source};
	reason = read_context(p, out);
	if (reason == VTD_NO_FAULT)
		vvtd_cache_context(&p->vtd, out);
	return reason;
}

/* ---- tables ---- */

static unsigned shift_of(unsigned level)
{
	return PAGE_SHIFT + LEVEL_BITS * (level - 1);
}

static uint64_t reserved_bits(unsigned level, bool leaf)
{
	uint64_t bits = VTD_BITS(VVTD_HOST_BITS, 51) | VTD_SL_TRANSIENT;

	if (!leaf)
		bits |= VTD_SL_SNOOP; /* snoop control is of pages */
	if (level > LEVEL_LARGEST)
		bits |= VTD_SL_LARGE;
	if (leaf && level > 1)
		bits |= VTD_BITS(PAGE_SHIFT, shift_of(level) - 1);
	return bits;
}

/*
 * The page of an address; rights 0: there is none. What it says of its size holds always.
 * *last: where the entry is that said so.
 */
static enum vtd_reason walk(struct platform *p, const struct vvtd_context *c, uint64_t at,
	struct vvtd_page *page, uint64_t *last)
{
	uint64_t table = c->tables, rights = VTD_SL_RIGHTS;

	for (unsigned level = c->levels;; level--) {
		unsigned shift = shift_of(level);
		uint64_t index = at >> shift & (ENTRIES - 1), e;
		const uint64_t *entry = dev_memory(p, 0, table + 8 * index, 8, false);
		bool leaf;

		*last = table + 8 * index;
		*page = (struct vvtd_page){.valid = true,
			.shift = (uint8_t)shift,
			.domain = c->domain,
			.at = at >> shift << shift};
		if (entry == NULL) /* of the topmost table the context entry is to blame */
			return level == c->levels ? VTD_FAULT_CONTEXT_INVALID
						  : VTD_FAULT_PAGING_ACCESS;
		e = __atomic_load_n(entry, __ATOMIC_RELAXED);
		leaf = level == 1 || (level <= LEVEL_LARGEST && e & VTD_SL_LARGE);
		if (e & VTD_SL_RIGHTS && e & reserved_bits(level, leaf))
			return VTD_FAULT_PAGING_RESERVED;
		rights &= e;
		table = e & ADDRESS;
		if (!leaf && e & VTD_SL_RIGHTS)
			continue;
		page->rights = leaf ? (uint8_t)rights : 0;
		page->gpa = table;
		return VTD_NO_FAULT;
	}
}

static enum vtd_reason find_page(
	struct platform *p, const struct vvtd_context *c, uint64_t at, struct vvtd_page *out)
{
	const struct vvtd_page *page = vvtd_cached_page(&p->vtd, c->domain, at);
	enum vtd_reason reason;
	uint64_t last;

	if (page != NULL) {
		*out = *page;
		return VTD_NO_FAULT;
	}
	reason = walk(p, c, at, out, &last);
	if (reason == VTD_NO_FAULT && out->rights != 0)
		vvtd_cache_page(&p->vtd, out);
	return reason;
}

static inline enum vtd_reason by_page(
	const struct vvtd_page *page, uint64_t at, bool write, struct vvtd_place *to)
{
	uint64_t offset = at - page->at;

	if (!(page->rights & (write ? VTD_SL_WRITE : VTD_SL_READ)))
		return write ? VTD_FAULT_WRITE_DENIED : VTD_FAULT_READ_DENIED;
	to->gpa = page->gpa + offset;
	to->left = BIT64(page->shift) - offset;
	to->shift = page->shift;
	to->rights = page->rights;
	return VTD_MSI_RANGE(to->gpa) ? VTD_FAULT_INTERRUPT_RANGE : VTD_NO_FAULT;
}

static enum vtd_reason by_tables(struct platform *p, const struct vvtd_context *c, uint64_t at,
	bool write, struct vvtd_place *to)
{
	struct vvtd_page page;
	enum vtd_reason reason;

	if (at >> shift_of(c->levels + 1u) != 0)
		return VTD_FAULT_ADDRESS_TOO_LARGE;
	reason = find_page(p, c, at, &page);
	return reason == VTD_NO_FAULT ? by_page(&page, at, write, to) : reason;
}

/* What a context entry that passes addresses on makes of one. */
static inline enum vtd_reason by_nothing(uint64_t at, struct vvtd_place *to)
{
	if (at >> VVTD_HOST_BITS != 0)
		return VTD_FAULT_ADDRESS_TOO_LARGE;
	to->gpa = at;
	to->left = BIT64(VVTD_HOST_BITS) - at;
	to->shift = PASSED_SHIFT;
	to->rights = VTD_SL_RIGHTS;
	return VTD_NO_FAULT;
}

/* The usual case: what there is of both entries is cached. False: there is more to it. */
static inline bool by_caches(
	const struct vvtd *u, uint16_t source, uint64_t at, bool write, struct vvtd_place *to)
{
	const struct vvtd_context *c = vvtd_cached_context(u, source);
	const struct vvtd_page *page;

	if (c == NULL)
		return false;
	to->silent = c->silent;
	if (c->passes)
		return by_nothing(at, to) == VTD_NO_FAULT;
	if (at >> shift_of(c->levels + 1u) != 0)
		return false;
	page = vvtd_cached_page(u, c->domain, at);
	return page != NULL && by_page(page, at, write, to) == VTD_NO_FAULT;
}

enum vtd_reason vvtd_context_of(struct platform *p, uint16_t source, struct vvtd_context *c)
{
	return get_context(p, source, c);
}

/* Does an entry go on what the first one is: a hole, or pages one behind the other? */
static bool goes_on(const struct vvtd_run *run, uint64_t e, uint64_t first, uint64_t offset)
{
	return run->rights == 0 ? !(e & VTD_SL_RIGHTS) : e == first + offset;
}

/*
 * Entries of one table. Of pages all bits are the same but for the address, so that what was
 * right about the first one is right about the others. A table that is in no memory has none.
 */
static uint64_t run_of_entries(
	const struct vvtd_run *run, const uint64_t *entry, uint64_t left, uint64_t wanted)
{
	uint64_t first, n = 1;

	left = wanted < left ? wanted : left;
	if (entry == NULL)
		return left;
	first = __atomic_load_n(entry, __ATOMIC_RELAXED);
	if (run->rights != 0 && ((first & ADDRESS) != run->gpa || run->rights & ~first))
		return 1; /* it is another one by now */
	while (n < left && n < RUN_MAX &&
		goes_on(run, __atomic_load_n(&entry[n], __ATOMIC_RELAXED), first,
			n * run->size))
		n++;
	return n;
}

void vvtd_run_of(struct platform *p, const struct vvtd_context *c, uint64_t at, uint64_t end,
	struct vvtd_run *run)
{
	struct vvtd_page page;
	uint64_t last, left, wanted;
	bool good = walk(p, c, at, &page, &last) == VTD_NO_FAULT;

	*run = (struct vvtd_run){
		page.at, BIT64(page.shift & 63u), page.gpa, good ? page.rights : 0};
	left = ENTRIES - last % PAGE_SIZE / 8;
	wanted = end > run->at ? ((end - run->at - 1) >> page.shift) + 1 : 1;
	run->size *= run_of_entries(run, dev_memory(p, 0, last, 8 * left, false), left, wanted);
}

static __attribute__((noinline)) enum vtd_reason by_entries(
	struct platform *p, uint16_t source, uint64_t iova, bool write, struct vvtd_place *to)
{
	struct vvtd_context c;
	enum vtd_reason reason = get_context(p, source, &c);

	to->silent = c.silent;
	if (reason != VTD_NO_FAULT)
		return reason;
	return c.passes ? by_nothing(iova, to) : by_tables(p, &c, iova, write, to);
}

static inline __attribute__((always_inline)) enum vtd_reason translate(
	struct platform *p, uint16_t source, uint64_t iova, bool write, struct vvtd_place *to)
{
	return by_caches(&p->vtd, source, iova, write, to)
		       ? VTD_NO_FAULT
		       : by_entries(p, source, iova, write, to);
}

enum vtd_reason vvtd_translate(
	struct platform *p, uint16_t source, uint64_t iova, bool write, struct vvtd_place *to)
{
	return translate(p, source, iova, write, to);
}

/* ---- for devices ---- */

bool vvtd_blocked(struct platform *p, uint16_t source, uint64_t iova, bool read)
{
	struct vvtd_place to = {.silent = false};
	enum vtd_reason reason = VTD_NO_FAULT;

	if (vvtd_translates(p))
		reason = vvtd_translate(p, source, iova, !read, &to);
	if (reason != VTD_NO_FAULT)
		vvtd_fault(p, reason, to.silent, source, iova, read);
	return reason != VTD_NO_FAULT;
}

static inline struct vvtd_near *near_place(struct vvtd *u, uint16_t source, uint64_t iova)
{
	return &u->near[((iova >> PAGE_SHIFT) + source) % VVTD_NEAR];
}

void *vvtd_near_memory(struct platform *p, uint16_t place, uint64_t iova, uint64_t size,
	bool write, uint64_t *gpa)
{
	uint16_t source = vpci_requester(&p->pci, place);
	const struct vvtd_near *near = near_place(&p->vtd, source, iova);
	uint64_t offset = iova - near->at;

	if (near->age != p->vtd.age || near->source != source || offset >= PAGE_SIZE ||
		size > PAGE_SIZE - offset ||
		!(near->rights & (write ? VTD_SL_WRITE : VTD_SL_READ)))
		return NULL;
	*gpa = near->gpa + offset;
	return near->host + offset;
}

/* Of an access within a page of 4 KiB. */
static void keep_near(struct platform *p, uint16_t source, uint64_t iova,
	const struct vvtd_place *to, void *host)
{
	uint64_t offset = iova % PAGE_SIZE;

	*near_place(&p->vtd, source, iova) = (struct vvtd_near){
		.at = iova - offset,
		.gpa = to->gpa - offset,
		.host = (uint8_t *)host - offset,
		.age = p->vtd.age,
		.source = source,
		.rights = to->rights,
	};
}

/* A requester's number has 16 bits; the unit's age is 1 and up. */
uint64_t vvtd_stamp(const struct platform *p, uint16_t place)
{
	if (!p->config.ram_stays)
		return 0;
	if (!vvtd_translates(p) || place == 0)
		return 1;
	return p->vtd.age << 16 | vpci_requester(&p->pci, place);
}

void *vvtd_memory(struct platform *p, uint16_t place, uint64_t iova, uint64_t size, bool write)
{
	uint16_t source = vpci_requester(&p->pci, place);
	struct vvtd_place to;
	enum vtd_reason reason;
	void *host;

	if (VTD_MSI_RANGE(iova)) /* interrupt requests are there, and no memory */
		return NULL;
	reason = translate(p, source, iova, write, &to);
	if (reason != VTD_NO_FAULT) {
		vvtd_fault(p, reason, to.silent, source, iova & ~PAGE_MASK, !write);
		return NULL;
	}
	if (size > to.left)
		return NULL;
	host = dev_memory(p, 0, to.gpa, size, write);
	if (host != NULL && p->config.ram_stays && size <= PAGE_SIZE - iova % PAGE_SIZE)
		keep_near(p, source, iova, &to, host);
	return host;
}

uint64_t vvtd_contiguous_far(
	struct platform *p, uint16_t place, uint64_t iova, uint64_t size, bool write)
{
	uint64_t left = PAGE_SIZE - iova % PAGE_SIZE;
	struct vvtd_place to;

	if (translate(p, vpci_requester(&p->pci, place), iova, write, &to) == VTD_NO_FAULT)
		left = to.left;
	return size < left ? size : left;
}
