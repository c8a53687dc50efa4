/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the machine's PCI that firmware, or the loader, has left running: they write to
 * memory that is a VM's now, and send interrupts that nobody waits for.
 */
#ifndef NESTOR_VTD_STRAYS_H
#define NESTOR_VTD_STRAYS_H

#include <stdint.h>

enum stray {
	STRAY_LEAVE,   /* it is somebody's, or can do nothing */
	STRAY_SILENCE, /* its requests go to nowhere, its messages do not */
	STRAY_STOP     /* neither do */
};

/* What is to be done with a function that is there and is no bridge. */
typedef enum stray stray_judge(uint16_t bdf);

struct strays {
	unsigned stopped; /* it was bus master, or had messages on, and has not any more */
	unsigned stuck;   /* it is bus master yet: some do not let that be taken away */
};

/*
 * Takes bus mastering and messages away (PCI Local Bus Specification 3.0, 6.2.2 "Device
 * Control"; 6.8.1.3, 6.8.2.3 "Message Control"), of all functions of segment 0 for which it is
 * to be. Bridges go on: what is behind them is looked at itself.
 */
struct strays strays_stop(stray_judge *judge);

/* Calls this for each function of segment 0 that is there, in the order of their numbers. */
void strays_visit(void (*visit)(uint16_t bdf, void *with), void *with);

#endif
