/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 keeps of each VM where every address space has it, since others reach for it: input,
 * ports of the switch, nodes of run queues, streams. Made once for as many VMs as a run may
 * have; what it is belongs to those modules.
 */
#ifndef NESTOR_VM_PLACES_H
#define NESTOR_VM_PLACES_H

#include <stdbool.h>

/* Before the first VM, and before the tool is told that there is input; boot address space.
 * False: there is no memory; the log says so. */
bool places_make(unsigned places);

#endif
