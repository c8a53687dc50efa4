/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/operand.h"

#include "nested/nested_int.h"

static struct operand_page *place_of(struct nested *n, uint64_t linear)
{
	return &n->operand[linear >> PAGE_SHIFT & (OPERAND_PAGES - 1)];
}

/* The host addresses are good as long as L1's RAM stays: that is asked for each time. */
static bool as_kept(struct nested *n, const struct operand_page *o, uint64_t linear)
{
	if (o->linear != ((linear & ~PAGE_MASK) | 1) || o->cr3 != seam_vmread(FID_GUEST_CR3) ||
		o->cr4 != seam_vmread(FID_GUEST_CR4) ||
		o->efer != seam_vmread(FID_GUEST_EFER) || !seam_l1_stays(n))
		return false;
	for (unsigned i = 0; i < o->entries.count; i++)
		if (__atomic_load_n(o->entries.at[i], __ATOMIC_RELAXED) != o->entries.value[i])
			return false;
	return true;
}

bool operand_read(struct nested *n, uint64_t linear, void *dst, uint32_t len)
{
	const struct operand_page *o = place_of(n, linear);
	const uint8_t *from;

	if ((linear & PAGE_MASK) + len > PAGE_SIZE || !as_kept(n, o, linear))
		return false;
	from = o->page + (linear & PAGE_MASK);
	__builtin_memcpy(dst, from, sizeof(uint64_t));
	if (len > sizeof(uint64_t))
		__builtin_memcpy((uint8_t *)dst + sizeof(uint64_t), from + sizeof(uint64_t),
			sizeof(uint64_t));
	return true;
}

void operand_keep(struct nested *n, const struct paging_state *s, uint64_t linear)
{
	struct operand_page o = {.linear = (linear & ~PAGE_MASK) | 1,
		.cr3 = s->cr3,
		.cr4 = s->cr4,
		.efer = s->efer};
	struct gpa_l1 at;

	if (!seam_l1_stays(n) || !paging_walk_noted(n, s, linear, &at, &o.entries))
		return;
	o.page = seam_l1_page(n, at);
	if (o.page)
		*place_of(n, linear) = o;
}

void operand_forget(struct nested *n)
{
	for (unsigned i = 0; i < OPERAND_PAGES; i++)
		n->operand[i].linear = 0;
}
