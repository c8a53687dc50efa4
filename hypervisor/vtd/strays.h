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
	STRAY_VIRTUAL, /* likewise, but its virtual functions are nobody's */
	STRAY_SILENCE, /* its requests go to nowhere, its messages do not */
	STRAY_STOP     /* neither do */
};

/* What is to be done with a function, PCI_SBDF, that is there and is no bridge. */
typedef enum stray stray_judge(uint32_t sbdf);

struct strays {
	unsigned stopped; /* it was bus master, or had messages on, and has not any more */
	unsigned stuck;   /* it is bus master yet: some do not let that be taken away */
	unsigned virtual; /* it had virtual functions, and has none any more */
};

/* Buses of a segment that configuration space is reached of. */
struct stray_buses {
	uint16_t segment;
	uint8_t first, last;
};

/*
 * Takes bus mastering and messages away (PCI Local Bus Specification 3.0, 6.2.2 "Device
 * Control"; 6.8.1.3, 6.8.2.3 "Message Control"), of a function, PCI_SBDF, that is there, if it
 * is to be, and adds that up. Bridges go on: what is behind them is looked at itself.
 *
 * Virtual functions cannot be looked for, as their vendor reads as none (PCI Express Base
 * Specification 4.0, 9.3.4.1.1): who has them loses them (9.3.3.3.1). They are gone a second
 * later (PCIE_SRIOV_OFF_MS), and nobody may look at the capability before.
 */
void strays_stop(uint32_t sbdf, stray_judge *judge, struct strays *all);

/* Calls this for each function that is there, in the order of their numbers. */
void strays_visit(
	const struct stray_buses *where, void (*visit)(uint32_t sbdf, void *with), void *with);

#endif
