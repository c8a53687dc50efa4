/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device of ours asks of the machine: through its remapping unit (bochs_vtd.h), if it
 * has one, else at once.
 */
#ifndef NESTOR_TOOLS_BOCHS_REQUESTS_H
#define NESTOR_TOOLS_BOCHS_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

/* Once all plugins are there, before the others: is there a unit? */
bool requests_init(void);

/*
 * Reads or writes memory, within a page; false if that is blocked, or no address of the
 * machine's.
 */
bool request_memory(uint16_t source, uint64_t at, void *data, unsigned size, bool write);

/* Sends a message; one that is for no local APIC is lost. */
void request_interrupt(uint16_t source, uint64_t address, uint32_t data);

#endif
