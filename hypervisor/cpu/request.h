/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host tool asks of L0 while it runs, on the machines that the tool starts: bytes on
 * the first serial port. The one request is to stop: all VMs end, with a report, and the
 * machine after them. Not here: what that means for VMs (vm/).
 */
#ifndef NESTOR_CPU_REQUEST_H
#define NESTOR_CPU_REQUEST_H

/*
 * With requests=on: from now on a byte that arrives is an NMI for the boot CPU, since a guest
 * that has interrupts disabled does not exit for less on every machine. Boot CPU, where the
 * IOAPIC at IOAPIC_DEFAULT_BASE is mapped.
 */
void request_init(void);

/* After an NMI: takes what came in. Any CPU; only the boot CPU looks. */
void request_poll(void);

#endif
