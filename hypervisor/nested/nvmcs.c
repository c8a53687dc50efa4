/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMCS12s that are active on a vCPU: a small cache, so that VMPTRLD between a few VMCSs copies
 * nothing, and their layout in L1's memory.
 */
#include "nested/nested_int.h"

#define ALL_GROUPS (GROUP_HOT | GROUP_RARE | GROUP_LOADED | GROUP_CTL | GROUP_HOST)

#define ALL_CHECKS (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G)

/* A VMCS12 region. Software sees only the first two words (SDM 24.2 "Format of the VMCS
 * Region"). */
struct vmcs12_region {
	uint32_t revision;
	uint32_t abort_indicator;
	uint32_t launched;
	uint32_t reserved;
	uint64_t f[FID_COUNT];
};

_Static_assert(sizeof(struct vmcs12_region) <= PAGE_SIZE, "a VMCS12 fits its region");

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

/*
 * When the data of a VMCS are in its region nobody may know (SDM 24.11.1 "Software Use of
 * Virtual-Machine Control Structures"): no other vCPU can have seen them before the
 * instruction is complete. Absent memory swallows the write, as on hardware.
 */
static void write_region(struct nested *n, struct gpa_l1 at, const void *src, uint32_t size)
{
	(void)seam_l1_write(n, at, src, size);
	vept_written(n, at, size);
}

void nvmcs_flush(struct nested *n, struct nvmcs *v)
{
	uint32_t launched = v->launched;
	struct gpa_l1 at = {v->gpa + offsetof(struct vmcs12_region, launched)};

	if (n->vm->shadowing) {
		if (v->is_shadow)
			copy_all_from_shadow(n, v);
		else
			(void)nvmcs_from_shadow(n, v);
		seam_use_vmcs01(n);
	}
	nvmcs_sync_rare(n, v);
	write_region(n, at, &launched, sizeof(launched));
	at.v = v->gpa + offsetof(struct vmcs12_region, f);
	write_region(n, at, v->f, sizeof(v->f));
	v->gpa = NVMCS_FREE;
}

void nvmcs_clear_region(struct nested *n, uint64_t gpa)
{
	struct gpa_l1 at = {gpa + offsetof(struct vmcs12_region, launched)};
	uint32_t launched = 0;

	write_region(n, at, &launched, sizeof(launched));
}

static struct nvmcs *oldest(struct nested *n)
{
	struct nvmcs *v = NULL;

	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		struct nvmcs *s = &n->slot[i];

		if (s->gpa == NVMCS_FREE)
			return s;
		if (s != n->cur && (!v || s->last_use < v->last_use))
			v = s;
	}
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

/* v->f has the fields of the VMCS12 in this region, which becomes active. */
static void activate(
	struct nested *n, struct nvmcs *v, uint64_t gpa, bool launched, bool is_shadow)
{
	cut_to_width(v->f);
	v->gpa = gpa;
	v->launched = launched;
	v->is_shadow = is_shadow;
	v->all_in_shadow = is_shadow && n->vm->shadowing;
	v->rare_in_02 = false;
	v->dirty = ALL_GROUPS;
	v->unchecked = ALL_CHECKS;
	v->root = NULL;
	v->missed = false;
	v->pml_moved = false;
	v->cet = v->cet_loads = n->vm->cet;
	v->link = NULL;
	v->proc2_02 = 0;
	v->timer_on = false;
	v->timer_phase = 0;
	v->last_use = ++n->use_counter; /* no two are alike: see next_used */
	v->just_loaded = true;
	if (n->vm->shadowing) {
		if (v->learned && v->is_shadow) /* hardware serves all of it */
			learn_forget(n, v);
		if (v->is_shadow)
			copy_all_to_shadow(n, v);
		else
			copy_to_shadow(n, v);
		if (v->learned)
			learn_to_shadow(v);
		seam_use_vmcs01(n);
	}
}

struct nvmcs *nvmcs_load(struct nested *n, uint64_t gpa, uint32_t revision)
{
	struct nvmcs *v = nvmcs_find(n, gpa);
	struct gpa_l1 at = {gpa + offsetof(struct vmcs12_region, launched)};
	uint32_t launched = 0;

	if (v)
		return v;
	n->stats.vmcs_loads++;
	v = oldest(n);
	seam_l1_read(n, at, &launched, sizeof(launched));
	at.v = gpa + offsetof(struct vmcs12_region, f);
	if (seam_l1_read(n, at, v->f, sizeof(v->f)))
		for (unsigned i = 0; i < FID_COUNT; i++)
			v->f[i] = UINT64_MAX;
	activate(n, v, gpa, launched == 1, revision & VMCS_SHADOW_INDICATOR);
	return v;
}

void nvmcs_install(
	struct nested *n, uint64_t gpa, const uint64_t *f, bool launched, bool is_shadow)
{
	struct nvmcs *v = oldest(n);

	for (unsigned i = 0; i < FID_COUNT; i++)
		v->f[i] = f[i];
	activate(n, v, gpa, launched, is_shadow);
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
	if (s != v->link || (s && s->just_loaded))
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
