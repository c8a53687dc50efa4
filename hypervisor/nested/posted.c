/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts that L1 posts for its L2, processed in software (SDM 29.6 "Posted-Interrupt
 * Processing"). VMCS02 itself has no posted interrupts: the notification is an interrupt of
 * L1's virtual local APIC, and the machine does not know it.
 *
 * The descriptor and the virtual-APIC page are L1's memory, which L1's other processors may
 * write at any time: atomic accesses, and no value from there is an address or an index.
 */
#include "nested/nested_int.h"
#include "spec/apic.h"
#include "spec/posted.h"

int posted_notification(const struct nvmcs *v)
{
	return v->f[FID_PIN_CONTROLS] & PIN_POSTED_INTR ? (int)v->f[FID_POSTED_INTR_NV] : -1;
}

/* Within one page, since it is aligned. */
static uint64_t *descriptor(struct nested *n, const struct nvmcs *v)
{
	uint64_t gpa = v->f[FID_POSTED_INTR_DESC];
	uint8_t *page = seam_l1_page(n, (struct gpa_l1){gpa & ~PAGE_MASK});

	return page ? (uint64_t *)(void *)(page + (gpa & PAGE_MASK & ~(uint64_t)(PID_SIZE - 1)))
		    : NULL;
}

/* Moves the requests from PIR to VIRR; the highest one, or -1. */
static int move_requests(uint64_t *pir, uint8_t *virtual_apic)
{
	int top = -1;

	for (unsigned i = 0; i < PID_PIR_WORDS; i++) {
		uint64_t bits = __atomic_exchange_n(&pir[i], 0, __ATOMIC_SEQ_CST);
		uint32_t *irr = (uint32_t *)(void *)(virtual_apic + APIC_IRR + i * 32);

		if (!bits)
			continue;
		__atomic_fetch_or(&irr[0], (uint32_t)bits, __ATOMIC_SEQ_CST);
		__atomic_fetch_or(&irr[4], (uint32_t)(bits >> 32), __ATOMIC_SEQ_CST);
		top = (int)(i * 64 + 63) - __builtin_clzll(bits);
	}
	return top;
}

/* The entry that follows evaluates what is pending then (26.3.2.5, 29.2.1). */
void posted_process(struct nested *n, const struct nvmcs *v)
{
	uint64_t *desc = descriptor(n, v);
	uint8_t *virtual_apic = seam_l1_page(n, (struct gpa_l1){v->f[FID_VIRTUAL_APIC_ADDR]});
	struct gpa_l1 at = {v->f[FID_POSTED_INTR_DESC]};
	uint64_t status;
	int top = -1;
	enum vept_write begun;

	n->stats.posted++;
	if (!desc)
		return;
	begun = nested_write_begins(n, at, PID_SIZE);
	__atomic_fetch_and(&desc[PID_CONTROL], ~PID_ON, __ATOMIC_SEQ_CST);
	if (virtual_apic && v->proc2_02 & PROC2_VIRT_INTR_DELIVERY)
		top = move_requests(desc, virtual_apic);
	nested_write_ends(n, at, PID_SIZE, begun);
	if (top < 0)
		return;
	status = seam_vmread(FID_GUEST_INTR_STATUS);
	if (top > (int)(status & 0xff))
		seam_vmwrite(FID_GUEST_INTR_STATUS, (status & 0xff00) | (unsigned)top);
}
