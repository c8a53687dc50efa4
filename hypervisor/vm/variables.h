/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware of a VM keeps in its flash, on its way to the host tool, which has a file
 * for it: while the guest runs, whenever it is done with a change, and at its end. A record
 * `variables` says which bytes come; they follow on a channel of their own. A record
 * `variables-whole` says that what has come is what the flash held at one moment.
 */
#ifndef NESTOR_VM_VARIABLES_H
#define NESTOR_VM_VARIABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"
#include "lib/budget.h"

struct vm;

struct variables {
	bool kept;        /* the tool wants them; else nothing is sent */
	bool owed;        /* a record `variables-whole` */
	uint64_t at, end; /* bytes that are still to be sent */
	struct budget told;
};

/* The VM has ended, and its memory is still there. True: variables_work has to be called until
 * it is done. */
bool variables_ask_last(struct vm *vm);

/* A piece of what changed, in the address space of the VM. WAITS: for room in the stream out of
 * L0, or for the VM's turn. */
enum vpci_work variables_work(struct vm *vm);

#endif
