/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit's registers, and what writes to them do: VT-d "Register Descriptions".
 */
#include "dev/vvtd_int.h"

#include "dev/state_check.h"

#define CAPABILITY                                                                             \
	(VTD_CAP_ND_16BIT | VTD_CAP_CM |                                                       \
		(uint64_t)(VTD_SAGAW_3 | VTD_SAGAW_4) << VTD_CAP_SAGAW_SHIFT |                 \
		(uint64_t)(VVTD_BITS - 1) << VTD_CAP_MGAW_SHIFT |                              \
		(uint64_t)(VVTD_FRCD / VTD_OFFSET_UNIT) << VTD_CAP_FRO_SHIFT | VTD_CAP_2M |    \
		VTD_CAP_1G | VTD_CAP_PSI | (uint64_t)(VVTD_RECORDS - 1) << VTD_CAP_NFR_SHIFT | \
		(uint64_t)VVTD_MASK_MAX << VTD_CAP_MAMV_SHIFT | VTD_CAP_DWD | VTD_CAP_DRD |    \
		VTD_CAP_PI)
/* Memory is coherent for all that devices of L0 do: snoop control is there for the asking. */
#define EXTENDED                                                                             \
	(VTD_ECAP_C | VTD_ECAP_QI | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_PT | VTD_ECAP_SC | \
		(uint64_t)(VVTD_IOTLB / VTD_OFFSET_UNIT) << VTD_ECAP_IRO_SHIFT |             \
		(uint64_t)VVTD_INDEX_MASK_MAX << VTD_ECAP_MHMV_SHIFT)

/* Commands that stay as states, and those that are done at once. */
#define STATES (VTD_TE | VTD_QIE | VTD_IRE | VTD_CFI)
#define ONCE   (VTD_RTP | VTD_IRTP)
#define ERRORS (VTD_PFO | VTD_IQE | VTD_ICE | VTD_ITE) /* of FSTS; cleared by ones */
#define FRI    UINT32_C(0xff00)
#define HIGH   4u /* the upper half of a register */

/* In units of 32 bits: what software sets, what it clears by ones, what the unit sets, too. */
static const struct row {
	uint16_t at;
	uint32_t writable, clears, own;
} rows[] = {
	{VTD_GCMD, 0, 0, 0},
	{VTD_GSTS, 0, 0, STATES | ONCE},
	{VTD_RTADDR, 0xfffff000, 0, 0},
	{VTD_RTADDR + HIGH, UINT32_MAX, 0, 0},
	{VTD_CCMD, UINT32_MAX, 0, 0},
	{VTD_CCMD + HIGH, 0x60000003, 0, 0x18000000},
	{VTD_FSTS, 0, ERRORS, VTD_PPF | FRI},
	{VTD_FECTL, VTD_EVENT_IM, 0, VTD_EVENT_IP},
	{VTD_FEDATA, 0xffff, 0, 0},
	{VTD_FEADDR, 0xfffffffc, 0, 0},
	{VTD_FEUADDR, UINT32_MAX, 0, 0},
	{VTD_IQH, 0, 0, 0x7fff0},
	{VTD_IQT, 0x7fff0, 0, 0},
	{VTD_IQA, 0xfffff007, 0, 0},
	{VTD_IQA + HIGH, UINT32_MAX, 0, 0},
	{VTD_ICS, 0, VTD_IWC, 0},
	{VTD_IECTL, VTD_EVENT_IM, 0, VTD_EVENT_IP},
	{VTD_IEDATA, 0xffff, 0, 0},
	{VTD_IEADDR, 0xfffffffc, 0, 0},
	{VTD_IEUADDR, UINT32_MAX, 0, 0},
	{VTD_IQERCD, 0, 0, 0xf},
	{VTD_IRTA, 0xfffff80f, 0, 0},
	{VTD_IRTA + HIGH, UINT32_MAX, 0, 0},
	{VVTD_IOTLB + VTD_IOTLB_IVA, 0xfffff07f, 0, 0},
	{VVTD_IOTLB + VTD_IOTLB_IVA + HIGH, UINT32_MAX, 0, 0},
	{VVTD_IOTLB + VTD_IOTLB_REG + HIGH, 0x3003ffff, 0, 0x06000000},
};

/* Of a fault record: the address or index; the requester; F, type and reason. */
static const struct row record_rows[VTD_FRCD_SIZE / 4] = {
	{0, 0, 0, 0xfffff000},
	{0, 0, 0, UINT32_MAX},
	{0, 0, 0, 0xffff},
	{0, 0, UINT32_C(1) << 31, UINT32_C(1) << 30 | 0xff},
};

static const struct row *row_of(unsigned at)
{
	if (at >= VVTD_FRCD && at < VVTD_END)
		return &record_rows[at % VTD_FRCD_SIZE / 4];
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].at == at)
			return &rows[i];
	return NULL;
}

static uint32_t initial(unsigned at)
{
	switch (at) {
	case VTD_VER:
		return VTD_VERSION_1_0;
	case VTD_CAP:
		return (uint32_t)CAPABILITY;
	case VTD_CAP + HIGH:
		return (uint32_t)(CAPABILITY >> 32);
	case VTD_ECAP:
		return (uint32_t)EXTENDED;
	case VTD_FECTL:
	case VTD_IECTL:
		return VTD_EVENT_IM;
	default:
		return 0;
	}
}

_Static_assert(EXTENDED >> 32 == 0, "initial()");

bool vvtd_exists(const struct platform *p)
{
	return p->config.vtd;
}

void vvtd_reset(struct platform *p)
{
	struct vvtd *u = &p->vtd;

	u->s = (struct vvtd_state){.next = 0};
	u->switches = false;
	if (!p->config.vtd)
		return;
	vvtd_forget_all(u);
	for (unsigned at = 0; at < VVTD_END; at += 4)
		vvtd_set(u, at, initial(at));
}

bool vvtd_fetch(struct platform *p, uint64_t gpa, uint64_t pair[2])
{
	const uint64_t *entry = dev_memory(p, 0, gpa, VTD_ENTRY_SIZE, false);

	if (entry == NULL)
		return false;
	/* The lower half has the present bit, which software writes last. */
	pair[0] = __atomic_load_n(&entry[0], __ATOMIC_ACQUIRE);
	pair[1] = __atomic_load_n(&entry[1], __ATOMIC_RELAXED);
	return true;
}

/* ---- commands ---- */

/* "Global Command Register": done at once, but for what devices of the machine need. */
static void command(struct platform *p, uint32_t v)
{
	struct vvtd *u = &p->vtd;
	uint32_t changed = v ^ vvtd_get(u, VTD_GSTS);
	bool switches = changed & VTD_TE;
	uint32_t status = (vvtd_get(u, VTD_GSTS) & ~STATES) | (v & STATES) | (v & ONCE);

	if (v & VTD_RTP)
		u->s.root = vvtd_get64(u, VTD_RTADDR);
	if (v & VTD_IRTP)
		u->s.irta = vvtd_get64(u, VTD_IRTA);
	if (v & ONCE)
		vvtd_forget_all(u);
	vvtd_set(u, VTD_GSTS, status);
	if (!(v & VTD_QIE))
		vvtd_set(u, VTD_IQH, 0);
	if (switches || v & VTD_RTP)
		dev_remap_changed(p, NULL);
	if (changed & (VTD_IRE | VTD_CFI) || v & VTD_IRTP)
		vpci_routes_changed(p);
	u->switches = switches;
}

/*
 * Invalidation by registers is done at once, and not at all while the queue is on. What was
 * done is said where software looks for it.
 */
static void context_command(struct platform *p)
{
	struct vvtd *u = &p->vtd;
	uint64_t v = vvtd_get64(u, VTD_CCMD) & ~(UINT64_C(3) << VTD_CCMD_CAIG_SHIFT);
	struct vvtd_invalidation i;

	if (!vvtd_is_on(u, VTD_QIE) && vvtd_decode_ccmd(v, &i)) {
		vvtd_forget(p, &i);
		v |= (uint64_t)i.granularity << VTD_CCMD_CAIG_SHIFT;
	}
	vvtd_set64(u, VTD_CCMD, v);
}

static void iotlb_command(struct platform *p)
{
	struct vvtd *u = &p->vtd;
	unsigned at = VVTD_IOTLB + VTD_IOTLB_REG;
	uint64_t v = vvtd_get64(u, at) & ~(UINT64_C(3) << VTD_IOTLB_IAIG_SHIFT);
	struct vvtd_invalidation i;

	if (!vvtd_is_on(u, VTD_QIE) &&
		vvtd_decode_iotlb(v, vvtd_get64(u, VVTD_IOTLB + VTD_IOTLB_IVA), &i)) {
		vvtd_forget(p, &i);
		v |= (uint64_t)i.granularity << VTD_IOTLB_IAIG_SHIFT;
	}
	vvtd_set64(u, at, v);
}

/* What a write of this value makes happen, behind what the rows say. */
static void written(struct platform *p, unsigned at, uint32_t v)
{
	struct vvtd *u = &p->vtd;

	switch (at) {
	case VTD_GCMD:
		command(p, v);
		break;
	case VTD_CCMD + HIGH:
		if (v >> 31)
			context_command(p);
		break;
	case VVTD_IOTLB + VTD_IOTLB_REG + HIGH:
		if (v >> 31)
			iotlb_command(p);
		break;
	case VTD_FSTS:
		if (v & VTD_IQE)
			vvtd_set(u, VTD_IQERCD, 0);
		vvtd_status_cleared(u);
		break;
	case VTD_ICS:
		if (!(vvtd_get(u, VTD_ICS) & VTD_IWC))
			vvtd_set(u, VTD_IECTL, vvtd_get(u, VTD_IECTL) & ~VTD_EVENT_IP);
		break;
	case VTD_FECTL:
	case VTD_IECTL:
		vvtd_event_written(p, at);
		break;
	default:
		if (at >= VVTD_FRCD)
			vvtd_status_cleared(u);
		break;
	}
}

static void write_word(struct platform *p, unsigned at, uint32_t v)
{
	const struct row *r = row_of(at);
	uint32_t old;

	if (r == NULL)
		return;
	old = vvtd_get(&p->vtd, at);
	vvtd_set(&p->vtd, at, ((old & ~r->writable) | (v & r->writable)) & ~(v & r->clears));
	written(p, at, v);
}

bool vvtd_claims(const struct platform *p, uint64_t gpa, uint64_t size)
{
	return p->config.vtd && gpa < VVTD_BASE + VVTD_SIZE && VVTD_BASE < gpa + size;
}

void vvtd_write(struct platform *p, uint64_t gpa, unsigned size, uint64_t value)
{
	unsigned at = (unsigned)(gpa - VVTD_BASE);

	if (size < 4 || at % size != 0 || at + size > VVTD_END)
		return;
	write_word(p, at, (uint32_t)value);
	if (size == 8)
		write_word(p, at + HIGH, (uint32_t)(value >> 32));
	(void)vvtd_work(p);
}

/*
 * While tables of devices of the machine do not yet follow, commands are not done: translation
 * is as it was, and an invalidation goes on.
 */
static uint32_t read_word(const struct platform *p, unsigned at)
{
	uint32_t v = vvtd_get(&p->vtd, at);

	if (!dev_remap_waits(p))
		return v;
	switch (at & ~3u) {
	case VTD_GSTS:
		return p->vtd.switches ? v ^ VTD_TE : v;
	case VTD_CCMD + HIGH:
	case VVTD_IOTLB + VTD_IOTLB_REG + HIGH:
		return v | UINT32_C(1) << 31;
	default:
		return v;
	}
}

uint64_t vvtd_read(struct platform *p, uint64_t gpa, unsigned size)
{
	unsigned at = (unsigned)(gpa - VVTD_BASE);
	uint64_t value = 0;

	if ((at >= (VTD_FSTS & ~7u) && at < VTD_FEDATA) || at >= VVTD_FRCD)
		dev_remap_faults(p);

	for (unsigned i = 0; i < size && at + i < VVTD_END; i++) {
		uint32_t byte = read_word(p, at + i) >> (at + i) % 4 * 8 & 0xff;

		value |= (uint64_t)byte << i * 8;
	}
	return value;
}

/* ---- state ---- */

void vvtd_get_state(const struct platform *p, struct vvtd_state *s)
{
	*s = p->vtd.s;
}

static bool registers_valid(const struct vvtd_state *s)
{
	for (unsigned at = 0; at < VVTD_END; at += 4) {
		const struct row *r = row_of(at);
		uint32_t v = s->reg[at / 4];

		if (r == NULL ? v != initial(at)
			      : (v & ~(r->writable | r->clears | r->own)) != 0)
			return false;
	}
	return true;
}

bool vvtd_valid_state(const struct platform *p, const struct vvtd_state *s)
{
	if (!p->config.vtd)
		return state_zero(s, sizeof(*s));
	return registers_valid(s) && s->next < VVTD_RECORDS && s->reserved == 0 &&
	       !(s->root & ~VTD_BITS(12, 63)) &&
	       !(s->irta & ~(VTD_BITS(11, 63) | VTD_BITS(0, 3))) &&
	       vvtd_any_record(s) == ((s->reg[VTD_FSTS / 4] & VTD_PPF) != 0);
}

bool vvtd_set_state(struct platform *p, const struct vvtd_state *s)
{
	if (!vvtd_valid_state(p, s))
		return false;
	p->vtd.s = *s;
	if (!p->config.vtd)
		return true;
	p->vtd.switches = false;
	vvtd_forget_all(&p->vtd);
	dev_remap_changed(p, NULL);
	if (vvtd_queue_waits(&p->vtd))
		dev_work(p);
	return true;
}
