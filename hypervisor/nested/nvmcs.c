/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMCS12s that are active on a vCPU: a small cache, so that VMPTRLD between a few VMCSs copies
 * nothing, and their layout in L1's memory.
 */
#include "nested/nested_int.h"

#define ALL_GROUPS (GROUP_HOT | GROUP_RARE | GROUP_LOADED | GROUP_CTL | GROUP_HOST)

#define ALL_CHECKS (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G)

/*
 * A VMCS12 region. Software knows the first two words alone (SDM 24.2 "Format of the VMCS
 * Region"): the rest it may replace as a whole, but not change (24.11.1).
 */
struct vmcs12_region {
	uint32_t revision;
	uint32_t abort_indicator;
	uint32_t launched;
	uint32_t reserved;
	uint64_t f[FID_COUNT];
	uint64_t stamp; /* another one each time that the fields are written */
};

_Static_assert(sizeof(struct vmcs12_region) <= PAGE_SIZE, "a VMCS12 fits its region");

/* What a slot and a region have alike, from `head` or `launched` to the stamp. */
#define DATA_SIZE ((uint32_t)(sizeof(uint64_t[FID_COUNT + 2])))

#define BEHIND_DATA(type, first) \
	(offsetof(struct type, first) + DATA_SIZE - offsetof(struct type, stamp))
_Static_assert(BEHIND_DATA(nvmcs, head) == sizeof(uint64_t) &&
		       BEHIND_DATA(vmcs12_region, launched) == sizeof(uint64_t),
	"the fields lie between them");

static bool any_field(const uint64_t *set)
{
	return (set[0] | set[1] | set[2]) != 0;
}

_Static_assert(NESTED_FIELD_SET == 3, "the words of any_field");

struct nvmcs *nvmcs_find(struct nested *n, uint64_t gpa)
{
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		if (n->slot[i].gpa == gpa)
			return &n->slot[i];
	return NULL;
}

void nvmcs_sync_rare(struct nested *n, struct nvmcs *v)
{
	if (!v->rare_in_02)
		return;
	seam_use_vmcs02(n, v);
	copy_rare_from_02(n, v);
	seam_use_vmcs01(n);
	v->rare_in_02 = false;
}

uint32_t nvmcs_from_shadow(struct nested *n, struct nvmcs *v)
{
	uint32_t changed = copy_from_shadow(n, v);

	return v->learned ? changed | learn_from_shadow(n, v) : changed;
}

/* Absent memory swallows the write, as on hardware. */
static bool write_region(struct nested *n, struct gpa_l1 at, const void *src, uint32_t size)
{
	return nested_l1_write(n, at, src, size) == 0;
}

/*
 * No other vCPU of the VM makes the same one, nor this vCPU again. L1 may have copies of
 * regions that another run of L0 has written, from which it was restored.
 */
static uint64_t new_stamp(struct nested *n)
{
	return n->vm->stamps ^ ((uint64_t)(n->vcpu + 1) << 48 | ++n->use_counter);
}

/*
 * Of a VMCS that L1 uses as a shadow, where an L1 that nests reads or writes a field or two
 * between VMPTRLD and VMCLEAR: what has changed since it became active. False: the region has
 * to be written as a whole.
 */
static bool flush_stored(struct nested *n, struct nvmcs *v)
{
	struct gpa_l1 at = {v->gpa};
	struct vmcs12_region *r = v->in_region ? seam_l1_page(n, at) : NULL;
	enum vept_write begun;

	if (!r)
		return false;
	begun = nested_write_begins(n, at, sizeof(*r));
	r->launched = v->launched;
	if (any_field(v->stored))
		r->stamp = v->stamp = new_stamp(n);
	for (unsigned w = 0; w < NESTED_FIELD_SET; w++)
		for (uint64_t left = v->stored[w]; left != 0; left &= left - 1) {
			unsigned fid = w * 64 + (unsigned)__builtin_ctzll(left);

			r->f[fid] = v->f[fid];
		}
	nested_write_ends(n, at, sizeof(*r), begun);
	return true;
}

static void flush_all(struct nested *n, struct nvmcs *v)
{
	struct gpa_l1 at = {v->gpa + offsetof(struct vmcs12_region, launched)};

	v->head = v->launched;
	v->stamp = new_stamp(n);
	v->kept = write_region(n, at, &v->head, DATA_SIZE) ? v->gpa : NVMCS_FREE;
}

static void flush_shadow(struct nested *n, struct nvmcs *v)
{
	if (any_field(v->written)) {
		copy_written_from_shadow(n, v);
		seam_use_vmcs01(n);
	}
	if (flush_stored(n, v))
		v->kept = v->gpa;
	else
		flush_all(n, v);
	v->gpa = NVMCS_FREE;
	learn_shadow_flushed(n, v);
}

void nvmcs_flush(struct nested *n, struct nvmcs *v)
{
	if (v->all_in_shadow) {
		flush_shadow(n, v);
		return;
	}
	if (n->vm->shadowing) {
		(void)nvmcs_from_shadow(n, v);
		seam_use_vmcs01(n);
	}
	nvmcs_sync_rare(n, v);
	flush_all(n, v);
	v->gpa = NVMCS_FREE;
}

void nvmcs_clear_region(struct nested *n, uint64_t gpa)
{
	struct gpa_l1 at = {gpa + offsetof(struct vmcs12_region, launched)};
	uint32_t launched = 0;

	write_region(n, at, &launched, sizeof(launched));
}

/* The slot that had this VMCS12, an unused one, or that of the VMCS12 which was used least. */
static struct nvmcs *slot_for(struct nested *n, uint64_t gpa)
{
	struct nvmcs *v = NULL, *unused = NULL;

	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		struct nvmcs *s = &n->slot[i];

		if (s->gpa != NVMCS_FREE) {
			if (s != n->cur && (!v || s->last_use < v->last_use))
				v = s;
		} else if (s->kept == gpa) {
			return s;
		} else if (!unused) {
			unused = s;
		}
	}
	if (unused)
		return unused;
	nvmcs_flush(n, v);
	return v;
}

/* The region, or the state, may be anybody's: no field may hold more bits than its width. */
static void cut_to_width(uint64_t *f)
{
#define F(name, enc, exists, group, flags)      \
	if (vmcs_value_mask(enc) != UINT64_MAX) \
		f[FID_##name] &= vmcs_value_mask(enc);
#include "spec/vmcs_fields.def"
}

/* Hardware serves L1 the fields of a VMCS12 that has become active. */
static void serve(struct nested *n, struct nvmcs *v)
{
	if (v->is_shadow) {
		if (!v->serves_writes)
			learn_shadow(n, v);
		copy_all_to_shadow(n, v);
	} else {
		if (v->serves_writes) /* touches were of another VMCS */
			v->habit = (struct nested_habit){.turn = v->habit.turn};
		v->serves_writes = false;
		copy_to_shadow(n, v);
	}
	if (v->learned)
		learn_to_shadow(v);
	seam_use_vmcs01(n);
}

/*
 * v->f has the fields of the VMCS12 in this region, which becomes active. as_before: they are
 * what the slot had before, and so is the kind of VMCS.
 */
static void activate(struct nested *n, struct nvmcs *v, uint64_t gpa, bool launched,
	bool is_shadow, bool as_before)
{
	if (!as_before)
		cut_to_width(v->f);
	v->gpa = gpa;
	v->kept = NVMCS_FREE;
	v->launched = launched;
	v->is_shadow = is_shadow;
	v->all_in_shadow = is_shadow && n->vm->shadowing;
	v->as_before = as_before;
	v->in_region = as_before;
	for (unsigned w = 0; w < NESTED_FIELD_SET; w++)
		v->stored[w] = 0;
	v->rare_in_02 = false;
	v->dirty = ALL_GROUPS;
	v->unchecked = ALL_CHECKS;
	v->root = NULL;
	v->missed = false;
	v->bus_locked = false;
	v->pml_moved = false;
	v->cet = v->cet_loads = n->vm->cet;
	v->link = NULL;
	v->proc2_02 = 0;
	v->timer_on = false;
	v->timer_phase = 0;
	v->last_use = ++n->use_counter; /* no two are alike: see next_used */
	v->just_loaded = true;
	if (n->vm->shadowing && !(as_before && is_shadow))
		serve(n, v);
}

/* Absent memory reads as none. */
static uint64_t region_word(struct nested *n, uint64_t gpa, uint32_t offset)
{
	const uint8_t *page = seam_l1_page(n, (struct gpa_l1){gpa});
	uint64_t word = 0;

	if (page)
		return __atomic_load_n(
			(const uint64_t *)(const void *)(page + offset), __ATOMIC_RELAXED);
	seam_l1_read(n, (struct gpa_l1){gpa + offset}, &word, sizeof(word));
	return word;
}

/* Has the region still what the slot wrote there last? It may be anybody's since. */
static bool is_kept(struct nested *n, const struct nvmcs *v, uint64_t gpa, bool is_shadow)
{
	return v->kept == gpa && v->is_shadow == is_shadow &&
	       region_word(n, gpa, offsetof(struct vmcs12_region, stamp)) == v->stamp;
}

struct nvmcs *nvmcs_load(struct nested *n, uint64_t gpa, uint32_t revision)
{
	struct nvmcs *v = nvmcs_find(n, gpa);
	struct gpa_l1 at = {gpa + offsetof(struct vmcs12_region, f)};
	bool is_shadow = revision & VMCS_SHADOW_INDICATOR, kept;
	uint32_t launched;

	if (v)
		return v;
	n->stats.vmcs_loads++;
	v = slot_for(n, gpa);
	kept = is_kept(n, v, gpa, is_shadow);
	launched = (uint32_t)region_word(n, gpa, offsetof(struct vmcs12_region, launched));
	if (!kept && seam_l1_read(n, at, v->f, sizeof(v->f)))
		for (unsigned i = 0; i < FID_COUNT; i++)
			v->f[i] = UINT64_MAX;
	activate(n, v, gpa, launched == 1, is_shadow, kept);
	return v;
}

void nvmcs_install(
	struct nested *n, uint64_t gpa, const uint64_t *f, bool launched, bool is_shadow)
{
	struct nvmcs *v = slot_for(n, gpa);

	for (unsigned i = 0; i < FID_COUNT; i++)
		v->f[i] = f[i];
	activate(n, v, gpa, launched, is_shadow, false);
}

bool nvmcs_pointer_valid(const struct nested *n, uint64_t gpa)
{
	return !(gpa & PAGE_MASK) && !(gpa >> caps_pointer_width(&n->vm->caps));
}

/*
 * The link pointer was checked: a shadow VMCS. It may have been flushed since the last entry.
 */
void nvmcs_resolve_link(struct nested *n, struct nvmcs *v)
{
	uint64_t gpa = v->f[FID_VMCS_LINK_POINTER];
	struct nvmcs *s = NULL;

	if ((proc2_of(v) & PROC2_VMCS_SHADOWING) && gpa != NVMCS_FREE)
		s = nvmcs_load(n, gpa, VMCS_SHADOW_INDICATOR);
	if (s && !s->is_shadow)
		s = NULL;
	if (s != v->link || (s && s->just_loaded && !s->as_before))
		v->dirty |= GROUP_CTL;
	if (s && s->just_loaded) {
		s->just_loaded = false;
		v->last_use = ++n->use_counter; /* still the one used last */
	}
	v->link = s;
}

void nvmcs_select(struct nested *n, struct nvmcs *v)
{
	if (v != n->cur)
		n->stats.vmcs_switches++;
	n->cur = v;
	if (v)
		v->last_use = ++n->use_counter;
	if (n->vm->shadowing) {
		seam_vmwrite(FID_VMCS_LINK_POINTER, v ? seam_shadow_hpa(n, v).v : UINT64_MAX);
		learn_use_bitmaps(n, learn_bitmaps(n, v));
	}
}

uint16_t nvmcs_vpid02(struct nested *n, uint16_t vpid12)
{
	uint16_t vpid02;
	unsigned i;

	/* Slot 0 is for an L1 that does not tag; it is flushed at each entry. */
	for (i = 0; i < VPID02_SLOTS; i++)
		if (n->vpid12[i] == vpid12 && (i == 0) == (vpid12 == 0))
			return (uint16_t)(n->vpid01 + 1 + i);
	i = 1 + n->vpid_next++ % (VPID02_SLOTS - 1);
	vpid02 = (uint16_t)(n->vpid01 + 1 + i);
	n->vpid12[i] = vpid12;
	seam_flush_vpid(n, vpid02);
	for (unsigned s = 0; s < NVMCS_SLOTS; s++)
		if (n->slot[s].vpid02 == vpid02)
			n->slot[s].dirty |= GROUP_CTL; /* it must take another one */
	return vpid02;
}
