/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line from the host tool to L0, while it runs, on the machines that the tool starts: the
 * first serial port, which carries frames (lib/frame.h). Stops the run itself; keeps a request
 * in words until somebody takes it; what is typed goes to input.h. Not here: what a stop means
 * for VMs (vm/).
 */
#ifndef NESTOR_CPU_REQUEST_H
#define NESTOR_CPU_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/manage.h"

/*
 * With requests=on: from now on bytes that arrive are an NMI for the boot CPU, since a guest
 * that has interrupts disabled does not exit for less on every machine. Boot CPU, where the
 * IOAPIC at IOAPIC_DEFAULT_BASE is mapped.
 */
void request_init(void);

/* In an NMI, or after an exit for one while NMIs are blocked: takes what came in. Any CPU; only
 * the boot CPU looks. Whether there was something. */
bool request_poll(void);

/* ---- a request in words (lib/manage.h); any CPU ---- */

/* Does one wait to be taken? */
bool request_waits(void);
/* Takes it, for who calls request_done when it is answered; its size, or 0: none waits. Until
 * then no other comes. */
size_t request_take(char line[MANAGE_LINE]);
void request_done(void);
/* Was something lost on its way, that the tool is to be told of? */
bool request_take_lost(void);

#endif
