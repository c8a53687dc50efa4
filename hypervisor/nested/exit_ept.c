/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits of L2 that are about EPT12: violations, which may become #VE of L2; a full
 * page-modification log; and VMFUNC, by which L2 switches its EPT pointer itself.
 */
#include "nested/explain.h"
#include "nested/nested_int.h"

/* SDM table 25-1 "Format of the Virtualization-Exception Information Area" */
struct ve_info {
	uint32_t reason;
	uint32_t busy; /* no #VE unless 0 */
	uint64_t qualification, linear, physical;
	uint16_t eptp_index;
};

#define VE_INFO_SIZE 34u
#define VE_BUSY      4u /* offset */

_Static_assert(offsetof(struct ve_info, busy) == VE_BUSY, "as in table 25-1");
_Static_assert(offsetof(struct ve_info, eptp_index) + 2 == VE_INFO_SIZE, "as in table 25-1");

/* SDM 25.5.6.1 "Convertible EPT Violations"; an area that is no RAM reads as ones. */
static bool ve_possible(struct nested *n, const struct nvmcs *v)
{
	struct gpa_l1 at = {v->f[FID_VE_INFO_ADDRESS] + VE_BUSY};
	uint32_t busy = UINT32_MAX;

	if (!(seam_vmread(FID_GUEST_CR0) & CR0_PE) ||
		(seam_vmread(FID_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		return false;
	(void)seam_l1_read(n, at, &busy, sizeof(busy));
	return busy == 0;
}

/* 25.5.6.2 "Virtualization-Exception Information", 25.5.6.3 "Delivery of Virtualization
 * Exceptions" */
static enum nested_verdict deliver_ve(struct nested *n, const struct nvmcs *v,
	struct gpa_l2 gpa, uint64_t linear, uint64_t qualification)
{
	struct ve_info info = {.reason = EXIT_EPT_VIOLATION,
		.busy = UINT32_MAX,
		.qualification = qualification,
		.linear = linear,
		.physical = gpa.v,
		.eptp_index = (uint16_t)v->f[FID_EPTP_INDEX]};
	uint32_t event = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_VE;

	nested_l1_write(n, (struct gpa_l1){v->f[FID_VE_INFO_ADDRESS]}, &info, VE_INFO_SIZE);
	if (qualification & QUAL_NMI_UNBLOCKING)
		event |= INTR_INFO_NMI_UNBLOCKING;
	if (nested_exception(n, event, 0, 0))
		return NESTED_L1;
	/* It is a fault: RFLAGS in the frame has RF set. */
	seam_vmwrite(FID_GUEST_RFLAGS, seam_vmread(FID_GUEST_RFLAGS) | RFLAGS_RF);
	seam_queue_event(n, event & ~INTR_INFO_NMI_UNBLOCKING, 0, 0);
	return NESTED_RESUME;
}

/* L2 tries again. */
static enum nested_verdict retry(uint64_t hardware)
{
	nested_block_nmis_again(hardware);
	return NESTED_RESUME;
}

void exit_report_misconfig(struct nested *n)
{
	struct nested_report r = {.kind = REPORT_EPT_MISCONFIG,
		.instruction = EXIT_EPT_MISCONFIG,
		.why = n->refused.why,
		.level = n->refused.level,
		.l2 = true,
		.rip = seam_vmread(FID_GUEST_RIP),
		.value = n->refused.value,
		.found = {n->refused.found[0]}};

	seam_report(n, &r);
}

enum vept_result exit_violation(
	struct nested *n, struct gpa_l2 gpa, uint64_t qualification, uint64_t *told)
{
	enum vept_result r = vept_handle(n, n->cur->root, gpa, qualification, told);

	if (r != VEPT_NO_RAM)
		paging_forget_code(n);
	return r;
}

/* L1's sub-page permissions do not tell whether a write is allowed. */
static enum nested_verdict spp_event(
	struct nested *n, struct nvmcs *v, struct gpa_l2 gpa, uint64_t qualification)
{
	exit_save_info(v, EXIT_SPP_EVENT, 0);
	v->f[FID_GUEST_PHYSICAL_ADDRESS] = gpa.v;
	v->f[FID_EXIT_QUALIFICATION] = qualification;
	exit_to_l1(n);
	return NESTED_L1;
}

/* SDM "SPP-Related Events": SPPT02 lacks what SPPT12 may have. It is never malformed. */
bool exit_spp_miss(struct nested *n, struct nvmcs *v, enum nested_verdict *verdict)
{
	uint64_t hardware = seam_vmread(FID_EXIT_QUALIFICATION), qualification;
	struct gpa_l2 gpa = {seam_vmread(FID_GUEST_PHYSICAL_ADDRESS)};

	if (!v->root || v->root->spptp == 0 || !(hardware & QUAL_SPP_MISS))
		return false;
	if (vept_spp_miss(n, v->root, gpa, &qualification) == VEPT_FILLED) {
		*verdict = retry(hardware);
		return true;
	}
	qualification |= hardware & QUAL_NMI_UNBLOCKING;
	if (exit_iret_keeps_nmis_blocked(v))
		qualification &= ~QUAL_NMI_UNBLOCKING;
	*verdict = spp_event(n, v, gpa, qualification);
	return true;
}

enum nested_verdict exit_ept_violation(struct nested *n, struct nvmcs *v)
{
	uint64_t hardware = seam_vmread(FID_EXIT_QUALIFICATION);
	struct gpa_l2 gpa = {seam_vmread(FID_GUEST_PHYSICAL_ADDRESS)};
	uint64_t qualification;
	uint32_t reason = EXIT_EPT_VIOLATION;
	enum vept_result r = exit_violation(n, gpa, hardware, &qualification);

	if (r == VEPT_FILLED)
		return retry(hardware);
	if (r == VEPT_NO_RAM) {
		n->stats.exits_kept++;
		return NESTED_L0;
	}
	if (exit_iret_keeps_nmis_blocked(v))
		qualification &= ~QUAL_NMI_UNBLOCKING;
	if (r == VEPT_SPP_EVENT)
		return spp_event(n, v, gpa, qualification);
	if (r == VEPT_CONVERTIBLE && ve_possible(n, v))
		return deliver_ve(
			n, v, gpa, seam_vmread(FID_GUEST_LINEAR_ADDRESS), qualification);
	if (r == VEPT_MISCONFIG) {
		reason = EXIT_EPT_MISCONFIG;
		if (n->vm->explaining)
			exit_report_misconfig(n);
	}
	if (r == VEPT_PML_FULL) {
		reason = EXIT_PML_FULL;
		qualification &= QUAL_NMI_UNBLOCKING; /* the only bit that it defines */
	}
	exit_save_info(v, reason, 0);
	if (reason != EXIT_PML_FULL)
		v->f[FID_GUEST_PHYSICAL_ADDRESS] = gpa.v;
	v->missed = reason == EXIT_EPT_VIOLATION;
	v->missed_gpa = gpa;
	if (reason != EXIT_EPT_MISCONFIG)
		v->f[FID_EXIT_QUALIFICATION] = qualification;
	exit_to_l1(n);
	return NESTED_L1;
}

bool exit_convert(struct nested *n, const struct nvmcs *v, const struct paging_fault *fault,
	uint64_t qualification)
{
	if (!ve_possible(n, v))
		return false;
	(void)deliver_ve(n, v, (struct gpa_l2){fault->gpa}, fault->address, qualification);
	return true;
}

/* The selected entry of the EPTP list, or 0, which is no EPT pointer. A list outside RAM is
 * ones. */
static uint64_t selected_eptp(struct nested *n, const struct nvmcs *v)
{
	uint32_t index = (uint32_t)n->gpr[REG_RCX];
	struct gpa_l1 at = {v->f[FID_EPTP_LIST_ADDRESS] + index * sizeof(uint64_t)};
	uint64_t eptp = UINT64_MAX;

	/* EAX up to 63; hardware gave #UD for more, and for VMFUNC without the control. */
	if ((uint32_t)n->gpr[REG_RAX] != 0 || !(proc2_of(v) & PROC2_ENABLE_VMFUNC) ||
		!(v->f[FID_VMFUNC_CONTROLS] & VMFUNC_EPTP_SWITCHING) || index >= 512)
		return 0;
	(void)seam_l1_read(n, at, &eptp, sizeof(eptp));
	return caps_eptp_ok(&n->vm->caps, eptp) ? eptp : 0;
}

bool exit_vmfunc(struct nested *n, struct nvmcs *v)
{
	uint64_t eptp = selected_eptp(n, v);

	if (!eptp)
		return false;
	v->f[FID_EPT_POINTER] = eptp;
	if (field_exists(n, FID_EPTP_INDEX))
		v->f[FID_EPTP_INDEX] = n->gpr[REG_RCX] & 0xffff;
	merge_root(n, v);
	nested_skip();
	return true;
}
