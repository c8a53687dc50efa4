/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/unit_int.h"

#include "spec/addr.h"
#include "vtd/seam.h"

#define IRTA_SIZE      UINT64_C(7) /* 2^(7 + 1) entries */
#define BATCH          16u         /* descriptors */
#define BUS(source)    ((source) >> 8)
#define DEVICE(source) ((source)&0xff)

_Static_assert(VTD_IRTES == 2u << IRTA_SIZE, "what IRTA says");
_Static_assert(VTD_IRTES * sizeof(struct vtd_entry) == PAGE_SIZE, "a page of entries");

/* ---- registers ---- */

const char *vtd_unit_fail(struct vtd_unit *u, const char *why)
{
	if (u->failed == NULL)
		u->failed = why;
	return u->failed;
}

/* Until these bits of a register are as wanted. */
static const char *wait_for(
	struct vtd_unit *u, unsigned at, uint32_t bits, bool set, const char *why)
{
	uint64_t start = vtd_seam_now();

	while (((vtd_seam_read32(u->registers, at) & bits) != 0) != set)
		if (vtd_seam_now() - start > VTD_PATIENCE)
			return vtd_unit_fail(u, why);
	return NULL;
}

/* What happens once, or a state that begins or ends; GSTS tells when it is so. */
static const char *command(struct vtd_unit *u, uint32_t bit, bool set, const char *why)
{
	if (u->failed != NULL)
		return u->failed;
	u->states &= ~bit;
	vtd_seam_write32(u->registers, VTD_GCMD, u->states | (set ? bit : 0));
	if (bit & VTD_STATES && set)
		u->states |= bit;
	return wait_for(u, VTD_GSTS, bit, set && bit != VTD_WBF, why);
}

static const char *flush_writes(struct vtd_unit *u)
{
	return u->caps.write_flush
		       ? command(u, VTD_WBF, true, "the unit does not flush its writes")
		       : u->failed;
}

/* ---- entries ---- */

/* The half with the present bit is last, and first when the entry goes. */
static void set_entry(struct vtd_unit *u, struct vtd_entry *at, struct vtd_entry e)
{
	if (!(e.low & VTD_PRESENT) || at->high != e.high)
		__atomic_store_n(&at->low, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&at->high, e.high, __ATOMIC_RELEASE);
	__atomic_store_n(&at->low, e.low, __ATOMIC_RELEASE);
	if (!u->caps.coherent)
		vtd_seam_write_back(at, sizeof(*at));
}

/* False: *at was not *old, which is what it is, then. Every processor with VT-x can do this. */
static bool exchange(struct vtd_entry *at, struct vtd_entry *old, struct vtd_entry e)
{
	bool done = false;

	__asm__ volatile("lock cmpxchg16b %1\n\tsete %0"
			 : "+q"(done), "+m"(*at), "+a"(old->low), "+d"(old->high)
			 : "b"(e.low), "c"(e.high)
			 : "memory", "cc");
	return done;
}

/* In one step: no request meets an entry that is neither the old nor the new one. */
static void set_irte(struct vtd_unit *u, struct vtd_entry *at, struct vtd_entry e)
{
	struct vtd_entry old = *at;

	while (!exchange(at, &old, e))
		continue;
	if (!u->caps.coherent)
		vtd_seam_write_back(at, sizeof(*at));
}

static void *new_page(struct vtd_unit *u)
{
	void *page = vtd_seam_page(u->pool);

	if (page != NULL && !u->caps.coherent)
		vtd_seam_write_back(page, PAGE_SIZE);
	return page;
}

/* NULL: there is no table for its bus, and none can be made. */
static struct vtd_entry *context_of(struct vtd_unit *u, uint16_t source, bool *new)
{
	struct vtd_entry *root = &u->root[BUS(source)], *contexts;

	*new = false;
	if (root->low & VTD_PRESENT) {
		contexts = vtd_seam_pointer(root->low & VTD_ROOT_ADDRESS);
		return &contexts[DEVICE(source)];
	}
	*new = true;
	contexts = new_page(u);
	if (contexts == NULL)
		return NULL;
	set_entry(u, root, vtd_root_entry(vtd_seam_address(contexts)));
	return &contexts[DEVICE(source)];
}

/* ---- bring-up ---- */

const char *vtd_unit_find(struct vtd_unit *u, uint64_t registers, unsigned levels)
{
	*u = (struct vtd_unit){.registers = registers};
	u->failed = vtd_caps_judge(vtd_seam_read64(registers, VTD_CAP),
		vtd_seam_read64(registers, VTD_ECAP), levels, &u->caps);
	return u->failed;
}

/* Memory that firmware keeps devices from until somebody translates. */
static const char *end_protected_memory(struct vtd_unit *u)
{
	if (u->failed != NULL || !(u->caps.cap & (VTD_CAP_PLMR | VTD_CAP_PHMR)))
		return u->failed;
	vtd_seam_write32(u->registers, VTD_PMEN,
		vtd_seam_read32(u->registers, VTD_PMEN) & ~VTD_PMEN_ENABLE);
	return wait_for(u, VTD_PMEN, VTD_PMEN_STATUS, false,
		"the unit does not end the protection of memory that firmware began");
}

/* Its owner's descriptors are done before it is off. */
static const char *end_queue(struct vtd_unit *u)
{
	uint64_t start = vtd_seam_now();

	if (!(u->states & VTD_QIE))
		return u->failed;
	while (vtd_seam_read64(u->registers, VTD_IQH) != vtd_seam_read64(u->registers, VTD_IQT))
		if (vtd_seam_read32(u->registers, VTD_FSTS) & (VTD_IQE | VTD_ITE | VTD_ICE) ||
			vtd_seam_now() - start > VTD_PATIENCE)
			break;
	return command(u, VTD_QIE, false, "the unit does not stop its queue");
}

/* What is recorded is nobody's any more. */
static void forget_faults(struct vtd_unit *u)
{
	struct vtd_fault f;

	vtd_seam_write32(u->registers, VTD_FECTL, VTD_EVENT_IM);
	vtd_seam_write32(u->registers, VTD_IECTL, VTD_EVENT_IM);
	for (unsigned i = 0; i < VTD_CAP_NFR(u->caps.cap) && vtd_unit_fault(u, &f); i++)
		;
	vtd_seam_write32(u->registers, VTD_FSTS, VTD_PFO | VTD_IQE | VTD_ICE | VTD_ITE);
}

const char *vtd_unit_stop(struct vtd_unit *u)
{
	if (u->failed != NULL)
		return u->failed;
	u->on = u->remaps = false;
	u->states = vtd_seam_read32(u->registers, VTD_GSTS) & VTD_STATES;
	if (u->states & VTD_IRE)
		command(u, VTD_IRE, false, "the unit does not stop remapping interrupts");
	if (u->states & VTD_TE)
		command(u, VTD_TE, false, "the unit does not stop translating");
	end_queue(u);
	end_protected_memory(u);
	if (u->failed == NULL)
		forget_faults(u);
	return u->failed;
}

static const char *take_pages(struct vtd_unit *u, void *pool)
{
	u->pool = pool;
	if (u->root == NULL)
		u->root = new_page(u);
	if (u->queue == NULL)
		u->queue = new_page(u);
	if (u->irtes == NULL)
		u->irtes = new_page(u);
	if (u->status == NULL)
		u->status = new_page(u);
	if (u->root != NULL && u->queue != NULL && u->irtes != NULL && u->status != NULL)
		return u->failed;
	return vtd_unit_fail(u, "there is no memory for the unit's tables");
}

static const char *start_queue(struct vtd_unit *u)
{
	u->tail = 0;
	vtd_seam_write64(u->registers, VTD_IQT, 0);
	vtd_seam_write64(u->registers, VTD_IQA, vtd_seam_address(u->queue));
	return command(u, VTD_QIE, true, "the unit does not start its queue");
}

static const char *start_translation(struct vtd_unit *u)
{
	const struct vtd_entry all[] = {
		vtd_forget_all_contexts(), vtd_forget_all_pages(u->caps.cap)};

	vtd_seam_write64(u->registers, VTD_RTADDR, vtd_seam_address(u->root));
	command(u, VTD_RTP, true, "the unit does not take its root table");
	vtd_unit_submit(u, all, 2);
	return command(u, VTD_TE, true, "the unit does not start translating");
}

static const char *start_remapping(struct vtd_unit *u, bool extended)
{
	const struct vtd_entry all = vtd_forget_all_irtes();

	u->extended = extended && u->caps.extended;
	vtd_seam_write64(u->registers, VTD_IRTA,
		vtd_seam_address(u->irtes) | IRTA_SIZE | (u->extended ? VTD_IRTA_EIME : 0));
	command(u, VTD_IRTP, true, "the unit does not take its table of interrupts");
	vtd_unit_submit(u, &all, 1);
	if (u->states & VTD_CFI)
		command(u, VTD_CFI, false,
			"the unit does not block interrupts in the old format");
	command(u, VTD_IRE, true, "the unit does not start remapping interrupts");
	u->remaps = u->failed == NULL;
	return u->failed;
}

const char *vtd_unit_prepare(struct vtd_unit *u, void *pool)
{
	vtd_unit_stop(u);
	take_pages(u, pool);
	if (u->failed != NULL)
		return u->failed;
	flush_writes(u);
	return start_queue(u);
}

const char *vtd_unit_begin(struct vtd_unit *u, bool extended)
{
	if (u->failed != NULL)
		return u->failed;
	start_translation(u);
	u->on = u->failed == NULL;
	return u->caps.remap && u->on ? start_remapping(u, extended) : u->failed;
}

/* ---- functions ---- */

static const char *set_context(
	struct vtd_unit *u, uint16_t source, struct vtd_entry e, uint16_t domain)
{
	/* In caching mode what was absent was so for domain 0. */
	const struct vtd_entry forget[] = {vtd_forget_context(source, 0),
		vtd_forget_context(source, domain), vtd_forget_domain(u->caps.cap, domain)};
	/* And that a bus had no root entry may be known for all of it. */
	const struct vtd_entry all[] = {
		vtd_forget_all_contexts(), vtd_forget_all_pages(u->caps.cap)};
	struct vtd_entry *context;
	bool new;

	/* What a unit that failed has in memory is right, too: nobody knows what it still
	 * reads. */
	if (u->failed != NULL && (e.low & VTD_PRESENT || u->root == NULL))
		return u->failed;
	if (domain == 0 || domain >= u->caps.domains)
		return "the unit has not so many domains";
	context = context_of(u, source, &new);
	if (context == NULL)
		return "there is no memory for the unit's tables";
	if (context->low & e.low & VTD_PRESENT)
		return "the unit has tables for this function already";
	set_entry(u, context, e);
	flush_writes(u);
	return new ? vtd_unit_submit(u, all, 2) : vtd_unit_submit(u, forget, 3);
}

const char *vtd_unit_attach(
	struct vtd_unit *u, uint16_t source, const struct vtd_tables *t, uint16_t domain)
{
	return set_context(u, source,
		vtd_context_entry(VTD_TT_TABLES, vtd_seam_address(t->root), t->levels, domain),
		domain);
}

const char *vtd_unit_pass(struct vtd_unit *u, uint16_t source, uint16_t domain)
{
	if (!u->caps.pass)
		return "the unit cannot let a function's requests through as they are";
	return set_context(u, source,
		vtd_context_entry(VTD_TT_PASS, 0, u->caps.levels_most, domain), domain);
}

const char *vtd_unit_detach(struct vtd_unit *u, uint16_t source, uint16_t domain)
{
	return set_context(u, source, (struct vtd_entry){0, 0}, domain);
}

const char *vtd_unit_flush(struct vtd_unit *u, uint16_t domain)
{
	const struct vtd_entry forget = vtd_forget_domain(u->caps.cap, domain);

	flush_writes(u);
	return vtd_unit_submit(u, &forget, 1);
}

const char *vtd_unit_flush_pages(
	struct vtd_unit *u, uint16_t domain, uint64_t at, uint64_t size)
{
	unsigned mask = 0;

	while (mask < 52 &&
		(at >> (12 + mask) << (12 + mask)) + (UINT64_C(1) << (12 + mask)) < at + size)
		mask++;
	if (!(u->caps.cap & VTD_CAP_PSI) || mask > VTD_CAP_MAMV(u->caps.cap))
		return vtd_unit_flush(u, domain);
	flush_writes(u);
	return vtd_unit_submit(u,
		(struct vtd_entry[]){vtd_forget_pages_at(
			u->caps.cap, domain, at >> (12 + mask) << (12 + mask), mask)},
		1);
}

/* ---- interrupts ---- */

/*
 * Nobody knows what it still reads: what it may write to through descriptors ends in memory, at
 * least, and nothing new begins.
 */
static const char *set_for_none(
	struct vtd_unit *u, unsigned first, const struct vtd_entry *e, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!(e[i].low & VTD_PRESENT) || !(e[i].low & VTD_IRTE_IM))
			set_irte(u, &u->irtes[first + i], e[i]);
	return u->failed;
}

const char *vtd_unit_set_irtes(
	struct vtd_unit *u, unsigned first, const struct vtd_entry *e, unsigned count)
{
	struct vtd_entry forget[BATCH];
	unsigned waiting = 0;

	if (!u->remaps || first >= VTD_IRTES || count > VTD_IRTES - first)
		return u->failed != NULL ? u->failed : "the unit has no such interrupt";
	if (u->failed != NULL)
		return set_for_none(u, first, e, count);
	for (unsigned i = 0; i < count; i++) {
		struct vtd_entry *at = &u->irtes[first + i];

		if (at->low == e[i].low && at->high == e[i].high)
			continue;
		set_irte(u, at, e[i]);
		forget[waiting++] = vtd_forget_irte((uint16_t)(first + i));
		if (waiting < BATCH)
			continue;
		flush_writes(u);
		vtd_unit_submit(u, forget, waiting);
		waiting = 0;
	}
	if (waiting == 0)
		return u->failed;
	flush_writes(u);
	return vtd_unit_submit(u, forget, waiting);
}
