/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is typed at consoles, on its way from the line (cpu/input.h) to the devices of VMs; and
 * that their displays shall be shown.
 */
#ifndef NESTOR_VM_CONSOLE_H
#define NESTOR_VM_CONSOLE_H

struct vcpu;

/* After a kick, and before a CPU looks what to run: passes on what came. Not in an NMI. */
void console_work(void);

/* EVENT_CONSOLE of vCPU 0, in the address space of the VM: its devices look. */
void console_came(struct vcpu *vcpu);

#endif
