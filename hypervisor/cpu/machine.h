/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine that L0 runs on, as far as it must be told: how to end a run there, and in what
 * it differs from the SDM. Nothing in CPUID tells it, so the command line does (machine=).
 */
#ifndef NESTOR_CPU_MACHINE_H
#define NESTOR_CPU_MACHINE_H

#include <stdbool.h>

#include "lib/l0_machine.h"

struct machine {
	const char *name;        /* as in machine= */
	void (*power_off)(void); /* may return without effect; NULL: there is no way */
	/* Quirks. */
	bool piix_pins;   /* INTx of PCI bus 0: IOAPIC pins 16 to 19, by device and pin */
	bool is_emulator; /* its processors have no errata, whatever CPUID says they are */
	bool no_firmware; /* nobody may have given addresses to devices */
	bool late_notifications; /* interrupts, and so notifications of posted ones, wait while
				  * the guest's RFLAGS.IF is 0 */
};

const struct machine *machine_of(enum l0_machine kind);

/* Powers the machine that is configured off; halts where that has no effect. */
_Noreturn void machine_off(void);

/*
 * The end of a run, or of Nestor: resets it or switches it off, if at-end= says so; else the
 * same. Not where the start failed: what failed would fail again, for ever.
 */
_Noreturn void machine_end(void);

#endif
