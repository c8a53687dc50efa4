/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPI virtualization (SDM, "IPI Virtualization", newer than the pinned edition): fixed
 * interrupts that L2 sends to another virtual processor are posted for that one, by the table
 * of descriptors that L1 gives. L0 does it in software, whatever the machine has: VMCS02 does
 * not have the control, so that each write of L2's ICR exits, as an access of WRMSR in x2APIC
 * mode, behind the write as an APIC-write exit in xAPIC mode.
 *
 * Table, descriptors and virtual-APIC page are L1's memory, which L1's other processors may
 * write at any time: each value is read once, an address leads to L1's own memory or nowhere.
 */
#include "nested/nested_int.h"
#include "spec/apic.h"
#include "spec/posted.h"

/* Of the lower half of the ICR: what WRMSR refuses ... */
#define RESERVED 0xfff32000u
/* ... and what makes it other than a fixed interrupt by an edge to one physical id. */
#define SHORTHAND (3u << ICR_SHORTHAND_SHIFT)
#define DELIVERY  (7u << DELIVER_SHIFT)
#define OTHER     (RESERVED | SHORTHAND | ICR_LEVEL | ICR_BUSY | ICR_LOGICAL | DELIVERY)

/* A word of L1's memory; NULL: no RAM is there. */
static uint64_t *word_at(struct nested *n, uint64_t gpa)
{
	uint8_t *page = seam_l1_page(n, (struct gpa_l1){gpa & ~PAGE_MASK});

	return page ? (uint64_t *)(void *)(page + (gpa & PAGE_MASK & ~(uint64_t)7)) : NULL;
}

/* The address of the descriptor of virtual processor `to`; false: the table has none. */
static bool find_descriptor(struct nested *n, const struct nvmcs *v, uint32_t to, uint64_t *gpa)
{
	const uint64_t *entry;
	uint64_t pointer;

	if (to > v->f[FID_LAST_PID_POINTER_INDEX])
		return false;
	entry = word_at(n, v->f[FID_PID_POINTER_TABLE] + to * sizeof(*entry));
	pointer = entry ? __atomic_load_n(entry, __ATOMIC_SEQ_CST) : UINT64_MAX;
	*gpa = pointer & ~(uint64_t)PID_POINTER_FLAGS;
	return (pointer & PID_POINTER_FLAGS) == PID_POINTER_VALID &&
	       pointer >> n->vm->caps.maxphyaddr == 0;
}

/*
 * Sets ON where neither it nor SN is set, as one step; *control is what was there. An L1 that
 * changes the word all the time shall not hold this CPU: after some tries one is notified who
 * may have set SN in between, which he bears, since a notification may be under way anyway.
 */
static bool claim_notification(uint64_t *word, uint64_t *control)
{
	*control = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 16; i++) {
		if (*control & (PID_ON | PID_SN))
			return false;
		if (__atomic_compare_exchange_n(word, control, *control | PID_ON, false,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	}
	*control = __atomic_fetch_or(word, PID_ON, __ATOMIC_SEQ_CST);
	return !(*control & PID_ON);
}

/* False: it is an APIC-write exit. Where no RAM is, all is set already: nobody is notified. */
static bool post(struct nested *n, const struct nvmcs *v, uint8_t vector, uint32_t to)
{
	uint64_t gpa, control, *pid;
	enum vept_write begun;
	bool notify;

	if (vector < 16 || !find_descriptor(n, v, to, &gpa))
		return false;
	n->stats.ipis++;
	pid = word_at(n, gpa);
	if (!pid)
		return true;
	begun = nested_write_begins(n, (struct gpa_l1){gpa}, PID_SIZE);
	/* The request is there before ON says so. */
	__atomic_fetch_or(&pid[vector / 64], BIT64(vector % 64), __ATOMIC_SEQ_CST);
	notify = claim_notification(&pid[PID_CONTROL], &control);
	nested_write_ends(n, (struct gpa_l1){gpa}, PID_SIZE, begun);
	if (notify)
		seam_notify(n, PID_NDST(control), PID_NV(control));
	return true;
}

/* The instruction that wrote is complete. False: L1 has come to run, by an exit. */
static bool send(struct nested *n, struct nvmcs *v, uint32_t low, uint32_t to)
{
	if (!(low & OTHER) && post(n, v, (uint8_t)low, to))
		return true;
	exit_no_info(v, EXIT_APIC_WRITE);
	v->f[FID_EXIT_QUALIFICATION] = APIC_ICR;
	exit_to_l1(n);
	return false;
}

bool ipi_owns_msr(const struct nested *n, const struct nvmcs *v)
{
	return (uint32_t)n->gpr[REG_RCX] == MSR_X2APIC_ICR &&
	       proc3_of(v) & PROC3_IPI_VIRTUALIZATION && proc2_of(v) & PROC2_X2APIC_MODE;
}

/* "Virtualizing MSR-Based APIC Accesses": whatever mode the processor's own APIC is in. */
bool ipi_wrmsr(struct nested *n, struct nvmcs *v)
{
	uint32_t low = (uint32_t)n->gpr[REG_RAX], to = (uint32_t)n->gpr[REG_RDX];
	uint64_t *icr;

	if (low & RESERVED) {
		(void)insn_fault(n, INSN_GP, DENIAL_MSR_X2APIC_RESERVED, low);
		insn_raise(n, VEC_GP);
		return false;
	}
	icr = word_at(n, v->f[FID_VIRTUAL_APIC_ADDR] + APIC_ICR);
	if (icr)
		__atomic_store_n(icr, (uint64_t)to << 32 | low, __ATOMIC_SEQ_CST);
	nested_skip();
	return send(n, v, low, to);
}

bool ipi_owns_write(const struct nvmcs *v)
{
	return proc3_of(v) & PROC3_IPI_VIRTUALIZATION &&
	       (seam_vmread(FID_EXIT_QUALIFICATION) & PAGE_MASK) == APIC_ICR;
}

/* "APIC-Write Emulation": what hardware has not made a self-IPI. */
bool ipi_apic_write(struct nested *n, struct nvmcs *v)
{
	const uint64_t *low = word_at(n, v->f[FID_VIRTUAL_APIC_ADDR] + APIC_ICR);
	const uint64_t *high = word_at(n, v->f[FID_VIRTUAL_APIC_ADDR] + APIC_ICR_HIGH);
	uint32_t to;

	if (!low || !high)
		return send(n, v, UINT32_MAX, 0);
	to = (uint32_t)__atomic_load_n(high, __ATOMIC_SEQ_CST) >> 24;
	return send(n, v, (uint32_t)__atomic_load_n(low, __ATOMIC_SEQ_CST), to);
}
