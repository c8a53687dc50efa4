/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits of L2 by asynchronous events at any time while it takes exceptions, on a machine with
 * several processors: the saved state is that of one instruction boundary (SDM 27.3). Bochs 3.0
 * fails it unless it is mended (decision 19).
 */
/* cpus: 2 */
#include "conf.h"

#define ROUNDS 4000u

L2_CODE(c_ud, ".globl the_ud2\nthe_ud2:\tud2\n\tjmp the_ud2");
extern char the_ud2[];

static bool skip_ud2(struct trap_frame *f)
{
	if (f->vector != VEC_UD)
		return false;
	f->rip += 2;
	return true;
}

int payload_main(void)
{
	unsigned at_ud2 = 0, torn = 0, others = 0;
	uint64_t rsp;

	conf_start();
	if (conf_lacks("smp_exits", NEEDS(PREEMPTION_TIMER)))
		return 0;
	trap_hook = skip_ud2;
	l2_restart(&conf_l2, c_ud);
	rsp = vmread(VMCS_GUEST_RSP);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	for (unsigned i = 0; i < ROUNDS; i++) {
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 20 + i % 97);
		if (l2_run(&conf_l2) != VMX_OK ||
			vmread(VMCS_EXIT_REASON) != EXIT_PREEMPTION_TIMER)
			others++;
		if (vmread(VMCS_GUEST_RIP) != address_of(the_ud2))
			continue;
		at_ud2++;
		torn += vmread(VMCS_GUEST_RSP) != rsp;
	}
	print("exits at UD2: %s, with the stack of its handler: %u\n", at_ud2 ? "some" : "none",
		torn);
	print("other exits: %u\n", others);
	return 0;
}
