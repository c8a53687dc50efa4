/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interrupt of the local APIC's timer while L2 runs that was entered with interrupts
 * disabled, from an L1 that has them disabled: an exit (SDM 25.2), but on the emulator only
 * with a plugin. Bare, to see that.
 */
#include "apic.h"
#include "conf.h"

#define VECTOR 0x60

L2_CODE(c_loop, "1: jmp 1b");

int payload_main(void)
{
	conf_start();
	if (conf_lacks("masked", NEEDS(PREEMPTION_TIMER)))
		return 0;
	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_DIVIDE, 0xb); /* by 1 */
	apic_write(APIC_LVT_TIMER, VECTOR);
	l2_restart(&conf_l2, c_loop);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0x400000); /* if nothing else ends it */
	apic_write(APIC_INITIAL_COUNT, 10000);
	conf_status("entry", l2_run(&conf_l2));
	print("exit %lu\n", vmread(VMCS_EXIT_REASON));
	return 0;
}
