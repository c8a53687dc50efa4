/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/nmi.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/nmi.h"
#include "cpu/tsc.h"
#include "lib/budget.h"
#include "vm/bad_memory.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#define NMI_BURST     10u /* lines at once, and one more each so many ms */
#define NMI_PERIOD_MS 1000u
#define FIRST_VM      0u

static struct budget log_budget;
static uint32_t total; /* atomic */

static const char *const done[] = {
	[L0_NMI_LOG] = "nothing is done",
	[L0_NMI_PASS] = "the first VM gets it",
	[L0_NMI_STOP] = "the machine stops",
};

static void tell(uint32_t count, enum l0_nmi how, const char *reason)
{
	if (how != L0_NMI_STOP && !budget_spend(&log_budget, rdtsc(),
					  (uint64_t)tsc_khz * NMI_PERIOD_MS, NMI_BURST))
		return;
	log_warn("NMI of the hardware on CPU %u (%u since the start): %s; %s",
		this_cpu()->index,
		__atomic_add_fetch(
			&total, count + budget_take_refused(&log_budget), __ATOMIC_RELAXED),
		reason, done[how]);
}

static __attribute__((noinline)) void handle(void)
{
	enum l0_nmi how = l0_config()->nmi;
	uint32_t count = nmi_take();

	if (count == 0)
		return;
	tell(count, how, nmi_take_reason());
	if (how == L0_NMI_PASS)
		sched_post(FIRST_VM, 0, EVENT_NMI);
	if (how != L0_NMI_STOP)
		return;
	fault_stop_others();
	fault_print_context();
	fault_end();
}

void nmi_work(void)
{
	if (this_cpu()->foreign_nmis != 0)
		handle();
}

/* Only this VM can have used what was wrong; if it does not matter, it goes on. */
void vcpu_machine_check(struct vcpu *vcpu)
{
	enum mce_verdict verdict = mce_exception(true);

	bad_memory_work();
	if (verdict == MCE_END_VM)
		vm_stop(vcpu->vm, VM_END_ERROR, VEC_MC, "machine check");
}
