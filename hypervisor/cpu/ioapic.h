/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's IOAPIC, where every PC has it. L0 uses those pins that it sets here; all others
 * are masked, and those of other IOAPICs.
 */
#ifndef NESTOR_CPU_IOAPIC_H
#define NESTOR_CPU_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Masks all pins of the IOAPIC at this address, which is mapped: firmware may have left some
 * open, and a level that nobody ends would come again and again. Before any is set. How many
 * pins it has; 0: there is no IOAPIC.
 */
unsigned ioapic_quiet(uint64_t address);
/* The same later, of pins that were never set, where every PC has it. Any CPU. */
void ioapic_mask_unused(void);
/* The lower half of a pin's entry, and the local APIC that it goes to. Pin: below IOAPIC_PINS.
 */
void ioapic_set(unsigned pin, uint32_t low, uint32_t apic_id);
/* The whole entry, in another format. */
void ioapic_set_raw(unsigned pin, uint64_t entry);
/* What ioapic_set was told. False: nothing. */
bool ioapic_get(unsigned pin, uint32_t *low, uint32_t *apic_id);
/* Of a pin that was set. Any CPU, any address space. */
void ioapic_mask(unsigned pin, bool masked);

#endif
