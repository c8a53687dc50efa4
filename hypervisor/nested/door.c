/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door out of L2 for events that are no exit of the hardware: what arrives for the virtual
 * CPU, and what L0 raises in L2. One question, who takes it, and one follow-up when that is L1.
 */
#include "nested/nested_int.h"

static bool pf_matches(const struct nvmcs *v, uint32_t error_code)
{
	bool match =
		(error_code & v->f[FID_PF_ERROR_MASK]) == (uint32_t)v->f[FID_PF_ERROR_MATCH];

	/* SDM 25.2: bit 14 of the exception bitmap says what a match means. */
	return match == !!(v->f[FID_EXCEPTION_BITMAP] & BIT(VEC_PF));
}

bool door_intercepts(const struct nested *n, uint8_t vector, uint32_t error_code)
{
	const struct nvmcs *v = n->cur;

	if (vector == VEC_PF)
		return pf_matches(v, error_code);
	return vector < 32 && (v->f[FID_EXCEPTION_BITMAP] & BIT(vector));
}

/*
 * Without virtual NMIs and with NMIs blocked at the entry they stay so, whatever L2's IRETs do.
 */
static bool nmi_waits_for_exit(const struct nvmcs *v)
{
	return exit_iret_keeps_nmis_blocked(v) && exit_entry_blocked_nmis(v);
}

/* Does L1 get such an event of the virtual CPU as an exit? In the wait-for-SIPI state only a
 * SIPI ends L2. */
static bool l1_asked(const struct nested *n, const struct nested_event *e)
{
	const struct nvmcs *v = n->cur;

	switch (e->kind) {
	case NESTED_INTERRUPT:
		return !n->l2_wait_sipi && (v->f[FID_PIN_CONTROLS] & PIN_EXT_INTR_EXITING);
	case NESTED_NMI:
		return !n->l2_wait_sipi && (v->f[FID_PIN_CONTROLS] & PIN_NMI_EXITING);
	case NESTED_INIT:
		return !n->l2_wait_sipi;
	case NESTED_SIPI:
		return n->l2_wait_sipi;
	case NESTED_MTF:
		return v->f[FID_PROC_CONTROLS] & PROC_MTF;
	case NESTED_EXCEPTION:
		return door_intercepts(n, (uint8_t)INTR_INFO_VECTOR(e->info), e->error_code);
	default: /* NESTED_TRIPLE_FAULT */
		return true;
	}
}

/*
 * Such exits come before external interrupts, whoever takes those (25.2 "Other Causes of VM
 * Exits"). The shutdown state is left as by an NMI, not as by an interrupt.
 */
uint32_t door_window(const struct nested *n)
{
	uint64_t proc = n->cur->f[FID_PROC_CONTROLS];
	uint64_t blocking;

	if (!(proc & (PROC_INTR_WINDOW | PROC_NMI_WINDOW)) || n->l2_wait_sipi)
		return 0;
	blocking = seam_vmread(FID_GUEST_INTERRUPTIBILITY);
	if (blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS))
		return 0;
	if (proc & PROC_NMI_WINDOW && !(blocking & INTERRUPTIBILITY_NMI))
		return EXIT_NMI_WINDOW;
	if (proc & PROC_INTR_WINDOW && seam_vmread(FID_GUEST_RFLAGS) & RFLAGS_IF &&
		seam_vmread(FID_GUEST_ACTIVITY_STATE) != ACTIVITY_SHUTDOWN)
		return EXIT_INTERRUPT_WINDOW;
	return 0;
}

/* Asynchronous events come after L1's entry and what it injects: L2 exits right behind them. */
static bool comes_after_entry(const struct nested *n, const struct nested_event *e)
{
	return e->kind <= NESTED_INIT && (n->run_pending || e->queued);
}

/* 26.7.2 "Activity State". L2 comes there by VM entry alone, and out of it by an event. */
static bool in_shutdown(const struct nested *n)
{
	return n->cur->f[FID_GUEST_ACTIVITY_STATE] == ACTIVITY_SHUTDOWN && !n->run_pending &&
	       seam_vmread(FID_GUEST_ACTIVITY_STATE) == ACTIVITY_SHUTDOWN;
}

enum nested_taker nested_who_takes(const struct nested *n, const struct nested_event *e)
{
	if (e->kind == NESTED_NMI && nmi_waits_for_exit(n->cur))
		return TAKER_EXIT_FIRST;
	if (e->kind == NESTED_INTERRUPT && in_shutdown(n))
		return TAKER_EXIT_FIRST;
	if (!l1_asked(n, e) && !(e->kind == NESTED_INTERRUPT && door_window(n) != 0))
		return TAKER_L2;
	return comes_after_entry(n, e) ? TAKER_ENTRY_FIRST : TAKER_L1;
}

/*
 * Exits that tell no more than their reason, and a qualification or interruption information.
 */
static void deliver_plain(struct nested *n, struct nvmcs *v, uint32_t reason,
	uint64_t qualification, uint64_t info)
{
	exit_no_info(v, reason);
	v->f[FID_EXIT_QUALIFICATION] = qualification;
	v->f[FID_EXIT_INTR_INFO] = info;
	exit_to_l1(n);
}

void door_exit(struct nested *n, uint32_t reason)
{
	deliver_plain(n, n->cur, reason, 0, 0);
}

/* 27.2.2: with "acknowledge interrupt on exit" the exit tells the vector. */
static void deliver_interrupt(struct nested *n, struct nvmcs *v)
{
	uint32_t window = door_window(n);
	uint64_t info = 0;

	if (window != 0) {
		deliver_plain(n, v, window, 0, 0); /* the interrupt waits */
		return;
	}
	if (v->f[FID_EXIT_CONTROLS] & EXIT_ACK_INTR) {
		int notification = posted_notification(v),
		    vector = seam_irq_ack(n, notification);

		if (vector < 0)
			return;
		if (vector == notification) {
			posted_process(n, v);
			return;
		}
		info = INTR_INFO_VALID | INTR_EXTERNAL << 8 | (uint32_t)vector;
	}
	exit_no_info(v, EXIT_EXTERNAL_INTERRUPT);
	v->f[FID_EXIT_INTR_INFO] = info;
	exit_to_l1(n);
}

static void deliver_exception(struct nested *n, struct nvmcs *v, const struct nested_event *e)
{
	exit_no_info(v, EXIT_EXCEPTION_NMI);
	/* 27.2.4: a double fault is not an exit during the delivery of what led to it. */
	if (INTR_INFO_VECTOR(e->info) != VEC_DF)
		exit_save_vectoring(v);
	v->f[FID_EXIT_QUALIFICATION] = e->qualification;
	v->f[FID_EXIT_INTR_INFO] = e->info | INTR_INFO_VALID;
	v->f[FID_EXIT_INTR_ERROR_CODE] = e->error_code;
	/* 27.3.3: as the fault would have it in the frame */
	if (INTR_INFO_VECTOR(e->info) != VEC_DB)
		seam_vmwrite(FID_GUEST_RFLAGS, seam_vmread(FID_GUEST_RFLAGS) | RFLAGS_RF);
	exit_to_l1(n);
}

void nested_deliver(struct nested *n, const struct nested_event *e)
{
	struct nvmcs *v = n->cur;

	switch (e->kind) {
	case NESTED_INTERRUPT:
		deliver_interrupt(n, v);
		break;
	case NESTED_NMI:
		deliver_plain(
			n, v, EXIT_EXCEPTION_NMI, 0, INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI);
		break;
	case NESTED_INIT:
		deliver_plain(n, v, EXIT_INIT, 0, 0);
		break;
	case NESTED_SIPI:
		deliver_plain(n, v, EXIT_SIPI, e->sipi_vector, 0);
		break;
	case NESTED_MTF:
		deliver_plain(n, v, EXIT_MTF, 0, 0);
		break;
	case NESTED_EXCEPTION:
		deliver_exception(n, v, e);
		break;
	case NESTED_TRIPLE_FAULT:
		deliver_plain(n, v, EXIT_TRIPLE_FAULT, 0, 0);
		break;
	}
}

bool nested_exception(
	struct nested *n, uint32_t info, uint32_t error_code, uint64_t qualification)
{
	struct nested_event e = {.kind = NESTED_EXCEPTION,
		.info = info,
		.error_code = error_code,
		.qualification = qualification};

	if (nested_who_takes(n, &e) != TAKER_L1)
		return false;
	nested_deliver(n, &e);
	return true;
}
