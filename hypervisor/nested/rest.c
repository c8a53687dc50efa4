/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L2 that rests: in the HLT state, of an L1 that does not intercept HLT, or in the shutdown
 * state. The hardware never is in these states: what would end them there is looked for here,
 * in the order of the SDM, and the physical CPU is free meanwhile. Events of L1 that end it
 * come through the door (door.c).
 */
#include "nested/nested_int.h"
#include "spec/apic.h"

static uint64_t activity(void)
{
	return seam_vmread(FID_GUEST_ACTIVITY_STATE);
}

/* 26.3.2.1: an entry does not load the reserved bits of CR0, nor ET; nor those of DR7. */
void nested_entered_resting(void)
{
	seam_vmwrite(FID_GUEST_CR0, (seam_vmread(FID_GUEST_CR0) & CR0_DEFINED) | CR0_ET);
	seam_vmwrite(FID_GUEST_DR7,
		(seam_vmread(FID_GUEST_DR7) & ~(uint64_t)DR7_RESERVED) | DR7_RESET);
}

void nested_rested(struct nested *n, uint64_t elapsed)
{
	struct nvmcs *v = n->cur;

	if (v->timer_on)
		timer_set_left(v, timer_left(v) > elapsed ? timer_left(v) - elapsed : 0);
}

uint64_t nested_rest_limit(const struct nested *n)
{
	return n->cur->timer_on ? timer_left(n->cur) : UINT64_MAX;
}

static uint8_t vtpr(struct nested *n, const struct nvmcs *v)
{
	struct gpa_l1 at = {v->f[FID_VIRTUAL_APIC_ADDR] + APIC_TPR};
	uint8_t value = 0;

	(void)seam_l1_read(n, at, &value, sizeof(value));
	return value;
}

/* Right behind an entry: 26.7.7 "VM Exits Induced by the TPR Threshold". */
static bool below_threshold(struct nested *n, const struct nvmcs *v)
{
	return n->run_pending && (v->f[FID_PROC_CONTROLS] & PROC_TPR_SHADOW) &&
	       (proc2_of(v) & PROC2_APIC_ACCESSES) &&
	       !(proc2_of(v) & PROC2_VIRT_INTR_DELIVERY) &&
	       (v->f[FID_TPR_THRESHOLD] & 0xf) > vtpr(n, v) >> 4;
}

/* 26.7.3 "Delivery of Pending Debug Exceptions after VM Entry" */
static bool debug_exception_pending(void)
{
	return seam_vmread(FID_GUEST_PENDING_DBG) & (PENDING_DBG_ENABLED | PENDING_DBG_BS);
}

/*
 * 29.2.1 "Evaluation of Pending Virtual Interrupts", which the entry that follows makes again.
 * VPPR follows from VTPR and SVI: 29.1.3 "PPR Virtualization".
 */
static bool virtual_interrupt_pending(struct nested *n, const struct nvmcs *v)
{
	uint64_t status;
	uint8_t rvi, svi, tpr;

	if (!(v->proc2_02 & PROC2_VIRT_INTR_DELIVERY) ||
		!(seam_vmread(FID_GUEST_RFLAGS) & RFLAGS_IF))
		return false;
	status = seam_vmread(FID_GUEST_INTR_STATUS);
	rvi = (uint8_t)status;
	svi = (uint8_t)(status >> 8);
	tpr = vtpr(n, v);
	return rvi >> 4 > (tpr > svi ? tpr : svi) >> 4;
}

static enum nested_rest end(struct nested *n, uint32_t reason)
{
	door_exit(n, reason);
	return NESTED_REST_ENDED;
}

static enum nested_rest wake(void)
{
	seam_vmwrite(FID_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	return NESTED_WAKES;
}

/* The exception ends L2, which still rests (27.3.4), or wakes it. */
static enum nested_rest debug_exception(struct nested *n)
{
	uint64_t pending = seam_vmread(FID_GUEST_PENDING_DBG);

	if (!door_intercepts(n, VEC_DB, 0))
		return wake();
	seam_vmwrite(FID_GUEST_PENDING_DBG, 0);
	(void)nested_exception(n, INTR_HW_EXCEPTION << 8 | VEC_DB, 0,
		pending & (PENDING_DBG_B0_B3 | PENDING_DBG_BS));
	return NESTED_REST_ENDED;
}

/* An NMI that comes next, to whomever: 25.2. */
static bool takes_nmi(const struct nested *n)
{
	switch (nested_who_takes(n, &(struct nested_event){.kind = NESTED_NMI})) {
	case TAKER_L1:
		return true;
	case TAKER_L2:
		return !(seam_vmread(FID_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_NMI);
	default:
		return false;
	}
}

/* What nobody else tells, by falling priority: SDM 6.9 "Priority Among Simultaneous Exceptions
 * and Interrupts", 25.2 "Other Causes of VM Exits", 26.7 "Special Features of VM Entry". */
enum nested_rest nested_rest(struct nested *n, bool nmi)
{
	struct nvmcs *v = n->cur;
	bool halted = activity() == ACTIVITY_HLT, below = halted && below_threshold(n, v);
	uint32_t window;

	n->run_pending = false;
	if (below)
		return end(n, EXIT_TPR_BELOW_THRESHOLD);
	if (halted && debug_exception_pending())
		return debug_exception(n);
	if (v->timer_on && v->timer12 == 0)
		return end(n, EXIT_PREEMPTION_TIMER);
	window = door_window(n);
	nmi = nmi && takes_nmi(n);
	if (window == EXIT_NMI_WINDOW || (window != 0 && !nmi))
		return end(n, window);
	if (halted && !nmi && virtual_interrupt_pending(n, v))
		return wake();
	return NESTED_RESTS;
}
