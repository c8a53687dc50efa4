#include "nested/vept.h"

#include "nested/nested.h"
#include "nested/seam.h"
#include "spec/vmx.h"

/* SDM 28.2.2 "EPT Translation Mechanism": formats of EPT paging-structure entries */
#define EPT_READ     1ull
#define EPT_WRITE    2ull
#define EPT_EXEC     4ull
#define EPT_RWX      7ull
#define EPT_MEMTYPE  (7ull << 3)
#define EPT_IPAT     BIT64(6)
#define EPT_LARGE    BIT64(7)
#define EPT_ACCESSED BIT64(8)
#define EPT_DIRTY    BIT64(9)
#define EPT_ADDRESS  0x000ffffffffff000ull

/* 27.2.1, table "Exit Qualification for EPT Violations" */
#define QUAL_ACCESS   7ull
#define QUAL_PERM_BIT 3

#define ROOT_LEVEL 4
#define VEPT_SPLIT UINT64_MAX

/* The EPT12 walk of one address, made before anything changes. */
struct walk {
	uint64_t gpa;
	uint64_t entry[ROOT_LEVEL + 1];     /* by level; A/D updates included */
	uint64_t table_gpa[ROOT_LEVEL + 1]; /* where entry[level] was read */
	unsigned leaf;                      /* level of the leaf */
	uint64_t perms;
};

static inline unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static inline unsigned slot_of(uint64_t gpa, unsigned level)
{
	return (gpa >> level_shift(level)) & (VEPT_ENTRIES - 1);
}

static inline uint64_t table_hpa(const struct vept *e, uint32_t t)
{
	return e->pages_hpa + (uint64_t)t * sizeof(struct vept_pages);
}

static inline uint32_t child_of(const struct vept *e, uint64_t entry)
{
	return (uint32_t)(((entry & EPT_ADDRESS) - e->pages_hpa) / sizeof(struct vept_pages));
}

static inline bool is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & EPT_LARGE);
}

static inline bool present(const struct vept_table *t, unsigned slot)
{
	return t->present[slot / 64] & BIT64(slot % 64);
}

void vept_init(struct vept *e)
{
	for (uint32_t i = 0; i < e->count; i++) {
		e->table[i].in_use = false;
		e->table[i].next = i + 1 < e->count ? i + 1 : VEPT_NONE;
	}
	e->free = e->count ? 0 : VEPT_NONE;
	e->in_use = 0;
	e->use_counter = 0;
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		e->root[i] = (struct vept_root){.table = VEPT_NONE};
	for (unsigned i = 0; i < VEPT_BUCKETS; i++)
		e->bucket[i] = VEPT_NONE;
}

static uint32_t *bucket_of(struct vept *e, uint64_t source_gpa)
{
	uint64_t page = source_gpa >> PAGE_SHIFT;

	return &e->bucket[(page ^ page >> 8) % VEPT_BUCKETS];
}

static void unlink_table(struct vept *e, uint32_t i)
{
	uint32_t *link = bucket_of(e, e->table[i].source_gpa);

	while (*link != i)
		link = &e->table[*link].next;
	*link = e->table[i].next;
}

/* L1 wrote an EPT12 table: all its mirrors must be compared, whoever asks first. */
static void mark_stale(struct vept *e, uint64_t source_gpa)
{
	for (uint32_t i = *bucket_of(e, source_gpa); i != VEPT_NONE; i = e->table[i].next)
		if (e->table[i].source_gpa == source_gpa)
			e->table[i].stale = true;
}

/* Callers have made sure that a table is free. */
static uint32_t table_new(struct vept *e, unsigned level, uint64_t source_gpa)
{
	uint32_t i = e->free;
	struct vept_table *t = &e->table[i];

	e->free = t->next;
	e->in_use++;
	*t = (struct vept_table){.source_gpa = source_gpa,
		.parent = VEPT_NONE,
		.level = (uint8_t)level,
		.in_use = true};
	for (unsigned s = 0; s < VEPT_ENTRIES; s++)
		e->pages[i].entry[s] = 0;
	t->next = *bucket_of(e, source_gpa);
	*bucket_of(e, source_gpa) = i;
	return i;
}

/* Bounded recursion: a child has a lower level. */
static void table_free(struct vept *e, uint32_t i)
{
	struct vept_table *t = &e->table[i];

	for (unsigned w = 0; t->level > 1 && w < VEPT_ENTRIES / 64; w++)
		for (uint64_t bits = t->present[w]; bits; bits &= bits - 1) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(bits);
			uint64_t entry = e->pages[i].entry[s];

			if (!is_leaf(entry, t->level))
				table_free(e, child_of(e, entry));
		}
	unlink_table(e, i);
	t->in_use = false;
	t->next = e->free;
	e->free = i;
	e->in_use--;
}

static void entry_clear(struct vept *e, uint32_t i, unsigned slot)
{
	struct vept_table *t = &e->table[i];
	uint64_t old = e->pages[i].entry[slot];

	e->pages[i].entry[slot] = 0;
	t->present[slot / 64] &= ~BIT64(slot % 64);
	if (!is_leaf(old, t->level))
		table_free(e, child_of(e, old));
}

static void entry_set(
	struct vept *e, uint32_t i, unsigned slot, uint64_t entry, uint64_t source)
{
	e->pages[i].source[slot] = source;
	e->pages[i].entry[slot] = entry;
	e->table[i].present[slot / 64] |= BIT64(slot % 64);
}

static void root_drop(struct nested *n, struct vept_root *r)
{
	struct vept *e = &n->vm->vept;

	table_free(e, r->table);
	seam_flush_ept(n, r->eptp02);
	*r = (struct vept_root){.table = VEPT_NONE};
}

static struct vept_root *oldest_root(struct vept *e, const struct vept_root *keep)
{
	struct vept_root *oldest = NULL;

	for (unsigned i = 0; i < VEPT_ROOTS; i++) {
		struct vept_root *r = &e->root[i];

		if (r == keep || !r->eptp12)
			continue;
		if (!oldest || r->last_use < oldest->last_use)
			oldest = r;
	}
	return oldest;
}

static uint32_t tables_free(const struct vept *e)
{
	return e->count - e->in_use;
}

/* All translations of a root go, the root itself stays valid (VMCS02s point to it). */
static void root_empty(struct nested *n, struct vept_root *r)
{
	struct vept *e = &n->vm->vept;

	for (unsigned s = 0; s < VEPT_ENTRIES; s++)
		if (present(&e->table[r->table], s))
			entry_clear(e, r->table, s);
	seam_flush_ept(n, r->eptp02);
	n->stats.vept_zaps++;
}

/* Make room for the tables of one walk, at the expense of the oldest roots. */
static void reserve_tables(struct nested *n, struct vept_root *keep)
{
	struct vept *e = &n->vm->vept;

	while (tables_free(e) < ROOT_LEVEL) {
		struct vept_root *r = oldest_root(e, keep);

		if (r) {
			seam_vept_root_gone(n, r);
			root_drop(n, r);
		} else {
			root_empty(n, keep);
			return;
		}
	}
}

struct vept_root *vept_root_get(struct nested *n, uint64_t eptp12)
{
	struct vept *e = &n->vm->vept;
	struct vept_root *free_root = NULL;

	for (unsigned i = 0; i < VEPT_ROOTS; i++) {
		struct vept_root *r = &e->root[i];

		if (r->eptp12 == eptp12) {
			r->last_use = ++e->use_counter;
			return r;
		}
		if (!r->eptp12)
			free_root = r;
	}
	if (!free_root) {
		free_root = oldest_root(e, NULL);
		seam_vept_root_gone(n, free_root);
		root_drop(n, free_root);
	}
	reserve_tables(n, free_root);
	free_root->eptp12 = eptp12;
	free_root->table = table_new(e, ROOT_LEVEL, eptp12 & EPT_ADDRESS);
	free_root->eptp02 =
		table_hpa(e, free_root->table) | EPTP_WALK_4 | (eptp12 & EPTP_AD) | 6;
	free_root->last_use = ++e->use_counter;
	seam_l1_page_watch(n, (struct gpa_l1){eptp12 & EPT_ADDRESS});
	return free_root;
}

/* SDM 28.2.3.1 "EPT Misconfigurations" */
static bool misconfigured(const struct vept *e, uint64_t entry, unsigned level)
{
	uint64_t reserved = EPT_ADDRESS & ~(BIT64(e->maxphyaddr) - 1);
	uint64_t memtype = (entry & EPT_MEMTYPE) >> 3;

	if ((entry & (EPT_READ | EPT_WRITE)) == EPT_WRITE)
		return true;
	if ((entry & EPT_RWX) == EPT_EXEC && !e->execute_only)
		return true;
	if (!is_leaf(entry, level) || level == ROOT_LEVEL)
		return entry & (reserved | (level == ROOT_LEVEL ? 0xf8 : 0x78));
	if (level > 1)
		reserved |= (BIT64(level_shift(level)) - 1) & EPT_ADDRESS;
	return (entry & reserved) || memtype == 2 || memtype == 3 || memtype == 7;
}

/* Walk EPT12; the permissions are those of all entries together. */
static enum vept_result walk_ept12(
	struct nested *n, uint64_t eptp12, uint64_t gpa, struct walk *w)
{
	uint64_t table = eptp12 & EPT_ADDRESS;

	w->gpa = gpa;
	w->perms = EPT_RWX;
	if (gpa >> 48) { /* beyond a 4-level walk, SDM 28.2.2 */
		w->perms = 0;
		return VEPT_VIOLATION;
	}
	for (unsigned level = ROOT_LEVEL;; level--) {
		const uint64_t *page = seam_l1_page(n, (struct gpa_l1){table});
		unsigned slot = slot_of(gpa, level);
		/* A read of absent memory gives ones. */
		uint64_t entry =
			page ? __atomic_load_n(&page[slot], __ATOMIC_RELAXED) : UINT64_MAX;

		w->table_gpa[level] = table + slot * sizeof(entry);
		w->entry[level] = entry;
		w->leaf = level;
		w->perms &= entry;
		if (!(entry & EPT_RWX))
			return VEPT_VIOLATION;
		if (misconfigured(&n->vm->vept, entry, level))
			return VEPT_MISCONFIG;
		if (is_leaf(entry, level))
			return VEPT_FILLED;
		table = entry & EPT_ADDRESS;
	}
}

static struct gpa_l1 walk_target(const struct walk *w)
{
	uint64_t offset = BIT64(level_shift(w->leaf)) - 1;

	return (struct gpa_l1){(w->entry[w->leaf] & EPT_ADDRESS & ~offset) | (w->gpa & offset)};
}

/* SDM 28.2.4 "Accessed and Dirty Flags for EPT": set them in EPT12 as hardware would. */
static void update_ad(struct nested *n, struct walk *w, bool write)
{
	for (unsigned level = ROOT_LEVEL; level >= w->leaf; level--) {
		uint64_t want = EPT_ACCESSED | (write && level == w->leaf ? EPT_DIRTY : 0);

		if ((w->entry[level] & want) == want)
			continue;
		w->entry[level] |= want;
		seam_l1_write(n, (struct gpa_l1){w->table_gpa[level]}, &w->entry[level],
			sizeof(w->entry[level]));
	}
}

static unsigned level_of_size(uint64_t size)
{
	return size >= SIZE_1G ? 3 : size >= SIZE_2M ? 2 : 1;
}

/* The table below (t, slot), made or remade when it does not mirror the walk. */
static uint32_t descend(struct nested *n, struct vept_root *root, uint32_t t,
	const struct walk *w, unsigned level)
{
	struct vept *e = &n->vm->vept;
	unsigned slot = slot_of(w->gpa, level);
	bool split = level <= w->leaf;
	uint64_t source = w->entry[split ? w->leaf : level];
	uint64_t entry = e->pages[t].entry[slot];
	uint32_t child;

	if (present(&e->table[t], slot)) {
		if (e->pages[t].source[slot] == source && !is_leaf(entry, level))
			return child_of(e, entry);
		entry_clear(e, t, slot);
		seam_flush_ept(n, root->eptp02);
	}
	child = table_new(e, level - 1, split ? VEPT_SPLIT : source & EPT_ADDRESS);
	e->table[child].parent = t;
	e->table[child].parent_slot = (uint16_t)slot;
	if (!split)
		seam_l1_page_watch(n, (struct gpa_l1){source & EPT_ADDRESS});
	/* A split page's permissions and type are in its leaves. */
	entry_set(
		e, t, slot, table_hpa(e, child) | (split ? EPT_RWX : source & EPT_RWX), source);
	return child;
}

static void fill(struct nested *n, struct vept_root *root, const struct walk *w, struct hpa hpa,
	uint64_t size01)
{
	struct vept *e = &n->vm->vept;
	unsigned target = level_of_size(size01);
	uint64_t source = w->entry[w->leaf];
	uint64_t entry = source & (EPT_RWX | EPT_MEMTYPE | EPT_IPAT);
	uint32_t t;
	unsigned slot;

	if (target > w->leaf)
		target = w->leaf;
	reserve_tables(n, root);
	t = root->table;
	for (unsigned level = ROOT_LEVEL; level > target; level--)
		t = descend(n, root, t, w, level);
	if ((root->eptp12 & EPTP_AD) && !(source & EPT_DIRTY))
		entry &= ~EPT_WRITE; /* the first write shall come here and set D */
	entry |= hpa.v & ~(BIT64(level_shift(target)) - 1);
	entry |= target > 1 ? EPT_LARGE : 0;
	slot = slot_of(w->gpa, target);
	if (present(&e->table[t], slot) && !is_leaf(e->pages[t].entry[slot], target)) {
		entry_clear(e, t, slot);
		seam_flush_ept(n, root->eptp02);
	}
	entry_set(e, t, slot, entry, source);
	n->stats.vept_fills++;
}

enum vept_result vept_handle(struct nested *n, struct vept_root *root, struct gpa_l2 gpa,
	uint64_t hardware_qualification, uint64_t *qualification)
{
	struct walk w;
	enum vept_result r = walk_ept12(n, root->eptp12, gpa.v, &w);
	uint64_t need = hardware_qualification & QUAL_ACCESS;
	uint64_t size01;
	struct hpa hpa;

	*qualification = (hardware_qualification & ~(EPT_RWX << QUAL_PERM_BIT)) |
			 w.perms << QUAL_PERM_BIT;
	if (r != VEPT_FILLED)
		return r;
	if ((w.perms & need) != need)
		return VEPT_VIOLATION;
	if (root->eptp12 & EPTP_AD)
		update_ad(n, &w, need & EPT_WRITE);
	if (!seam_l1_translate(n, walk_target(&w), &hpa, &size01)) {
		hpa.v = n->vm->vept.void_hpa;
		size01 = PAGE_SIZE;
	}
	fill(n, root, &w, hpa, size01);
	return VEPT_FILLED;
}

bool vept_walk(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct gpa_l1 *l1)
{
	struct walk w;

	if (walk_ept12(n, eptp12, gpa.v, &w) != VEPT_FILLED || (w.perms & access) != access)
		return false;
	*l1 = walk_target(&w);
	return true;
}

/* Compare a mirrored table with EPT12 and drop what changed. Bounded recursion, as above. */
static bool sync_table(struct nested *n, uint32_t i)
{
	struct vept *e = &n->vm->vept;
	struct vept_table *t = &e->table[i];
	struct gpa_l1 source_gpa = {t->source_gpa};
	const volatile uint64_t *source = NULL;
	bool changed = false;

	if (t->source_gpa != VEPT_SPLIT && seam_l1_page_written(n, source_gpa))
		mark_stale(e, t->source_gpa);
	if (t->stale) {
		source = seam_l1_page(n, source_gpa);
		n->stats.vept_syncs++;
		t->stale = false;
	} else if (t->level == 1) {
		return false;
	}
	for (unsigned w = 0; w < VEPT_ENTRIES / 64; w++)
		for (uint64_t bits = t->present[w]; bits; bits &= bits - 1) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(bits);
			uint64_t entry = e->pages[i].entry[s];

			if (source && source[s] != e->pages[i].source[s]) {
				entry_clear(e, i, s);
				n->stats.vept_zaps++;
				changed = true;
			} else if (!is_leaf(entry, t->level)) {
				changed |= sync_table(n, child_of(e, entry));
			}
		}
	return changed;
}

static void sync_root(struct nested *n, struct vept_root *r)
{
	if (sync_table(n, r->table))
		seam_flush_ept(n, r->eptp02);
}

void vept_invalidate(struct nested *n, uint64_t eptp12)
{
	struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		if (e->root[i].eptp12 && !((e->root[i].eptp12 ^ eptp12) & EPT_ADDRESS))
			sync_root(n, &e->root[i]);
	seam_l1_pages_settle(n);
}

void vept_invalidate_all(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		if (e->root[i].eptp12)
			sync_root(n, &e->root[i]);
	seam_l1_pages_settle(n);
}

void vept_drop_all(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		if (e->root[i].eptp12) {
			seam_vept_root_gone(n, &e->root[i]);
			root_drop(n, &e->root[i]);
		}
}
