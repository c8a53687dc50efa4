/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/paging.h"

#include "nested/nested.h"
#include "nested/paging_rights.h"
#include "nested/seam.h"
#include "nested/vept.h"
#include "spec/vmx.h"

/* Retries of a walk whose entries another CPU of L1 changes under it. */
#define WALK_TRIES 8

enum paging_mode {
	MODE_NONE,
	MODE_32BIT,
	MODE_PAE,
	MODE_4LEVEL,
	MODE_5LEVEL
};

/* An entry as it was read, and where. */
struct entry {
	uint64_t value;
	void *at; /* host address, NULL outside L1's RAM */
	uint64_t gpa;
	struct gpa_l1 l1;
};

/* A walk, from the root's entry to the one that maps the page. */
struct walk {
	const struct paging_state *s;
	enum paging_mode mode;
	uint64_t linear;
	uint64_t rights; /* RW and US of all entries and-ed, XD or-ed */
	uint64_t base;   /* of the page */
	uint64_t size;
	unsigned count;
	struct entry entry[PAGING_LEVELS];
	bool refused; /* by EPT12; what entries read as no longer counts */
	uint64_t refused_gpa, refused_how;
};

enum walk_end {
	WALK_MAPPED,
	WALK_NOT_PRESENT,
	WALK_RESERVED /* an entry with a reserved bit */
};

static bool refuse(struct walk *w, uint64_t gpa, uint64_t qualification)
{
	if (!w->refused) {
		w->refused_gpa = gpa;
		w->refused_how = qualification | QUAL_LINEAR;
	}
	w->refused = true;
	return false;
}

static enum paging_mode mode_of(const struct paging_state *s)
{
	if (!(s->cr0 & CR0_PG))
		return MODE_NONE;
	if (!(s->cr4 & CR4_PAE))
		return MODE_32BIT;
	if (!(s->efer & EFER_LMA))
		return MODE_PAE;
	return s->cr4 & CR4_LA57 ? MODE_5LEVEL : MODE_4LEVEL;
}

/* The L1 address behind a guest-physical address of this state; access as vept_walk has it. */
static bool to_l1(struct nested *n, const struct paging_state *s, uint64_t gpa, unsigned access,
	struct gpa_l1 *out)
{
	*out = (struct gpa_l1){gpa};
	if (!s->eptp12)
		return true;
	return s->looks ? vept_find(n, s->eptp12, (struct gpa_l2){gpa}, access, out)
			: vept_walk(n, s->eptp12, (struct gpa_l2){gpa}, access, out);
}

/*
 * Reads an entry of 4 or 8 bytes once, and keeps it for the flags. With A/D flags of EPT12 an
 * access to a paging structure counts as a write (28.2.3.2).
 */
static uint64_t read_entry(struct nested *n, struct walk *w, uint64_t gpa)
{
	bool ad = w->s->eptp12 & EPTP_AD && !w->s->looks;
	unsigned access = ad ? EPT_READ | EPT_WRITE : EPT_READ;
	unsigned char *host = NULL;
	struct entry *e = &w->entry[w->count++];
	struct gpa_l1 page;

	if (to_l1(n, w->s, gpa & ~PAGE_MASK, access, &page))
		host = seam_l1_page(n, page);
	else
		refuse(w, gpa, ad ? QUAL_READ | QUAL_WRITE : QUAL_READ);
	e->gpa = gpa;
	e->l1.v = page.v | (gpa & PAGE_MASK);
	e->at = host ? host + (gpa & PAGE_MASK) : NULL;
	if (!e->at)
		e->value = w->mode == MODE_32BIT ? UINT32_MAX : UINT64_MAX;
	else if (w->mode == MODE_32BIT)
		e->value = __atomic_load_n((uint32_t *)e->at, __ATOMIC_RELAXED);
	else
		e->value = __atomic_load_n((uint64_t *)e->at, __ATOMIC_RELAXED);
	return e->value;
}

/* False when the entry is no longer what was read. */
static bool set_flags(struct nested *n, struct walk *w, const struct entry *e, uint64_t flags)
{
	uint64_t value = e->value | flags, old = e->value;
	uint32_t old32 = (uint32_t)e->value;
	struct gpa_l1 page;
	enum vept_write begun;
	bool done;

	if (value == e->value || !e->at)
		return true;
	if (!to_l1(n, w->s, e->gpa & ~PAGE_MASK, EPT_WRITE, &page)) {
		refuse(w, e->gpa, QUAL_WRITE);
		return true;
	}
	begun = nested_write_begins(n, page, PAGE_SIZE);
	if (w->mode == MODE_32BIT)
		done = __atomic_compare_exchange_n((uint32_t *)e->at, &old32, (uint32_t)value,
			false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	else
		done = __atomic_compare_exchange_n((uint64_t *)e->at, &old, value, false,
			__ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	nested_write_ends(n, page, PAGE_SIZE, begun);
	return done;
}

/* Accessed and dirty flags of a walk that succeeded. False when an entry changed meanwhile. */
static bool mark_accessed(struct nested *n, struct walk *w, uint32_t access)
{
	for (unsigned i = 0; i < w->count && !w->refused; i++) {
		bool leaf = i + 1 == w->count;
		uint64_t dirty = leaf && (access & PAGING_WRITE) ? PT_D : 0;

		if (!set_flags(n, w, &w->entry[i], PT_A | dirty))
			return false;
	}
	return true;
}

static enum walk_end map(struct walk *w, uint64_t base, uint64_t size, bool reserved)
{
	w->base = base;
	w->size = size;
	return reserved ? WALK_RESERVED : WALK_MAPPED;
}

/* SDM 4.3 "32-Bit Paging" */
static enum walk_end walk_32bit(struct nested *n, struct walk *w)
{
	unsigned width = w->s->maxphyaddr < 40 ? w->s->maxphyaddr : 40;
	uint64_t reserved_4m = 0x3fffff & ~((1ull << (width - 19)) - 1);
	uint64_t table = w->s->cr3 & 0xfffff000;
	uint64_t e = read_entry(n, w, table | ((w->linear >> 22) & 0x3ff) << 2);

	w->rights &= e;
	if (!(e & PT_P))
		return WALK_NOT_PRESENT;
	if ((e & PT_PS) && (w->s->cr4 & CR4_PSE))
		return map(w, (e & 0xffc00000) | ((e >> 13) & 0xff) << 32, 4u << 20,
			(e & reserved_4m) != 0);
	e = read_entry(n, w, (e & 0xfffff000) | ((w->linear >> 12) & 0x3ff) << 2);
	w->rights &= e;
	if (!(e & PT_P))
		return WALK_NOT_PRESENT;
	return map(w, e & 0xfffff000, PAGE_SIZE, false);
}

/* Bits that must be 0 in a present entry of a table of 512. */
static uint64_t reserved_bits(const struct walk *w, unsigned level, bool leaf)
{
	uint64_t reserved = (1ull << 52) - (1ull << w->s->maxphyaddr);

	if (w->mode == MODE_PAE)
		reserved |= 0x7ff0000000000000ull;
	if (!(w->s->efer & EFER_NXE))
		reserved |= PT_XD;
	if (level >= 4)
		reserved |= PT_PS;
	if (leaf && level > 1) /* below the page's size; bit 12 is PAT */
		reserved |= ((1ull << (12 + 9 * (level - 1))) - 1) & ~0x1fffull;
	return reserved;
}

/* SDM 4.5 "4-Level Paging" and 5-level paging, and the lower two levels of 4.4 "PAE Paging" */
static enum walk_end walk_64bit(
	struct nested *n, struct walk *w, uint64_t table, unsigned level)
{
	for (;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t size = 1ull << shift;
		uint64_t e = read_entry(n, w, table | ((w->linear >> shift) & 0x1ff) << 3);
		bool leaf = level == 1 || (level <= 3 && (e & PT_PS));

		if (!(e & PT_P))
			return WALK_NOT_PRESENT;
		if (e & reserved_bits(w, level, leaf))
			return WALK_RESERVED;
		w->rights = (w->rights & e & (PT_RW | PT_US)) | ((w->rights | e) & PT_XD);
		table = e & PT_ADDRESS;
		if (leaf)
			return map(w, table & ~(size - 1), size, false);
	}
}

/*
 * SDM 4.4 "PAE Paging". PDPTEs are registers, loaded and checked with CR3; what the guest wrote
 * to its table since does not count.
 */
static enum walk_end walk_pae(struct nested *n, struct walk *w)
{
	uint64_t e = seam_vmread((enum vmcs_fid)(FID_GUEST_PDPTE0 + ((w->linear >> 30) & 3)));

	if (!(e & PT_P))
		return WALK_NOT_PRESENT;
	return walk_64bit(n, w, e & PT_ADDRESS, 2);
}

static enum walk_end walk_tables(struct nested *n, struct walk *w)
{
	w->count = 0;
	w->rights = PT_RW | PT_US;
	switch (w->mode) {
	case MODE_32BIT:
		return walk_32bit(n, w);
	case MODE_PAE:
		return walk_pae(n, w);
	case MODE_4LEVEL:
		return walk_64bit(n, w, w->s->cr3 & PT_ADDRESS, 4);
	case MODE_5LEVEL:
		return walk_64bit(n, w, w->s->cr3 & PT_ADDRESS, 5);
	default:
		return map(w, w->linear & ~PAGE_MASK, PAGE_SIZE, false);
	}
}

/* A supervisor of L1 in IA-32e mode; CR0.PG and CR4.PAE go with IA32_EFER.LMA. */
static inline bool usual_mode(const struct paging_state *s)
{
	return (s->efer & EFER_LMA) && s->cpl < 3 && !s->eptp12;
}

/*
 * The usual case without book-keeping: a supervisor's data access through 4 or 5 levels of
 * tables whose entries are present, accessed (and dirty, writable for a write) and have no odd
 * bits. False says nothing but that the full walk has to decide. note: NULL, or what was read.
 */
static inline __attribute__((always_inline)) bool walk_noted(struct nested *n,
	const struct paging_state *s, uint64_t linear, uint32_t access, struct gpa_l1 *out,
	struct paging_note *note)
{
	uint64_t odd =
		((1ull << 52) - (1ull << s->maxphyaddr)) | (s->efer & EFER_NXE ? 0 : PT_XD);
	uint64_t want = PT_P | PT_A | (access & PAGING_WRITE ? PT_RW : 0);
	uint64_t table = s->cr3, user = PT_US, size, e;
	unsigned shift;

	for (shift = s->cr4 & CR4_LA57 ? 48 : 39;; shift -= 9) {
		const uint64_t *page = seam_l1_page(n, (struct gpa_l1){table & PT_ADDRESS});

		if (!page)
			return false;
		e = __atomic_load_n(&page[linear >> shift & 0x1ff], __ATOMIC_RELAXED);
		if (note) {
			note->at[note->count] = &page[linear >> shift & 0x1ff];
			note->value[note->count++] = e;
		}
		user &= e;
		if ((e & (want | odd)) != want)
			return false;
		if (shift == 12 || (e & PT_PS))
			break;
		table = e;
	}
	size = 1ull << shift;
	/*
	 * SDM 4.5: no page of 512 GiB or more; bits below a large page's number are reserved
	 * but PAT.
	 */
	if (shift > 12 && (shift >= 39 || (e & (size - 0x2000) & PT_ADDRESS)))
		return false;
	if (((access & PAGING_WRITE) && !(e & PT_D)) ||
		(user && (s->cr4 & (CR4_SMAP | CR4_PKE))))
		return false;
	out->v = (e & PT_ADDRESS & ~(size - 1)) | (linear & (size - 1));
	return true;
}

static bool walk_quickly(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct gpa_l1 *out)
{
	return walk_noted(n, s, linear, access, out, NULL);
}

bool paging_walk_noted(struct nested *n, const struct paging_state *s, uint64_t linear,
	struct gpa_l1 *out, struct paging_note *note)
{
	note->count = 0;
	return usual_mode(s) && walk_noted(n, s, linear, PAGING_READ, out, note);
}

/* The walk may end in a fault: of L2's EPT, or a page fault with this reason. */
static bool walk_faults(struct nested *n, const struct walk *w, uint32_t access,
	enum walk_end end, struct paging_fault *fault)
{
	*fault = (struct paging_fault){.address = w->linear, .ept = w->refused};
	if (w->refused) {
		fault->gpa = w->refused_gpa;
		fault->qualification = w->refused_how;
		return true;
	}
	if (end != WALK_MAPPED)
		fault->error_code = paging_fault_code(
			w->s, access, end == WALK_RESERVED ? PF_PRESENT | PF_RESERVED : 0);
	else if (w->mode >= MODE_4LEVEL &&
		 paging_key_denies(n, w->s, w->rights, w->entry[w->count - 1].value, access))
		fault->error_code = paging_fault_code(w->s, access, PF_PRESENT | PF_KEY);
	else if (w->mode != MODE_NONE && !paging_allows(w->s, w->rights, access))
		fault->error_code = paging_fault_code(w->s, access, PF_PRESENT);
	else
		return false;
	return true;
}

/* *w: what the walk read last, for who wants to know. */
static bool walk_fully(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct walk *w, struct gpa_l1 *out, struct paging_fault *fault)
{
	w->s = s;
	w->mode = mode_of(s);
	w->linear = linear;
	w->refused = false;
	/* An L1 that changes its tables without end gets the last walk without the flags. */
	for (unsigned i = 0; i < WALK_TRIES; i++) {
		enum walk_end end = walk_tables(n, w);

		if (walk_faults(n, w, access, end, fault))
			return false;
		if (s->looks || mark_accessed(n, w, access))
			break;
	}
	if (walk_faults(n, w, access, WALK_MAPPED, fault))
		return false;
	out->v = w->base + (linear & (w->size - 1));
	fault->qualification = (w->rights & PT_US ? QUAL_USER : 0) |
			       (w->rights & PT_RW ? QUAL_WRITABLE : 0) |
			       (w->rights & PT_XD ? QUAL_XD : 0);
	return true;
}

bool paging_walk(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct gpa_l1 *out, struct paging_fault *fault)
{
	struct walk w;

	if (usual_mode(s) && !(access & PAGING_FETCH) &&
		walk_quickly(n, s, linear, access, out))
		return true;
	return walk_fully(n, s, linear, access, &w, out, fault);
}

/* An access of at most a page, in the one or two pages it touches. */
struct pieces {
	uint32_t access; /* enum paging_access */
	struct gpa_l1 at[2];
	uint32_t len[2];
};

/*
 * *at, where a walk led with the rights in *fault, is L2's address, and then L1's behind it.
 */
static bool through_ept12(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct gpa_l1 *at, struct paging_fault *fault)
{
	bool write = access & PAGING_WRITE;
	unsigned right = write ? EPT_WRITE : access & PAGING_CODE ? EPT_EXEC : EPT_READ;
	uint64_t gpa = at->v, rights = fault->qualification;

	if (to_l1(n, s, gpa, right | VEPT_LINEAR, at))
		return true;
	*fault = (struct paging_fault){.address = linear,
		.ept = true,
		.gpa = gpa,
		.qualification = rights | (write ? QUAL_WRITE : QUAL_READ) | QUAL_LINEAR |
				 QUAL_TRANSLATION};
	return false;
}

bool paging_translate(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t access, struct gpa_l1 *at, struct paging_fault *fault)
{
	if (!paging_walk(n, s, linear, access, at, fault))
		return false;
	return !s->eptp12 || through_ept12(n, s, linear, access, at, fault);
}

static bool translate(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t len, struct pieces *p, struct paging_fault *fault)
{
	uint32_t room = (uint32_t)(PAGE_SIZE - (linear & PAGE_MASK));
	uint64_t next = linear + room;

	p->len[0] = len < room ? len : room;
	p->len[1] = len - p->len[0];
	if (!paging_translate(n, s, linear, p->access, &p->at[0], fault))
		return false;
	if (p->len[1] == 0)
		return true;
	next = s->efer & EFER_LMA ? next : (uint32_t)next;
	return paging_translate(n, s, next, p->access, &p->at[1], fault);
}

/* Out of line: the usual case shall not pay for its stack frame. */
__attribute__((noinline)) static bool read_fully(struct nested *n, const struct paging_state *s,
	uint64_t linear, uint32_t access, void *dst, uint32_t len, struct paging_fault *fault)
{
	struct pieces p = {.access = access};
	unsigned char *to = dst;

	if (!translate(n, s, linear, len, &p, fault))
		return false;
	for (unsigned i = 0; i < 2; to += p.len[i], i++)
		if (p.len[i] != 0 && seam_l1_read(n, p.at[i], to, p.len[i]) < 0)
			for (uint32_t k = 0; k < p.len[i]; k++)
				to[k] = 0xff;
	return true;
}

bool paging_read(struct nested *n, const struct paging_state *s, uint64_t linear, void *dst,
	uint32_t len, struct paging_fault *fault)
{
	struct gpa_l1 at;

	if ((linear & PAGE_MASK) + len <= PAGE_SIZE && usual_mode(s) &&
		walk_quickly(n, s, linear, PAGING_READ, &at) &&
		seam_l1_read(n, at, dst, len) == 0)
		return true;
	return read_fully(n, s, linear, PAGING_READ, dst, len, fault);
}

/* ---- code of an L2 ---- */

static struct paging_code_page *code_page(struct nested *n, uint64_t linear)
{
	return &n->code.page[linear >> PAGE_SHIFT & (PAGING_CODE_PAGES - 1)];
}

static unsigned root_place(uint64_t table)
{
	return (table >> PAGE_SHIFT ^ table >> (PAGE_SHIFT + 4)) & (PAGING_CODE_ROOTS - 1);
}

/*
 * The page is known by this state. Processes of one kernel have roots of their own, whose
 * entries for the kernel lead to the same tables: by another CR3 that was here before, the page
 * is the one that is known if its root's entry is. What CR3 has beside the table's address does
 * not count: PCIDs change with each switch.
 */
static bool same_state(
	struct nested *n, struct paging_code_page *c, const struct paging_state *s)
{
	uint64_t table = s->cr3 & PT_ADDRESS;
	unsigned place = root_place(table);
	const struct paging_root *root = &n->code.root[place];

	if (c->eptp12 != s->eptp12 || c->cr0 != s->cr0 || c->cr4 != s->cr4 ||
		c->efer != s->efer || c->maxphyaddr != s->maxphyaddr)
		return false;
	if (c->table == table)
		return true;
	if (!(n->code.roots & BIT(place)) || root->table != table ||
		root->eptp12 != s->eptp12 || root->lma != !!(s->efer & EFER_LMA))
		return false;
	c->table = table;
	c->entry[0].at.v = root->at.v | (c->entry[0].at.v & PAGE_MASK);
	return true;
}

static bool same_entries(struct nested *n, const struct paging_code_page *c)
{
	uint32_t size = c->cr4 & CR4_PAE ? sizeof(uint64_t) : sizeof(uint32_t);

	for (unsigned i = 0; i < c->count; i++) {
		const uint8_t *page = seam_l1_page(n, c->entry[i].at);
		const void *at;
		uint64_t value;

		if (!page)
			return false;
		at = page + (c->entry[i].at.v & PAGE_MASK);
		value = size == sizeof(uint64_t)
				? __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED)
				: __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
		if (value != c->entry[i].value)
			return false;
	}
	return true;
}

/* PDPTEs of PAE paging are registers: nothing is kept. */
static void keep_code(struct nested *n, const struct walk *w, struct gpa_l1 at)
{
	const struct paging_state *s = w->s;
	struct paging_code_page *c = code_page(n, w->linear);

	if (w->mode == MODE_PAE || s->looks)
		return;
	*c = (struct paging_code_page){.linear = (w->linear & ~PAGE_MASK) | 1,
		.cr0 = s->cr0,
		.table = s->cr3 & PT_ADDRESS,
		.cr4 = s->cr4,
		.efer = s->efer,
		.eptp12 = s->eptp12,
		.maxphyaddr = s->maxphyaddr,
		.count = (uint8_t)w->count,
		.at = {at.v & ~PAGE_MASK}};
	for (unsigned i = 0; i < w->count; i++) {
		c->entry[i].at = w->entry[i].l1;
		c->entry[i].value = w->entry[i].value | PT_A;
	}
	if (w->count == 0)
		return;
	n->code.roots |= BIT(root_place(c->table));
	n->code.root[root_place(c->table)] = (struct paging_root){.lma = s->efer & EFER_LMA,
		.table = c->table,
		.eptp12 = s->eptp12,
		.at = {w->entry[0].l1.v & ~PAGE_MASK}};
}

static bool find_code(struct nested *n, const struct paging_state *s, uint64_t linear,
	struct gpa_l1 *at, struct paging_fault *fault)
{
	struct paging_code_page *c = code_page(n, linear);
	struct walk w;

	if (c->linear == ((linear & ~PAGE_MASK) | 1) && same_state(n, c, s) &&
		same_entries(n, c)) {
		at->v = c->at.v | (linear & PAGE_MASK);
		return true;
	}
	if (!walk_fully(n, s, linear, PAGING_CODE, &w, at, fault) ||
		!through_ept12(n, s, linear, PAGING_CODE, at, fault))
		return false;
	keep_code(n, &w, *at);
	return true;
}

void paging_forget_code(struct nested *n)
{
	for (unsigned i = 0; i < PAGING_CODE_PAGES; i++)
		n->code.page[i].linear = 0;
	n->code.roots = 0;
}

bool paging_read_code(struct nested *n, const struct paging_state *s, uint64_t linear,
	void *dst, uint32_t len, struct paging_fault *fault)
{
	struct gpa_l1 at;

	if (!s->eptp12)
		return paging_read(n, s, linear, dst, len, fault);
	if ((linear & PAGE_MASK) + len > PAGE_SIZE || s->cpl == 3 || !s->rflags_ac)
		return read_fully(n, s, linear, PAGING_CODE, dst, len, fault);
	if (!find_code(n, s, linear, &at, fault))
		return false;
	if (seam_l1_read(n, at, dst, len) < 0)
		__builtin_memset(dst, 0xff, len);
	return true;
}

bool paging_write(struct nested *n, const struct paging_state *s, uint64_t linear,
	const void *src, uint32_t len, struct paging_fault *fault)
{
	struct pieces p = {.access = PAGING_WRITE};
	const unsigned char *from = src;

	if (!paging_sub_pages_allow(n, s, linear, len, fault) ||
		!translate(n, s, linear, len, &p, fault))
		return false;
	for (unsigned i = 0; i < 2; from += p.len[i], i++)
		if (p.len[i] != 0)
			(void)nested_l1_write(n, p.at[i], from, p.len[i]); /* or it is lost */
	return true;
}

bool paging_can_write(struct nested *n, const struct paging_state *s, uint64_t linear,
	uint32_t len, struct paging_fault *fault)
{
	struct pieces p = {.access = PAGING_WRITE};

	return paging_sub_pages_allow(n, s, linear, len, fault) &&
	       translate(n, s, linear, len, &p, fault);
}
