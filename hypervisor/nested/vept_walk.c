/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks of EPT12, and the flags that an access sets in it.
 */
#include "nested/vept_int.h"

/* Retries of a walk whose entries another CPU of L1 changes under it. */
#define WALK_TRIES 8

/* An entry with none of these bits is not present. */
static uint64_t presence_bits(uint32_t controls)
{
	return controls & PROC2_MODE_BASED_EXECUTE ? EPT_RIGHTS : EPT_RWX;
}

/*
 * SDM 28.2.3.1 "EPT Misconfigurations"; and, newer: without execute-only translations neither
 * kind of execute access comes without read access. The same as misconfig.def, in fewer
 * instructions: every fill asks.
 */
static bool misconfigured(
	const struct vept *e, uint64_t entry, unsigned level, uint64_t presence)
{
	uint64_t reserved = EPT_ADDRESS & ~(BIT64(e->maxphyaddr) - 1);
	uint64_t memtype = (entry & EPT_MEMTYPE) >> 3;

	if (!(entry & EPT_READ) &&
		((entry & EPT_WRITE) || (!e->execute_only && (entry & presence))))
		return true;
	if (!is_leaf(entry, level) || level == ROOT_LEVEL)
		return entry & (reserved | (level == ROOT_LEVEL ? 0xf8 : 0x78));
	if (level == 3 && e->no_1g)
		return true;
	if (level > 1)
		reserved |= (BIT64(level_shift(level)) - 1) & EPT_ADDRESS;
	return (entry & reserved) || memtype == 2 || memtype == 3 || memtype == 7;
}

enum denial vept_misconfiguration(const struct vept *e, uint64_t entry, unsigned level)
{
	bool leaf = is_leaf(entry, level) && level != ROOT_LEVEL;
	uint64_t beyond = EPT_ADDRESS & ~(BIT64(e->maxphyaddr) - 1);
	uint64_t below = (BIT64(level_shift(level)) - 1) & EPT_ADDRESS;
	uint64_t memtype = (entry & EPT_MEMTYPE) >> 3;

#define MISCONFIG(id, holds) \
	if (holds)           \
		return DENIAL_##id;
#include "nested/misconfig.def"
	return DENIAL_NONE;
}

/*
 * One step of the walk along mirrors. What EPT02 was made from and is unchanged in EPT12 need
 * not be judged again, has its accessed flag where that counts, and leads to the mirror of the
 * next table.
 */
static inline bool known_step(
	const struct vept *e, struct vept_walk *w, const uint64_t **source, unsigned level)
{
	const struct vept_pages *p = &e->pages[w->table];
	unsigned slot = slot_of(w->gpa, level);
	uint64_t entry = p->entry[slot], kept = p->source[slot];

	if (!*source || !entry || is_leaf(kept, level) ||
		__atomic_load_n(&(*source)[slot], __ATOMIC_RELAXED) != kept)
		return false;
	w->entry[level] = kept;
	w->perms &= kept;
	w->table = child_of(e, entry);
	w->known = level - 1;
	*source = e->table[w->table].source;
	return true;
}

/* As far as mirrors lead; the page of the EPT12 table there, or NULL. */
static inline uint64_t *walk_known(const struct vept *e, struct vept_walk *w, uint32_t root)
{
	const uint64_t *source = e->table[root].source;

	w->table = root;
	if (known_step(e, w, &source, 4) && known_step(e, w, &source, 3))
		known_step(e, w, &source, 2);
	return (uint64_t *)(uintptr_t)source;
}

/* vept_forget: L1's memory may be another since then, or what is there wrong. */
static __attribute__((noinline)) uint64_t *find_top(struct nested *n, uint32_t root)
{
	struct vept_table *t = &n->vm->vept.table[root];
	uint64_t *page = t->watch ? seam_l1_page(n, (struct gpa_l1){t->watch->gpa}) : NULL;

	t->source = page;
	return page;
}

enum vept_result vept_walk_ept12(struct nested *n, const struct vept_root *root,
	uint64_t eptp12, uint64_t gpa, uint32_t controls, struct vept_walk *w)
{
	const struct vept *e = &n->vm->vept;
	uint64_t presence = presence_bits(controls);
	uint64_t *page;

	w->gpa = gpa;
	w->perms = EPT_RIGHTS;
	w->leaf = w->known = ROOT_LEVEL;
	if (gpa >> 48) { /* beyond a 4-level walk, SDM 28.2.2 */
		w->perms = 0;
		w->entry[ROOT_LEVEL] = EPT_NO_VE;
		return VEPT_VIOLATION;
	}
	page = root ? walk_known(e, w, root->table)
		    : seam_l1_page(n, (struct gpa_l1){eptp12 & EPT_ADDRESS});
	if (__builtin_expect(!page, false) && root)
		page = find_top(n, w->table);
	for (unsigned level = w->known; level >= 1; level--) {
		unsigned slot = slot_of(gpa, level);
		/* A read of absent memory gives ones. */
		uint64_t entry =
			page ? __atomic_load_n(&page[slot], __ATOMIC_RELAXED) : UINT64_MAX;

		w->at[level] = page ? &page[slot] : NULL;
		w->entry[level] = entry;
		w->leaf = level;
		w->perms &= entry;
		if (!(entry & presence))
			return VEPT_VIOLATION;
		if (misconfigured(e, entry, level, presence))
			return VEPT_MISCONFIG;
		if (is_leaf(entry, level))
			return VEPT_FILLED;
		page = seam_l1_page(n, (struct gpa_l1){entry & EPT_ADDRESS});
	}
	return VEPT_MISCONFIG; /* level 1 has leaves only */
}

void vept_note_misconfig(struct nested *n, const struct vept_walk *w)
{
	uint64_t entry = w->entry[w->leaf];

	n->refused = (struct nested_refusal){
		.why = (uint8_t)vept_misconfiguration(&n->vm->vept, entry, w->leaf),
		.level = (uint8_t)w->leaf,
		.value = entry,
		.found = {w->gpa}};
}

static enum vept_result log_write(struct nested *n, struct nvmcs *v, uint64_t gpa)
{
	uint64_t index = v->f[FID_PML_INDEX];
	struct gpa_l1 at = {v->f[FID_PML_ADDRESS] + index * sizeof(uint64_t)};

	gpa &= ~PAGE_MASK;
	(void)seam_l1_write(n, at, &gpa, sizeof(gpa)); /* absent memory swallows it */
	mark_written(&n->vm->vept, at, sizeof(gpa));
	v->f[FID_PML_INDEX] = (index - 1) & 0xffff;
	v->pml_moved = true;
	return VEPT_FILLED;
}

/* The tables above the known one have their accessed flag. */
bool vept_accessed(const struct vept_walk *w)
{
	uint64_t all = EPT_ACCESSED;

	for (unsigned level = w->known; level >= w->leaf; level--)
		all &= w->entry[level];
	return all;
}

enum vept_result vept_set_flags(
	struct nested *n, struct vept_walk *w, bool write, uint32_t controls)
{
	bool dirties = write && !(w->entry[w->leaf] & EPT_DIRTY);

	if (vept_accessed(w) && !dirties)
		return VEPT_FILLED;
	if ((controls & PROC2_ENABLE_PML) && n->cur->f[FID_PML_INDEX] >= VEPT_ENTRIES)
		return VEPT_PML_FULL;
	for (unsigned level = w->known; level >= w->leaf; level--) {
		uint64_t old = w->entry[level];
		uint64_t new =
			old | EPT_ACCESSED | (dirties && level == w->leaf ? EPT_DIRTY : 0);

		/* L1's other CPUs may write the entry: an update of theirs is not undone. */
		if (new != old && w->at[level] &&
			!__atomic_compare_exchange_n(w->at[level], &old, new, false,
				__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return VEPT_VIOLATION;
		w->entry[level] = new;
	}
	return dirties && (controls & PROC2_ENABLE_PML) ? log_write(n, n->cur, w->gpa)
							: VEPT_FILLED;
}

/* Of a fetch that was made only one of the two rights is needed, and which is not told. */
static bool walk_allows(
	struct nested *n, const struct vept_walk *w, unsigned access, uint32_t controls)
{
	uint64_t either = EPT_EXEC | EPT_USER_EXEC, rights = access & EPT_RWX;
	uint64_t qualification = rights | (access & VEPT_LINEAR ? QUAL_OF_LINEAR : 0);

	if (rights == EPT_EXEC && (controls & PROC2_MODE_BASED_EXECUTE))
		return w->perms & either;
	if ((w->perms & rights) == rights)
		return true;
	return spp_eligible(w, qualification, controls) &&
	       spp_decide(n, NULL, w->gpa, &qualification) == VEPT_FILLED;
}

/*
 * The root that the processor has for it, whose mirrors say where most of the walk ends, as its
 * caches do for the processor (28.3.1). With seam_vm_lock.
 */
static const struct vept_root *root_of(const struct nested *n, uint64_t eptp12)
{
	const struct vept_root *root = n->in_l2 ? n->cur->root : NULL;

	return root && root->eptp12 == eptp12 ? root : NULL;
}

static bool leads(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct vept_walk *w)
{
	uint32_t controls = controls_of(n);

	return vept_walk_ept12(n, root_of(n, eptp12), eptp12, gpa.v, controls, w) ==
		       VEPT_FILLED &&
	       walk_allows(n, w, access, controls);
}

/* VEPT_VIOLATION: an entry changed meanwhile; VEPT_PML_FULL: the access cannot be made. */
static enum vept_result walk_once(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa,
	unsigned access, struct vept_walk *w)
{
	if (!leads(n, eptp12, gpa, access, w))
		return VEPT_PML_FULL;
	return eptp12 & EPTP_AD ? vept_set_flags(n, w, access & EPT_WRITE, controls_of(n))
				: VEPT_FILLED;
}

bool vept_find(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct gpa_l1 *l1)
{
	struct vept_walk w;
	bool found;

	seam_vm_lock(n);
	found = leads(n, eptp12, gpa, access, &w);
	seam_vm_unlock(n);
	*l1 = walk_target(&w);
	return found;
}

bool vept_walk(struct nested *n, uint64_t eptp12, struct gpa_l2 gpa, unsigned access,
	struct gpa_l1 *l1)
{
	enum vept_result r = VEPT_VIOLATION;
	struct vept_walk w;

	/* An L1 that changes its tables without end gets the last walk without the flags. */
	seam_vm_lock(n);
	for (unsigned i = 0; i < WALK_TRIES && r == VEPT_VIOLATION; i++)
		r = walk_once(n, eptp12, gpa, access, &w);
	seam_vm_unlock(n);
	*l1 = walk_target(&w);
	return r != VEPT_PML_FULL;
}
