/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token goes round at random; who does not have it halts, or halts in an L2, until an
 * interrupt brings it. Invariant: it makes all its hops, so no wake-up was lost.
 */
#include "stress.h"

static struct l2 g[CPUS_MAX];
static volatile uint32_t holder, hops;

void halt_code(void);
__asm__(".text\nhalt_code:\n\tsti\n\thlt\n\tcli\n\tret\n");

static bool on_interrupt(struct trap_frame *f)
{
	return count_and_eoi(f);
}

/* Interrupts exit: an L0 would need the interrupt window of a halted L2, see
 * conformance/DEVIATIONS.md. */
static void halt_in_l2(struct l2 *mine)
{
	l2_restart(mine, halt_code);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	if (l2_run(mine) != VMX_OK)
		stress_broke("entry", 1, 0);
}

static void hop(void *arg)
{
	unsigned me = cpu_index();
	uint64_t random = stress_seed(me);
	bool vmx = vmx_supported() && vmx_enable();

	if (vmx)
		l2_setup(&g[me], halt_code);
	barrier_wait(arg, stress.cpus);
	while (load(&hops) < stress.count) {
		uint64_t r = random_next(&random);

		if (load(&holder) == me) {
			unsigned next =
				(me + 1 + (unsigned)(r % (stress.cpus - 1))) % stress.cpus;

			add(&hops, 1);
			store(&holder, next);
			ipi(next, ICR_ASSERT | 0x40);
		} else if (vmx && (r & 3) == 0) {
			halt_in_l2(&g[me]);
		} else {
			halt();
		}
	}
	ipi(0, ICR_ASSERT | ICR_OTHERS | 0x41);
	interrupts_on();
	interrupts_off();
}

int payload_main(void)
{
	static struct barrier start;

	stress_start(300);
	trap_hook = on_interrupt;
	run_on_all(stress.cpus, hop, &start);
	if (hops < stress.count)
		stress_broke("hops", hops, stress.count);
	return stress_ok();
}
