/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adaptive VMCS shadowing. Hardware serves L1's VMREAD and VMWRITE of the fields whose rows say
 * so; of all others an L1 that touches them by exits in one round trip after the other gets
 * them opened, too, in bitmaps of the slot's own. What is open is kept right in the shadow VMCS
 * and costs some instructions at each round trip, whether L1 still touches it or not, which
 * nobody sees: so after a while all is forgotten, and what L1 still touches is learned anew.
 */
#include "nested/nested_int.h"

/*
 * An exit costs what a field costs open in some 40 turns. An L1 that makes a new VMCS for every
 * few entries touches nearly all of them by that, and is not to learn from it: it must be more.
 */
#define EPOCH   64u   /* turns (of a shadow VMCS of L1's: VMCLEARs) in which ... */
#define TOUCHES 8u    /* ... a field is touched so often */
#define WRITES  3u    /* ... or written, of a shadow VMCS of L1's: see learn_shadow */
#define KEEP    8192u /* turns, against which learning anew costs nothing */

#define CHECKED (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G)

/* ---- bitmaps ---- */

static void set_bit(uint64_t *page, uint32_t encoding, bool on)
{
	uint64_t bit = BIT64(encoding % 64);

	page[encoding / 64] = on ? page[encoding / 64] | bit : page[encoding / 64] & ~bit;
}

/* The field and its high half exit, or are left to hardware. */
static void intercept(uint64_t *page, enum vmcs_fid fid, bool on)
{
	uint32_t encoding = vmcs_fields[fid].encoding;

	set_bit(page, encoding, on);
	if (vmcs_width(encoding) == VMCS_WIDTH_64)
		set_bit(page, encoding | 1, on);
}

static bool is_info(enum vmcs_fid fid)
{
	return vmcs_type(vmcs_fields[fid].encoding) == VMCS_TYPE_INFO;
}

static void fill_bitmaps(struct nested_vm *vm)
{
	bool info_too = caps_msr(&vm->caps, MSR_VMX_MISC) & MISC_VMWRITE_ANY;

	for (unsigned w = 0; w < PAGE_SIZE / sizeof(uint64_t); w++) {
		vm->usual.read[w] = vm->usual.write[w] = UINT64_MAX;
		vm->all.read[w] = vm->all.write[w] = UINT64_MAX;
	}
	for (unsigned i = 0; i < FID_COUNT; i++) {
		enum vmcs_fid fid = (enum vmcs_fid)i;

		if (!(vm->exists[i / 64] & BIT64(i % 64)))
			continue;
		intercept(vm->all.read, fid, false);
		intercept(vm->all.write, fid, is_info(fid) && !info_too);
		if (vmcs_fields[i].flags & FIELD_SR)
			set_bit(vm->usual.read, vmcs_fields[i].encoding, false);
		if (vmcs_fields[i].flags & FIELD_SW_ONLY)
			set_bit(vm->usual.write, vmcs_fields[i].encoding, false);
	}
}

void learn_init(struct nested_vm *vm)
{
	vm->learn_touches = TOUCHES;
	vm->learn_writes = WRITES;
	vm->learn_keep = KEEP;
	if (vm->shadowing)
		fill_bitmaps(vm);
}

/* Reading one would give nothing, so they are not left to hardware. */
void learn_field_absent(struct nested_vm *vm, enum vmcs_fid fid)
{
	intercept(vm->usual.read, fid, true);
	intercept(vm->usual.write, fid, true);
	intercept(vm->all.read, fid, true);
	intercept(vm->all.write, fid, true);
}

const struct nested_bitmaps *learn_bitmaps(const struct nested *n, const struct nvmcs *v)
{
	if (!v)
		return &n->vm->usual;
	if (v->is_shadow)
		return &n->own[v->hw];
	return v->learned ? &n->own[v->hw] : &n->vm->usual;
}

void learn_use_bitmaps(struct nested *n, const struct nested_bitmaps *b)
{
	if (b == n->bitmaps)
		return;
	n->bitmaps = b;
	seam_use_bitmaps(n, b);
}

/* ---- learning ---- */

/* The first field of the slot. */
static void begin(struct nested *n, struct nvmcs *v)
{
	const struct nested_bitmaps *own = &n->own[v->hw];

	for (unsigned w = 0; !v->habit.ready && w < PAGE_SIZE / sizeof(uint64_t); w++) {
		own->read[w] = n->vm->usual.read[w];
		own->write[w] = n->vm->usual.write[w];
	}
	v->habit.ready = true;
	v->habit.since = v->habit.turn;
	v->learned = true;
	if (v == n->cur)
		learn_use_bitmaps(n, own);
}

/* May L2, or an exit of it, change the field? GROUP_RARE: see there. */
static bool moves(enum vmcs_fid fid)
{
	return vmcs_fields[fid].group & (GROUP_HOT | GROUP_LOADED | GROUP_INFO) ||
	       fid == FID_ENTRY_CONTROLS || fid == FID_EPT_POINTER || fid == FID_EPTP_INDEX ||
	       fid == FID_SPEC_CTRL_SHADOW;
}

/* From now on the shadow VMCS has the field. */
static void open_reads(struct nested *n, struct nvmcs *v, enum vmcs_fid fid)
{
	struct nested_habit *h = &v->habit;

	if (vmcs_fields[fid].group == GROUP_RARE) {
		h->rare[h->rare_count++] = (uint8_t)fid;
		if (v->rare_in_02) {
			seam_use_vmcs02(n, v);
			seam_vmread_to(fid, &v->f[fid]);
		}
	} else if (moves(fid)) {
		h->moved[h->moved_count++] = (uint8_t)fid;
	}
	shadow_write_field(n, v, fid);
	intercept(n->own[v->hw].read, fid, false);
	h->open[false][fid / 64] |= BIT64(fid % 64);
}

static void open_writes(struct nested *n, struct nvmcs *v, enum vmcs_fid fid)
{
	struct nested_habit *h = &v->habit;

	h->write[h->write_count++] = (uint8_t)fid;
	intercept(n->own[v->hw].write, fid, false);
	h->open[true][fid / 64] |= BIT64(fid % 64);
}

static void next_epoch(struct nested_habit *h)
{
	if (h->turn - h->epoch < EPOCH)
		return;
	h->epoch = h->turn;
	for (unsigned i = 0; i < FID_COUNT; i++)
		h->touched[false][i] = h->touched[true][i] = 0;
}

static void next_round(struct nested_habit *h)
{
	for (unsigned w = 0; w < NESTED_FIELD_SET; w++)
		h->now[false][w] = h->now[true][w] = 0;
	h->round = h->turn;
	next_epoch(h);
}

/* What hardware serves anyway, or cannot serve as L1 must see it. */
static bool not_to_learn(const struct nested *n, enum vmcs_fid fid, bool write)
{
	if (vmcs_fields[fid].flags & (write ? FIELD_SW_ONLY : FIELD_SR))
		return true;
	return !field_in_hardware(n, fid) || (write && is_info(fid));
}

/* For the first time in this turn. */
__attribute__((noinline)) static void touch(
	struct nested *n, struct nvmcs *v, enum vmcs_fid fid, bool write)
{
	struct nested_habit *h = &v->habit;

	if (v->is_shadow) {
		if (write)
			learn_shadow_write(n, v);
		return;
	}
	if (not_to_learn(n, fid, write))
		return;
	if (h->round != h->turn)
		next_round(h);
	h->now[write][fid / 64] |= BIT64(fid % 64);
	if (++h->touched[write][fid] < n->vm->learn_touches || learn_open(v, fid, write))
		return;
	if (!v->learned)
		begin(n, v);
	if (!learn_open(v, fid, false))
		open_reads(n, v, fid);
	if (write)
		open_writes(n, v, fid);
}

void learn_touch(struct nested *n, bool write)
{
	struct nvmcs *v = n->cur;
	const struct nested_habit *h = &v->habit;
	enum vmcs_fid fid = (enum vmcs_fid)n->touched;

	if (h->round != h->turn || !(h->now[write][fid / 64] & BIT64(fid % 64)))
		touch(n, v, fid, write);
}

void learn_forget(struct nested *n, struct nvmcs *v)
{
	struct nested_habit *h = &v->habit;
	const struct nested_bitmaps *own = &n->own[v->hw];

	for (unsigned i = 0; i < FID_COUNT; i++) {
		if (!learn_open(v, (enum vmcs_fid)i, false))
			continue;
		intercept(own->read, (enum vmcs_fid)i, !(vmcs_fields[i].flags & FIELD_SR));
		intercept(own->write, (enum vmcs_fid)i, true);
	}
	*h = (struct nested_habit){.turn = h->turn, .ready = true};
	v->learned = false;
	if (n->bitmaps == own)
		learn_use_bitmaps(n, &n->vm->usual);
}

/* ---- VMCSs that L1 uses as shadows ---- */

/*
 * A field that is open is fetched at each VMCLEAR, for 11 instructions; a write that exits is
 * some 350, so that two in an EPOCH are not worth it. An L1 may have the VMCS active for a
 * single write (Xen), and write most fields of it, each that seldom.
 */
void learn_shadow(struct nested *n, struct nvmcs *v)
{
	const struct nested_bitmaps *own = &n->own[v->hw];

	if (v->learned)
		learn_forget(n, v);
	for (unsigned w = 0; w < PAGE_SIZE / sizeof(uint64_t); w++) {
		own->read[w] = n->vm->all.read[w];
		own->write[w] = UINT64_MAX;
	}
	for (unsigned w = 0; w < NESTED_FIELD_SET; w++)
		v->written[w] = 0;
	/* What it was filled with is gone, and touches were of another VMCS. */
	v->habit = (struct nested_habit){.turn = v->habit.turn, .since = v->habit.turn};
	v->serves_writes = true;
}

void learn_shadow_flushed(struct nested *n, struct nvmcs *v)
{
	struct nested_habit *h = &v->habit;

	h->turn++;
	if (h->turn - h->since >= n->vm->learn_keep)
		learn_shadow(n, v);
}

void learn_shadow_write(struct nested *n, struct nvmcs *v)
{
	const uint32_t fid = n->touched;
	const uint32_t encoding = vmcs_fields[fid].encoding;
	struct nested_habit *h = &v->habit;

	v->stored[fid / 64] |= BIT64(fid % 64);
	if (!field_in_hardware(n, (enum vmcs_fid)fid) ||
		n->vm->all.write[encoding / 64] & BIT64(encoding % 64))
		return;
	next_epoch(h);
	if (++h->touched[true][fid] < n->vm->learn_writes)
		return;
	v->written[fid / 64] |= BIT64(fid % 64);
	intercept(n->own[v->hw].write, (enum vmcs_fid)fid, false);
}

/* ---- copies ---- */

/* What L1 has written in the shadow VMCS. */
struct learn_written {
	uint32_t flags; /* of the fields */
	unsigned rares; /* of them, those that VMCS02 has: */
	uint8_t rare[FID_COUNT];
};

/* Seldom called: the loop over what is open is what each entry pays for. */
__attribute__((noinline)) static void take(
	struct nvmcs *v, enum vmcs_fid fid, uint64_t written, struct learn_written *w)
{
	const struct vmcs_field *row = &vmcs_fields[fid];
	uint64_t value = written & vmcs_value_mask(row->encoding); /* see copy_from_shadow */

	if (value != written)
		seam_vmwrite(fid, value);
	if (value == v->f[fid])
		return;
	v->f[fid] = value;
	w->flags |= row->flags;
	if (v->rare_in_02 && row->group == GROUP_RARE)
		w->rare[w->rares++] = (uint8_t)fid;
	else
		v->dirty |= row->group;
}

uint32_t learn_from_shadow(struct nested *n, struct nvmcs *v)
{
	const struct nested_habit *h = &v->habit;
	const uint8_t *const end = h->write + h->write_count;
	struct learn_written w;

	w.flags = w.rares = 0;
	for (const uint8_t *p = h->write; p != end; p++) {
		const size_t fid = *p;
		uint64_t written = seam_vmread((enum vmcs_fid)fid);

		if (__builtin_expect(written != v->f[fid], 0))
			take(v, (enum vmcs_fid)fid, written, &w);
	}
	if (w.rares)
		seam_use_vmcs02(n, v);
	for (unsigned i = 0; i < w.rares; i++)
		seam_vmwrite((enum vmcs_fid)w.rare[i], v->f[w.rare[i]]);
	return w.flags & CHECKED;
}

uint32_t learn_at_entry(struct nested *n, struct nvmcs *v)
{
	uint32_t changed = learn_from_shadow(n, v);

	seam_use_vmcs01(n);
	if (v->habit.turn - v->habit.since >= n->vm->learn_keep)
		learn_forget(n, v);
	return changed;
}

void learn_at_exit(struct nested *n, struct nvmcs *v)
{
	const struct nested_habit *h = &v->habit;
	const uint8_t *const rare_end = h->rare + h->rare_count;
	uint8_t changed[FID_COUNT];
	unsigned count = 0;
	const uint8_t *p;

	/* What is open there is as in f: most exits change none of it. */
	for (p = h->rare; p != rare_end; p++) {
		const size_t fid = *p;
		uint64_t value = seam_vmread((enum vmcs_fid)fid);

		if (__builtin_expect(value == v->f[fid], 1))
			continue;
		v->f[fid] = value;
		changed[count++] = (uint8_t)fid;
	}
	seam_use_shadow(n, v);
	for (p = changed; p < changed + count; p++)
		seam_vmwrite((enum vmcs_fid) * p, v->f[*p]);
	for (p = h->moved; p < h->moved + h->moved_count; p++)
		seam_vmwrite((enum vmcs_fid) * p, v->f[*p]);
}

void learn_to_shadow(const struct nvmcs *v)
{
	for (unsigned w = 0; w < NESTED_FIELD_SET; w++) {
		for (uint64_t open = v->habit.open[false][w]; open; open &= open - 1) {
			enum vmcs_fid fid =
				(enum vmcs_fid)(w * 64 + (unsigned)__builtin_ctzll(open));

			seam_vmwrite(fid, v->f[fid]);
		}
	}
}
